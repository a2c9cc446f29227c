"""Optimisers and schedulers without PyTorch; tests/nn/test_torch_twin.py compares their numbers with PyTorch's."""

import copy
import math
import pickle

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.nn import optim
from minigrad.nn.optim.optimizer import PIECE

OPTIMIZERS = {
    "SGD": lambda p: optim.SGD(p, lr=0.1),
    "SGD momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.1, weight_decay=0.01),
    "SGD nesterov": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "Adam": lambda p: optim.Adam(p, lr=0.1),
    "Adam amsgrad": lambda p: optim.Adam(p, lr=0.1, amsgrad=True, weight_decay=0.01),
    "AdamW": lambda p: optim.AdamW(p, lr=0.1),
    "NAdam": lambda p: optim.NAdam(p, lr=0.1),
    "RAdam": lambda p: optim.RAdam(p, lr=0.1),
    "Adamax": lambda p: optim.Adamax(p, lr=0.1),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.01),
    "RMSprop centered": lambda p: optim.RMSprop(p, lr=0.01, centered=True, momentum=0.5),
    "Adagrad": lambda p: optim.Adagrad(p, lr=0.5),
    "Adadelta": lambda p: optim.Adadelta(p, lr=10.0),
    "Rprop": lambda p: optim.Rprop(p, lr=0.1),
    "ASGD": lambda p: optim.ASGD(p, lr=0.1),
    "Adafactor": lambda p: optim.Adafactor(p, lr=1.0, eps=(None, 0.5), weight_decay=0.01),
}
each_optimizer = pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
SHAPES = [(3, 4), (), (5,), (0, 2), (PIECE + 7,), (2, 1, 3), (150, 120)]


def parameters(shapes=SHAPES, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    return [mg.tensor(rng.normal(size=shape).astype(dtype), requires_grad=True) for shape in shapes]


def set_gradients(params, seed):
    rng = np.random.default_rng(seed)
    for p in params:
        p.grad = mg.tensor(rng.normal(size=p.shape).astype(p.dtype))


def values(params):
    return [p.numpy(force=True).copy() for p in params]


def assert_equal(a, b):
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


@each_optimizer
def test_minimises(make):
    """The distance to a known point falls."""
    target = np.array([1.0, -2.0, 3.0])
    w = mg.tensor(np.zeros(3), requires_grad=True)
    optimizer = make([w])
    for _ in range(60):
        optimizer.zero_grad()
        ((w - target) ** 2).sum().backward()
        optimizer.step()
    assert np.linalg.norm(w.numpy(force=True) - target) < 0.5 * np.linalg.norm(target)


@each_optimizer
def test_gathered_and_alone_are_the_same(make):
    """Small parameters that are updated together get the values that each would get by itself."""
    together, alone = parameters(), parameters()
    optimizer, optimizers = make(together), [make([p]) for p in alone]
    for step in range(4):
        set_gradients(together, step)
        set_gradients(alone, step)
        optimizer.step()
        for o in optimizers:
            o.step()
    for a, b in zip(values(together), values(alone), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=0)


@each_optimizer
@pytest.mark.parametrize("sizes", [(6,), (PIECE + 5,), (6, 3)], ids=["small", "large", "gathered"])
def test_a_value_that_somebody_holds_stays(make, sizes):
    """A step gives the parameter a new value; a detached tensor, an array, a state_dict and a graph keep the old one."""
    layer = nn.Module()
    for i, size in enumerate(sizes):
        setattr(layer, f"w{i}", nn.Parameter(mg.tensor(np.linspace(1, 2, size))))
    w = layer.w0
    optimizer = make(layer.parameters())
    for _ in range(2):
        before = w.numpy(force=True).copy()
        detached, array, state = w.detach(), w.numpy(force=True), layer.state_dict()
        y = (w * w).sum()  # its gradient, 2 w, needs the old value
        for p in layer.parameters():
            p.grad = mg.tensor(np.ones(p.shape))
        optimizer.step()
        assert layer.w0 is w
        assert not np.array_equal(w.numpy(force=True), before)
        for held in (detached.numpy(), array, state["w0"].numpy()):
            np.testing.assert_array_equal(held, before)
        w.grad = None
        y.backward()
        np.testing.assert_array_equal(w.grad.numpy(), 2 * before)


def test_large_parameters_are_written_in_place():
    """Nobody else holds the array: no new one is made."""
    w = mg.tensor(np.ones(PIECE + 1), requires_grad=True)
    w.grad = mg.tensor(np.ones(PIECE + 1))
    address = w._data.ctypes.data
    optim.Adam([w]).step()
    assert w._data.ctypes.data == address
    assert (w.numpy(force=True) < 1).all()


def test_gradients_are_left_alone():
    for make in OPTIMIZERS.values():
        params = parameters()
        set_gradients(params, 3)
        before = [p.grad.numpy().copy() for p in params]
        make(params).step()
        assert_equal([p.grad.numpy() for p in params], before)


def test_not_contiguous():
    w = mg.tensor(np.arange(6.0).reshape(2, 3).T, requires_grad=True)
    v = nn.Parameter(mg.from_numpy(np.arange(2.0 * PIECE).reshape(2, -1).T))
    for p in (w, v):
        p.grad = mg.from_numpy(np.ones(p.shape[::-1]).T)
    optim.SGD([w, v], lr=1.0).step()
    np.testing.assert_array_equal(w.numpy(force=True), np.arange(6.0).reshape(2, 3).T - 1)
    np.testing.assert_array_equal(v.numpy(force=True), np.arange(2.0 * PIECE).reshape(2, -1).T - 1)


@each_optimizer
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_dtype_stays(make, dtype):
    params = parameters([(3,), (4, 4)], dtype)
    optimizer = make(params)
    for step in range(2):
        set_gradients(params, step)
        optimizer.step()
    assert {p.dtype for p in params} == {np.dtype(dtype)}
    arrays = [v for kept in optimizer.state.values() for v in kept.values() if isinstance(v, np.ndarray)]
    assert {a.dtype for a in arrays} <= {np.dtype(dtype)}


def test_mixed_dtypes_in_one_group():
    params = parameters([(3,)], np.float32) + parameters([(3,), (4,)], np.float64)
    set_gradients(params, 0)
    expected = [p.numpy(force=True) - np.float32(0.5) * p.grad.numpy() for p in params]
    optim.SGD(params, lr=0.5).step()
    for p, e in zip(params, expected, strict=True):
        np.testing.assert_allclose(p.numpy(force=True), e, rtol=1e-6)


@each_optimizer
def test_parameters_without_gradient_are_skipped(make):
    """And keep a count of steps of their own."""
    params = parameters([(3,), (2, 2)])
    optimizer = make(params)
    set_gradients(params, 0)
    optimizer.step()
    before = values(params)
    params[0].grad = None
    optimizer.step()
    assert np.array_equal(values(params)[0], before[0]) and not np.array_equal(values(params)[1], before[1])
    assert [optimizer.state[p]["step"] for p in params] == [1, 2]
    alone = parameters([(3,), (2, 2)])  # the same steps, each by itself
    for p, steps in zip(alone, ([0, 5], [0, 0, 5]), strict=True):
        single = make([p])
        for seed in steps:
            set_gradients(alone, seed)
            single.step()
    set_gradients(params, 5)
    optimizer.step()
    for p, q in zip(params, alone, strict=True):
        np.testing.assert_allclose(p.numpy(force=True), q.numpy(force=True), rtol=1e-13)


def test_sgd_in_numbers():
    """The first step takes the whole gradient, the next ones the share that dampening leaves."""
    w = mg.tensor([0.0], requires_grad=True)
    optimizer = optim.SGD([w], lr=1.0, momentum=0.5, dampening=0.25)
    for expected in (-1.0, -1.0 - (0.5 + 0.75), -2.25 - (0.625 + 0.75)):
        w.grad = mg.tensor([1.0])
        optimizer.step()
        assert w.item() == expected


def test_groups_have_options_of_their_own():
    a, b = parameters([(2,), (2,)])
    optimizer = optim.SGD([{"params": a, "lr": 1.0}, {"params": [b]}], lr=0.1)
    set_gradients([a, b], 0)
    before = values([a, b])
    optimizer.step()
    for p, old, lr in zip((a, b), before, (1.0, 0.1), strict=True):
        np.testing.assert_allclose(p.numpy(force=True), old - lr * p.grad.numpy(), rtol=1e-15)
    optimizer.param_groups[1]["lr"] = 0.0
    before = values([b])
    optimizer.step()
    assert_equal(values([b]), before)


def test_add_param_group():
    a, b = parameters([(2,), (3,)])
    optimizer = optim.Adam([a], lr=0.1)
    set_gradients([a, b], 0)
    optimizer.step()
    before = values([b])
    optimizer.add_param_group({"params": [b], "lr": 0.5})
    optimizer.step()
    np.testing.assert_allclose(values([b])[0], before[0] - 0.5 * np.sign(b.grad.numpy()), rtol=1e-6)
    assert optimizer.state[a]["step"] == 2 and optimizer.state[b]["step"] == 1
    assert optimizer.param_groups[1]["betas"] == (0.9, 0.999)


def test_named_parameters_are_accepted():
    model = nn.Linear(2, 3)
    optimizer = optim.SGD(model.named_parameters(), lr=0.1)
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
    assert optimizer.param_groups[0]["params"] == [model.weight, model.bias]


def test_refusals():
    w = mg.tensor([1.0], requires_grad=True)
    with pytest.raises(TypeError, match=r"pass model\.parameters\(\)"):
        optim.SGD(nn.Linear(1, 1))
    with pytest.raises(TypeError, match="iterable"):
        optim.SGD(w)
    with pytest.raises(ValueError, match="empty"):
        optim.SGD([])
    with pytest.raises(TypeError, match="ndarray"):
        optim.SGD([np.ones(3)])
    with pytest.raises(TypeError, match="order"):
        optim.SGD([{"params": {w}}])
    with pytest.raises(ValueError, match="leaf"):
        optim.SGD([w * 2])
    with pytest.raises(ValueError, match="twice"):
        optim.SGD([w, w])
    with pytest.raises(ValueError, match="more than one"):
        optim.SGD([{"params": [w]}, {"params": [w]}])
    with pytest.raises(ValueError, match="lr must be finite and not negative"):
        optim.Adam([w], lr=-1.0)
    with pytest.raises(ValueError, match=r"betas\[1\]"):
        optim.Adam([w], betas=(0.9, 1.0))
    with pytest.raises(ValueError, match="nesterov"):
        optim.SGD([w], nesterov=True)
    with pytest.raises(ValueError, match="weight_decay"):
        optim.SGD([{"params": [w], "weight_decay": -1.0}])
    with pytest.raises(ValueError, match="etas"):
        optim.Rprop([w], etas=(1.5, 1.2))
    with pytest.raises(ValueError, match="rho"):
        optim.Adadelta([w], rho=1.5)


def test_changed_shape_is_noticed():
    w = mg.tensor([1.0, 2.0], requires_grad=True)
    w.grad = mg.tensor([1.0, 1.0])
    optimizer = optim.Adam([w])
    optimizer.step()
    w.data = mg.tensor([1.0, 2.0, 3.0])
    w.grad = mg.tensor([1.0, 1.0, 1.0])
    with pytest.raises(RuntimeError, match="Make a new optimizer"):
        optimizer.step()


def test_model_changes_dtype():
    """model.double() after the optimizer was made: the state follows."""
    model = nn.Linear(3, 2)
    optimizer = optim.Adam(model.parameters())

    def dtypes():
        set_gradients(model.parameters(), 1)
        optimizer.step()
        return {v.dtype for kept in optimizer.state.values() for v in kept.values() if isinstance(v, mg.Tensor)}

    assert dtypes() == {mg.float32}
    model.double()
    assert dtypes() == {mg.float64}


def test_closure():
    w = mg.tensor([2.0], requires_grad=True)
    optimizer = optim.SGD([w], lr=0.25)

    def closure():
        assert mg.is_grad_enabled()
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    with mg.no_grad():
        loss = optimizer.step(closure)
    assert loss.item() == 4.0 and w.item() == 1.0


def test_maximize():
    w = mg.tensor([2.0], requires_grad=True)
    w.grad = mg.tensor([1.0])
    optim.SGD([w], lr=0.5, maximize=True).step()
    assert w.item() == 2.5


def test_zero_grad():
    w = mg.tensor([2.0], requires_grad=True)
    optimizer = optim.SGD([w])
    w.grad = held = mg.tensor([1.0])
    optimizer.zero_grad(set_to_none=False)
    assert w.grad.tolist() == [0.0] and held.tolist() == [1.0]
    optimizer.zero_grad()
    assert w.grad is None


def test_hooks():
    w = mg.tensor([2.0], requires_grad=True)
    optimizer = optim.SGD([w])
    calls = []
    before = optimizer.register_step_pre_hook(lambda o, args, kwargs: calls.append(("before", o is optimizer)))
    optimizer.register_step_post_hook(lambda o, args, kwargs: calls.append(("after", o is optimizer)))
    optimizer.step()
    before.remove()
    optimizer.step()
    assert calls == [("before", True), ("after", True), ("after", True)]


# ---------------------------------------------------------------------------------------------------- state


@each_optimizer
@pytest.mark.parametrize("how", ["state_dict", "file", "pickle", "deepcopy"])
def test_resuming_is_exact(make, how, tmp_path):
    """Five steps, or two, a checkpoint and three: the same bits."""
    straight = parameters()
    optimizer = make(straight)
    resumed = parameters()
    first = make(resumed)
    for step in range(5):
        set_gradients(straight, step)
        optimizer.step()
    for step in range(2):
        set_gradients(resumed, step)
        first.step()
    if how in ("state_dict", "file"):
        state = {"params": [p.detach() for p in resumed], "optimizer": first.state_dict()}
        if how == "file":
            nn.save(state, tmp_path / "checkpoint")
            state = nn.load(tmp_path / "checkpoint")
        resumed = [mg.tensor(p, requires_grad=True) for p in state["params"]]
        second = make(resumed)
        second.load_state_dict(state["optimizer"])
    else:
        second = pickle.loads(pickle.dumps(first)) if how == "pickle" else copy.deepcopy(first)
        resumed = second.param_groups[0]["params"]
    for step in range(2, 5):
        set_gradients(resumed, step)
        second.step()
    assert_equal(values(resumed), values(straight))


def test_state_dict_is_a_snapshot():
    (w,) = parameters([(3,)])
    optimizer = optim.Adam([w])
    set_gradients([w], 0)
    optimizer.step()
    state = optimizer.state_dict()
    before = copy.deepcopy(state)
    optimizer.step()
    assert state["state"][0]["step"] == 1
    np.testing.assert_array_equal(state["state"][0]["exp_avg"].numpy(), before["state"][0]["exp_avg"].numpy())
    assert list(state) == ["state", "param_groups"]
    assert list(state["state"][0]) == ["step", "exp_avg", "exp_avg_sq"]
    assert state["param_groups"][0]["params"] == [0]


def test_load_state_dict_refuses_what_does_not_fit_and_changes_nothing():
    a = optim.Adam(parameters([(3,), (2,)]), lr=0.1)
    set_gradients(a.param_groups[0]["params"], 0)
    a.step()
    before = copy.deepcopy(a.state_dict())
    b = optim.Adam(parameters([(3,), (4,)]), lr=0.7)
    set_gradients(b.param_groups[0]["params"], 0)
    b.step()
    with pytest.raises(ValueError, match=r"exp_avg of parameter 1 has shape \(4,\), the parameter \(2,\)"):
        a.load_state_dict(b.state_dict())
    with pytest.raises(ValueError, match=r"groups have \[1\] parameters, the optimizer's \[2\]"):
        a.load_state_dict(optim.Adam(parameters([(3,)])).state_dict())
    with pytest.raises(ValueError, match="2 parameter groups, the optimizer 1"):
        a.load_state_dict(optim.Adam([{"params": parameters([(3,)])}, {"params": parameters([(2,)])}]).state_dict())
    after = a.state_dict()
    assert after["param_groups"] == before["param_groups"]
    for i in (0, 1):
        for name in ("exp_avg", "exp_avg_sq"):
            np.testing.assert_array_equal(after["state"][i][name].numpy(), before["state"][i][name].numpy())


def test_clearing_the_state_starts_anew():
    a, b = parameters([(3,)]), parameters([(3,)])
    optimizer, fresh = optim.Adam(a, lr=0.1), optim.Adam(b, lr=0.1)
    set_gradients(a, 0)
    optimizer.step()
    b[0].data = a[0].detach().clone()
    optimizer.state.clear()
    set_gradients(a, 1)
    set_gradients(b, 1)
    optimizer.step()
    fresh.step()
    assert_equal(values(a), values(b))


def test_momentum_switched_on_later():
    (w,) = parameters([(3,)])
    optimizer = optim.SGD([w], lr=0.1)
    set_gradients([w], 0)
    optimizer.step()
    optimizer.param_groups[0]["momentum"] = 0.9
    for _ in range(2):
        before = values([w])[0]
        optimizer.step()
    np.testing.assert_allclose(w.numpy(force=True), before - 0.1 * 1.9 * w.grad.numpy(), rtol=1e-12)


def test_repr():
    text = repr(optim.SGD([mg.tensor([1.0], requires_grad=True)], lr=0.5))
    assert text.startswith("SGD (\nParameter Group 0\n") and "    lr: 0.5\n" in text and "tensor" not in text


def test_an_optimizer_of_ones_own():
    class Scaled(optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        def slots(self, group):
            return {"seen": 0.0}

        def update(self, p, g, scratch, c, **slots):
            slots["seen"] += 1
            p -= c["lr"] * g / slots["seen"]

    w = mg.tensor([0.0, 0.0], requires_grad=True)
    optimizer = Scaled([w], lr=1.0)
    for _ in range(3):
        w.grad = mg.tensor([6.0, 12.0])
        optimizer.step()
    assert w.tolist() == [-11.0, -22.0]
    with pytest.raises(NotImplementedError, match="neither update"):
        optim.Optimizer([w], {}).step()


# ---------------------------------------------------------------------------------------------------- LBFGS


def test_lbfgs():
    w = mg.tensor(np.array([-1.0, 2.0]), requires_grad=True)
    optimizer = optim.LBFGS([w], line_search_fn="strong_wolfe", max_iter=50)

    def closure():
        optimizer.zero_grad()
        loss = (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2
        loss.backward()
        return loss

    first = optimizer.step(closure)
    optimizer.step(closure)
    assert first.item() == 104.0
    np.testing.assert_allclose(w.numpy(force=True), [1.0, 1.0], atol=1e-5)
    with pytest.raises(TypeError, match="closure"):
        optimizer.step()
    with pytest.raises(ValueError, match="groups"):
        optim.LBFGS([{"params": [w]}, {"params": []}])
    with pytest.raises(ValueError, match="strong_wolfe"):
        optim.LBFGS([w], line_search_fn="armijo")


def test_lbfgs_keeps_tensors():
    """Scripts read its last gradient and direction, as of PyTorch's: what an array would not answer, such as norm()."""
    w = mg.tensor(np.array([3.0, -4.0]), requires_grad=True)
    optimizer = optim.LBFGS([w], max_iter=3)

    def closure():
        optimizer.zero_grad()
        loss = (w**4).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    for state in (optimizer.state[w], optimizer.state_dict()["state"][0]):
        for kept in (state["d"], state["prev_flat_grad"], *state["old_dirs"], *state["old_stps"]):
            assert isinstance(kept, mg.Tensor) and kept.shape == (2,) and not kept.requires_grad
        assert state["prev_flat_grad"].norm().item() > 0 and state["n_iter"] == 2 and state["prev_loss"] < 337.0
    again = optim.LBFGS([w], max_iter=3)
    again.load_state_dict(optimizer.state_dict())
    assert mg.equal(again.state[w]["old_stps"][-1], optimizer.state[w]["old_stps"][-1])
    assert again.state[w]["old_stps"][-1] is not optimizer.state[w]["old_stps"][-1]


def test_lbfgs_resumes():
    def run(steps, state=None):
        w = mg.tensor(np.array([-1.0, 2.0]) if state is None else state["w"], requires_grad=True)
        optimizer = optim.LBFGS([w], lr=0.01, max_iter=3)
        if state is not None:
            optimizer.load_state_dict(state["optimizer"])

        def closure():
            optimizer.zero_grad()
            loss = (1 - w[0]) ** 2 + 5 * (w[1] - w[0] ** 2) ** 2
            loss.backward()
            return loss

        for _ in range(steps):
            optimizer.step(closure)
        return {"w": w.detach(), "optimizer": optimizer.state_dict()}

    np.testing.assert_array_equal(run(2, run(3))["w"].numpy(), run(5)["w"].numpy())


# ------------------------------------------------------------------------------------------------- schedulers


def sgd(lr=1.0, **options):
    return optim.SGD([mg.tensor([1.0], requires_grad=True)], lr=lr, **options)


def rates(scheduler, steps):
    found = []
    for _ in range(steps):
        found.append(scheduler.get_last_lr()[0])
        scheduler.optimizer.step()
        scheduler.step()
    return found


def test_schedules():
    schedulers = optim.lr_scheduler
    assert rates(schedulers.StepLR(sgd(), 2.0, 0.5), 5) == rates(schedulers.StepLR(sgd(), 2, 0.5), 5)
    assert rates(schedulers.MultiStepLR(sgd(), [1, 3], 0.5), 5) == [1.0, 0.5, 0.5, 0.25, 0.25]
    assert rates(schedulers.LambdaLR(sgd(2.0), lambda epoch: 1 / (epoch + 1)), 3) == [2.0, 1.0, 2 / 3]
    np.testing.assert_allclose(rates(schedulers.CosineAnnealingLR(sgd(), 4), 5), [1, 0.5 + 2**-1.5, 0.5, 0.5 - 2**-1.5, 0], atol=1e-15)
    np.testing.assert_allclose(rates(schedulers.LinearLR(sgd(), 0.5, 1.0, 2), 4), [0.5, 0.75, 1.0, 1.0])
    warm = sgd()
    chain = schedulers.SequentialLR(warm, [schedulers.LinearLR(warm, 0.5, 1.0, 2), schedulers.ExponentialLR(warm, 0.5)], [2])
    np.testing.assert_allclose(rates(chain, 5), [0.5, 0.75, 1.0, 0.5, 0.25])
    cycle = schedulers.OneCycleLR(sgd(momentum=0.9), max_lr=1.0, total_steps=10)
    found = rates(cycle, 10)
    np.testing.assert_allclose([found[0], max(found), found[-1]], [0.04, 1.0, 4e-6])
    with pytest.raises(ValueError, match="step 11 of a cycle of 10"):
        cycle.step()


def test_plateau():
    scheduler = optim.lr_scheduler.ReduceLROnPlateau(sgd(), patience=1, factor=0.5)
    found = []
    for metric in [3.0, 2.0, 2.0, 2.0, mg.tensor(2.0), 2.0, 1.0]:
        scheduler.step(metric)
        found.append(scheduler.get_last_lr()[0])
    assert found == [1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25]


def test_scheduler_before_optimizer_is_warned_about():
    scheduler = optim.lr_scheduler.StepLR(sgd(), 1)
    with pytest.warns(UserWarning, match=r"before optimizer\.step"):
        scheduler.step()


SCHEDULERS = {
    "StepLR": lambda o: optim.lr_scheduler.StepLR(o, 2),
    "CosineAnnealingLR": lambda o: optim.lr_scheduler.CosineAnnealingLR(o, 5),
    "WarmRestarts": lambda o: optim.lr_scheduler.CosineAnnealingWarmRestarts(o, 2, 2),
    "CyclicLR": lambda o: optim.lr_scheduler.CyclicLR(o, 0.1, 1.0, 3),
    "OneCycleLR": lambda o: optim.lr_scheduler.OneCycleLR(o, 1.0, 20),
    "LambdaLR": lambda o: optim.lr_scheduler.LambdaLR(o, lambda e: 0.9**e),
    "SequentialLR": lambda o: optim.lr_scheduler.SequentialLR(
        o, [optim.lr_scheduler.ConstantLR(o, 0.5, 2), optim.lr_scheduler.ExponentialLR(o, 0.9)], [3]
    ),
}


@pytest.mark.parametrize("make", SCHEDULERS.values(), ids=SCHEDULERS)
def test_schedulers_resume_from_a_file(make, tmp_path):
    straight = make(sgd(momentum=0.9))
    expected = rates(straight, 10)
    first = make(sgd(momentum=0.9))
    found = rates(first, 4)
    nn.save({"scheduler": first.state_dict(), "optimizer": first.optimizer.state_dict()}, tmp_path / "state")
    state = nn.load(tmp_path / "state")
    second = make(sgd(momentum=0.9))
    second.optimizer.load_state_dict(state["optimizer"])
    second.load_state_dict(state["scheduler"])
    second.optimizer.step()
    assert found + rates(second, 6) == expected
    assert second.optimizer.param_groups[0]["momentum"] == straight.optimizer.param_groups[0]["momentum"]


def test_scheduler_refusals():
    schedulers = optim.lr_scheduler
    with pytest.raises(TypeError, match="Optimizer"):
        schedulers.StepLR(nn.Linear(1, 1), 2)
    with pytest.raises(ValueError, match="total_steps"):
        schedulers.OneCycleLR(sgd(), 0.1)
    with pytest.raises(ValueError, match="neither momentum nor betas"):
        schedulers.OneCycleLR(optim.Adagrad([mg.tensor([1.0], requires_grad=True)]), 0.1, 10)
    with pytest.raises(ValueError, match="2 values, the optimizer 1"):
        schedulers.LambdaLR(sgd(), [lambda e: 1, lambda e: 1])
    with pytest.raises(KeyError, match="initial_lr"):
        schedulers.StepLR(sgd(), 2, last_epoch=3)
    o = sgd()
    with pytest.raises(ValueError, match="another optimizer"):
        schedulers.ChainedScheduler([schedulers.StepLR(o, 2), schedulers.StepLR(sgd(), 2)])
    with pytest.raises(ValueError, match="needs a metric"):
        schedulers.SequentialLR(o, [schedulers.ReduceLROnPlateau(o)], [])
    with pytest.raises(ValueError, match="1 milestones"):
        schedulers.SequentialLR(o, [schedulers.StepLR(o, 2), schedulers.StepLR(o, 2)], [])


# ---------------------------------------------------------------------------------------- averages and clipping


def test_averaged_model():
    mg.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    average = optim.swa_utils.AveragedModel(model)
    seen = []
    for step in range(3):
        set_gradients(model.parameters(), step)
        optim.SGD(model.parameters(), lr=1.0).step()
        average.update_parameters(model)
        seen.append(model[0].weight.numpy(force=True).copy())
    np.testing.assert_allclose(average.module[0].weight.numpy(force=True), np.mean(seen, axis=0), rtol=1e-6)
    assert average.n_averaged.item() == 3
    assert "module.0.weight" in average.state_dict()
    data = [mg.tensor(np.random.default_rng(i).normal(3, 2, (50, 2)).astype(np.float32)) for i in range(4)]
    optim.swa_utils.update_bn(data, average)
    hidden = np.concatenate([average.module[0](x).numpy(force=True) for x in data])
    np.testing.assert_allclose(average.module[1].running_mean.numpy(), hidden.mean(0), rtol=1e-4)
    assert average.module[1].momentum == 0.1


@pytest.mark.parametrize("use_buffers", [False, True])
@pytest.mark.parametrize("make", ["ema", "swa", "own"])
def test_averages_of_all_weights_at_once(make, use_buffers):
    """The same as one by one; a function in PyTorch's way writes into the averages."""
    swa = optim.swa_utils

    def own(averages, news, count):
        for average, new in zip(averages, news, strict=True):
            average.mul_(0.75).add_(new, alpha=0.25)

    multi, single = {
        "ema": (swa.get_ema_multi_avg_fn(0.75), swa.get_ema_avg_fn(0.75)),
        "swa": (swa.get_swa_multi_avg_fn(), swa.get_swa_avg_fn()),
        "own": (own, swa.get_ema_avg_fn(0.75)),
    }[make]
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    together, each = [swa.AveragedModel(model, use_buffers=use_buffers, **{k: f}) for k, f in (("multi_avg_fn", multi), ("avg_fn", single))]
    for step in range(3):
        set_gradients(model.parameters(), step)
        optim.SGD(model.parameters(), lr=1.0).step()
        model(mg.randn(5, 2))
        for average in (together, each):
            average.update_parameters(model)
    for (name, a), b in zip(together.state_dict().items(), each.state_dict().values(), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6, err_msg=name)
    assert together.module[1].num_batches_tracked.item() == 3
    assert mg.equal(together.module[1].running_mean, model[1].running_mean) != use_buffers
    with pytest.raises(ValueError, match="AveragedModel: avg_fn and multi_avg_fn say the same thing"):
        swa.AveragedModel(model, avg_fn=single, multi_avg_fn=multi)


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("epochs", [0, 1, 4])
def test_swa_rates(epochs, strategy):
    """The rates are those of the definition, from wherever another schedule has left them; and are resumed."""
    w, v = parameter(), parameter()
    o = optim.SGD([{"params": [w], "lr": 0.8}, {"params": [v], "lr": 0.4}])
    before = optim.lr_scheduler.ExponentialLR(o, 0.5)
    o.step()
    before.step()
    swa = optim.swa_utils.SWALR(o, [0.1, 0.2], epochs, strategy)
    seen = []
    for _ in range(6):
        o.step()
        swa.step()
        seen.append(swa.get_last_lr())
        resumed = optim.swa_utils.SWALR(o, [0.1, 0.2], epochs, strategy)
        resumed.load_state_dict(swa.state_dict())
        for group, rate in zip(o.param_groups, swa.get_last_lr(), strict=True):
            group["lr"] = rate
        swa = resumed
    t = np.minimum(1.0, np.arange(1, 7) / max(1, epochs))
    share = (t if strategy == "linear" else (1 - np.cos(np.pi * t)) / 2)[:, None]
    np.testing.assert_allclose(seen, np.array([0.1, 0.2]) * share + np.array([0.4, 0.2]) * (1 - share), rtol=1e-12)
    with pytest.raises(ValueError, match="SWALR: anneal_strategy must be one of 'cos', 'linear', but is 'sine'"):
        optim.swa_utils.SWALR(o, 0.1, anneal_strategy="sine")
    with pytest.raises(ValueError, match="SWALR: anneal_epochs must be 0 or above"):
        optim.swa_utils.SWALR(o, 0.1, anneal_epochs=-1)
    with pytest.raises(ValueError, match="SWALR: swa_lr has 1 values, the optimizer 2"):
        optim.swa_utils.SWALR(o, [0.1])


# ------------------------------------------------------------------------------------------------ steps of matrices


def numbers(*shape):
    return np.random.default_rng(len(shape)).normal(size=shape)


# What PyTorch 2.13 gives after four steps. It is not asked each time: its own step needs its compiler, whose import takes four seconds.
# (All of its samples of Adafactor are in `pytest tests/pytorch --opinfo`.)
# fmt: off
ADAFACTOR = [
    ({}, [0.17934072359986805, -0.4876566877188483, -0.370343929447202, -2.4146707615050538, 1.7738972831930828, 1.118885998495129,
          0.33173459096049357, 0.8077685423968658, 2.005092115603398, -2.519964381378649, 0.3840550410194297, -0.5309805414475441]),
    ({"maximize": True, "weight_decay": 0.1},
     [0.18229667232324942, -0.5046529602619604, -0.39983413623405656, -2.347175075308333, 1.7306326170913848, 1.1008842395666467,
      0.33093477037883046, 0.7882110847531435, 1.960543790939539, -2.4550064993812772, 0.4016668690873212, -0.5454434535340156]),
    ({"eps": (1e-3, 0.1), "d": 2.0, "beta2_decay": -0.5},
     [0.16006420091643267, -0.4180107706171861, -0.2855591474840568, -2.36148803182953, 1.722672483649098, 1.068713528090836,
      0.3083987088812016, 0.784432660317574, 1.9441804223335277, -2.459267513444632, 0.32617507573417787, -0.46843319274790995]),
]
MUON = [[0.041914291612044956, -0.5374935190586819], [-0.6815696155194797, -2.0209446860625646], [1.489583577521072, 0.9023946045733756]]
# fmt: on


@pytest.mark.parametrize(("options", "wanted"), ADAFACTOR)
def test_adafactor_is_pytorch_s(options, wanted):
    arrays = [numbers(2, 3), numbers(2), numbers(1, 2, 2)]
    params = [mg.tensor(a, requires_grad=True) for a in arrays]
    optimizer = optim.Adafactor(params, lr=0.1, **options)
    for step in range(4):
        for a, p in zip(arrays, params, strict=True):
            p.grad = mg.tensor(a * (step - 1.5))
        optimizer.step()
    np.testing.assert_allclose(np.concatenate([p.numpy(force=True).ravel() for p in params]), wanted, rtol=1e-10)
    again = optim.Adafactor(params)
    again.load_state_dict(optimizer.state_dict())
    assert again.state[params[0]]["row_var"].shape == (2, 1) and again.state[params[2]]["col_var"].shape == (1, 1, 2)
    assert again.state[params[0]]["step"] == 4


@pytest.mark.parametrize("shape", [(4, 4), (6, 3), (3, 6)])
def test_muon_steps_by_orthogonal_matrices(shape):
    """All singular values of a step are near lr times the ratio; its singular vectors are those of the momentum."""
    g = numbers(*shape)
    for options, ratio in (
        ({}, math.sqrt(max(1, shape[0] / shape[1]))),
        ({"adjust_lr_fn": "match_rms_adamw", "nesterov": False}, 0.2 * math.sqrt(max(shape))),
    ):
        w = mg.tensor(np.zeros(shape), requires_grad=True)
        w.grad = mg.tensor(g)
        optim.Muon([w], lr=0.1, **options).step()
        s = np.linalg.svd(-w.numpy(force=True) / (0.1 * ratio))[1]
        assert s.min() > 0.6 and s.max() < 1.3
        n = min(shape)
        inside = np.linalg.svd(g)[0][:, :n].T @ (-w.numpy(force=True)) @ np.linalg.svd(g)[2][:n].T
        assert np.abs(inside - np.diag(np.diag(inside))).max() < 1e-6


def test_muon_is_pytorch_s_but_for_its_bfloat16():
    a = numbers(3, 2)
    w = mg.tensor(a, requires_grad=True)
    mine = optim.Muon([w], lr=0.1)
    for i in range(4):
        w.grad = mg.tensor(a * 0.5 + i)
        mine.step()
    assert np.linalg.norm(w.numpy(force=True) - MUON) < 0.02 * np.linalg.norm(a - MUON)
    again = optim.Muon([w])
    again.load_state_dict(mine.state_dict())
    np.testing.assert_array_equal(again.state[w]["momentum_buffer"], mine.state[w]["momentum_buffer"])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: optim.Muon([mg.zeros(3, requires_grad=True)]), ValueError, r"Muon: a parameter of shape \(3,\) is no matrix; give it to"),
        (lambda: optim.Muon([matrix()], adjust_lr_fn="x"), ValueError, "Muon: adjust_lr_fn must be None, 'original' or 'match_rms_adamw'"),
        (lambda: optim.Muon([matrix()], ns_steps=100), ValueError, "Muon: ns_steps must be from 0 to 99, but is 100"),
        (lambda: optim.Muon([matrix()], ns_coefficients=(1, 2)), ValueError, "Muon: ns_coefficients must be three numbers"),
        (lambda: optim.Adafactor([matrix()], beta2_decay=0.1), ValueError, r"Adafactor: beta2_decay must be 0 or below, but is 0\.1"),
        (lambda: optim.Adafactor([matrix()], d=0.5), ValueError, r"Adafactor: d must be 1 or above, but is 0\.5"),
        (lambda: optim.Adafactor([matrix()], eps=(None, -1.0)), ValueError, r"Adafactor: eps\[1\] must not be negative"),
        (lambda: optim.Adafactor([matrix()], eps=1e-3), ValueError, "Adafactor: eps must be two numbers"),
    ],
)  # fmt: skip
def test_messages_of_the_steps_of_matrices(call, error, message):
    with pytest.raises(error, match=message):
        call()


def matrix():
    return mg.zeros(2, 2, requires_grad=True)


@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.0, math.inf])
def test_clip_grad_norm(norm_type):
    params = parameters([(3, 4), (), (5,), (0,)])
    set_gradients(params, 0)
    params.append(mg.tensor([1.0], requires_grad=True))
    held = params[0].grad.detach()
    before = [p.grad.numpy().copy() for p in params[:-1]]
    total = np.linalg.norm(np.concatenate([g.ravel() for g in before]), norm_type)
    returned = nn.utils.clip_grad_norm_(iter(params), 0.5, norm_type)
    assert math.isclose(returned.item(), total, rel_tol=1e-12)
    for p, g in zip(params, before, strict=False):
        np.testing.assert_allclose(p.grad.numpy(), g * 0.5 / total, rtol=1e-5)
    np.testing.assert_array_equal(held.numpy(), before[0])
    after = [p.grad.numpy().copy() for p in params[:-1]]
    nn.utils.clip_grad_norm_(params, 1e6, norm_type)
    assert_equal([p.grad.numpy() for p in params[:-1]], after)


def test_clip_grad_norm_of_nan():
    w = mg.tensor([1.0, 2.0], requires_grad=True)
    w.grad = mg.tensor([math.nan, 1.0])
    with pytest.raises(RuntimeError, match="nan"):
        nn.utils.clip_grad_norm_([w], 1.0, error_if_nonfinite=True)
    assert math.isnan(nn.utils.clip_grad_norm_(w, 1.0).item())
    assert np.isnan(w.grad.numpy()).all()


def test_clip_grad_value():
    w = mg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    w.grad = mg.tensor([-5.0, 0.5, 7.0])
    held = w.grad.detach()
    nn.utils.clip_grad_value_([w], 2.0)
    assert w.grad.tolist() == [-2.0, 0.5, 2.0] and held.tolist() == [-5.0, 0.5, 7.0]


def test_parameters_to_vector_and_back():
    params = parameters([(2, 3), (4,), ()])
    vector = nn.utils.parameters_to_vector(params)
    assert vector.shape == (11,) and vector.requires_grad
    nn.utils.vector_to_parameters(vector * 2, params)
    np.testing.assert_array_equal(nn.utils.parameters_to_vector(params).numpy(force=True), 2 * vector.numpy(force=True))
    with pytest.raises(mg.ShapeError, match="11 elements"):
        nn.utils.vector_to_parameters(vector[:3], params)


# ------------------------------------------------------------------------------------------------------ bad options

NAN, INF = float("nan"), float("inf")
NOT_NEGATIVE = {
    "SGD": ["lr", "momentum", "weight_decay"],
    "Adam": ["lr", "eps", "weight_decay"],
    "AdamW": ["lr", "eps", "weight_decay"],
    "NAdam": ["lr", "eps", "weight_decay", "momentum_decay"],
    "RAdam": ["lr", "eps", "weight_decay"],
    "Adamax": ["lr", "eps", "weight_decay"],
    "RMSprop": ["lr", "eps", "momentum", "weight_decay", "alpha"],
    "Adagrad": ["lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps"],
    "Adadelta": ["lr", "eps", "weight_decay"],
    "Rprop": ["lr"],
    "ASGD": ["lr", "weight_decay", "alpha", "lambd"],
    "LBFGS": ["lr"],
    "Adafactor": ["lr", "weight_decay"],
    "Muon": ["lr", "weight_decay", "momentum", "eps"],
}
WITH_BETAS = ["Adam", "AdamW", "NAdam", "RAdam", "Adamax"]


def parameter():
    return mg.tensor([1.0], requires_grad=True)


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in NOT_NEGATIVE.items() for name in names])
def test_an_option_is_a_number_that_is_not_negative(kind, name):
    make = getattr(nn.optim, kind)
    one = matrix if kind == "Muon" else parameter
    for value in (-1.0, NAN, np.float32(-1), mg.tensor(-1.0), *([INF] if name == "lr" else [])):
        with pytest.raises(ValueError, match=rf"^{kind}: {name} must .*not .*negative, but is"):
            make([one()], **{name: value})
        if kind != "LBFGS":
            with pytest.raises(ValueError, match=rf"^{kind}: {name} must"):
                make([{"params": [one()], name: value}])
    for value in ("0.1", None, [0.1]):
        with pytest.raises(TypeError, match=rf"^{kind}: {name} must be a number, not "):
            make([one()], **{name: value})
    with pytest.raises(ValueError, match=rf"^{kind}: {name} must have one element, not shape \(2,\)"):
        make([one()], **{name: mg.tensor([0.1, 0.2])})
    for value in (0.1, np.float32(0.1), mg.tensor(0.1), True):
        make([one()], **{name: value})


@pytest.mark.parametrize("kind", WITH_BETAS)
def test_betas_are_two_numbers_or_two_tensors(kind):
    make = getattr(nn.optim, kind)
    t = mg.tensor
    for betas, error, what in [
        ((0.9, 1.0), ValueError, r"betas\[1\] must be between 0 and 1, but is 1"),
        ((NAN, 0.9), ValueError, r"betas\[0\] must be between"),
        ((t(0.9), 0.999), ValueError, "two numbers or two Tensors, not one of each"),
        ((0.9, t(0.999)), ValueError, "two numbers or two Tensors, not one of each"),
        ((0.9,), ValueError, "betas must be two numbers, not 1"),
        (0.9, TypeError, r"betas must be two numbers, not 0\.9 \(float\)"),
        (("0.9", 0.9), TypeError, r"betas\[0\] must be a number, not '0\.9' \(str\)"),
    ]:
        with pytest.raises(error, match=f"^{kind}: .*{what}"):
            make([parameter()], betas=betas)
    make([parameter()], betas=(t(0.9), t(0.999)))


def test_names_are_for_all_parameters_or_for_none():
    named, plain = ("w", parameter()), parameter()
    for params in ([named, plain], [plain, named], [("w", plain, 1)]):
        with pytest.raises(ValueError, match="all parameters of a group are pairs"):
            nn.optim.SGD(params)
    for first, second in (([named], [plain]), ([plain], [named]), ([named], [])):
        with pytest.raises(ValueError, match="parameters of all groups have names, or those of none"):
            nn.optim.SGD([{"params": first}, {"params": second}])
    assert nn.optim.SGD([named]).param_groups[0]["param_names"] == ["w"]


def test_a_refused_group_is_not_added():
    optimizer = nn.optim.SGD([parameter()], lr=0.1)
    with pytest.raises(ValueError, match="lr"):
        optimizer.add_param_group({"params": [parameter()], "lr": -1.0})
    assert len(optimizer.param_groups) == 1


@pytest.mark.parametrize("name", ["Adam", "AdamW", "RAdam", "RMSprop", "Adadelta"])
def test_float16_gradients_whose_square_overflows_still_train(name):
    """300^2 is not a float16; the average of squares, which begins with a small part of it, is."""
    half, single = (nn.Parameter(mg.ones(2, dtype=dtype)) for dtype in (mg.float16, mg.float32))
    for p in (half, single):
        optimizer = getattr(optim, name)([p])
        for _ in range(8):
            p.grad = mg.full((2,), 300.0, dtype=p.dtype)
            optimizer.step()
    np.testing.assert_allclose(half.numpy(force=True), single.numpy(force=True), rtol=5e-3)
    assert name == "RAdam" or half[0].item() < 1


def test_an_option_without_a_default():
    from minigrad.torch.optim.optimizer import Optimizer, required

    class Descent(Optimizer):
        def __init__(self, params, lr=required):
            super().__init__(params, {"lr": lr})

    w = mg.ones(2, requires_grad=True)
    assert Descent([{"params": [w], "lr": 0.1}]).param_groups[0]["lr"] == 0.1
    with pytest.raises(ValueError, match="Descent: a group of parameters must set lr, which has no default"):
        Descent([w])
    assert repr(required) == "<required parameter>"


def test_a_parameter_list_is_a_list_of_parameters():
    weights = nn.ParameterList([mg.ones(2), mg.ones(1)])
    optimizer = nn.optim.SGD(weights, lr=0.5)
    sum(w.sum() for w in weights).backward()
    optimizer.step()
    assert [w.tolist() for w in weights] == [[0.5, 0.5], [0.5]]
    for whole in (nn.Linear(1, 1), nn.Sequential(nn.Linear(1, 1))):
        with pytest.raises(TypeError, match=r"SGD: params must be an iterable of Tensors or dicts, not \w+; pass model\.parameters\(\)"):
            nn.optim.SGD(whole, lr=0.5)
    with pytest.raises(TypeError, match=r"SGD: an optimizer takes Tensors, not str; pass model\.parameters\(\)"):
        nn.optim.SGD(nn.Linear(1, 1).state_dict(), lr=0.5)
    with pytest.raises(ValueError, match="SGD: got an empty list of parameters: the model has none, or a generator of them was used up"):
        nn.optim.SGD(nn.ReLU().parameters(), lr=0.5)


def test_an_epoch_that_is_given_is_deprecated():
    optimizer = optim.SGD([mg.zeros(1, requires_grad=True)], lr=1.0)
    optimizer.step()
    for scheduler, step in ((optim.lr_scheduler.StepLR(optimizer, 2), (5,)), (optim.lr_scheduler.ReduceLROnPlateau(optimizer), (0.5, 7))):
        with pytest.warns(UserWarning, match=r"step\(epoch\) is deprecated"):
            scheduler.step(*step)
        assert scheduler.last_epoch == step[-1]


@pytest.mark.filterwarnings("ignore:scheduler.step")
def test_a_schedule_of_ones_own_jumps():
    """The warm-up of many repositories hands its epoch on; a subclass may know the rates of any epoch."""

    class Warm(optim.lr_scheduler.LRScheduler):
        def get_lr(self):
            return [base * min(1.0, (self.last_epoch + 1) / 4) for base in self.base_lrs]

        def step(self, epoch=None):
            return super().step(epoch)

    class Closed(Warm):
        def _get_closed_form_lr(self):
            return [base / (1 + self.last_epoch) for base in self.base_lrs]

    def rates(make):
        optimizer = optim.SGD([mg.zeros(1, requires_grad=True)], lr=1.0)
        scheduler, found = make(optimizer), []
        optimizer.step()
        for epoch in (None, 2, None, 7):
            scheduler.step(epoch)
            found += scheduler.get_last_lr()
        return found

    assert rates(Warm) == [0.5, 0.75, 1.0, 1.0]
    assert rates(Closed) == [0.5, 1 / 3, 1.0, 1 / 8]
