"""What a training loop does with the other ranks: :class:`Together`. For a model that is no ``DistributedDataParallel``, nothing."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from minigrad.distributed.collectives import broadcast_object, gathered
from minigrad.distributed.processes import DistError, several
from minigrad.files.checkpoint import load
from minigrad.nn.metrics import Metric
from minigrad.nn.parallel.distributed import DistributedDataParallel
from minigrad.random import get_rng_state, manual_seed, numpy_generator, set_rng_state


def _samplers(loader: Any) -> Iterator[Any]:
    batches = getattr(loader, "batch_sampler", None)
    yield from {id(s): s for s in (getattr(loader, "sampler", None), batches, getattr(batches, "sampler", None))}.values()


class Together:
    """The ranks that train ``model``.

    ``model`` is then the one within a ``DistributedDataParallel``, ``rank`` this process's number, ``size`` how many there are.
    """

    def __init__(self, model: Any):
        shared = isinstance(model, DistributedDataParallel)
        self._shared = model if shared else None
        self.model: Any = model.module if shared else model
        self._group = several() if shared else None
        self.rank = 0 if self._group is None else self._group.rank
        self.size = 1 if self._group is None else self._group.size

    def gather(self, value: Any, name: str) -> list[Any]:
        """The values of all ranks; ``name`` says what they are, in messages."""
        return [value] if self._group is None else gathered(value, self._group, name, self._group.control)

    def mean(self, value: float, name: str) -> float:
        """The mean over the ranks of a number: what each of them decides by."""
        return sum(self.gather(value, name)) / self.size

    def first(self, value: Any, name: str) -> Any:
        """The value of rank 0."""
        return value if self._group is None else broadcast_object(value, self._group, name)

    def same_count(self, what: str, count: int | None, name: str) -> None:
        """Raise :class:`DistError` unless all ranks' loaders have, or gave, ``count`` batches."""
        counts = self.gather(count, name)
        if len(set(counts)) > 1:
            told = ", ".join(f"{n} on rank {rank}" for rank, n in enumerate(counts))
            raise DistError(f"fit: the loader {what} different numbers of batches: {told}; nn.data.DistributedSampler makes them equal")

    def begin_epoch(self, loader: Any, epoch: int) -> None:
        """Tell the loader's sampler, if it has ``set_epoch``, and the model which epoch, from 1, begins."""
        for sampler in _samplers(loader):
            if hasattr(sampler, "set_epoch"):
                sampler.set_epoch(epoch - 1)
        if self._shared is not None:
            self._shared.begin_pass(f"epoch {epoch}")

    def batch(self, last: bool) -> AbstractContextManager[None]:
        """The block of a batch. Its gradients are shared if it is the ``last`` of a step, with those of the batches before it."""
        return nullcontext() if last or self._shared is None else self._shared.no_sync()

    def share_gradients(self) -> None:
        """Share the gradients of batches of which none was the last of a step."""
        if self._shared is not None:
            self._shared.share_gradients()

    def sync_buffers(self) -> None:
        """Give all ranks the running averages of rank 0."""
        if self._shared is not None:
            self._shared.sync_buffers()

    def share(self, loader: Any) -> bool:
        """Whether ``loader`` has a ``DistributedSampler``, which gives each rank its share, so that results have to be put together."""
        return self._group is not None and any(hasattr(s, "num_replicas") for s in _samplers(loader))

    def states(self, metrics: Sequence[Metric], name: str) -> list[list[dict[str, Any]]]:
        """For each metric the states of all ranks."""
        return list(zip(*self.gather([m.state_dict() for m in metrics], name), strict=True))  # type: ignore[arg-type]

    def merge(self, metrics: Sequence[Metric], name: str) -> None:
        """Let each metric hold the batches of all ranks."""
        if self._group is not None:
            for metric, states in zip(metrics, self.states(metrics, name), strict=True):
                metric.merge(states)

    # ------------------------------------------------------------------------------------------------ checkpoints

    def read(self, path: str | os.PathLike[str] | None) -> Any:
        """The checkpoint at ``path`` as rank 0 finds it, None if there is none. Other ranks need not see the file."""
        state = data = None
        if path is not None and self.rank == 0 and os.path.exists(path):
            state = load(path)
            data = Path(path).read_bytes() if self.size > 1 else None
        data = self.first(data, "reading the checkpoint")
        return state if self.rank == 0 or data is None else load(io.BytesIO(data))

    def own_states(self, parts: dict[str, Any]) -> dict[str, Any]:
        """What differs from rank to rank, in a checkpoint: positions in loaders, and in random numbers."""
        own = {"rng": get_rng_state()} | {n: parts[n].state_dict() for n in ("loader", "validation") if n in parts}
        ranks = self.gather(own, "the states for the checkpoint")
        return {**ranks[0], "batch": self._batch(parts.get("loader"))} | ({"ranks": ranks} if self.size > 1 else {})

    def _batch(self, loader: Any) -> int | None:
        """How many samples all ranks take in a step."""
        size = getattr(loader, "batch_size", None)
        return None if size is None else size * self.size

    def restore(self, state: dict[str, Any], parts: dict[str, Any], within: bool) -> dict[str, Any]:
        """This rank's loader states in a checkpoint, after setting its random numbers. A rank that was not there gets others of its own.

        Raises ``ValueError`` for a checkpoint from within an epoch whose steps took another number of samples.
        """
        ranks = state.get("ranks", [state])
        if len(ranks) != self.size and within and (batch := state.get("batch")) != (own := self._batch(parts.get("loader"))):
            raise ValueError(
                f"fit: the checkpoint was written within an epoch by {len(ranks)} rank{'s' * (len(ranks) > 1)} that took {batch} samples "
                f"in a step, and {self.size} now take {own}; give them the batch size for as many samples, or a checkpoint from the end of an epoch"
            )
        mine = ranks[self.rank % len(ranks)]
        set_rng_state(mine["rng"])
        if self.rank >= len(ranks):
            from minigrad.nn.data.workers import derived_seed  # nn.data is loaded at its first use

            manual_seed(derived_seed(int(numpy_generator().integers(2**63)), self.rank))
        return {n: mine[n] for n in ("loader", "validation") if n in parts}
