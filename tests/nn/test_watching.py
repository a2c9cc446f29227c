"""A run that is watched: event files are read back, by TensorBoard's own reader where it is installed; and fit's steps of several batches."""

import builtins
import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, plots
from minigrad.files.events import EventError, read_events, read_scalars
from minigrad.nn.data import DataLoader, TensorDataset
from minigrad.nn.tensorboard import SummaryWriter
from minigrad.nn.training import ClipGradNorm, TensorBoard, find_learning_rate

pytest.importorskip("tensorboardX")
LOSS = nn.CrossEntropyLoss()


def problem(n=20, batch=4):
    mg.manual_seed(0)
    x = mg.randn(n, 3).double()
    y = (x[:, 0] > 0).long()
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2)).double()
    return model, DataLoader(TensorDataset(x, y), batch), nn.optim.SGD(model.parameters(), lr=0.1)


def accumulator(folder):
    """TensorBoard's own reader."""
    module = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    kinds = ("scalars", "histograms", "images", "tensors", "graph")
    return module.EventAccumulator(str(folder), size_guidance=dict.fromkeys(kinds, 0)).Reload()


# --------------------------------------------------------------------------------------------------------- the writer


def test_what_is_written_is_read_back(tmp_path):
    image = mg.rand(3, 6, 5)
    with SummaryWriter(tmp_path) as writer:
        for step in range(4):
            writer.add_scalar("loss/train", mg.tensor(2.0, requires_grad=True) / (step + 1), step, walltime=100.0 + step)
        writer.add_scalars("both", {"a": mg.tensor(1.5), "b": 2}, 3)
        writer.add_histogram("weights", mg.arange(10.0), 1)
        writer.add_image("image", image, 1)
        writer.add_images("images", mg.rand(4, 1, 6, 6))
        writer.add_text("text", "some *words*")
        writer.add_pr_curve("curve", mg.tensor([0, 1, 1]), mg.tensor([0.1, 0.7, 0.4]))
        writer.add_mesh("mesh", mg.rand(1, 4, 3))
        writer.add_hparams({"lr": mg.tensor(0.25)}, {"accuracy": mg.tensor(0.5)}, run_name="run")
        writer.add_figure("figure", plots.lines([1, 2], {"y": [1, 2]}))
    found = read_scalars(tmp_path)
    assert found["loss/train"] == [(0, 2.0), (1, 1.0), (2, float(np.float32(2 / 3))), (3, 0.5)]
    assert found["both/a/both"] == [(3, 1.5)] and found["run/accuracy"] == [(0, 0.5)]
    file = min(tmp_path.glob("events*"), key=lambda path: path.stat().st_mtime)
    assert [s.wall_time for s in read_events(file) if s.tag == "loss/train"] == [100.0, 101.0, 102.0, 103.0]

    theirs = accumulator(tmp_path)
    assert [(e.step, e.value) for e in theirs.Scalars("loss/train")] == found["loss/train"]
    histogram = theirs.Histograms("weights")[0].histogram_value
    assert (histogram.num, histogram.min, histogram.max, histogram.sum) == (10, 0.0, 9.0, 45.0)
    picture = theirs.Images("image")[0]
    assert (picture.width, picture.height) == (5, 6) and picture.encoded_image_string[:4] == b"\x89PNG"
    assert {"images", "figure"} <= set(theirs.Tags()["images"]) and "text/text_summary" in theirs.Tags()["tensors"]


def test_the_graph_of_a_model(tmp_path):
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(32, 3))
    before = {name: value.tolist() for name, value in model.state_dict().items()}
    with SummaryWriter(tmp_path) as writer:
        writer.add_graph(model, mg.ones(2, 1, 6, 6))
        for arguments in [(model,), (lambda x: x, mg.ones(1))]:
            with pytest.raises(TypeError, match="add_graph: a Module and its input"):
                writer.add_graph(*arguments)
    assert {name: value.tolist() for name, value in model.state_dict().items()} == before and model.training
    nodes = {node.name: node for node in accumulator(tmp_path).Graph().node}
    conv = nodes["Sequential[Sequential]/0[Conv2d]/conv2d"]
    assert list(conv.input) == ["input", "Sequential[Sequential]/0[Conv2d]/0.weight", "Sequential[Sequential]/0[Conv2d]/0.bias"]
    assert [d.size for d in conv.attr["_output_shapes"].list.shape[0].dim] == [2, 2, 4, 4]
    assert all(source.partition(":")[0] in nodes for node in nodes.values() for source in node.input)


def test_embeddings(tmp_path):
    points = mg.arange(6.0).reshape(3, 2)
    with SummaryWriter(tmp_path) as writer:
        writer.add_embedding(points, metadata=["a", "b", mg.tensor(3)], label_img=mg.rand(3, 1, 4, 4), global_step=2, tag="words")
        with pytest.raises(ValueError, match=r"add_embedding: mat must be \(N, D\).*2 labels"):
            writer.add_embedding(points, metadata=["a", "b"])
    folder = next(tmp_path.glob("00002/*"))
    assert np.loadtxt(folder / "tensors.tsv").tolist() == points.tolist()
    assert (folder / "metadata.tsv").read_text().split() == ["a", "b", "3"] and (folder / "sprite.png").exists()
    assert "single_image_dim: 4" in (tmp_path / "projector_config.pbtxt").read_text()


def test_what_the_writer_refuses(tmp_path, monkeypatch):
    with SummaryWriter(tmp_path) as writer:
        with pytest.raises(ValueError, match=r"add_scalar: 'x' is one number, not an array of shape \(2,\)"):
            writer.add_scalar("x", mg.ones(2))
        with pytest.raises(ValueError, match="add_histogram: 'x' has elements that are not finite"):
            writer.add_histogram("x", mg.tensor([1.0, math.nan]))
        with pytest.raises(ValueError, match="add_histogram: 'x' has no elements"):
            writer.add_histogram("x", mg.ones(0))
    with pytest.raises(ValueError, match="SummaryWriter: max_queue must be 1 or above"):
        SummaryWriter(tmp_path, max_queue=0)
    original = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("tensorboardX"):
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install .minigrad-nn\[tensorboard\]"):
        SummaryWriter(tmp_path)


def test_pytorch_s_import_line():
    from minigrad.torch.utils.tensorboard import SummaryWriter as theirs

    assert theirs is SummaryWriter
    with pytest.raises(ImportError, match="has no 'FileWriter': SummaryWriter writes"):
        from minigrad.torch.utils.tensorboard import FileWriter  # noqa: F401


# -------------------------------------------------------------------------------------------------------- the reader


def test_newer_writers_keep_scalars_in_tensors(tmp_path):
    from tensorboardX.event_file_writer import EventsWriter
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.proto.summary_pb2 import Summary
    from tensorboardX.proto.tensor_pb2 import TensorProto
    from tensorboardX.proto.tensor_shape_pb2 import TensorShapeProto

    writer = EventsWriter(str(tmp_path / "events"))
    one = TensorProto(dtype="DT_FLOAT", float_val=[2.5])
    raw = TensorProto(dtype="DT_DOUBLE", tensor_content=np.float64(0.1).tobytes())
    row = TensorProto(dtype="DT_FLOAT", float_val=[2.5, 3.5], tensor_shape=TensorShapeProto(dim=[TensorShapeProto.Dim(size=2)]))
    for step, tensor in enumerate((one, raw, row), -1):
        writer.write_event(Event(step=step, summary=Summary(value=[Summary.Value(tag="x", tensor=tensor)])))
    writer.close()
    (file,) = tmp_path.iterdir()
    assert [(s.step, s.value) for s in read_events(file)] == [(-1, 2.5), (0, 0.1)]


def test_damage_is_found_and_a_file_that_grows_is_none(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        for step in range(3):
            writer.add_scalar("x", step, step)
    (file,) = tmp_path.iterdir()
    data = file.read_bytes()
    assert len(read_scalars(file)["x"]) == 3
    file.write_bytes(data[:-3])
    assert len(read_scalars(file)["x"]) == 2
    for place, message in [(2, "the checksum of the length at byte 0 is wrong"), (len(data) - 8, "the checksum of the record at byte")]:
        file.write_bytes(data[:place] + bytes([data[place] ^ 255]) + data[place + 1 :])
        with pytest.raises(EventError, match=message):
            read_scalars(file)
    file.unlink()
    with pytest.raises(FileNotFoundError, match="read_scalars: there is no event file"):
        read_scalars(tmp_path)


# ------------------------------------------------------------------------------------------------------ the callback


def test_a_run_is_watched(tmp_path):
    model, loader, optimizer = problem()
    watch = TensorBoard(tmp_path, every=2, histograms=True, graph=mg.ones(1, 3).double())
    history = nn.fit(
        model, loader, LOSS, optimizer, epochs=2, validation=loader, metrics="accuracy", callbacks=[watch], progress=False
    )  # fmt: skip
    found = read_scalars(tmp_path)
    assert found["loss/train"] == [(row["step"], float(np.float32(row["loss"]))) for row in history]
    assert found["accuracy/val"] == [(row["step"], float(np.float32(row["val_accuracy"]))) for row in history]
    assert [step for step, _ in found["loss/step"]] == [2, 4, 6, 8, 10] and len(found["lr"]) == 5
    assert set(found) == {"loss/train", "loss/val", "accuracy/train", "accuracy/val", "loss/step", "lr"}
    theirs = accumulator(tmp_path)
    assert "weights/0.weight" in theirs.Tags()["histograms"] and "gradients/2.bias" in theirs.Tags()["histograms"]
    assert theirs.Tags()["graph"]


def test_a_resumed_run_hides_what_it_writes_again(tmp_path):
    def run(epochs):
        model, loader, optimizer = problem()
        watch = TensorBoard(tmp_path / "log")
        nn.fit(model, loader, LOSS, optimizer, epochs=epochs, callbacks=[watch], checkpoint=tmp_path / "run.mg", progress=False)

    run(1)
    before = (tmp_path / "run.mg").read_bytes()
    run(2)
    (tmp_path / "run.mg").write_bytes(before)  # as if the second epoch had been lost
    run(2)
    theirs = accumulator(tmp_path / "log")
    assert [e.step for e in theirs.Scalars("loss/step")] == list(range(1, 11))


def test_a_writer_of_the_user_s_stays_open(tmp_path):
    model, loader, optimizer = problem()
    with SummaryWriter(tmp_path) as writer:
        nn.fit(model, loader, LOSS, optimizer, epochs=1, callbacks=[TensorBoard(writer)], progress=False)
        writer.add_scalar("mine", 1, 1)
    assert {"mine", "loss/train"} <= set(read_scalars(tmp_path))
    with pytest.raises(TypeError, match="TensorBoard: log_dir must be a path"):
        TensorBoard(3)


# ------------------------------------------------------------------------------------------------- additions to fit


@pytest.mark.parametrize("n", [20, 22])  # five batches of 4, or a last one of 2
def test_accumulated_batches_are_one_batch(n):
    """Steps of two batches of 4 are those of batches of 8; what is left of an epoch is a step too."""
    results = []
    for batch, accumulate in [(8, 1), (4, 2)]:
        model, loader, optimizer = problem(n, batch)
        clip = ClipGradNorm(0.05)
        history = nn.fit(
            model, loader, LOSS, optimizer, epochs=3, callbacks=[clip], accumulate=accumulate, metrics="accuracy", progress=False
        )
        results.append((history, model.state_dict(), clip.norm))
    (one, weights, norm), (two, others, norm2) = results
    assert [row["step"] for row in one] == [row["step"] for row in two] == [3, 6, 9]
    assert norm == pytest.approx(norm2, rel=1e-12)
    for name in weights:
        assert np.allclose(weights[name].numpy(), others[name].numpy(), rtol=1e-12, atol=1e-14)
    for a, b in zip(one, two, strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-12) and a["accuracy"] == b["accuracy"]


def test_accumulated_batches_resume_within_an_epoch(tmp_path):
    class Dies(nn.training.Callback):
        def after_step(self, run):
            if run.step == 3 and self.armed:
                raise KeyboardInterrupt

    def run(path, armed=False):
        model, loader, optimizer = problem(26)
        dies = Dies()
        dies.armed = armed
        nn.fit(
            model, loader, LOSS, optimizer, epochs=2, accumulate=2, callbacks=[dies], checkpoint=path, checkpoint_every=1, progress=False
        )  # fmt: skip
        return model.state_dict()

    whole = run(tmp_path / "a")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "b", armed=True)
    again = run(tmp_path / "b")
    assert all(np.array_equal(whole[name].numpy(), again[name].numpy()) for name in whole)


def test_accumulate_is_checked():
    model, loader, optimizer = problem()
    with pytest.raises(ValueError, match="fit: accumulate must be 1 or above"):
        nn.fit(model, loader, LOSS, optimizer, epochs=1, accumulate=0)


def test_predict():
    model, loader, _ = problem()
    model.append(nn.Dropout(0.5))
    x, y = loader.dataset[:]
    with mg.no_grad():
        expected = model.eval()(x)
    model.train()
    found = nn.predict(model, loader)
    assert np.array_equal(found.numpy(), expected.numpy()) and not found.requires_grad and model.training
    assert np.array_equal(nn.predict(model, [x[:7], x[7:]]).numpy(), expected.numpy())
    assert np.array_equal(nn.predict(model, DataLoader(TensorDataset(x), 7)).numpy(), expected.numpy())  # batches [x]
    with pytest.raises(
        TypeError, match=r"a list of 1; say what is what, e.g. forward=lambda model, batch: \(model\(batch\[0\]\), batch\[0\]\)"
    ):
        nn.evaluate(model, DataLoader(TensorDataset(x), 7), nn.MSELoss())
    named = nn.predict(lambda x: {"scores": model.eval()(x), "twice": (2 * x,)}, loader)
    assert np.array_equal(named["scores"].numpy(), expected.numpy()) and named["twice"][0].shape == (20, 3)
    dicts = [{"points": x[:9], "label": y[:9]}, {"points": x[9:], "label": y[9:]}]
    found = nn.predict(model, dicts, forward=lambda model, batch: (model(batch["points"]), None))
    assert np.array_equal(found.numpy(), expected.numpy())
    with pytest.raises(TypeError, match="forward: a batch is a pair"):
        nn.predict(model, dicts)
    with pytest.raises(TypeError, match="predict: the model returned"):
        nn.predict(lambda x: 3, loader)
    with pytest.raises(ValueError, match="predict: loader gave no batch"):
        nn.predict(model, iter(()))


def test_the_learning_rate_finder_finds_and_leaves_no_trace():
    model, loader, optimizer = problem(64, 16)
    shuffled = DataLoader(loader.dataset, 16, shuffle=True)
    before = {name: value.tolist() for name, value in model.state_dict().items()}
    mg.manual_seed(3)
    state = mg.get_rng_state()
    found = find_learning_rate(model, shuffled, LOSS, optimizer, start=1e-4, end=100, steps=60)
    assert mg.equal(mg.get_rng_state(), state)
    assert {name: value.tolist() for name, value in model.state_dict().items()} == before
    assert optimizer.param_groups[0]["lr"] == 0.1 and not optimizer.state and model[0].weight.grad is None
    assert 1e-2 < found.suggestion < 50 and found.rates[0] == pytest.approx(1e-4) and len(found.rates) == len(found.losses)
    assert found.losses[-1] <= 4 * min(found.losses)
    first = nn.fit(model, loader, LOSS, nn.optim.SGD(model.parameters(), lr=found.suggestion), epochs=3, progress=False)
    assert first[-1]["loss"] < first[0]["loss"]
    figure = plots.learning_rates(found.rates, found.losses, found.suggestion)
    assert figure.axes[0].get_xscale() == "log" and len(figure.axes[0].texts) == 1
    with pytest.raises(mg.ShapeError, match="learning_rates: losses"):
        plots.learning_rates([1.0, 2.0], [1.0])


def test_the_learning_rate_finder_refuses():
    model, loader, optimizer = problem()
    with pytest.raises(ValueError, match="find_learning_rate: start must be below end"):
        find_learning_rate(model, loader, LOSS, optimizer, start=1.0, end=0.1)
    with pytest.raises(ValueError, match="find_learning_rate: steps must be 5 or above"):
        find_learning_rate(model, loader, LOSS, optimizer, steps=3)
    with pytest.raises(TypeError, match="find_learning_rate: optimizer is an optimizer"):
        find_learning_rate(model, loader, LOSS, nn.optim.SGD)
    with pytest.raises(ValueError, match="find_learning_rate: the loss grew beyond"):
        find_learning_rate(
            model, loader, nn.MSELoss(), optimizer, start=1e6, end=1e12, smoothing=0, forward=lambda m, b: (m(b[0])[:, 0], b[1].double())
        )
    assert all(np.isfinite(p.numpy(force=True)).all() for p in model.parameters())


def test_the_learning_rate_finder_takes_losses_below_zero():
    model, loader, _ = problem(64, 64)
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
    found = find_learning_rate(model, loader, lambda o, t: LOSS(o, t) - 100, optimizer, start=1e-4, end=1.0, steps=20)
    assert len(found.rates) == 20


def test_the_learning_rate_finder_says_what_is_wrong():
    class Counted(nn.Linear):
        def __init__(self):
            super().__init__(2, 2)
            self.register_buffer("calls", mg.zeros(()), persistent=False)

        def forward(self, x):
            self.calls = self.calls + 1
            return super().forward(x)

    model = Counted()
    x, optimizer = mg.randn(8, 2), nn.optim.SGD(model.parameters(), lr=0.1)
    batches = [(x, mg.zeros(8, dtype=mg.int64))]
    assert len(find_learning_rate(model, batches, LOSS, optimizer, steps=5, end=1e-3).rates) == 5
    assert model.calls == 0
    with pytest.raises(ValueError, match="find_learning_rate: the loss is not finite at step 1, with the rate 1e-07"):
        find_learning_rate(model, batches, lambda o, t: o.mean() * math.nan, optimizer)
    with pytest.raises(ValueError, match="find_learning_rate: the loss depends on no parameter that requires a gradient"):
        find_learning_rate(model, batches, lambda o, t: o.detach().mean(), optimizer)

    class Once:
        def __init__(self):
            self.batches = iter(batches)

        def __iter__(self):
            return self.batches

    with pytest.raises(ValueError, match="find_learning_rate: loader gave no batch: the Once is used up"):
        find_learning_rate(model, Once(), LOSS, optimizer)


def test_an_interrupted_run_is_not_continued_by_its_writer(tmp_path):
    class Stop(nn.training.Callback):
        def after_step(self, run):
            if run.step == 7:
                raise KeyboardInterrupt

    board = TensorBoard(tmp_path / "runs")
    model, loader, optimizer = problem()
    with pytest.raises(KeyboardInterrupt):
        nn.fit(model, loader, LOSS, optimizer, epochs=2, callbacks=[board, Stop()], checkpoint=tmp_path / "run.mg", progress=False)
    model, loader, optimizer = problem()
    callbacks = [board, type("Stop", (nn.training.Callback,), {"end": lambda self, run: None})()]
    nn.fit(model, loader, LOSS, optimizer, epochs=2, callbacks=callbacks, checkpoint=tmp_path / "run.mg", progress=False)
    assert [e.step for e in accumulator(tmp_path / "runs").Scalars("loss/step")] == list(range(1, 11))


def test_predict_refuses_results_that_differ():
    with pytest.raises(TypeError, match="a dict with the key 'a' for the first batch, and a dict with the key 'b' for batch 2"):
        nn.predict(lambda x: {"a" if len(x) > 1 else "b": x}, [mg.zeros(2, 1), mg.zeros(1, 1)])
