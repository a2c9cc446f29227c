"""Pruning: parameters with a mask that sets some elements to 0: ``torch.nn.utils.prune``.

A pruned parameter NAME becomes ``NAME_orig``, which is trained, and a buffer ``NAME_mask`` of zeros and ones. NAME itself is their product,
computed before each ``forward``. A parameter that is pruned again loses some of what is left.

``amount`` is the number of elements (or rows) to prune: an integer, or a fraction from 0.0 to 1.0.

>>> import minigrad as mg
>>> from minigrad import nn
>>> from minigrad.nn.utils import prune
>>> layer = nn.Linear(4, 2)
>>> layer.weight.data = mg.tensor([[1.0, -8.0, 3.0, 0.5], [2.0, 7.0, -6.0, 4.0]])
>>> prune.l1_unstructured(layer, "weight", amount=0.5).weight
tensor([[ 0., -8.,  0.,  0.],
        [ 0.,  7., -6.,  4.]], grad_fn=<MulBackward0>)
>>> [name for name, _ in layer.named_parameters()]
['bias', 'weight_orig']
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np

from minigrad.engine import ShapeError
from minigrad.nn.module import Module
from minigrad.ops.arguments import along
from minigrad.ops.elementwise import mul
from minigrad.random import numpy_generator
from minigrad.tensor import Tensor, as_tensor
from minigrad.tree import array_of

M = TypeVar("M", bound=Module)


def _count(amount: Any, size: int) -> int:
    """``amount`` of ``size`` as a number."""
    if isinstance(amount, bool) or not isinstance(amount, (int, float, np.number)):
        raise TypeError(f"prune: amount must be a whole number or a fraction, not {amount!r}")
    whole = isinstance(amount, (int, np.integer))
    if not 0 <= amount <= (size if whole else 1):
        raise ValueError(f"prune: amount must be from 0 to {size}, the number there is, or a fraction from 0.0 to 1.0, not {amount!r}")
    return int(amount) if whole else round(amount * size)


def _pruning(module: Module, name: str) -> Any:
    """The hook that computes a pruned parameter, or None."""
    hooks = module.__dict__.get("_hooks")
    found = [handle.function.function for handle in hooks.forward_pre] if hooks is not None else []
    return next((hook for hook in found if isinstance(hook, BasePruningMethod) and hook.name == name), None)


class BasePruningMethod:
    """A way to choose what is pruned: a subclass defines :meth:`compute_mask` and ``PRUNING_TYPE``. Also the hook that applies the mask.

    ``PRUNING_TYPE`` is ``"unstructured"`` (elements), ``"structured"`` (whole rows along ``dim``) or ``"global"``.
    """

    PRUNING_TYPE = "unstructured"
    name: str
    handle: Any

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask of ``t``, zeros where it is pruned; ``default_mask`` is that of earlier prunings, or ones."""
        raise NotImplementedError(f"{type(self).__name__} has no compute_mask()")

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.apply_mask(module))

    def apply_mask(self, module: Module) -> Any:
        """The pruned parameter."""
        return mul(getattr(module, f"{self.name}_orig"), getattr(module, f"{self.name}_mask"))

    @classmethod
    def apply(cls, module: Module, name: str, *args: Any, importance_scores: Any = None, **kwargs: Any) -> BasePruningMethod:
        """Prune a parameter by this method, made with ``args`` and ``kwargs``. Returns the hook.

        ``importance_scores``, of the parameter's shape, are what is compared instead of its elements.
        """
        method, before = cls(*args, **kwargs), _pruning(module, name)
        if before is None and (name not in module._parameter_names or module.__dict__[name] is None):
            raise ValueError(f"prune: {type(module).__name__} has no parameter '{name}'")
        now = getattr(module, name).detach()
        scores = now if importance_scores is None else importance_scores
        if tuple(scores.shape) != tuple(now.shape):
            raise ShapeError(f"prune: importance_scores have shape {tuple(scores.shape)}, '{name}' {tuple(now.shape)}")
        if before is None:
            mask = method._mask(scores, as_tensor(np.ones(now.shape, now.dtype)), name, module)
            original = module.__dict__[name]
            delattr(module, name)
            module.register_parameter(f"{name}_orig", original)
            module.register_buffer(f"{name}_mask", mask)
            hook: BasePruningMethod = method
        else:
            hook = before if isinstance(before, PruningContainer) else PruningContainer(before)
            before.handle.remove()
            hook.add_pruning_method(method)
            module.register_buffer(f"{name}_mask", hook._mask(scores, getattr(module, f"{name}_mask"), name, module))
        hook.name = name
        hook(module, None)
        hook.handle = module.register_forward_pre_hook(hook)
        return hook

    def _mask(self, scores: Any, before: Tensor, name: str, module: Module) -> Tensor:
        mask = self.compute_mask(scores, before)
        if tuple(mask.shape) != tuple(before.shape):
            raise ShapeError(f"prune: the mask has shape {tuple(mask.shape)}, '{name}' of {type(module).__name__} {tuple(before.shape)}")
        return mask.to(before.dtype).detach()

    def prune(self, t: Tensor, default_mask: Any = None, importance_scores: Any = None) -> Any:
        """``t`` with zeros, without a module."""
        before = as_tensor(np.ones(t.shape, t.dtype)) if default_mask is None else default_mask
        return mul(t, self.compute_mask(t if importance_scores is None else importance_scores, before))

    def remove(self, module: Module) -> None:
        """Make the pruned parameter a plain one, with its zeros."""
        self.handle.remove()
        value = self.apply_mask(module).detach()
        original = getattr(module, f"{self.name}_orig")
        for name in (self.name, f"{self.name}_orig", f"{self.name}_mask"):
            delattr(module, name)
        original.data = value
        module.register_parameter(self.name, original)


class PruningContainer(BasePruningMethod):
    """Several methods, one after another: each prunes what the ones before have left."""

    def __init__(self, *methods: BasePruningMethod):
        self.methods = list(methods)

    def add_pruning_method(self, method: BasePruningMethod) -> None:
        """Add a method at the end."""
        self.methods.append(method)

    def __len__(self) -> int:
        return len(self.methods)

    def __iter__(self) -> Any:
        return iter(self.methods)

    def __getitem__(self, index: int) -> BasePruningMethod:
        return self.methods[index]

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask of the last method on the part that ``default_mask`` leaves."""
        method, before, scores = self.methods[-1], array_of(default_mask), array_of(t)
        if method.PRUNING_TYPE == "unstructured":
            left = before != 0
            if not isinstance(method, _Amount):
                return as_tensor(array_of(method.compute_mask(t, default_mask)) * before)
            mask = before.copy()
            mask[left] = array_of(method.compute_mask(as_tensor(scores[left]), as_tensor(before[left])))
            return as_tensor(mask)
        if method.PRUNING_TYPE != "structured":
            raise ValueError(
                f"prune: PRUNING_TYPE {method.PRUNING_TYPE!r} cannot follow another pruning; it must be unstructured or structured"
            )
        dim: int = method.dim % scores.ndim  # type: ignore[attr-defined]
        rows = np.flatnonzero(before.any(axis=tuple([d for d in range(before.ndim) if d != dim])))
        key: Any = along(dim, rows)
        mask = before.copy()
        mask[key] *= array_of(method.compute_mask(as_tensor(scores[key]), as_tensor(before[key])))
        return as_tensor(mask)


class _Amount(BasePruningMethod):
    def __init__(self, amount: float):
        self.amount = amount

    def _places(self, scores: np.ndarray, n: int) -> np.ndarray:
        """Which ``n`` elements of a vector are pruned."""
        raise NotImplementedError

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """Zeros at the chosen elements."""
        mask, scores = array_of(default_mask).copy(), array_of(t)
        mask.reshape(-1)[self._places(scores.reshape(-1), _count(self.amount, scores.size))] = 0
        return as_tensor(mask)


class RandomUnstructured(_Amount):
    """Prunes random elements."""

    def _places(self, scores: np.ndarray, n: int) -> np.ndarray:
        return numpy_generator(None).permutation(len(scores))[:n]


class L1Unstructured(_Amount):
    """Prunes the elements with the smallest absolute values."""

    def _places(self, scores: np.ndarray, n: int) -> np.ndarray:
        return np.argsort(np.abs(scores), kind="stable")[:n]


class Identity(BasePruningMethod):
    """Prunes nothing: its mask is there to be changed later."""

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask as it is."""
        return default_mask


class CustomFromMask(BasePruningMethod):
    """Prunes where a given mask is 0."""

    PRUNING_TYPE = "unstructured"

    def __init__(self, mask: Any):
        self.mask = mask

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """Both masks together."""
        if tuple(self.mask.shape) != tuple(default_mask.shape):
            return self.mask
        return as_tensor(array_of(default_mask) * array_of(self.mask))


class _Structured(_Amount):
    PRUNING_TYPE = "structured"

    def __init__(self, amount: float, dim: int = -1):
        super().__init__(amount)
        self.dim = dim

    def _lengths(self, rows: np.ndarray) -> np.ndarray:
        return np.zeros(len(rows))

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """Zeros in the chosen rows along ``dim``."""
        mask, scores = array_of(default_mask).copy(), np.moveaxis(array_of(t), self.dim, 0)
        rows = scores.reshape(len(scores), -1)
        np.moveaxis(mask, self.dim, 0)[self._places(self._lengths(rows), _count(self.amount, len(rows)))] = 0
        return as_tensor(mask)


class RandomStructured(_Structured):
    """Prunes random rows along ``dim``."""

    def _places(self, scores: np.ndarray, n: int) -> np.ndarray:
        return numpy_generator(None).permutation(len(scores))[:n]


class LnStructured(_Structured):
    """Prunes the rows along ``dim`` with the smallest n-norms."""

    def __init__(self, amount: float, n: Any, dim: int = -1):
        super().__init__(amount, dim)
        self.n = n

    def _lengths(self, rows: np.ndarray) -> np.ndarray:
        return np.linalg.norm(rows, 2 if self.n == "fro" else self.n, axis=1)

    def _places(self, scores: np.ndarray, n: int) -> np.ndarray:
        return np.argsort(scores, kind="stable")[:n]


def identity(module: M, name: str) -> M:
    """Give a parameter a mask of ones. Returns the module."""
    Identity.apply(module, name)
    return module


def random_unstructured(module: M, name: str, amount: float) -> M:
    """Prune random elements of a parameter. Returns the module."""
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(module: M, name: str, amount: float, importance_scores: Any = None) -> M:
    """Prune the elements of a parameter (or of ``importance_scores``) with the smallest absolute values. Returns the module.

    Raises ``ValueError`` if there is no such parameter, or ``amount`` is out of range; ``TypeError`` if it is no number.
    """
    L1Unstructured.apply(module, name, amount, importance_scores=importance_scores)
    return module


def random_structured(module: M, name: str, amount: float, dim: int) -> M:
    """Prune random rows along ``dim``. Returns the module."""
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(module: M, name: str, amount: float, n: Any, dim: int, importance_scores: Any = None) -> M:
    """Prune the rows along ``dim`` with the smallest n-norms. Returns the module."""
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module: M, name: str, mask: Any) -> M:
    """Prune where ``mask``, of the parameter's shape, is 0. Returns the module."""
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(
    parameters: Iterable[tuple[Module, str]], pruning_method: type, importance_scores: dict | None = None, **kwargs: Any
) -> None:
    """Prune several parameters ``(module, name)`` as if they were one vector, by an unstructured method made with ``kwargs``.

    ``importance_scores``: ``(module, name)`` -> a Tensor, what is compared instead of the parameter.
    """
    places = list(parameters)
    if getattr(pruning_method, "PRUNING_TYPE", None) != "unstructured":
        raise TypeError(f"prune: global_unstructured needs a method of PRUNING_TYPE 'unstructured', not {pruning_method!r}")
    scores = [array_of((importance_scores or {}).get((m, name), getattr(m, name))).ravel() for m, name in places]
    masks = [array_of(getattr(m, f"{name}_mask", np.ones(getattr(m, name).shape, np.float32))).ravel() for m, name in places]
    container = PruningContainer(pruning_method(**kwargs))
    mask = array_of(container.compute_mask(as_tensor(np.concatenate(scores)), as_tensor(np.concatenate(masks))))
    start = 0
    for m, name in places:
        shape = tuple(getattr(m, name).shape)
        size = int(np.prod(shape))
        custom_from_mask(m, name, as_tensor(mask[start : start + size].reshape(shape)))
        start += size


def remove(module: M, name: str) -> M:
    """Make a pruned parameter a plain one, with its zeros. Returns the module. Raises ``ValueError`` if it is not pruned."""
    hook = _pruning(module, name)
    if hook is None:
        raise ValueError(f"prune: '{name}' of {type(module).__name__} is not pruned")
    hook.remove(module)
    return module


def is_pruned(module: Module) -> bool:
    """Whether a parameter of the module, or of one below it, is pruned."""
    return any(
        isinstance(handle.function.function, BasePruningMethod)
        for m in module.modules()
        if m.__dict__.get("_hooks") is not None
        for handle in m.__dict__["_hooks"].forward_pre
    )
