"""Networks of installed packages: our outputs equal onnxruntime's, and their weights train."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad.onnx import load

pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")


def files():
    for package, folder in (("rapidocr", "models"), ("silero_vad", "data")):
        spec = importlib.util.find_spec(package)
        for place in (spec.submodule_search_locations or []) if spec else []:
            yield from sorted(Path(place, folder).glob("*.onnx"))


def feed_for(model, path):
    rng = np.random.default_rng(0)
    feed = {}
    for name in model.input_names:
        kind, shape = model.input_types[name]
        if kind == "int64":
            feed[name] = np.array(16000)
        else:
            names = (64, 96) if "_det_" in path.name else (48, 96) if "rapidocr" in str(path) else (1, 576)
            free = iter(names if len(shape) > 2 and len([n for n in shape if isinstance(n, str)]) > 2 else names[-1:])
            sizes = [n if isinstance(n, int) else 1 if i == 0 or name in ("state", "h", "c") else next(free) for i, n in enumerate(shape)]
            feed[name] = (0.1 * rng.standard_normal(sizes)).astype(kind)
    return feed


@pytest.mark.parametrize("path", list(files()), ids=lambda p: p.stem)
def test_network(path):
    model = load(path)
    feed = feed_for(model, path)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    theirs = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]).run(None, feed)
    ours = model(**{name: mg.from_numpy(a) for name, a in feed.items()})
    ours = ours if isinstance(ours, tuple) else (ours,)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b, rtol=1e-3, atol=2e-5)
    (ours[0] ** 2).sum().backward()
    assert any(p.grad is not None and np.abs(p.grad.numpy()).max() > 0 for p in model.parameters())
