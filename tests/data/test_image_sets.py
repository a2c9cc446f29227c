"""CIFAR in both forms of its files, and images in folders."""

import hashlib
import io
import pickle
import tarfile

import numpy as np
import pytest

import minigrad as mg
from minigrad.nn.data import (
    CIFAR10,
    CIFAR100,
    DataError,
    DataLoader,
    DatasetFolder,
    ImageFolder,
    Normalize,
    Resize,
    read_image,
)  # fmt: skip
from minigrad.nn.data.images import save_image

RNG = np.random.default_rng(0)


def contents(n, classes):
    return RNG.integers(0, 256, (n, 3072), np.uint8), RNG.integers(0, classes, n)


def write_cifar10(folder, n=2, binary=False):
    folder = folder / ("cifar-10-batches-bin" if binary else "cifar-10-batches-py")
    folder.mkdir(parents=True)
    made = {}
    for name in [*[f"data_batch_{i}" for i in range(1, 6)], "test_batch"]:
        images, labels = made[name] = contents(n, 10)
        if binary:
            np.concatenate([labels[:, None].astype(np.uint8), images], 1).tofile(folder / f"{name}.bin")
        else:
            (folder / name).write_bytes(pickle.dumps({b"data": images, b"labels": labels.tolist(), b"filenames": [b"x"] * n}))
    if binary:
        (folder / "batches.meta.txt").write_text("\n".join("abcdefghij") + "\n", encoding="utf-8")
    else:
        (folder / "batches.meta").write_bytes(pickle.dumps({b"label_names": [c.encode() for c in "abcdefghij"]}))
    return made


@pytest.mark.parametrize("binary", [False, True])
def test_cifar10(tmp_path, binary):
    made = write_cifar10(tmp_path, binary=binary)
    train, test = CIFAR10(tmp_path), CIFAR10(str(tmp_path), train=False, transform=Normalize((0.5,) * 3, (0.5,) * 3))
    assert (len(train), len(test)) == (10, 2) and train.data.shape == (10, 32, 32, 3) and train.classes == list("abcdefghij")
    images, labels = made["data_batch_2"]
    assert train.targets[2:4] == labels.tolist() and train.class_to_idx["b"] == 1
    image, label = train[3]
    np.testing.assert_allclose(image, images[1].reshape(3, 32, 32) / 255, rtol=1e-6)
    assert image.dtype == np.float32 and label == labels[1] and "train=True): 10 images" in repr(train)
    x, y = next(iter(DataLoader(test, batch_size=2)))
    assert x.shape == (2, 3, 32, 32) and y.tolist() == made["test_batch"][1].tolist()
    np.testing.assert_allclose(x[0].numpy(), (made["test_batch"][0][0].reshape(3, 32, 32) / 255 - 0.5) / 0.5, atol=1e-6)
    by_one = CIFAR10(tmp_path, train=False, target_transform=lambda label: -label)
    assert next(iter(DataLoader(by_one, batch_size=2)))[1].tolist() == (-made["test_batch"][1]).tolist()
    assert len(CIFAR10(tmp_path / CIFAR10.folders[binary])) == 10


def test_cifar100_has_fine_labels(tmp_path):
    for binary, folder in enumerate(["cifar-100-python", "cifar-100-binary"]):
        place = tmp_path / str(binary) / folder
        place.mkdir(parents=True)
        images, labels = contents(3, 100)
        coarse = np.zeros((3, 1), np.uint8)
        if binary:
            np.concatenate([coarse, labels[:, None].astype(np.uint8), images], 1).tofile(place / "train.bin")
        else:
            (place / "train").write_bytes(pickle.dumps({b"data": images, b"fine_labels": labels.tolist(), b"coarse_labels": [0] * 3}))
        data = CIFAR100(place.parent)
        assert data.targets == labels.tolist() and data.classes[99] == "99"
        np.testing.assert_array_equal(data.data[1], images[1].reshape(3, 32, 32).transpose(1, 2, 0))


class Harmful:
    def __reduce__(self):
        return print, ("run",)


def test_wrong_files_are_refused(tmp_path, capsys):
    with pytest.raises(FileNotFoundError, match=r"neither cifar-10-batches-py nor cifar-10-batches-bin .* download=True fetches"):
        CIFAR10(tmp_path)
    write_cifar10(tmp_path)
    file = tmp_path / "cifar-10-batches-py" / "test_batch"
    for wrong, message in [
        (pickle.dumps(Harmful()), "it names builtins.print"),
        (b"nonsense", "no file of CIFAR"),
        (pickle.dumps([1]), "it holds a list"),
        (pickle.dumps({b"data": 1}), "not data and labels"),
        (pickle.dumps({b"data": np.zeros((1, 5), np.uint8), b"labels": [1]}), r"must be uint8 \(N, 3072\)"),
        (pickle.dumps({b"data": np.zeros((1, 3072), np.uint8), b"labels": [10]}), "labels must be from 0 to 9"),
    ]:
        file.write_bytes(wrong)
        with pytest.raises(DataError, match=message):
            CIFAR10(tmp_path, train=False)
    assert capsys.readouterr().out == ""
    write_cifar10(tmp_path / "b", binary=True)
    (tmp_path / "b" / "cifar-10-batches-bin" / "test_batch.bin").write_bytes(b"123")
    with pytest.raises(DataError, match="3 bytes are no images of 3073 bytes each"):
        CIFAR10(tmp_path / "b", train=False)


def test_download_checks_the_archive_and_unpacks_it(tmp_path, monkeypatch):
    write_cifar10(tmp_path / "made")
    there = tmp_path / "there"
    there.mkdir()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(tmp_path / "made" / "cifar-10-batches-py", "cifar-10-batches-py")
    (there / CIFAR10.archive).write_bytes(packed.getvalue())
    monkeypatch.setattr(CIFAR10, "mirrors", (there.as_uri(),))
    with pytest.raises(OSError, match="the contents have sha256"):
        CIFAR10(tmp_path / "root", download=True)
    monkeypatch.setattr(CIFAR10, "sha256", hashlib.sha256(packed.getvalue()).hexdigest())
    assert len(CIFAR10(tmp_path / "root", download=True)) == 10
    (there / CIFAR10.archive).unlink()
    assert len(CIFAR10(tmp_path / "root", download=True)) == 10  # it is there already


def test_image_folder(tmp_path):
    pytest.importorskip("PIL")
    for name, value in (("dog/b.png", 1.0), ("cat/deep/a.PNG", 0.2), ("cat/c.jpg", 0.0)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".jpg"):
            from PIL import Image

            Image.fromarray(np.zeros((4, 6), np.uint8)).save(tmp_path / name)  # grey becomes colour
        else:
            save_image(mg.full((3, 4, 6), value), tmp_path / name, format="png")
    (tmp_path / "cat" / "notes.txt").write_text("no image", encoding="utf-8")
    data = ImageFolder(tmp_path, transform=Resize((2, 2)))
    assert data.classes == ["cat", "dog"] and data.targets == [0, 0, 1] and data.imgs == data.samples and len(data) == 3
    x, y = next(iter(DataLoader(data, batch_size=3)))
    assert x.shape == (3, 3, 2, 2) and y.tolist() == [0, 0, 1]
    np.testing.assert_allclose(sorted(x.mean((1, 2, 3)).tolist()), [0, 0.2, 1], atol=1e-6)
    assert read_image(tmp_path / "cat" / "c.jpg").shape == (3, 4, 6)
    (tmp_path / "dog" / "broken.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"broken.png is no image that Pillow can read"):
        ImageFolder(tmp_path)[3]


def test_dataset_folder(tmp_path):
    for name in ("a/1.txt", "a/2.md", "b/3.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name, encoding="utf-8")

    def read(path):
        with open(path, encoding="utf-8") as file:
            return file.read()

    data = DatasetFolder(tmp_path, read, ".txt", transform=str.upper, target_transform=str)
    assert [data[i] for i in range(2)] == [("A/1.TXT", "0"), ("B/3.TXT", "1")] and "2 files in 2 classes" in repr(data)
    assert len(DatasetFolder(tmp_path, read, is_valid_file=lambda path: path.endswith("3.txt"), allow_empty=True)) == 1
    with pytest.raises(ValueError, match="either extensions or is_valid_file"):
        DatasetFolder(tmp_path, read)
    with pytest.raises(FileNotFoundError, match="no file of class 'b'"):
        DatasetFolder(tmp_path, read, (".md",))
    with pytest.raises(FileNotFoundError, match="has no folders"):
        DatasetFolder(tmp_path / "a", read, (".txt",))
