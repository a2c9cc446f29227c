"""What ranks do together. Each function takes the same tensors' shapes and dtypes on all ranks, and is called by all of them in the same order.

Results are written into the tensors that are given, outside of the graph, as in PyTorch; :mod:`minigrad.distributed.functional` has what
gradients flow through. With ``async_op=True`` a function returns a :class:`~minigrad.distributed.processes.Work` at once, and the results are there
when its ``wait()`` returns. ``group`` is None or ``group.WORLD``: all ranks are one group.

Every call is a non-blocking one of MPI that is waited for here, so that a rank that waits can hear what the others do. (mpi4py's requests keep
the buffers that MPI still reads or writes.)
"""

from __future__ import annotations

import datetime
import enum
import itertools
import math
import pickle
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.distributed.processes import DistError, Group, Work, current, ranks_text
from minigrad.engine import ShapeError, TensorBase, no_grad
from minigrad.ops.arguments import check
from minigrad.tensor import Tensor


class ReduceOp(enum.Enum):
    """How :func:`all_reduce` and its like combine the ranks' numbers: ``torch.distributed.ReduceOp``. ``AVG`` is the sum divided by the ranks."""

    SUM = "SUM"
    PRODUCT = "PROD"
    MIN = "MIN"
    MAX = "MAX"
    BAND = "BAND"
    BOR = "BOR"
    BXOR = "BXOR"
    AVG = "AVG"


class group:
    """``torch.distributed.group``: its ``WORLD`` is the group of all ranks."""

    WORLD = None


def _here(name: str, given: Any) -> Group:
    if given is not None:
        raise ValueError(f"{name}: all ranks are one group; leave out group, which is {type(given).__name__}")
    return current(name)


def _rank(name: str, what: str, rank: Any, here: Group) -> int:
    check(name, {what: rank}, **{what: 0})
    if rank >= here.size:
        raise ValueError(f"{name}: {what}={rank}, but the ranks are 0 to {here.size - 1}")
    return rank


def _array(name: str, tensor: Any) -> np.ndarray:
    """A copy of a tensor's value that MPI may write into, without gaps; bools as bytes, which they are."""
    if not isinstance(tensor, TensorBase):
        raise TypeError(f"{name}: it takes a Tensor, not {type(tensor).__name__}")
    array = tensor._data.copy(order="C")
    return array.view(np.uint8) if array.dtype == bool else array


def _write(tensor: Tensor, array: np.ndarray) -> None:
    with no_grad():
        tensor.copy_(array.view(bool) if tensor._data.dtype == bool and array.dtype == np.uint8 else array)


def _write_each(tensors: Sequence[Tensor], arrays: Sequence[np.ndarray] | np.ndarray) -> None:
    for pair in zip(tensors, arrays, strict=True):
        _write(*pair)


def _text(name: str, array: np.ndarray, *more: Any) -> str:
    return " ".join([f"{name} of {array.dtype} {array.shape}", *map(str, more)])


def _run(here: Group, name: str, request: Any, finish: Callable[[], Any], async_op: bool) -> Work | None:
    work = Work(here, request, here.started(name), name, finish)
    if async_op:
        return work
    work.wait()
    return None


def _reduction(name: str, op: Any, tensor: Any, here: Group) -> tuple[np.ndarray, Any, Callable[[np.ndarray], np.ndarray]]:
    """What MPI adds up (float16 in float32), by which operation, and what to do with the result."""
    if not isinstance(op, ReduceOp):
        raise TypeError(f"{name}: op is a ReduceOp, such as ReduceOp.SUM, not {op!r}")
    array = _array(name, tensor)
    kind = tensor._data.dtype.kind
    if kind == "b" and op not in (ReduceOp.MIN, ReduceOp.MAX, ReduceOp.BAND, ReduceOp.BOR, ReduceOp.BXOR):
        raise TypeError(f"{name}: ReduceOp.{op.name} of bools is no bool; MIN is `all`, MAX is `any`")
    if kind == "f" and op in (ReduceOp.BAND, ReduceOp.BOR, ReduceOp.BXOR):
        raise TypeError(f"{name}: ReduceOp.{op.name} is of integers and bools, not of {tensor._data.dtype}")
    if op is ReduceOp.AVG and kind != "f":
        raise TypeError(f"{name}: ReduceOp.AVG is of floats, not of {tensor._data.dtype}")
    wide = array.astype(np.float32) if array.dtype == np.float16 else array
    return (
        wide,
        getattr(here.mpi, "SUM" if op is ReduceOp.AVG else op.value),
        lambda found: found / here.size if op is ReduceOp.AVG else found,
    )


def all_reduce(tensor: Tensor, op: ReduceOp = ReduceOp.SUM, group: Any = None, async_op: bool = False) -> Work | None:
    """Give ``tensor`` the sum (or what ``op`` says) of all ranks' tensors: ``torch.distributed.all_reduce``.

    Raises ``TypeError`` for an ``op`` that the dtype has not.

        dist.all_reduce(loss.data)           # the sum of all ranks' losses
        dist.all_reduce(seen, dist.ReduceOp.MAX)
    """
    here = _here("all_reduce", group)
    array, by, finish = _reduction("all_reduce", op, tensor, here)
    request = here.world.Iallreduce(here.mpi.IN_PLACE, array, by)
    return _run(here, _text("all_reduce", array, op.name), request, lambda: _write(tensor, finish(array)), async_op)


def reduce(tensor: Tensor, dst: int, op: ReduceOp = ReduceOp.SUM, group: Any = None, async_op: bool = False) -> Work | None:
    """As :func:`all_reduce`, but only rank ``dst`` gets the result: ``torch.distributed.reduce``."""
    here = _here("reduce", group)
    _rank("reduce", "dst", dst, here)
    array, by, finish = _reduction("reduce", op, tensor, here)
    mine = here.rank == dst
    request = here.world.Ireduce(here.mpi.IN_PLACE if mine else array, array if mine else None, by, dst)
    return _run(
        here, _text("reduce", array, op.name, f"to rank {dst}"), request, lambda: _write(tensor, finish(array)) if mine else None, async_op
    )


def broadcast(tensor: Tensor, src: int = 0, group: Any = None, async_op: bool = False) -> Work | None:
    """Give ``tensor`` the value that it has on rank ``src``: ``torch.distributed.broadcast``."""
    here = _here("broadcast", group)
    _rank("broadcast", "src", src, here)
    array = _array("broadcast", tensor)
    request = here.world.Ibcast([array, array.nbytes, here.mpi.BYTE], src)
    return _run(here, _text("broadcast", array, f"from rank {src}"), request, lambda: _write(tensor, array), async_op)


def barrier(group: Any = None, async_op: bool = False, device_ids: Any = None) -> Work | None:
    """Wait until all ranks are here: ``torch.distributed.barrier``."""
    here = _here("barrier", group)
    return _run(here, "barrier", here.world.Ibarrier(), lambda: None, async_op)


def _row_of(name: str, what: str, tensors: Any, like: Tensor, count: int) -> list[Tensor]:
    """``tensors``, after a check that they are ``count`` of one shape and dtype."""
    if not isinstance(tensors, (list, tuple)) or not all(isinstance(t, TensorBase) for t in tensors):
        raise TypeError(f"{name}: {what} is a list of Tensors, one for each rank")
    if len(tensors) != count:
        raise ValueError(f"{name}: {what} has {len(tensors)} tensors, and there are {count} ranks")
    for t in tensors:
        if (t._data.shape, t._data.dtype) != (like._data.shape, like._data.dtype):
            raise ShapeError(
                f"{name}: {what} holds {t._data.dtype}{t._data.shape}, and the tensor is {like._data.dtype}{like._data.shape}: all are of one shape and dtype"
            )
    return list(tensors)


def _gather(name: str, array: np.ndarray, here: Group, finish: Callable[[np.ndarray], Any], async_op: bool) -> Work | None:
    found = np.empty((here.size, *array.shape), array.dtype)
    byte, n = here.mpi.BYTE, array.nbytes
    request = here.world.Iallgather([array, n, byte], [found, n, byte])
    return _run(here, _text(name, array), request, lambda: finish(found), async_op)


def all_gather(tensor_list: Sequence[Tensor], tensor: Tensor, group: Any = None, async_op: bool = False) -> Work | None:
    """Give ``tensor_list[r]`` the tensor of rank ``r``, for all ranks: ``torch.distributed.all_gather``.

    Raises ``ShapeError`` unless all have one shape and dtype, ``ValueError`` unless there is one for each rank.
    """
    here = _here("all_gather", group)
    array = _array("all_gather", tensor)
    places = _row_of("all_gather", "tensor_list", tensor_list, tensor, here.size)
    return _gather("all_gather", array, here, lambda found: _write_each(places, found), async_op)


def all_gather_into_tensor(output_tensor: Tensor, input_tensor: Tensor, group: Any = None, async_op: bool = False) -> Work | None:
    """The ranks' tensors one after another along the first dimension, or stacked: ``torch.distributed.all_gather_into_tensor``.

    Raises ``ShapeError`` unless ``output_tensor`` is of the shape (ranks * N, ...) or (ranks, N, ...) for an input (N, ...).
    """
    here = _here("all_gather_into_tensor", group)
    array = _array("all_gather_into_tensor", input_tensor)
    _fits("all_gather_into_tensor", "output_tensor", output_tensor, array.shape, here.size)
    return _gather(
        "all_gather_into_tensor", array, here, lambda found: _write(output_tensor, found.reshape(output_tensor._data.shape)), async_op
    )


def _fits(name: str, what: str, whole: Any, part: tuple[int, ...], ranks: int) -> None:
    shape = tuple(whole.shape)
    if shape not in ((ranks, *part), (ranks * part[0], *part[1:]) if part else (ranks,)):
        raise ShapeError(f"{name}: {what} of shape {shape} does not hold {ranks} tensors of shape {part}")


def gather(
    tensor: Tensor, gather_list: Sequence[Tensor] | None = None, dst: int = 0, group: Any = None, async_op: bool = False
) -> Work | None:
    """Give ``gather_list[r]`` of rank ``dst`` the tensor of rank ``r``: ``torch.distributed.gather``. Other ranks pass no list."""
    here = _here("gather", group)
    mine = here.rank == _rank("gather", "dst", dst, here)
    array = _array("gather", tensor)
    if not mine and gather_list:
        raise ValueError(f"gather: only rank {dst}, the dst, gives a gather_list")
    places = _row_of("gather", "gather_list", gather_list, tensor, here.size) if mine else []
    found, byte, n = np.empty((here.size if mine else 0, *array.shape), array.dtype), here.mpi.BYTE, array.nbytes
    request = here.world.Igather([array, n, byte], [found, n, byte] if mine else None, dst)
    return _run(here, _text("gather", array, f"to rank {dst}"), request, lambda: _write_each(places, found), async_op)


def scatter(
    tensor: Tensor, scatter_list: Sequence[Tensor] | None = None, src: int = 0, group: Any = None, async_op: bool = False
) -> Work | None:
    """Give ``tensor`` of rank ``r`` the value of ``scatter_list[r]`` of rank ``src``: ``torch.distributed.scatter``. Other ranks pass no list."""
    here = _here("scatter", group)
    mine = here.rank == _rank("scatter", "src", src, here)
    array = _array("scatter", tensor)
    if not mine and scatter_list:
        raise ValueError(f"scatter: only rank {src}, the src, gives a scatter_list")
    parts = [_array("scatter", t) for t in _row_of("scatter", "scatter_list", scatter_list, tensor, here.size)] if mine else []
    given, byte, n = np.stack(parts) if mine else array, here.mpi.BYTE, array.nbytes
    request = here.world.Iscatter([given, n, byte] if mine else None, [array, n, byte], src)
    return _run(here, _text("scatter", array, f"from rank {src}"), request, lambda: _write(tensor, array), async_op)


def reduce_scatter(
    output: Tensor, input_list: Sequence[Tensor], op: ReduceOp = ReduceOp.SUM, group: Any = None, async_op: bool = False
) -> Work | None:
    """Give ``output`` of rank ``r`` the sum of all ranks' ``input_list[r]``: ``torch.distributed.reduce_scatter``."""
    here = _here("reduce_scatter", group)
    given = [t._data for t in _row_of("reduce_scatter", "input_list", input_list, output, here.size)]
    return _reduce_scatter("reduce_scatter", output, np.stack(given), op, here, async_op)


def reduce_scatter_tensor(
    output: Tensor, input: Tensor, op: ReduceOp = ReduceOp.SUM, group: Any = None, async_op: bool = False
) -> Work | None:
    """:func:`reduce_scatter` of the parts of one tensor, (ranks * N, ...) or (ranks, N, ...) for an ``output`` (N, ...)."""
    here = _here("reduce_scatter_tensor", group)
    _fits("reduce_scatter_tensor", "input", input, tuple(output.shape), here.size)
    return _reduce_scatter("reduce_scatter_tensor", output, _array("reduce_scatter_tensor", input), op, here, async_op)


def _reduce_scatter(name: str, output: Tensor, given: np.ndarray, op: ReduceOp, here: Group, async_op: bool) -> Work | None:
    found, by, finish = _reduction(name, op, output, here)
    given = np.ascontiguousarray(given, found.dtype)
    request = here.world.Ireduce_scatter_block(given, found, by)
    return _run(here, _text(name, found, op.name), request, lambda: _write(output, finish(found)), async_op)


def all_to_all(
    output_tensor_list: Sequence[Tensor], input_tensor_list: Sequence[Tensor], group: Any = None, async_op: bool = False
) -> Work | None:
    """Give ``output_tensor_list[r]`` what rank ``r`` has in the place of this rank in its ``input_tensor_list``: ``torch.distributed.all_to_all``.

    What goes from one rank to another is of any shape. Raises ``TypeError`` unless all are of one dtype, ``ValueError`` unless there is one for each rank.
    """
    here = _here("all_to_all", group)
    for what, tensors in (("output_tensor_list", output_tensor_list), ("input_tensor_list", input_tensor_list)):
        if not isinstance(tensors, (list, tuple)) or not all(isinstance(t, TensorBase) for t in tensors):
            raise TypeError(f"all_to_all: {what} is a list of Tensors, one for each rank")
        if len(tensors) != here.size:
            raise ValueError(f"all_to_all: {what} has {len(tensors)} tensors, and there are {here.size} ranks")
    kinds = {t._data.dtype.name for t in (*output_tensor_list, *input_tensor_list)}
    if len(kinds) > 1:
        raise TypeError(f"all_to_all: all tensors are of one dtype, not of {', '.join(sorted(kinds))}")
    places = [t._data.shape for t in output_tensor_list]
    return _exchange(
        "all_to_all",
        [_array("all_to_all", t) for t in input_tensor_list],
        places,
        here,
        lambda found: _write_each(output_tensor_list, found),
        async_op,
    )


def all_to_all_single(
    output: Tensor,
    input: Tensor,
    output_split_sizes: Sequence[int] | None = None,
    input_split_sizes: Sequence[int] | None = None,
    group: Any = None,
    async_op: bool = False,
) -> Work | None:
    """:func:`all_to_all` of the parts of one tensor along its first dimension: ``torch.distributed.all_to_all_single``.

    The sizes of the parts are the split sizes, equal ones by default. Raises ``ShapeError`` for sizes that do not add up to the dimension,
    ``TypeError`` for two dtypes.
    """
    here = _here("all_to_all_single", group)
    given = _array("all_to_all_single", input)
    if output._data.dtype != input._data.dtype:
        raise TypeError(f"all_to_all_single: output is of {output._data.dtype}, and input of {input._data.dtype}")
    ends = []
    for what, shape, sizes in (("output", output._data.shape, output_split_sizes), ("input", given.shape, input_split_sizes)):
        length = shape[0] if shape else 0
        if not sizes:
            sizes = [length // here.size] * here.size
        if len(sizes) != here.size or sum(sizes) != length or min(sizes) < 0:
            raise ShapeError(
                f"all_to_all_single: {what} of shape {tuple(shape)} in {here.size} parts of sizes {list(sizes)}, one for each rank"
            )
        ends.append([int(n) for n in np.cumsum(sizes)])
    parts = np.split(given, ends[1][:-1])
    places = [(b - a, *output._data.shape[1:]) for a, b in itertools.pairwise([0, *ends[0]])]
    return _exchange("all_to_all_single", parts, places, here, lambda found: _write(output, np.concatenate(found)), async_op)


def _exchange(
    name: str,
    parts: Sequence[np.ndarray],
    places: Sequence[tuple[int, ...]],
    here: Group,
    finish: Callable[[list[np.ndarray]], Any],
    async_op: bool,
) -> Work | None:
    """Send ``parts[r]`` to rank ``r``, and ``finish`` with what came from each, which has the shapes ``places``."""
    dtype, byte = parts[0].dtype, here.mpi.BYTE
    given = np.concatenate([part.reshape(-1) for part in parts])
    sizes = [math.prod(shape) for shape in places]
    found = np.empty(sum(sizes), dtype)

    def message(array: np.ndarray, counts: Sequence[int]) -> list[Any]:
        sizes = [n * dtype.itemsize for n in counts]
        return [array, (sizes, [0, *itertools.accumulate(sizes)][:-1]), byte]

    request = here.world.Ialltoallv(message(given, [part.size for part in parts]), message(found, sizes))
    ends = list(itertools.accumulate(sizes))
    done = lambda: finish([a.reshape(shape) for a, shape in zip(np.split(found, ends[:-1]), places, strict=True)])
    return _run(here, f"{name} of {dtype}", request, done, async_op)


def monitored_barrier(group: Any = None, timeout: datetime.timedelta | None = None, wait_all_ranks: bool = False) -> None:
    """:func:`barrier` that says who did not come: ``torch.distributed.monitored_barrier``.

    Args:
        group: None.
        timeout: how long to wait; default: that of the group.
        wait_all_ranks: accepted; all that are missing are named.

    Raises :class:`DistError` on rank 0, with the ranks that did not come in time.
    """
    here = _here("monitored_barrier", group)
    name, byte = "monitored_barrier", here.mpi.BYTE
    limit = here.timeout if timeout is None else timeout.total_seconds()
    number, begun = here.started(name), time.perf_counter()
    if here.rank == 0:
        coming = {rank: here.control.Irecv([bytearray(1), byte], rank, tag=2) for rank in range(1, here.size)}
        try:
            here.wait(lambda: all(request.Test() for request in coming.values()), number, name, limit)
        except DistError as error:
            missing = [rank for rank, request in coming.items() if not request.Test()]
            if time.perf_counter() - begun < limit:  # they wait elsewhere, and the error says where
                raise
            raise DistError(f"{name}: {ranks_text(missing)} of {here.size} did not come within {limit:g} s") from error
    else:
        here.wait(here.control.Isend([bytearray(1), byte], 0, tag=2).Test, number, name)
    here.wait(here.control.Ibarrier().Test, number, name)


# ------------------------------------------------------------------------------------------------- from one rank to another


def isend(tensor: Tensor, dst: int, group: Any = None, tag: int = 0) -> Work:
    """Begin to send a tensor to rank ``dst``, and return its :class:`Work`: ``torch.distributed.isend``."""
    here = _here("isend", group)
    array = _array("isend", tensor)
    request = here.world.Isend([array, array.nbytes, here.mpi.BYTE], _rank("isend", "dst", dst, here), tag)
    return Work(here, request, None, _text("send", array, f"to rank {dst}"))


def send(tensor: Tensor, dst: int, group: Any = None, tag: int = 0) -> None:
    """Send a tensor to rank ``dst``, which calls :func:`recv` with the same ``tag``: ``torch.distributed.send``."""
    isend(tensor, dst, group, tag).wait()


def irecv(tensor: Tensor, src: int | None = None, group: Any = None, tag: int = 0) -> Work:
    """Begin to receive a tensor from rank ``src`` (None: from any), and return its :class:`Work`: ``torch.distributed.irecv``."""
    here = _here("irecv", group)
    array = _array("irecv", tensor)
    where = here.mpi.ANY_SOURCE if src is None else _rank("irecv", "src", src, here)
    request = here.world.Irecv([array, array.nbytes, here.mpi.BYTE], where, tag)
    name, status = _text("recv", array, "from any rank" if src is None else f"from rank {src}"), here.mpi.Status()

    def finish() -> None:
        if (come := status.Get_count(here.mpi.BYTE)) != array.nbytes:
            raise DistError(
                f"{name}: rank {status.Get_source()} sent {come} bytes, and the tensor has {array.nbytes}; both are of one shape and dtype"
            )
        _write(tensor, array)

    return Work(here, request, None, name, finish, status=status)


def recv(tensor: Tensor, src: int | None = None, group: Any = None, tag: int = 0) -> int:
    """Give ``tensor`` what rank ``src`` (None: any) sends, and return the sender: ``torch.distributed.recv``.

    Raises :class:`DistError` if a larger or a smaller tensor is sent.
    """
    here = _here("recv", group)
    status = here.mpi.Status()
    if src is None:  # the first to send is the one
        here.wait(lambda: here.world.Iprobe(tag=tag, status=status), None, "recv from any rank")
        src = int(status.Get_source())
    irecv(tensor, src, group, tag).wait()
    return src


class P2POp:
    """One of the operations that :func:`batch_isend_irecv` begins: ``torch.distributed.P2POp``.

    Args:
        op: :func:`isend` or :func:`irecv`.
        tensor: what is sent, or where to write what comes.
        peer: the other rank.
        group: None.
        tag: of the message.

    Raises ``ValueError`` for another ``op``.
    """

    def __init__(self, op: Callable[..., Work], tensor: Tensor, peer: int, group: Any = None, tag: int = 0):
        if op not in (isend, irecv):
            raise ValueError(f"P2POp: op is isend or irecv, not {getattr(op, '__name__', op)!r}")
        self.op, self.tensor, self.peer, self.group, self.tag = op, tensor, peer, group, tag


def batch_isend_irecv(p2p_op_list: list[P2POp]) -> list[Work]:
    """Begin all operations, and return the :class:`Work` of each: ``torch.distributed.batch_isend_irecv``.

    A ring of ranks, each of which sends to the next, does not wait for itself this way::

        sent = dist.P2POp(dist.isend, x, (rank + 1) % ranks)
        come = dist.P2POp(dist.irecv, y, (rank - 1) % ranks)
        for work in dist.batch_isend_irecv([sent, come]):
            work.wait()

    Raises ``TypeError`` for what is no list of :class:`P2POp`.
    """
    if not isinstance(p2p_op_list, (list, tuple)) or not all(isinstance(p, P2POp) for p in p2p_op_list):
        raise TypeError("batch_isend_irecv: it takes a list of P2POp(isend or irecv, tensor, peer)")
    return [p.op(p.tensor, p.peer, p.group, p.tag) for p in p2p_op_list]


# ------------------------------------------------------------------------------------------------------------ any objects

_OBJECTS = 2**14 - 1  # the tag of lists of objects, so that no tensor's message is taken for one


def send_object_list(object_list: list[Any], dst: int, group: Any = None, device: Any = None) -> None:
    """Send a list of objects, pickled, to rank ``dst``, which calls :func:`recv_object_list`: ``torch.distributed.send_object_list``."""
    here = _here("send_object_list", group)
    data = pickle.dumps(list(object_list))
    request = here.world.Isend([data, here.mpi.BYTE], _rank("send_object_list", "dst", dst, here), _OBJECTS)
    here.wait(request.Test, None, f"send_object_list to rank {dst}")


def recv_object_list(object_list: list[Any], src: int | None = None, group: Any = None, device: Any = None) -> int:
    """Give ``object_list`` the objects that rank ``src`` (None: any) sends, and return the sender: ``torch.distributed.recv_object_list``.

    Raises ``ValueError`` if the lists' lengths differ.
    """
    here = _here("recv_object_list", group)
    source = here.mpi.ANY_SOURCE if src is None else _rank("recv_object_list", "src", src, here)
    status, name = here.mpi.Status(), f"recv_object_list from {'any rank' if src is None else f'rank {src}'}"
    here.wait(lambda: here.world.Iprobe(source, _OBJECTS, status), None, name)
    data, sender = bytearray(status.Get_count(here.mpi.BYTE)), int(status.Get_source())
    here.wait(here.world.Irecv([data, here.mpi.BYTE], sender, _OBJECTS).Test, None, name)
    found = pickle.loads(data)
    if len(found) != len(object_list):
        raise ValueError(
            f"recv_object_list: rank {sender} sent {len(found)} objects, and rank {here.rank} has a list of {len(object_list)}"
        )
    object_list[:] = found
    return sender


def scatter_object_list(
    scatter_object_output_list: list[Any], scatter_object_input_list: list[Any] | None = None, src: int = 0, group: Any = None
) -> None:
    """Set ``scatter_object_output_list[0]`` to the object for this rank in the list of rank ``src``: ``torch.distributed.scatter_object_list``.

    Raises ``ValueError`` for an empty output list, or on rank ``src`` unless its list has one object for each rank.
    """
    here = _here("scatter_object_list", group)
    mine = here.rank == _rank("scatter_object_list", "src", src, here)
    if not isinstance(scatter_object_output_list, list) or not scatter_object_output_list:
        raise ValueError("scatter_object_list: scatter_object_output_list is a list with a place for the object of this rank")
    if mine and (not isinstance(scatter_object_input_list, list) or len(scatter_object_input_list) != here.size):
        raise ValueError(
            f"scatter_object_list: scatter_object_input_list of rank {src} is a list of objects for each of the {here.size} ranks"
        )
    parts = [pickle.dumps(obj) for obj in scatter_object_input_list or ()] if mine else []
    sizes, size = [len(part) for part in parts], np.empty(1, np.int64)
    name = f"scatter_object_list from rank {src}"
    number = here.started(name)
    here.wait(here.world.Iscatter(np.array(sizes, np.int64) if mine else None, size, src).Test, number, name)
    data, byte = bytearray(int(size[0])), here.mpi.BYTE
    sent = [b"".join(parts), (sizes, [0, *itertools.accumulate(sizes)][:-1]), byte] if mine else None
    here.wait(here.world.Iscatterv(sent, [data, byte], src).Test, number, name)
    scatter_object_output_list[0] = pickle.loads(data)


def all_gather_object(object_list: list[Any], obj: Any, group: Any = None) -> None:
    """Give ``object_list[r]`` the object of rank ``r``, pickled on the way: ``torch.distributed.all_gather_object``."""
    here = _here("all_gather_object", group)
    if not isinstance(object_list, list) or len(object_list) != here.size:
        raise ValueError(f"all_gather_object: object_list is a list with a place for each of the {here.size} ranks")
    object_list[:] = gathered(obj, here, "all_gather_object")


def gathered(obj: Any, here: Group, name: str, comm: Any = None) -> list[Any]:
    """The objects of all ranks, in their order; ``name`` is that of the call."""
    comm = here.world if comm is None else comm
    data = np.frombuffer(pickle.dumps(obj), np.uint8)
    sizes = np.empty(here.size, np.int64)
    number = here.started(name)
    here.wait(comm.Iallgather(np.array([data.size]), sizes).Test, number, name)
    found = np.empty(sizes.sum(), np.uint8)
    starts = [0, *np.cumsum(sizes)]
    here.wait(comm.Iallgatherv(data, [found, (sizes, starts[:-1]), here.mpi.BYTE]).Test, number, name)
    return [pickle.loads(found[a:b].data) for a, b in itertools.pairwise(starts)]


def broadcast_object_list(object_list: list[Any], src: int = 0, group: Any = None, device: Any = None) -> None:
    """Give ``object_list`` the objects that it holds on rank ``src``, pickled on the way: ``torch.distributed.broadcast_object_list``.

    Raises ``ValueError`` if the lists' lengths differ.
    """
    here = _here("broadcast_object_list", group)
    _rank("broadcast_object_list", "src", src, here)
    found = broadcast_object(list(object_list), here, "broadcast_object_list", src)
    if len(found) != len(object_list):
        raise ValueError(f"broadcast_object_list: rank {src} has {len(found)} objects, and rank {here.rank} a list of {len(object_list)}")
    object_list[:] = found


def broadcast_object(obj: Any, here: Group, name: str, src: int = 0) -> Any:
    """The object of rank ``src``; ``name`` is that of the call."""
    data = np.frombuffer(pickle.dumps(obj if here.rank == src else None), np.uint8).copy()
    size = np.array([data.size])
    number = here.started(name)
    here.wait(here.world.Ibcast(size, src).Test, number, name)
    data = data if here.rank == src else np.empty(size[0], np.uint8)
    here.wait(here.world.Ibcast(data, src).Test, number, name)
    return obj if here.rank == src else pickle.loads(data.data)


def gather_object(obj: Any, object_gather_list: list[Any] | None = None, dst: int = 0, group: Any = None) -> None:
    """Give ``object_gather_list[r]`` of rank ``dst`` the object of rank ``r``: ``torch.distributed.gather_object``. Other ranks pass no list."""
    here = _here("gather_object", group)
    mine = here.rank == _rank("gather_object", "dst", dst, here)
    if mine and (not isinstance(object_gather_list, list) or len(object_gather_list) != here.size):
        raise ValueError(f"gather_object: object_gather_list of rank {dst} is a list with a place for each of the {here.size} ranks")
    found = gathered(obj, here, "gather_object")
    if mine and object_gather_list is not None:
        object_gather_list[:] = found
