"""Derivatives as functions: ``torch.func``, and the products with Hessians of ``torch.autograd.functional``."""

# mypy: implicit-reexport

from minigrad.func.functional import hvp, vhp
from minigrad.func.modules import stack_module_state
from minigrad.func.transforms import grad, grad_and_value, hessian, jacfwd, jacrev, jvp, linearize, vjp
from minigrad.func.vmap import vmap
from minigrad.nn.utils import functional_call
