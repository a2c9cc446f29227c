"""The comparison with PyTorch's sample databases, collected only if PyTorch and the dependencies of its databases are installed."""

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


def pytest_terminal_summary(terminalreporter):
    """One line for each op that differs, and totals. (Properties come back from the processes of pytest-xdist.)"""
    reports = terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
    properties = [item for report in reports if getattr(report, "when", "") == "call" for item in report.user_properties]
    tallies = sorted(value for key, value in properties if key == "tally")
    if not tallies:
        return
    columns = ("samples", "agree", "differ", "refused", "foreign")
    terminalreporter.section("beside PyTorch")
    terminalreporter.write_line("".join(f"{c:>9}" for c in columns) + "  name")
    for name, counts in tallies:
        if counts.get("differ") or counts.get("refused"):
            terminalreporter.write_line("".join(f"{counts.get(c, 0):>9,}" for c in columns) + f"  {name}")
    totals = [sum(counts.get(c, 0) for _, counts in tallies) for c in columns]
    terminalreporter.write_line("".join(f"{t:>9,}" for t in totals) + f"  all {len(tallies)}")
    missing = sorted(value for key, value in properties if key == "missing")
    terminalreporter.write_line(f"{len(missing)} that minigrad does not have: {', '.join(missing)}")
