"""``torch.func``."""

# mypy: implicit-reexport

from minigrad.func import functional_call, grad, grad_and_value, hessian, jacfwd, jacrev, jvp, linearize, stack_module_state, vjp, vmap
