"""Scripts as people write them for PyTorch run under ``minigrad.torch`` by their import lines, with the same losses, step by step."""

import numpy as np
import pytest
from answers import noted
from ported import SCRIPTS, ported, run


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_same_losses(script):
    theirs, ours = np.array(noted(lambda torch: run(script, "torch"))), np.array(run(script, "minigrad.torch"))
    assert len(ours) == len(theirs) >= 5 and len(set(ours)) > 1
    np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-10)


def test_only_import_lines_change():
    source = "import torch\nimport torch.nn.functional as F\nfrom torch import nn\n    from torch.utils.data import DataLoader\nx = torch.ones(1)\n"
    assert ported(source, "minigrad.torch") == (
        "import minigrad.torch as torch\nimport minigrad.torch.nn.functional as F\nfrom minigrad.torch import nn\n"
        "    from minigrad.torch.utils.data import DataLoader\nx = torch.ones(1)\n"
    )
