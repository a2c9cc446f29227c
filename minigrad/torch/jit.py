"""``torch.jit``: what a script is written with when it is to be compiled, and there is no compiler."""

# mypy: implicit-reexport

from typing import Final

from minigrad.accepted import (
    annotate, flag as enable_onednn_fusion, flag as set_fusion_strategy, fork, marker as ignore, never as is_scripting, never as is_tracing,
    never as onednn_fusion_enabled, same as Attribute, same as export, same as freeze, same as interface, same as optimize_for_inference,
    same as script_if_tracing, same as script_method, same as unused, same as wait, script, trace, trace as trace_module,
)  # fmt: skip
from minigrad.nn import Module as ScriptModule
