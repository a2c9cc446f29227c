"""``torch.autograd.functional``."""

# mypy: implicit-reexport

from minigrad.func.functional import hessian, hvp, jacobian, jvp, vhp, vjp
