"""Chapter 11: a convolutional network finds objects that move, a dense one does not; matrices, recall and precision; the page has the same counts."""

import json
import pickle
import re

import numpy as np
import pytest


def test_cifar10(chapter, tmp_path):
    names = chapter("11_cifar10", "--pictures", "1000", "--epochs", "4")
    assert len(names["images"]) == 200 and len(names["train"].dataset) == 800
    right = {name: test for name, (_, test) in names["result"].items()}
    assert right["convolutional"] > right["dense"] + 0.1 and right["dense"] > 1.5 / 6
    assert sum(p.numel() for p in names["models"]["convolutional"].parameters()) < 0.1 * sum(
        p.numel() for p in names["models"]["dense"].parameters()
    )
    labels = names["labels"]
    for name, matrix in names["matrices"].items():
        predicted = names["outputs"][name].argmax(1)
        assert all(matrix[i, j] == ((labels == i) & (predicted == j)).sum() for i in range(6) for j in range(6))
        assert matrix.trace() / matrix.sum() == pytest.approx(right[name])
        assert names["found"][name][2] == pytest.approx((predicted[labels == 2] == 2).mean())
        assert names["trusted"][name][2] == pytest.approx((labels[predicted == 2] == 2).mean())
    saved = (tmp_path / "11_cifar10" / "confusion.html").read_text(encoding="utf-8")
    data = json.loads(re.search(r'id="data">(.*?)</script>', saved)[1])
    assert {n["name"]: n["counts"] for n in data["networks"]} == {name: matrix.tolist() for name, matrix in names["matrices"].items()}
    assert ((names["margins"] < 0) == (names["outputs"]["convolutional"].argmax(1) != labels)).all()


def test_cifar10_from_a_folder(chapter, tmp_path):
    """The files of CIFAR-10, here with stripes: upright ones are cats, lying ones dogs; no image is of another class."""
    rng, folder = np.random.default_rng(0), tmp_path / "data" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        labels = 3 + 2 * rng.integers(0, 2, 20)  # cats are 3, dogs 5
        stripes = np.broadcast_to(np.where(np.arange(32) // 4 % 2, 200, 0), (32, 32))
        images = np.stack([np.stack([stripes if label == 3 else stripes.T] * 3) for label in labels]) + rng.integers(0, 56, (20, 3, 32, 32))
        rows = images.astype(np.uint8).reshape(20, 3072)
        (folder / name).write_bytes(pickle.dumps({b"data": rows, b"labels": labels.tolist()}, protocol=2))
    names = chapter("11_cifar10", "--set", "cifar-10", "--data", str(tmp_path / "data"), "--epochs", "4")
    assert names["images"].shape == (20, 3, 32, 32) and names["names"]["en"][3] == "cat"
    assert names["result"]["convolutional"][1] == 1


def test_digits(chapter):
    names = chapter("11_cifar10", "--set", "digits", "--epochs", "1")
    assert names["images"].shape == (1000, 1, 28, 28) and names["names"]["ja"] == [str(digit) for digit in range(10)]
    assert names["result"]["convolutional"][1] > names["result"]["dense"][1] > 0.8
