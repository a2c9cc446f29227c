"""The training loop: the same results as a loop written by hand, and a killed run ends like an uninterrupted one."""

import csv
import io
import itertools
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import minigrad as mg
from minigrad import nn
from minigrad.nn.data import DataLoader, TensorDataset
from minigrad.nn.metrics import Accuracy, ConfusionMatrix, TopK
from minigrad.nn.training import EMA, Callback, ClipGradNorm, ClipGradValue, EarlyStopping, Log


def bits(state):
    """Nested state with arrays as bytes, so that == compares every bit."""
    if isinstance(state, dict):
        return {key: bits(value) for key, value in state.items() if key != "seconds"}
    if isinstance(state, (list, tuple)):
        return [bits(value) for value in state]
    if hasattr(state, "dtype"):
        array = np.asarray(state.numpy(force=True) if isinstance(state, mg.Tensor) else state)
        return array.dtype.str, array.shape, array.tobytes()
    return state


def problem(seed=0, n=50, noise=0.0):
    """Points in the plane, which of two regions they lie in, a network that learns it, and an optimizer."""
    mg.manual_seed(seed)
    x = mg.randn(n, 2)
    y = (x[:, 0] * x[:, 1] > 0).long()
    data = TensorDataset(x + noise * mg.randn(n, 2), y)
    model = nn.Sequential(nn.Linear(2, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 2))
    return data, model, nn.optim.Adam(model.parameters(), lr=0.02)


LOSS = nn.CrossEntropyLoss()


def test_fit_is_the_loop_one_would_write():
    data, model, optimizer = problem()
    scheduler = nn.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
    loader, test = DataLoader(data, 16, shuffle=True), DataLoader(data, 20)
    metrics = [Accuracy(), TopK(2), ConfusionMatrix(2)]
    history = nn.fit(model, loader, LOSS, optimizer, epochs=5, validation=test, metrics=metrics, scheduler=scheduler, progress=False)

    data, other, optimizer = problem()
    scheduler = nn.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
    loader, test = DataLoader(data, 16, shuffle=True), DataLoader(data, 20)
    for epoch in range(5):
        other.train()
        lr, total, right = optimizer.param_groups[0]["lr"], 0.0, 0
        for x, y in loader:
            out = other(x)
            loss = LOSS(out, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(y)
            right += int((out.argmax(1) == y).sum())
        logs = history[epoch]
        assert (logs["epoch"], logs["step"], logs["lr"]) == (epoch + 1, 4 * (epoch + 1), lr)
        assert logs["loss"] == pytest.approx(total / 50, rel=1e-12) and logs["accuracy"] == right / 50 and logs["top2"] == 1
        other.eval()
        with mg.no_grad():
            batches = [(other(x), y) for x, y in test]
        expected = sum(LOSS(out, y).item() * len(y) for out, y in batches) / 50
        assert logs["val_loss"] == pytest.approx(expected, rel=1e-12)
        assert logs["val_accuracy"] == sum(int((out.argmax(1) == y).sum()) for out, y in batches) / 50
        assert np.trace(logs["val_confusion"]) / 50 == logs["val_accuracy"]
        scheduler.step()
    assert bits(model.state_dict()) == bits(other.state_dict())
    assert not model.training
    assert history[-1]["loss"] < history[0]["loss"]
    assert metrics[2].accuracy() == history[-1]["val_accuracy"], "metrics hold the last validation"


@pytest.mark.parametrize("kind", [KeyboardInterrupt, ZeroDivisionError])
@pytest.mark.parametrize("when", ["after_step", "after_epoch"])
def test_a_run_that_is_interrupted_ends_in_evaluation_mode_too(when, kind):
    class Interrupt(Callback):
        pass

    def interrupt(self, run):
        assert run.model.training
        raise kind

    setattr(Interrupt, when, interrupt)
    data, model, optimizer = problem()
    with pytest.raises(kind):
        nn.fit(model, DataLoader(data, 20), LOSS, optimizer, epochs=2, callbacks=[Interrupt()], progress=False)
    assert not any(module.training for module in model.modules())


def test_a_run_that_does_not_begin_leaves_the_mode():
    data, model, optimizer = problem()
    with pytest.raises(ValueError, match="epochs"):
        nn.fit(model, DataLoader(data, 20), LOSS, optimizer, epochs=0, progress=False)
    assert model.training


@pytest.mark.parametrize("per", ["step", "epoch"])
def test_schedulers(per):
    data, model, optimizer = problem()
    scheduler = nn.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    history = nn.fit(
        model, DataLoader(data, 10), LOSS, optimizer, epochs=3, scheduler=scheduler, scheduler_per=per, progress=False, metrics=[]
    )
    steps = [5, 10, 15] if per == "step" else [0, 1, 2]
    assert [logs["lr"] for logs in history] == pytest.approx([0.02 * 0.9**k for k in steps])


def test_a_scheduler_that_follows_the_loss():
    data, model, optimizer = problem()
    scheduler = nn.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.1, patience=0, threshold=10.0, threshold_mode="abs")
    history = nn.fit(
        model, DataLoader(data, 10), LOSS, optimizer, epochs=3, scheduler=scheduler, progress=False, validation=DataLoader(data, 50)
    )
    assert [logs["lr"] for logs in history] == pytest.approx([0.02, 0.02, 0.002])
    assert scheduler.best == history[0]["val_loss"]


def test_other_batches():
    """Batches of any kind by ``forward``, and any iterable for a loader."""
    _, model, optimizer = problem()
    batches = [{"points": mg.randn(n, 2), "label": mg.zeros(n, dtype=mg.int64)} for n in (3, 5)]

    def forward(model, batch):
        return model(batch["points"]), {"y": batch["label"]}

    def loss(outputs, targets):
        return LOSS(outputs, targets["y"])

    history = nn.fit(model, batches, loss, optimizer, epochs=2, forward=forward, progress=False)
    assert history[-1]["step"] == 4
    found = nn.evaluate(model, batches, loss, forward=forward)
    each = [nn.evaluate(model, [b], loss, forward=forward)["loss"] for b in batches]
    assert found["loss"] == pytest.approx((3 * each[0] + 5 * each[1]) / 8)


def test_of_a_loss_that_is_a_sum_the_logs_have_the_mean_of_the_batches_sums():
    """Weighted by the samples, as PyTorch Lightning logs it; with accumulate the gradient too."""
    mg.manual_seed(0)
    batches = [(mg.ones(n, 2, dtype=mg.float64), mg.zeros(n, 1, dtype=mg.float64)) for n in (3, 1)]
    model, loss = nn.Linear(2, 1).double(), nn.MSELoss(reduction="sum")
    with mg.no_grad():
        sums = [loss(model(x), y).item() for x, y in batches]
    expected = pytest.approx((3 * sums[0] + 1 * sums[1]) / 4)
    assert nn.evaluate(model, batches, loss)["loss"] == expected
    before = model.bias.detach().clone()
    grad = (3 * loss(model(batches[0][0]), batches[0][1]) + loss(model(batches[1][0]), batches[1][1])) / 4
    (g,) = mg.grad(grad, model.bias)
    history = nn.fit(model, batches, loss, nn.optim.SGD(model.parameters(), lr=0.1), epochs=1, accumulate=2, progress=False)
    assert history[0]["loss"] == expected
    assert model.bias.item() == pytest.approx((before - 0.1 * g).item())


def test_evaluate_leaves_the_model_as_it_was():
    data, model, _ = problem()
    model[1].eval()
    model[3].p = 0.9
    before = bits(model.state_dict())
    first, second = (nn.evaluate(model, DataLoader(data, 20), LOSS, [Accuracy()]) for _ in range(2))
    assert first == second, "no dropout"
    assert bits(model.state_dict()) == before
    assert model.training and not model[1].training
    with pytest.raises(ZeroDivisionError):
        nn.evaluate(model, DataLoader(data, 20), lambda outputs, targets: 1 / 0)
    assert model.training and not model[1].training
    assert all(p.grad is None for p in model.parameters())


# -------------------------------------------------------------------------------------------------------- callbacks


class Watch(Callback):
    def __init__(self):
        self.events = []

    def begin(self, run):
        self.events.append("begin")

    def after_backward(self, run):
        self.before = run.model[0].weight.detach().clone()
        assert run.model[0].weight.grad is not None and run.model.training

    def after_step(self, run):
        assert not (run.model[0].weight == self.before).all()
        self.events.append(("step", run.epoch, run.step))

    def after_epoch(self, run):
        assert run.history[-1] is run.logs
        self.events.append(("epoch", run.epoch, len(run.history)))
        run.stop = run.epoch == 2

    def end(self, run):
        self.events.append("end")


def test_the_order_of_events():
    data, model, optimizer = problem()
    watch = Watch()
    assert len(nn.fit(model, DataLoader(data, 25), LOSS, optimizer, epochs=9, callbacks=[watch], progress=False)) == 2
    first = [("step", 1, 1), ("step", 1, 2), ("epoch", 1, 1)]
    assert watch.events == ["begin", *first, ("step", 2, 3), ("step", 2, 4), ("epoch", 2, 2), "end"]


class Scripted(Callback):
    """Values of our own for the logs, and weights that say which epoch it is."""

    def __init__(self, values, name="val_loss"):
        self.values, self.name = values, name

    def after_epoch(self, run):
        run.logs[self.name] = self.values[run.epoch - 1]
        with mg.no_grad():
            run.model[0].bias.fill_(float(run.epoch))


@pytest.mark.parametrize(
    ("values", "options", "epochs", "best"),
    [
        ([5, 4, 3, 3, 3, 1], {"patience": 2}, 5, 3),
        ([5, 4, 3, 3, 1, 9, 9], {"patience": 2}, 7, 5),
        ([5, 4.5, 4.2, 3.9, 3.8, 3.7], {"patience": 3, "min_delta": 1}, 6, 4),
        ([1, 2, 2, 3, 1, 1, 9], {"monitor": "val_accuracy", "patience": 3}, 7, 7),
        ([1, 2, 2, 1, 1, 9], {"monitor": "val_accuracy", "patience": 3}, 5, 2),
        ([3, math.nan, math.nan, 1], {"patience": 2}, 3, 1),
        ([math.nan, 2, 3, 3], {"patience": 2}, 4, 2),
        ([1, 2, 3], {"patience": 1, "mode": "max", "monitor": "val_loss"}, 3, 3),
    ],
)
def test_early_stopping(values, options, epochs, best):
    for restore in (True, False):
        data, model, optimizer = problem()
        stopping = EarlyStopping(**options, restore_best=restore)
        history = nn.fit(
            model,
            DataLoader(data, 50),
            LOSS,
            optimizer,
            epochs=len(values),
            callbacks=[Scripted(values, options.get("monitor", "val_loss")), stopping],
            progress=False,
        )
        assert (len(history), stopping.best_epoch, stopping.best) == (epochs, best, values[best - 1])
        assert model[0].bias.tolist() == [best if restore else epochs] * 16


def test_early_stopping_begins_anew_with_each_run():
    stopping, found = EarlyStopping(patience=1), []
    for values in ([1, 2, 3], [9, 8, 7]):
        data, model, optimizer = problem()
        nn.fit(model, DataLoader(data, 50), LOSS, optimizer, epochs=3, callbacks=[Scripted(values, "val_loss"), stopping], progress=False)
        found.append((stopping.best, stopping.best_epoch, model[0].bias[0].item()))
    assert found == [(1, 1, 1), (7, 3, 3)]


def test_early_stopping_by_what_is_no_number():
    data, model, optimizer = problem()
    with pytest.raises(TypeError, match=r"EarlyStopping: 'confusion' is \[\[.*\]\], which is no number to compare"):
        nn.fit(
            model, DataLoader(data, 50), LOSS, optimizer, epochs=1, metrics=[ConfusionMatrix(2)], callbacks=[EarlyStopping("confusion", mode="max")],
            progress=False,
        )  # fmt: skip


def test_early_stopping_without_its_value():
    data, model, optimizer = problem()
    with pytest.raises(KeyError, match="there is no 'val_top5' among the values of an epoch: epoch, step, lr, loss, seconds"):
        nn.fit(model, DataLoader(data, 50), LOSS, optimizer, epochs=1, callbacks=[EarlyStopping("val_top5")], progress=False)


def test_clipping():
    data, model, _ = problem()
    optimizer = nn.optim.SGD(model.parameters(), lr=1.0)
    seen = []

    class Norms(Callback):
        def after_backward(self, run):
            seen.append(float(nn.utils.get_total_norm([p.grad for p in run.model.parameters()])))

    clip = ClipGradNorm(0.05)
    nn.fit(model, DataLoader(data, 10), LOSS, optimizer, epochs=1, callbacks=[Norms(), clip, Norms()], progress=False)
    assert min(seen[::2]) > 0.05
    assert seen[1::2] == pytest.approx([0.05] * 5, rel=1e-4)
    assert clip.norm == pytest.approx(seen[-2], rel=1e-6)
    largest = []

    class Largest(Callback):
        def after_backward(self, run):
            largest.append(max(float(p.grad.abs().max()) for p in run.model.parameters()))

    nn.fit(model, DataLoader(data, 10), LOSS, optimizer, epochs=1, callbacks=[ClipGradValue(0.01), Largest()], progress=False)
    assert largest == pytest.approx([0.01] * 5)


def test_moving_average_is_evaluated():
    data, model, optimizer = problem()
    ema = EMA(0.8)
    expected = []

    class ByHand(Callback):
        def after_step(self, run):
            now = {k: v.numpy(force=True).astype(np.float64) for k, v in run.model.state_dict().items()}
            expected.append(now if not expected else {k: 0.8 * expected[-1][k] + 0.2 * now[k] for k in now})

    loader = DataLoader(data, 10)
    history = nn.fit(model, loader, LOSS, optimizer, epochs=4, callbacks=[ema, ByHand()], validation=loader, progress=False)
    average = ema.average.module.state_dict()
    for name, value in average.items():
        if "num_batches" not in name:
            np.testing.assert_allclose(value.numpy(force=True), expected[-1][name], rtol=1e-4, atol=1e-6)
    assert history[-1]["val_loss"] == nn.evaluate(ema.average, loader, LOSS)["loss"] != nn.evaluate(model, loader, LOSS)["loss"]


def test_early_stopping_restores_the_average():
    data, model, optimizer = problem()
    ema, stopping = EMA(0.5), EarlyStopping(patience=50)
    loader = DataLoader(data, 10)
    history = nn.fit(model, loader, LOSS, optimizer, epochs=30, callbacks=[ema, stopping], validation=loader, progress=False)
    best = min(logs["val_loss"] for logs in history)
    assert stopping.best == best == nn.evaluate(ema.average, loader, LOSS)["loss"]


# ------------------------------------------------------------------------------------------------------------- logs


def test_logs_are_written(tmp_path):
    data, model, optimizer = problem()
    history = nn.fit(
        model,
        DataLoader(data, 25),
        LOSS,
        optimizer,
        epochs=3,
        metrics=[Accuracy(), ConfusionMatrix(2)],
        callbacks=[Log(tmp_path / "log.csv"), Log(str(tmp_path / "log.jsonl"))],
        progress=False,
    )
    assert [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()] == history
    with open(tmp_path / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", "step", "lr", "loss", "accuracy", "seconds"]
    assert [float(row["loss"]) for row in rows] == [logs["loss"] for logs in history]
    assert {path.name for path in tmp_path.iterdir()} == {"log.csv", "log.jsonl"}
    with pytest.raises(ValueError, match=r"ends in \.csv or \.jsonl, not 'log\.txt'"):
        Log("log.txt")


def test_logs_of_numbers_that_are_not_finite_and_of_columns_that_come_later(tmp_path):
    for suffix in ("csv", "jsonl"):
        log = Log(tmp_path / f"log.{suffix}")
        run = nn.training.Run(nn.Identity(), None, None, 2)
        run.history = [{"epoch": 1, "loss": math.nan}, {"epoch": 2, "loss": 0.5, "note": 'a "b", c', "list": [math.inf, 1]}]
        log.after_epoch(run)
        log.after_epoch(run)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert lines == [{"epoch": 1, "loss": None}, {"epoch": 2, "loss": 0.5, "note": 'a "b", c', "list": [None, 1]}]
    with open(tmp_path / "log.csv", newline="") as file:
        assert list(csv.DictReader(file))[1] == {"epoch": "2", "loss": "0.5", "note": 'a "b", c'}


class Note(Callback):
    def __init__(self, value):
        self.value = value

    def after_epoch(self, run):
        run.logs["note"] = self.value


@pytest.mark.parametrize("value", [np.float32(1.5), mg.tensor(1.5), np.array(1.5)])
def test_what_a_callback_adds_is_logged_as_a_number(value, tmp_path):
    data, model, optimizer = problem()
    callbacks = [Note(value), Log(tmp_path / "run.csv"), Log(tmp_path / "run.jsonl")]
    history = nn.fit(model, DataLoader(data, 50), LOSS, optimizer, epochs=1, callbacks=callbacks, progress=False)
    assert type(history[0]["note"]) is float
    assert next(csv.DictReader(io.StringIO((tmp_path / "run.csv").read_text())))["note"] == "1.5"
    assert json.loads((tmp_path / "run.jsonl").read_text())["note"] == 1.5


def test_what_json_cannot_hold(tmp_path):
    data, model, optimizer = problem()
    with pytest.raises(TypeError, match="Log: a value of an epoch is a object, which JSON cannot hold"):
        nn.fit(
            model, DataLoader(data, 50), LOSS, optimizer, epochs=1, callbacks=[Note(object()), Log(tmp_path / "run.jsonl")], progress=False
        )


def test_a_log_that_cannot_be_written_keeps_the_one_before(tmp_path, monkeypatch):
    log = Log(tmp_path / "log.csv")
    run = nn.training.Run(nn.Identity(), None, None, 2)
    run.history = [{"epoch": 1}]
    log.after_epoch(run)

    def full(descriptor):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    run.history.append({"epoch": 2})
    with pytest.raises(OSError, match="no space"):
        log.after_epoch(run)
    assert (tmp_path / "log.csv").read_text() == "epoch\n1\n"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("with_tqdm", [True, False])
def test_progress_is_a_line_for_each_epoch(with_tqdm, capsys, monkeypatch):
    if with_tqdm:
        pytest.importorskip("tqdm")
    else:
        monkeypatch.setitem(sys.modules, "tqdm", None)
    data, model, optimizer = problem()
    loader = DataLoader(data, 25)
    history = nn.fit(model, loader, LOSS, optimizer, epochs=10, metrics=[Accuracy(), ConfusionMatrix(2)], validation=loader)
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert len(lines) == 10
    logs = history[0]
    values = "  ".join(f"{name} {logs[name]:.4f}" for name in ("loss", "accuracy", "val_loss", "val_accuracy"))
    assert lines[0].startswith(f"epoch  1/10  {values}  ")
    assert err == "", "no bar where there is no terminal"
    nn.fit(model, loader, LOSS, optimizer, epochs=1, progress=False)
    assert capsys.readouterr() == ("", "")


def test_a_bar_changes_nothing(monkeypatch):
    """A loader that shuffles draws numbers whenever it is iterated: with a bar that is once an epoch as well, shown or not."""
    pytest.importorskip("tqdm")
    finals = []
    for progress, terminal in ((False, False), (True, False), (True, True)):
        monkeypatch.setattr(sys.stderr, "isatty", lambda terminal=terminal: terminal, raising=False)
        data, model, optimizer = problem()
        nn.fit(model, DataLoader(data, 16, shuffle=True), LOSS, optimizer, epochs=2, progress=progress)
        finals.append(bits([model.state_dict(), mg.get_rng_state()]))
    assert finals[0] == finals[1] == finals[2]


def test_a_bar_on_a_terminal(monkeypatch):
    pytest.importorskip("tqdm")
    data, model, optimizer = problem()

    class Terminal:
        written = ""

        def write(self, text):
            Terminal.written += text

        def flush(self):
            pass

        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    nn.fit(model, DataLoader(data, 5), LOSS, optimizer, epochs=2)
    assert "epoch 2/2" in Terminal.written and "/10" in Terminal.written


def test_a_bar_in_a_notebook(monkeypatch):
    """What a notebook prints to is a class of ipykernel's, and no terminal."""
    pytest.importorskip("tqdm")
    data, model, optimizer = problem()

    class OutStream(io.StringIO):
        __module__ = "ipykernel.iostream"

    stream = OutStream()
    monkeypatch.setattr(sys, "stderr", stream)
    nn.fit(model, DataLoader(data, 5), LOSS, optimizer, epochs=2)
    assert "epoch 2/2" in stream.getvalue() and "/10" in stream.getvalue()


# ---------------------------------------------------------------------------------------------------------- failures


def test_a_loss_that_is_not_finite():
    data, model, optimizer = problem()
    x, y = data.tensors
    x[33] = math.inf
    before = None

    def loss(outputs, targets):
        nonlocal before
        before = bits(model.state_dict()["0.weight"])
        return LOSS(outputs, targets)

    message = r"loss is nan at step 4 \(epoch 1\); all parameters are finite, the largest \d\.\d+ in \d\.\w+; .*look at this batch"
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match=message):
        nn.fit(model, DataLoader(TensorDataset(x, y), 10), loss, optimizer, epochs=2, progress=False)
    assert bits(model.state_dict()["0.weight"]) == before, "the step was not taken"


def test_parameters_that_are_not_finite_are_named():
    class Spoil(Callback):
        def after_step(self, run):
            with mg.no_grad():
                run.model[4].weight[0, 3] = math.nan

    data, model, optimizer = problem()
    message = r"loss is nan at step 2 \(epoch 1\); not finite any more are the parameters 4\.weight: a smaller learning rate"
    with pytest.raises(FloatingPointError, match=message):
        nn.fit(model, DataLoader(data, 10), LOSS, optimizer, epochs=3, callbacks=[Spoil()], progress=False)


def test_parameters_that_grew_are_named():
    data, model, _ = problem()
    optimizer = nn.optim.SGD(model.parameters(), lr=1e38)
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match=r"are finite, the largest \d\S*e\+3[678] in \d\.\w+"):
        nn.fit(model, DataLoader(data, 10), LOSS, optimizer, epochs=3, progress=False)


def test_a_last_step_that_destroys_the_weights(tmp_path):
    """Its loss is finite, and there is no next one that would tell."""
    data, model, optimizer = problem()
    message = r"after step 1 \(epoch 1\) the parameters 0\.weight, .* are not finite, although the loss was \(1\)"
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match=message):
        nn.fit(
            model, DataLoader(data, 50), lambda o, t: (o - o.detach()).abs().sqrt().sum() + 1, optimizer, epochs=1, progress=False,
            checkpoint=tmp_path / "run.mg",
        )  # fmt: skip
    assert not list(tmp_path.iterdir())


def test_a_layer_that_was_replaced_after_the_optimizer_was_made():
    data, model, optimizer = problem()
    model[4] = nn.Linear(16, 2)
    with pytest.raises(
        ValueError, match=r"the Adam holds parameters that are not in the model .* does not hold 4\.weight, 4\.bias, which do"
    ):
        nn.fit(model, DataLoader(data, 10), LOSS, optimizer, epochs=1, progress=False)
    # a part of the model, with a second model that forward calls
    data, model, _ = problem()
    scale = nn.Linear(2, 2)
    optimizer = nn.optim.SGD([*model[4].parameters(), *scale.parameters()], lr=0.1)
    before = bits(scale.state_dict())
    nn.fit(model, DataLoader(data, 10), LOSS, optimizer, epochs=1, progress=False, forward=lambda m, b: (m(scale(b[0])), b[1]))
    assert bits(scale.state_dict()) != before


def test_the_mean_is_over_samples_wherever_they_are():
    data, model, _ = problem()
    x, y = data.tensors

    def run(batches, forward=nn.training.call_on_pair, loss=LOSS):
        found = nn.fit(
            model.eval(), batches, loss, nn.optim.SGD(model[4].parameters(), lr=1e-30), epochs=1, forward=forward, progress=False
        )
        return found[0]["loss"], nn.evaluate(model, batches, loss, forward=forward)["loss"]

    model[1], model[3] = nn.Identity(), nn.Identity()
    parts = [(x[:40], y[:40]), (x[40:], y[40:])]
    wanted = run([(x, y)])
    assert run(parts) == pytest.approx(wanted)
    assert run(parts, lambda m, b: (LOSS(m(b[0]), b[1]), None), lambda o, _: o) == pytest.approx(wanted)
    boxes = [(bx, [{"boxes": mg.zeros(i % 3, 4), "label": label} for i, label in enumerate(by)]) for bx, by in parts]
    assert run(boxes, loss=lambda o, t: LOSS(o, mg.stack([each["label"] for each in t]))) == pytest.approx(wanted)


def test_a_loss_that_is_no_number():
    data, model, optimizer = problem()
    with pytest.raises(mg.ShapeError, match=r"the mean over a batch, but its shape is \(10,\)"):
        nn.fit(model, DataLoader(data, 10), nn.CrossEntropyLoss(reduction="none"), optimizer, epochs=1, progress=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scheduler_per": "batch"}, "scheduler_per"),
        ({"checkpoint_every": 3}, "goes with checkpoint=PATH"),
        ({"checkpoint_every": 0, "checkpoint": "x"}, "checkpoint_every must be 1 or above"),
        ({"metrics": [Accuracy(), Accuracy()]}, "called loss, accuracy, accuracy"),
        ({"metrics": [Accuracy("loss")]}, "names of their own"),
    ],
)
def test_fit_refuses(options, message):
    data, model, optimizer = problem()
    with pytest.raises(ValueError, match=message):
        nn.fit(model, DataLoader(data, 10), LOSS, optimizer, epochs=1, **options)
    for wrong in ({"mode": "up"}, {"patience": 0}, {"min_delta": -1}):
        with pytest.raises(ValueError, match="EarlyStopping"):
            EarlyStopping(**wrong)


def test_early_stopping_guesses_no_direction():
    for name in ("val_mse", "perplexity", "stop"):
        with pytest.raises(ValueError, match=f"EarlyStopping: is less or more of '{name}' better"):
            EarlyStopping(name)
    assert [EarlyStopping(name).mode for name in (None, "loss", "val_mAP", "top5", "val_top10")] == ["min", "min", "max", "max", "max"]


def pairs(n=3, size=4):
    return [(mg.randn(size, 2), mg.tensor([0, 1] * (size // 2))) for _ in range(n)]


def metric(value):
    class Odd(nn.metrics.Mean):
        def update(self, outputs, targets):
            pass

        def compute(self):
            return value

    return Odd("odd")


class Misspelt(Callback):
    def on_epoch_end(self, run):
        raise AssertionError


OTHER = nn.Linear(2, 2)
BAD_CALLS = {
    # what is given instead: (argument, its value, kind of error, what the message says)
    "no model": ("model", lambda x: x, TypeError, "fit: the model is a Module, not function"),
    "a class of models": ("model", nn.Identity, TypeError, r"not the class Identity; make one: Identity\(\.\.\.\)"),
    "no epochs": ("epochs", 0, ValueError, "fit: epochs must be 1 or above, but is 0"),
    "negative epochs": ("epochs", -1, ValueError, "1 or above, but is -1"),
    "half an epoch": ("epochs", 2.5, TypeError, "fit: epochs must be a whole number, not 2.5"),
    "epochs as text": ("epochs", "3", TypeError, "epochs must be a whole number, not '3'"),
    "epochs as a bool": ("epochs", True, TypeError, "whole number, not True"),
    "an empty list": ("loader", [], ValueError, "fit: loader gave no batch: the list is empty"),
    "a number for a loader": ("loader", 3, TypeError, "fit: loader is an iterable of batches, not int; DataLoader"),
    "text for a loader": ("loader", "data", TypeError, "iterable of batches, not str"),
    "a dict for a loader": ("loader", {"x": 1}, TypeError, "iterable of batches, not dict"),
    "a dataset": ("loader", TensorDataset(mg.randn(4, 2), mg.zeros(4).long()), TypeError, "not TensorDataset; DataLoader.* makes batches"),
    "a tensor": ("loader", mg.randn(4, 2), TypeError, "iterable of batches, not Tensor"),
    "x and y": ("loader", (mg.randn(4, 2), mg.zeros(4).long()), TypeError, r"not one pair of arrays; .*TensorDataset\(x, y\)"),
    "a used-up generator": ("loader", iter(()), ValueError, "fit: loader is a tuple_iterator, which is used up after one epoch"),
    "a generator": ("loader", (b for b in pairs()), ValueError, "fit: loader is a generator, which is used up after one epoch"),
    "no validation batches": ("validation", [], ValueError, "fit: validation gave no batch: the list is empty"),
    "a generator to validate": ("validation", (b for b in pairs()), ValueError, "fit: validation is a generator, which is used up"),
    "a class of losses": ("loss", nn.CrossEntropyLoss, TypeError, "fit: loss is a function of .*not the class CrossEntropyLoss; make one"),
    "a name for a loss": ("loss", "crossentropy", TypeError, "loss is a function of .*CrossEntropyLoss.*not 'crossentropy'"),
    "a loss that is a float": ("loss", lambda o, t: 1.0, TypeError, "fit: the loss function returned float; it returns a Tensor"),
    "a loss without return": ("loss", lambda o, t: None, TypeError, "the loss function returned NoneType"),
    "losses": ("loss", nn.CrossEntropyLoss(reduction="none"), mg.ShapeError, r"fit: the loss is one number.*its shape is \(4,\)"),
    "a loss made anew": (
        "loss", lambda o, t: mg.tensor(o.mean().item(), requires_grad=True), ValueError, "fit: the loss depends on no parameter that requires a gradient"
    ),
    "a detached loss": ("loss", lambda o, t: o.detach().mean(), ValueError, "fit: the loss depends on no parameter that requires a gradient"),
    "another model's optimizer": ("optimizer", nn.optim.SGD(OTHER.parameters(), lr=1), ValueError, "SGD holds none of the 2 parameters"),
    "a class of optimizers": ("optimizer", nn.optim.Adam, TypeError, "fit: optimizer is an optimizer, .* not the class Adam; make one"),
    "a name for an optimizer": ("optimizer", "adam", TypeError, "fit: optimizer is an optimizer, .* not str"),
    "a metric's class": ("metrics", [Accuracy], TypeError, "fit: a metric is a Metric, .* not the class Accuracy; make one"),
    "a function as a metric": ("metrics", [lambda o, t: 1], TypeError, "a metric is a Metric, .* not function"),
    "an unknown metric": ("metrics", ["acc"], ValueError, 'metrics: there is none called \'acc\'; names are "accuracy" and "top5"'),
    "metrics in a number": ("metrics", 3, TypeError, "fit: metrics is a list of Metrics or names, not int"),
    "a metric of text": ("metrics", [metric("good")], TypeError, "metrics: 'odd' computed 'good'; it computes a number"),
    "a metric of nothing": ("metrics", [metric(None)], TypeError, "metrics: 'odd' computed None"),
    "a function as a callback": ("callbacks", [lambda run: 1], TypeError, "fit: a callback is an object .*Callback, not function"),
    "a callback's class": ("callbacks", [EMA], TypeError, "not the class EMA; make one"),
    "callbacks in a function": ("callbacks", print, TypeError, "fit: callbacks is a list of Callbacks, not builtin_function"),
    "a misspelt callback": ("callbacks", [Misspelt()], ValueError, "Misspelt would never be called: it has none of begin, after_backward"),
    "a number to go forward": ("forward", 3, TypeError, "fit: forward is a function of .* not int"),
    "forward without targets": ("forward", lambda m, b: m(b[0]), TypeError, r"forward: it returns a pair \(outputs, targets\), not Tensor"),
    "a scheduler's class": ("scheduler", nn.optim.lr_scheduler.StepLR, TypeError, "fit: scheduler is a scheduler .* not the class StepLR"),
    "another's scheduler": (
        "scheduler", nn.optim.lr_scheduler.StepLR(nn.optim.SGD(OTHER.parameters(), lr=1), 1), ValueError, "scheduler is that of another opt",
    ),
    "a log in a folder that is not there": ("callbacks", [Log("nowhere/run.csv")], FileNotFoundError, "Log: 'nowhere/run.csv': there is no folder"),
    "a scheduler that waits for a rise": (
        "scheduler", lambda o: nn.optim.lr_scheduler.ReduceLROnPlateau(o, mode="max"), ValueError, r"ReduceLROnPlateau\(mode='max'\) waits for a value to rise",
    ),
    "a cycle of the optimizer's steps": (
        "scheduler", lambda o: nn.optim.lr_scheduler.OneCycleLR(o, 0.1, total_steps=6), ValueError, "OneCycleLR has total_steps=6.*say scheduler_per='step'",
    ),
    "a folder": ("checkpoint", ".", IsADirectoryError, "fit: checkpoint='.' is a folder"),
    "a folder that is not there": ("checkpoint", "nowhere/run.mg", FileNotFoundError, "there is no folder 'nowhere'"),
    "a tensor as a batch": ("loader", [mg.randn(2, 2)], TypeError, r"gave a Tensor of shape \(2, 2\); .*\(model\(batch\), batch\)"),
    "a triple": ("loader", [(1, 2, 3)], TypeError, r"gave a tuple of 3; .*\(model\(batch\[0\], batch\[1\]\), batch\[2\]\)"),
    "a dict of one": ("loader", [{"x": 1}], TypeError, r"a dict with the key 'x'; .*\(model\(batch\['x'\]\), batch\['x'\]\)"),
    "a single": ("loader", [[mg.randn(2, 2)]], TypeError, r"a pair \(inputs, targets\), but the loader gave a list of 1"),
    "a dict": ("loader", [{"x": 1, "y": 2}], TypeError, r"a dict with the keys 'x', 'y'; .*\(model\(batch\['x'\]\), batch\['y'\]\)"),
    "a batch of nothing": ("loader", [(mg.zeros(0, 2), mg.zeros(0).long())], ValueError, r"fit: the batch of step 1 \(epoch 1\) has no samples"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_CALLS)
def test_what_fit_cannot_use_is_told_in_one_line(case, tmp_path, monkeypatch):
    """And before the first step: the model is as it was."""
    monkeypatch.chdir(tmp_path)
    name, value, error, message = BAD_CALLS[case]
    model = nn.Linear(2, 2)
    given = {
        "model": model,
        "loader": pairs(),
        "loss": LOSS,
        "optimizer": nn.optim.Adam(model.parameters()),
        "epochs": 2,
        "progress": False,
    }
    if name == "scheduler" and not isinstance(value, type) and not hasattr(value, "step"):
        value = value(given["optimizer"])
    before = bits(model.state_dict())
    with pytest.raises(error, match=message) as caught:
        nn.fit(**given | {name: value})
    assert "\n" not in str(caught.value)
    assert name == "metrics" or bits(model.state_dict()) == before


@pytest.mark.parametrize("name", ["loader", "loss", "metrics", "forward", "model"])
def test_evaluate_refuses_the_same(name):
    cases = [case for case in BAD_CALLS.values() if case[0] == name]
    for _, value, _, message in cases:
        if name == "model" or "depends on no" in message or "used up" in message or "no samples" in message:
            continue
        with pytest.raises((TypeError, ValueError, mg.ShapeError), match=message.replace("fit:", "evaluate:")):
            nn.evaluate(**{"model": nn.Linear(2, 2), "loader": pairs(), "loss": LOSS} | {name: value})
    with pytest.raises(ValueError, match="evaluate: loader gave no batch: the generator is used up"):
        nn.evaluate(nn.Identity(), (batch for batch in ()))
    with pytest.raises(TypeError, match="evaluate: the model is a Module, not str"):
        nn.evaluate("model", pairs())


def test_a_loader_that_is_used_up_is_noticed_where_its_kind_does_not_tell():
    class Once:
        def __init__(self):
            self.batches = iter(pairs())

        def __iter__(self):
            return self.batches

    model = nn.Linear(2, 2)
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match="fit: loader gave no batch in epoch 2: the Once is used up; give a DataLoader or a list"):
        nn.fit(model, Once(), LOSS, optimizer, epochs=2, progress=False)
    with pytest.raises(ValueError, match="fit: validation gave no batch in epoch 2: the Once is used up"):
        nn.fit(model, pairs(), LOSS, optimizer, epochs=2, validation=Once(), progress=False)
    with pytest.raises(ValueError, match=r"the DataLoader is empty \(drop_last drops the only batch\)"):
        nn.fit(model, DataLoader(TensorDataset(mg.randn(3, 2)), 4, drop_last=True), LOSS, optimizer, epochs=1)
    once = (batch for batch in pairs())
    assert nn.fit(model, once, LOSS, optimizer, epochs=1, progress=False)[0]["step"] == 3, "one epoch uses a generator once"


def test_a_model_whose_parameters_are_frozen():
    model = nn.Linear(2, 2).requires_grad_(False)
    with pytest.raises(ValueError, match=r"none of the model's parameters that the optimizer holds requires a gradient"):
        nn.fit(model, pairs(), LOSS, nn.optim.SGD(model.parameters(), lr=1), epochs=1)


def test_metrics_by_name():
    model = nn.Linear(2, 2)
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
    for metrics in (["accuracy", "top2"], "accuracy", Accuracy()):
        logs = nn.fit(model, pairs(), LOSS, optimizer, epochs=1, metrics=metrics, validation=pairs(), progress=False)[0]
        assert 0 <= logs["accuracy"] <= 1 and 0 <= logs["val_accuracy"] <= 1 and logs.get("top2", 1.0) == 1
    assert nn.evaluate(model, pairs(), metrics="top2") == {"top2": 1.0}


def resume(folder, optimizer="Adam", lr=0.02, scheduler=None, epochs=1, **options):
    data, model, _ = problem()
    optimizer = getattr(nn.optim, optimizer)(model.parameters(), lr=lr)
    schedules = nn.optim.lr_scheduler
    if scheduler is not None:
        scheduler = getattr(schedules, scheduler[0])(optimizer, *scheduler[1:])
    nn.fit(model, DataLoader(data, 25), LOSS, optimizer, epochs=epochs, scheduler=scheduler, checkpoint=folder / "c.mg", **options)
    return optimizer


@pytest.mark.parametrize(
    ("first", "then", "message"),
    [
        (
            {},
            {"optimizer": "SGD"},
            "a run with the optimizer Adam, and this run has SGD; to go on with its weights alone: model.load_state_",
        ),
        ({}, {"lr": 0.01}, "a run whose Adam has lr=0.02, and this run's has 0.01"),
        ({"scheduler": ("StepLR", 1)}, {"scheduler": ("ExponentialLR", 0.5)}, "the scheduler StepLR, and this run has ExponentialLR"),
        ({"scheduler": ("StepLR", 1)}, {"scheduler": ("StepLR", 2)}, "a run whose StepLR has step_size=1, and this run's has 2"),
        ({"scheduler": ("StepLR", 1)}, {}, "the scheduler StepLR, and this run has None"),
        ({"scheduler": ("StepLR", 1)}, {"scheduler": ("StepLR", 1), "lr": 0.1}, "Adam has lr=0.02, and this run's has 0.1"),
    ],
)
def test_a_resumed_run_with_other_options_says_what_differs(first, then, message, tmp_path):
    resume(tmp_path, progress=False, **first)
    for epochs in (1, 2):
        with pytest.raises(ValueError, match=message):
            resume(tmp_path, progress=False, epochs=epochs, **then)
    assert resume(tmp_path, progress=False, epochs=2, **first)._step_count, "the same options go on"


def test_a_run_that_goes_on_with_the_objects_it_has(tmp_path):
    """Whose learning rate the schedule has changed since."""
    data, model, optimizer = problem()
    scheduler = nn.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    for epochs in (1, 2, 3):
        history = nn.fit(
            model, DataLoader(data, 25), LOSS, optimizer, epochs=epochs, scheduler=scheduler, checkpoint=tmp_path / "c.mg", progress=False
        )
    assert [logs["lr"] for logs in history] == [0.02, 0.01, 0.005]


def test_a_resumed_run_says_so(tmp_path, capsys):
    resume(tmp_path)
    assert "goes on" not in capsys.readouterr().out
    resume(tmp_path)
    path = tmp_path / "c.mg"
    assert capsys.readouterr().out == (
        f"fit: {path} holds a run that has ended, after epoch 1; nothing is trained; "
        "ask for more epochs, or give another checkpoint to begin anew\n"
    )
    resume(tmp_path, epochs=2)
    assert capsys.readouterr().out.splitlines()[0] == f"fit: goes on from {path}, at the start of epoch 2 of 2, after step 2"
    resume(tmp_path, epochs=3, progress=False)
    assert capsys.readouterr().out == ""
    stopping = EarlyStopping("loss", patience=1, min_delta=10.0)
    path.unlink()
    for _ in range(2):
        resume(tmp_path, epochs=9, callbacks=[stopping])
    stopped = f"fit: {path} holds a run that was stopped after epoch 2; nothing is trained; give another checkpoint to begin anew\n"
    assert capsys.readouterr().out.endswith(stopped)


def test_checkpoints_within_an_epoch_need_a_loader_with_a_state(tmp_path):
    _, model, optimizer = problem()
    with pytest.raises(ValueError, match="the loader needs state_dict"):
        nn.fit(model, [(mg.randn(2, 2), mg.tensor([0, 1]))], LOSS, optimizer, epochs=1, checkpoint=tmp_path / "c", checkpoint_every=1)


# ---------------------------------------------------------------------------------------------------------- resuming


class Dies(Exception):
    pass


class DieAt(Callback):
    """Ends a run in the middle, as a failure would."""

    def __init__(self, step):
        self.step = step

    def after_backward(self, run):
        if run.step == self.step:
            raise Dies


def train(folder, die_at=None, epochs=4, every=3, num_workers=0, stop_after=50):
    """A run with everything that has a state. Starts in a process whose random numbers are somewhere else each time."""
    data, model, optimizer = problem()
    loader = DataLoader(data, 8, shuffle=True, num_workers=num_workers)
    scheduler = nn.optim.lr_scheduler.OneCycleLR(optimizer, 0.05, total_steps=1000)
    ema, stopping = EMA(0.9), EarlyStopping(patience=stop_after)
    if die_at is None or die_at > 0:
        mg.manual_seed(1)
    history = nn.fit(
        model,
        loader,
        LOSS,
        optimizer,
        epochs=epochs,
        validation=DataLoader(data, 20),
        metrics=[Accuracy(), ConfusionMatrix(2)],
        scheduler=scheduler,
        scheduler_per="step",
        callbacks=[ClipGradNorm(1.0), ema, stopping, Log(folder / "log.jsonl"), DieAt(die_at)],
        checkpoint=folder / "run.mg",
        checkpoint_every=every,
        progress=False,
    )
    return bits([history, model.state_dict(), ema.average.state_dict(), optimizer.state_dict(), scheduler.state_dict(), mg.get_rng_state()])


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_run_resumes_bit_for_bit(num_workers, tmp_path):
    (tmp_path / "whole").mkdir()
    expected = train(tmp_path / "whole")
    deaths = (0, 1, 3, 6, 7, 8, 13, 14, 20, 27) if num_workers == 0 else (5, 14)
    for die_at in deaths:  # 7 steps make an epoch
        folder = tmp_path / str(die_at)
        folder.mkdir()
        with pytest.raises(Dies):
            train(folder, die_at, num_workers=num_workers)
        mg.manual_seed(12345)
        if (folder / "run.mg").exists():
            mg.randn(die_at)
        assert train(folder, num_workers=num_workers) == expected
        assert bits(nn.load(folder / "run.mg")) == bits(nn.load(tmp_path / "whole" / "run.mg"))
        lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        assert bits(lines) == expected[0], "no epoch is missing or written twice"


def test_a_run_that_dies_again_and_again(tmp_path):
    (tmp_path / "whole").mkdir(), (tmp_path / "killed").mkdir()
    expected = train(tmp_path / "whole", every=1)
    for die_at in itertools.count(1):
        try:
            result = train(tmp_path / "killed", die_at, every=1)
        except Dies:
            continue
        assert result == expected
        break
    assert die_at == 28


def test_a_run_that_has_ended_is_not_run_again(tmp_path):
    expected = train(tmp_path)
    before = (tmp_path / "run.mg").stat().st_mtime_ns
    assert train(tmp_path) == expected
    assert (tmp_path / "run.mg").stat().st_mtime_ns == before
    longer = train(tmp_path, epochs=6)
    assert len(longer[0]) == 6 and longer[0][:4] == expected[0]
    other = tmp_path / "other"
    other.mkdir()
    assert train(other, epochs=6)[0] == longer[0], "more epochs later are the same as more epochs at once"


def test_early_stopping_survives(tmp_path):
    """A run that stopped early stays stopped, with its best weights."""
    expected = train(tmp_path, epochs=60, stop_after=3)
    assert len(expected[0]) < 60
    assert train(tmp_path, epochs=60, stop_after=3) == expected


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    data, model, optimizer = problem()

    def fit(**options):
        nn.fit(model, DataLoader(data, 25), LOSS, optimizer, epochs=1, checkpoint=tmp_path / "c", progress=False, **options)

    fit()
    with pytest.raises(ValueError, match=r"a run with the metrics \['loss'\], and this run has \['loss', 'accuracy'\]"):
        fit(metrics=[Accuracy()])
    with pytest.raises(ValueError, match=r"the callbacks \[\], and this run has \['EMA'\]"):
        fit(callbacks=[EMA()])
    with pytest.raises(ValueError, match="a run with the scheduler None, and this run has ConstantLR"):
        fit(scheduler=nn.optim.lr_scheduler.ConstantLR(optimizer))
    nn.save({"model": 1}, tmp_path / "c")
    with pytest.raises(ValueError, match="was not written by fit"):
        fit()


SCRIPT = """
import sys
from pathlib import Path
from test_training import train
print("ready", flush=True)
train(Path(sys.argv[1]), epochs=30, every=2)
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_killed_run_resumes_bit_for_bit(tmp_path):
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    paths = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[2])])

    def start(name):
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(tmp_path / name)], stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": paths}
        )
        assert process.stdout.readline() == "ready\n"
        return process

    begun = time.perf_counter()
    process = start("whole")
    ready = time.perf_counter()
    process.communicate()
    seconds = time.perf_counter() - ready
    assert process.returncode == 0 and begun < ready
    rng = np.random.default_rng(0)
    kills = 0
    for _ in range(30):
        process = start("killed")
        try:
            process.wait(timeout=float(rng.uniform(0, 0.4 * seconds)))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.communicate()
        if process.returncode == 0:
            break
    else:
        pytest.fail("the run never came to its end")
    assert kills >= 2
    whole, killed = (nn.load(tmp_path / name / "run.mg") for name in ("whole", "killed"))
    assert bits(killed) == bits(whole)
    assert_array_equal(killed["model"]["0.weight"].numpy(), whole["model"]["0.weight"].numpy())
