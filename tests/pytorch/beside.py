"""Comparison of two libraries: PyTorch's arguments are converted, both libraries are run, and differences are reported.

A :class:`Difference` has one of these kinds:

=============  ===================================================================================================
``refused``    we raise where PyTorch gives a result
``accepted``   we give a result where PyTorch raises
``structure``  another number of results, or a number where PyTorch gives a tensor
``shape``      a result has another shape
``dtype``      a result has another dtype
``value``      a result has other values
``grad``       a result has a gradient in one library only, or the first gradients differ
``grad2``      the gradients of gradients differ
=============  ===================================================================================================

If values differ because PyTorch draws random numbers, only shapes and dtypes are compared.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import re
import tomllib
import unittest.mock
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

import minigrad as mg
import minigrad.nn
from minigrad.engine import TensorBase
from minigrad.ops.complex_pair import ComplexPair

with unittest.mock.patch.object(torch.backends, "disable_global_flags"):  # the ports in the same process set flags
    import torch.testing._internal.common_utils

DTYPES = {
    torch.float64: mg.float64,
    torch.float32: mg.float32,
    torch.float16: mg.float16,
    torch.int64: mg.int64,
    torch.int32: mg.int32,
    torch.int16: mg.int16,
    torch.int8: mg.int8,
    torch.uint8: mg.uint8,
    torch.bool: mg.bool,
}
TOLERANCES = {torch.float64: (1e-7, 1e-7), torch.float32: (1e-4, 1e-5), torch.float16: (4e-3, 2e-3)}  # relative, absolute


class Foreign(Exception):
    """A sample that speaks of what minigrad does not have: complex numbers, sparse layouts, other devices."""


@dataclasses.dataclass
class Difference:
    kind: str
    dtype: str
    call: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.dtype} {self.call}: {self.detail}"


@dataclasses.dataclass
class Tally:
    """What came of one op, module or optimiser."""

    name: str
    counts: Counter = dataclasses.field(default_factory=Counter)
    differences: list[Difference] = dataclasses.field(default_factory=list)

    def add(self, found: list[Difference]) -> None:
        self.counts["samples"] += 1
        if not found:
            self.counts["agree"] += 1
        elif found[0].kind == "refused":
            self.counts["refused"] += 1
        else:
            self.counts["differ"] += 1
        self.differences += found


# ------------------------------------------------------------------------------------------------------ what is meant


@dataclasses.dataclass
class Meant:
    """An entry of ``meant.toml``: differences of ``kinds`` of ``ops`` whose text ``match`` finds. They need not be there unless ``always``."""

    ops: list[str]
    kinds: list[str]
    reason: str
    match: str = ""
    always: bool = True

    def covers(self, name: str, difference: Difference) -> bool:
        return name in self.ops and difference.kind in self.kinds and re.search(self.match, str(difference)) is not None


def read_meant(path: Path) -> list[Meant]:
    return [Meant(**entry) for entry in tomllib.loads(path.read_text(encoding="utf-8"))["meant"]]


def unmeant(tally: Tally, entries: list[Meant], whole: bool) -> list[str]:
    """The differences that no entry covers and, if the ``whole`` of the samples was run, the entries that cover nothing."""
    lines = [str(d) for d in tally.differences if not any(e.covers(tally.name, d) for e in entries)]
    if whole:
        for e in entries:
            if e.always and tally.name in e.ops:
                for kind in e.kinds:
                    if not any(e.covers(tally.name, d) and d.kind == kind for d in tally.differences):
                        lines.append(f"meant.toml: nothing differs any more in kind {kind!r}, match {e.match!r}: {e.reason}")
    return lines


# --------------------------------------------------------------------------------------------------- arguments, results


def ours(value: Any) -> Any:
    """The argument for minigrad."""
    if isinstance(value, torch.nn.Parameter):
        return mg.nn.Parameter(array_of(value), requires_grad=value.requires_grad)
    if isinstance(value, torch.Tensor):
        return mg.tensor(array_of(value), requires_grad=value.requires_grad)
    if isinstance(value, torch.dtype):
        if value not in DTYPES:
            raise Foreign(f"{value}")
        return DTYPES[value]
    if isinstance(value, (torch.layout, torch.memory_format, torch.Generator)):
        raise Foreign(f"{value}")
    if isinstance(value, torch.device):
        value = str(value)
    if isinstance(value, str) and value.partition(":")[0] in ("meta", "cuda"):
        raise Foreign(f"device {value}")
    if isinstance(value, complex):
        raise Foreign("complex number")
    if isinstance(value, torch.Size):
        return tuple(value)
    if isinstance(value, (tuple, list)):
        return type(value)(ours(v) for v in value) if not hasattr(value, "_fields") else tuple(ours(v) for v in value)
    if isinstance(value, dict):
        return {k: ours(v) for k, v in value.items()}
    if isinstance(value, torch.nn.Module) or (callable(value) and getattr(value, "__module__", "").startswith("torch")):
        return named_in_minigrad(value)
    return value


def array_of(tensor: torch.Tensor) -> np.ndarray:
    if tensor.dtype not in DTYPES or tensor.layout is not torch.strided or tensor.device.type != "cpu":
        raise Foreign(f"{tensor.dtype} {tensor.layout} {tensor.device}")
    if tensor.ndim > 64:
        raise Foreign("more dimensions than numpy has")
    return tensor.numpy(force=True).copy()


def named_in_minigrad(value: Any) -> Any:
    """The function of the same name, for arguments like ``activation=torch.relu``."""
    name = getattr(value, "__name__", "")
    for place in (mg.nn.functional, mg):
        if hasattr(place, name):
            return getattr(place, name)
    raise Foreign(f"{value}")


def tensors_in(value: Any, kind: type) -> list:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [t for v in value for t in tensors_in(v, kind)]
    return [value] if isinstance(value, kind) else []


def described(value: Any) -> str:
    """An argument in few characters: ``f32(2, 3)`` for a tensor."""
    if isinstance(value, torch.Tensor):
        short = re.sub(r"torch\.|loat|nt(?=\d)", "", str(value.dtype))
        numbers = f"={value.tolist()!r}" if value.numel() == 1 and not value.is_complex() and value.layout is torch.strided else ""
        return f"{short}{tuple(value.shape)}{numbers}"
    if isinstance(value, (list, tuple)) and tensors_in(list(value), torch.Tensor):
        return "[" + ", ".join(map(described, value)) + "]"
    if isinstance(value, dict):
        return ", ".join(f"{k}={described(v)}" for k, v in value.items())
    if isinstance(value, enum.Enum) or callable(value):
        return getattr(value, "__name__", str(value))
    return repr(value)


def call_text(args: tuple, kwargs: dict) -> str:
    return "(" + ", ".join([*map(described, args), *([described(kwargs)] if kwargs else [])]) + ")"


def leaves_of(value: Any, kind: type) -> list:
    return [t for t in tensors_in(value, kind) if t.requires_grad]


def dtype_name(value: Any) -> str:
    return str(value.dtype).removeprefix("torch.")


def far(mine: np.ndarray, other: torch.Tensor, loose: float = 1.0) -> str | None:
    """What is said where two arrays of one shape differ, or None."""
    theirs = other.numpy(force=True)
    mine = np.asarray(mine)
    if theirs.dtype.kind != "f" and mine.dtype.kind != "f":
        apart = mine != theirs
    else:
        weakest = torch.float64 if other.dtype not in TOLERANCES else other.dtype
        if mine.dtype == np.float16:
            weakest = torch.float16
        rtol, atol = TOLERANCES[weakest]
        a, b = mine.astype(np.float64), theirs.astype(np.float64)
        with np.errstate(all="ignore"):
            apart = ~np.isclose(a, b, rtol * loose, atol * loose, equal_nan=True)
    if not apart.any():
        return None
    place = np.unravel_index(int(np.argmax(apart)), apart.shape)
    at = f" at {tuple(int(i) for i in place)}" if apart.ndim else ""
    return f"{mine[place]} instead of {theirs[place]}{at}, {int(apart.sum())} of {apart.size}"


# ---------------------------------------------------------------------------------------------------------- comparison


class Call:
    """One call in both libraries: the same arguments, results, gradients."""

    def __init__(
        self,
        theirs: Callable,
        mine: Callable,
        args: tuple,
        kwargs: dict,
        *,
        order: int,
        uninitialised: bool = False,
        parameters: tuple = ((), ()),
    ):
        self.theirs, self.mine, self.args, self.kwargs = theirs, mine, args, kwargs
        self.order, self.uninitialised = order, uninitialised
        self.parameters = parameters
        self.random = uninitialised  # then only shapes and dtypes can be compared
        self.text = call_text(args, kwargs)
        tensors = tensors_in([args, kwargs], torch.Tensor)
        self.dtype = dtype_name(tensors[0]) if tensors else "-"

    def difference(self, kind: str, detail: str) -> list[Difference]:
        return [Difference(kind, self.dtype, self.text, detail)]

    def run(self) -> list[Difference]:
        """The differences of this call. Raises Foreign for what has no counterpart, and what PyTorch raises where PyTorch refuses it."""
        my_args, my_kwargs = ours(self.args), ours(self.kwargs)
        # The leaves are noted before the call, and PyTorch gets copies: some samples are changed in place.
        args, kwargs = copied(self.args), copied(self.kwargs)
        again = copied(self.args), copied(self.kwargs)
        torch.manual_seed(0)
        other = self.theirs(*args, **kwargs)
        try:
            mine = self.mine(*my_args, **my_kwargs)
        except Exception as error:
            return self.difference("refused", f"{type(error).__name__}: {first_line(error)}")
        pairs = [isinstance(value, ComplexPair) for value in flat(mine)]
        if any(pairs) and len(pairs) == len(list(flat(other))):
            mine = [value.pair if pair else value for value, pair in zip(flat(mine), pairs, strict=True)]
            other = [as_pair(value) if pair else value for value, pair in zip(flat(other), pairs, strict=True)]
        found = self.results(mine, other, again)
        if found or self.order == 0:
            return found
        leaves = [*leaves_of([args, kwargs], torch.Tensor), *self.parameters[1]]
        my_leaves = [*leaves_of([my_args, my_kwargs], TensorBase), *self.parameters[0]]
        return self.gradients(tensors_in([mine], TensorBase), tensors_in([other], torch.Tensor), my_leaves, leaves)

    def results(self, mine: Any, other: Any, again: tuple) -> list[Difference]:
        my_out, their_out = list(flat(mine)), list(flat(other))
        if len(my_out) != len(their_out):
            return self.difference("structure", f"{len(my_out)} results instead of {len(their_out)}")
        for i, (a, b) in enumerate(zip(my_out, their_out, strict=True)):
            which = f"result {i}: " if len(my_out) > 1 else ""
            if isinstance(b, torch.Tensor) != isinstance(a, TensorBase):
                return self.difference("structure", f"{which}{type(a).__name__} instead of {type(b).__name__}")
            if not isinstance(b, torch.Tensor):
                if isinstance(b, torch.dtype):
                    b = DTYPES.get(b, b)
                if isinstance(b, (bool, int, float)) and isinstance(a, (bool, int, float)):
                    if type(a) is not type(b) or not np.isclose(a, b, equal_nan=True):
                        return self.difference("value", f"{which}{a!r} instead of {b!r}")
                elif a != b and not callable(b):
                    return self.difference("value", f"{which}{a!r} instead of {b!r}")
                continue
            if b.is_complex() or b.layout is not torch.strided or b.dtype not in DTYPES:
                raise Foreign(f"result {b.dtype} {b.layout}")
            if tuple(a.shape) != tuple(b.shape):
                return self.difference("shape", f"{which}{tuple(a.shape)} instead of {tuple(b.shape)}")
            if dtype_name(a) != dtype_name(b):
                return self.difference("dtype", f"{which}{dtype_name(a)} instead of {dtype_name(b)}")
        for i, (a, b) in enumerate(zip(my_out, their_out, strict=True)):
            which = f"result {i}: " if len(my_out) > 1 else ""
            if isinstance(b, torch.Tensor) and not self.random and (said := far(a._data, b)):
                if self.is_random(again):
                    self.random = True
                    break
                if self.is_nearer(i, a._data, b):
                    continue
                return self.difference("value", which + said)
        for i, (a, b) in enumerate(zip(my_out, their_out, strict=True)):
            if self.order and isinstance(b, torch.Tensor) and a.requires_grad != b.requires_grad:
                return self.difference("grad", f"result {i}: requires_grad is {a.requires_grad} instead of {b.requires_grad}")
        return []

    def is_random(self, again: tuple) -> bool:
        """Whether PyTorch draws random numbers for this call. (The database seeds some calls itself: that is put aside.)"""
        with unittest.mock.patch("torch.manual_seed"), unittest.mock.patch("torch.testing._utils.freeze_rng_state", contextlib.nullcontext):
            before = torch.get_rng_state()
            self.theirs(*again[0], **again[1])
            return not torch.equal(before, torch.get_rng_state())

    def is_nearer(self, i: int, mine: np.ndarray, other: torch.Tensor) -> bool:
        """Whether a result in few digits is at most twice as far from PyTorch's result in float64 as PyTorch's own."""
        if other.dtype not in (torch.float16, torch.float32):
            return False
        try:
            exact = list(flat(self.theirs(*copied(self.args, torch.float64), **copied(self.kwargs, torch.float64))))[i]
            exact = (exact if exact.ndim == other.ndim else as_pair(exact)).numpy(force=True)
        except (RuntimeError, NotImplementedError, ValueError):  # a dtype among the arguments, or an op without float64
            return False
        off, theirs = np.abs(mine.astype(np.float64) - exact), np.abs(other.double().numpy(force=True) - exact)
        return bool(np.isfinite(off).all() and off.max() <= 2 * theirs.max())

    def gradients(self, mine: list, other: list, my_leaves: list, leaves: list) -> list[Difference]:
        pairs = [(a, b) for a, b in zip(mine, other, strict=True) if b.requires_grad]
        if not pairs or self.random or not leaves:
            return []
        weights = [np.cos(np.arange(b.numel()) + 1.0).reshape(tuple(b.shape)) for _, b in pairs]
        try:
            theirs = torch.autograd.grad(
                [b for _, b in pairs],
                leaves,
                [torch.tensor(w, dtype=b.dtype) for w, (_, b) in zip(weights, pairs, strict=True)],
                create_graph=self.order > 1,
                allow_unused=True,
                materialize_grads=True,
            )
        except (RuntimeError, NotImplementedError):  # PyTorch cannot differentiate this
            return []
        try:
            first = mg.grad(
                [a for a, _ in pairs],
                my_leaves,
                [mg.tensor(w, dtype=a.dtype) for w, (a, _) in zip(weights, pairs, strict=True)],
                create_graph=self.order > 1,
                allow_unused=True,
                materialize_grads=True,
            )
        except Exception as error:
            return self.difference("grad", f"{type(error).__name__}: {first_line(error)}")
        for i, (a, b) in enumerate(zip(first, theirs, strict=True)):
            if dtype_name(a) != dtype_name(b) or tuple(a.shape) != tuple(b.shape):
                return self.difference("grad", f"leaf {i}: {dtype_name(a)}{tuple(a.shape)} instead of {dtype_name(b)}{tuple(b.shape)}")
            if said := far(a.numpy() if not a.requires_grad else a.detach().numpy(), b, 5.0):
                return self.difference("grad", f"leaf {i}: {said}")
        if self.order < 2:
            return []

        def mixed(gradients: Any, library: Any) -> Any:
            total = 0
            for g in gradients:
                if g.requires_grad:
                    total = total + (g * library.tensor(np.sin(np.arange(g.numel()) + 1.0).reshape(tuple(g.shape)), dtype=g.dtype)).sum()
            return total

        b = mixed(theirs, torch)
        if not isinstance(b, torch.Tensor):
            return []
        try:
            theirs = torch.autograd.grad(b, leaves, allow_unused=True, materialize_grads=True)
        except (RuntimeError, NotImplementedError):  # PyTorch has no second derivative
            return []
        try:
            a = mixed(first, mg)
            if not isinstance(a, TensorBase):
                second = [mg.zeros_like(leaf) for leaf in my_leaves]
            else:
                second = list(mg.grad(a, my_leaves, allow_unused=True, materialize_grads=True))
        except Exception as error:
            return self.difference("grad2", f"{type(error).__name__}: {first_line(error)}")
        for i, (g, h) in enumerate(zip(second, theirs, strict=True)):
            if said := far(g.detach().numpy(), h, 50.0):
                return self.difference("grad2", f"leaf {i}: {said}")
        return []


def first_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0][:200] if lines else ""


def flat(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, tuple) and all(type(v) is int for v in value):  # a shape
        yield tuple(value)
    elif isinstance(value, (list, tuple)):
        for v in value:
            yield from flat(v)
    else:
        yield value


def as_pair(value: Any) -> Any:
    """Complex numbers as minigrad has them: real and imaginary parts as the last dimension."""
    return torch.view_as_real(value.resolve_conj()) if isinstance(value, torch.Tensor) and value.is_complex() else value


def copied(value: Any, dtype: torch.dtype | None = None) -> Any:
    """The same arguments on leaves of their own, those of floating dtypes in ``dtype``."""
    if isinstance(value, torch.Tensor) and type(value) in (torch.Tensor, torch.nn.Parameter):
        copy = value.detach().clone()
        copy = copy.to(dtype) if dtype is not None and copy.is_floating_point() else copy
        return copy.requires_grad_(value.requires_grad)
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields") and not isinstance(value, torch.Size):
        return type(value)(copied(v, dtype) for v in value)
    if isinstance(value, dict):
        return {k: copied(v, dtype) for k, v in value.items()}
    return value


def silently(function: Callable) -> Callable:
    """Warnings of both libraries are not what is compared here."""

    def quiet(*args: Any, **kwargs: Any) -> Any:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return function(*args, **kwargs)

    return quiet


def refusal(mine: Callable, args: tuple, kwargs: dict, expected: str) -> list[Difference]:
    """Whether we raise for arguments that PyTorch refuses."""
    my_args, my_kwargs = ours(args), ours(kwargs)
    try:
        mine(*my_args, **my_kwargs)
    except Exception:
        return []
    tensors = tensors_in([args, kwargs], torch.Tensor)
    return [Difference("accepted", dtype_name(tensors[0]) if tensors else "-", call_text(args, kwargs), f"PyTorch: {expected[:160]}")]
