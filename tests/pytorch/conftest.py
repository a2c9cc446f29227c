"""The comparison with PyTorch's sample databases, collected only where PyTorch and what its databases import are installed."""

import importlib.util
import sys
from pathlib import Path

import pytest

MISSING = [name for name in ("torch", "expecttest") if importlib.util.find_spec(name) is None]
collect_ignore_glob = ["*.py"] if MISSING else []
sys.path.insert(0, str(Path(__file__).parent))


def pytest_configure(config):
    if MISSING and config.getoption("--opinfo"):
        raise pytest.UsageError(f"--opinfo needs {' and '.join(MISSING)}: pip install -e '.[torch]'")


@pytest.fixture(scope="session")
def opinfo(request):
    return request.config.getoption("--opinfo")
