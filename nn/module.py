"""Module: the base class of layers and models, a tree of functions with parameters.

Parameters, buffers and children are ordinary attributes: their values live in the instance's ``__dict__``, so reading one costs
what reading any attribute costs. A module only records their *names*, which ``__setattr__`` collects in definition order.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, KeysView, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, Protocol, TypeVar

import numpy as np

from minigrad import absent, dtypes
from minigrad.devices import check_device, no_device
from minigrad.dtypes import DTYPES, OF_NUMPY
from minigrad.engine import ShapeError, Shell, TensorBase, dtype_of, get_default_dtype, inside, is_grad_enabled, no_grad, wrap
from minigrad.ops.outlines import is_outlining, light, outline
from minigrad.tensor import TENSOR_CLASSES, RemovableHandle, Tensor, made, to_array
from minigrad.tree import leaves, rebuilt

Self = TypeVar("Self", bound="Module")
P = ParamSpec("P")
R = TypeVar("R", covariant=True)
M = TypeVar("M")


class Parameter(Tensor):
    """A Tensor that a :class:`Module` registers when it is assigned as an attribute: ``torch.nn.Parameter``.

    Of complex numbers it is a :class:`~minigrad.ops.complex_pair.ComplexPair` over a Parameter of shape (..., 2), which optimisers train as any
    other: PyTorch's do the same.

    Args:
        data: a Tensor (its memory is shared, and copied when either is written), or any argument of :func:`minigrad.tensor`; None: no element.
        requires_grad: whether computations with it are recorded.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> nn.Parameter(mg.zeros(2))
    Parameter containing:
    tensor([0., 0.], requires_grad=True)
    """

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Parameter:
        """A parameter with the value of ``data``."""
        if not isinstance(data, (TensorBase, Shell)):
            data = made(to_array(() if data is None else data, copy=True, complex_too=True))
        if isinstance(data, Shell):
            return type(data)(cls(data.pair, requires_grad))  # type: ignore[call-arg, return-value]
        self = object.__new__(cls)
        self._data = data._data
        if is_outlining():
            self._data = light(self._data)
        self._node = self._grad = None
        self.requires_grad_(requires_grad)
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        """A copy of the value only: a copied model has no gradients, as in PyTorch. (The copy of a Tensor keeps its gradient.)"""
        if id(self) not in memo:
            memo[id(self)] = type(self)._rebuild(self._data.copy(), self.requires_grad, None)
        return memo[id(self)]

    def __repr__(self) -> str:
        return f"Parameter containing:\n{Tensor.__repr__(self)}"  # self may be the shell around one


TENSOR_CLASSES["parameter"] = Parameter  # the class that mg.load uses for it


class UninitializedError(ValueError, RuntimeError):
    """The value of a parameter or buffer was needed before its shape was known."""


class _Uninitialized:
    """Base of :class:`UninitializedParameter` and :class:`UninitializedBuffer`, which have no value yet.

    The slot for a Tensor's array holds dtype and ``requires_grad`` instead. The property for the array raises, so reading the value
    or the shape raises too.
    """

    __slots__ = ()
    cls_to_become: type[Tensor]

    def __new__(cls, requires_grad: bool, device: Any, dtype: Any) -> Any:
        check_device(device)
        self: Any = object.__new__(cls)
        self._node = self._grad = None
        _pending.__set__(self, (get_default_dtype() if dtype is None else dtype_of(type(self).__name__, dtype), requires_grad))
        return self

    @property
    def _data(self) -> np.ndarray:
        raise self._error()

    @_data.setter
    def _data(self, value: np.ndarray) -> None:
        raise self._error()

    def _error(self) -> UninitializedError:
        return UninitializedError(
            f"an {type(self).__name__} has no value and no shape yet: call the model once, so that its lazy layers learn their sizes"
        )

    @property
    def dtype(self) -> dtypes.dtype:
        """The dtype after materialisation."""
        return OF_NUMPY[_pending.__get__(self)[0]]

    @property
    def requires_grad(self) -> bool:
        """Whether computations with it will be recorded."""
        return _pending.__get__(self)[1]

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Set :attr:`requires_grad`."""
        _pending.__set__(self, (self.dtype, requires_grad))
        return self

    def is_floating_point(self) -> bool:
        """Whether the dtype is a floating one."""
        return self.dtype.kind == "f"

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """Another of this class for the other dtype; arguments as of :meth:`Tensor.to <minigrad.Tensor.to>`. So are float(), double() and half()."""
        dtype = wrap(np.empty(0, self.dtype)).to(*args, **kwargs).dtype
        return self if dtype == self.dtype else type(self)(self.requires_grad, None, dtype)

    @property
    def data(self) -> Any:
        """Raises, as there is none; setting it to another of this class takes the dtype of that."""
        raise self._error()

    @data.setter
    def data(self, value: Any) -> None:
        if not isinstance(value, _Uninitialized):
            raise self._error()
        _pending.__set__(self, (value.dtype, self.requires_grad))

    def materialize(self, shape: Iterable[int], device: Any = None, dtype: Any = None) -> None:
        """Become an ordinary Parameter or Tensor of this shape, its value arbitrary."""
        check_device(device)
        old, requires_grad = _pending.__get__(self)
        self.__class__ = self.cls_to_become  # type: ignore[assignment]
        tensor: Any = self
        tensor._data = np.empty(tuple(shape), old if dtype is None else dtype)
        tensor.requires_grad_(requires_grad)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return memo.setdefault(id(self), type(self)(self.requires_grad, None, self.dtype))

    def __reduce__(self) -> tuple:
        return type(self), (self.requires_grad, None, self.dtype)


_pending: Any = TensorBase.__dict__["_data"]


class UninitializedParameter(_Uninitialized, Parameter):
    """A parameter whose shape is not known yet: ``torch.nn.UninitializedParameter``. Lazy layers have them until their first call.

    Args:
        requires_grad, device, dtype: of the future parameter.

    Only these can be read and changed. Anything that needs a value or a shape raises :class:`UninitializedError`.

    >>> from minigrad import nn
    >>> p = nn.UninitializedParameter()
    >>> p
    <UninitializedParameter>
    >>> p.materialize((2, 3))
    >>> type(p), p.shape
    (<class 'minigrad.nn.module.Parameter'>, torch.Size([2, 3]))
    """

    cls_to_become = Parameter

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> UninitializedParameter:
        """See the class."""
        return _Uninitialized.__new__(cls, requires_grad, device, dtype)


class UninitializedBuffer(_Uninitialized, Tensor):
    """A buffer whose shape is not known yet: ``torch.nn.UninitializedBuffer``. Give it to :meth:`Module.register_buffer`."""

    __slots__ = ()
    cls_to_become = Tensor

    def __new__(cls, requires_grad: bool = False, device: Any = None, dtype: Any = None) -> UninitializedBuffer:
        """See :class:`UninitializedParameter`."""
        return _Uninitialized.__new__(cls, requires_grad, device, dtype)


class _BufferType(type):
    """A buffer is a Tensor that is marked as one."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor) and instance.__dict__.get("_is_buffer", False)


class Buffer(metaclass=_BufferType):
    """A Tensor that a :class:`Module` registers as a buffer when it is assigned as an attribute: ``torch.nn.Buffer``.

    Args:
        data: a Tensor (its memory is shared), or None: no element.
        persistent: whether it is part of the ``state_dict``, as for :meth:`Module.register_buffer`.

    Raises ``TypeError`` if ``data`` is no Tensor.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> model = nn.Module()
    >>> model.mean = nn.Buffer(mg.zeros(2))
    >>> list(model.state_dict())
    ['mean']
    """

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Any:
        """The Tensor, marked."""
        if data is not None and not isinstance(data, TensorBase):
            raise TypeError(f"Buffer: data must be a Tensor or None, not {type(data).__name__}")
        self: Any = (wrap(np.empty(0, get_default_dtype().dtype)) if data is None else data.detach()).requires_grad_(
            data is not None and data.requires_grad
        )
        self._is_buffer, self.persistent = True, persistent
        return self


def is_lazy(param: Any) -> bool:
    """Whether ``param`` is an :class:`UninitializedParameter` or :class:`UninitializedBuffer`: ``torch.nn.parameter.is_lazy``."""
    return isinstance(param, _Uninitialized)


def empty_parameter(shape: Iterable[int], dtype: Any = None, device: Any = None) -> Parameter:
    """A parameter with arbitrary values. Layers make it in ``__init__``, and ``reset_parameters`` fills it."""
    check_device(device)
    make = outline if is_outlining() else np.empty
    found = get_default_dtype().dtype if dtype is None else dtype_of("parameter", dtype, True)
    if found.kind == "c":
        from minigrad.ops.complex_pair import ComplexPair  # not every program needs it

        return Parameter(ComplexPair(wrap(make((*shape, 2), OF_NUMPY[found].to_real().dtype))))
    return Parameter(wrap(make(tuple(shape), found)))


class IncompatibleKeys(NamedTuple):
    """Result of :meth:`Module.load_state_dict`: paths that were missing, and paths that the model does not have."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"_IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


_WRAPPERS = {"module.": "DataParallel and DistributedDataParallel keep", "_orig_mod.": "torch.compile keeps"}


def _of_a_wrapper(state_dict: Mapping[str, Any]) -> str:
    """What to do with the state of a wrapped model, whose paths all begin with the wrapper's name for it; '' for another state."""
    for prefix, keeps in _WRAPPERS.items():
        if state_dict and all(path.startswith(prefix) for path in state_dict):
            inner = f"{{path.removeprefix({prefix!r}): value for path, value in state_dict.items()}}"
            return f"\nAll paths begin with {prefix!r}, under which {keeps} the model: load {inner}"
    return ""


def consume_prefix_in_state_dict_if_present(state_dict: dict[str, Any], prefix: str) -> None:
    """Take ``prefix`` off the keys of a ``state_dict`` that have it, in place: that of a wrapped model, ``"module."``.

    ``torch.nn.modules.utils.consume_prefix_in_state_dict_if_present``.

    >>> state = {"module.weight": 1, "bias": 2}
    >>> consume_prefix_in_state_dict_if_present(state, "module.")
    >>> state
    {'bias': 2, 'weight': 1}
    """
    for key in [key for key in state_dict if key.startswith(prefix)]:
        state_dict[key.removeprefix(prefix)] = state_dict.pop(key)


class _Path(str):
    """The note on an exception with the path of the module that raised it; each outer module adds its name at the front."""

    path: str
    kind: str
    outermost: weakref.ref[Module] | None

    def __new__(cls, path: str, kind: str, outermost: Module) -> _Path:
        self = super().__new__(cls, f"in {path} ({kind})" if path else f"in {kind}")
        self.path, self.kind, self.outermost = path, kind, weakref.ref(outermost)
        return self

    def __reduce__(self) -> tuple:
        return str, (str(self),)  # exceptions are sent between processes, without the modules


class _HookEntry:
    """A registered hook with its options, as the ``function`` of the entry that a :class:`RemovableHandle` adds and removes.

    ``private``: of one of PyTorch's methods with an underscore, another call, see :meth:`Module._register_state_dict_hook`.
    """

    __slots__ = ("always_call", "function", "private", "with_kwargs")

    def __init__(self, function: Callable[..., Any], with_kwargs: bool = False, always_call: bool = False, private: bool = False):
        self.function, self.with_kwargs, self.always_call, self.private = function, with_kwargs, always_call, private


class _Hooks:
    """A module's hooks. A module without hooks has None instead, so that its calls have no overhead."""

    def __init__(self) -> None:
        self.forward_pre: list[Any] = []
        self.forward: list[Any] = []
        self.backward_pre: list[Any] = []
        self.backward: list[Any] = []
        self.state_pre: list[Any] = []
        self.state: list[Any] = []
        self.load_pre: list[Any] = []
        self.load: list[Any] = []

    def after(self, first: _Hooks) -> _Hooks:
        """Those of ``first``, then these."""
        both = _Hooks()
        for kind, own in vars(self).items():
            setattr(both, kind, [*getattr(first, kind), *own])
        return both


_RESERVED = frozenset({"_hooks", "_parameter_names", "_buffer_names", "_module_names", "_parameters", "_buffers", "_modules"})


class _Members(MutableMapping[str, M]):
    """The members of one kind of a module by name, which lie in its ``__dict__``: as PyTorch's ``_modules``, it does not check what is written."""

    __slots__ = ("_kind", "_module", "_names")

    def __init__(self, module: Module, kind: str):
        self._module, self._kind, self._names = module, kind, getattr(module, f"_{kind}_names")

    def __getitem__(self, name: str) -> M:
        if name not in self._names:
            raise KeyError(name)
        return self._module.__dict__[name]

    def __setitem__(self, name: str, value: M) -> None:
        _register(self._module, self._kind, name, value, note=True if self._kind == "buffer" else None)

    def __delitem__(self, name: str) -> None:
        if name not in self._names:
            raise KeyError(name)
        delattr(self._module, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def keys(self) -> KeysView[str]:
        """The names, as those of a dict: scripts print them, to see what there is. A mapping's own would print the members too."""
        return dict.fromkeys(self._names).keys()

    def __repr__(self) -> str:
        return repr(dict(self))


_NO_HOOKS = _Hooks()  # what a module without hooks is read as; nothing is registered in it


class _HookDict(MutableMapping[int, Callable[..., Any]]):
    """A module's hooks of one kind by the ``id`` of their handles, as PyTorch's ``_forward_hooks``: scripts count, clear and restore them.

    It is the list that the hooks are called from. So handles can remove hooks that were taken off by an assignment and put back.
    """

    __slots__ = ("_list",)

    def __init__(self, hooks: list[Any]):
        self._list = hooks

    def _place(self, key: int) -> int:
        for i, hook in enumerate(self._list):
            if hook.id == key:
                return i
        raise KeyError(key)

    def __getitem__(self, key: int) -> Callable[..., Any]:
        return self._list[self._place(key)].function.function

    def __setitem__(self, key: int, value: Callable[..., Any]) -> None:
        if key in self:
            self._list[self._place(key)].function = _HookEntry(value)
        else:
            RemovableHandle(self._list, _HookEntry(value)).hook.id = key  # type: ignore[arg-type]

    def __delitem__(self, key: int) -> None:
        del self._list[self._place(key)]

    def __iter__(self) -> Iterator[int]:
        return iter([hook.id for hook in self._list])

    def __len__(self) -> int:
        return len(self._list)

    def __repr__(self) -> str:
        return repr(dict(self))


class _HooksOf:
    """An attribute of :class:`Module` that is the :class:`_HookDict` of one kind; any mapping can be assigned."""

    def __init__(self, kind: str):
        self.kind = kind

    def __get__(self, module: Module | None, owner: type) -> Any:
        return self if module is None else _HookDict(getattr(_own_hooks(module), self.kind))

    def __set__(self, module: Module, value: Mapping[int, Callable[..., Any]]) -> None:
        if not isinstance(value, _HookDict):
            given, value = value, _HookDict([])
            value.update(given)
        setattr(_own_hooks(module), self.kind, value._list)


def _own_hooks(module: Module) -> _Hooks:
    if "_hooks" not in module.__dict__:
        module.__dict__["_hooks"] = _Hooks()
    return module.__dict__["_hooks"]


class _HasForward(Protocol[P, R]):
    """For type checkers: a module whose forward() takes P and returns R."""

    def forward(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """See :meth:`Module.forward`."""


def _call_super(module: Module) -> AttributeError:
    name = type(module).__name__
    return AttributeError(f"{name}.__init__() must call super().__init__() before it assigns parameters, buffers or modules")


@absent.answers_as("torch.jit.ScriptModule")
@absent.answers_as("torch.nn.Module")
class Module:
    """Base class of layers and models: ``torch.nn.Module``.

    Assign Parameters, Modules and (with :meth:`register_buffer`) Tensors to attributes in ``__init__`` after
    ``super().__init__()``, and define ``forward``. Call the module, not ``forward``: the call runs hooks, and adds to an
    exception the path of the module that raised it.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.hidden = nn.Linear(4, 8)
    ...         self.out = nn.Linear(8, 2)
    ...     def forward(self, x):
    ...         return self.out(self.hidden(x).relu())
    >>> net = Net()
    >>> net(mg.ones(3, 4)).shape
    torch.Size([3, 2])
    >>> [name for name, p in net.named_parameters()]
    ['hidden.weight', 'hidden.bias', 'out.weight', 'out.bias']
    >>> net
    Net(
      (hidden): Linear(in_features=4, out_features=8, bias=True)
      (out): Linear(in_features=8, out_features=2, bias=True)
    )
    """

    training: bool
    _hooks: _Hooks | None = None
    _parameter_names: dict[str, None]  # dicts as ordered sets; the values are in __dict__
    _buffer_names: dict[str, bool]  # name -> whether it is part of the state_dict
    _module_names: dict[str, None]
    _version: int = 1  # of what state_dict writes, for a subclass that reads older ones in its _load_from_state_dict

    _forward_pre_hooks, _forward_hooks = _HooksOf("forward_pre"), _HooksOf("forward")
    _backward_pre_hooks, _backward_hooks = _HooksOf("backward_pre"), _HooksOf("backward")
    _state_dict_pre_hooks, _state_dict_hooks = _HooksOf("state_pre"), _HooksOf("state")
    _load_state_dict_pre_hooks, _load_state_dict_post_hooks = _HooksOf("load_pre"), _HooksOf("load")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in vars(cls).keys() & _RESERVED:
            raise TypeError(f"{cls.__name__}.{name}: nn.Module keeps its own records under this name; choose another one")

    def __init__(self) -> None:
        d = self.__dict__
        d["training"] = True
        d["_parameter_names"], d["_buffer_names"], d["_module_names"] = {}, {}, {}

    # ----------------------------------------------------------------------------------------------- calling

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The module's output; every subclass that is called defines this method."""
        raise NotImplementedError(f"{type(self).__name__} has no forward()")

    if TYPE_CHECKING:  # a call has the arguments and the result of the class's forward()

        def __call__(self: _HasForward[P, R], *args: P.args, **kwargs: P.kwargs) -> R: ...

    else:

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            """Call ``forward`` with the arguments, and the hooks before and after it."""
            try:
                if self._hooks is None:
                    return self.forward(*args, **kwargs)
                return _call(self, self._hooks, args, kwargs)
            except Exception as error:
                add_path(self, error)
                raise

    def register_forward_pre_hook(self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False) -> RemovableHandle:
        """Call ``hook(module, args)`` before each ``forward``; its result (a value or a tuple), unless None, replaces ``args``.

        Args:
            hook: with ``with_kwargs`` it is ``hook(module, args, kwargs)`` and returns None or ``(args, kwargs)``.
            prepend: run it before the existing hooks.
            with_kwargs: see ``hook``.

        Returns a handle whose ``remove()`` removes the hook.
        """
        return _register_hook(self, "forward_pre", _HookEntry(hook, with_kwargs), prepend)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after each ``forward``; its result, unless None, replaces the output.

        Args:
            hook: with ``with_kwargs`` it is ``hook(module, args, kwargs, output)``.
            prepend: run it before the existing hooks.
            with_kwargs: see ``hook``.
            always_call: run it (with output None) even if ``forward`` raised.

        >>> import minigrad as mg
        >>> from minigrad import nn
        >>> layer = nn.Linear(2, 3)
        >>> handle = layer.register_forward_hook(lambda module, args, out: print(args[0].shape, "->", out.shape))
        >>> y = layer(mg.ones(5, 2))
        torch.Size([5, 2]) -> torch.Size([5, 3])
        >>> handle.remove()
        """
        return _register_hook(self, "forward", _HookEntry(hook, with_kwargs, always_call), prepend)

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` when backward reaches the module's outputs; a tuple it returns replaces ``grad_output``."""
        return _register_hook(self, "backward_pre", _HookEntry(hook), prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` when backward has passed the module; a tuple it returns replaces ``grad_input``.

        ``grad_input`` has an entry for each positional argument of the call: None for one that is no Tensor or needs no gradient.
        """
        return _register_hook(self, "backward", _HookEntry(hook), prepend)

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, prefix, keep_vars)`` before each :meth:`state_dict` of this module or one above it."""
        return _register_hook(self, "state_pre", _HookEntry(hook), False)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata)`` after each :meth:`state_dict`; it may change the dict.

        The metadata is ``{"version": self._version}``. A hook that returns something is an error; see :meth:`_register_state_dict_hook`.
        """
        return _register_hook(self, "state", _HookEntry(hook), False)

    def _register_state_dict_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """:meth:`register_state_dict_post_hook`, under its old name: what the hook of the outermost module returns replaces the dict."""
        return _register_hook(self, "state", _HookEntry(hook, private=True), False)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)`` before loading.

        It may change the dict, to rename paths for example, and append to the lists. The dict is not the one that :meth:`load_state_dict` was
        given: it has what is below ``prefix``. The hook is called for this module wherever it is in the model that is loaded. The metadata is
        that of the module that was saved, ``{"version": ...}``, or {} for a dict without; ``strict`` is always True, as in PyTorch.
        """
        return _register_hook(self, "load_pre", _HookEntry(hook), False)

    def _register_load_state_dict_pre_hook(self, hook: Callable[..., Any], with_module: bool = False) -> RemovableHandle:
        """:meth:`register_load_state_dict_pre_hook`, under its old name: the hook is called without the module, unless ``with_module``."""
        return _register_hook(self, "load_pre", _HookEntry(hook, private=not with_module), False)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, incompatible_keys)`` after loading; it may change the two lists, which :meth:`load_state_dict` returns.

        With ``strict``, what is left in the lists is an error: a hook that clears them forgives.
        """
        return _register_hook(self, "load", _HookEntry(hook), False)

    # ------------------------------------------------------------------------------------------ registration

    def __setattr__(self, name: str, value: Any) -> None:
        d = self.__dict__
        if isinstance(value, Parameter):
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            self.register_module(name, value)
        elif isinstance(value, Buffer):
            self.__dict__.pop(name, None)  # it may have been of another kind
            self.register_buffer(name, value, value.persistent)  # type: ignore[arg-type, attr-defined]  # it is a Tensor
        elif "_module_names" in d and (name in d["_parameter_names"] or name in d["_module_names"] or name in d["_buffer_names"]):
            kind = "parameter" if name in d["_parameter_names"] else "module" if name in d["_module_names"] else "buffer"
            if value is not None and not (kind == "buffer" and isinstance(value, (TensorBase, Shell))):
                expected = {"parameter": "an nn.Parameter", "module": "an nn.Module", "buffer": "a Tensor"}[kind]
                raise TypeError(f"{type(self).__name__}.{name} is a {kind}: it can become {expected} or None, not {type(value).__name__}")
            d[name] = _after_hooks(self, kind, name, value)
        elif name in _RESERVED:
            raise AttributeError(f"{type(self).__name__}.{name}: nn.Module keeps its own records under this name; choose another one")
        else:
            object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        if name in self.__dict__:
            _forget(self, name)
        object.__delattr__(self, name)

    def __getattr__(self, name: str) -> Any:
        """Raise the error for an attribute that does not exist: Python calls this only then."""
        if "_module_names" not in self.__dict__ and (name in Module.__annotations__ or hasattr(Module, name)):
            raise _call_super(self)
        key = next((c.key for cls in type(self).__mro__ if isinstance(c := vars(cls).get(name), absent.Missing)), "torch.nn.Module")
        raise absent.error(key, name, f"'{type(self).__name__}' object")

    def __dir__(self) -> list[str]:
        return [name for name in object.__dir__(self) if not absent.is_missing(type(self), name)]  # for completion

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter, as assigning it does; also the way to declare a parameter that is None."""
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(f"parameter '{name}' must be an nn.Parameter or None, not {type(param).__name__}")
        if param is not None and not param.is_leaf:
            raise ValueError(f"parameter '{name}' was computed from other tensors: it must be a leaf. Compute it in forward() instead")
        _register(self, "parameter", name, param, hooked=True)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a Tensor that is part of the module's state but is not trained, such as a running mean.

        Args:
            name: the attribute's name.
            tensor: its value, or None.
            persistent: whether it is part of the ``state_dict``.

        Raises ``TypeError`` if it is no Tensor and ``KeyError`` for a name that is taken or holds a dot.
        """
        if tensor is not None and not isinstance(tensor, (TensorBase, Shell)):
            raise TypeError(f"buffer '{name}' must be a Tensor or None, not {type(tensor).__name__}")
        if "_buffer_names" in self.__dict__ and name in self.__dict__ and name not in self._buffer_names:
            raise KeyError(f"attribute '{name}' already exists")
        _register(self, "buffer", name, tensor, persistent, hooked=True)
        self._buffer_names[name] = persistent

    def register_module(self, name: str, module: Module | None) -> None:
        """Add a child module, as assigning it does, but also under a name that is not an identifier."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"module '{name}' must be an nn.Module or None, not {type(module).__name__}")
        _register(self, "module", name, module, hooked=True)

    add_module = register_module

    def __copy__(self: Self) -> Self:
        """A module with the same parameters, buffers and children; later assignments to it do not change this one."""
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__)
        new.__dict__.update({names: dict(self.__dict__[names]) for names in _INTERNAL})
        return new

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the attributes that ``copy.deepcopy`` or ``pickle`` kept; a subclass extends it, to set what older pickles lack.

        Python would do the same without it, but first ask ``__getattr__`` for it: that of a wrapper asks a module which is not there yet.
        """
        self.__dict__.update(state)

    # --------------------------------------------------------------------------------------------- traversal

    @property
    def _modules(self) -> _Members[Module | None]:
        """Children by name, in definition order; a write changes the module."""
        return _Members(self, "module")

    @property
    def _parameters(self) -> _Members[Parameter | None]:
        """This module's own parameters by name, in definition order; a write changes the module."""
        return _Members(self, "parameter")

    @property
    def _buffers(self) -> _Members[Tensor | None]:
        """This module's own buffers by name, in definition order; a write changes the module."""
        return _Members(self, "buffer")

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """``(path, module)`` for this module and all below it, each module once.

        >>> from minigrad import nn
        >>> [name for name, module in nn.Sequential(nn.Flatten(), nn.Sequential(nn.ReLU())).named_modules()]
        ['', '0', '1', '1.0']
        """
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name in list(self._module_names):
            module = self.__dict__[name]
            if module is not None:
                yield from module.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """``(name, module)`` for the direct children, each once."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The direct children, each once."""
        return (module for _, module in self.named_children())

    def _named_members(self, kind: str, prefix: str, recurse: bool, remove_duplicate: bool) -> Iterator[tuple[str, Any]]:
        seen = set()
        for path, module in self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]:
            for name in list(getattr(module, kind)):
                member = module.__dict__[name]
                if member is None or (remove_duplicate and id(member) in seen):
                    continue
                seen.add(id(member))
                yield f"{path}.{name}" if path else name, member

    def named_parameters(self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True) -> Iterator[tuple[str, Parameter]]:
        """``(path, parameter)`` for this module's parameters and, if ``recurse``, those below it. Shared ones are listed once.

        Raises ``RuntimeError`` if a module is held in a plain list or dict, where its parameters would be lost.
        """
        if recurse:
            _refuse_lost(self)
        return self._named_members("_parameter_names", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """This module's parameters and, if ``recurse``, those below it, each once, for an optimiser."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True) -> Iterator[tuple[str, Tensor]]:
        """``(path, buffer)`` for this module's buffers and, if ``recurse``, those below it, each once."""
        return self._named_members("_buffer_names", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """This module's buffers and, if ``recurse``, those below it, each once."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The module at a path such as ``"layer2.0.conv1"``; this one for ``""``. Raises ``AttributeError``."""
        module = self
        for i, name in enumerate(target.split(".") if target else []):
            if name not in module._module_names or module.__dict__[name] is None:
                where = ".".join(target.split(".")[:i]) or type(self).__name__
                raise AttributeError(f"there is no module '{target}': {where} has no child '{name}'")
            module = module.__dict__[name]
        return module

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put ``module`` at a path such as ``"layer2.0.conv1"``. With ``strict`` there must be one already.

        Raises ``ValueError`` for an empty path, ``AttributeError`` if there is no module above it, or with ``strict`` none at it.
        """
        if not target:
            raise ValueError("set_submodule: the path of a module below this one is needed, not ''")
        if not isinstance(module, Module):
            raise ValueError(f"set_submodule: an nn.Module is needed, not {type(module).__name__}")
        if strict:
            self.get_submodule(target)
        path, _, name = target.rpartition(".")
        self.get_submodule(path).register_module(name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a path such as ``"layer2.0.conv1.weight"``. Raises ``AttributeError``."""
        return _get_member(self, "parameter", target)

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a path such as ``"layer2.0.bn1.running_mean"``. Raises ``AttributeError``."""
        return _get_member(self, "buffer", target)

    def apply(self: Self, fn: Callable[[Module], Any]) -> Self:
        """Call ``fn(module)`` for every module below this one, children first, then this one. Returns this module."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def compile(self, *args: Any, **options: Any) -> None:
        """Nothing, as there is no compiler: see :func:`minigrad.accepted.compile`, which warns once."""
        from minigrad import accepted  # not every program needs it

        accepted.compile(self, *args, **options)

    # ---------------------------------------------------------------------------------------- modes and dtypes

    def train(self: Self, mode: bool = True) -> Self:
        """Set training mode here and below: dropout drops, batch norm uses the batch. Returns this module."""
        if not isinstance(mode, bool):
            raise ValueError(f"train: mode must be True or False, not {mode!r}")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self: Self) -> Self:
        """Leave training mode, here and below. Returns this module."""
        return self.train(False)

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """Freeze (False) or unfreeze all parameters here and below. Returns this module."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set the gradients of all parameters to None, or to zeros."""
        zero_gradients(self.parameters(), set_to_none)

    def to(self: Self, *args: Any, dtype: Any = None, device: Any = None, non_blocking: bool = False, memory_format: Any = None) -> Self:
        """Convert all floating parameters and buffers, and the parameters' gradients, to ``dtype``; this module changes and is returned.

        A dtype, a device (only the CPU), or a Tensor (for its dtype) may be given by position. ``memory_format`` has no effect: arrays are in
        row-major order. Complex numbers stay complex, in the precision of ``dtype``; PyTorch drops their imaginary parts.
        Raises ``TypeError`` for a dtype that is not a floating one.
        """
        for a in args:
            if isinstance(a, TensorBase):
                dtype = a._data.dtype
            elif isinstance(a, Shell):
                dtype = a.pair.dtype
            elif a is None or isinstance(a, bool):
                continue
            elif isinstance(a, str) and a not in DTYPES:
                device = a
            else:
                dtype = a
        check_device(device)
        if dtype is None:
            return self._apply(lambda tensor: tensor)
        dtype = dtype_of("to", dtype)
        if dtype.kind != "f":
            raise TypeError(f"to: modules hold floating numbers; {dtype} is not a floating dtype")
        return self._apply(lambda tensor: _converted(tensor, dtype))

    def _apply(self: Self, fn: Callable[[Any], Any], recurse: bool = True) -> Self:
        """Give each parameter, its gradient, and each buffer, here and (``recurse``) below, the values and the dtype of ``fn`` of it.

        As in PyTorch, all conversions call it: a module with tensors that are neither converts them too by a method of this name, which calls
        ``super()._apply(fn)`` and returns the module.
        """
        for module in self.children() if recurse else ():
            module._apply(fn)
        for tensor in (*self._parameters.values(), *self._buffers.values()):
            if tensor is None:
                continue
            with no_grad():
                found, old = fn(tensor), tensor.grad
                grad = None if old is None else fn(old)
            if found is not tensor:
                tensor.data = found
            if grad is not old:
                inside(tensor)._grad = inside(grad)
        return self

    def type(self: Self, dst_type: Any) -> Self:
        """Convert all parameters and buffers, also counts and flags, which :meth:`to` leaves as they are.

        ``dst_type`` is a dtype or its name, such as ``"torch.DoubleTensor"``. Raises ``TypeError`` for anything else, for a complex dtype, and for
        one that is not floating if a parameter requires a gradient.
        """
        if dst_type is None:
            raise TypeError("type: a dtype is needed, not None")
        dtype = wrap(np.empty(0)).type(dst_type).dtype
        if dtype.kind == "c" or (dtype.kind != "f" and any(p.requires_grad for p in self.parameters())):
            raise TypeError(f"type: parameters that require gradients are floating numbers, and not {dtype}")
        return self._apply(lambda tensor: _converted(tensor, dtype) if isinstance(tensor, Shell) else tensor.to(dtype))

    def float(self: Self) -> Self:
        """Convert to float32."""
        return self._apply(lambda tensor: _converted(tensor, np.dtype(np.float32)))

    def double(self: Self) -> Self:
        """Convert to float64."""
        return self._apply(lambda tensor: _converted(tensor, np.dtype(np.float64)))

    def half(self: Self) -> Self:
        """Convert to float16."""
        return self._apply(lambda tensor: _converted(tensor, np.dtype(np.float16)))

    def cpu(self: Self) -> Self:
        """This module."""
        return self._apply(lambda tensor: tensor)

    def cuda(self: Self, device: Any = None) -> Self:
        """Raises ``DeviceError``: there is no device but the CPU. (A script asks ``cuda.is_available()`` first.)"""
        return no_device()

    # ------------------------------------------------------------------------------------------------- state

    def get_extra_state(self) -> Any:
        """Additional state for the ``state_dict``. A subclass that has any defines this method and :meth:`set_extra_state`."""
        raise NotImplementedError

    def set_extra_state(self, state: Any) -> None:
        """Restore the state that :meth:`get_extra_state` returned."""
        raise NotImplementedError(f"{type(self).__name__} defines get_extra_state() but not set_extra_state()")

    def state_dict(self, *, destination: dict[str, Any] | None = None, prefix: str = "", keep_vars: bool = False) -> dict[str, Any]:
        """All parameters and persistent buffers, by path, as Tensors without a graph. Uninitialised ones are returned as they are.

        Further training does not change a ``state_dict`` that was taken before.

        Args:
            destination: a dict to add to.
            prefix: put before every path, e.g. ``"encoder."``.
            keep_vars: return the parameters themselves.

        >>> from minigrad import nn
        >>> list(nn.BatchNorm2d(3).state_dict())
        ['weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked']
        """
        if destination is None:
            _refuse_lost(self)
            destination = OrderedDict()
            destination._metadata = OrderedDict()  # type: ignore[attr-defined]  # as PyTorch: see _version
        metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = metadata
        hooks = self.__dict__.get("_hooks") or _NO_HOOKS
        for hook in list(hooks.state_pre):
            hook.function.function(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in list(self._modules.items()):
            if module is not None:
                module.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in list(hooks.state):
            changed = hook.function.function(self, destination, prefix, metadata)
            if changed is not None:
                if not hook.function.private:
                    raise RuntimeError(f"a state_dict post-hook must change the dict and return None, not {type(changed).__name__}")
                destination = changed
        return destination

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        """Put this module's own state, not that of its children, into ``destination``. A subclass may do it in its way: PyTorch's method."""
        for name, value in _own_state(self).items():
            destination[prefix + name] = value if keep_vars or is_lazy(value) else value.detach()
        if type(self).get_extra_state is not Module.get_extra_state:
            destination[prefix + _EXTRA] = self.get_extra_state()

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> IncompatibleKeys:
        """Load the values of a :meth:`state_dict`: all of them, or none if any does not fit.

        Args:
            state_dict: path -> Tensor or array. Values are copied and converted to the model's dtype.
            strict: also refuse paths that are missing or that the model does not have.
            assign: share the memory of the given values and use their dtype.

        Returns ``(missing_keys, unexpected_keys)``. Raises ``RuntimeError`` that lists everything that does not fit: missing
        and unexpected paths, shapes that differ, and values that cannot be converted (fractions to integers).
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"load_state_dict: a dict of tensors is needed, not {type(state_dict).__name__}")
        _refuse_lost(self)
        keys, problems = IncompatibleKeys([], []), list[str]()
        go_back = _snapshot(self)
        try:
            _load(self, OrderedDict(state_dict), "", getattr(state_dict, "_metadata", {}), assign, keys, problems)
            if strict:
                own = self.state_dict(keep_vars=True) if keys.missing_keys else {}
                problems = [
                    *(f"missing: {name} {_what(own.get(name))}" for name in keys.missing_keys),
                    *(f"unexpected: {name} {_what(state_dict.get(name))}" for name in keys.unexpected_keys),
                    *problems,
                ]
            if problems:
                hint = _of_a_wrapper(state_dict) if len(keys.unexpected_keys) == len(state_dict) else ""
                lines, many = "\n  ".join(problems), f"{len(problems)} entries do" if len(problems) > 1 else "1 entry does"
                raise RuntimeError(f"load_state_dict: {many} not fit {type(self).__name__}; nothing was changed:\n  {lines}{hint}")
        except BaseException:
            go_back()
            raise
        return keys

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Load this module's own state, not that of its children. A subclass may do it in its way: PyTorch's method.

        The dict is a copy with what is below ``prefix``, so an override may rename and take out entries before it calls this one. What does not
        fit goes into the lists; then :meth:`load_state_dict` raises, and parameters, buffers and attributes are as before.
        """
        hooks = self.__dict__.get("_hooks") or _NO_HOOKS
        for hook in list(hooks.load_pre):
            first = () if hook.function.private else (self,)
            hook.function.function(*first, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        state, extra = _own_state(self), prefix + _EXTRA
        assign = bool(local_metadata.get("assign_to_params_buffers", False))
        for name, target in state.items():
            if (path := prefix + name) not in state_dict:
                missing_keys += [path] if strict else []
            elif not (is_lazy(target) and is_lazy(state_dict[path])):
                try:
                    value = _fitting(state_dict[path], target, assign)
                except (TypeError, ValueError, RuntimeError) as error:
                    error_msgs.append(f"{path}: {error}")
                    continue
                if isinstance(target, _Uninitialized):
                    target.materialize(value.shape)
                inside(target).data = value
        has_extra = type(self).set_extra_state is not Module.set_extra_state or type(self).get_extra_state is not Module.get_extra_state
        if has_extra and extra in state_dict:
            self.set_extra_state(state_dict[extra])
        elif strict and has_extra:
            missing_keys.append(extra)
        if strict:
            for path in state_dict:
                if path.startswith(prefix) and not (has_extra and path == extra):
                    name, *below = path[len(prefix) :].split(".", 1)
                    if name not in (self._module_names if below else state):
                        unexpected_keys.append(path)

    # -------------------------------------------------------------------------------------------------- repr

    def extra_repr(self) -> str:
        """The text between the parentheses of the ``repr``; a subclass returns its settings."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        extra = self.extra_repr()
        children = [f"({name}): {indent(repr(module))}" for name, module in self._modules.items()]
        return tree_text(self._get_name(), extra.split("\n") if extra else [], children)


def _converted(tensor: Any, dtype: Any) -> Any:
    """A copy of a floating Tensor in another dtype, of complex numbers in its precision; the others themselves."""
    inner = inside(tensor)
    if isinstance(inner, _Uninitialized):
        return tensor.to(dtype)
    if inner._data.dtype.kind == "f" and inner._data.dtype != dtype:
        copy = wrap(inner._data.astype(dtype))
        return type(tensor)(copy) if isinstance(tensor, Shell) else copy  # type: ignore[call-arg]
    return tensor


# Helpers of Module. They are functions, so that a subclass may use any of these names for its own attributes.


def add_path(root: Module, error: Exception) -> None:
    """Add a note to ``error`` with the path from ``root`` of the module that raised it."""
    notes = getattr(error, "__notes__", [])
    place = next((i for i, note in enumerate(notes) if isinstance(note, _Path)), None)
    if place is None:
        error.add_note(_Path("", type(root).__name__, root))
        return
    old = notes[place]
    child = old.outermost()
    if child is root:  # forward called itself
        return
    name = next((name for name, module in root.named_modules() if module is child), f"<{type(child).__name__} outside the model>")
    notes[place] = _Path(f"{name}.{old.path}" if old.path else name, old.kind, root)


def _call(module: Module, hooks: _Hooks, args: tuple, kwargs: dict[str, Any]) -> Any:
    everywhere = Module._hooks
    if everywhere is not None and hooks is not everywhere:
        hooks = hooks.after(everywhere)
    called: set[int] = set()
    try:
        for hook in list(hooks.forward_pre):
            entry = hook.function
            if entry.with_kwargs:
                changed = entry.function(module, args, kwargs)
                if changed is not None:
                    if not (isinstance(changed, tuple) and len(changed) == 2):
                        raise RuntimeError(f"a forward pre-hook with kwargs must return None or (args, kwargs), not {changed!r:.60}")
                    args, kwargs = changed
            else:
                changed = entry.function(module, args)
                if changed is not None:
                    args = changed if isinstance(changed, tuple) else (changed,)
        backward = _BackwardHooks(module, hooks) if (hooks.backward_pre or hooks.backward) and is_grad_enabled() else None
        if backward is not None:
            args = backward.watch_inputs(args)
        result = module.forward(*args, **kwargs)
        for hook in list(hooks.forward):
            called.add(id(hook))
            result = _run_forward_hook(module, hook.function, args, kwargs, result)
        return result if backward is None else backward.watch_outputs(result)
    except Exception:
        for hook in list(hooks.forward):  # hooks with always_call run after a failure too
            if hook.function.always_call and id(hook) not in called:
                _run_forward_hook(module, hook.function, args, kwargs, None)
        raise


def _run_forward_hook(module: Module, entry: _HookEntry, args: tuple, kwargs: dict[str, Any], result: Any) -> Any:
    changed = entry.function(module, args, kwargs, result) if entry.with_kwargs else entry.function(module, args, result)
    return result if changed is None else changed


def _register_hook(module: Module, kind: str, entry: _HookEntry, prepend: bool) -> RemovableHandle:
    hooks = getattr(_own_hooks(module), kind)
    handle = RemovableHandle(hooks, entry)  # type: ignore[arg-type]
    if prepend:
        hooks.insert(0, hooks.pop())
    return handle


class _EverywhereHandle(RemovableHandle):
    def remove(self) -> None:
        super().remove()
        if Module._hooks is not None and not any(vars(Module._hooks).values()):
            Module._hooks = None  # the last one: calls of modules have no overhead again


def _register_everywhere(kind: str, entry: _HookEntry | Callable[..., Any]) -> RemovableHandle:
    """The hooks of all modules are those of the class, which a module without its own finds there."""
    if Module._hooks is None:
        Module._hooks = _Hooks()
    return _EverywhereHandle(getattr(Module._hooks, kind), entry)  # type: ignore[arg-type]


def put_before_calls(stand_in: Callable[[Callable[..., Any]], Callable[..., Any]]) -> RemovableHandle:
    """From now on modules, in all threads, are called by ``stand_in(call)``, whose arguments are those of ``call``: the module and its inputs.

    For who measures: ``call`` is what modules are called by otherwise, and runs their hooks. As for kernels
    (:func:`minigrad.engine.put_before_kernels`), a later one gets what the earlier ones made, and while there is none it costs nothing. Returns a
    handle whose ``remove()`` ends it.
    """
    with _stand_ins_lock:
        handle = _StandInHandle(_stand_ins, stand_in)
        _place_call()
    return handle


_stand_ins: list[Any] = []
_stand_ins_lock = threading.Lock()
plain_call = Module.__call__  # what modules are called by while nothing is put before their calls


class _StandInHandle(RemovableHandle):
    def remove(self) -> None:
        with _stand_ins_lock:
            super().remove()
            _place_call()


def _place_call() -> None:
    call: Any = plain_call
    for entry in _stand_ins:
        call = entry.function(call)
    Module.__call__ = call  # type: ignore[method-assign]


def register_module_forward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """:meth:`Module.register_forward_pre_hook` for all modules: ``torch.nn.modules.module.register_module_forward_pre_hook``."""
    return _register_everywhere("forward_pre", _HookEntry(hook))


def register_module_forward_hook(hook: Callable[..., Any], *, with_kwargs: bool = False, always_call: bool = False) -> RemovableHandle:
    """:meth:`Module.register_forward_hook` for all modules: ``torch.nn.modules.module.register_module_forward_hook``.

    Hooks of all modules run before those of one.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> handle = nn.module.register_module_forward_hook(lambda module, args, out: print(type(module).__name__, out.shape))
    >>> y = nn.Sequential(nn.Linear(2, 3), nn.ReLU())(mg.ones(1, 2))
    Linear torch.Size([1, 3])
    ReLU torch.Size([1, 3])
    Sequential torch.Size([1, 3])
    >>> handle.remove()
    """
    return _register_everywhere("forward", _HookEntry(hook, with_kwargs, always_call))


def register_module_full_backward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """:meth:`Module.register_full_backward_pre_hook` for all modules."""
    return _register_everywhere("backward_pre", _HookEntry(hook))


def register_module_full_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """:meth:`Module.register_full_backward_hook` for all modules."""
    return _register_everywhere("backward", _HookEntry(hook))


_ON_REGISTRATION: dict[str, list[Any]] = {"parameter": [], "buffer": [], "module": []}  # hooks of all modules, by the kind of the member


def _after_hooks(module: Module, kind: str, name: str, value: Any) -> Any:
    """What is to be registered, after the hooks for it. As in PyTorch a parameter that is None is not shown to them, other members are."""
    if value is not None or kind != "parameter":
        for hook in list(_ON_REGISTRATION[kind]):
            changed = hook.function(module, name, value)
            value = value if changed is None else changed
    return value


def register_module_parameter_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, name, parameter)`` whenever a module gets a parameter; what it returns, unless None, is registered in its place.

    ``torch.nn.modules.module.register_module_parameter_registration_hook``. Returns a handle whose ``remove()`` removes the hook.

    >>> from minigrad import nn
    >>> handle = nn.module.register_module_parameter_registration_hook(lambda module, name, p: print(type(module).__name__, name, p.shape))
    >>> layer = nn.Linear(2, 3)
    Linear weight torch.Size([3, 2])
    Linear bias torch.Size([3])
    >>> handle.remove()
    """
    return RemovableHandle(_ON_REGISTRATION["parameter"], hook)


def register_module_buffer_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """:func:`register_module_parameter_registration_hook` for buffers: ``hook(module, name, buffer)``."""
    return RemovableHandle(_ON_REGISTRATION["buffer"], hook)


def register_module_module_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """:func:`register_module_parameter_registration_hook` for modules in modules: ``hook(module, name, child)``."""
    return RemovableHandle(_ON_REGISTRATION["module"], hook)


def _forget(module: Module, name: str) -> None:
    for names in (module._parameter_names, module._buffer_names, module._module_names):
        names.pop(name, None)


def check_name(kind: str, name: Any) -> None:
    """Refuse names that cannot be part of a path, or would hide a method."""
    if not isinstance(name, str):
        raise TypeError(f"{kind} name must be a string, not {type(name).__name__}")
    if not name or "." in name:
        raise KeyError(f"{kind} name {name!r} must not be empty or contain a dot")
    if hasattr(Module, name) or name in _RESERVED:
        raise KeyError(f"{kind} name '{name}' would hide Module.{name}; choose another one")


def _register(module: Module, kind: str, name: str, value: Any, note: Any = None, hooked: bool = False) -> None:
    names = module.__dict__.get(f"_{kind}_names")
    if names is None:
        raise _call_super(module)
    check_name(kind, name)
    if hooked:
        value = _after_hooks(module, kind, name, value)
    if name not in names:
        _forget(module, name)  # it may have been of another kind
        names[name] = note
    module.__dict__[name] = value


def _get_member(root: Module, kind: str, target: str) -> Any:
    path, _, name = target.rpartition(".")
    module = root.get_submodule(path)
    if name not in getattr(module, f"_{kind}_names"):
        raise AttributeError(f"{path or type(root).__name__} has no {kind} '{name}'")
    return module.__dict__[name]


def _own_state(module: Module) -> dict[str, Any]:
    """The module's own parameters and persistent buffers by name, without those that are None, in the order of the ``state_dict``."""
    names = [*module._parameter_names, *(name for name, persistent in module._buffer_names.items() if persistent)]
    return {name: module.__dict__[name] for name in names if module.__dict__[name] is not None}


def _load(
    module: Module, state: dict[str, Any], prefix: str, metadata: Mapping, assign: bool, keys: IncompatibleKeys, problems: list[str]
) -> None:
    """Give ``module`` and those below it what ``state`` has for them."""
    local_metadata = {**metadata.get(prefix[:-1], {}), **({"assign_to_params_buffers": True} if assign else {})}
    # PyTorch, too, says strict=True here: what is missing is always told, and load_state_dict decides
    module._load_from_state_dict(state, prefix, local_metadata, True, *keys, problems)
    below: dict[str, dict[str, Any]] = {}
    for path, value in state.items():
        if path.startswith(prefix):
            below.setdefault(path[len(prefix) :].partition(".")[0], {})[path] = value
    for name, child in list(module._modules.items()):
        if child is not None:
            path = f"{prefix}{name}."
            _load(child, {k: v for k, v in below.get(name, {}).items() if k.startswith(path)}, path, metadata, assign, keys, problems)
    for hook in list((module.__dict__.get("_hooks") or _NO_HOOKS).load):
        hook.function.function(module, keys)


def _snapshot(root: Module) -> Callable[[], None]:
    """A function that gives parameters, buffers and attributes of ``root`` and those below the values of now.

    The arrays are in it, so a write into them makes new ones.
    """
    modules = [(m, {**m.__dict__, **{names: dict(m.__dict__[names]) for names in _INTERNAL}}) for m in root.modules()]
    members = [t for module, _ in modules for t in (*module._parameters.values(), *module._buffers.values()) if t is not None]
    tensors = {id(t): t for t in map(inside, members)}
    before = [(t, type(t), _pending.__get__(t), t._node, t._grad) for t in tensors.values()]

    def go_back() -> None:
        for module, attributes in modules:
            module.__dict__.clear()
            module.__dict__.update(attributes)
        for tensor, cls, content, node, grad in before:
            tensor.__class__ = cls
            if isinstance(tensor, _Uninitialized):
                _pending.__set__(tensor, content)
            elif tensor._data is not content:
                tensor.data = content
            tensor._node, tensor._grad = node, grad

    return go_back


_EXTRA = "_extra_state"


def indent(text: str) -> str:
    """The text with all lines but the first indented."""
    return text.replace("\n", "\n  ")


def tree_text(name: str, extra: list[str], children: list[str]) -> str:
    """``name(extra)`` on one line, or a line for each part."""
    if not children and len(extra) <= 1:
        return f"{name}({''.join(extra)})"
    return f"{name}(\n  " + "\n  ".join([*extra, *children]) + "\n)"


def _what(value: Any) -> str:
    if is_lazy(value):
        return "(uninitialised)"
    return f"{value.dtype.name}{tuple(value.shape)}" if hasattr(value, "dtype") and hasattr(value, "shape") else f"({type(value).__name__})"


def _fitting(value: Any, target: Tensor, assign: bool) -> np.ndarray:
    """A new array with the value's numbers and the target's shape and dtype."""
    if is_lazy(value):
        raise TypeError("it is uninitialised in the state_dict: call the model that it comes from once before")
    if hasattr(value, "detach"):
        value = value.detach()  # it may be another library's Tensor
    if not isinstance(value, (int, float, list)) and not hasattr(value, "__array__"):
        raise TypeError(f"a tensor or an array is needed, not {type(value).__name__}")
    array = to_array(value, complex_too=isinstance(target, Shell))
    if not is_lazy(target) and array.shape != target.shape:  # an uninitialised one takes any shape
        raise ShapeError(f"shape {array.shape} does not fit {tuple(target.shape)}")
    array = array if assign else array.astype(target.dtype, order="C")
    return array[..., None].view(array.real.dtype) if isinstance(target, Shell) else array  # the real numbers of complex ones


def zero_gradients(parameters: Iterable[Tensor], set_to_none: bool) -> None:
    """Set the gradients of ``parameters`` to None, or to zeros: ``zero_grad`` of modules and optimisers."""
    for p in map(inside, parameters):
        if p.grad is not None:
            p.grad = None if set_to_none else wrap(np.zeros_like(p._data))


# -------------------------------------------------------------------------------------- modules in plain lists

_SCANNED, _DEPTH = (
    256,
    4,
)  # how many elements of a plain list are checked, and how deep: lists of modules are short, lists of data may be long


def _refuse_lost(root: Module) -> None:
    """Raise if an attribute is a plain list, tuple or dict with parameters, or modules that have some, that are registered nowhere in ``root``."""
    registered: set[int] | None = None
    for path, module in root.named_modules():
        for name, value in module.__dict__.items():
            if type(value) not in _PLAIN or not value or name in _INTERNAL:
                continue
            for item in leaves(value, _SCANNED, _DEPTH):
                if not isinstance(item, (Module, Parameter)):
                    continue
                if registered is None:
                    registered = {id(m) for m in root.modules()}
                    registered |= {id(value) for value in _values(root)}
                if id(item) in registered:
                    continue
                if isinstance(item, Module) and (
                    any(m is module for m in item.modules())  # a reference to a parent
                    or all(
                        id(value) in registered for value in _values(item)
                    )  # a nn.ReLU has nothing to lose; others are in a ParameterList
                ):
                    continue
                where = f"{type(root).__name__}.{path + '.' if path else ''}{name}"
                what, base = ("modules", "Module") if isinstance(item, Module) else ("parameters", "Parameter")
                kind = "Dict" if isinstance(value, dict) else "List"
                raise RuntimeError(
                    f"{where} is a plain {type(value).__name__} that holds {what} ({type(item).__name__}): "
                    f"{'their parameters' if base == 'Module' else 'they'} would be lost; use nn.{base}{kind}"
                )


def _values(module: Module) -> list[Tensor]:
    """The parameters and buffers of a module and those below it."""
    return [value for kind in ("_parameter_names", "_buffer_names") for _, value in module._named_members(kind, "", True, True)]


_PLAIN = (list, tuple, dict)
_INTERNAL = ("_parameter_names", "_buffer_names", "_module_names")


# --------------------------------------------------------------------------------------------- backward hooks


class _BackwardHooks:
    """One call of a module that has backward hooks. Its inputs and outputs pass through :func:`watch`, so that their gradients are
    those of this call only, even if the tensors are also used elsewhere."""

    def __init__(self, module: Module, hooks: _Hooks):
        self.module, self.hooks = module, hooks
        self.grad_output: tuple | None = None

    def watch_inputs(self, args: tuple) -> tuple:
        """``args`` with the Tensors that need a gradient replaced by watched ones."""
        self.n_args = len(args)
        self.args, watched = _watch_some(args, self._inputs_arrive)
        return watched

    def watch_outputs(self, result: Any) -> Any:
        """``result`` with the Tensors that have a graph replaced by watched ones."""
        several = isinstance(result, (tuple, list))
        outputs = tuple(result) if several else (result,)
        self.n_outputs = len(outputs)
        self.outputs, outputs = _watch_some(outputs, self._outputs_arrive)
        if not several:
            return outputs[0]
        return rebuilt(result, outputs)

    def _outputs_arrive(self, gradients: tuple) -> tuple:
        self.grad_output = _spread(gradients, self.outputs, self.n_outputs)
        for hook in list(self.hooks.backward_pre):
            changed = hook.function.function(self.module, self.grad_output)
            if changed is not None:
                self.grad_output = _check_gradients("grad_output", changed, self.grad_output)
        grad_output = tuple([self.grad_output[i] for i in self.outputs])
        if not self.args:
            self._run(tuple([None] * self.n_args))
        return grad_output

    def _inputs_arrive(self, gradients: tuple) -> tuple:
        if self.grad_output is None:  # a second derivative may reach the inputs without reaching the outputs
            return gradients
        grad_input = self._run(_spread(gradients, self.args, self.n_args))
        return tuple([grad_input[i] for i in self.args])

    def _run(self, grad_input: tuple) -> tuple:
        for hook in list(self.hooks.backward):
            changed = hook.function.function(self.module, grad_input, self.grad_output)
            if changed is not None:
                grad_input = _check_gradients("grad_input", changed, grad_input)
        self.grad_output = None
        return grad_input


def _watch_some(values: tuple, hook: Callable[[tuple], tuple]) -> tuple[list[int], tuple]:
    """The positions of the Tensors with a graph in ``values``, and ``values`` with these replaced by watched ones."""
    places = [i for i, v in enumerate(values) if isinstance(v, Tensor) and not isinstance(v, Shell) and v.requires_grad]
    replaced = list(values)
    if places:
        from minigrad.ops.backward_hook import watch  # not every program needs it

        for i, y in zip(places, watch(*[values[i] for i in places], hook=hook), strict=True):
            replaced[i] = y
    return places, tuple(replaced)


def _spread(gradients: tuple, places: list[int], n: int) -> tuple:
    """A tuple of length ``n`` with ``gradients`` at their positions and None elsewhere."""
    found: list[Any] = [None] * n
    for i, g in zip(places, gradients, strict=True):
        found[i] = g
    return tuple(found)


def _check_gradients(what: str, changed: Any, before: tuple) -> tuple:
    """The result of a backward hook as a tuple that can replace ``before``."""
    changed = changed if isinstance(changed, tuple) else (changed,)
    if len(changed) != len(before):
        raise RuntimeError(f"a backward hook returned {len(changed)} gradients for a {what} of {len(before)}")
    for new, old in zip(changed, before, strict=True):
        if old is not None and getattr(new, "shape", None) != old.shape:
            raise ShapeError(f"a backward hook returned {_what(new)} for a {what} of {_what(old)}")
    return changed
