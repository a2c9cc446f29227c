"""The older weight and spectral normalisation, by a hook before ``forward`` instead of a parametrisation: ``torch.nn.utils``."""

from __future__ import annotations

from typing import Any, TypeVar

from minigrad.creation import randn
from minigrad.engine import no_grad
from minigrad.nn import functional as F
from minigrad.nn.module import Module, Parameter
from minigrad.nn.utils.parametrizations import as_matrix, default_dim, length_except
from minigrad.ops.arguments import check, positive_dim
from minigrad.ops.products import dot, mv

M = TypeVar("M", bound=Module)


class _Hook:
    """Computes ``module.NAME`` from its parts before each ``forward``."""

    handle: Any

    def __init__(self, name: str):
        self.name = name

    def compute(self, module: Module) -> Any:
        raise NotImplementedError

    def __call__(self, module: Module, args: Any) -> None:
        setattr(module, self.name, self.compute(module))


def _take(kind: str, module: Module, name: str, dim: int | None) -> Parameter:
    """Remove the parameter from the module and return it. Raises for one that is not there, or has no dimension ``dim``."""
    if name not in module._parameter_names or module.__dict__[name] is None:
        raise ValueError(f"{kind}: {type(module).__name__} has no parameter '{name}'")
    weight = module.__dict__[name]
    if dim is not None:
        positive_dim(kind, dim, weight.ndim)
    delattr(module, name)
    return weight


def _find(kind: type[_Hook], module: Module, name: str) -> Any:
    hooks = [entry.function.function for entry in module._hooks.forward_pre] if module._hooks is not None else []
    return next((hook for hook in hooks if isinstance(hook, kind) and hook.name == name), None)


def _put_back(kind: type[_Hook], what: str, module: Module, name: str, parts: tuple[str, ...]) -> None:
    check(what, locals(), module=Module, name="a name")
    hook = _find(kind, module, name)
    if hook is None:
        raise ValueError(f"{what}: '{name}' of {type(module).__name__} is not normalised")
    hook.handle.remove()
    with no_grad():
        weight = hook.compute(module)
    for part in (name, *[name + part for part in parts]):
        delattr(module, part)
    module.register_parameter(name, Parameter(weight.detach()))


class _WeightNorm(_Hook):
    def __init__(self, name: str, dim: int | None):
        super().__init__(name)
        self.dim = dim

    def compute(self, module: Module) -> Any:
        v = getattr(module, f"{self.name}_v")
        return v * (getattr(module, f"{self.name}_g") / length_except(v, self.dim))


def weight_norm(module: M, name: str = "weight", dim: int | None = 0) -> M:
    """A weight as a direction ``NAME_v`` times a length ``NAME_g``: ``torch.nn.utils.weight_norm``.

    :func:`minigrad.nn.utils.parametrizations.weight_norm` is the newer way, with the same arguments. The weight itself is a plain attribute,
    computed before each ``forward``. Raises ``ValueError`` if the module has no such parameter, ``RuntimeError`` if it is normalised.

    >>> from minigrad import nn
    >>> [name for name, p in nn.utils.weight_norm(nn.Linear(3, 4)).named_parameters()]
    ['bias', 'weight_g', 'weight_v']
    """
    check("weight_norm", locals(), "dim", module=Module, name="a name", dim="a whole number")
    if _find(_WeightNorm, module, name) is not None:
        raise RuntimeError(f"weight_norm: '{name}' is normalised already")
    weight = _take("weight_norm", module, name, dim)
    hook = _WeightNorm(name, dim)
    with no_grad():
        length = length_except(weight, dim)
    module.register_parameter(f"{name}_g", Parameter(length.detach()))
    module.register_parameter(f"{name}_v", Parameter(weight.detach()))
    hook(module, None)
    hook.handle = module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: M, name: str = "weight") -> M:
    """Make the weight a plain parameter again, with its present value: ``torch.nn.utils.remove_weight_norm``."""
    _put_back(_WeightNorm, "remove_weight_norm", module, name, ("_g", "_v"))
    return module


class _SpectralNorm(_Hook):
    def __init__(self, name: str, n_power_iterations: int, dim: int, eps: float):
        super().__init__(name)
        self.n_power_iterations, self.dim, self.eps = n_power_iterations, dim, eps

    def compute(self, module: Module, iterate: bool = False) -> Any:
        weight = getattr(module, f"{self.name}_orig")
        u, v = getattr(module, f"{self.name}_u"), getattr(module, f"{self.name}_v")
        matrix = as_matrix(weight, self.dim)
        if iterate:
            with no_grad():
                for _ in range(self.n_power_iterations):
                    v = F.normalize(mv(matrix.T, u), dim=0, eps=self.eps)
                    u = F.normalize(mv(matrix, v), dim=0, eps=self.eps)
            setattr(module, f"{self.name}_u", u)
            setattr(module, f"{self.name}_v", v)
        return weight / dot(u, mv(matrix, v))

    def __call__(self, module: Module, args: Any) -> None:
        setattr(module, self.name, self.compute(module, module.training))


def spectral_norm(module: M, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None) -> M:
    """A weight ``NAME_orig`` divided by an estimate of its largest singular value: ``torch.nn.utils.spectral_norm``.

    :func:`minigrad.nn.utils.parametrizations.spectral_norm` is the newer way, with the same arguments. The weight itself is a plain
    attribute, computed before each ``forward``; buffers ``NAME_u`` and ``NAME_v`` hold the singular vectors.
    Raises ``ValueError`` if the module has no such parameter, ``RuntimeError`` if it is normalised.

    >>> from minigrad import nn
    >>> list(nn.utils.spectral_norm(nn.Linear(3, 4)).state_dict())
    ['bias', 'weight_orig', 'weight_u', 'weight_v']
    """
    check("spectral_norm", locals(), "dim", module=Module, name="a name", n_power_iterations=1, eps="0 or above", dim="a whole number")
    if _find(_SpectralNorm, module, name) is not None:
        raise RuntimeError(f"spectral_norm: '{name}' is normalised already")
    hook = _SpectralNorm(name, n_power_iterations, default_dim(module) if dim is None else dim, eps)
    weight = _take("spectral_norm", module, name, hook.dim)
    with no_grad():
        rows, columns = as_matrix(weight, hook.dim).shape
        u, v = [F.normalize(randn(n, dtype=weight.dtype), dim=0, eps=eps) for n in (rows, columns)]
    module.register_parameter(f"{name}_orig", weight)
    setattr(module, name, weight.detach())
    module.register_buffer(f"{name}_u", u)
    module.register_buffer(f"{name}_v", v)
    hook.handle = module.register_forward_pre_hook(hook)
    return module


def remove_spectral_norm(module: M, name: str = "weight") -> M:
    """Make the weight a plain parameter again, with its present value: ``torch.nn.utils.remove_spectral_norm``."""
    _put_back(_SpectralNorm, "remove_spectral_norm", module, name, ("_u", "_v", "_orig"))
    return module
