"""Print the n-th command of the README: its n-th ``sh`` block, which must be one line (1: main job, 2: test suite)."""

import re
import sys
from pathlib import Path


def commands(text: str) -> list[str]:
    """The contents of the ``sh`` blocks of a Markdown text, in order."""
    return [block.strip("\n") for block in re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)]


if __name__ == "__main__":
    command = commands((Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8"))[int(sys.argv[1]) - 1]
    if "\n" in command:
        sys.exit(f"README.md: sh block {sys.argv[1]} has more than one line")
    print(command)
