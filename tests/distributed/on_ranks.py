"""What several ranks check together: ``mpiexec -n 2 python on_ranks.py FOLDER`` runs every ``check_...`` below on all ranks, in this order."""

import contextlib
import copy
import io
import pickle
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
import minigrad.distributed as dist
from minigrad import nn
from minigrad.distributed.functional import all_reduce
from minigrad.nn.data import DataLoader, DistributedSampler, TensorDataset
from minigrad.nn.parallel import DistributedDataParallel, SyncBatchNorm
from minigrad.testing import gradcheck

FOLDER = Path(sys.argv[1])
dist.init_process_group("mpi")
RANK, RANKS = dist.get_rank(), dist.get_world_size()
mg.set_default_dtype(mg.float64)


def of_all(value):
    """The values of all ranks."""
    found = [None] * RANKS
    dist.all_gather_object(found, value)
    return found


def drawn(*shape, seed=0):
    """The same numbers on all ranks."""
    return mg.randn(*shape, generator=mg.Generator().manual_seed(seed))


def close(a, b, tolerance=1e-12):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=tolerance, atol=tolerance)


# ------------------------------------------------------------------------------------------------------- collectives


def check_the_group():
    assert dist.is_initialized() and dist.is_available() and dist.get_backend() == "mpi" and dist.get_node_local_rank() == RANK
    with pytest.raises(RuntimeError, match="there is a group already"):
        dist.init_process_group()
    assert of_all(RANK) == list(range(RANKS))


def check_all_reduce_of_every_dtype():
    for dtype in (mg.float16, mg.float32, mg.float64, mg.int8, mg.int64, mg.uint8):
        x = (mg.arange(6).reshape(2, 3) + RANK).to(dtype)
        every = np.stack([(np.arange(6).reshape(2, 3) + r) for r in range(RANKS)])
        for op, fold in (
            (dist.ReduceOp.SUM, np.sum),
            (dist.ReduceOp.PRODUCT, np.prod),
            (dist.ReduceOp.MIN, np.min),
            (dist.ReduceOp.MAX, np.max),
        ):
            y = x.clone()
            dist.all_reduce(y, op)
            assert y.dtype == dtype and (y.numpy() == fold(every, 0).astype(dtype)).all(), (dtype, op)
    x = mg.tensor([1.5 + RANK])
    dist.all_reduce(x, dist.ReduceOp.AVG)
    assert x.item() == 1.5 + (RANKS - 1) / 2
    flags = mg.tensor([RANK == 0, True])
    dist.all_reduce(flags, dist.ReduceOp.MIN)
    assert flags.tolist() == [False, True] and flags.dtype == mg.bool
    bits = mg.tensor(1 << RANK)
    dist.all_reduce(bits, dist.ReduceOp.BOR)
    assert bits.item() == 2**RANKS - 1
    nothing = mg.zeros(0, 3)
    dist.all_reduce(nothing)
    with pytest.raises(TypeError, match="SUM of bools"):
        dist.all_reduce(flags)
    with pytest.raises(TypeError, match=r"op is a ReduceOp, such as ReduceOp.SUM, not 'sum'"):
        dist.all_reduce(x, "sum")
    with pytest.raises(TypeError, match="AVG is of floats"):
        dist.all_reduce(bits, dist.ReduceOp.AVG)
    with pytest.raises(TypeError, match="all_reduce: it takes a Tensor, not list"):
        dist.all_reduce([1.0])


def check_results_are_written_where_pytorch_writes_them():
    p = nn.Parameter([1.0 + RANK, 0.0])
    dist.broadcast(p, 0)  # a leaf that requires a gradient
    assert p.tolist() == [1.0, 0.0] and p.requires_grad
    (p * (RANK + 1)).sum().backward()
    dist.all_reduce(p.grad.data)
    assert p.grad.tolist() == [RANKS * (RANKS + 1) / 2] * 2
    wide = mg.from_numpy(np.asfortranarray(np.full((2, 4), float(RANK))))
    before = wide.clone()
    dist.broadcast(wide, RANKS - 1)
    assert (wide == RANKS - 1).all() and (before == RANK).all()
    wide += RANK
    dist.broadcast(wide[0])
    assert (wide[0] == RANKS - 1).all() and (wide[1] == RANKS - 1 + RANK).all()


def check_gather_and_scatter():
    mine = mg.tensor([RANK, 10 * RANK])
    every = [[r, 10 * r] for r in range(RANKS)]
    places = [mg.zeros(2, dtype=mg.int64) for _ in range(RANKS)]
    dist.all_gather(places, mine)
    assert [p.tolist() for p in places] == every
    long, stacked = mg.zeros(2 * RANKS, dtype=mg.int64), mg.zeros(RANKS, 2, dtype=mg.int64)
    dist.all_gather_into_tensor(long, mine)
    dist.all_gather_into_tensor(stacked, mine)
    assert stacked.tolist() == every and long.tolist() == [v for row in every for v in row]
    last = RANKS - 1
    places = [mg.zeros(2, dtype=mg.int64) for _ in range(RANKS)] if last == RANK else None
    dist.gather(mine, places, dst=last)
    assert places is None or [p.tolist() for p in places] == every
    part = mg.zeros(2, dtype=mg.int64)
    dist.scatter(part, [mg.tensor(row) for row in every] if RANK == 0 else None, src=0)
    assert part.tolist() == every[RANK]
    total = mg.zeros(2, dtype=mg.int64)
    dist.reduce_scatter(total, [mg.tensor(row) + RANK for row in every])
    assert total.tolist() == [RANKS * v + RANKS * (RANKS - 1) // 2 for v in every[RANK]]
    dist.reduce_scatter_tensor(total, mg.tensor(every), dist.ReduceOp.MAX)
    assert total.tolist() == every[RANK]
    one = mg.tensor(RANK + 1.0)
    dist.reduce(one, 0)
    assert one.item() == (RANKS * (RANKS + 1) / 2 if RANK == 0 else RANK + 1)
    with pytest.raises(ValueError, match=f"tensor_list has 1 tensors, and there are {RANKS} ranks"):
        dist.all_gather([mine], mine)
    with pytest.raises(mg.ShapeError, match=r"does not hold .* tensors of shape \(2,\)"):
        dist.all_gather_into_tensor(mg.zeros(3), mine)
    with pytest.raises(ValueError, match=f"broadcast: src={RANKS}, but the ranks are 0 to {RANKS - 1}"):
        dist.broadcast(mine, RANKS)
    with pytest.raises(ValueError, match="all ranks are one group"):
        dist.barrier(group=[0])


def check_all_to_all():
    for dtype in (mg.float32, mg.float16, mg.int64, mg.bool):
        given = [mg.full((r + 1, 2), float(10 * RANK + r)).to(dtype) for r in range(RANKS)]  # of another shape for each rank
        places = [mg.zeros(2, RANK + 1, dtype=dtype).t() for _ in range(RANKS)]
        work = dist.all_to_all(places, given, async_op=True)
        assert work.wait()
        assert [p.tolist() for p in places] == [mg.full((RANK + 1, 2), float(10 * r + RANK)).to(dtype).tolist() for r in range(RANKS)]
    x, y = (mg.arange(2 * RANKS) + 100 * RANK).reshape(RANKS, 2), mg.zeros(RANKS, 2, dtype=mg.int64)
    dist.all_to_all_single(y, x)
    assert y.tolist() == [[100 * r + 2 * RANK, 100 * r + 2 * RANK + 1] for r in range(RANKS)]
    sizes = list(range(RANKS))  # rank r gets r numbers of each rank, and the first one nothing
    y = mg.zeros(RANK * RANKS)
    dist.all_to_all_single(y, mg.full((sum(sizes),), float(RANK)), [RANK] * RANKS, sizes)
    assert y.tolist() == [float(r) for r in range(RANKS) for _ in range(RANK)]
    with pytest.raises(mg.ShapeError, match=rf"all_to_all_single: input of shape \(3,\) in {RANKS} parts of sizes"):
        dist.all_to_all_single(mg.zeros(RANKS), mg.zeros(3), None, [1] * RANKS if RANKS == 2 else [3])
    with pytest.raises(TypeError, match="output is of float64, and input of float32"):
        dist.all_to_all_single(mg.zeros(RANKS), mg.zeros(RANKS, dtype=mg.float32))
    with pytest.raises(ValueError, match="output_tensor_list has 0 tensors"):
        dist.all_to_all([], [mg.zeros(1)] * RANKS)
    with pytest.raises(TypeError, match="of one dtype, not of float64, int64"):
        dist.all_to_all([mg.zeros(1)] * RANKS, [mg.zeros(1, dtype=mg.int64)] * RANKS)


def check_a_ring_and_a_barrier_that_watches():
    x, y = mg.full((3,), float(RANK)), mg.zeros(3)
    ops = [dist.P2POp(dist.isend, x, (RANK + 1) % RANKS, tag=5), dist.P2POp(dist.irecv, y, (RANK - 1) % RANKS, tag=5)]
    assert all(work.wait() for work in dist.batch_isend_irecv(ops))
    assert y.tolist() == [float((RANK - 1) % RANKS)] * 3
    with pytest.raises(ValueError, match="op is isend or irecv, not 'send'"):
        dist.P2POp(dist.send, x, 0)
    with pytest.raises(TypeError, match="a list of P2POp"):
        dist.batch_isend_irecv([x])
    for _ in range(3):
        dist.monitored_barrier()


def check_lists_of_objects_from_one_rank_to_others():
    mine = [None, "kept"]
    dist.scatter_object_list(mine, [{"for": r, "text": "x" * 1000 * r} for r in range(RANKS)] if RANK == 1 else None, src=1)
    assert mine == [{"for": RANK, "text": "x" * 1000 * RANK}, "kept"]
    if RANK == 0:
        for r in range(1, RANKS):
            dist.send_object_list([r, mg.ones(2)], r)
            dist.send(mg.full((2,), float(r)), r)
        found = [[None] for _ in range(RANKS - 1)]
        assert {dist.recv_object_list(place) for place in found} == set(range(1, RANKS))
        assert sorted(place[0] for place in found) == list(range(1, RANKS))
    else:
        place, number = [None, None], mg.zeros(2)
        dist.recv(number, 0)  # a tensor's message is not that of objects, which was sent before it
        assert number.tolist() == [RANK, RANK] and dist.recv_object_list(place, 0) == 0
        assert place[0] == RANK and place[1].tolist() == [1.0, 1.0]
        dist.send_object_list([RANK], 0)
    dist.barrier()
    if RANK < 2:
        dist.send_object_list([1, 2], 1 - RANK)
        with pytest.raises(ValueError, match=rf"rank {1 - RANK} sent 2 objects, and rank {RANK} has a list of 1"):
            dist.recv_object_list([None], 1 - RANK)
    with pytest.raises(ValueError, match="a place for the object of this rank"):
        dist.scatter_object_list([], [])


def check_from_one_rank_to_another():
    right, left = (RANK + 1) % RANKS, (RANK - 1) % RANKS
    sent, got = mg.tensor([float(RANK)] * 3), mg.zeros(3)
    work = dist.isend(sent, right, tag=7)
    assert dist.recv(got, left, tag=7) == left and work.wait() and work.is_completed()
    assert got.tolist() == [float(left)] * 3
    got = mg.zeros(3)
    work = dist.irecv(got, left)
    dist.send(sent, right)
    work.wait()
    assert got.tolist() == [float(left)] * 3
    if RANK == 0:
        seen = {dist.recv(got) for _ in range(RANKS - 1)}  # from any
        assert seen == set(range(1, RANKS))
    else:
        dist.send(sent, 0)


def check_objects_and_async():
    assert of_all({"rank": RANK, "text": "ß" * RANK}) == [{"rank": r, "text": "ß" * r} for r in range(RANKS)]
    things = ["a", {1: 2}] if RANK == 0 else [None, None]
    dist.broadcast_object_list(things, src=0)
    assert things == ["a", {1: 2}]
    found = [None] * RANKS if RANK == 0 else None
    dist.gather_object(RANK, found)
    assert found is None or found == list(range(RANKS))
    a, b = mg.ones(1000), mg.ones(1000)
    first, second = dist.all_reduce(a, async_op=True), dist.all_reduce(b, dist.ReduceOp.MAX, async_op=True)
    assert second.wait() and first.wait() and (a == RANKS).all() and (b == 1).all()
    assert dist.barrier(async_op=True).wait() and dist.barrier() is None


# ---------------------------------------------------------------------------------------------------------- gradients


def check_the_sum_is_differentiable():
    x = drawn(3, 2)
    x.requires_grad = True
    gradcheck(lambda x: all_reduce(x.exp()), x)  # all ranks move the same element at once
    y = drawn(4, seed=RANK)
    y.requires_grad = True
    (all_reduce(y * y) * (RANK + 1)).sum().backward()
    weight = RANKS * (RANKS + 1) / 2  # the loss is that of all ranks
    close(y.grad, 2 * y.detach() * weight)
    (first,) = mg.grad((all_reduce(y**3) ** 2).sum(), y, create_graph=True)
    (second,) = mg.grad(first.sum(), y)
    every = np.stack(of_all(y.detach().numpy()))
    # d/dy_r of sum over ranks q of [RANKS * 2 * S * 3 y_q^2] with S = sum of y^3
    close(second, RANKS * 2 * (9 * y.detach().numpy() ** 2 * (every**2).sum(0) + (every**3).sum(0) * 6 * y.detach().numpy()))
    with pytest.raises(ValueError, match="gradients flow through sums"):
        all_reduce(x, dist.ReduceOp.MAX)


def net(seed=0):
    mg.manual_seed(seed)
    return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 6), nn.Tanh(), nn.Linear(6, 3))


def share(x):
    return x[RANK::RANKS]


def whole_gradients(x, y):
    model = net()
    nn.functional.cross_entropy(model(x), y).backward()
    return [p.grad for p in model.parameters()]


X, Y = drawn(8, 5, seed=1), mg.tensor([0, 1, 2, 0, 1, 2, 0, 1])


def check_gradients_are_those_of_the_whole_batch():
    for cap in (None, 3e-4):  # all in one bucket; one each
        model = DistributedDataParallel(net(seed=RANK), bucket_cap_mb=cap)
        assert of_all(model.module[0].weight.sum().item())[RANK] == net().state_dict()["0.weight"].sum().item()
        started = []
        first = model.module[0].weight  # its gradient comes last
        first.register_hook(lambda g, model=model, started=started: started.append(model._reducer.next))
        for _ in range(2):
            model.zero_grad()
            nn.functional.cross_entropy(model(share(X)), share(Y)).backward()
            for p, g in zip(model.parameters(), whole_gradients(X, Y), strict=True):
                close(p.grad, g)
        assert started == ([0, 0] if cap is None else [len(model._reducer.buckets) - 1] * 2)  # sums began while backward was running
    assert next(iter(model.state_dict())) == "module.0.weight"
    other = DistributedDataParallel(net(seed=9))
    other.load_state_dict(model.state_dict())
    close(other.module[0].weight.detach(), model.module[0].weight.detach())


def check_no_sync_adds_up():
    model = DistributedDataParallel(net())
    with model.no_sync():
        nn.functional.cross_entropy(model(share(X)[:1]), share(Y)[:1]).backward()
    assert len(set(of_all(model.module[0].weight.grad.sum().item()))) == RANKS  # each rank its own
    nn.functional.cross_entropy(model(share(X)[1:2]), share(Y)[1:2]).backward()
    a, b = whole_gradients(X[:RANKS], Y[:RANKS]), whole_gradients(X[RANKS : 2 * RANKS], Y[RANKS : 2 * RANKS])
    for p, g, h in zip(model.parameters(), a, b, strict=True):
        close(p.grad, g + h)


class Branches(nn.Module):
    """Uses its second layer only on some ranks, its third on none."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = (nn.Linear(5, 1) for _ in range(3))

    def forward(self, x, second):
        return self.a(x) + self.b(x) if second else self.a(x)


def check_unused_parameters():
    model = DistributedDataParallel(Branches(), find_unused_parameters=True, bucket_cap_mb=1e-4)
    for _ in range(2):
        model.zero_grad()
        model(X, second=RANK == 0).sum().backward()
        close(model.module.a.weight.grad, X.sum(0, keepdim=True))
        close(model.module.b.weight.grad, X.sum(0, keepdim=True) / RANKS)
        assert model.module.c.weight.grad is None
    model = DistributedDataParallel(Branches())
    with pytest.raises(RuntimeError, match=r"depends on no c.weight, c.bias, .*find_unused_parameters=True"):
        model(X, second=True).sum().backward()


def check_buffers_are_those_of_rank_0():
    model = DistributedDataParallel(nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4)))
    for _ in range(2):
        model(drawn(6, 5, seed=RANK)).sum().backward()
    assert len({b.tobytes() for b in of_all(model.module[1].running_mean.numpy())}) == RANKS
    model.sync_buffers()
    assert len({b.tobytes() for b in of_all(model.module[1].running_mean.numpy())}) == 1
    assert of_all(model.module[1].num_batches_tracked.item()) == [2] * RANKS


def check_dtypes_copies_and_frozen_parameters():
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.narrow = nn.Parameter(mg.ones(3, dtype=mg.float16) * (RANK + 1))
            self.wide = nn.Parameter(mg.ones(2))
            self.frozen = nn.Parameter(mg.ones(1) * RANK, requires_grad=False)

        def forward(self, x):
            return (self.narrow * x).float().sum().double() + self.wide.sum() * self.frozen.sum() * x

    model = DistributedDataParallel(Mixed())
    for one in (model, copy.deepcopy(model)):
        assert one.module.narrow.tolist() == [1.0] * 3 and one.module.frozen.item() == 0  # as on rank 0
        one(float(RANK)).backward()
        assert one.module.narrow.grad.dtype == mg.float16 and one.module.narrow.grad.tolist() == [(RANKS - 1) / 2] * 3
    model.module.narrow.requires_grad_(False).requires_grad_()  # frozen for a while
    model.zero_grad()
    model(float(RANK)).backward()
    assert model.module.narrow.grad.tolist() == [(RANKS - 1) / 2] * 3
    assert isinstance(pickle.loads(pickle.dumps(DistributedDataParallel(net()))), DistributedDataParallel)


def check_models_that_cannot_be_shared():
    with pytest.raises(RuntimeError, match="no parameter of the model requires a gradient"):
        DistributedDataParallel(nn.ReLU())
    with pytest.raises(RuntimeError, match="weight, bias has no shape yet"):
        DistributedDataParallel(nn.LazyLinear(3))
    with pytest.raises(
        dist.DistError, match=r"the models differ: rank 0 has \('weight', 'float64', \(1, 2\)\), rank 1 \('weight', 'float64', \(2, 2\)\)"
    ):
        DistributedDataParallel(nn.Linear(2, 1 + RANK))
    model = DistributedDataParallel(nn.Linear(1, 1))
    with pytest.raises(RuntimeError, match="create_graph=True"):
        (model(mg.ones(1, 1)) ** 2).sum().backward(create_graph=True)


def check_sync_batch_norm():
    for shape, parts in (((8, 3), None), ((8, 3, 2, 2), (5, 3) if RANKS == 2 else (2, 3, 1, 2))):  # shares of different sizes
        x, g = drawn(*shape, seed=2), drawn(*shape, seed=3)
        own = np.split(np.arange(8), np.cumsum(parts)[:-1] if parts else RANKS)[RANK].tolist()
        plain = (nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d)(3)
        nn.init.uniform_(plain.weight, generator=mg.Generator().manual_seed(5))
        sync = SyncBatchNorm.convert_sync_batchnorm(nn.Sequential(copy.deepcopy(plain)))[0]
        assert type(sync) is SyncBatchNorm
        a, b = x.clone().requires_grad_(), x[own].clone().requires_grad_()
        for _ in range(2):
            y, z = plain(a), sync(b)
            close(z.detach(), y.detach()[own])
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            close(getattr(sync, name), getattr(plain, name))
        (first,) = mg.grad((y * g).sum(), a, create_graph=True)
        (mine,) = mg.grad((z * g[own]).sum(), b, create_graph=True)
        close(mine.detach(), first.detach()[own])
        (first**2).sum().backward()
        (mine**2).sum().backward()
        close(b.grad, a.grad[own], 1e-10)
        every = mg.tensor(sync.weight.grad.numpy())
        dist.all_reduce(every)
        close(every, plain.weight.grad, 1e-10)
        close(sync.eval()(b).detach(), plain.eval()(a).detach()[own])
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        SyncBatchNorm(3)(mg.zeros(1 if RANK == 0 else 0, 3))


# ---------------------------------------------------------------------------------------------------------------- fit


def problem(ranks, workers=0):
    """A loader of batches of 8 samples, shared among ``ranks``, and one to validate on."""
    x = drawn(40, 5, seed=4)
    data = TensorDataset(x, (x[:, 0] * x[:, 1] > 0).long() + (x[:, 2] > 1).long())
    rank = RANK if ranks > 1 else 0
    test = TensorDataset(drawn(12, 5, seed=6), mg.arange(12) % 3)
    return (
        DataLoader(data, 8 // ranks, sampler=DistributedSampler(data, ranks, rank, seed=3), num_workers=workers),
        DataLoader(test, 3, sampler=DistributedSampler(test, ranks, rank, shuffle=False)),
    )


def trained(ranks, epochs, path=None, every=None, callbacks=(), validation=True, accumulate=1):
    """The model and the history of ``fit``, on all ranks or in one process."""
    model = net()
    optimizer = nn.optim.Adam(model.parameters(), lr=0.02)
    loader, test = problem(ranks)
    history = nn.fit(
        DistributedDataParallel(model) if ranks > 1 else model, loader, nn.CrossEntropyLoss(), optimizer, epochs=epochs,
        metrics=["accuracy", nn.metrics.ConfusionMatrix(3)], validation=test if validation else None,
        scheduler=nn.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0), checkpoint=path, checkpoint_every=every, callbacks=list(callbacks), accumulate=accumulate,
    )  # fmt: skip
    return model, [{k: v for k, v in logs.items() if k != "seconds"} for logs in history]


def same(a, b):
    (one, first), (other, second) = a, b
    for p, q in zip(one.parameters(), other.parameters(), strict=True):
        close(p.detach(), q.detach())
    assert len(first) == len(second)
    for logs, others in zip(first, second, strict=True):
        assert logs.keys() == others.keys()
        for key in logs:
            close(logs[key], others[key])


class Stop(nn.training.Callback):
    """Raise after a step, on all ranks."""

    def __init__(self, step):
        self.step = step

    def after_step(self, run):
        if run.step == self.step:
            raise InterruptedError


def check_fit_is_that_of_one_process():
    printed = io.StringIO()
    early = nn.training.EarlyStopping(patience=1)
    log = nn.training.Log(FOLDER / f"log{RANKS}.csv" if RANK == 0 else FOLDER / "never.csv")
    with contextlib.redirect_stdout(printed):
        ours = trained(RANKS, 6, callbacks=[early, log, nn.training.EMA(0.9), nn.training.ClipGradNorm(1.0)])
        alone = trained(1, 6, callbacks=[nn.training.EarlyStopping(patience=1), nn.training.EMA(0.9), nn.training.ClipGradNorm(1.0)])
    same(ours, alone)
    lines = printed.getvalue().count("epoch")
    assert lines == (2 if RANK == 0 else 1) * len(ours[1])  # other ranks print only what they did alone
    assert len({p.tobytes() for p in of_all(ours[0][0].weight.detach().numpy())}) == 1
    dist.barrier()
    assert (FOLDER / f"log{RANKS}.csv").read_text().count("\n") == len(ours[1]) + 1 and not (FOLDER / "never.csv").exists()
    a = nn.evaluate(DistributedDataParallel(ours[0]), problem(RANKS)[1], nn.CrossEntropyLoss(), ["accuracy"])
    b = nn.evaluate(alone[0], problem(1)[1], nn.CrossEntropyLoss(), ["accuracy"])
    close(list(a.values()), list(b.values()))


def check_accumulated_steps_are_those_of_one_process():
    with contextlib.redirect_stdout(io.StringIO()):
        for accumulate in (2, 3):  # five batches: the last step of an epoch has one, or two
            same(trained(RANKS, 2, accumulate=accumulate), trained(1, 2, accumulate=accumulate))


def check_synchronised_norm_without_channels():
    assert nn.SyncBatchNorm(0)(mg.ones(2, 0, 3)).shape == (2, 0, 3)


def check_accumulated_batches_are_sent_once():
    """Two reductions of gradients for five batches in steps of three, not five."""
    model = DistributedDataParallel(net())
    shared = []
    finish = model._reducer.finish
    model._reducer.finish = lambda: (shared.append(model._reducer.place), finish())
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
    nn.fit(model, problem(RANKS)[0], nn.CrossEntropyLoss(), optimizer, epochs=1, accumulate=3, progress=False)
    assert shared == ["batch 1 of epoch 1", "the last batches of epoch 1"]


def check_a_run_is_resumed_on_another_number_of_ranks():
    with contextlib.redirect_stdout(io.StringIO()):
        whole = trained(1, 3)
        # several ranks, stopped within the second epoch -> this process alone -> several again
        path = FOLDER / f"run{RANKS}.ckpt"
        with pytest.raises(InterruptedError):
            trained(RANKS, 3, path, every=2, callbacks=[Stop(9)])
        dist.barrier()
        assert nn.load(path)["run"]["step"] == 8 and len(nn.load(path)["ranks"]) == RANKS
        again, alone = FOLDER / f"again{RANKS}-{RANK}.ckpt", FOLDER / f"alone{RANKS}-{RANK}.ckpt"
        again.write_bytes(path.read_bytes())
        alone.write_bytes(path.read_bytes())
        same(trained(1, 3, again, every=2, callbacks=[Stop(99)]), whole)
        with pytest.raises(InterruptedError):
            trained(1, 3, alone, every=1, callbacks=[Stop(12)])
        state = nn.load(alone)
        assert state["run"]["step"] == 11 and "ranks" not in state
        same(trained(RANKS, 3, alone, every=2, callbacks=[Stop(99)]), whole)
        states = of_all(mg.get_rng_state().tolist())
        assert all(s != states[0] for s in states[1:])  # a new rank draws numbers of its own
        same(trained(RANKS, 3, path, every=2, callbacks=[Stop(99)]), whole)
        dist.barrier()
        with pytest.raises(InterruptedError):
            trained(1, 2, alone.with_suffix(".second"), every=3, callbacks=[Stop(4)])
        model = net()
        optimizer = nn.optim.Adam(model.parameters(), lr=0.02)
        loader = DataLoader(problem(RANKS)[0].dataset, 8, sampler=DistributedSampler(range(40)))
        with pytest.raises(ValueError, match=rf"within an epoch by 1 rank that took 8 samples in a step, and {RANKS} now take {8 * RANKS}"):
            nn.fit(
                DistributedDataParallel(model), loader, nn.CrossEntropyLoss(), optimizer, epochs=2, metrics=["accuracy", nn.metrics.ConfusionMatrix(3)],
                validation=problem(RANKS)[1], scheduler=nn.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0), callbacks=[Stop(99)],
                checkpoint=alone.with_suffix(".second"),
            )  # fmt: skip


def check_what_is_decided_in_each_step_is_decided_by_all_ranks():
    """The ranks' losses differ: a scheduler that goes by them, and the search for a rate, go by their mean."""

    def run(ranks):
        loader, _ = problem(ranks)
        model = DistributedDataParallel(net()) if ranks > 1 else net()
        optimizer = nn.optim.SGD(model.parameters(), lr=0.02)
        found = nn.training.find_learning_rate(model, loader, nn.CrossEntropyLoss(), optimizer, start=1e-3, steps=30, smoothing=0.5)
        rates = []
        plateau = nn.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)
        note = type("Note", (nn.training.Callback,), {"after_step": lambda self, run: rates.append(run.optimizer.param_groups[0]["lr"])})()
        nn.fit(
            model,
            loader,
            nn.CrossEntropyLoss(),
            optimizer,
            epochs=2,
            scheduler=plateau,
            scheduler_per="step",
            callbacks=[note],
            progress=False,
        )
        return found.losses, found.suggestion, rates

    together, alone = run(RANKS), run(1)
    close(together[0], alone[0], 1e-9)
    close(together[2], alone[2])
    assert together[1] == alone[1] and len(set(together[2])) > 2
    assert of_all(together) == [together] * RANKS


def check_loaders_of_different_lengths_are_refused():
    model = DistributedDataParallel(net())
    told = ", ".join(f"{5 + r} on rank {r}" for r in range(RANKS))
    with pytest.raises(dist.DistError, match=f"the loader has different numbers of batches: {told}"):
        nn.fit(model, [(X, Y)] * (5 + RANK), nn.CrossEntropyLoss(), nn.optim.SGD(model.parameters(), lr=0.1), epochs=1, progress=False)


def check_the_sampler_divides_the_dataset():
    for length, drop in ((10, False), (11, False), (11, True), (3, False)):
        sampler = DistributedSampler(range(length), drop_last=drop and length > RANKS)
        assert (sampler.rank, sampler.num_replicas) == (RANK, RANKS)
        sampler.set_epoch(2)
        parts = of_all(list(sampler))
        assert {len(p) for p in parts} == {len(sampler)} == {sampler.total_size // RANKS}
        assert len({i for p in parts for i in p}) == (length if not sampler.drop_last else sampler.total_size)


def check_the_group_can_be_left_and_joined_again():
    time.sleep(0.6 if RANK == 1 else 0)  # the others ask what it does
    dist.barrier()
    dist.destroy_process_group()
    assert not dist.is_initialized()
    with pytest.raises(ValueError, match=r"barrier: call minigrad.distributed.init_process_group\(\) first"):
        dist.barrier()
    dist.init_process_group(world_size=RANKS, rank=RANK)
    time.sleep(0.6 if RANK == 0 else 0)  # and are not misled by what was asked before
    dist.all_reduce(mg.ones(1))


for name, check in list(globals().items()):
    if name.startswith("check_"):
        check()
        if RANK == 0:
            print(name, flush=True)
