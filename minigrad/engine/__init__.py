"""The autodiff engine: what an op is, how a graph is recorded, and how the backward pass computes gradients from it.

An **op** is a kernel (a function of ndarrays) and one formula per argument::

    @op(a=lambda g, b: g * b,
        b=lambda g, a: g * a)
    def mul(a, b):
        return np.multiply(a, b)

Each keyword of ``@op`` names an argument, and gives the formula of its gradient. The formula's **parameter names say
which values are kept for the backward pass**:

=================  ====================================================================================================
``g``              always first: the gradient of the loss with respect to the op's result (a tuple if there are several)
``out``            the op's result (a tuple when the kernel returns several; ``out_0``, ``out_1``, ... are one of them)
``res``            a residual: when a formula names it, the kernel returns ``(result, residual)``. Integers and booleans (the
                   positions of maxima, a mask) are constants for higher derivatives; anything else must be declared constant,
                   by ``res=None`` (a drawn mask of floats), or ``create_graph=True`` raises
an input           that input's value
input ``_shape``   that input's shape only, e.g. ``x_shape``
another name       the value of a static argument: a parameter of the kernel that ``@op`` does not name
=================  ====================================================================================================

A node keeps only the values that its formulas name, and only those of arguments that require a gradient. Called with
arrays, an op runs its kernel only. Called with Tensors, it also records a :class:`Node`. Formulas consist of operators
and other ops, so one formula has two uses: the ordinary backward pass calls it with ndarrays, and ``create_graph=True``
calls it with Tensors, which records a graph again. This gives derivatives of any order.

Each module imports only those before it: ``entry`` (what public functions do with their arguments), ``modes`` (switches), ``graph`` (nodes),
``batching`` (what ``vmap`` puts in the place of arrays), ``saved`` (hooks of what nodes keep), ``observed`` (who hears of ops), ``anomaly`` (finds the line of an error), ``op``
(:func:`op` and its calls), ``rules`` (what else is known of an op), ``fitting`` (sums a gradient over broadcast axes), ``passes`` (which nodes a
recorded backward pass made), ``together`` (hooks of several tensors), ``backward`` (the backward pass), ``forward`` (forward mode), ``function`` (ops as classes). None of them imports :mod:`minigrad.ops` or the Tensor class:
:mod:`minigrad.tensor` registers its class in ``graph``.
"""

# ruff: noqa: I001 (sorted, but several on a line)

from typing import TYPE_CHECKING
from minigrad.engine.anomaly import (
    Call, calls_of, Constant, constants_of, detect_anomaly, is_anomaly_check_nan_enabled, is_anomaly_enabled, line_of, arrays_of, recording_lines, set_detect_anomaly,
)  # fmt: skip
from minigrad.engine.batching import (
    ARRAYS, Batched, Level, aligned, applied, batched, each_sample, for_samples, innermost, is_array, is_batched, last_level, levels, lifted, memory_of, moved, rearranged, refuse_write, repeated, run_batched, running,
)  # fmt: skip
from minigrad.engine.backward import at_end_of_backward, backward, grad, settle, walk
from minigrad.engine.fitting import broadcast_to, cast, enter, enter_each, fit, in_dtype, is_half, leave, sum_to
from minigrad.engine.graph import (
    Leaf,
    Node,
    Pick,
    Shell,
    TensorBase,
    entitled,
    inside,
    known_as,
    numbers,
    register_tensor,
    shape_of,
    tensor_types,
    title_of_call,
    titling,
    wrap,
)
from minigrad.engine.entry import public, warn
from minigrad.engine.modes import (
    Mode, dtype_of, enable_grad, get_default_dtype, inference_mode, is_grad_enabled, no_grad, no_number, set_default_dtype, set_grad_enabled,
)  # fmt: skip
from minigrad.engine.observed import observer, observers, record_function
from minigrad.engine.passes import RecordedPass, pass_of
from minigrad.engine.op import (
    F16, F32, F64, LinAlgError, Op, Plan, ShapeError, answers_for, joint, observe, observe_no_more, op, put_before_kernels, registered_ops, specialize, take_away,
)  # fmt: skip
from minigrad.engine.rules import elementwise, jointly, linear_in, tangent, unnamed, views
from minigrad.engine.saved import save_on_cpu, saved_tensors_hooks
from minigrad.engine.together import Part, Together
from minigrad.later import loader, places

if TYPE_CHECKING:  # the same as below
    from minigrad.engine.forward import push
    from minigrad.engine.function import Function, once_differentiable

__getattr__ = loader(  # not every program needs them
    "minigrad.engine", places({"minigrad.engine.forward": "push", "minigrad.engine.function": "Function once_differentiable"})
)
