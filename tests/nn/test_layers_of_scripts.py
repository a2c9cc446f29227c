"""What scripts use of PyTorch's layers beyond their calls: methods that subclasses override or call, base classes, averages of states."""

import numpy as np
import pytest
from answers import noted

import minigrad as mg
import minigrad.torch
from minigrad import nn


def both(function):
    """What ``function(torch)`` returns under PyTorch and here: arrays, lists and texts."""
    return [noted(lambda torch: function(torch)), function(minigrad.torch)]


@pytest.mark.parametrize("mode", ["zeros", "circular"])
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_a_convolution_with_a_weight_that_a_subclass_computes(dims, mode):
    def run(library):
        class Standardised(getattr(library.nn, f"Conv{dims}d")):
            def forward(self, x):
                weight = self.weight - self.weight.mean(dim=1, keepdim=True)
                assert tuple(self._reversed_padding_repeated_twice) == (1, 1) * dims
                return self._conv_forward(x, 2 * weight, self.bias)

        layer = Standardised(2, 3, 3, padding=1, padding_mode=mode)
        for p in layer.parameters():
            p.data = library.tensor(np.sin(np.arange(p.numel())).reshape(tuple(p.shape)))
        x = library.tensor(np.cos(np.arange(2 * 2 * 4**dims)).reshape(2, 2, *[4] * dims))
        layer(x).square().sum().backward()
        return [layer(x).detach().numpy(), layer.weight.grad.numpy()]

    for theirs, ours in zip(*both(run), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


def test_a_norm_that_checks_its_input():
    def run(library):
        class Any(library.nn.modules.batchnorm._BatchNorm):
            def _check_input_dim(self, input):
                seen.append(input.ndim)

        seen = []
        y = Any(3)(library.ones(2, 3, 1, 1, 1, 2))
        layer = library.nn.BatchNorm2d(3)
        layer._check_input_dim(library.ones(2, 3, 1, 1))
        with pytest.raises(ValueError, match=r"4D|\(N, C, H, W\)"):
            layer._check_input_dim(library.ones(2, 3))
        return [seen, tuple(y.shape)]

    theirs, ours = both(run)
    assert ours == theirs == [[6], (2, 3, 1, 1, 1, 2)]


def test_base_classes():
    def run(library):
        modules = library.nn.modules
        dropouts = [
            isinstance(layer, modules.dropout._DropoutNd) for layer in (library.nn.Dropout(), library.nn.AlphaDropout(), library.nn.ReLU())
        ]
        out = library.nn.MultiheadAttention(4, 2).out_proj  # not to be replaced by scripts that take each layer whose type is Linear
        kinds = [
            type(out) is library.nn.Linear,
            isinstance(out, library.nn.Linear),
            type(out) is modules.linear.NonDynamicallyQuantizableLinear,
        ]
        return [*dropouts, *kinds, repr(library.nn.TransformerEncoderLayer(4, 2))]

    theirs, ours = both(run)
    assert ours == theirs


def test_lists_of_one_parameter_print_as_in_pytorch():
    def run(library):
        values = [library.nn.Parameter(library.ones(2, 3)), library.nn.Parameter(library.ones(1))]
        lists = [library.nn.ParameterList(values[:n]) for n in range(3)]
        dicts = [library.nn.ParameterDict(dict(zip("ab", values[:n], strict=False))) for n in range(3)]
        return [repr(x) for x in (*lists, *dicts, library.nn.Sequential(*lists, *dicts))]

    theirs, ours = both(run)
    assert ours == theirs


def test_an_average_of_states():
    """A mean of counts is no whole number; as in PyTorch it is cut to one."""

    def run(library):
        states = []
        for batches in (1, 2):
            layer = library.nn.BatchNorm1d(2)
            for _ in range(batches):
                layer(library.tensor([[1.0, 2.0], [3.0, 5.0 * batches]]))
            states.append(layer.state_dict())
        layer.load_state_dict({name: sum(state[name] for state in states) / 2 for name in states[0]})
        return [v.tolist() for v in layer.state_dict().values()]

    theirs, ours = both(run)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    assert ours[-1] == 1
    with pytest.raises(RuntimeError, match="a real dtype is needed, not complex64"):
        nn.BatchNorm1d(2).load_state_dict({**nn.BatchNorm1d(2).state_dict(), "weight": np.ones(2, np.complex64)})


def test_a_matrix_that_cannot_be_decomposed_raises_a_runtime_error():
    """Scripts add to the diagonal until it can: ``except RuntimeError``."""

    def run(library):
        tries = []
        for factor in (0.0, 0.5, 2.0):
            try:
                library.linalg.cholesky(factor * library.eye(2) - library.ones(2, 2) / 2)
            except RuntimeError:
                tries.append(factor)
        for function in (library.linalg.inv, lambda a: library.linalg.solve(a, library.ones(2)), library.linalg.lu_factor):
            with pytest.raises(RuntimeError):
                function(library.ones(2, 2))
            tries.append(0)
        return tries

    theirs, ours = both(run)
    assert ours == theirs == [0.0, 0.5, 0, 0, 0]
    assert issubclass(mg.linalg.LinAlgError, RuntimeError) and minigrad.torch.linalg.LinAlgError is mg.linalg.LinAlgError
    with pytest.raises(np.linalg.LinAlgError, match="cholesky: Matrix is not positive definite"):
        mg.linalg.cholesky(-mg.ones(2, 2))


def test_samples_are_real_numbers():
    def run(library):
        refused = []
        for name in ("uniform_", "normal_", "exponential_", "log_normal_", "cauchy_"):
            getattr(library.zeros(2), name)()
            with pytest.raises(RuntimeError):
                getattr(library.zeros(2, dtype=library.int64), name)()
            refused.append(name)
        return refused

    theirs, ours = both(run)
    assert ours == theirs and len(ours) == 5


def test_matrices_without_elements():
    def run(library):
        linalg = library.linalg
        norms = [linalg.norm(library.ones(*shape), ord=2) for shape in ((0, 3), (3, 0), (0, 0))]
        stack = linalg.matrix_norm(library.ones(2, 0, 3), ord=2)
        return [x.tolist() for x in (*norms, stack, linalg.cond(library.ones(0, 3)), library.block_diag())]

    theirs, ours = both(run)
    assert ours == theirs == [0.0, 0.0, 0.0, [0.0, 0.0], 0.0, [[]]]
    assert isinstance(mg.block_diag(), mg.Tensor) and mg.block_diag().shape == (1, 0)


def test_the_version_that_scripts_ask_for():
    assert minigrad.torch.__version__.startswith("2.13.0")
    assert minigrad.torch.version.__version__ == minigrad.torch.__version__
    before = minigrad.torch.get_float32_matmul_precision()
    minigrad.torch.set_float32_matmul_precision("high")
    assert minigrad.torch.get_float32_matmul_precision() == "high"
    minigrad.torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize("kind", ["matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (2, 3, 2)])
@pytest.mark.parametrize("trivial", [True, False])
def test_orthogonal_parametrizations_beside_pytorch(kind, shape, trivial):
    rng = np.random.default_rng(3)
    start, step = rng.normal(size=shape), 0.1 * rng.normal(size=shape)

    def run(library):
        module = library.nn.Module()
        module.weight = library.nn.Parameter(library.tensor(start.tolist(), dtype=library.float64))
        library.nn.utils.parametrizations.orthogonal(module, "weight", kind, use_trivialization=trivial)
        found = [] if trivial and shape[-1] != shape[-2] else [module.weight]  # else PyTorch adds columns that are drawn
        parametrized = module.parametrizations.weight
        if trivial:
            with library.no_grad():
                parametrized[0].base.copy_(library.eye(max(shape[-2:]), dtype=library.float64))
        with library.no_grad():
            parametrized.original.sub_(library.tensor(step.tolist(), dtype=library.float64).tril(-1))
        (gradient,) = library.autograd.grad((module.weight**3).sum(), parametrized.original, create_graph=True)
        (second,) = library.autograd.grad((gradient**2).sum(), parametrized.original)
        found += [parametrized.original, module.weight, gradient, second]
        return [x.detach().tolist() for x in found], sorted(module.state_dict())

    (theirs, their_names), (ours, names) = both(run)
    assert names == their_names
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-9)
