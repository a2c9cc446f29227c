"""Several processes that compute together, by MPI, under the names of ``torch.distributed``.

``mpiexec -n 4 python train.py`` starts four processes, the *ranks* 0 to 3, which run the same program; the extra ``mpi`` installs ``mpiexec`` and
mpi4py from wheels. MPI starts in :func:`init_process_group`, and mpi4py is not loaded before::

    import minigrad.distributed as dist

    dist.init_process_group()                       # "mpi" is the backend
    model = nn.parallel.DistributedDataParallel(model)
    sampler = nn.data.DistributedSampler(dataset)   # each rank its share
    ...
    dist.destroy_process_group()

``processes`` has the group of ranks and how they wait, ``collectives`` what they do together, ``functional`` the sum that gradients flow through.
"""

# mypy: implicit-reexport
# ruff: noqa: I001 (sorted, but several on a line)

from minigrad.distributed.collectives import (
    all_gather, all_gather_into_tensor, all_gather_object, all_reduce, all_to_all, all_to_all_single, barrier, batch_isend_irecv, broadcast,
    broadcast_object_list, gather, gather_object, group, irecv, isend, monitored_barrier, P2POp, recv, recv_object_list, reduce, reduce_scatter,
    reduce_scatter_tensor, ReduceOp, scatter, scatter_object_list, send, send_object_list,
)  # fmt: skip
from minigrad.distributed.processes import (
    destroy_process_group, DistError, get_backend, get_node_local_rank, get_rank, get_world_size, init_process_group, is_available,
    is_initialized, is_mpi_available, Work,
)  # fmt: skip
