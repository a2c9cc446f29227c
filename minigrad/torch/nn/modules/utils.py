"""``torch.nn.modules.utils``."""

# mypy: implicit-reexport

from minigrad.ops.window_sizes import n_tuple as _ntuple, pair as _pair, quadruple as _quadruple, single as _single, triple as _triple
from minigrad.nn.module import consume_prefix_in_state_dict_if_present
