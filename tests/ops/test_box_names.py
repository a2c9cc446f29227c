"""What a picture calls a function that the user called, for each row of the table: by its name, or as a part of it."""

import hypothesis
import numpy as np
import pytest
from test_cases import FAMILIES, ROWS, st

import minigrad as mg
from minigrad import graph, nn
from minigrad.graph.trace import faces
from minigrad.nn import functional as F
from minigrad.testing.strategies import Call
from minigrad.tree import tensors_in, tree_map

OTHERWISE = {"where", "unfold"}  # whose method takes other arguments


def drawn(case):
    """The first call that hypothesis draws for a row."""
    calls = []

    @hypothesis.settings(max_examples=1, database=None, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
    @hypothesis.given(*[st.call(*case.strategies) if len(case.strategies) > 1 else case.strategies[0]])
    def note(value):
        calls.append(value if isinstance(value, Call) else Call((value,), {}))

    note()
    return calls


def tensor(value):
    return mg.tensor(value, requires_grad=value.dtype.kind == "f") if isinstance(value, np.ndarray) else value


def written(case, call):
    """The call as a user writes it, and its result: as a function, and as a method."""
    name = case.op.__name__
    args, kwargs = tree_map(tensor, call.args), tree_map(tensor, call.kwargs)
    for face in (mg, F):
        if getattr(face, name, None) is case.op:
            yield f"{name}(...)", lambda: case.op(*args, **kwargs)
    if isinstance(args[0], mg.Tensor) and hasattr(mg.Tensor, name) and case.op is getattr(mg, name, None) and name not in OTHERWISE:
        yield f"x.{name}(...)", lambda: getattr(args[0], name)(*args[1:], **kwargs)


def known(name):
    """Whether users know a box's name: that of a function or a method, x[i], x[i] = y, or a cast."""
    return name in ("getitem", "setitem", "cast", "sum_to") or any(hasattr(face, name) for face in faces())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_box_bears_the_name_that_the_user_wrote(family):
    """A function that makes one node gives it its name; of several nodes, each says that it is a part of the function."""
    for row in ROWS:
        case = row.values[0]
        name = case.op.__name__
        if not row.id.startswith(f"{family}-"):
            continue
        for call in drawn(case):
            for text, do in written(case, call):
                with graph.record(nn.Identity()) as recording:
                    results = [t for t in tensors_in(do()) if t._node is not None]
                if not results or any(t._node.plan is None for t in results):
                    continue  # nothing was computed
                boxes = [v for v in graph.draw(tuple(results), model=recording, depth=None).vertices if v.kind == "op"]
                apart = [
                    v.name for v in graph.draw(tuple(results), depth=None).vertices if v.kind == "op"
                ]  # drawn without what was recorded
                assert all(known(name) for name in apart), (text, apart)
                if len(boxes) == 1:
                    assert boxes[0].name == name, text
                assert all(name in (box.name, box.within) for box in boxes), (text, [(box.name, box.within) for box in boxes])
