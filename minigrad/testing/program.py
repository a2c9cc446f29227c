"""The program that a failure prints: it can be pasted, and runs, wherever the op was defined."""

from __future__ import annotations

import ast
import builtins
import functools
import inspect
import sys
import textwrap
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.engine import TensorBase
from minigrad.testing.call import Call, source
from minigrad.testing.function import name_of, op_of


def program(check: str, fn: Callable, call: Call, options: dict[str, Any]) -> str:
    """Lines of Python that call ``check(fn, *arguments, **options)``.

    ``fn`` is imported where that is possible; else its text is repeated, with the constants and functions that it uses. What cannot be
    written down (a module with its parameters, a function made by exec) is left to the user, in a comment.

    >>> import numpy as np
    >>> from minigrad.testing import Call
    >>> from minigrad.testing.program import program
    >>> import minigrad as mg
    >>> print(program("check_op", mg.exp, Call((np.array([float("inf")]),)), {"order": 1}))
    import numpy as np
    from minigrad.testing import check_op
    from minigrad.ops.elementwise import exp
    <BLANKLINE>
    check_op(exp, np.array([np.inf]), order=1)
    """
    simple = call.args and not call.kwargs
    plain = source(call.args)[1:-1].removesuffix(",") if simple else repr(call)
    names = [check, *([] if simple else ["Call"])]
    head = ["import numpy as np", f"from minigrad.testing import {', '.join(sorted(names))}"]
    body = _Text()
    name = body.add(fn, name_of(fn))
    parts = [name, plain]
    for key, value in options.items():
        parts.append(f"{key}={body.add(value, key) if callable(value) else source(value)}")
    last = f"{check}({', '.join(parts)})"
    if "mg." in last + "".join(body.lines):
        head.insert(1, "import minigrad as mg")
    imports = [line for line in body.imports if line not in head]
    return "\n".join([*head, *imports, "", *body.lines, *([""] if body.lines else []), last])


class _Text:
    """The definitions that a program needs: ``imports``, and ``lines`` after them."""

    def __init__(self) -> None:
        self.imports: list[str] = []
        self.lines: list[str] = []
        self._known: dict[str, Any] = {}

    def add(self, value: Any, name: str) -> str:
        """Define ``value``, under ``name`` if that is one; return what it is called."""
        if inspect.ismethod(value):
            owner = value.__self__
            return f"{self.add(owner, owner.__name__ if isinstance(owner, type) else name_of(owner).lower())}.{value.__name__}"
        name = name if name.isidentifier() else "function"
        if name in self._known:
            return name
        self._known[name] = value
        if isinstance(value, functools.partial):
            self.imports.append("import functools")
            inner = self.add(value.func, f"{name}_func")
            given = [inner, *map(source, value.args), *(f"{key}={source(v)}" for key, v in value.keywords.items())]
            self.lines.append(f"{name} = functools.partial({', '.join(given)})")
        elif isinstance(value, types.ModuleType):
            self.imports.append(f"import {value.__name__}" + (f" as {name}" if name != value.__name__ else ""))
        elif (line := _import_of(value, name)) is not None:
            self.imports.append(line)
        elif (text := _text_of(value, name)) is not None:
            for other, used in _used_by(value, text):
                self.add(used, other)
            self.lines += text.splitlines()
        elif isinstance(value, (TensorBase, np.ndarray, np.generic, str, bytes, int, float, complex, list, tuple, dict, set, type(None))):
            self.lines.append(f"{name} = {source(value)}")
        else:
            self.lines.append(f"# {name}: the {type(value).__name__} that was checked, which cannot be written down here")
        return name


def _import_of(value: Any, name: str) -> str | None:
    """The line that imports ``value``; None where no module has it under its name."""
    home, real = getattr(value, "__module__", None), getattr(value, "__name__", name)
    module = sys.modules.get(str(home))
    if home == "builtins" or getattr(module, real, None) is not value:
        return None
    renamed = f" as {name}" if real != name else ""
    if home != "__main__":
        return f"from {home} import {real}{renamed}"
    file = getattr(module, "__file__", None)
    if file is None or not Path(file).is_file():  # a notebook, or the prompt: it is there already
        return None
    return f"from {Path(file).stem} import {real}{renamed}"


def _text_of(value: Any, name: str) -> str | None:
    """The definition of a function or a class, with its decorators; ``name = lambda ...`` for a lambda; None if its text is not to be had."""
    if not isinstance(value, type) and not inspect.isfunction(_kernel(value)):
        return None
    try:
        code = None if isinstance(value, type) else _kernel(value).__code__
        if code is None or code.co_name != "<lambda>":
            text = textwrap.dedent(inspect.getsource(value)).rstrip()
            return text if isinstance(ast.parse(text).body[0], (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) else None
        tree = ast.parse("".join(inspect.findsource(value)[0]))
    except (OSError, TypeError, SyntaxError, IndexError):
        return None
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Lambda) and node.lineno == code.co_firstlineno]
    if len(found) > 1:  # on one line: the one from whose body an instruction comes
        places = set(code.co_positions())
        bodies = [(n.body.lineno, n.body.end_lineno, n.body.col_offset, n.body.end_col_offset) for n in found]
        found = [node for node, body in zip(found, bodies, strict=True) if body in places]
    return f"{name} = {ast.unparse(found[0])}" if found else None


def _kernel(value: Any) -> Any:
    op = op_of(value)
    return inspect.unwrap(value) if op is None else op.kernel


def _used_by(value: Any, text: str) -> Iterator[tuple[str, Any]]:
    """Names in a definition that are neither its own nor Python's, with what they stand for."""
    tree = ast.parse(text)
    op = op_of(value)
    if isinstance(value, type):
        functions = [inspect.unwrap(f) for f in (getattr(value, name) for name in vars(value)) if inspect.isfunction(f)]
        scope: dict[str, Any] = dict(vars(sys.modules[value.__module__]))
    else:
        functions = [_kernel(value), *([f for f in op.formulas.values() if f is not None] if op is not None else [])]
        scope = dict(_kernel(value).__globals__)
    for function in functions:
        scope.update(inspect.getclosurevars(function).nonlocals if inspect.isfunction(function) else {})
    own = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)} | {
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in scope and node.id not in own and not hasattr(builtins, node.id):
            yield node.id, scope[node.id]
