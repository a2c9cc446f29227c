"""The autodiff engine: what an op is, how a graph is recorded, and how gradients walk back through it.

An **op** is a kernel (a function of ndarrays) and one formula per argument::

    @op(a=lambda g, b: g * b,
        b=lambda g, a: g * a)
    def mul(a, b):
        return np.multiply(a, b)

The keyword names the argument that the formula differentiates; the formula's **parameter names say what
backward keeps**:

=================  ====================================================================================================
``g``              always first: the gradient of the loss in the op's result (a tuple for several results)
``out``            the op's result (a tuple when the kernel returns several; ``out_0``, ``out_1``, ... are one of them)
``res``            a residual: when a formula names it, the kernel returns ``(result, residual)``. Integers and booleans (the
                   positions of maxima, a mask) are constants for higher derivatives; anything else must be declared constant,
                   by ``res=None`` (a drawn mask of floats), or ``create_graph=True`` raises
an input           that input's value
input ``_shape``   that input's shape only, e.g. ``x_shape``
a static           the value of a parameter that ``@op`` does not name
=================  ====================================================================================================

What no formula names is not kept alive, and neither is what only the formula of an argument without gradient
names. Called with arrays an op *is* its kernel. Called with Tensors it records a :class:`Node`. So a formula that is
written with operators and other ops serves twice: ordinary backward hands it ndarrays, and
``create_graph=True`` hands it Tensors, so that the same text records a graph: derivatives of any order.

The rooms, each on those before it: ``keywords`` (numpy's), ``modes`` (switches), ``graph`` (nodes), ``anomaly`` (who is to blame), ``op`` (:func:`op` and its
calls), ``fitting`` (the engine's own ops: broadcasting undone), ``backward`` (the walk). None of them knows an op of
:mod:`minigrad.ops`, nor the Tensor's methods: :mod:`minigrad.tensor` registers its class in ``graph``.
"""

from minigrad.engine.anomaly import detect_anomaly, function_of, line_of, recording_lines
from minigrad.engine.backward import backward, grad, settle, walk
from minigrad.engine.fitting import broadcast_to, cast, fit, sum_to
from minigrad.engine.graph import Leaf, Node, Pick, TensorBase, numbers, register_tensor, shape_of, tensor_types, wrap
from minigrad.engine.keywords import take_numpy_names
from minigrad.engine.modes import Mode, enable_grad, get_default_dtype, is_grad_enabled, no_grad, set_default_dtype, set_grad_enabled
from minigrad.engine.op import F32, F64, Op, Plan, ShapeError, joint, op, registered_ops, specialize
