"""``python -m benchmarks.scaling``: the model of many ranks, and that it runs."""

import shutil
import sys
from pathlib import Path

import pytest

pytest.importorskip("benchmarks", reason="the benchmarks are not beside the tests (an installed wheel is tested)")

import minigrad.distributed as dist
from benchmarks.scaling import CAPS, RANKS, halving, main, predicted, ring, step_time


def test_the_model():
    """A ring moves less than 2 n bytes for each rank; what is not hidden behind backward is added."""
    assert ring(2, 1e6, 0, 1e9) == halving(2, 1e6, 0, 1e9) == 1e-3
    assert ring(1024, 1e6, 0, 1e9) == pytest.approx(2e-3, rel=1e-2) and ring(1024, 0, 1e-6, 1e9) == pytest.approx(2046e-6)
    assert halving(1024, 0, 1e-6, 1e9) == pytest.approx(20e-6)
    assert step_time(1, 2, 3, [(8, 1.0), (8, 2.0)], lambda size: 0) == 6
    assert step_time(1, 2, 3, [(8, 0.0), (8, 0.0)], lambda size: 1) == 6  # all of it is hidden
    assert step_time(1, 2, 3, [(8, 2.0)], lambda size: size) == 14
    step = {"forward": 1.0, "backward": 2.0, "rest": 0.0, "buckets": {"25.0": [(10**6, 2.0)]}}
    assert predicted(step, 25.0, 0.0, 1e6, 2) == 3 / 4
    assert predicted(step, 25.0, 1.0, 1e6, 1024) == pytest.approx(3 / (3 + 20 + 2), rel=1e-2)  # halving sends fewer messages than a ring


@pytest.mark.skipif(
    not (dist.is_mpi_available() and (shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec"))),
    reason="needs mpi4py and mpiexec: pip install 'minigrad-nn[mpi]' (wheels on Linux)",
)
def test_it_runs(capsys):
    found = main(["--tiny", "--rounds", "2"])
    step = found["steps"]["LeNet-5"]
    assert all(step[kind] > 0 for kind in ("alone", "waiting", "forward", "backward", "rest", *map(str, CAPS)))
    ready = [when for _, when in step["buckets"]["0.05"]]
    assert len(ready) > 1 and ready == sorted(ready) and ready[0] > 0 and ready[-1] <= 2 * step["backward"]
    printed = capsys.readouterr().out
    assert (
        printed.count("| LeNet-5 |") == 1 + 2 * len({len(buckets) for buckets in step["buckets"].values()})
        and f"{max(RANKS):,} ranks" in printed
    )
