"""Complex numbers beside PyTorch's: results, dtypes and gradients of what is written once and run under both libraries."""

import copy
import math
import pickle

import numpy as np
import pytest
from answers import noted

import minigrad as mg
import minigrad.torch
from minigrad import nn

TABLE = {  # name -> a function of the library, complex z (3, 4) and w (4, 3), and real x (3, 4)
    "reshape": lambda t, z, w, x: (z.reshape(2, -1), z.view(12), z.flatten(), z.unflatten(1, (2, 2)), z.ravel(), t.reshape(z, (4, 3))),
    "dimensions": lambda t, z, w, x: (z.unsqueeze(-1), z.unsqueeze(0).squeeze(0), z.permute(1, 0), z.t(), z.T, z.mT, z.transpose(0, -1), z.H),
    "movedim": lambda t, z, w, x: (t.movedim(z.unsqueeze(0), 0, -1), z.swapaxes(0, 1), t.permute(z, (1, 0)), t.squeeze(z[:, None], 1)),
    "expand": lambda t, z, w, x: (z[:, :1].expand(-1, 5), z[0].expand(2, 4), t.broadcast_to(z[0], (3, 4)), z[:1].expand_as(x)),
    "repeat": lambda t, z, w, x: (z.repeat(2, 1), t.tile(z, (1, 2)), z.repeat_interleave(2, 0), z.repeat(1, 1, 2)),
    "roll": lambda t, z, w, x: (t.roll(z, 1, 0), z.roll(shifts=(1, 2), dims=(0, 1)), z.flip(0), t.flip(z, (0, 1)), z.roll(2), t.rot90(z)),
    "join": lambda t, z, w, x: (t.cat([z, w.T], 1), t.stack([z, z.conj()], -1), t.cat([z, x]), t.hstack([z, z]), t.vstack([z, z])),
    "part": lambda t, z, w, x: (*z.split(2, 1), *t.chunk(z, 2, 1), *t.unbind(z), z.narrow(1, 1, 2), z.select(0, 1), *z),
    "index": lambda t, z, w, x: (z[0], z[:, 1:3], z[..., -1], z[None], z[[0, 2]], z[x > 0], z[:, [1, 0, 1]], z[t.tensor(1), t.tensor([0, 3])]),
    "gather": lambda t, z, w, x: (t.index_select(z, 1, t.tensor([0, 0, 2])), t.gather(z, 0, t.tensor([[0, 1, 2, 0]]))),
    "sum": lambda t, z, w, x: (z.sum(), z.sum(0), z.sum((0, 1), keepdim=True), t.sum(z, -1), z.mean(), z.mean(1), t.cumsum(z, 1)),
    "prod": lambda t, z, w, x: (z.prod(), z.prod(1), t.prod(z, 0, keepdim=True), t.cumprod(z, 1), t.cumprod(z, 0)),
    "real numbers of": lambda t, z, w, x: (z.abs(), t.abs(z), z.angle(), t.angle(z), z.real, z.imag, t.view_as_real(z), abs(z), z.abs() ** 2),
    "norm": lambda t, z, w, x: (t.norm(z), z.norm(dim=1), t.linalg.norm(z), t.linalg.vector_norm(z, 1, dim=0), t.linalg.norm(z, dim=-1)),
    "arithmetic": lambda t, z, w, x: (z + w.T, z - w.T, z * w.T, z / w.T, -z, z + 1, 2 - z, z * 2.5, 1 / z, z / 3, z**2, z**3, z**-1, z**0.5),
    "with reals": lambda t, z, w, x: (z + x, x + z, x * z, z * x, z - x, x - z, z / x, x / z, t.mul(x, z), t.add(z, x, alpha=2), z.mul(x)),
    "with numbers": lambda t, z, w, x: (z * 1j, 1j * z, z + (1 - 2j), (0.1 + 0.2j) / z, x * 1j, 1j - x, x + 0.5j, (2 + 1j) * x, z - 1j, x / 1j),
    "powers": lambda t, z, w, x: (z**w.T, 2.0**z, t.pow(z, 1.5), z**1j, t.square(z), t.reciprocal(z), z**0),
    "functions": lambda t, z, w, x: (t.exp(z), z.exp(), t.log(z), t.sqrt(z), t.sin(z), t.cos(z), t.sinh(z), t.cosh(z), t.tanh(z), t.sigmoid(z)),
    "signs": lambda t, z, w, x: (t.sgn(z), z.conj() + 0, t.conj(z) * z, t.real(z), t.imag(z), z.sgn()),
    "products": lambda t, z, w, x: (z @ w, t.matmul(z, w[:, 0]), t.mm(z, w), z.mv(w[:, 0]), t.outer(z[0], w[0]), t.bmm(z[None], w[None])),
    "einsum": lambda t, z, w, x: (t.einsum("ij,jk->ik", z, w), t.einsum("ij,ji->i", z, w), t.einsum("ij,jk,lk->il", z, w, w), t.einsum("ij->", z)),
    "dot": lambda t, z, w, x: (t.dot(z[0], w[:, 0]), t.inner(z, z), t.tensordot(z, w, dims=1), t.kron(z[:1, :2], w[:1])),
    "where": lambda t, z, w, x: (t.where(x > 0, z, w.T), t.where(x > 0, z, 0), z.masked_fill(x > 0, 2.0), z.clone(), t.triu(z), z.tril()),
    "logarithms": lambda t, z, w, x: (t.log1p(z), t.log2(z), t.log10(z), t.expm1(z), t.exp2(z), t.rsqrt(z), t.tan(z), z.rsqrt(), +z, t.lerp(z, w.T, 0.3)),
    "spread": lambda t, z, w, x: (z.var(), z.std(0), t.var(z, 1, correction=0), t.addcmul(z, w.T, z), t.diff(z)),
    "scatter": lambda t, z, w, x: (
        z.index_add(0, t.tensor([0, 2, 0]), w.T), z.scatter_add(0, t.tensor([[0, 1, 1, 2]] * 3), w.T), z.index_copy(1, t.tensor([2]), z[:, :1]),
        t.masked_select(z, x > 0), t.take_along_dim(z, t.tensor([[0, 1, 0, 2]]), 0), t.index_put(z, (t.tensor([0]), t.tensor([1])), w[0, 0]),
        z.new_zeros(2), z.new_ones(1, 2), z.new_full((2,), 1j), z.new_tensor([1.0]),
    ),
    "diagonal": lambda t, z, w, x: (t.diagonal(z), t.diag_embed(z), z.unfold(1, 2, 1), t.diag(z[0]), t.trace(z[:, :3])),
    "pad": lambda t, z, w, x: (t.nn.functional.pad(z, (1, 2)), t.nn.functional.pad(z, (0, 1, 1, 0), value=1.5), t.nn.functional.pad(z, (-1, 0))),
    "make": lambda t, z, w, x: (t.complex(x, x * 2), t.polar(x.abs(), x), t.view_as_complex(t.stack([x, x.sin()], -1)), x.to(z.dtype), x.cdouble()),
    "transforms": lambda t, z, w, x: (t.fft.fft(z), t.fft.ifft2(z), t.fft.irfft(z), t.fft.irfft2(z), t.fft.hfft(z), t.fft.fftshift(z), t.fft.ifftshift(z)),
    "of reals": lambda t, z, w, x: (t.fft.rfft(x) * z[:, :3], t.fft.rfft2(x), t.fft.fft(x, norm="ortho") * w[:, 0], t.fft.irfft(t.fft.rfft(x) ** 2)),
    "short times": lambda t, z, w, x: (
        t.stft(z.flatten(), 4, window=t.hann_window(4, dtype=x.dtype), return_complex=True),
        t.stft(z, 4, 2, window=t.ones(4, dtype=x.dtype), center=False, onesided=False, return_complex=True),
    ),
    "losses": lambda t, z, w, x: (t.nn.functional.l1_loss(z, w.T), (z - w.T).abs().pow(2).mean(), t.dist(z, w.T)),
    "convolution": lambda t, z, w, x: (t.nn.functional.conv1d(z[None], w[:2, None].permute(0, 1, 2).expand(2, 3, 3)), t.nn.functional.linear(z, w.T, z[0, :3])),
    "solve": lambda t, z, w, x: (t.linalg.solve(x[:, :3] + 3 * t.eye(3, dtype=x.dtype), z.cdouble().real), t.vdot(z[0], w[:, 1]), z[1].vdot(z[2])),
    "matrices": lambda t, z, w, x: (lambda a: (
        a.inverse(), a.det(), a.slogdet()[1], a.logdet(), a.pinverse(), a.matrix_exp(), a.matrix_power(2), t.svd(a)[1], t.linalg.cross(a, a.mT),
        t.linalg.multi_dot([a, a, a]), t.linalg.tensorinv(a, 1), t.linalg.tensorsolve(a, z[:, 0]), t.linalg.vander(z[0]), t.addmm(a, a, a),
        t.linalg.cond(a, "nuc"), t.block_diag(a, z), t.trace(a), t.linalg.eigvals(x[:, :3]).sum(), t.linalg.svdvals(z),
    ))(z @ w),
}  # fmt: skip


def outcome(lib, name):
    """Results and gradients of a row as nested lists of real numbers, and the dtypes of the results."""
    rng = np.random.default_rng(5)

    def leaf(*shape):
        return lib.tensor(rng.normal(size=shape), dtype=lib.float64, requires_grad=True)

    zs, ws, x = leaf(3, 4, 2), leaf(4, 3, 2), leaf(3, 4)
    results = TABLE[name](lib, lib.view_as_complex(zs), lib.view_as_complex(ws), x)
    loss, found = 0.0, []
    for out in results:
        parts = lib.view_as_real(out.resolve_conj()) if out.is_complex() else out
        loss = loss + (parts * lib.cos(lib.arange(parts.numel(), dtype=lib.float64)).reshape(parts.shape)).sum()
        found.append([str(out.dtype).removeprefix("torch."), list(out.shape), parts.detach().tolist()])
    gradients = lib.autograd.grad(loss, [zs, ws, x], allow_unused=True)
    return found, [None if g is None else g.tolist() for g in gradients]


@pytest.mark.parametrize("name", TABLE)
def test_beside_pytorch(name):
    theirs, their_gradients = noted(lambda torch: outcome(torch, name))
    results, gradients = outcome(minigrad.torch, name)
    assert [r[:2] for r in results] == [list(r[:2]) for r in theirs]
    for one, other in zip(results, theirs, strict=True):
        np.testing.assert_allclose(one[2], other[2], rtol=1e-10, atol=1e-13)
    for one, other in zip(gradients, their_gradients, strict=True):
        np.testing.assert_allclose(np.zeros(1) if one is None else one, np.zeros(1) if other is None else other, rtol=1e-9, atol=1e-11)


def spectrum():
    return mg.view_as_complex(mg.tensor(np.random.default_rng(0).normal(size=(3, 4, 2)), requires_grad=True))


def test_comparisons():
    z = spectrum().detach()
    assert (z == z).all() and not (z != z).any() and (z == z.conj()).sum() == 0 and (z.real + 0j == z.real).all()
    assert (
        mg.allclose(z, z + 1e-9) and not mg.allclose(z, z + 1e-3j) and mg.isclose(z, z.real + 1j * z.imag).all() and mg.equal(z, z.clone())
    )
    broken = z.clone()
    broken[0, 0], broken[0, 1] = complex(math.nan, 1), complex(0, math.inf)
    assert broken.isnan().sum() == 1 and broken.isinf().sum() == 1 and broken.isfinite().sum() == 10
    assert not mg.allclose(broken, broken) and mg.allclose(broken, broken, equal_nan=True)
    assert z != None and z != "z"  # noqa: E711  # as of a Tensor


def test_writing_into_a_part():
    """What was written gets the gradient, what was there before keeps the rest."""
    z, w = spectrum(), mg.ones(2, 2, dtype=mg.cdouble).requires_grad_()
    out = mg.zeros(3, 4, dtype=mg.cdouble)
    out[...] = z
    out[:2, 1:3] = w * 1j
    out[2] = 7.0
    out[0, 0] = 1 - 2j
    out[1:, 3] += mg.tensor([1.0, 2.0])
    out.sum().abs().backward()
    expected = np.ones((3, 4))
    expected[:2, 1:3] = expected[2] = expected[0, 0] = 0
    got = np.abs(z.pair.grad.numpy()[..., 0])
    np.testing.assert_allclose((got > 0) * 1.0, expected)
    assert w.grad.shape == (2, 2) and (w.grad.abs() - 1).abs().max() < 1e-12
    assert out[2, :3].tolist() == [7] * 3 and out[0, 0].item() == complex(out[0, 0]) == 1 - 2j and out[2, 3].item() == 9
    out.real[1] = 5.0
    assert out.detach()[1].real.tolist() == [5.0] * 4


def test_parts_that_are_no_numbers_stay_where_they_are():
    real, imag = mg.tensor([[1.0], [math.inf]], requires_grad=True), mg.tensor([math.nan, 2.0], requires_grad=True)
    z = mg.complex(real, imag)
    np.testing.assert_array_equal(z.real.detach().numpy(), [[1, 1], [math.inf, math.inf]])
    np.testing.assert_array_equal(z.imag.detach().numpy(), [[math.nan, 2], [math.nan, 2]])
    (z.real.sum() + 3 * z.imag.sum()).backward()
    assert real.grad.tolist() == [[2], [2]] and imag.grad.tolist() == [6, 6]
    assert (z**0).tolist() == z.pow(0).tolist() == [[1, 1], [1, 1]]
    assert mg.isreal(mg.tensor([math.nan, math.inf, 1.0])).tolist() == [True] * 3 and mg.isreal(mg.tensor([1, 2])).tolist() == [True] * 2


def test_questions():
    z = spectrum()
    assert z.detach().clone().conj_physical_().tolist() == mg.conj_physical(z).tolist() and z.resolve_conj() is z and not mg.is_conj(z)
    assert (
        z.isreal().sum() == 0 and z.real.mH.equal(z.real.adjoint()) and z.real.H.equal(z.real.t()) and z.real.resolve_neg().isreal().all()
    )
    assert isinstance(z, mg.Tensor) and not isinstance(z, (nn.Parameter, nn.Buffer)) and not isinstance(mg.complex, mg.Tensor)
    assert mg.linalg.matrix_rank(z).item() == mg.linalg.matrix_rank(z.real + 0j).item() == 3 and mg.linalg.qr(z, "r").Q.dtype == z.dtype
    assert mg.linalg.slogdet(mg.zeros(2, 2, 2, dtype=mg.cfloat))[0].tolist() == [0, 0]
    assert mg.is_tensor(z) and z.type() == "torch.ComplexDoubleTensor" and z.stride() == (4, 1) and z.ndimension() == 2 and not z.is_conj()
    assert mg.promote_types(mg.float64, mg.cfloat) == mg.complex128 and mg.promote_types(mg.int64, mg.cfloat) == mg.complex64
    assert mg.result_type(mg.ones(2), z) == mg.complex128 and mg.result_type(mg.ones(2), 1j) == mg.complex64
    assert mg.result_type(mg.ones(2).double(), 1j) == mg.complex128 and mg.finfo(mg.cfloat).eps == mg.finfo(mg.float32).eps
    assert (
        mg.can_cast(mg.float32, mg.cfloat) and not mg.can_cast(mg.cfloat, mg.float32) and bool(z[0, 0] * 0) is False and bool(mg.tensor(1j))
    )
    assert mg.nan_to_num(z * math.inf).isfinite().all() and mg.nan_to_num(z).tolist() == z.tolist()
    assert mg.count_nonzero(z).item() == 12 and mg.nonzero(z).shape == (12, 2) and (z * 0).nonzero().shape == (0, 2)
    minigrad.torch.testing.assert_close(z, z + 1e-9)
    with pytest.raises(AssertionError, match=r"12 of 12 elements differ \(100.0 %\): the largest difference is 0.5"):
        minigrad.torch.testing.assert_close(z, z + 0.5j)
    assert nn.data.default_collate([z[0], z[1]]).shape == (2, 4) and len(nn.data.TensorDataset(z)) == 3
    seen = []
    handle = z.register_hook(lambda g: seen.append(g) or g * 2)
    z.real.sum().backward()
    assert seen[0].shape == (3, 4) and z.grad.tolist() == [[2] * 4] * 3
    handle.remove()
    z = z.detach_()
    z.real, z.imag = 2.0, mg.arange(4.0)
    assert z[2].tolist() == [2, 2 + 1j, 2 + 2j, 2 + 3j]


def test_in_place_methods():
    z = spectrum().detach()
    assert z.clone().index_add_(0, mg.tensor([1]), z[:1])[1].tolist() == (z[0] + z[1]).tolist()
    assert abs(mg.empty(3000, dtype=mg.cdouble).normal_(1j, 2.0, generator=mg.Generator().manual_seed(2)).std().item() - 2) < 0.1
    before = z.numpy().copy()
    z.mul_(2j).add_(1, alpha=3).sub_(mg.ones(4)).div_(1 + 1j)
    np.testing.assert_allclose(z.numpy(), (before * 2j + 3 - 1) / (1 + 1j), rtol=1e-12)
    assert z.zero_().tolist() == [[0] * 4] * 3 and z.fill_(1j)[2, 3].item() == 1j and z.copy_(mg.ones(4))[0].tolist() == [1] * 4


def test_dtypes_of_new_ones():
    assert mg.tensor([1 + 2j, 3]).dtype == mg.tensor(1j).dtype == mg.complex64 and mg.tensor(np.array([1j])).dtype == mg.complex128
    assert mg.from_numpy(np.array([1j, 2])).tolist() == mg.as_tensor(np.array([1j, 2])).tolist() == [1j, 2]
    assert (
        mg.full((2,), 1j).dtype == mg.complex64
        and mg.ones_like(mg.tensor([1j])).tolist() == [1]
        and mg.empty(2, dtype=mg.cfloat).shape == (2,)
    )
    z = mg.randn(4000, dtype=mg.cdouble, generator=mg.Generator().manual_seed(1))
    assert 0.9 < z.abs().square().mean().item() < 1.1 and abs(z.real.var().item() - 0.5) < 0.05 and abs(z.imag.var().item() - 0.5) < 0.05
    u = mg.rand(100, dtype=mg.cfloat)
    assert u.real.min() >= 0 and u.imag.max() < 1 and len(set(u.imag.tolist())) > 90
    assert mg.rand_like(u).dtype == u.dtype and mg.tensor(z[:2], requires_grad=True).requires_grad and mg.as_tensor(z) is z
    assert z.to(mg.complex64).dtype == z.cfloat().dtype == mg.complex64 and z.to(u).dtype == mg.complex64 and z.to("cpu") is z.cpu() is z
    assert mg.ones(2, dtype=mg.int64).to(mg.cfloat).dtype == mg.complex64 and mg.ones(2).cdouble().dtype == mg.complex128
    assert (mg.ones(2) * 1j).dtype == mg.complex64 and (mg.ones(2).double() * 1j).dtype == mg.complex128 and (z[:2] * 0.1j).dtype == z.dtype


def test_a_leaf():
    """Gradients are dL/d(real) + i dL/d(imag), as in PyTorch; and of any order."""
    z = mg.tensor([1 + 2j, -1j], requires_grad=True)
    assert z.is_leaf and z.grad is None and z.requires_grad and len(list(z)) == 2 and z.dim() == 1 and z.numel() == z.nelement() == 2
    (z * z.conj()).real.sum().backward()
    assert z.grad.tolist() == [2 + 4j, -2j] and not z.grad.requires_grad
    (z * z).backward(mg.ones(2, dtype=mg.cfloat))
    assert z.grad.tolist() == [4 + 0j, 0j]  # conj(2 z) added
    z.grad = None
    assert z.pair.grad is None and (z * 2).grad_fn is not None
    (first,) = mg.grad((z.abs() ** 4).sum(), z, create_graph=True)
    assert isinstance(first, type(z)) and mg.allclose(first.detach(), (4 * z * z.abs() ** 2).detach())
    (second,) = mg.grad(first.real.sum(), [z])
    np.testing.assert_allclose(second.numpy(), [4 * (3 * 1 + 4) + 8j * 2, 4], rtol=1e-5)


class Filter(nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(mg.ones(5, dtype=mg.cfloat))
        self.register_buffer("turn", mg.polar(mg.ones(5), mg.arange(5.0)))

    def forward(self, x):
        return mg.fft.irfft(mg.fft.rfft(x) * self.gain * self.turn)


def test_a_complex_parameter(tmp_path):
    net = Filter()
    assert isinstance(net.gain, nn.Parameter) and not isinstance(net.turn, nn.Parameter) and net.gain.is_leaf
    assert [(name, p.shape, p.dtype) for name, p in net.named_parameters()] == [("gain", (5,), mg.complex64)]
    assert [name for name, _ in net.named_buffers()] == ["turn"] and list(net.state_dict()) == ["gain", "turn"]
    optimizer = nn.optim.Adam(net.parameters(), lr=0.1)
    net(mg.arange(8.0)).square().sum().backward()
    assert nn.utils.clip_grad_norm_(net.parameters(), 1.0).item() > 1 and abs(net.gain.grad.norm().item() - 1) < 1e-5
    optimizer.step()
    assert (net.gain.detach() - 1).abs().max() > 0.09
    clone, thawed = copy.deepcopy(net), pickle.loads(pickle.dumps(net))
    for other in (clone, thawed):
        assert isinstance(other.gain, nn.Parameter) and other.gain.tolist() == net.gain.tolist() and other.gain.requires_grad
    net.zero_grad()
    assert net.gain.grad is None
    for path, write, read in ((tmp_path / "a.pt", minigrad.torch.save, nn.load_torch), (tmp_path / "a.mg", mg.save, mg.load)):
        write({"model": net.state_dict(), "leaf": net.gain}, path)
        loaded, other = read(path), Filter()
        assert loaded["model"]["gain"].dtype == mg.complex64 and isinstance(loaded["leaf"], nn.Parameter)
        other.load_state_dict(loaded["model"])
        assert other.gain.tolist() == net.gain.tolist() == loaded["leaf"].tolist() and isinstance(other.gain, nn.Parameter)
    net.load_state_dict({"gain": np.full(5, 2j), "turn": mg.ones(5)})
    assert net.gain.tolist() == [2j] * 5 and net.gain.dtype == net.turn.dtype == mg.complex64
    assert net.double().gain.dtype == mg.complex128 and isinstance(net.gain, nn.Parameter) and net(mg.arange(8.0)).shape == (8,)
    net.requires_grad_(False)
    assert not net.gain.requires_grad and nn.Parameter(np.array([1j])).dtype == mg.complex128
    with pytest.raises(RuntimeError, match=r"gain: shape \(4,\) does not fit \(5,\)"):
        net.load_state_dict({"gain": mg.ones(4, dtype=mg.cfloat), "turn": mg.ones(5)})
    with pytest.raises(TypeError, match=r"parameter 'wrong' must be .* not ComplexPair"):
        net.register_parameter("wrong", net.gain * 2)


def test_the_state_of_an_optimiser_of_pytorchs():
    """Its averages are complex; going on from it is going on."""
    start = np.random.default_rng(4).normal(size=(3, 2))

    def steps(lib, p, optimizer, n):
        for _ in range(n):
            optimizer.zero_grad()
            (p.abs() ** 3).sum().backward()
            optimizer.step()
        return lib.view_as_real(p.detach()).tolist()

    def theirs(torch):
        p = torch.nn.Parameter(torch.view_as_complex(torch.tensor(start)))
        optimizer = torch.optim.Adam([p], lr=0.1)
        middle = steps(torch, p, optimizer, 2)
        kept = optimizer.state_dict()["state"][0]
        averages = [torch.view_as_real(kept[name]).tolist() for name in ("exp_avg", "exp_avg_sq")]
        return middle, averages, steps(torch, p, optimizer, 2)

    middle, averages, end = noted(theirs)
    for form in (lambda a: mg.view_as_complex(mg.tensor(np.array(a))), lambda a: np.array(a).view(complex)[..., 0]):
        p = nn.Parameter(mg.view_as_complex(mg.tensor(np.array(middle))))
        optimizer = nn.optim.Adam([p], lr=0.1)
        state = optimizer.state_dict()
        first, second = map(form, averages)
        optimizer.load_state_dict({**state, "state": {0: {"step": 2.0, "exp_avg": first, "exp_avg_sq": second}}})
        np.testing.assert_allclose(steps(mg, p, optimizer, 2), end, rtol=1e-9)


def test_layers_with_a_complex_dtype():
    """Their weights are drawn in both parts, and what they compute is complex."""
    z = spectrum().cfloat().detach()
    layer, conv = nn.Linear(4, 20, dtype=mg.cfloat), nn.Conv1d(3, 2, 2, dtype=mg.cfloat)
    assert layer.weight.dtype == layer.bias.dtype == conv.weight.dtype == mg.complex64 and 0.1 < layer.weight.imag.abs().max() < 0.5
    expected = z.numpy() @ layer.weight.numpy(force=True).T + layer.bias.numpy(force=True)
    np.testing.assert_allclose(layer(z).numpy(force=True), expected, rtol=1e-5)
    a, k = z.numpy(), conv.weight.numpy(force=True)
    expected = sum(np.einsum("ct,oc->ot", a[:, i : i + 3], k[:, :, i]) for i in range(2)) + conv.bias.numpy(force=True)[:, None]
    np.testing.assert_allclose(conv(z[None])[0].numpy(force=True), expected, rtol=1e-5)
    layer(z).abs().sum().backward()
    assert layer.weight.grad.dtype == mg.complex64
    w = mg.empty(200, 300, dtype=mg.cdouble)
    assert abs(nn.init.xavier_normal_(w).abs().square().mean().item() - 2 / 500) < 1e-4 and nn.init.zeros_(w).abs().max() == 0
    assert nn.init.uniform_(w, 1, 2).real.min() >= 1 and w.imag.max() < 2 and abs(nn.init.normal_(w, 1.0, 0.1).mean().item() - 1) < 1e-2
    assert mg.tensor([z[0, 0], z[0, 1]]).tolist() == z[0, :2].tolist()


@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "NAdam"])
def test_optimisers_step_as_pytorchs(kind):
    """Which handle the real and the imaginary parts as real numbers each."""

    def run(lib):
        p = lib.tensor(np.random.default_rng(3).normal(size=(4, 2)), dtype=lib.float64)
        p = lib.nn.Parameter(lib.view_as_complex(p))
        optimizer = getattr(lib.optim, kind)([p], lr=0.1, weight_decay=0.01)
        for _ in range(4):
            optimizer.zero_grad()
            (p.abs() ** 2 + (p * (1 + 2j)).real ** 3).sum().backward()
            optimizer.step()
        return lib.view_as_real(p.detach()).tolist()

    np.testing.assert_allclose(run(minigrad.torch), noted(lambda torch: run(torch)), rtol=1e-7)  # NAdam has a number in float32
