"""What a check says: :class:`Report` when all is well, :class:`GradcheckError` when it is not."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from minigrad.ops.arguments import check
from minigrad.testing.call import Call, source


@dataclasses.dataclass
class Row:
    """What was found for one argument at one order.

    ``error`` is the largest difference between the analytic and the numerical gradient, relative to the size of the
    element's derivatives; ``kinks`` counts the elements where the function has no derivative and the analytic value was accepted
    as a subgradient.
    """

    argument: str
    order: int
    elements: int = 0
    error: float = 0.0
    kinks: int = 0


class Report:
    """What :func:`gradcheck` and :func:`check_op` return: a row per argument and order; prints as a table.

    Attributes:
        name: the function that was checked.
        rows: list of :class:`Row`.
        examples: how many calls were checked.
        notes: what was left out, and why.
    """

    def __init__(self, name: str, examples: int = 1):
        check("Report", locals(), name="a name", examples=0)
        self.name = name
        self.rows: list[Row] = []
        self.examples = examples
        self.notes: list[str] = []

    @property
    def kinks(self) -> int:
        """Elements at kinks, over all rows."""
        return sum(row.kinks for row in self.rows)

    @property
    def elements(self) -> int:
        """Elements checked, over all rows."""
        return sum(row.elements for row in self.rows)

    @property
    def error(self) -> float:
        """The largest error of all rows."""
        return max((row.error for row in self.rows), default=0.0)

    def row(self, argument: str, order: int) -> Row:
        """The row of an argument at an order, new if there is none."""
        for row in self.rows:
            if row.argument == argument and row.order == order:
                return row
        self.rows.append(Row(argument, order))
        self.rows.sort(key=lambda row: row.order)  # stable: arguments stay in the order of the call
        return self.rows[-1] if self.rows[-1].argument == argument and self.rows[-1].order == order else self.row(argument, order)

    def note(self, text: str) -> None:
        """Add a remark, once."""
        if text not in self.notes:
            self.notes.append(text)

    def add(self, other: Report) -> None:
        """Take in the report of another example."""
        for theirs in other.rows:
            mine = self.row(theirs.argument, theirs.order)
            mine.elements += theirs.elements
            mine.kinks += theirs.kinks
            mine.error = max(mine.error, theirs.error)
        for text in other.notes:
            self.note(text)

    def __repr__(self) -> str:
        head = f"{self.name}: passed" + (f" on {self.examples} examples" if self.examples != 1 else "")
        table = format_table(
            ["argument", "order", "elements", "worst error", "kinks"],
            [[r.argument, r.order, r.elements, f"{r.error:.1e}", r.kinks] for r in self.rows],
        )
        return "\n".join([head, *(f"  {line}" for line in table), *(f"  {note}" for note in self.notes)])


def format_table(head: list[str], rows: Iterable[list[Any]]) -> list[str]:
    """Lines of a table; columns of numbers are aligned to the right."""
    lines = [head, *([str(c) for c in row] for row in rows)]
    columns = []
    for column in zip(*lines, strict=True):
        right = all(cell[:1].isdigit() for cell in column[1:] if cell)
        width = max(map(len, column))
        columns.append([cell.rjust(width) if right else cell.ljust(width) for cell in column])
    return ["  ".join(cells).rstrip() for cells in zip(*columns, strict=True)]


class GradcheckError(AssertionError, RuntimeError):
    """A check failed: an ``AssertionError`` for tests, and a ``RuntimeError`` as in PyTorch. The message names argument, element, values and the likely mistake; the attributes carry the same facts.

    Attributes:
        op: name of the op or function.
        argument: name of the argument (of the parameter, for a module) whose gradient is wrong; None where it is not about one.
        order: 1, or 2 where the second derivative is wrong, and so on; 0 where it is not about a gradient.
        index: index of the worst element of the argument, a tuple.
        output_index: index of the result's element whose derivative is compared, or None.
        analytic, numerical: the two values of the derivative there.
        kind: the likely mistake in a few words, such as ``"constant factor"``; None where nothing fits.
        advice: what it means and how to mend it; ``diagnosis`` is both, ``"constant factor: the gradient is 0.5 times ..."``.
        call: the arguments, a :class:`Call`.
    """

    def __init__(
        self,
        op: str,
        headline: str,
        *,
        argument: str | None = None,
        order: int = 0,
        index: tuple[int, ...] | None = None,
        output_index: tuple[int, ...] | None = None,
        analytic: float | None = None,
        numerical: float | None = None,
        kind: str | None = None,
        advice: str | None = None,
        details: Iterable[str] = (),
        call: Call | None = None,
    ):
        self.op = op
        self.headline = headline
        self.argument = argument
        self.order = order
        self.index = index
        self.output_index = output_index
        self.analytic = analytic
        self.numerical = numerical
        self.kind = kind
        self.advice = advice
        self.details = list(details)
        self.call = call
        self.code: str | None = None  # a program that shows the failure
        self.places: Any = None  # which elements are wrong, a Places: what check_op adds up over its examples
        super().__init__(headline)

    @property
    def diagnosis(self) -> str | None:
        """The likely mistake as a sentence; None where nothing fits."""
        return f"{self.kind}: {self.advice}" if self.kind else None

    def __str__(self) -> str:
        lines = [f"{self.op}: {self.headline}"]
        if self.details:
            lines += ["", *(f"  {line}" for line in self.details)]
        if self.diagnosis:
            lines += ["", f"  Likely mistake: {self.diagnosis}"]
        if self.code:
            lines += ["", "  To reproduce:", "", *(f"    {line}" for line in self.code.splitlines())]
        elif self.call is not None and len(text := source(self.call.args)) < 2000:
            lines += ["", f"  The arguments: {text[1:-1].rstrip(',')}" + (f", {source(self.call.kwargs)}" if self.call.kwargs else "")]
        return "\n".join(lines)
