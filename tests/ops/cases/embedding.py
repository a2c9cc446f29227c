"""Rows for ``minigrad/ops/embedding.py``. The result of ``scale_grad_by_freq`` is no gradient: see test_functional_parity.py."""

import numpy as np
from hypothesis import strategies as hs

from cases import Case
from minigrad.ops import embedding
from minigrad.testing import strategies as st


@hs.composite
def tables(draw):
    weight = draw(st.arrays((draw(hs.integers(1, 4)), draw(hs.integers(1, 3)))))
    index = draw(st.integers_array(st.shapes(0, 2), 0, len(weight) - 1))
    return st.Call((index, weight))


def padding(rows):
    return hs.one_of(hs.none(), hs.integers(-rows, rows - 1))


@hs.composite
def bags(draw, mode):
    """Bags of equal size, or of any size (0 too) one after the other. Distinct numbers in a table, so that no maxima tie."""
    rows, features = draw(hs.integers(2, 4)), draw(hs.integers(1, 3))
    order = np.random.default_rng(draw(hs.integers(0, 99))).permutation(rows * features)
    weight = 0.25 * order.reshape(rows, features) - 1.0
    static = {"mode": mode, "padding_idx": draw(padding(rows))}
    if draw(hs.booleans()):
        index = draw(st.integers_array((draw(hs.integers(1, 3)), draw(hs.integers(1, 3))), 0, rows - 1))
    else:
        sizes = draw(hs.lists(hs.integers(0, 3), min_size=1, max_size=4))
        index = draw(st.integers_array((sum(sizes),), 0, rows - 1))
        static["offsets"] = np.cumsum([0, *sizes[:-1]])
        if draw(hs.booleans()):
            static.update(offsets=np.cumsum([0, *sizes]), include_last_offset=True)
    if mode == "sum" and draw(hs.booleans()):
        static["per_sample_weights"] = draw(st.arrays(index.shape))
    return st.Call((index, weight), static)


def functional(name):
    return lambda torch, *args, **kwargs: getattr(torch.nn.functional, name)(*args, **kwargs)


CASES = [
    Case(embedding._embedding, tables()),
    Case(embedding.embedding, tables(), numpy=lambda i, w: w[i], torch=functional("embedding")),
    *[
        Case(embedding.embedding_bag, bags(mode), torch=functional("embedding_bag"), name=f"embedding_bag {mode}")
        for mode in ("sum", "mean", "max")
    ],
]
