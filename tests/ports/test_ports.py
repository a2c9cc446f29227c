"""Scripts as people write them for PyTorch run under ``minigrad.torch`` by their import lines, with the same losses, step by step."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from answers import noted
from ported import SCRIPTS, ported, run

from minigrad import distributed

MPIEXEC = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec")


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_same_losses(script):
    theirs, ours = np.array(noted(lambda torch: run(script, "torch"))), np.array(run(script, "minigrad.torch"))
    assert len(ours) == len(theirs) >= 5 and len(set(ours)) > 1
    np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-10)


@pytest.mark.skipif(
    not (distributed.is_mpi_available() and MPIEXEC), reason="needs mpi4py and mpiexec: pip install 'minigrad-nn[mpi]' (wheels on Linux)"
)
def test_a_script_of_several_processes():
    """Two ranks have the losses of one process of PyTorch's, which has the whole batch."""
    script = Path(__file__).with_name("distributed_digits.py")
    theirs = np.array(noted(lambda torch: run(script.stem, "torch")))
    command = [MPIEXEC, "-n", "2", sys.executable, "-W", "error", script.with_name("ported.py"), script]
    printed = subprocess.run(command, env={**os.environ, "LIB": "minigrad.torch"}, capture_output=True, text=True, check=True).stdout
    lines = sorted((int(step), float(value)) for step, value in zip(printed.split()[::2], printed.split()[1::2], strict=True))
    ours = np.array([value for _, value in lines]).reshape(-1, 2)  # of both ranks
    np.testing.assert_allclose(ours, np.stack([theirs] * 2, 1), rtol=1e-8, atol=1e-10)
    assert len(ours) == 12


def test_only_import_lines_change():
    source = "import torch\nimport torch.nn.functional as F\nfrom torch import nn\n    from torch.utils.data import DataLoader\nx = torch.ones(1)\n"
    assert ported(source, "minigrad.torch") == (
        "import minigrad.torch as torch\nimport minigrad.torch.nn.functional as F\nfrom minigrad.torch import nn\n"
        "    from minigrad.torch.utils.data import DataLoader\nx = torch.ones(1)\n"
    )
