"""The base of all optimisers: parameter groups, their state, and a step that is fused over parameters.

An optimiser is a formula on flat arrays (:meth:`Optimizer.update`). The base class prepares these arrays: small parameters
are copied into one array that fits the cache, so that a hundred biases need a few numpy calls and not a thousand; large parameters
are processed in pieces of that size, so that temporaries stay in the cache.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, TypeVar, overload

import numpy as np

from minigrad import absent
from minigrad.engine import Shell, TensorBase, enable_grad, inside, no_grad, record_function, wrap
from minigrad.kernels.native import library
from minigrad.nn.module import Module, is_lazy, zero_gradients
from minigrad.ops.arguments import check
from minigrad.ops.complex_pair import pairs
from minigrad.tensor import RemovableHandle, Tensor, from_numpy
from minigrad.tree import tree_map, unwrapped

R = TypeVar("R")
ParamsT = Iterable[Any]  # what an optimiser takes: parameters, (name, parameter) or groups; PyTorch's name for annotations
PIECE = 65536  # elements: fewer would cost more calls, and more would leave the level 2 cache
LONG = 1 << 20  # where one native kernel does all of a step, nothing comes back to the cache
GATHERED = 16384  # elements that small parameters are gathered into; copying more costs more than the calls that it saves
SCRATCH = 4  # arrays of one piece that an update may use


def number(owner: Any, name: str, value: Any) -> float:
    """An option's value as a float: a number, or a Tensor or array of one element.

    Raises ``TypeError`` for anything else, ``ValueError`` for another number of elements.
    """
    array = unwrapped(value)
    if isinstance(array, np.ndarray) and array.size != 1:
        raise ValueError(f"{type(owner).__name__}: {name} must have one element, not shape {array.shape}")
    if not isinstance(array, (int, float, np.number, np.ndarray)):
        raise TypeError(f"{type(owner).__name__}: {name} must be a number, not {value!r} ({type(value).__name__})")
    return float(array.item() if isinstance(array, np.ndarray) else array)


def not_negative(owner: Any, group: Mapping[str, Any], *names: str) -> None:
    """Raise ``ValueError`` for the first of these options that is negative or NaN; the learning rate must be finite too."""
    for name in names:
        found = number(owner, name, group[name])
        if not found >= 0.0 or (name == "lr" and found == math.inf):
            rule = "must be finite and not negative" if name == "lr" else "must not be negative"
            raise ValueError(f"{type(owner).__name__}: {name} {rule}, but is {found:g}")


def betas_in_range(owner: Any, group: Mapping[str, Any]) -> None:
    """Raise ``ValueError`` unless ``betas`` are two numbers from 0 to 1, 1 excluded, and both are Tensors or neither is."""
    betas, who = group["betas"], type(owner).__name__
    if not isinstance(betas, (tuple, list)):
        raise TypeError(f"{who}: betas must be two numbers, not {betas!r} ({type(betas).__name__})")
    if len(betas) != 2:
        raise ValueError(f"{who}: betas must be two numbers, not {len(betas)}")
    if isinstance(betas[0], TensorBase) != isinstance(betas[1], TensorBase):
        raise ValueError(f"{who}: betas must be two numbers or two Tensors, not one of each")
    for i, beta in enumerate(betas):
        if not 0.0 <= number(owner, f"betas[{i}]", beta) < 1.0:
            raise ValueError(f"{who}: betas[{i}] must be between 0 and 1, but is {number(owner, 'betas', beta):g}")


class _Required:
    """The default of an option that every group must set."""

    def __repr__(self) -> str:
        return "<required parameter>"


required: Any = _Required()


@absent.answers_as("torch.optim.Optimizer")
class Optimizer:
    """Base of the optimisers: ``torch.optim.Optimizer``.

    Args:
        params: Tensors, or ``(name, Tensor)`` pairs, or dicts ``{"params": [...], "lr": ...}``: parameter groups with their own options.
        defaults: option -> value for groups that do not set it.

    A subclass defines :meth:`update` (a formula on flat arrays) and, if it has any, :meth:`slots` (arrays that it keeps for each
    parameter), :meth:`scalars` (numbers that it keeps), :meth:`constants`, and :meth:`check` for its options; or it overrides :meth:`step`.

    Attributes: ``param_groups``, a list of dicts that may be changed at any time; ``state``, for each parameter a dict of its
    numbers and Tensors, which change with every step, and may be written or replaced.

    >>> import numpy as np, minigrad as mg
    >>> class SignDescent(mg.nn.optim.Optimizer):
    ...     def __init__(self, params, lr):
    ...         super().__init__(params, {"lr": lr})
    ...     def update(self, p, g, scratch, c):
    ...         p -= c["lr"] * np.sign(g)
    >>> w = mg.tensor([1.0, -2.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> SignDescent([w], lr=0.5).step()
    >>> w
    tensor([ 0.5000, -1.5000], requires_grad=True)
    """

    one_pass = False  #: whether a native kernel does all of :meth:`update`

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]):
        whole = isinstance(params, Module) and not isinstance(next(iter(getattr(params, "__iter__", tuple)()), None), (TensorBase, Shell))
        if whole or isinstance(params, (TensorBase, Shell, str)) or not isinstance(params, Iterable):  # an nn.ParameterList is welcome
            advice = "; pass model.parameters()" if isinstance(params, Module) else ""
            raise TypeError(f"{type(self).__name__}: params must be an iterable of Tensors or dicts, not {type(params).__name__}{advice}")
        check(type(self).__name__, locals(), defaults="a dict")
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        self._reset()
        self._step_count = 0  # read by the schedulers, whose step() must come after this one's
        self._pre_hooks: list[Any] = []
        self._post_hooks: list[Any] = []
        groups = list(params)
        if not groups:
            raise ValueError(
                f"{type(self).__name__}: got an empty list of parameters: the model has none, or a generator of them was used up"
            )
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def _reset(self) -> None:
        self._plans: dict[int, tuple[list, list[_Bucket]]] = {}
        self._scratch: dict[np.dtype, list[np.ndarray]] = {}

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with their own options, e.g. the layers of a pretrained model when they are unfrozen.

        Raises ``TypeError`` for an element that is no Tensor, ``ValueError`` for a Tensor that is not a leaf, was added before or is
        uninitialised (in a lazy layer before its first call), for options out of range or not set, and if only some parameters have names.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"add_param_group: a dict is needed, not {type(param_group).__name__}")
        group = dict(param_group)
        params = group["params"]
        params = [params] if isinstance(params, (TensorBase, Shell)) else params
        if isinstance(params, (set, frozenset)):
            raise TypeError("add_param_group: a set has no order, which the state_dict needs; use a list")
        params = list(params)
        if any(isinstance(p, tuple) for p in params):
            if not all(isinstance(p, tuple) and len(p) == 2 for p in params):
                raise ValueError("add_param_group: either all parameters of a group are pairs (name, Tensor), or none is")
            group["param_names"] = [name for name, _ in params]
            params = [p for _, p in params]
        if self.param_groups and ("param_names" in group) != ("param_names" in self.param_groups[0]):
            raise ValueError("add_param_group: either the parameters of all groups have names, or those of none")
        params = [inside(p) for p in params]  # of a complex parameter its real numbers
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError(f"{type(self).__name__}: an optimizer takes Tensors, not {type(p).__name__}; pass model.parameters()")
            if not is_lazy(p) and not p.is_leaf:
                raise ValueError(f"an optimizer takes leaf tensors, and this one was computed: {p.grad_fn}")
        known = {id(p) for p in self._all_parameters()}
        if len({id(p) for p in params}) < len(params):
            raise ValueError("a parameter occurs twice in one parameter group")
        if any(id(p) in known for p in params):
            raise ValueError("a parameter occurs in more than one parameter group")
        group["params"] = params
        new = {**group, **{name: group.get(name, value) for name, value in self.defaults.items()}}
        for name, value in new.items():
            if value is required:
                raise ValueError(f"{type(self).__name__}: a group of parameters must set {name}, which has no default")
        if new.get("differentiable"):
            raise ValueError(
                f"{type(self).__name__}: differentiable=True is not possible: a step records no graph; compute p - lr * g and call func.functional_call"
            )
        self.check(new)
        self.param_groups.append(new)
        self._reset()

    def _all_parameters(self) -> Iterator[Tensor]:
        return chain.from_iterable(group["params"] for group in self.param_groups)

    def check(self, group: dict[str, Any]) -> None:
        """Refuse options of a new group that are out of range. A subclass defines the ranges, with helpers such as :func:`not_negative`."""

    # ---------------------------------------------------------------------------------- what a subclass defines

    def slots(self, group: dict[str, Any]) -> dict[str, float]:
        """Arrays of the parameter's shape that are kept for each parameter: name -> initial value of the elements."""
        return {}

    def scalars(self, group: dict[str, Any]) -> dict[str, Any]:
        """Numbers that are kept for each parameter: name -> value before the first step."""
        return {"step": 0}

    def constants(self, group: dict[str, Any], scalars: dict[str, Any]) -> Any:
        """Advance ``scalars`` by a step, and return the argument ``c`` of :meth:`update`."""
        scalars["step"] += 1
        return group

    def update(self, p: np.ndarray, g: np.ndarray, scratch: list[np.ndarray], c: Any, **slots: np.ndarray) -> None:
        """Write the new value into ``p``, and new ones into the ``slots``.

        All arrays are flat, of one length and of one dtype. ``g`` must not be written; the three arrays in ``scratch`` may be.
        ``maximize`` and (unless ``decoupled_weight_decay``) ``weight_decay`` of the group are in ``g`` already.
        """
        raise NotImplementedError(f"{type(self).__name__} defines neither update() nor step()")

    # ---------------------------------------------------------------------------------------------------- steps

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set the gradients of all parameters to None, or to zeros."""
        zero_gradients(self._all_parameters(), set_to_none)

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], R]) -> R: ...
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters that have a gradient.

        A parameter gets a new value; a graph, a ``detach()`` or a ``state_dict`` that holds the old value keeps it.

        Args:
            closure: a function that computes the loss and its gradients; called before the update. Its loss is returned.
        """
        for hook in list(self._pre_hooks):
            hook.function(self, (closure,), {})
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        quiet = np.errstate(over="ignore", divide="ignore", invalid="ignore", under="ignore")
        with record_function(f"Optimizer.step#{type(self).__name__}.step"), no_grad(), quiet:
            for number, group in enumerate(self.param_groups):
                self._step_group(number, group)
        self._step_count += 1
        for hook in list(self._post_hooks):
            hook.function(self, (closure,), {})
        return loss

    def _step_group(self, number: int, group: dict[str, Any]) -> None:
        for bucket in self._plan(number, group):
            bucket.step(self, group)

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` before every step."""
        return RemovableHandle(self._pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` after every step."""
        return RemovableHandle(self._post_hooks, hook)

    def _plan(self, number: int, group: dict[str, Any]) -> list[_Bucket]:
        """The buckets for the parameters that have a gradient now; rebuilt when these differ from the last step."""
        slots = self.slots(group)
        ready = [p for p in group["params"] if p._grad is not None]
        key = self._layout(ready, slots)
        plan = self._plans.get(number)
        if plan is None or plan[0] != key:
            buckets = _lay_out(self, group, ready, slots)
            self._plans[number] = plan = self._layout(ready, slots), buckets
        return plan[1]

    def _layout(self, params: list[Tensor], slots: dict[str, float]) -> list[Any]:
        """What the arrays of the parameters are laid out for: where the user has replaced any of it, that is done again."""
        key: list[Any] = [slots]
        for p in params:
            kept, data = self.state.get(p), p._data
            key += id(p), id(kept), data.shape, data.dtype
            if kept:
                key += map(id, map(kept.get, slots))
        return key

    def _pieces(self, dtype: np.dtype, size: int) -> list[np.ndarray]:
        """Scratch arrays of ``size`` elements at least; they stay, so there are no more than pieces have had."""
        if dtype not in self._scratch or self._scratch[dtype][0].size < size:
            self._scratch[dtype] = [np.empty(size, dtype) for _ in range(SCRATCH)]
        return self._scratch[dtype]

    def _run(self, group: dict[str, Any], c: Any, p: np.ndarray, g: np.ndarray, slots: dict[str, np.ndarray]) -> None:
        """:meth:`update` for one piece."""
        own, *scratch = [s[: p.size] for s in self._pieces(p.dtype, p.size)]
        decay = float(group.get("weight_decay", 0.0))
        if group.get("maximize"):
            g = np.negative(g, out=own)
        if decay and not group.get("decoupled_weight_decay"):
            np.multiply(p, decay, out=scratch[0])
            g = np.add(g, scratch[0], out=own)
        elif decay:
            p *= 1.0 - float(group["lr"]) * decay
        self.update(p, g, scratch, c, **slots)

    # ---------------------------------------------------------------------------------------------------- state

    def state_dict(self) -> dict[str, Any]:
        """The options of the groups and copies of each parameter's state, as plain data and Tensors.

        ``{"state": {number: {name: value}}, "param_groups": [{..., "params": [number, ...]}]}``, as in PyTorch.
        """
        numbers = {id(p): i for i, p in enumerate(self._all_parameters())}
        state = {
            numbers[id(p)]: tree_map(lambda x: wrap(unwrapped(x).copy()) if isinstance(x, (np.ndarray, TensorBase)) else x, dict(kept))
            for p, kept in self.state.items()
            if id(p) in numbers and kept
        }
        groups = [
            {**{k: v for k, v in group.items() if k != "params"}, "params": [numbers[id(p)] for p in group["params"]]}
            for group in self.param_groups
        ]
        return {"state": dict(sorted(state.items())), "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Load a :meth:`state_dict`, also one of PyTorch: the options of the groups and the state of each parameter.

        Raises ``ValueError`` if groups or shapes differ; then nothing is changed.
        """
        groups, saved = state_dict["param_groups"], state_dict["state"]
        sizes, ours = [len(g["params"]) for g in groups], [len(g["params"]) for g in self.param_groups]
        if len(sizes) != len(ours):
            raise ValueError(f"load_state_dict: the state has {len(sizes)} parameter groups, the optimizer {len(ours)}")
        if sizes != ours:
            raise ValueError(f"load_state_dict: the state's groups have {sizes} parameters, the optimizer's {ours}")
        state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        for theirs, group in zip(groups, self.param_groups, strict=True):
            for number, p in zip(theirs["params"], group["params"], strict=True):
                kept = saved.get(number, saved.get(str(number)))
                if kept:
                    state[p] = self._load_parameter(number, p, kept, {**group, **theirs})
        for theirs, group in zip(groups, self.param_groups, strict=True):
            group.update({k: v for k, v in theirs.items() if k != "params"})
        self.state = state
        self._reset()

    def state_shape(self, name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the array ``name`` that is kept for a parameter of ``shape``."""
        return shape

    def _load_parameter(self, number: int, p: Tensor, kept: Mapping[str, Any], group: dict[str, Any]) -> dict[str, Any]:
        scalars = self.scalars(group)
        found: dict[str, Any] = {}
        for name, value in kept.items():
            if value is None:
                continue
            if hasattr(value, "detach"):
                value = inside(value.detach())
            if name in scalars:
                number_ = np.asarray(value).item()
                found[name] = type(scalars[name])(number_)
                continue
            array = np.asarray(value)
            if array.dtype.kind == "c":  # PyTorch's, of a complex parameter
                array = pairs(array)
            array = array.astype(p._data.dtype)  # astype copies
            if array.shape != self.state_shape(name, p._data.shape):
                raise ValueError(f"load_state_dict: {name} of parameter {number} has shape {array.shape}, the parameter {p._data.shape}")
            found[name] = wrap(array)
        if found and "step" in scalars:
            found.setdefault("step", 1)  # PyTorch's SGD counts no steps; a momentum buffer shows that there was one
        return found

    def __getstate__(self) -> dict[str, Any]:
        """The attributes without the layout of the arrays, which is built again."""
        return {k: v for k, v in self.__dict__.items() if k not in ("_plans", "_scratch")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reset()

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines += ["", f"Parameter Group {i}"] if i else [f"Parameter Group {i}"]
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if name != "params"]
        return "\n".join([*lines, ")"])


class _Bucket:
    """Parameters with the same dtype and step count that are updated together: several small ones, or a single one."""

    def __init__(self, params: list[Tensor], states: list[dict[str, Any]], slots: dict[str, float], names: list[str]):
        self.params, self.states, self.names = params, states, names
        self.dtype = params[0]._data.dtype
        ends = np.cumsum([p._data.size for p in params])
        self.size = int(ends[-1])
        self.slots = {name: np.empty(self.size, self.dtype) for name in slots}
        starts = [0, *ends[:-1]]
        for p, state, start, end in zip(params, states, starts, ends, strict=True):
            for name, initial in slots.items():
                view = self.slots[name][start:end].reshape(p._data.shape)
                view[...] = unwrapped(state.get(name, initial))
                state[name] = from_numpy(view)  # what the user writes to the Tensor is in the array too
        self.gathered = len(params) > 1
        if self.gathered:
            self.value, self.grad = np.empty(self.size, self.dtype), np.empty(self.size, self.dtype)
            self.parts = [self.value[a:b].reshape(p._data.shape) for p, a, b in zip(params, starts, ends, strict=True)]

    def step(self, optimizer: Optimizer, group: dict[str, Any]) -> None:
        """One step of ``optimizer`` for these parameters."""
        scalars = {name: self.states[0][name] for name in self.names}
        c = optimizer.constants(group, scalars)
        if self.gathered:
            np.concatenate([p._data.ravel() for p in self.params], out=self.value)
            np.concatenate([p._grad._data.ravel() for p in self.params], out=self.grad, casting="same_kind")
            optimizer._run(group, c, self.value, self.grad, self.slots)
            for p, part in zip(self.params, self.parts, strict=True):
                p._replace(part.copy())  # small: quicker than to find out whether the old memory may be written
        else:
            (p,) = self.params
            in_place = p._writable() and p._data.flags.c_contiguous
            array = p._data if in_place else p._data.copy(order="C")
            value, grad = array.reshape(-1), p._grad._data.reshape(-1)
            length = LONG if optimizer.one_pass and not group.get("weight_decay") and library() is not None else PIECE
            for start in range(0, self.size, length):
                piece = slice(start, start + length)
                optimizer._run(group, c, value[piece], grad[piece], {name: slot[piece] for name, slot in self.slots.items()})
            if not in_place:
                p._replace(array)
        for state in self.states:
            state.update(scalars)


def _lay_out(optimizer: Optimizer, group: dict[str, Any], params: list[Tensor], slots: dict[str, float]) -> list[_Bucket]:
    """Buckets for ``params``: as many as fit into one piece, of one dtype and with the same numbers in their state."""
    initial = optimizer.scalars(group)
    buckets: list[list[Tensor]] = []
    open_: dict[Any, tuple[list[Tensor], int]] = {}  # kind -> the bucket with space left, and its size
    for p in params:
        state = optimizer.state[p]
        for name, value in initial.items():
            state.setdefault(name, value)
        for name in slots:
            if name in state and tuple(state[name].shape) != p._data.shape:
                raise RuntimeError(
                    f"{type(optimizer).__name__}: a parameter has become {p._data.shape}, its {name} is {tuple(state[name].shape)}. "
                    "Make a new optimizer after changing the shape of a parameter"
                )
        if p._data.size > GATHERED:  # by itself; what comes after it may join what came before
            buckets.append([p])
            continue
        kind = (p._data.dtype, *(state[name] for name in initial))
        bucket, size = open_.get(kind, ([], GATHERED))
        if size + p._data.size > GATHERED:
            bucket, size = [], 0
            buckets.append(bucket)
        bucket.append(p)
        open_[kind] = bucket, size + p._data.size
    return [_Bucket(b, [optimizer.state[p] for p in b], slots, list(initial)) for b in buckets]
