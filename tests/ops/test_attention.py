"""Attention and transformers: consistent with each other, and compared with PyTorch."""

import copy
import inspect
import itertools
import math
import pickle
import re

import numpy as np
import pytest
from answers import torch

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn
from minigrad.testing import gradcheck

RTOL, ATOL = 1e-7, 1e-10


def close(ours, theirs, what=""):
    if theirs is None:
        assert ours is None, what
        return
    a, b = ours.detach().numpy(), theirs.detach().numpy()
    assert a.shape == b.shape and a.dtype == b.dtype, f"{what}: {a.dtype}{a.shape} and {b.dtype}{b.shape}"
    np.testing.assert_allclose(a, b, rtol=RTOL, atol=ATOL, err_msg=what)


def causal(n):
    return nn.Transformer.generate_square_subsequent_mask(n, dtype=mg.float64)


# --------------------------------------------------------------------------------------------------- on our own


def test_attention_by_hand():
    """Head by head, query by query."""
    rng = np.random.default_rng(0)
    layer = nn.MultiheadAttention(6, 3, dtype=mg.float64)
    nn.init.uniform_(layer.in_proj_bias)
    x, y = rng.normal(size=(4, 6)), rng.normal(size=(5, 6))
    w, b = layer.in_proj_weight.detach().numpy(), layer.in_proj_bias.detach().numpy()
    q, k, v = x @ w[:6].T + b[:6], y @ w[6:12].T + b[6:12], y @ w[12:].T + b[12:]
    out, heads = np.zeros((4, 6)), np.zeros((3, 4, 5))
    for head, query in itertools.product(range(3), range(4)):
        part = slice(2 * head, 2 * head + 2)
        e = np.exp([q[query, part] @ key / math.sqrt(2) for key in k[:, part]])
        heads[head, query] = e / e.sum()
        out[query, part] = heads[head, query] @ v[:, part]
    expected = out @ layer.out_proj.weight.detach().numpy().T
    for need in (True, False):
        found, weights = layer(mg.tensor(x), mg.tensor(y), mg.tensor(y), need_weights=need, average_attn_weights=False)
        np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-12)
    assert weights is None
    _, weights = layer(mg.tensor(x), mg.tensor(y), mg.tensor(y))
    np.testing.assert_allclose(weights.detach().numpy(), heads.mean(0), rtol=1e-12)


@pytest.mark.parametrize("floating", [False, True])
def test_rows_that_see_nothing(floating):
    """Zeros, without gradients, from scaled_dot_product_attention: 0 / 0 is nowhere."""
    x = mg.tensor(np.random.default_rng(1).normal(size=(2, 3, 4)), requires_grad=True)
    mask = np.array([[True, True, False], [False, False, False], [False, True, True]])
    out = F.scaled_dot_product_attention(x, x, x, np.where(mask, 0.0, -np.inf) if floating else mask)
    assert not out[:, 1].any() and out[:, 0].all()
    gradcheck(lambda x: F.scaled_dot_product_attention(x, x, x, np.where(mask, 0.0, -np.inf) if floating else mask), x)
    (g,) = mg.grad(out[:, 1].sum(), x)
    assert not g.any()


def test_a_mask_can_be_learnt():
    rng = np.random.default_rng(2)
    bias = mg.tensor(rng.normal(size=(3, 3)), requires_grad=True)
    layer, x = nn.MultiheadAttention(4, 2, dtype=mg.float64), mg.tensor(rng.normal(size=(3, 2, 4)))
    for need in (True, False):
        gradcheck(lambda bias, need=need: layer(x, x, x, attn_mask=bias, need_weights=need)[0], bias)


def test_nothing_after_a_position_counts_for_it():
    mg.manual_seed(0)
    layer = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True), 2).double()
    x = mg.randn(1, 6, 8, dtype=mg.float64)
    y = x.clone()
    y[0, 4:] = mg.randn(2, 8, dtype=mg.float64)
    mask = causal(6)
    assert mg.allclose(layer(x, mask)[0, :4], layer(y, mask)[0, :4])
    assert not mg.allclose(layer(x)[0, :4], layer(y)[0, :4])


def test_dropout_in_training_only():
    mg.manual_seed(0)
    x = mg.randn(5, 2, 8)
    layer = nn.MultiheadAttention(8, 2, dropout=0.5)
    for need in (True, False):
        assert not mg.allclose(layer.train()(x, x, x, need_weights=need)[0], layer(x, x, x, need_weights=need)[0])
        assert mg.allclose(layer.eval()(x, x, x, need_weights=need)[0], layer(x, x, x, need_weights=need)[0])
    nothing = nn.MultiheadAttention(8, 2, dropout=1.0)
    assert not nothing(x, x, x)[1].any() and nothing.eval()(x, x, x)[1].all()


def test_copies_and_pickles():
    model = nn.Transformer(8, 2, 1, 1, 16, activation="gelu")
    model.eval()
    x, y = mg.randn(4, 2, 8), mg.randn(3, 2, 8)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert mg.equal(other(x, y), model(x, y))


def test_clones_share_nothing():
    layer = nn.TransformerEncoderLayer(8, 2, 16)
    encoder = nn.TransformerEncoder(layer, 3, norm=nn.LayerNorm(8))
    assert len(list(encoder.parameters())) == 3 * len(list(layer.parameters())) + 2
    assert mg.equal(encoder.layers[0].linear1.weight, encoder.layers[2].linear1.weight)


SIZE = (4, 2, 8)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.MultiheadAttention(8, 3), ValueError, "8 features (embed_dim) do not divide into 3 heads"),
        (lambda: nn.MultiheadAttention(0, 3), ValueError, "embed_dim must be 1 or above, but is 0"),
        (lambda: attend(query=(4, 8)), mg.ShapeError, "must all be (length, batch, features) or all (length, features), not (4, 8), (4, 2, 8)"),
        (lambda: attend(query=(4, 2, 6)), mg.ShapeError, "query has 6 features, but 8 are needed (query (4, 2, 6))"),
        (lambda: attend(value=(5, 2, 8)), mg.ShapeError, "key and value must have one length, and the query's batch size 2"),
        (lambda: attend(key=(4, 3, 8), value=(4, 3, 8)), mg.ShapeError, "the query's batch size 2"),
        (lambda: attend(attn_mask=mg.zeros(4, 5)), mg.ShapeError, "attn_mask must have shape (4, 4) or (4, 4, 4), but has (4, 5)"),
        (lambda: attend(key_padding_mask=mg.zeros(4, 2)), mg.ShapeError, "key_padding_mask must have shape (2, 4), but has (4, 2)"),
        (lambda: attend(attn_mask=mg.ones(4, 4).long()), TypeError, "attn_mask must be boolean or floating, not int64"),
        (lambda: attend(is_causal=True), RuntimeError, "is_causal needs attn_mask"),
        (lambda: nn.TransformerEncoderLayer(8, 2, activation="tanh"), ValueError, "activation must be 'relu', 'gelu' or a function, not 'tanh'"),
        (lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2), 0), ValueError, "num_layers must be 1 or above, but is 0"),
        (lambda: nn.Transformer(8, 2, 1, 1)(mg.ones(3, 2, 6), mg.ones(3, 2, 8)), mg.ShapeError, "must have 8 features (d_model)"),
        (lambda: nn.Transformer(8, 2, 1, 1)(mg.ones(3, 2, 8), mg.ones(3, 4, 8)), mg.ShapeError, "must have the same batch size"),
        (lambda: F.scaled_dot_product_attention(mg.ones(2, 3), mg.ones(2, 3), mg.ones(2, 3), mg.ones(2, 2).int()), TypeError, "boolean or floating"),
        (lambda: dot_product((4,), (5, 4), (5, 4)), mg.ShapeError, "two dimensions at least (query (4,), key (5, 4), value (5, 4))"),
        (lambda: dot_product((3, 4), (5, 6), (5, 6)), mg.ShapeError, "scaled_dot_product_attention: query and key must have one size E, but have 4 and 6 (query (3, 4), key (5, 6)"),
        (lambda: dot_product((3, 4), (5, 4), (6, 4)), mg.ShapeError, "key and value must have one length S, but have 5 and 6"),
        (lambda: dot_product((2, 3, 4), (5, 3, 4), (5, 3, 4)), mg.ShapeError, "the dimensions before the last 2 do not broadcast (query (2, 3, 4)"),
        (lambda: dot_product((4, 3, 4), (3, 3, 4), (2, 3, 4), enable_gqa=True), mg.ShapeError, "must divide those of the query"),
        (lambda: dot_product((3, 4), (3, 4), (3, 4), enable_gqa=True), mg.ShapeError, "must divide those of the query"),
        (lambda: dot_product((2, 4, 3, 4), (3, 2, 3, 4), (3, 2, 3, 4), enable_gqa=True), mg.ShapeError, "before the last 3 do not broadcast"),
        (lambda: dot_product((3, 4), (5, 4), (5, 4), attn_mask=mg.ones(4, 5)), mg.ShapeError, "(3, 5) and attn_mask (4, 5) do not broadcast"),
    ],
)  # fmt: skip
def test_errors(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call()


def attend(query=SIZE, key=SIZE, value=SIZE, **options):
    return nn.MultiheadAttention(8, 2)(mg.ones(query), mg.ones(key), mg.ones(value), **options)


def dot_product(*shapes, **options):
    return F.scaled_dot_product_attention(*map(mg.ones, shapes), **options)


def test_groups_of_heads_may_differ_for_key_and_value():
    query, key, value = mg.randn(4, 3, 5), mg.randn(2, 6, 5), mg.randn(1, 6, 5)
    found = F.scaled_dot_product_attention(query, key, value, enable_gqa=True)
    wanted = F.scaled_dot_product_attention(query, key.repeat_interleave(2, 0), value)
    np.testing.assert_array_equal(found.numpy(), wanted.numpy())


def test_a_shift_can_be_learnt():
    """Each element is to be the one before it: what attention with positions is for."""
    mg.manual_seed(0)
    rng = np.random.default_rng(0)
    embedding, positions = nn.Embedding(4, 16), nn.Parameter(mg.randn(6, 16))
    layer, head = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True), nn.Linear(16, 4)
    optimizer = nn.optim.Adam([*embedding.parameters(), positions, *layer.parameters(), *head.parameters()], lr=0.01)
    for _ in range(100):
        symbols = rng.integers(0, 4, (32, 6))
        scores = head(layer(embedding(mg.tensor(symbols)) + positions))
        loss = F.cross_entropy(scores[:, 1:].reshape(-1, 4), mg.tensor(symbols[:, :-1].reshape(-1)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1


# ---------------------------------------------------------------------------------------------- beside PyTorch's


def twins(kind, *args, **options):
    """A layer of ours and one of PyTorch's with the same random float64 weights, biases included."""
    made = []
    for n in (nn, torch.nn):  # an activation that is no string is the library's own function
        own = {k: getattr(n.functional, v) if v == "silu" else v for k, v in options.items()}
        made.append(getattr(n, kind)(*args, **own).double())
    return with_weights(*made)


def with_weights(ours, theirs):
    """The two, with the same random weights."""
    assert list(ours.state_dict()) == list(theirs.state_dict())
    rng = np.random.default_rng(3)
    state = {name: rng.normal(size=tuple(p.shape)) * 0.5 for name, p in theirs.state_dict().items()}
    ours.load_state_dict(state)
    theirs.load_state_dict({name: torch.tensor(a) for name, a in state.items()})
    return ours, theirs


def compare(ours, theirs, arrays, same=(), masks=None, **options):
    """Results, and the gradients of inputs, floating masks and weights. ``same``: (i, j) for input i being input j."""
    found = []
    for library, layer in ((mg, ours), (torch, theirs)):
        inputs = [library.tensor(a, requires_grad=True) for a in arrays]
        for i, j in same:
            inputs[i] = inputs[j]
        given = {k: library.tensor(a, requires_grad=a.dtype.kind == "f") for k, a in (masks or {}).items()}
        results = layer(*inputs, **given, **options)
        results = list(results) if isinstance(results, tuple) else [results]
        loss = 0.0
        for i, r in enumerate(results):
            if r is not None:
                loss = loss + (r * library.tensor(np.random.default_rng(i).normal(size=tuple(r.shape)))).sum()
        layer.zero_grad()
        loss.backward()
        found.append([*results, *[x.grad for x in [*inputs, *given.values()]], *[p.grad for p in layer.parameters()]])
    assert len(found[0]) == len(found[1])
    for i, (a, b) in enumerate(zip(*found, strict=True)):
        close(a, b, f"result {i}")


VARIANTS = [
    {},
    {"bias": False},
    {"add_bias_kv": True},
    {"add_zero_attn": True},
    {"add_bias_kv": True, "add_zero_attn": True, "bias": False},
    {"kdim": 6},
    {"kdim": 6, "vdim": 10, "add_bias_kv": True},
    {"kdim": 6, "vdim": 10, "bias": False},
]
MASKS = ["none", "bool", "float", "per_head", "float_per_head", "padding", "float_padding", "bool+padding", "float+float_padding"]


def masks_for(kind, batch, target, source, heads, rng):
    """Masks in which every query may look at something."""
    found = {}
    shape = (batch or 1) * heads, target, source
    hidden = rng.random(shape) < 0.4
    hidden[..., 0] = False
    first = kind.partition("+")[0]
    if first in ("bool", "float"):
        found["attn_mask"] = hidden[0] if first == "bool" else np.where(hidden[0], -np.inf, rng.normal(size=shape[1:]))
    elif first in ("per_head", "float_per_head"):
        found["attn_mask"] = hidden if first == "per_head" else rng.normal(size=shape)
    if kind.endswith("padding"):
        padding = rng.random((batch, source) if batch else (source,)) < 0.4
        padding[..., 0] = False
        found["key_padding_mask"] = padding if "float_padding" not in kind else np.where(padding, -np.inf, 0.5)
    return found


@pytest.mark.parametrize("masks", MASKS)
@pytest.mark.parametrize("form", ["batch", "batch_first", "unbatched"])
@pytest.mark.parametrize("options", VARIANTS, ids=lambda options: "-".join(options) or "plain")
def test_attention(options, form, masks):
    rng = np.random.default_rng(4)
    ours, theirs = twins("MultiheadAttention", 4, 2, batch_first=form == "batch_first", **options)
    target, source, batch = 5, 4, 3
    features = (4, options.get("kdim", 4), options.get("vdim", 4))

    def shape(length, size):
        return {"batch": (length, batch, size), "batch_first": (batch, length, size), "unbatched": (length, size)}[form]

    arrays = [rng.normal(size=shape(n, size)) for n, size in zip((target, source, source), features, strict=True)]
    given = masks_for(masks, None if form == "unbatched" else batch, target, source, 2, rng)
    for need, average in ((True, True), (True, False), (False, True)):
        compare(ours, theirs, arrays, masks=given, need_weights=need, average_attn_weights=average)
    if options.get("kdim", options.get("vdim", 4)) == 4:
        compare(ours, theirs, arrays, same=[(2, 1)], masks=given)
        given = masks_for(masks, None if form == "unbatched" else batch, target, target, 2, rng)
        compare(ours, theirs, arrays[:1] * 3, same=[(1, 0), (2, 0)], masks=given, need_weights=False)


@pytest.mark.parametrize("masks", ["none", "float"])
@pytest.mark.parametrize("need", [True, False])
def test_causal_hint(need, masks):
    ours, theirs = twins("MultiheadAttention", 8, 2)
    x = np.random.default_rng(5).normal(size=(5, 3, 8))
    mask = np.triu(np.full((5, 5), -np.inf), 1) if masks == "float" else ~np.tri(5, dtype=bool)
    found = []
    for library, layer in ((mg, ours), (torch, theirs)):
        y = library.tensor(x)
        found.append(layer(y, y, y, attn_mask=library.tensor(mask), need_weights=need, is_causal=True))
    close(found[0][0], found[1][0])
    close(found[0][1], found[1][1])


@pytest.mark.parametrize("need", [True, False])
def test_queries_that_see_nothing(need):
    """NaN with weights, zeros (so the output's bias) without."""
    ours, theirs = twins("MultiheadAttention", 8, 2)
    padding = np.array([[True] * 4, [False, False, True, True]])
    compare(ours, theirs, [np.random.default_rng(6).normal(size=(4, 2, 8))] * 3, masks={"key_padding_mask": padding}, need_weights=need)


def test_static_keys():
    rng = np.random.default_rng(7)
    ours, theirs = twins("MultiheadAttention", 8, 2)
    x, k, v = rng.normal(size=(5, 3, 8)), rng.normal(size=(6, 4, 4)), rng.normal(size=(6, 4, 4))
    found = []
    for library, layer, f in ((mg, ours, F), (torch, theirs, torch.nn.functional)):
        y = library.tensor(x)
        keys = library.tensor(np.ones((4, 3, 8)))  # their number counts for nothing
        found.append(
            f.multi_head_attention_forward(
                y, keys, keys, 8, 2, layer.in_proj_weight, layer.in_proj_bias, None, None, True, 0.0, layer.out_proj.weight,
                layer.out_proj.bias, static_k=library.tensor(k), static_v=library.tensor(v),
            )
        )  # fmt: skip
    close(found[0][0], found[1][0])
    close(found[0][1], found[1][1])


@pytest.mark.parametrize("masks", ["none", "bool", "float", "padding", "bool+padding"])
@pytest.mark.parametrize("form", ["batch", "batch_first", "unbatched"])
@pytest.mark.parametrize(
    "options",
    [{}, {"norm_first": True}, {"bias": False, "activation": "gelu"}, {"norm_first": True, "layer_norm_eps": 0.1, "activation": "silu"}],
    ids=lambda options: "-".join(options) or "plain",
)
@pytest.mark.parametrize("kind", ["TransformerEncoderLayer", "TransformerDecoderLayer"])
def test_transformer_layer(kind, options, form, masks):
    rng = np.random.default_rng(8)
    ours, theirs = twins(kind, 8, 2, 12, 0.0, batch_first=form == "batch_first", **options)
    batch = None if form == "unbatched" else 3

    def sequence(length):
        return rng.normal(size={"batch": (length, 3, 8), "batch_first": (3, length, 8), "unbatched": (length, 8)}[form])

    own_masks = masks_for(masks, batch, 5, 5, 2, rng)
    if kind == "TransformerEncoderLayer":
        names = {"attn_mask": "src_mask", "key_padding_mask": "src_key_padding_mask"}
        compare(ours, theirs, [sequence(5)], masks={names[k]: a for k, a in own_masks.items()})
        return
    given = {"attn_mask": "tgt_mask", "key_padding_mask": "tgt_key_padding_mask"}
    given = {given[k]: a for k, a in own_masks.items()}
    for k, a in masks_for(masks, batch, 5, 4, 2, rng).items():
        given[{"attn_mask": "memory_mask", "key_padding_mask": "memory_key_padding_mask"}[k]] = a
    compare(ours, theirs, [sequence(5), sequence(4)], masks=given)


@pytest.mark.parametrize("kind", ["TransformerEncoder", "TransformerDecoder"])
def test_stacks(kind):
    made = []
    for n in (nn, torch.nn):
        layer = getattr(n, f"{kind}Layer")(8, 2, 16, dropout=0.0, batch_first=True)
        made.append(getattr(n, kind)(layer, 2, n.LayerNorm(8)).double())
    rng = np.random.default_rng(5)
    arrays = [rng.normal(size=(3, length, 8)) for length in ((4,) if kind == "TransformerEncoder" else (4, 6))]
    compare(*with_weights(*made), arrays)


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True:UserWarning")
def test_transformer(norm_first, batch_first):
    rng = np.random.default_rng(9)
    ours, theirs = twins("Transformer", 8, 2, 2, 3, 12, 0.0, norm_first=norm_first, batch_first=batch_first)
    src, tgt = rng.normal(size=(5, 2, 8)), rng.normal(size=(4, 2, 8))
    if batch_first:
        src, tgt = src.swapaxes(0, 1), tgt.swapaxes(0, 1)
    padding = np.array([[False] * 5, [False, False, False, True, True]])
    masks = {"tgt_mask": ~np.tri(4, dtype=bool), "src_key_padding_mask": padding, "memory_key_padding_mask": padding}
    compare(ours, theirs, [src, tgt], masks=masks)
    compare(ours, theirs, [src, tgt], masks={"tgt_mask": ~np.tri(4, dtype=bool)}, tgt_is_causal=True)
    close(causal(4), torch.nn.Transformer.generate_square_subsequent_mask(4, dtype=torch.float64))


@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True:UserWarning")
def test_arguments():
    if not torch.__version__.startswith("2.13"):
        pytest.skip("arguments are those of PyTorch 2.13")
    names = [
        "MultiheadAttention",
        "TransformerEncoderLayer",
        "TransformerDecoderLayer",
        "TransformerEncoder",
        "TransformerDecoder",
        "Transformer",
    ]
    pairs = [(getattr(nn, name), getattr(torch.nn, name)) for name in names]
    pairs += [(a.forward, b.forward) for a, b in pairs]
    pairs += [(F.multi_head_attention_forward, torch.nn.functional.multi_head_attention_forward)]
    for ours, theirs in pairs:
        a, b = inspect.signature(ours).parameters, inspect.signature(theirs).parameters
        assert list(a) == list(b), ours
        for name, p in b.items():
            if name != "activation":
                assert a[name].default == p.default, (ours, name)
    for make in (
        lambda n: n.TransformerEncoder(n.TransformerEncoderLayer(8, 2), 2),
        lambda n: n.TransformerDecoder(n.TransformerDecoderLayer(8, 2, norm_first=True), 1, n.LayerNorm(8)),
        lambda n: n.Transformer(8, 2, 1, 1, activation=n.GELU()),
    ):
        assert repr(make(nn)) == repr(make(torch.nn))


def test_initial_weights():
    """As widely spread as PyTorch's."""
    mg.manual_seed(0)
    for make in (lambda n: n.MultiheadAttention(128, 4, add_bias_kv=True), lambda n: n.MultiheadAttention(128, 4, kdim=64)):
        ours, theirs = make(nn), make(torch.nn)
        for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
            assert p.detach().numpy().std() == pytest.approx(q.std().item(), rel=0.25, abs=1e-9), name
