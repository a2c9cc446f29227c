"""``python -m minigrad gradcheck FILE_OR_MODULE[::op] ...``: prove every op and every Function of a file."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, TextIO

from minigrad.engine import Function
from minigrad.testing.function import name_of, op_of
from minigrad.testing.report import GradcheckError, Report, format_table


class UsageError(Exception):
    """A target that cannot be checked: a missing file, an unknown op."""


@dataclasses.dataclass
class Verdict:
    """What became of one op: a report, an error, or neither if its arguments cannot be inferred."""

    name: str
    report: Report | None = None
    error: GradcheckError | None = None
    reason: str = ""

    def rows(self) -> list[list[Any]]:
        """Lines of the table."""
        if self.error is not None:
            e = self.error
            where = [e.argument or "", str(e.order or ""), "", "", ""]
            return [[self.name, *where, f"FAILED{f': {e.kind}' if e.kind else ''}"]]
        if self.report is None:
            return [[self.name, "", "", "", "", "", "not checked"]]
        if not self.report.rows:
            return [[self.name, "", "", self.report.examples, "", "", "passed (no gradients)"]]
        return [
            [self.name if i == 0 else "", r.argument, r.order, self.report.examples, f"{r.error:.0e}", r.kinks, "passed"]
            for i, r in enumerate(self.report.rows)
        ]


def load(target: str) -> ModuleType:
    """The module that a file name, or a dotted name, stands for. Raises :class:`UsageError`."""
    path = Path(target)
    if target.endswith(".py") or path.is_file():
        if not path.is_file():
            raise UsageError(f"there is no file {target}")
        sys.path.insert(0, str(path.parent.resolve()))  # the file may import its neighbours
        known = next((m for m in list(sys.modules.values()) if getattr(m, "__file__", None) == str(path.resolve())), None)
        if known is not None:
            return known
        spec = importlib.util.spec_from_file_location(path.stem, path.resolve())
        if spec is None or spec.loader is None:
            raise UsageError(f"{target} is not a Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
        return module
    if path.is_dir():
        raise UsageError(f"{target} is a folder: name a file in it, or a module")
    try:
        sys.path.insert(0, str(Path.cwd()))
        return importlib.import_module(target)
    except ModuleNotFoundError as error:
        if error.name is not None and (target == error.name or target.startswith(error.name + ".")):
            raise UsageError(f"there is no file and no module {target}") from None
        raise


def functions(module: ModuleType) -> Iterator[tuple[str, Callable]]:
    """The ops that a module defines, its Functions, and its functions that declare their domain, in the order of the file."""
    seen = set()
    for name, value in vars(module).items():
        if not callable(value) or getattr(value, "__module__", None) != module.__name__ or id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, type):
            if issubclass(value, Function) and value.backward is not Function.backward:
                yield name, value.apply
        elif op_of(value) is not None or getattr(value, "domain", None) is not None:
            yield name, value


def select(target: str) -> list[tuple[str, Callable]]:
    """The functions that ``FILE_OR_MODULE[::op]`` names. Raises :class:`UsageError`."""
    place, _, wanted = target.partition("::")
    found = list(functions(load(place)))
    if not found:
        raise UsageError(f"no @op in {place}, no Function, and no function that declares its domain")
    if wanted:
        chosen = [(name, f) for name, f in found if wanted in (name, name_of(f))]
        if not chosen:
            raise UsageError(f"no op '{wanted}' in {place}; there are {', '.join(name for name, _ in found)}")
        return chosen
    return found


def check(name: str, function: Callable, order: int, examples: int | None) -> Verdict:
    """Prove one function on its declared domain, or on what can be inferred of it."""
    from minigrad.testing.domains import CannotInfer, candidates, declared
    from minigrad.testing.proofs import check_op

    try:
        attempts = candidates(function)
    except CannotInfer as error:
        return Verdict(name, reason=str(error).partition(": ")[2])
    failure: GradcheckError | None = None
    for remark, strategy in attempts:
        try:
            report = check_op(function, strategy, order=order, examples=examples)
        except GradcheckError as error:
            failure = failure or error
            if error.kind not in ("the call fails", "not finite", "too large", "the formula fails") or declared(function) is not None:
                return Verdict(name, error=error)
            if error.kind == "the formula fails":
                failure = error
        else:
            return Verdict(name, report=report, reason=remark)
    assert failure is not None
    if failure.kind == "the formula fails":
        return Verdict(name, error=failure)
    headline = failure.details[0] if failure.details else failure.headline
    return Verdict(name, reason=f"it does not take any arrays whatever ({headline}); declare its domain")


def run(targets: list[str], order: int = 2, examples: int | None = 50, stream: TextIO | None = None) -> int:
    """Check all targets and print the table; the exit code: 0 if all ops passed, 1 if one failed, 2 if nothing could be checked."""
    out = stream or sys.stdout
    try:
        chosen = [pair for target in targets for pair in select(target)]
    except UsageError as error:
        print(f"minigrad gradcheck: {error}", file=sys.stderr)
        return 2
    verdicts = [check(name, f, order, examples) for name, f in chosen]
    head = ["op", "argument", "order", "examples", "worst error", "kinks", "verdict"]
    print("\n".join(format_table(head, [row for v in verdicts for row in v.rows()])), file=out)
    for v in verdicts:
        if v.error is not None:
            print(f"\n{v.error}", file=out)
    for v in verdicts:
        if v.report is not None and v.reason:
            print(f"\n{v.name}: checked {v.reason}; declare its domain to check it elsewhere.", file=out)
    left_out = [v for v in verdicts if v.error is None and v.report is None]
    if left_out:
        print(f"\nNot checked: {'; '.join(f'{v.name}: {v.reason}' for v in left_out)}.", file=out)
        print("See `minigrad.testing.domain`: @domain(x=(0.1, 4.0)) above @op, or above the class of a Function.", file=out)
    failed = sum(v.error is not None for v in verdicts)
    passed = sum(v.report is not None for v in verdicts)
    print(f"\n{passed} passed, {failed} failed" + (f", {len(left_out)} not checked" if left_out else ""), file=out)
    return 1 if failed else 0 if passed else 2


def at_least_1(text: str) -> int:
    """A whole number, 1 or above, for an option. Raises ``ArgumentTypeError``."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number, 1 or above, not {text!r}")
    return int(text)


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "gradcheck", help="prove the gradients of every @op and Function in a file",
        description="Checks every @op and Function of a file or module on arguments that its domain declares, or that can be inferred. "
        "Exit code 0: all passed; 1: a gradient is wrong; 2: nothing could be checked.",
    )  # fmt: skip
    parser.add_argument("targets", nargs="+", metavar="FILE_OR_MODULE[::op]")
    parser.add_argument("--order", type=at_least_1, default=2, help="check derivatives up to this order (default 2)")
    parser.add_argument("--examples", type=at_least_1, default=50, help="examples for each op (default 50)")
    parser.set_defaults(run=main)


def main(arguments: argparse.Namespace) -> int:
    """Run the command."""
    return run(arguments.targets, arguments.order, arguments.examples)
