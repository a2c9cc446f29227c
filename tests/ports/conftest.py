"""The scripts are no tests: test_ports.py runs them."""

from pathlib import Path

collect_ignore = [path.name for path in Path(__file__).parent.glob("*.py") if not path.name.startswith(("test_", "conftest"))]
