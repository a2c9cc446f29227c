"""A table at the head of each page of the reference: the functions and classes of a module, with the first line of what is said about each."""

from __future__ import annotations

import inspect
from typing import Any

FEWEST = 3  # a module of less is read as quickly as a table of it


def rows(module: Any) -> list[tuple[str, str]]:
    """(name, first line) of what a module defines for users, in the order of its source.

    >>> import json
    >>> [name for name, line in rows(json)]
    ['dump', 'dumps', 'load', 'loads']
    """
    found = []
    for name, value in vars(module).items():
        if name[0] != "_" and getattr(value, "__module__", None) == module.__name__ and (inspect.isclass(value) or callable(value)):
            line = (inspect.getdoc(value) or "").partition("\n\n")[0].replace("\n", " ").strip().removesuffix("::")
            if line:
                found.append((name, line))
    return found


def add_table(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """For ``autodoc-process-docstring``: the table after the docstring of a module whose members are shown."""
    members = rows(thing) if what == "module" and options.get("members") else []
    if len(members) < FEWEST:
        return
    lines += ["", ".. list-table::", "   :widths: 25 75", ""]
    for member, line in members:
        lines += [f"   * - :py:obj:`~{name}.{member}`", f"     - {line}"]
    lines.append("")
