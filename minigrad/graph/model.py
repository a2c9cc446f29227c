"""The graph model: a traced graph as plain data that can be written as JSON.

Renderers read only these four classes, and this module imports no renderer, so a picture can be drawn from a JSON file as well as from tensors:

>>> import minigrad as mg
>>> from minigrad import graph
>>> x = mg.tensor(3.0, requires_grad=True)
>>> g = graph.draw(x**2 + x, names={"x": x})
>>> [v.name for v in g.vertices]
['x', 'pow', 'add', 'output']
>>> graph.Graph.from_dict(g.to_dict()) == g
True
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

from minigrad.graph.values import Arrays
from minigrad.tree import bytes_text


@dataclass
class Vertex:
    """A call of an op, or a tensor that no op of the graph computed.

    ============  ===================================================================================================
    ``id``        what edges refer to; in order of creation, which is a topological order
    ``kind``      ``op``, ``parameter``, ``buffer``, ``input``, ``leaf``, ``constant``, ``output`` or ``summary`` (of many ops)
    ``name``      the op as the user called it (``conv2d``, see :func:`minigrad.graph.trace.Callers.called`), or the tensor (``conv1.weight``)
    ``op``        the op's own name (``conv``); empty for a tensor
    ``within``    the function that computed this among others, as the user called it (``mse_loss`` for ``square``), if there was one; of an op
                  that a backward pass with ``create_graph=True`` made, the gradient that it belongs to: ``∂ tanh``
    ``family``    the file of ops that it comes from (``linalg``), ``custom`` for a user's op, else the ``kind``
    ``static``    arguments of the call that are no tensors, as text: ``{"dim": "1"}``
    ``shapes``    of each result; ``dtypes`` and ``bytes`` likewise
    ``keeps``     what backward keeps for this op: ``{"name": "x", "shape": [2], "dtype": "float32", "bytes": 8, "shared": false}``.
                  ``shared`` arrays stay in memory anyway (a parameter, a result that another op keeps), so they cost nothing
    ``formulas``  argument -> its gradient formula, as written in the source
    ``scope``     id of the module call in which it was made, ``""`` outside
    ``line``      the source line that made it, where known
    ``value``     the numbers of a small tensor, as text
    ``gradient``  after a backward pass: the gradient that arrived here, see :func:`minigrad.graph.gradients.summary`
    ``arrays``    with ``values``: keys in the graph's ``arrays``: ``{"results": ["a2"], "operands": [["input", "a0"], ["weight", "a1"]]}``
    ============  ===================================================================================================
    """

    id: str
    kind: str
    name: str
    family: str
    static: dict[str, str] = field(default_factory=dict)
    shapes: list[list[int]] = field(default_factory=list)
    dtypes: list[str] = field(default_factory=list)
    bytes: list[int] = field(default_factory=list)
    keeps: list[dict[str, Any]] = field(default_factory=list)
    formulas: dict[str, str] = field(default_factory=dict)
    scope: str = ""
    line: str = ""
    value: str = ""
    gradient: dict[str, Any] | None = None
    op: str = ""
    within: str = ""
    arrays: dict[str, Any] = field(default_factory=dict)


@dataclass
class Edge:
    """A tensor that goes from the vertex ``source`` to the argument ``argument`` of ``target``.

    ``result`` is the position of the tensor among the source's results. After a backward pass, ``gradient`` summarises the gradient
    along this edge. ``differentiable`` is False where no gradient flows.
    """

    source: str
    target: str
    argument: str
    shape: list[int]
    dtype: str
    result: int = 0
    differentiable: bool = True
    gradient: dict[str, Any] | None = None


@dataclass
class Scope:
    """One call of a module; or one backward pass that was recorded, whose ``path`` is its name and ``kind`` says how many ops it made.

    ``id`` says where the call happened (``"layer1/0/conv1"``), ``path`` is the module's path in the model, ``kind`` its class,
    ``parent`` the id of the call around it (``""`` for the model's own). Equal calls that follow one another (same
    ops, same shapes) are repeats: the first has their number in ``repeats``, the others have its id in ``same_as``.
    """

    id: str
    name: str
    path: str
    kind: str
    parent: str
    parameters: int = 0
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    repeats: int = 1
    same_as: str = ""

    @property
    def is_pass(self) -> bool:
        """Whether this is a backward pass: what it says of itself are words, and a class has one."""
        return " " in self.kind


@dataclass
class Graph:
    """A traced graph. :class:`minigrad.graph.Graph` adds the methods that draw it.

    ``steps`` are the steps of backward, newest op first, if it was run (``backward=True``);
    ``arrays`` are the arrays that vertices and steps name, see :func:`minigrad.graph.values.packed`;
    ``options`` are the options of the picture given to ``draw``.
    """

    vertices: list[Vertex]
    edges: list[Edge]
    scopes: list[Scope] = field(default_factory=list)
    title: str = ""
    kept_bytes: int = 0
    steps: list[dict[str, Any]] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    arrays: Arrays = field(default_factory=Arrays)

    def to_dict(self) -> dict[str, Any]:
        """The graph as dicts, lists, strings and numbers."""
        return {**dataclasses.asdict(dataclasses.replace(self, arrays=Arrays())), "arrays": dict(self.arrays)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Graph:
        """The graph from a dict that :meth:`to_dict` returned."""
        parts: dict[str, Any] = {"vertices": Vertex, "edges": Edge, "scopes": Scope}
        values: dict[str, Any] = {key: [parts[key](**v) for v in value] if key in parts else value for key, value in data.items()}
        return cls(**{**values, "arrays": Arrays(values.get("arrays", {}))})

    def to_json(self) -> str:
        """The graph as JSON. NaN and infinity, which JSON lacks, are written as text."""
        return json.dumps(self.to_dict(), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Graph:
        """The graph from text that :meth:`to_json` returned."""
        return cls.from_dict(json.loads(text))

    def __repr__(self) -> str:
        ops = sum(v.kind == "op" for v in self.vertices)
        modules = f", {len(self.scopes)} module calls" if self.scopes else ""
        return f"<Graph{' ' + self.title if self.title else ''}: {ops} op{'s' * (ops != 1)}{modules}, {bytes_text(self.kept_bytes)} kept for backward>"
