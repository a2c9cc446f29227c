"""Parameters that are computed from others whenever they are read: ``torch.nn.utils.parametrize``.

A parametrised module gets a new class, a subclass of its old one, in which the parameter's name is a property. The tensors from which
the parameter is computed are in ``module.parametrizations.NAME``.
"""

from __future__ import annotations

import contextlib
import copyreg
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import Any, TypeVar

from minigrad.engine import ShapeError, TensorBase, inside, no_grad
from minigrad.nn.container import ModuleDict, ModuleList
from minigrad.nn.module import Module, Parameter
from minigrad.ops.arguments import check
from minigrad.tensor import Tensor

M = TypeVar("M", bound=Module)

_cache: ContextVar[dict[tuple[int, str], Any] | None] = ContextVar("parametrization_cache", default=None)


@contextlib.contextmanager
def cached() -> Iterator[None]:
    """Inside this block each parametrised tensor is computed once, when it is first read: ``torch.nn.utils.parametrize.cached``."""
    before = _cache.set(_cache.get() or {})
    try:
        yield
    finally:
        _cache.reset(before)


def _register(module: Module, name: str, tensor: Any) -> None:
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


class ParametrizationList(ModuleList):
    """The parametrisations of one tensor, and the tensors it is computed from: ``original``, or ``original0``, ``original1``, ...

    Args:
        modules: the first maps the originals to a tensor, each further one maps the result of the one before.
        original: the tensor before; the modules' ``right_inverse``, from the last to the first, compute the originals from it.
        unsafe: whether shape and dtype may change.
    """

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False):
        if not modules:
            raise ValueError("ParametrizationList: at least one module is needed")
        super().__init__(modules)
        self.unsafe = unsafe
        shape, dtype = tuple(original.shape), original.dtype
        new: Any = original
        with no_grad():
            for module in reversed(list(self)):
                if hasattr(module, "right_inverse"):
                    with contextlib.suppress(NotImplementedError):
                        new = module.right_inverse(new)
        self.is_tensor = isinstance(inside(new), TensorBase)
        if not self.is_tensor and not isinstance(new, Sequence):
            raise TypeError(f"ParametrizationList: right_inverse must return a Tensor or several, not {type(new).__name__}")
        self.ntensors = 1 if self.is_tensor else len(new)
        if self.is_tensor:
            if new.dtype != dtype:
                raise ValueError(f"ParametrizationList: right_inverse may not change the dtype, from {dtype.name} to {new.dtype.name}")
            if new is not original:
                _set(original, new)
            _register(self, "original", original)
        else:
            for i, tensor in enumerate(new):
                data = tensor.detach()
                _register(self, f"original{i}", Parameter(data, original.requires_grad) if isinstance(original, Parameter) else data)
        if not unsafe:
            _check("ParametrizationList", self(), shape, dtype)

    def right_inverse(self, value: Tensor) -> None:
        """Set the originals so that the tensor becomes ``value``. ``RuntimeError`` if a module has no ``right_inverse``."""
        new: Any = value
        with no_grad():
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(f"parametrization {type(module).__name__} has no right_inverse, so the tensor cannot be assigned")
                new = module.right_inverse(new)
        several = [new] if self.is_tensor else list(new)
        if len(several) != self.ntensors:
            raise ValueError(f"right_inverse must return {self.ntensors} tensors, not {len(several)}")
        for i, tensor in enumerate(several):
            original = self.original if self.is_tensor else getattr(self, f"original{i}")
            if original.dtype != tensor.dtype:
                raise ValueError(f"right_inverse gave a tensor of {tensor.dtype.name}, and the original is of {original.dtype.name}")
            _set(original, tensor)

    def forward(self) -> Any:
        """The tensor"""
        first, *others = list(self)
        x = first(self.original) if self.is_tensor else first(*[getattr(self, f"original{i}") for i in range(self.ntensors)])
        for module in others:
            x = module(x)
        return x


def _set(tensor: Any, value: Any) -> None:
    """Give a parameter or buffer a value, perhaps of another shape."""
    tensor.data = value.detach().clone()


def _check(name: str, tensor: Any, shape: tuple[int, ...], dtype: Any) -> None:
    if not isinstance(inside(tensor), TensorBase):
        raise TypeError(f"{name}: a parametrization must return a Tensor, not {type(tensor).__name__}")
    if tuple(tensor.shape) != shape or tensor.dtype != dtype:
        raise ShapeError(
            f"{name}: a parametrization may not change shape or dtype unless unsafe=True, "
            f"from {dtype.name}{shape} to {tensor.dtype.name}{tuple(tensor.shape)}"
        )


def _property(name: str) -> property:
    def get(self: Any) -> Any:
        cache = _cache.get()
        if cache is None:
            return self.parametrizations[name]()
        key = (id(self), name)
        if key not in cache:
            cache[key] = self.parametrizations[name]()
        return cache[key]

    def put(self: Any, value: Any) -> None:
        self.parametrizations[name].right_inverse(value)

    return property(get, put)


class _Parametrized:
    """Base of the classes of parametrised modules, without the properties."""

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(vars(type(self)).get(name), property):
            object.__setattr__(self, name, value)  # also for a Parameter: passed to right_inverse, not registered again
        else:
            super().__setattr__(name, value)

    def __reduce_ex__(self, protocol: Any) -> Any:
        old = type(self).__mro__[2]
        names = [name for name, value in vars(type(self)).items() if isinstance(value, property)]
        return _rebuild, (old, names), self.__dict__


def _rebuild(old: type, names: list[str]) -> Module:
    module = copyreg.__newobj__(old)  # type: ignore[attr-defined]
    _change_class(module)
    for name in names:
        setattr(type(module), name, _property(name))
    return module


def _change_class(module: Module) -> None:
    old = type(module)
    module.__class__ = type(f"Parametrized{old.__name__}", (_Parametrized, old), {"__module__": old.__module__})


def register_parametrization(module: M, tensor_name: str, parametrization: Module, *, unsafe: bool = False) -> M:
    """Compute a parameter or buffer from another whenever it is read: ``torch.nn.utils.parametrize.register_parametrization``.

    Args:
        module: a module, which is changed and returned.
        tensor_name: the parameter or buffer; if it is parametrised already, the new parametrisation is applied to the result.
        parametrization: a module that maps the original tensor to the value that is read. Its ``right_inverse``, if it has one, computes the
            original (or several) from a value: from the present one, and from each value that is assigned later.
        unsafe: whether shape and dtype may change.

    Raises ``ValueError`` for an unknown name, ``ShapeError`` if shape or dtype change.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> class Symmetric(nn.Module):
    ...     def forward(self, x):
    ...         return mg.triu(x) + mg.triu(x, 1).T
    >>> layer = nn.utils.parametrize.register_parametrization(nn.Linear(3, 3), "weight", Symmetric())
    >>> bool((layer.weight == layer.weight.T).all()), [name for name, p in layer.named_parameters()]
    (True, ['bias', 'parametrizations.weight.original'])
    """
    name = "register_parametrization"
    check(name, locals(), module=Module, tensor_name="a name", parametrization=Module)
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        if not unsafe:
            now = getattr(module, tensor_name)
            _check(name, parametrization(now), tuple(now.shape), now.dtype)
        listed: Any = module.parametrizations
        listed[tensor_name].append(parametrization)
        listed[tensor_name].unsafe |= unsafe
        return module
    if tensor_name not in module._parameter_names and tensor_name not in module._buffer_names:
        raise ValueError(f"{name}: {type(module).__name__} has no parameter or buffer '{tensor_name}'")
    if getattr(module, tensor_name) is None:
        raise ValueError(f"{name}: {type(module).__name__}.{tensor_name} is None")
    made = ParametrizationList([parametrization], getattr(module, tensor_name), unsafe)
    delattr(module, tensor_name)
    if not is_parametrized(module):
        _change_class(module)
        module.parametrizations = ModuleDict()
    setattr(type(module), tensor_name, _property(tensor_name))
    module.parametrizations[tensor_name] = made
    return module


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether the module has parametrised tensors, or whether ``tensor_name`` is parametrised: ``torch.nn.utils.parametrize.is_parametrized``."""
    check("is_parametrized", locals(), module=Module)
    found = getattr(module, "parametrizations", None)
    return isinstance(found, ModuleDict) and (len(found) > 0 if tensor_name is None else tensor_name in found)


def remove_parametrizations(module: M, tensor_name: str, leave_parametrized: bool = True) -> M:
    """Make a parametrised tensor a plain parameter or buffer again: ``torch.nn.utils.parametrize.remove_parametrizations``.

    It keeps its present value or, without ``leave_parametrized``, gets the value of the original, if there is only one.
    Raises ``ValueError`` if the tensor is not parametrised, or was computed from several.
    """
    check("remove_parametrizations", locals(), module=Module, tensor_name="a name")
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"remove_parametrizations: {type(module).__name__}.{tensor_name} is not parametrised")
    made: Any = module.parametrizations[tensor_name]
    if made.is_tensor:
        original = made.original
        if leave_parametrized:
            with no_grad():
                _set(original, getattr(module, tensor_name))
    elif leave_parametrized:
        value = getattr(module, tensor_name)
        original = Parameter(value.detach()) if value.requires_grad else value
    else:
        raise ValueError("remove_parametrizations: leave_parametrized=False needs a tensor that is computed from one original")
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    if not len(module.parametrizations):
        del module.parametrizations
        module.__class__ = type(module).__mro__[2]
    _register(module, tensor_name, original)
    return module


def type_before_parametrizations(module: Module) -> type:
    """The module's class before it had parametrisations: ``torch.nn.utils.parametrize.type_before_parametrizations``."""
    return type(module).__mro__[2] if isinstance(module, _Parametrized) else type(module)
