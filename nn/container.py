"""Modules that hold modules or parameters: Sequential, and lists and dicts that register their elements."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from minigrad.engine import TensorBase
from minigrad.nn.module import Module, Parameter, check_name, indent, tree_text
from minigrad.tensor import Tensor

if TYPE_CHECKING:
    from typing_extensions import TypeVar as DefaultTypeVar

    M = DefaultTypeVar("M", bound=Module, default=Module)
else:  # nn.ModuleList without a type parameter needs a default, which Python has from 3.13 on
    M = TypeVar("M", bound=Module)
Self = TypeVar("Self", bound="_Numbered[Any]")


def _position(index: Any, length: int, name: str) -> int:
    """``index`` counted from the front."""
    try:
        position = index.__index__()
    except AttributeError:
        raise TypeError(f"{name}: an index must be an integer or a slice, not {type(index).__name__}") from None
    if not -length <= position < length:
        raise IndexError(f"{name}: index {position} is out of range for {length} entries")
    return position % length


# The helpers of the containers are functions, so that a subclass may use any name for its own attributes.


def _renumber(container: Module, modules: Iterable[Module | None]) -> None:
    for name in list(container._module_names):
        delattr(container, name)
    for i, module in enumerate(modules):
        container.register_module(str(i), module)


def _list(container: Module) -> list[Any]:
    return list(container._modules.values())


def _name(container: _Numbered[Any], index: Any) -> str:
    return list(container._module_names)[_position(index, len(container), type(container).__name__)]


def _check(container: Module, module: Any) -> Any:
    if not isinstance(module, Module) and not (module is None and isinstance(container, ModuleList)):
        name, given = type(container).__name__, type(module).__name__
        if isinstance(module, type):
            given = f"the class {module.__name__}; make one: {module.__name__}(...)"
        elif isinstance(module, (list, tuple)) and isinstance(container, Sequential):
            given += f"; give each module as an argument of its own: {name}(*modules)"
        raise TypeError(f"{name}: an nn.Module is needed, not {given}")
    return module


class _Numbered(Module, Generic[M]):
    """Base of Sequential and ModuleList: ordered children, mostly named "0", "1", ..."""

    def __len__(self) -> int:
        return len(self._module_names)

    def __iter__(self) -> Iterator[M]:
        return iter(_list(self))

    def __setitem__(self, index: int, module: M) -> None:
        self.register_module(_name(self, index), module)

    def __delitem__(self, index: int | slice) -> None:
        for name in list(self._module_names)[index] if isinstance(index, slice) else [_name(self, index)]:
            delattr(self, name)
        if all(name.isdigit() for name in self._module_names):
            _renumber(self, _list(self))

    def insert(self: Self, index: int, module: Module) -> Self:
        """Put ``module`` before position ``index``."""
        modules = _list(self)
        if not -len(modules) <= index <= len(modules):
            raise IndexError(f"{type(self).__name__}: index {index} is out of range for {len(modules)} entries")
        modules.insert(index, _check(self, module))
        _renumber(self, modules)
        return self

    def append(self: Self, module: Module) -> Self:
        """Add ``module`` at the end. Returns this container."""
        number = len(self)
        while str(number) in self._module_names:  # a Sequential may have user-defined names
            number += 1
        self.register_module(str(number), _check(self, module))
        return self

    def extend(self: Self, modules: Iterable[Module]) -> Self:
        """Add all of ``modules`` at the end. Returns this container."""
        if isinstance(modules, (str, bytes)) or not isinstance(modules, Iterable):
            raise TypeError(f"{type(self).__name__}.extend: an iterable of modules is needed, not {type(modules).__name__}")
        for module in list(modules):
            self.append(module)
        return self

    def pop(self, index: int | slice = -1) -> Any:
        """Remove the module at ``index`` and return it."""
        module = self[index]  # type: ignore[index]
        del self[index]
        return module


class Sequential(_Numbered[Module]):
    """Modules that are called one after another: ``torch.nn.Sequential``.

    Args:
        modules: modules, or one dict of name -> module.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    >>> model(mg.ones(5, 2)).shape
    torch.Size([5, 1])
    >>> model[:2]
    Sequential(
      (0): Linear(in_features=2, out_features=3, bias=True)
      (1): ReLU()
    )
    >>> list(nn.Sequential({"hidden": nn.Linear(2, 3), "act": nn.ReLU()}).state_dict())
    ['hidden.weight', 'hidden.bias']
    """

    def __init__(self, *modules: Any):
        super().__init__()
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            for name, module in modules[0].items():
                self.register_module(name, _check(self, module))
        else:
            for i, module in enumerate(modules):
                self.register_module(str(i), _check(self, module))

    def forward(self, input: Tensor) -> Tensor:
        """Each module applied to the result of the one before."""
        d = self.__dict__
        for name in self._module_names:
            input = d[name](input)
        return input

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> Sequential: ...
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return type(self)(dict(list(self._modules.items())[index]))
        return self.__dict__[_name(self, index)]

    def __add__(self, other: Sequential) -> Sequential:
        if not isinstance(other, Sequential):
            return NotImplemented
        return Sequential(*self, *other)

    def __iadd__(self, other: Sequential) -> Sequential:
        if not isinstance(other, Sequential):
            return NotImplemented
        return self.extend(list(other))

    def __mul__(self, n: int) -> Sequential:
        """The modules ``n`` times one after another; they are the same modules, with shared parameters."""
        return Sequential(*self._times(n))

    __rmul__ = __mul__

    def __imul__(self, n: int) -> Sequential:
        return self.extend(self._times(n)[len(self) :])

    def _times(self, n: int) -> list[Module]:
        if not isinstance(n, int):
            raise TypeError(f"Sequential: it can be multiplied with a whole number, not with {type(n).__name__}")
        if n < 1:
            raise ValueError(f"Sequential: it can be multiplied with 1 or more, not with {n}")
        return list(self) * n


class ModuleList(_Numbered[M]):
    """A list of modules that is part of the model: ``torch.nn.ModuleList``. (Modules in a plain list would be lost.)

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])
    >>> len(layers), len(list(layers.parameters()))
    (3, 6)
    """

    def __init__(self, modules: Iterable[M] | None = None):
        super().__init__()
        if modules is not None:
            self.extend(modules)

    @overload
    def __getitem__(self, index: int) -> M: ...
    @overload
    def __getitem__(self, index: slice) -> ModuleList[M]: ...
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return type(self)(_list(self)[index])
        return self.__dict__[_name(self, index)]

    def __add__(self, other: Iterable[M]) -> ModuleList[M]:
        return ModuleList([*self, *other])

    def __iadd__(self, modules: Iterable[M]) -> ModuleList[M]:
        return self.extend(modules)

    def __repr__(self) -> str:
        texts = [repr(module) for module in self]
        lines, i = [], 0
        while i < len(texts):  # neighbours with the same text are shown once
            j = i
            while j + 1 < len(texts) and texts[j + 1] == texts[i]:
                j += 1
            lines.append(f"({i}): {indent(texts[i])}" if i == j else f"({i}-{j}): {j - i + 1} x {indent(texts[i])}")
            i = j + 1
        return tree_text(self._get_name(), [], lines)


class ModuleDict(Module, Generic[M]):
    """A dict of modules that is part of the model: ``torch.nn.ModuleDict``.

    >>> from minigrad import nn
    >>> heads = nn.ModuleDict({"digit": nn.Linear(8, 10), "letter": nn.Linear(8, 26)})
    >>> "digit" in heads, list(heads)
    (True, ['digit', 'letter'])
    """

    def __init__(self, modules: Mapping[str, M] | Iterable[tuple[str, M]] | None = None):
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> M:
        if key not in self._module_names:
            raise KeyError(key)
        return self.__dict__[key]

    def __setitem__(self, key: str, module: M) -> None:
        self.register_module(key, module)

    def __delitem__(self, key: str) -> None:
        if key not in self._module_names:
            raise KeyError(key)
        delattr(self, key)

    def __len__(self) -> int:
        return len(self._module_names)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._module_names))

    def __contains__(self, key: object) -> bool:
        return key in self._module_names

    def clear(self) -> None:
        """Remove all modules."""
        for key in self:
            delattr(self, key)

    def pop(self, key: str) -> M:
        """Remove a module and return it."""
        module = self[key]
        del self[key]
        return module

    def keys(self) -> Iterable[str]:
        """The names."""
        return dict(self._modules).keys()

    def values(self) -> Iterable[M]:
        """The modules."""
        return dict(self._modules).values()  # type: ignore[return-value]  # none is None here

    def items(self) -> Iterable[tuple[str, M]]:
        """``(name, module)`` pairs."""
        return dict(self._modules).items()  # type: ignore[return-value]  # none is None here

    def update(self, modules: Mapping[str, M] | Iterable[tuple[str, M]]) -> None:
        """Add modules from a dict or from pairs."""
        for key, module in modules.items() if isinstance(modules, (Mapping, ModuleDict)) else modules:
            self[key] = module


def _as_parameter(value: Any) -> Any:
    """Plain tensors become parameters, as in PyTorch."""
    return Parameter(value) if isinstance(value, TensorBase) and not isinstance(value, Parameter) else value


class ParameterList(Module):
    """A list of parameters that is part of the model: ``torch.nn.ParameterList``. Tensors become parameters.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> weights = nn.ParameterList([mg.zeros(2), mg.ones(3)])
    >>> [name for name, p in weights.named_parameters()]
    ['0', '1']
    """

    def __init__(self, values: Iterable[Any] | None = None):
        super().__init__()
        self._size = 0
        if values is not None:
            self.extend(values)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Any]:
        return iter([self.__dict__[str(i)] for i in range(self._size)])

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return type(self)([self[i] for i in range(self._size)[index]])
        return self.__dict__[str(_position(index, self._size, "ParameterList"))]

    def __setitem__(self, index: int, value: Any) -> None:
        setattr(self, str(_position(index, self._size, "ParameterList")), _as_parameter(value))

    def append(self, value: Any) -> ParameterList:
        """Add a parameter at the end. Returns this list."""
        setattr(self, str(self._size), _as_parameter(value))
        self._size += 1
        return self

    def extend(self, values: Iterable[Any]) -> ParameterList:
        """Add parameters at the end. Returns this list."""
        if isinstance(values, TensorBase) or not isinstance(values, Iterable):
            raise TypeError(f"ParameterList.extend: a list of tensors is needed, not {type(values).__name__}")
        for value in list(values):
            self.append(value)
        return self

    def __iadd__(self, values: Iterable[Any]) -> ParameterList:
        return self.extend(values)

    def extra_repr(self) -> str:
        """A line for each parameter."""
        return "\n".join([_parameter_line(i, value, "dtype") for i, value in enumerate(self)])


class ParameterDict(Module):
    """A dict of parameters that is part of the model: ``torch.nn.ParameterDict``. Tensors become parameters."""

    def __init__(self, parameters: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None):
        super().__init__()
        self._keys: dict[str, None] = {}
        if parameters is not None:
            self.update(parameters)

    def __getitem__(self, key: str) -> Any:
        if key not in self._keys:
            raise KeyError(key)
        return self.__dict__[key]

    def __setitem__(self, key: str, value: Any) -> None:
        check_name("parameter", key)
        setattr(self, key, _as_parameter(value))
        self._keys[key] = None

    def __delitem__(self, key: str) -> None:
        if key not in self._keys:
            raise KeyError(key)
        del self._keys[key]
        delattr(self, key)

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._keys))

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._keys.keys()

    def values(self) -> Iterable[Any]:
        """The parameters."""
        return [self[key] for key in self]

    def items(self) -> Iterable[tuple[str, Any]]:
        """``(name, parameter)`` pairs."""
        return [(key, self[key]) for key in self]

    def pop(self, key: str) -> Any:
        """Remove a parameter and return it."""
        value = self[key]
        del self[key]
        return value

    def popitem(self) -> tuple[str, Any]:
        """Remove the last parameter and return ``(name, parameter)``. Raises ``KeyError`` if there is none."""
        if not self._keys:
            raise KeyError("popitem: the ParameterDict is empty")
        key = next(reversed(self._keys))
        return key, self.pop(key)

    def get(self, key: str, default: Any = None) -> Any:
        """The parameter of that name, or ``default``."""
        return self.__dict__[key] if key in self._keys else default

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The parameter of that name; ``default`` is put there if there is none."""
        if key not in self:
            self[key] = default
        return self[key]

    def clear(self) -> None:
        """Remove all parameters."""
        for key in self:
            del self[key]

    def copy(self) -> ParameterDict:
        """Another ParameterDict with the same parameters."""
        return ParameterDict(self.items())

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> ParameterDict:
        """A new ParameterDict with ``default`` under each name."""
        return ParameterDict([(key, default) for key in keys])

    def __reversed__(self) -> Iterator[str]:
        return reversed(list(self._keys))

    def __or__(self, other: Any) -> ParameterDict:
        joined = self.copy()
        joined.update(other)
        return joined

    def __ior__(self, other: Any) -> ParameterDict:
        self.update(other)
        return self

    def update(self, parameters: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> None:
        """Add parameters from a dict or from pairs."""
        for key, value in parameters.items() if isinstance(parameters, (Mapping, ParameterDict)) else parameters:
            self[key] = value

    def extra_repr(self) -> str:
        """A line for each parameter."""
        return "\n".join([_parameter_line(key, value, "type") for key, value in self.items()])


def _parameter_line(name: Any, value: Any, named_by: str) -> str:
    """A line of PyTorch's, which a list names by the dtypes of tensors and a dict by their types."""
    if not isinstance(value, Tensor):
        return f"  ({name}): Object of type: {type(value).__name__}"
    kind = value.dtype if named_by == "dtype" else value.type()
    return f"  ({name}): {'Parameter' if isinstance(value, Parameter) else 'Tensor'} containing: [{kind!s} of size {'x'.join(map(str, value.shape))}]"
