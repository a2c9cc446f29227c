"""Make the checkpoints in this folder: ``python tests/torch_files/make_torch_files.py`` where PyTorch is installed.

``zip.pt`` and ``pickles.pt`` are written by ``torch.save``. Today's PyTorch still reads, but no longer writes, the other two: ``big.pt`` is
``zip.pt`` with every number turned around, and ``tar.pt`` what PyTorch 0.1 wrote. tests/files/test_torch_files.py has PyTorch read all four.
"""

import io
import pickle
import struct
import tarfile
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
NAMES = ["zip", "pickles", "big", "tar"]


def weights() -> dict[str, np.ndarray]:
    """What is in all of the files under "weights", bfloat16 as float32."""
    numbers = np.random.default_rng(0).normal(size=(4, 3, 2))
    arrays = {name: (numbers * 10).astype(name) for name in ["float16", "float32", "float64", "int8", "int16", "int32", "int64"]}
    arrays |= {"uint8": np.arange(250, 256, dtype=np.uint8), "bool": numbers > 0, "scalar": np.array(7), "empty": np.zeros((0, 3))}
    base = arrays["float32"]
    return arrays | {"transposed": base.T, "part": base[1:, ::2, 1], "tied": base, "expanded": np.broadcast_to(base[0, 0, 0], (5, 6))}


def tensors():
    """The same as PyTorch's tensors, those that can be over the same memory."""
    import torch

    found = {name: torch.from_numpy(array.copy()) for name, array in weights().items() if name not in ("expanded",)}
    base = found["float32"]
    found |= {"transposed": base.permute(2, 1, 0), "part": base[1:, ::2, 1], "tied": base, "expanded": base[0, 0, 0].expand(5, 6)}
    return OrderedDict(found)


def state():
    """The checkpoint of zip.pt, big.pt and pickles.pt."""
    import torch

    model = torch.nn.Linear(3, 2)
    with torch.no_grad():
        model.weight.copy_(torch.arange(6.0).reshape(2, 3))
        model.bias.copy_(torch.tensor([-1.0, 1.0]))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    return {
        "weights": tensors(),
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "frozen": torch.nn.Parameter(torch.ones(2), requires_grad=False),
        "bfloat16": torch.tensor([1.0, -2.5, 3.140625, float("inf"), 1e-40]).bfloat16(),
        "unsigned": torch.tensor([1, 2, 65535]).to(torch.uint16),
        "complex": torch.tensor([1 + 2j, 3j]),
        "others": [None, True, 2**70, -1.5, "ümlaut", b"\0\xff", (1, (2,)), {3}, torch.Size([4, 5]), torch.device("cuda:1"), torch.float16],
    }


def write_big(source: Path, target: Path) -> None:
    """Turn the numbers of a zip archive around, as a big-endian machine writes them."""
    sizes = {}  # key of a storage -> bytes of an element

    class Reader(pickle.Unpickler):
        def persistent_load(self, saved):
            import torch

            untyped = saved[1] is torch.storage.UntypedStorage
            sizes[saved[2]] = 2 if untyped else saved[1].dtype.itemsize // (2 if saved[1].dtype.is_complex else 1)
            return torch.UntypedStorage(saved[4] if untyped else saved[4] * saved[1].dtype.itemsize)

        def find_class(self, module, name):
            if name in ("_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_parameter"):
                return lambda *args: None
            return super().find_class(module, name)

    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        folder = old.namelist()[0].partition("/")[0]
        Reader(io.BytesIO(old.read(f"{folder}/data.pkl"))).load()
        for name in old.namelist():
            content = old.read(name)
            key = name.removeprefix(f"{folder}/data/")
            if name == f"{folder}/byteorder":
                content = b"big"
            elif key in sizes:
                content = np.frombuffer(content, f"u{sizes[key]}").byteswap().tobytes()
            new.writestr(zipfile.ZipInfo(name), content)


def write_tar(path: Path) -> None:
    """The format of PyTorch 0.1: storages, then tensors, then the pickle that refers to the tensors by number."""
    import torch

    storages, rows, numbers = {}, [], {}
    for name, tensor in tensors().items():
        storage = tensor.storage()
        key, _ = storages.setdefault((storage.data_ptr(), name if not len(storage) else ""), (len(storages), storage))
        numbers[name] = 1000 + len(rows)
        rows.append((numbers[name], key, tensor))
    roots = io.BytesIO()
    pickle.dump(len(storages), roots, protocol=2)
    for key, storage in storages.values():
        pickle.dump((key, "cpu", getattr(torch, storage.pickle_storage_type())), roots, protocol=2)
        roots.write(struct.pack("<q", len(storage)) + bytes(storage.untyped()))
    pickle.dump([], roots, protocol=2)  # storages that are parts of others
    placed = io.BytesIO()
    pickle.dump(len(rows), placed, protocol=2)
    for number, key, tensor in rows:
        pickle.dump((number, key, type(tensor)), placed, protocol=2)
        placed.write(struct.pack("<i4x", tensor.dim()))
        placed.write(struct.pack(f"<{2 * tensor.dim() + 1}q", *tensor.shape, *tensor.stride(), tensor.storage_offset()))

    class Writer(pickle.Pickler):
        def persistent_id(self, obj):
            return numbers[obj.decode()] if isinstance(obj, bytes) else None

    content = io.BytesIO()
    Writer(content, protocol=2).dump({"weights": OrderedDict((name, name.encode()) for name in numbers), "epoch": 3})
    with tarfile.open(path, "w:", format=tarfile.PAX_FORMAT) as archive:
        for name, data in (
            ("sys_info", b""),
            ("pickle", content.getvalue()),
            ("tensors", placed.getvalue()),
            ("storages", roots.getvalue()),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def main(folder: Path) -> None:
    """Write all files."""
    import torch

    warnings.simplefilter("ignore")
    torch.save(state(), folder / "zip.pt")
    older = {name: value for name, value in state().items() if name != "unsigned"}  # which were not there then
    torch.save(older, folder / "pickles.pt", _use_new_zipfile_serialization=False)
    write_big(folder / "zip.pt", folder / "big.pt")
    write_tar(folder / "tar.pt")


if __name__ == "__main__":
    main(FOLDER)
