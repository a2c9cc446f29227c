"""Hooks of state dicts and of all modules, containers' arithmetic, pruning: what scripts for PyTorch use now and then."""

import pickle

import numpy as np
import pytest
from answers import noted

import minigrad as mg
import minigrad.torch
from minigrad import nn
from minigrad.nn import functional as F
from minigrad.nn import module as modules
from minigrad.nn.utils import prune
from minigrad.ops.dropout import masked_scale


def test_state_dict_hooks():
    model = nn.Sequential(nn.Linear(1, 1), nn.Sequential(nn.Linear(1, 1)))
    said = []
    model[1][0].register_state_dict_pre_hook(lambda module, prefix, keep_vars: said.append((prefix, keep_vars)))

    def rename(module, state, prefix, metadata):
        state[prefix + "w"] = state.pop(prefix + "weight")

    handle = model[1][0].register_state_dict_post_hook(rename)
    model.register_state_dict_post_hook(lambda module, state, prefix, metadata: said.append(sorted(state)))
    assert list(model.state_dict(prefix="net.")) == ["net.0.weight", "net.0.bias", "net.1.0.bias", "net.1.0.w"]
    assert said == [("net.1.0.", False), ["net.0.bias", "net.0.weight", "net.1.0.bias", "net.1.0.w"]]
    handle.remove()
    assert "1.0.weight" in model.state_dict()


def test_load_state_dict_hooks():
    model = nn.Sequential(nn.Linear(1, 1, bias=False))
    seen = []

    def old_name(module, state, prefix, metadata, strict, missing, unexpected, errors):
        if prefix + "w" in state:
            state[prefix + "weight"] = state.pop(prefix + "w")

    model[0].register_load_state_dict_pre_hook(old_name)
    model.register_load_state_dict_post_hook(lambda module, keys: seen.append((module is model, list(keys.missing_keys))))
    given = {"0.w": mg.tensor([[5.0]])}
    assert model.load_state_dict(given) == ([], []) and model[0].weight.item() == 5 and list(given) == ["0.w"]
    model.load_state_dict({}, strict=False)
    assert seen == [(True, []), (True, ["0.weight"])]

    def complain(module, state, prefix, metadata, strict, missing, unexpected, errors):
        errors.append("too old")

    handle = model.register_load_state_dict_pre_hook(complain)
    with pytest.raises(RuntimeError, match="too old"):
        model.load_state_dict({"0.w": mg.tensor([[6.0]])})
    handle.remove()
    assert model[0].weight.item() == 5


def test_hooks_of_all_modules_run_before_those_of_one():
    said = []
    layer, plain = nn.Linear(1, 1), nn.ReLU()
    layer.register_forward_hook(lambda module, args, out: said.append("one"))
    handles = [
        modules.register_module_forward_pre_hook(lambda module, args: said.append("before")),
        modules.register_module_forward_hook(lambda module, args, out: said.append("all")),
        modules.register_module_full_backward_pre_hook(lambda module, g: said.append("backward before")),
        modules.register_module_full_backward_hook(lambda module, gi, go: said.append("backward")),
    ]
    try:
        y = layer(mg.ones(1, 1, requires_grad=True))
        assert said == ["before", "all", "one"]
        plain(y).sum().backward()
        assert said[3:] == ["before", "all", "backward before", "backward", "backward before", "backward"]
        assert pickle.loads(pickle.dumps(plain)).training
    finally:
        for handle in handles:
            handle.remove()
    said.clear()
    plain(mg.ones(1))
    assert said == []


def test_set_submodule():
    model = nn.Sequential(nn.Sequential(nn.Linear(1, 1)))
    model.set_submodule("0.0", nn.ReLU(), strict=True)
    model.set_submodule("0.1", nn.Tanh())
    assert [type(m).__name__ for m in model[0]] == ["ReLU", "Tanh"]
    with pytest.raises(AttributeError, match=r"there is no module '0\.9'"):
        model.set_submodule("0.9", nn.ReLU(), strict=True)
    with pytest.raises(AttributeError, match="there is no module '7'"):
        model.set_submodule("7.0", nn.ReLU())
    for target, module in (("", nn.ReLU()), ("0", 3)):
        with pytest.raises(ValueError, match="set_submodule: "):
            model.set_submodule(target, module)


def test_sequential_times_a_number():
    one = nn.Sequential(nn.Linear(1, 1), nn.ReLU())
    assert len(one * 3) == len(3 * one) == 6 and (one * 2)[2] is one[0]
    one *= 2
    one += nn.Sequential(nn.Tanh())
    assert len(one) == 5 and isinstance(one[4], nn.Tanh)
    with pytest.raises(ValueError, match="1 or more, not with 0"):
        one * 0
    with pytest.raises(TypeError, match="whole number, not with float"):
        one * 1.5


def test_module_list_with_none():
    layers = nn.ModuleList([nn.Linear(1, 1), None])
    layers.append(None)
    assert layers[1] is None and len(layers) == 3 and list(layers.state_dict()) == ["0.weight", "0.bias"]
    with pytest.raises(TypeError, match=r"an nn\.Module is needed, not NoneType"):
        nn.Sequential(None)


def test_parameter_dict_is_a_dict():
    d = nn.ParameterDict({"a": mg.ones(1), "b": mg.zeros(1)})
    assert d.get("a") is d["a"] and d.get("c") is None and list(reversed(d)) == ["b", "a"]
    assert isinstance(d.setdefault("c", mg.ones(2)), nn.Parameter) and d.setdefault("c", mg.ones(9)).shape == (2,)
    assert d.popitem()[0] == "c" and list((d | {"x": mg.ones(1)}).keys()) == ["a", "b", "x"] and d.copy()["a"] is d["a"]
    d |= {"y": mg.ones(1)}
    assert list(d.fromkeys(["p", "q"], mg.ones(1))) == ["p", "q"] and len(d) == 3
    d.clear()
    assert len(d) == 0 and not list(d.parameters())
    with pytest.raises(KeyError, match="empty"):
        d.popitem()


def test_an_optimiser_may_be_older_than_a_lazy_layer_s_weights():
    model = nn.LazyLinear(1)
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
    x = mg.ones(4, 3)
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        loss = (model(x) - 1).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] and model.weight.shape == (1, 3) and np.isfinite(losses).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("sides", [(3, 4, 5, 16), (3, 4, 0, 16), (0, 4, 2, 9), (2, 3, 2, 7)])
def test_masks_of_whole_channels(sides, dtype):
    """Dropped are NaN and infinities too, for every layout in memory; the gradient is that of the kept ones."""
    random = np.random.default_rng(0)
    keep = random.random((*sides[:2], 1, 1)) > 0.5
    flat = random.standard_normal(1 + int(np.prod(sides))).astype(dtype)
    flat[1 : flat.size : 5] = np.nan
    flat[2 : flat.size : 5] = np.inf
    raw = np.zeros(flat.nbytes + 1, np.uint8)[1:].view(dtype)
    raw[:] = flat
    arrays = [flat[:-1].reshape(sides), flat[1:].reshape(sides[::-1]).transpose(), raw[1:].reshape(sides)]
    for x in arrays:
        got = masked_scale(x, keep, scale=2.5)
        np.testing.assert_array_equal(got, np.where(keep, x, 0) * np.asarray(2.5, dtype), strict=True)
    x = mg.tensor(arrays[0], requires_grad=True)
    g = mg.tensor(np.where(keep, arrays[2], np.nan))
    masked_scale(x, keep, scale=2.5).backward(g)
    np.testing.assert_array_equal(x.grad.numpy(), np.where(keep, arrays[2], 0) * np.asarray(2.5, dtype), strict=True)


def test_dropout2d_of_a_matrix_drops_elements_as_in_pytorch():
    mg.manual_seed(0)
    with pytest.warns(UserWarning, match="dropout2d: an input of 2 dimensions has no channels; use dropout"):
        y = F.dropout2d(mg.ones(20, 30), 0.5, True)
    assert sorted(set(y.flatten().tolist())) == [0.0, 2.0] and 200 < (y == 0).sum().item() < 400


# ------------------------------------------------------------------------------------------------------ pruning


def layer():
    made = nn.Linear(4, 2, bias=False)
    made.weight.data = mg.tensor([[1.0, -8.0, 3.0, 0.5], [2.0, 7.0, -6.0, 4.0]])
    return made


def test_l1_unstructured_prunes_the_smallest_and_trains_the_rest():
    m = prune.l1_unstructured(layer(), "weight", amount=3)
    assert m.weight.tolist() == [[0, -8, 3, 0], [0, 7, -6, 4]]
    assert [n for n, _ in m.named_parameters()] == ["weight_orig"] and [n for n, _ in m.named_buffers()] == ["weight_mask"]
    optimizer = nn.optim.SGD(m.parameters(), lr=1.0)
    m(mg.ones(1, 4)).sum().backward()
    assert m.weight_orig.grad.tolist() == m.weight_mask.tolist()
    optimizer.step()
    m(mg.ones(1, 4))
    assert m.weight.tolist() == [[0, -9, 2, 0], [0, 6, -7, 3]] and prune.is_pruned(nn.Sequential(m))
    prune.remove(m, "weight")
    assert isinstance(m.weight, nn.Parameter) and m.weight.tolist() == [[0, -9, 2, 0], [0, 6, -7, 3]] and not prune.is_pruned(m)
    assert list(m.state_dict()) == ["weight"]


def test_a_second_pruning_prunes_what_is_left():
    m = prune.l1_unstructured(layer(), "weight", 0.25)  # 0.5 and 1
    prune.l1_unstructured(m, "weight", 0.5)  # 3 of the 6 others
    assert m.weight.tolist() == [[0, -8, 0, 0], [0, 7, -6, 0]]
    prune.ln_structured(m, "weight", 1, n=2, dim=0)
    assert m.weight.tolist() == [[0, 0, 0, 0], [0, 7, -6, 0]]
    assert len(m._hooks.forward_pre) == 1


def test_structured_random_custom_and_identity():
    m = prune.ln_structured(layer(), "weight", amount=0.5, n=1, dim=1)
    assert m.weight.tolist() == [[0, -8, 3, 0], [0, 7, -6, 0]]  # the sums of columns are 3, 15, 9, 4.5
    mg.manual_seed(0)
    assert (prune.random_unstructured(layer(), "weight", 3).weight == 0).sum().item() == 3
    rows = (prune.random_structured(layer(), "weight", 1, dim=0).weight == 0).all(1)
    assert sorted(rows.tolist()) == [False, True]
    mask = mg.tensor([[1.0, 0, 1, 0], [0, 1, 0, 1]])
    assert prune.custom_from_mask(layer(), "weight", mask).weight.tolist() == [[1, 0, 3, 0], [0, 7, 0, 4]]
    assert prune.identity(layer(), "weight").weight.tolist() == layer().weight.tolist()
    scores = mg.arange(8.0).reshape(2, 4)
    assert prune.l1_unstructured(layer(), "weight", 2, importance_scores=scores).weight.tolist()[0] == [0, 0, 3, 0.5]


def test_global_unstructured_ranks_all_weights_together():
    a, b = layer(), layer()
    b.weight.data = b.weight * 10
    prune.global_unstructured([(a, "weight"), (b, "weight")], pruning_method=prune.L1Unstructured, amount=0.5)
    assert (a.weight != 0).sum().item() == 1 and (b.weight != 0).sum().item() == 7


def test_a_method_of_one_s_own():
    class Every(prune.BasePruningMethod):
        PRUNING_TYPE = "unstructured"

        def compute_mask(self, t, default_mask):
            mask = default_mask.clone()
            mask[:, ::2] = 0
            return mask

    m = layer()
    Every.apply(m, "weight")
    assert m.weight.tolist() == [[0, -8, 0, 0.5], [0, 7, 0, 4]]
    prune.l1_unstructured(m, "weight", 1)
    assert m.weight.tolist() == [[0, -8, 0, 0], [0, 7, 0, 4]]
    assert prune.L1Unstructured(2).prune(layer().weight.detach()).tolist() == [[0, -8, 3, 0], [2, 7, -6, 4]]


def test_errors_of_pruning():
    for amount, error in ((9, ValueError), (1.5, ValueError), (-1, ValueError), ("a", TypeError)):
        with pytest.raises(error, match="prune: amount"):
            prune.l1_unstructured(layer(), "weight", amount)
    with pytest.raises(ValueError, match="prune: Linear has no parameter 'nothing'"):
        prune.l1_unstructured(layer(), "nothing", 1)
    with pytest.raises(ValueError, match="prune: 'weight' of Linear is not pruned"):
        prune.remove(layer(), "weight")
    with pytest.raises(mg.ShapeError, match=r"prune: the mask has shape \(2,\), 'weight' of Linear \(2, 4\)"):
        prune.custom_from_mask(layer(), "weight", mg.ones(2))


def test_without_trivialization_some_maps_take_no_value():
    module = nn.utils.parametrizations.orthogonal(nn.Linear(3, 3), use_trivialization=False)
    with pytest.raises(NotImplementedError, match="no value can be assigned to matrix_exp"):
        module.weight = mg.eye(3)
    module = nn.utils.parametrizations.orthogonal(nn.Linear(3, 3), orthogonal_map="householder", use_trivialization=False)
    module.weight = mg.eye(3)
    np.testing.assert_allclose(module.weight.detach().numpy(), np.eye(3), atol=1e-6)


def test_orthogonal_parametrization_of_complex_matrices():
    module = nn.Linear(2, 3, dtype=mg.cdouble)
    for kind in ("matrix_exp", "cayley"):
        w = nn.utils.parametrizations.orthogonal(nn.Linear(2, 3, dtype=mg.cdouble), orthogonal_map=kind).weight
        np.testing.assert_allclose((w.mH @ w).detach().numpy(), np.eye(2), atol=1e-10)
    assert module.weight.is_complex()


def test_orthogonal_parametrization_stays_orthogonal():
    mg.manual_seed(0)
    start = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 2)))[0]
    for kind in ("matrix_exp", "cayley", "householder"):
        m = nn.Linear(2, 4).double()
        m.weight.data = mg.tensor(start)
        nn.utils.parametrizations.orthogonal(m, orthogonal_map=kind)
        np.testing.assert_allclose(m.weight.detach().numpy(), start, atol=1e-12)
    for shape, kind in (((3, 3), "matrix_exp"), ((4, 2), "cayley"), ((2, 4), "matrix_exp"), ((4, 2), "householder")):
        m = nn.utils.parametrizations.orthogonal(nn.Linear(shape[1], shape[0]).double(), orthogonal_map=kind)
        start = m.weight.detach().numpy()
        optimizer = nn.optim.SGD(m.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            (m(mg.ones(2, shape[1], dtype=mg.float64)) ** 2).sum().backward()
            optimizer.step()
        w = m.weight.detach().numpy()
        product = w.T @ w if shape[0] >= shape[1] else w @ w.T
        np.testing.assert_allclose(product, np.eye(min(shape)), atol=1e-10)
        assert np.abs(w - start).max() > 1e-4
    q = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    m = nn.utils.parametrizations.orthogonal(nn.Linear(3, 3).double())
    m.weight = mg.tensor(q)
    np.testing.assert_allclose(m.weight.detach().numpy(), q, atol=1e-10)
    with pytest.raises(ValueError, match="orthogonal: 'householder' is of real matrices"):
        nn.utils.parametrizations.orthogonal(nn.Linear(2, 2, dtype=mg.cfloat), orthogonal_map="householder")
    with pytest.raises(ValueError, match="orthogonal: orthogonal_map must be one of"):
        nn.utils.parametrizations.orthogonal(nn.Linear(2, 2), orthogonal_map="qr")
    with pytest.raises(ValueError, match="orthogonal: 'bias' of Linear has shape"):
        nn.utils.parametrizations.orthogonal(nn.Linear(2, 2), "bias")


def conversions(torch):
    """The dtypes of a model after conversions, one module of which has a tensor that is neither a parameter nor a buffer."""

    class Scaled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.scale = torch.nn.Linear(2, 2), torch.ones(2)
            self.register_buffer("count", torch.arange(2))

        def _apply(self, fn, recurse=True):
            super()._apply(fn, recurse)
            self.scale = fn(self.scale)
            return self

    m = torch.nn.Sequential(Scaled(), torch.nn.Linear(3, 3))
    w = m[0].inner.weight
    w.grad = torch.ones(2, 2)
    found = []
    for step in [
        lambda: m.double(), lambda: m.to(torch.float32), lambda: m.to("cpu"), lambda: m.half(), lambda: m.float(), lambda: m.cpu(),
        lambda: m.to(torch.ones(1, dtype=torch.float64)), lambda: m.half(),
    ]:  # fmt: skip
        same = step() is m
        tensors = [m[0].scale, m[0].inner.weight, m[0].inner.weight.grad, m[0].count, m[1].weight]
        found.append((same, w is m[0].inner.weight, *[str(t.dtype) for t in tensors]))
    m[0]._apply(lambda t: t + 1, recurse=False)
    return [*found, m[0].count.tolist(), m[0].scale.tolist(), m[0].inner.bias.requires_grad, m[0].inner.weight.grad.tolist()]


def test_a_module_converts_what_else_it_has():
    assert conversions(minigrad.torch) == noted(conversions)


def types(torch):
    """The dtypes of a model after type(), and what it computes then."""
    found = []
    for dtype in (torch.float64, "torch.DoubleTensor", torch.DoubleTensor):
        m = torch.nn.Sequential(torch.nn.BatchNorm1d(2), torch.nn.Linear(2, 2))
        m.register_buffer("flags", torch.ones(2, dtype=torch.bool))
        m[1].weight.grad = torch.ones(2, 2)
        same = m.type(dtype) is m
        y = m[0](torch.tensor([[1.0, 2.0], [3.0, 8.0]], dtype=torch.float64))
        found += [
            same,
            [round(v, 12) for v in y.flatten().tolist()],
            m[0].num_batches_tracked.item(),
            str(m[1].weight.grad.dtype),
            m[1].weight.requires_grad,
        ]
        found += [(name, str(tensor.dtype)) for name, tensor in m.state_dict().items()]
    frozen = torch.nn.Linear(2, 1).requires_grad_(False)
    torch.nn.init.constant_(frozen.weight, 2.7)
    return [*found, frozen.type(torch.int64).weight.tolist(), torch.ones(2).is_inference()]


def test_type_converts_counts_and_flags_too():
    assert types(minigrad.torch) == noted(types)


@pytest.mark.parametrize(
    ("dtype", "message"),
    [
        (None, "type: a dtype is needed, not None"),
        (mg.int64, "type: parameters that require gradients are floating numbers, and not torch.int64"),
        (mg.complex64, "type: parameters that require gradients are floating numbers, and not torch.complex64"),
        ("torch.doubletensor", "is no dtype"),
    ],
)
def test_a_type_that_modules_do_not_take(dtype, message):
    model = nn.Linear(1, 1)
    with pytest.raises(TypeError, match=message):
        model.type(dtype)
    assert model.weight.dtype == mg.float32


def lazy_conversions(torch):
    """What functions that a user gives to _apply make of parameters without a shape."""
    found = []
    for convert in [lambda t: t.double(), lambda t: t.to(torch.float16), lambda t: t.half().float(), lambda t: t.cpu(), lambda t: t]:
        layer = torch.nn.LazyLinear(3)
        weight = layer.weight
        layer._apply(convert)
        found += [type(layer.weight).__name__, str(layer.weight.dtype), layer.weight.requires_grad, layer.weight is weight]
    layer._apply(lambda t: t.double())
    found += [str(layer(torch.ones(2, 5, dtype=torch.float64)).dtype), list(layer.weight.shape)]
    for convert in [lambda t: t * 2, lambda t: t.clone()]:
        try:
            torch.nn.LazyLinear(3)._apply(convert)
        except ValueError:
            found.append("no value")
    return found


def test_functions_of_a_user_convert_lazy_parameters():
    assert lazy_conversions(minigrad.torch) == noted(lazy_conversions)


def test_a_conversion_of_a_lazy_parameter_is_another_one():
    p = nn.UninitializedParameter(requires_grad=False)
    q = p.double()
    assert (q.dtype, q.requires_grad, p.dtype) == (mg.float64, False, mg.float32) and type(q) is type(p)
    with pytest.raises(ValueError, match="has no value and no shape yet"):
        p.data = mg.ones(2)
    with pytest.raises(ValueError, match="has no value and no shape yet"):
        _ = p.data
