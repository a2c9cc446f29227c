"""Several ranks on one machine, started by mpiexec; what one process can see of them comes last."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
import minigrad.distributed as dist
from minigrad import nn
from minigrad.nn.data import DistributedSampler

HERE = Path(__file__).parent
MPIEXEC = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec")
WITH_MPI = pytest.mark.skipif(
    not (dist.is_mpi_available() and MPIEXEC), reason="needs mpi4py and mpiexec: pip install 'minigrad-nn[mpi]' (wheels on Linux)"
)


def start(ranks, *command):
    return subprocess.Popen(
        [MPIEXEC, "-n", str(ranks), sys.executable, "-W", "error", *map(str, command)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def finish(process):
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


@WITH_MPI
@pytest.mark.parametrize("ranks", [2, 4])
def test_on_ranks(ranks, tmp_path):
    """All checks of on_ranks.py, each of which every rank makes."""
    status, out, err = finish(start(ranks, HERE / "on_ranks.py", tmp_path))
    checks = re.findall(r"^def (check_\w+)", (HERE / "on_ranks.py").read_text(encoding="utf-8"), re.MULTILINE)
    assert (status, out.split(), err) == (0, checks, "")


@WITH_MPI
def test_a_rank_that_fails_ends_all(tmp_path):
    """Whatever it does; the others say where they wait, and a checkpoint is whole."""
    runs = {
        how: start(2, HERE / "that_fail.py", how, tmp_path)
        for how in ("stream", "dies", "killed", "loop", "exit", "before the end", "watched", "late")
    }
    ended = {how: finish(process) for how, process in runs.items()}
    assert all(status != 0 for status, _, _ in ended.values())
    told = {how: [line for line in err.splitlines() if line.startswith("minigrad.distributed: ")] for how, (_, _, err) in ended.items()}
    assert told["dies"] == ["minigrad.distributed: rank 1 of 2 ended with OSError: the disk of rank 1 is gone"]
    assert "Traceback" in ended["dies"][2] and 'OSError("the disk of rank 1 is gone")' in ended["dies"][2]
    for how, places in (
        ("stream", "rank 0 in the end of epoch 1, after 3 batches, rank 1 in (the gradients of )?batch 4 of epoch 1"),
        ("loop", "rank 0 in the gradients of batch 5 .*, rank 1 in the end of the program"),
        ("exit", r"rank 0 in all_reduce of float32 \(2,\) SUM, rank 1 in the end of the program"),
    ):
        (line,) = told[how]
        assert re.search(rf"ended with DistError: the ranks wait for each other in different places: {places}", line), line
        assert line.endswith("nn.data.DistributedSampler makes them equal") and "Traceback" not in ended[how][2]
    assert told["late"] == [
        "minigrad.distributed: rank 0 of 2 ended with DistError: barrier: rank 0 of 2 has waited for 2 s, the timeout of init_process_group"
    ]
    assert told["watched"] == [
        "minigrad.distributed: rank 0 of 2 ended with DistError: monitored_barrier: rank 1 of 2 did not come within 0.5 s"
    ]
    assert told["before the end"] == ["minigrad.distributed: rank 0 of 2 ended with OSError: the disk of rank 0 is gone"]
    assert ended["before the end"][1] == ""  # rank 1 was not told that rank 0 had come to the end too
    for how in ("dies", "killed"):
        state = nn.load(tmp_path / f"{how}.ckpt")
        # rank 1 ends soon after it gave its part of checkpoint 7: rank 0 has written it, or was ended while it wrote and 6 is there
        assert state["run"]["step"] in (6, 7) and len(state["ranks"]) == 2


@WITH_MPI
def test_ranks_whose_calls_differ_are_told(tmp_path):
    """Tensors of other shapes and dtypes, other operations: MPI would return numbers that mean nothing."""
    differ = "the ranks wait for each other in different places: rank 0 in {}, rank 1 in {}. "
    wanted = {
        "shapes": differ.format(r"all_reduce of float32 \(2,\) SUM", r"all_reduce of float32 \(3,\) SUM"),
        "dtypes": differ.format(r"all_reduce of float32 \(2,\) SUM", r"all_reduce of float64 \(2,\) SUM"),
        "ops": differ.format(r"all_reduce of float32 \(2,\) SUM", r"all_reduce of float32 \(2,\) MAX"),
        "roots": differ.format(r"broadcast of float32 \(2,\) from rank 0", r"broadcast of float32 \(2,\) from rank 1"),
        "channels": differ.format(
            r"the sum over ranks of float32 \(2, 7\) in a layer", r"the sum over ranks of float32 \(2, 9\) in a layer"
        ),
        "frozen": r"the models differ: rank 0 has \('bias', 'float32', \(300,\)\), rank 1 \('bias', 'float32', \(300,\), 'frozen'\)",
        "converted": "bias was of float32 when the model was given to it, and has a gradient of float64 now; convert the module before",
        "shorter": r"recv of float32 \(4,\) from rank 1: rank 1 sent 12 bytes, and the tensor has 16",
    }
    for how, text in wanted.items():
        status, out, err = finish(start(2, HERE / "that_fail.py", how, tmp_path))
        (line,) = [line for line in err.splitlines() if line.startswith("minigrad.distributed: ")]
        assert (status != 0, out) == (True, "") and re.search(rf"rank 0 of 2 ended with \w+Error: .*{text}", line), line


@WITH_MPI
def test_a_rank_that_fails_before_mpi_starts_is_not_waited_for_without_end(tmp_path):
    status, _, err = finish(start(2, HERE / "that_fail.py", "before MPI", tmp_path))
    assert status != 0 and "rank 1 has no data" in err
    assert "Timeout (0:00:02)!" in err and "in _mpi_that_waits_for_all_ranks" in err


@WITH_MPI
def test_lenet_on_two_ranks(tmp_path):
    """Batches shared by two ranks give the weights of one process, which a plain loop gives too."""
    script = HERE.parents[1] / "examples" / "lenet5.py"
    if not script.exists():
        pytest.skip("the examples are not here: this is an installed package's test run")
    pytest.importorskip("tqdm", reason="the example shows progress with tqdm: pip install -e '.[examples]'")
    options = ["--distributed", "--float64", "--epochs", "1", "--batch-size", "128", "--no-pictures", "--out"]
    runs = [start(ranks, script, *options, tmp_path / str(ranks)) for ranks in (1, 2)]
    (status, alone, err), (status2, shared, err2) = map(finish, runs)
    assert (status, status2, err, err2) == (0, 0, "", "")
    assert re.sub(r"\d+ s$|lenet5.ckpt.*|saved .*", "", alone, flags=re.MULTILINE) == re.sub(
        r"\d+ s$|saved .*", "", shared, flags=re.MULTILINE
    )
    one, two = (nn.load(tmp_path / ranks / "lenet5.ckpt") for ranks in "12")
    for name, weight in one["model"].items():
        np.testing.assert_allclose(two["model"][name].numpy(), weight.numpy(), rtol=0, atol=1e-12)
        assert weight.dtype == mg.float64
    assert abs(one["history"][0]["loss"] - two["history"][0]["loss"]) < 1e-12


# --------------------------------------------------------------------------------------------------------- in one process


def test_nothing_starts_mpi_unasked():
    code = "import sys, minigrad.torch.distributed as dist, minigrad.nn; dist.is_available(); dist.is_initialized(); print('mpi4py' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_a_process_of_multiprocessing_is_no_rank():
    """A worker of a DataLoader that runs the script again has the environment of its rank: MPI would take it for that."""
    code = (
        "import multiprocessing as m, sys\nfrom minigrad.distributed import init_process_group\ndef work(q):\n    try:\n        init_process_group()\n"
        "    except RuntimeError as error:\n        q.put(str(error))\nq = m.get_context('fork').Queue()\np = m.get_context('fork').Process(target=work, args=(q,))\n"
        "p.start()\nprint(q.get(timeout=60), 'mpi4py' in sys.modules)\np.join()"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120).stdout
    assert "started by multiprocessing, not by mpiexec, so it is no rank" in said and said.endswith("False\n")


@pytest.mark.parametrize("backend", ["gloo", "nccl", "MPI "])
def test_there_is_one_backend(backend):
    with pytest.raises(ValueError, match=rf'^init_process_group: the backend is "mpi", started by mpiexec; there is no {backend!r}$'):
        dist.init_process_group(backend)
    with pytest.raises(ValueError, match="MPI knows the addresses of the ranks"):
        dist.init_process_group("mpi", init_method="tcp://10.0.0.1:23456")
    with pytest.raises(TypeError, match="init_process_group: rank must be a whole number"):
        dist.init_process_group(rank="0")


def test_what_needs_a_group_says_so():
    for name, call in (
        ("get_rank", dist.get_rank), ("get_world_size", dist.get_world_size), ("barrier", dist.barrier), ("destroy_process_group", dist.destroy_process_group),
        ("all_reduce", lambda: dist.all_reduce(mg.ones(1))), ("get_world_size", lambda: DistributedSampler([1])),
        ("DistributedDataParallel", lambda: nn.parallel.DistributedDataParallel(nn.Linear(1, 1))),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=rf"^{name}: call minigrad.distributed.init_process_group\(\) first$"):
            call()


def test_without_mpi4py_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(ImportError, match=r"mpi4py is needed: pip install 'minigrad-nn\[mpi\]'"):
        dist.init_process_group()


def test_the_sampler_is_pytorchs():
    """Without shuffling, and with padding and drop_last; indices of other datasets' ends."""
    shares = [list(DistributedSampler(range(5), 4, rank, shuffle=False)) for rank in range(4)]
    assert shares == [[0, 4], [1, 0], [2, 1], [3, 2]]
    assert [list(DistributedSampler(range(5), 4, rank, shuffle=False, drop_last=True)) for rank in range(4)] == [[0], [1], [2], [3]]
    assert [list(DistributedSampler(range(2), 5, rank, shuffle=False)) for rank in range(5)] == [[0], [1], [0], [1], [0]]
    sampler = DistributedSampler(range(100), 1, 0, seed=1)
    first = list(sampler)
    assert list(sampler) == first and sorted(first) == list(range(100))
    sampler.set_epoch(1)
    assert list(sampler) != first and list(sampler) == list(DistributedSampler(range(100), 1, 0, seed=2))  # seed + epoch, as in PyTorch
    with pytest.raises(ValueError, match="rank must be below num_replicas, 2, but is 2"):
        DistributedSampler(range(4), 2, 2)
    with pytest.raises(ValueError, match="1 samples are too few for 2 ranks"):
        DistributedSampler(range(1), 2, 0, drop_last=True)


def test_sync_batch_norm_alone_is_a_batch_norm():
    x = mg.randn(6, 3, 2)
    plain, sync = nn.BatchNorm1d(3), nn.SyncBatchNorm(3)
    assert (plain(x) == sync(x)).all() and (plain.running_var == sync.running_var).all()
    model = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.BatchNorm2d(2, momentum=0.3, affine=False)), nn.LayerNorm(2)).eval()
    norm = nn.SyncBatchNorm.convert_sync_batchnorm(model)[1][0]
    assert (type(norm), norm.momentum, norm.weight, norm.training) == (nn.SyncBatchNorm, 0.3, None, False)
    with pytest.raises(mg.ShapeError, match=r"SyncBatchNorm: the input must be \(N, 3, ...\), not of shape \(6, 2\)"):
        sync(mg.zeros(6, 2))
    with pytest.raises(ValueError, match="leave out process_group"):
        nn.SyncBatchNorm(3, process_group=1)


def test_metrics_are_put_together():
    parts = [nn.metrics.MeanAveragePrecision() for _ in range(3)]
    box, other = (
        {"boxes": mg.tensor([[0.0, 0.0, 1.0, 1.0]]), "labels": mg.tensor([0])},
        {"boxes": mg.tensor([[0.0, 0.0, 1.0, 1.0]]), "labels": mg.tensor([1])},
    )
    found = {**box, "scores": mg.tensor([0.9])}
    parts[0].update([found], [box])
    parts[1].update([found, found], [other, box])
    whole, merged = nn.metrics.MeanAveragePrecision(), nn.metrics.MeanAveragePrecision()
    whole.update([found, found, found], [box, other, box])
    merged.merge([p.state_dict() for p in parts])
    assert merged.compute() == whole.compute() and merged.true == whole.true

    class Last(nn.metrics.Metric):
        def reset(self):
            self.last = "none"

    a, b = Last("last"), Last("last")
    a.merge([a.state_dict(), b.state_dict()])
    b.last = "x"
    with pytest.raises(TypeError, match=r"Last: the states of ranks differ in last, 'none'; define merge\(states\)"):
        a.merge([a.state_dict(), b.state_dict()])


def test_what_is_called_at_the_end_of_backward():
    x, seen = mg.tensor(2.0, requires_grad=True), []
    from minigrad.engine import at_end_of_backward

    x.register_hook(lambda g: at_end_of_backward(lambda: seen.append(x.grad.item())))
    (x * x).backward()
    assert seen == [4.0]
    y = x * 3
    y.register_hook(lambda g: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        (y + x).backward()  # what fails ends nothing
    assert seen == [4.0]


def test_the_end_of_backward_is_that_of_the_one_that_runs():
    from minigrad.engine import at_end_of_backward

    with pytest.raises(RuntimeError, match="no backward\\(\\) runs in this thread"):
        at_end_of_backward(print)
    seen = []
    x = mg.tensor(1.0, requires_grad=True)

    def hook(g):
        at_end_of_backward(lambda: seen.append("outer"))
        z = mg.tensor(1.0, requires_grad=True)
        z.register_hook(lambda g: at_end_of_backward(lambda: seen.append("inner")))
        with mg.enable_grad():
            (z * 2).backward()

    x.register_hook(hook)
    (x * 2).backward()
    assert seen == ["inner", "outer"]
    with pytest.raises(RuntimeError, match="no backward"):
        at_end_of_backward(print)
