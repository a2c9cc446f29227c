"""How fast a row could be at most: what its ops must multiply and move, over what this machine multiplies and moves in a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np


def _numbers(value: Any) -> int:
    if isinstance(value, (tuple, list)):
        return sum(map(_numbers, value))
    return value.nbytes if isinstance(value, np.ndarray) else 0


def _is_view(out: Any, args: tuple[Any, ...]) -> bool:
    return isinstance(out, np.ndarray) and any(isinstance(a, np.ndarray) and np.may_share_memory(out, a) for a in args)


def needs(function: Callable[[], Any]) -> list[tuple[int, int]]:
    """``(flops, bytes)`` of each op that a call of ``function`` runs forward, and of its share in the backward pass.

    ``flops`` are two for each multiply-add by the definition of the op, so that an algorithm with fewer multiplications, as Winograd's, can
    be faster than the limit. ``bytes`` are those of the op's arguments and result, each moved once; in the backward pass they, or their
    gradients, move once more. A view moves nothing. Python, and the update of the weights, are left out.
    """
    from minigrad.engine import put_before_kernels, take_away
    from minigrad.profiler import profile

    moved: list[int] = []
    here, inside = threading.get_ident(), False

    def stand_in(op: Any, kernel: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal inside
            if inside or threading.get_ident() != here:  # by an op's kernel, perhaps for a share of its work
                return kernel(*args, **kwargs)
            inside = True
            try:
                out = kernel(*args, **kwargs)
            finally:
                inside = False
            moved.append(0 if _is_view(out, args) else _numbers([*args, *kwargs.values(), out]))
            return out

        return call

    put_before_kernels(stand_in)
    try:
        with profile() as p:
            function()
    finally:
        take_away(stand_in)
    calls = [event for event in p.events() if event.kind == "op" and all(around.kind != "op" for around in list(event.chain())[1:])]
    ops = {id(event): [event.flops, size, 0] for event, size in zip(calls, moved, strict=True) if event.phase == "forward"}
    walked = set()
    for event in p.events():
        if event.origin is not None and id(event.origin) in ops:
            walked.add(id(event.origin))
            ops[id(event.origin)][2] += event.flops if event.kind == "op" else 0
    forward = [(flops, size) for flops, size, _ in ops.values()]
    return forward + [(flops, size) for key, (_, size, flops) in ops.items() if key in walked]


def rates(threads: int) -> tuple[float, float]:
    """The float32 operations and the bytes of this machine in a second: of numpy's matrix product, and of copies in the cache."""
    from minigrad.kernels.threads import parallel

    side, length, times = 1024, 2**21, 6
    arrays = [[np.ones((side, side), np.float32), np.empty((side, side), np.float32)] for _ in range(threads)]
    copies = [[np.ones(length // threads, np.float32), np.empty(length // threads, np.float32)] for _ in range(threads)]

    def multiply(i: int) -> None:
        np.matmul(arrays[i][0], arrays[i][0], out=arrays[i][1])

    def copy(i: int) -> None:
        for _ in range(8):
            np.copyto(copies[i][1], copies[i][0])

    def best(function: Callable[[int], None]) -> float:
        found = []
        for _ in range(times):
            start = time.perf_counter()
            parallel(function, range(threads))
            found.append(time.perf_counter() - start)
        return min(found)

    return threads * 2 * side**3 / best(multiply), 8 * 8 * length / best(copy)


def limit(ops: list[tuple[int, int]], rate: tuple[float, float]) -> float:
    """Seconds that ``ops`` need at least, one after the other.

    >>> limit([(10, 4), (0, 8)], (5.0, 4.0))
    4.0
    """
    return sum(max(flops / rate[0], size / rate[1]) for flops, size in ops)
