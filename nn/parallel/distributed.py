"""The same model on several ranks, each with its part of the batch: :class:`DistributedDataParallel`.

Parameters stand in *buckets*, flat arrays of their gradients, in the reverse of their order in the model, which is about the order in which
backward computes them. A hook on each parameter says that its gradient is there; when all of a bucket's are, its sum over the ranks begins
(a non-blocking ``Iallreduce``), while backward goes on with the layers before. At the end of backward the last sums are waited for, and
``.grad`` of each parameter becomes the mean. Buckets begin in the same order on all ranks, because MPI pairs them by it.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from minigrad.distributed.collectives import gathered
from minigrad.distributed.processes import DistError, Group, current, ranks_text, several
from minigrad.engine import at_end_of_backward, inside, is_grad_enabled, wrap
from minigrad.nn.module import Module, Parameter, is_lazy
from minigrad.ops.arguments import check

FIRST_BUCKET = 2**20  # bytes: a small first bucket lets the sums begin early


class DistributedDataParallel(Module):
    """``module``, trained by all ranks together: ``torch.nn.parallel.DistributedDataParallel``.

    Each rank computes its own batch. The gradients are the means over the ranks, so that equal optimisers take equal steps: those of one process
    with the whole batch, if the loss is a mean and the ranks' batches are of one size. Parameters and buffers are those of rank 0 at
    the start, and buffers (running averages) again before each call. Names in ``state_dict()`` begin with ``module.``.

    If ``minigrad.distributed`` has one rank, nothing is sent. Only ``backward()`` of what this object, not ``module``, computed is shared, and
    ``mg.grad`` is not.

    Args:
        module: with parameters of one name, shape and dtype on all ranks, at least one of which requires a gradient, and none of which is lazy.
        device_ids, output_device, dim, process_group, check_reduction, gradient_as_bucket_view, static_graph, init_sync: accepted; None or PyTorch's
            defaults, as there is one device.
        broadcast_buffers: whether buffers follow those of rank 0.
        bucket_cap_mb: size of a bucket in MiB, 25 by default; the first one holds 1 at most.
        find_unused_parameters: let a rank's loss leave out parameters. Their gradient counts as zero if another rank uses them, and is left
            as it is if none does. Without it ``backward`` raises, and names them.

    Raises:
        RuntimeError: no parameter requires a gradient; one is lazy; (in backward) parameters get no gradient, or one twice in a backward pass.
        ValueError: before ``init_process_group``; several devices; a ``process_group``.
        DistError: the ranks' parameters differ.

    >>> import minigrad.distributed as dist
    >>> from minigrad import nn
    >>> nn.parallel.DistributedDataParallel(nn.Linear(2, 3))
    Traceback (most recent call last):
    ...
    ValueError: DistributedDataParallel: call minigrad.distributed.init_process_group() first
    """

    def __init__(
        self,
        module: Module,
        device_ids: Any = None,
        output_device: Any = None,
        dim: int = 0,
        broadcast_buffers: bool = True,
        init_sync: bool = True,
        process_group: Any = None,
        bucket_cap_mb: float | None = None,
        find_unused_parameters: bool = False,
        check_reduction: bool = False,
        gradient_as_bucket_view: bool = False,
        static_graph: bool = False,
    ):
        name = "DistributedDataParallel"
        check(
            name, locals(), "bucket_cap_mb", module=Module, broadcast_buffers="True or False", init_sync="True or False",
            bucket_cap_mb="above 0", find_unused_parameters="True or False",
        )  # fmt: skip
        here = current(name)
        if device_ids is not None and len(device_ids) > 1:
            raise ValueError(f"{name}: one process, one device: device_ids is None or holds one, not {device_ids!r}")
        if process_group is not None:
            raise ValueError(f"{name}: all ranks are one group; leave out process_group")
        lazy = [n for n, p in [*module.named_parameters(), *module.named_buffers()] if is_lazy(p)]
        if lazy:
            raise RuntimeError(f"{name}: {', '.join(lazy)} has no shape yet; call the model once before, on all ranks")
        if not any(p.requires_grad for p in module.parameters()):
            raise RuntimeError(f"{name}: no parameter of the model requires a gradient, so there is nothing to share")
        super().__init__()
        self.module = module
        self.broadcast_buffers, self.find_unused_parameters = broadcast_buffers, find_unused_parameters
        self.require_backward_grad_sync = True
        self.bucket_bytes = int((25 if bucket_cap_mb is None else bucket_cap_mb) * 2**20)
        if several() is not None and init_sync:
            _check_same(here, self)
            _share(here, list(map(inside, (*module.parameters(), *module.buffers()))), "the first values of DistributedDataParallel")
        self._reducer = _Reducer(self)

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """What the module returns; its gradients will be shared, if this is no :meth:`no_sync` block."""
        if self.require_backward_grad_sync and several() is not None:
            self.sync_buffers()
            if is_grad_enabled():
                self._reducer.begin()
        return self.module(*inputs, **kwargs)

    def sync_buffers(self) -> None:
        """Give all ranks the buffers of rank 0, if ``broadcast_buffers``. Each call of the model does it first."""
        buffers = list(map(inside, self.module.buffers())) if self.broadcast_buffers else []
        here = several()
        if buffers and here is not None:
            _share(here, buffers, f"the buffers of DistributedDataParallel, before {self._reducer.place}")

    @contextlib.contextmanager
    def no_sync(self) -> Iterator[None]:
        """In this block gradients stay those of the rank, and add up. The next backward outside shares their sum: a large batch in several steps.

        The forward pass has to be in the block too.
        """
        before, self.require_backward_grad_sync = self.require_backward_grad_sync, False
        try:
            yield
        finally:
            self.require_backward_grad_sync = before

    def buckets(self) -> list[tuple[int, list[str]]]:
        """For each bucket its bytes and the names of its parameters, in the order in which the sums begin."""
        reducer = self._reducer
        return [(bucket.flat.nbytes, [reducer.names[i] for i in bucket.places]) for bucket in reducer.buckets]

    def share_gradients(self) -> None:
        """Make the gradients that batches in :meth:`no_sync` left the means over the ranks, where no further batch follows outside."""
        self._reducer.share()

    def begin_pass(self, name: str) -> None:
        """Count steps from here as batches of ``name`` ("epoch 3"), in messages about ranks that do different things."""
        self._reducer.passes, self._reducer.pass_name = 0, name

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_reducer"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reducer = _Reducer(self)


class _Bucket:
    """Some parameters, and their gradients in one array."""

    def __init__(self, places: list[int], parameters: list[Parameter]):
        self.places = places
        sizes = [parameters[i].numel() for i in places]
        dtype = parameters[places[0]]._data.dtype
        self.flat = np.empty(sum(sizes), np.float32 if dtype == np.float16 else dtype)
        self.parts = [self.flat[end - size : end] for size, end in zip(sizes, np.cumsum(sizes), strict=True)]
        self.missing = 0
        self.request: Any = None
        self.number = 0


def _arrived(reducer: weakref.ref[_Reducer], i: int, leaf: Any) -> None:
    """The hook of parameter ``i``; it does not keep the model alive."""
    found = reducer()
    if found is not None:
        found.arrived(i)


class _Reducer:
    """The means of gradients over the ranks, for one model."""

    def __init__(self, model: DistributedDataParallel):
        named = [(n, inside(p)) for n, p in model.module.named_parameters() if p.requires_grad]
        self.names = [n for n, _ in named]
        self.parameters = [p for _, p in named]
        self.dtypes = [p._data.dtype for p in self.parameters]
        self.find_unused = model.find_unused_parameters
        self.buckets = [_Bucket(places, self.parameters) for places in _divide(self.parameters, model.bucket_bytes)]
        self.bucket_of = {i: bucket for bucket in self.buckets for i in bucket.places}
        self.active = False  # between a call of the model and the end of its backward pass
        self.there: set[int] = set()  # parameters whose gradient has come
        self.next = 0  # the bucket that begins next
        self.passes, self.pass_name = 0, ""
        self.at_end = False  # whether gradients of batches in no_sync() are shared, of which none was the last of a step
        me = weakref.ref(self)
        for i, p in enumerate(self.parameters):
            p.register_post_accumulate_grad_hook(partial(_arrived, me, i))

    @property
    def place(self) -> str:
        """Which step this is, for messages."""
        which = "the last batches" if self.at_end else f"batch {self.passes + 1}"
        return which + (f" of {self.pass_name}" if self.pass_name else "")

    def begin(self) -> None:
        """Expect a backward pass."""
        if self.active and self.there:
            raise RuntimeError("DistributedDataParallel: the model is called while its backward pass runs, or after one that failed")
        self.active, self.there, self.next = True, set(), 0
        for bucket in self.buckets:
            bucket.missing, bucket.request = len(bucket.places), None

    def arrived(self, i: int) -> None:
        """The gradient of parameter ``i`` is there."""
        here = several()
        if not self.active or here is None:
            return
        if not self.there:
            at_end_of_backward(self.finish)
        if i in self.there:
            raise RuntimeError(f"DistributedDataParallel: {self.names[i]} got a gradient twice in one backward pass")
        self.there.add(i)
        self.bucket_of[i].missing -= 1
        while self.next < len(self.buckets) and self.buckets[self.next].missing == 0:
            self._start(here)
        for bucket in self.buckets[: self.next]:
            if not bucket.request.Test():  # MPI goes on with what is under way only when it is asked
                break

    def share(self) -> None:
        """Make gradients that are there already the means over the ranks."""
        if several() is not None:
            self.begin()
            self.there = {i for i, p in enumerate(self.parameters) if p.grad is not None}
            self.at_end = True
            try:
                self.finish()
            finally:
                self.at_end = False

    def _start(self, here: Group) -> None:
        bucket = self.buckets[self.next]
        for i, part in zip(bucket.places, bucket.parts, strict=True):
            grad = self.parameters[i].grad
            if grad is not None and grad.requires_grad:
                raise RuntimeError(
                    "DistributedDataParallel: gradients of gradients (create_graph=True) are not shared; use no_sync() and mg.grad"
                )
            if grad is not None and grad._data.dtype != self.dtypes[i]:
                raise RuntimeError(
                    f"DistributedDataParallel: {self.names[i]} was of {self.dtypes[i]} when the model was given to it, and has a gradient of "
                    f"{grad._data.dtype} now; convert the module before"
                )
            part[...] = 0 if grad is None else grad._data.ravel()
        self.next += 1
        bucket.number = here.started(f"the gradients of {self.place} (bucket {self.next} of {len(self.buckets)})")
        bucket.request = here.inner.Iallreduce(here.mpi.IN_PLACE, bucket.flat, here.mpi.SUM)

    def finish(self) -> None:
        """The end of the backward pass: gradients become the means."""
        here = current("DistributedDataParallel")
        self.active = False
        lost = [name for i, name in enumerate(self.names) if i not in self.there]
        if lost and not self.find_unused:
            raise RuntimeError(
                f"DistributedDataParallel: the loss depends on no {', '.join(lost)}, for whose gradients the other ranks would wait; "
                "find_unused_parameters=True allows it"
            )
        while self.next < len(self.buckets):
            self._start(here)
        used = np.array([p.grad is not None for p in self.parameters], np.uint8)
        if self.find_unused:  # whether any rank has a gradient
            name = f"the parameters used in {self.place}"
            here.wait(here.inner.Iallreduce(here.mpi.IN_PLACE, used, here.mpi.MAX).Test, here.started(name), name)
        for bucket in self.buckets:
            here.wait(bucket.request.Test, bucket.number, here.log[bucket.number])
            bucket.flat /= here.size
            for i, part in zip(bucket.places, bucket.parts, strict=True):
                p = self.parameters[i]
                if used[i]:
                    p.grad = wrap(part.reshape(p._data.shape).astype(p._data.dtype))
        self.there = set()
        self.passes += 1


def _divide(parameters: list[Parameter], limit: int) -> list[list[int]]:
    """The places of parameters in buckets of one dtype and up to ``limit`` bytes, the last parameter first.

    >>> from minigrad import nn
    >>> _divide([nn.Parameter([0.0] * n) for n in (3, 1, 2, 9)], 16)
    [[3], [2, 1], [0]]
    """
    found: list[list[int]] = []
    size = 0
    for i in reversed(range(len(parameters))):
        p = parameters[i]
        bytes_ = p.numel() * p._data.itemsize
        room = min(limit, FIRST_BUCKET) if len(found) == 1 else limit
        if not found or size + bytes_ > room or p._data.dtype != parameters[found[-1][-1]]._data.dtype:
            found.append([])
            size = 0
        found[-1].append(i)
        size += bytes_
    return found


def _share(here: Group, tensors: list[Any], name: str) -> None:
    """Give all ranks the values of rank 0, in one message."""
    flat = np.concatenate([np.ascontiguousarray(t._data).reshape(-1).view(np.uint8) for t in tensors])
    here.wait(here.inner.Ibcast(flat, 0).Test, here.started(name), name)
    if here.rank == 0:
        return
    start = 0
    for t in tensors:
        part = flat[start : start + t._data.nbytes]
        t.data = part.view(t._data.dtype).reshape(t._data.shape).copy()
        start += part.size


def _check_same(here: Group, model: DistributedDataParallel) -> None:
    """Raise unless all ranks have the parameters and buffers of rank 0, of which the same require a gradient, and buckets alike."""
    own: list[tuple[Any, ...]] = [(name, getattr(model, name)) for name in ("find_unused_parameters", "broadcast_buffers", "bucket_bytes")]
    for n, t in (*model.module.named_parameters(), *model.module.named_buffers()):
        own.append((n, t.dtype.name, tuple(t.shape), *(["frozen"] if isinstance(t, Parameter) and not t.requires_grad else [])))
    found = gathered(own, here, "the parameters' shapes, for DistributedDataParallel", here.inner)
    for rank, other in enumerate(found):
        if other != found[0]:
            a, b = next((a, b) for a, b in zip([*found[0], None], [*other, None], strict=False) if a != b)
            raise DistError(f"DistributedDataParallel: the models differ: rank 0 has {a}, {ranks_text([rank])} {b}")
