"""``torch.compiler``."""

# mypy: implicit-reexport

from minigrad.accepted import (
    compile, flag as cudagraph_mark_step_begin, flag as reset, marker as disable, never as is_compiling, never as is_dynamo_compiling,
    never as is_exporting, same as allow_in_graph, same as assume_constant_result, same as nested_compile_region,
)  # fmt: skip
