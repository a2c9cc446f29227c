"""``python -m benchmarks`` on tiny sizes: that it runs, and what it writes, but no timings."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("benchmarks", reason="the benchmarks are not beside the tests (an installed wheel is tested)")

import minigrad as mg
from benchmarks.__main__ import main
from benchmarks.limits import limit, needs, rates
from benchmarks.report import ratio, table
from benchmarks.rows import ROWS


def test_rows_run_and_are_written(tmp_path, capsys):
    names = [name for name in ROWS if name not in ("alexnet", "resnet18", "resnet18-1")]  # millions of weights, whatever the images
    run = main(["--tiny", "--threads", "1", "--libraries", "minigrad", "--rows", ",".join(names), "--out", str(tmp_path)])
    assert {result["row"] for result in run["results"]} == set(names)
    for result in run["results"]:
        assert all(value > 0 for value in result["values"]["minigrad"]), result
        assert (result["limit"] is not None) == ROWS[result["row"]].limited, result
        assert set(result["bytes"]) == ({"minigrad"} if ROWS[result["row"]].weighed else set())
    assert json.loads((tmp_path / "benchmarks.json").read_text()) == run
    assert (tmp_path / "benchmarks.png").stat().st_size > 10_000
    assert sorted(p.name for p in tmp_path.iterdir()) == ["benchmarks.json", "benchmarks.png"]
    printed = capsys.readouterr().out
    assert f"minigrad {run['versions']['minigrad']}" in printed.splitlines()[0]
    assert all(ROWS[name].title in printed for name in names)
    assert "native kernels: " in printed


@pytest.mark.live
def test_pytorch_does_the_same_work():
    rows = "op-backward,conv-transpose,batch-norm,layer-norm,topk,with-logits,lstm,lenet,resnet,lenet-1"
    run = main(["--tiny", "--threads", "1", "--libraries", "PyTorch,minigrad,numpy alone", "--rows", rows])
    assert list(run["versions"]) == ["PyTorch", "minigrad", "numpy alone"]
    assert [result["row"] for result in run["results"]] == rows.split(",")
    assert all(ratio(result, "PyTorch") > 0 and result["threads"] == 1 for result in run["results"])


def test_ratios_are_quotients_of_medians():
    values = {"minigrad": [2.0, 9.0, 1.0], "PyTorch": [4.0, 4.0, 8.0], "numpy": [1e-3]}
    result = {"row": "import", "title": "import", "threads": 1, "values": values, "bytes": {}, "limit": None}
    run = {
        "machine": "a machine",
        "config": "",
        "versions": {"minigrad": "1", "PyTorch": "2", "JAX": "3"},
        "absent": ["DeZero"],
        "rates": {},
        "results": [result],
    }
    assert ratio(result, "PyTorch") == 0.5
    assert ratio(result, "JAX") is None
    assert table(run).splitlines()[-1] == "| import | 2 s | 0.50 | – | 2000.00 |"
    assert "Not installed: DeZero" in table(run)
    run["rates"], result["limit"] = {"1": [2e11, 6e10]}, 1.5
    assert table(run).splitlines()[-1] == "| import | 2 s | 75% | 0.50 | – | 2000.00 |"
    assert "Limits, 1 thread: 200 GFLOP/s, 60 GB/s" in table(run)


def test_needs_are_what_ops_multiply_and_move():
    x, w = mg.ones(2, 3, 8, 8, requires_grad=True), mg.ones(4, 3, 3, 3, requires_grad=True)
    products, moved = 2 * 2 * 4 * 6 * 6 * 3 * 3 * 3, 4 * (2 * 3 * 8 * 8 + 4 * 3 * 3 * 3 + 2 * 4 * 6 * 6)
    assert needs(lambda: mg.conv2d(x, w)) == [(products, moved)]
    assert needs(lambda: mg.conv2d(x, w).backward(mg.ones(2, 4, 6, 6))) == [(products, moved), (2 * products, moved)]
    values = mg.ones(10, requires_grad=True)
    assert needs(lambda: values.view(2, 5).exp()) == [(0, 0), (0, 80)]  # a view moves nothing
    assert limit([(10, 4), (0, 8)], (5.0, 4.0)) == 4.0
    assert all(rate > 1e6 for rate in rates(2))


def test_unknown_rows_and_libraries_are_refused(capsys):
    with pytest.raises(SystemExit):
        main(["--rows", "lenet,lennet"])
    assert "'lennet' is not one of" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--libraries", "Torch"])
    assert "'Torch' is not one of minigrad, numpy alone, PyTorch, torch.compile, JAX, DeZero, MyGrad, tinygrad" in capsys.readouterr().err


def test_a_library_that_takes_too_long_is_left_out_of_a_row(capsys):
    names = "lenet,relu"
    run = main(["--tiny", "--threads", "1", "--libraries", "minigrad", "--rows", names, "--patience", "1e-4", "--verbose"])
    assert [result["values"] for result in run["results"]] == [{}, {}]
    assert capsys.readouterr().err.count("Unable: it took longer than 0.0001 s to prepare") == 2
