"""Run a script that is written for PyTorch under another library, by its import lines alone: ``LIB=minigrad.torch python ported.py vae.py``."""

import os
import re
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
OTHERS = ("conftest", "drawn", "ported", "distributed_digits")  # the last one is started by mpiexec
SCRIPTS = sorted(p.stem for p in FOLDER.glob("*.py") if not p.stem.startswith("test_") and p.stem not in OTHERS)


def ported(source: str, library: str) -> str:
    """``source`` with the name of the library changed where it is imported, and nowhere else."""
    source = re.sub(r"^( *)import torch$", rf"\1import {library} as torch", source, flags=re.MULTILINE)
    source = re.sub(r"^( *)import torch(\.[\w.]+)( as \w+)?$", rf"\1import {library}\2\3", source, flags=re.MULTILINE)
    return re.sub(r"^( *)from torch(\.[\w.]+)? import ", rf"\1from {library}\2 import ", source, flags=re.MULTILINE)


def run(script: str, library: str) -> list[float]:
    """The losses that the script's ``main()`` returns."""
    path = FOLDER / f"{script}.py"
    names = {"__name__": script, "__file__": str(path)}
    if str(FOLDER) not in sys.path:
        sys.path.insert(0, str(FOLDER))
    exec(compile(ported(path.read_text(encoding="utf-8"), library), str(path), "exec"), names)
    torch = names["torch"]
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        return [float(loss) for loss in names["main"]()]
    finally:
        torch.set_default_dtype(before)


if __name__ == "__main__":
    for step, loss in enumerate(run(Path(sys.argv[1]).stem, os.environ.get("LIB", "torch"))):
        print(f"{step:4d}  {loss:.12f}")
