"""Writes through views, and in-place methods, beside PyTorch: values, and gradients where PyTorch records them."""

import numpy as np
import pytest
from answers import noted

import minigrad.torch

# What is written, as a script writes it: f(torch, x, y) for x of shape (4, 3) and y of shape (3,).
WRITES = {
    "x[0] += 1": lambda t, x, y: exec("x[0] += 1", {"x": x}),
    "x[1][2] = v": lambda t, x, y: x[1].__setitem__(2, y[0]),
    "x[1][1:][0] *= v": lambda t, x, y: exec("x[1][1:][0] *= y[0]", {"x": x, "y": y}),
    "x[0].zero_()": lambda t, x, y: x[0].zero_(),
    "x[0].fill_(1)": lambda t, x, y: x[0].fill_(1),
    "x[-1].copy_(y)": lambda t, x, y: x[-1].copy_(y),
    "x[:, 0].add_(v)": lambda t, x, y: x[:, 0].add_(y[1]),
    "x[1:3, ::2].mul_(y[:2])": lambda t, x, y: x[1:3, ::2].mul_(y[:2]),
    "x.view(-1).index_add_()": lambda t, x, y: x.view(-1).index_add_(0, t.tensor([1, 5, 5]), y),
    "x.view(-1)[k] = v": lambda t, x, y: x.view(-1).__setitem__(7, y[2]),
    "x.reshape(-1)[k] = v": lambda t, x, y: x.reshape(-1).__setitem__(slice(2, 5), y),
    "x.t().reshape(-1)[k] = v, a copy": lambda t, x, y: x.t().reshape(-1).__setitem__(slice(2, 5), y),
    "x.t()[0] = v": lambda t, x, y: x.t().__setitem__(0, y[0]),
    "x.t()[0][1:].sub_(v)": lambda t, x, y: x.t()[0][1:].sub_(y),
    "x.T[1].clamp_(max=2)": lambda t, x, y: x.T[1].clamp_(max=2),
    "x.diagonal().fill_(0)": lambda t, x, y: x.diagonal().fill_(0),
    "x.diagonal(-1).add_(y)": lambda t, x, y: x.diagonal(-1).add_(y),
    "x.unsqueeze(0)[0, 1] = y": lambda t, x, y: x.unsqueeze(0).__setitem__((0, 1), y),
    "x[None, 2].squeeze(0).exp_()": lambda t, x, y: x[None, 2].squeeze(0).exp_(),
    "x.view(2, 2, 3).permute(2, 0, 1)[1].mul_(v)": lambda t, x, y: x.view(2, 2, 3).permute(2, 0, 1)[1].mul_(y[2]),
    "x.unflatten(0, (2, 2)).flatten(1)[1, 4] = v": lambda t, x, y: x.unflatten(0, (2, 2)).flatten(1).__setitem__((1, 4), y[1]),
    "x.narrow(1, 1, 2).masked_fill_()": lambda t, x, y: x.narrow(1, 1, 2).masked_fill_(t.tensor([True, False]), 9.0),
    "x.select(1, 2).sqrt_()": lambda t, x, y: x.select(1, 2).sqrt_(),
    "x.movedim(0, 1)[2, 1] -= v": lambda t, x, y: exec("x.movedim(0, 1)[2, 1] -= y[0]", {"x": x, "y": y}),
    "x.unfold(0, 2, 2)[1].zero_()": lambda t, x, y: x.unfold(0, 2, 2)[1].zero_(),
    "x[0].expand(1, 3).mul_(2)": lambda t, x, y: x[0].expand(1, 3).mul_(2),
    "x[[0, 2]].zero_(), a copy": lambda t, x, y: x[[0, 2]].zero_(),
    "x[x > 2].add_(1), a copy": lambda t, x, y: x[x > 2].add_(1),
    "x[2:][[0, 1]] = y": lambda t, x, y: x[2:].__setitem__([0, 1], y),
    "x[2:][mask] = v": lambda t, x, y: x[2:].__setitem__(x[2:] > 7, 0.5),
    "x.flip(0)[0] = 0, a copy": lambda t, x, y: x.flip(0).zero_(),
    "x.flip(()) is a copy": lambda t, x, y: x.flip(()).zero_(),
    "x.rot90() is a copy": lambda t, x, y: x.rot90().zero_(),
    "x.rot90(0) is a copy": lambda t, x, y: x.rot90(0).zero_(),
    "x.repeat(), of a row": lambda t, x, y: exec("z = x[:1].repeat([2, 1])\nz[z > 2] = 0\nx += z[0]", {"x": x}),
    "x.repeat(), viewed": lambda t, x, y: x.copy_(y.view(1, 1, 3).repeat(4, 1, 1).view(1, 12).view(4, 3)),
    "x.repeat_interleave()": lambda t, x, y: exec("z = x[:, :1].repeat_interleave(3, 1)\nz[1, 1:] = 7\nx += z", {"x": x}),
    "x.tile(), of a row": lambda t, x, y: x.copy_(y.tile(4, 1).add_(x)),
    "x.repeat(1, 1) is a copy": lambda t, x, y: x.repeat(1, 1).zero_(),
    "x.tile(1) is a copy": lambda t, x, y: x.tile(1).zero_(),
    "x.diag() is a copy": lambda t, x, y: x.diag().zero_(),
    "x.clone(), x.contiguous()": lambda t, x, y: (x.clone()[0].zero_(), x.contiguous()[1].zero_()),
    "x.roll(0), x.tril(9), x.clamp()": lambda t, x, y: (x.roll(0).zero_(), x.tril(9).zero_(), x.clamp(-99, 99).zero_()),
    "t.cat([x]), t.stack([x])[0]": lambda t, x, y: (t.cat([x]).zero_(), t.stack([x])[0].zero_()),
    "t.where(), x.index_select()": lambda t, x, y: (t.where(x > -9, x, 0.0).zero_(), x.index_select(0, t.tensor([0, 1])).zero_()),
    "rows kept in a variable": lambda t, x, y: exec("row = x[1]\nrow += 1\ntail = row[1:]\ntail *= 3\nrow[0] = tail[0]", {"x": x}),
    "two parts, one written by others": lambda t, x, y: exec(
        "a, b = x[:2], x[2:]\na.mul_(2)\nx[2] = x[2] * 1\nx[3] = y + (x[3] - y).detach()\nb.add_(1)", {"x": x, "y": y}
    ),
    "two parts": lambda t, x, y: exec("a, b = x[:2], x[2:]\na.mul_(2)\nb.add_(1)\nx[0] = b[0]", {"x": x}),
    "x.detach()[0]": lambda t, x, y: x.detach()[0].fill_(3),
    "x.data[1].view(-1)[0]": lambda t, x, y: x.data[1].view(-1).__setitem__(0, 4.0),
    "x.data.t()[2].add_()": lambda t, x, y: x.data.t()[2].add_(1),
}
SEVERAL = {  # results of functions with several results are written without a graph only, in PyTorch
    "for row in x: row.zero_()": lambda t, x, y: [row.zero_() for row in x],
    "for row in x[1:]: row += y": lambda t, x, y: exec("for row in x[1:]:\n    row += y\n    row[0] = -1", {"x": x, "y": y}),
    "a, b = x.chunk(2)": lambda t, x, y: [part.add_(i) for i, part in enumerate(x.chunk(2))],
    "x.split(1, 1)": lambda t, x, y: [part.mul_(y[i]) for i, part in enumerate(x.split(1, 1))],
    "x.unbind(1)[2][0]": lambda t, x, y: x.unbind(1)[2].__setitem__(0, 8.0),
    "x.tensor_split(3)[1]": lambda t, x, y: x.tensor_split(3)[1].neg_(),
}


def tensors(torch):
    x = torch.arange(1.0, 13.0, dtype=torch.float64).reshape(4, 3)
    return x, torch.tensor([0.5, 1.5, 2.5], dtype=torch.float64)


def plain(torch, write):
    x, y = tensors(torch)
    write(torch, x, y)
    return x.tolist()


def of_a_parameter(torch, write):
    x, y = tensors(torch)
    p = torch.nn.Parameter(x.clone())
    loss = (p * p).sum()
    with torch.no_grad():
        write(torch, p, y)
    (p * 2).sum().backward()
    return p.tolist(), p.grad.tolist(), loss.item(), p.is_leaf and p.requires_grad


def recorded(torch, write):
    x, y = tensors(torch)
    x.requires_grad_()
    y.requires_grad_()
    z = x * 1
    write(torch, z, y)
    (z * torch.arange(12.0, dtype=torch.float64).reshape(4, 3)).sum().backward()
    return z.tolist(), x.grad.tolist(), None if y.grad is None else y.grad.tolist()


@pytest.mark.parametrize("how", [plain, of_a_parameter, recorded])
@pytest.mark.parametrize("name", [*WRITES, *SEVERAL])
def test_writes_through_views(name, how):
    write = {**WRITES, **SEVERAL}[name]
    if how is recorded and name in SEVERAL:
        x, y = tensors(minigrad.torch)
        z = x.clone().requires_grad_() * 1
        write(minigrad.torch, z, y)
        assert z.tolist() == noted(lambda torch: plain(torch, write)) and z.requires_grad
        return
    theirs, ours = noted(lambda torch: how(torch, write)), how(minigrad.torch, write)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        if b is None or a is None:
            assert a is b
        else:
            np.testing.assert_allclose(a, b, rtol=1e-12)


REFUSED = {
    "a view of a leaf": lambda t, x, y: x.requires_grad_()[0].zero_(),
    "an item of a leaf": lambda t, x, y: x.requires_grad_()[0].__setitem__(0, 1.0),
    "a view of no_grad": lambda t, x, y: exec("with t.no_grad():\n    row = z[0]\nrow += 1", {"t": t, "z": x.requires_grad_() * 1}),
    "expanded": lambda t, x, y: y.expand(4, 3).add_(1),
    "expanded, by an item": lambda t, x, y: y.expand(4, 3).exp_(),
    "a part of an expanded one": lambda t, x, y: y.expand(4, 3)[:, 1].zero_().add_(1),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_both(name):
    def refused(torch):
        x, y = tensors(torch)
        with pytest.raises(RuntimeError):
            REFUSED[name](torch, x, y)
        return [x.tolist(), y.tolist()]

    assert refused(minigrad.torch)[0] == noted(lambda torch: refused(torch))[0]


FLIPS = [
    ((), (0,)),
    ((), (-1,)),
    ((), ()),
    ((3,), (0,)),
    ((2, 3), ()),
    ((2, 3), (0, 1)),
    ((2, 3), (-1,)),
    ((0, 3), (0,)),
    ((2, 1, 3), (2, 0)),
]


@pytest.mark.parametrize(("shape", "dims"), FLIPS)
def test_flip_at_the_edges(shape, dims):
    def flipped(torch):
        x = torch.arange(float(np.prod(shape, dtype=int))).reshape(shape)
        y = x.flip(dims)
        before = x.tolist()
        y += 1
        return y.tolist(), list(y.shape), x.tolist() == before, y.is_contiguous()

    assert tuple(flipped(minigrad.torch)) == tuple(noted(flipped))


@pytest.mark.parametrize(("shape", "dims"), [((), (1,)), ((3,), (1,)), ((2, 3), (0, 0)), ((2, 3), (-3,)), ((2, 3), (0, -2))])
def test_flips_that_are_refused(shape, dims):
    def refused(torch):
        with pytest.raises((IndexError, RuntimeError)):
            torch.zeros(shape).flip(dims)
        return True

    assert refused(minigrad.torch) and noted(refused)


M, V = "torch.arange(1.0, 5.0, dtype=torch.float64).reshape(2, 2)", "torch.tensor([0.5, 2.0], dtype=torch.float64)"
FLOATS = f"torch.tensor([[-1.5, 0.0], [2.0, 3.5]], dtype=torch.float64)|{M}|{V}"
INTS = "torch.tensor([[6, 3], [0, 12]])|torch.tensor([[1, 2], [5, 3]])|torch.tensor([1, 2])"
CALLS = {
    **{f"{name}_": "m" for name in ["eq", "ne", "lt", "le", "gt", "ge", "less", "less_equal", "greater", "greater_equal", "not_equal", "logical_and", "logical_or", "logical_xor"]},
    **{f"{name}_": "m" for name in ["add", "subtract", "multiply", "divide", "true_divide", "arctan2", "fmod", "remainder"]},
    **{f"{name}_": "" for name in ["logical_not", "sign", "sgn", "frac", "trunc", "fix", "negative", "absolute", "tril", "triu", "arctan", "arcsinh"]},
    **{f"{name}_": "i" for name in ["bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_left_shift", "bitwise_right_shift", "eq", "lt", "logical_and", "remainder"]},
    **{f"{name}_ of ints": "i" for name in ["eq", "lt", "logical_and", "remainder", "fmod"]},
    **{f"{name}_ of a view": "m" for name in ["eq", "logical_xor", "fmod", "subtract"]},
    "bitwise_not_": "i0", "logical_not_ of ints": "i0", "sign_ of ints": "i0", "tril_(-1)": "", "triu_(1)": "", "cumsum_(0)": "", "cumprod_(1)": "",
    "eq_(2.0)": "", "lerp_": "ml", "lerp_(m, 0.25)": "", "addcmul_(m, v, value=2)": "", "addcdiv_(m, v, value=0.5)": "",
    "addmm_(m, m, beta=0.5, alpha=2)": "", "addr_(v, v, alpha=3)": "", "addbmm_(m[None], m[None], beta=2)": "",
    "arcsin_": "a", "arccos_": "a", "arctanh_": "a", "arccosh_": "c",
    "masked_scatter_(m > 2, m)": "", "index_fill_(0, torch.tensor([1]), 7.0)": "", "index_copy_(1, torch.tensor([1, 0]), m)": "",
    "put_(torch.tensor([0, 3]), v)": "", "put_(torch.tensor([0, 0]), v, accumulate=True)": "",
}  # fmt: skip


def called(torch, name, kind):
    method = name.split("(")[0].split(" ")[0]
    arguments = name[len(method) :].strip() if "(" in name else None
    x, m, v = (eval(text, {"torch": torch}) for text in (INTS if kind[:1] == "i" else FLOATS).split("|"))
    if kind in ("a", "c"):
        x = x / 4 if kind == "a" else x.abs() + 1
    whole = x.clone()
    target = whole[0] if "view" in name else whole
    other = m[0] if "view" in name else m
    function = getattr(target, method)
    if arguments is not None:
        result = eval(f"f{arguments}", {"f": function, "m": m, "v": v, "torch": torch})
    elif kind == "ml":
        result = function(m, v)
    else:
        result = function(*([other] if kind in ("m", "i") else []))
    return result is target, whole.tolist(), str(whole.dtype).split(".")[-1]


@pytest.mark.parametrize("name", CALLS)
def test_in_place_methods(name):
    kind = CALLS[name]
    theirs, ours = noted(lambda torch: called(torch, name, kind)), called(minigrad.torch, name, kind)
    assert (ours[0], ours[2]) == (theirs[0], theirs[2]) and ours[0]
    np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-12)


def test_every_in_place_method_is_here_or_has_a_sentence():
    names = noted(lambda torch: [n for n in dir(torch.Tensor) if n.endswith("_") and not n.startswith("_")])
    missing = [n for n in names if not hasattr(minigrad.torch.Tensor, n)]
    assert len(names) > 150 and 5 < len(missing) < 15
    for name in missing:
        with pytest.raises(AttributeError, match=rf"'{name}': .{{20}}"):
            getattr(minigrad.torch.ones(2), name)
    twins = [n for n in missing if hasattr(minigrad.torch.Tensor, n[:-1])]
    assert twins == ["as_strided_"]  # which would give x other sizes and strides


def test_writes_through_as_strided():
    def written(torch):
        x = torch.zeros(6)
        v = x.as_strided((2, 2), (3, 1))
        v[0, 1] = 5
        v.mul_(2)
        torch.as_strided(x, (3,), (2,)).add_(1)
        square = torch.zeros(3, 3)
        square.as_strided((3,), (4,)).fill_(7)  # the diagonal
        w = torch.ones(6, requires_grad=True)
        y = w * 1.0
        y.as_strided((2, 2), (3, 1), 1).mul_(3)
        (y**2).sum().backward()
        return [t.tolist() for t in (x, square, y, w.grad)]

    assert written(minigrad.torch) == noted(written)
    with pytest.raises(RuntimeError, match="add_: several elements of this tensor are a single place in memory"):
        minigrad.torch.zeros(4).as_strided((3, 2), (1, 1)).add_(1)
