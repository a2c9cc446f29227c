"""Pictures of computation: graphs with shapes, modules and gradients, as svg, png, pdf, dot or an interactive page.

>>> import minigrad as mg
>>> from minigrad import graph, nn
>>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
>>> g = graph.draw(model, mg.ones(1, 4))
>>> g
<Graph Sequential: 3 ops, 4 module calls, 32 B kept for backward>
>>> g.dot.splitlines()[0]
'digraph Sequential {'

``g.save`` writes svg, png, pdf, dot, html or json, chosen by the file extension; a notebook shows ``g`` as a picture. :func:`draw` lists the
options of the picture, :mod:`minigrad.graph.model` describes the graph as data.
"""

from minigrad.graph.dot import RenderError
from minigrad.graph.draw import draw
from minigrad.graph.model import Edge, Scope, Vertex
from minigrad.graph.picture import Graph
from minigrad.graph.trace import record, trace

__all__ = ["Edge", "Graph", "RenderError", "Scope", "Vertex", "draw", "record", "trace"]
