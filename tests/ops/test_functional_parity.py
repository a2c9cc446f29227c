"""Every public name of torch.nn.functional, torch.nn and torch.nn.utils exists here with the same signature, or is in the table of absent names."""

import inspect
import itertools
import operator

import pytest
from answers import noted, torch

import minigrad.nn.functional as F
from minigrad import absent, engine, nn

pytestmark = pytest.mark.skipif(not torch.__version__.startswith("2.13"), reason="names and arguments are those of PyTorch 2.13")

# In work: allowed to be missing, and compared like all others once there.
# What Python cannot read off PyTorch's builtins and dispatchers, from their documentation.
_POOL = "kernel_size, stride=None, padding=0"
_CONV = "input, weight, bias=None, stride=1, padding=0"
BUILTINS = {
    "adaptive_avg_pool1d": "input, output_size",
    "adaptive_max_pool1d": "input, output_size, return_indices=False",
    "adaptive_max_pool2d": "input, output_size, return_indices=False",
    "adaptive_max_pool3d": "input, output_size, return_indices=False",
    "avg_pool1d": f"input, {_POOL}, ceil_mode=False, count_include_pad=True",
    "avg_pool2d": f"input, {_POOL}, ceil_mode=False, count_include_pad=True, divisor_override=None",
    "avg_pool3d": f"input, {_POOL}, ceil_mode=False, count_include_pad=True, divisor_override=None",
    "bilinear": "input1, input2, weight, bias=None",
    "celu_": "input, alpha=1.0",
    "channel_shuffle": "input, groups",
    "conv1d": f"{_CONV}, dilation=1, groups=1",
    "conv2d": f"{_CONV}, dilation=1, groups=1",
    "conv3d": f"{_CONV}, dilation=1, groups=1",
    "conv_tbc": "input, weight, bias, pad=0",
    "conv_transpose1d": f"{_CONV}, output_padding=0, groups=1, dilation=1",
    "conv_transpose2d": f"{_CONV}, output_padding=0, groups=1, dilation=1",
    "conv_transpose3d": f"{_CONV}, output_padding=0, groups=1, dilation=1",
    "cosine_similarity": "x1, x2, dim=1, eps=1e-08",
    "elu_": "input, alpha=1.0",
    "fractional_max_pool2d": "input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None",
    "fractional_max_pool3d": "input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None",
    "gelu": "input, approximate='none'",
    "hardshrink": "input, lambd=0.5",
    "hardtanh_": "input, min_val=-1.0, max_val=1.0",
    "leaky_relu_": "input, negative_slope=0.01",
    "linear": "input, weight, bias=None",
    "logsigmoid": "input",
    "max_pool1d": f"input, {_POOL}, dilation=1, ceil_mode=False, return_indices=False",
    "max_pool2d": f"input, {_POOL}, dilation=1, ceil_mode=False, return_indices=False",
    "max_pool3d": f"input, {_POOL}, dilation=1, ceil_mode=False, return_indices=False",
    "native_channel_shuffle": "input, groups",
    "one_hot": "input, num_classes=-1",
    "pairwise_distance": "x1, x2, p=2.0, eps=1e-06, keepdim=False",
    "pdist": "input, p=2.0",
    "pixel_shuffle": "input, upscale_factor",
    "pixel_unshuffle": "input, downscale_factor",
    "prelu": "input, weight",
    "relu_": "input",
    "rrelu_": "input, lower=1 / 8, upper=1 / 3, training=False",
    "scaled_dot_product_attention": ("query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False"),
    "selu_": "input",
    "softplus": "input, beta=1.0, threshold=20.0",
    "softshrink": "input, lambd=0.5",
    "threshold_": "input, threshold, value",
}


# ------------------------------------------------------------------------------------------------------- names


def is_pytorchs(value):
    """Not something that PyTorch's modules import for their own use."""
    return (getattr(value, "__module__", None) or "torch").split(".")[0] in ("torch", "builtins")


HELPERS = {"get_swap_module_params_on_conversion", "is_opaque_reference_type", "is_traceable_wrapper_subclass"}  # imported by parametrize


def names(prefix, module, kind):
    found = {n: v for n, v in vars(module).items() if not n.startswith("_") and n not in HELPERS and kind(v) and is_pytorchs(v)}
    return {f"{prefix}.{name}" for name in found}


def function(value):
    return callable(value) and not inspect.isclass(value)


OURS = {"F": F, "nn": nn, "utils": nn.utils, "parametrizations": nn.utils.parametrizations, "parametrize": nn.utils.parametrize}
THEIRS = {
    "F": "nn.functional",
    "nn": "nn",
    "utils": "nn.utils",
    "parametrizations": "nn.utils.parametrizations",
    "parametrize": "nn.utils.parametrize",
}


def names_of(torch):
    """All public names, and those of functions that Python cannot read a signature off."""
    found = {p: names(p, operator.attrgetter(path)(torch), inspect.isclass if p == "nn" else function) for p, path in THEIRS.items()}
    everything = sorted(itertools.chain(*found.values()))
    return everything, [p[2:] for p in everything if p.startswith("F.") and unreadable(getattr(torch.nn.functional, p[2:]))]


def unreadable(value):
    try:
        kinds = {p.kind for p in inspect.signature(value).parameters.values()}
    except ValueError:
        return True
    return kinds == {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}


NAMES, UNREADABLE = noted(names_of)


def find(path):
    prefix, name = path.split(".")
    return getattr(OURS[prefix], name, None)


def test_what_is_missing_is_in_the_table():
    """So that whoever asks for it is told what to use instead (tests/house/test_torch_face.py)."""
    missing = [path.split(".") for path in NAMES if find(path) is None]
    assert [(p, name) for p, name in missing if absent.advice(f"torch.{THEIRS[p]}", name) is None] == []


def test_functional_exports_what_it_has():
    assert sorted(F.__all__) == sorted(path[2:] for path in NAMES if path.startswith("F.") and find(path) is not None)


# -------------------------------------------------------------------------------------------------- signatures


def parameters_of_ours(value):
    """The parameters that a call has in truth: for an op those of the code that was made for it."""
    if hasattr(value, "op") and "__signature__" not in vars(value):
        engine.specialize(value.op)
        return list(inspect.Signature.from_callable(value, follow_wrapped=False).parameters.values())
    return list(inspect.signature(value).parameters.values())


# Their constructors hand on whatever they get; the pages of PyTorch say what that may be.
RECURRENT = "bias=True, batch_first=False, dropout=0.0, bidirectional=False, device=None, dtype=None"
LAYERS = {
    "nn.RNN": f"input_size, hidden_size, num_layers=1, nonlinearity='tanh', {RECURRENT}",
    "nn.GRU": f"input_size, hidden_size, num_layers=1, {RECURRENT}",
}
LEFT_OUT = {"nn.UninitializedBuffer": "persistent"}  # register_buffer says it


def parameters_of_theirs(torch, path):
    prefix, name = path.split(".")
    if path in LAYERS:
        return list(inspect.signature(eval(f"lambda {LAYERS[path]}: 0")).parameters.values())
    if path.startswith("F.") and name in BUILTINS:
        return list(inspect.signature(eval(f"lambda {BUILTINS[name]}: 0")).parameters.values())
    value = getattr(operator.attrgetter(THEIRS[prefix])(torch), name)
    for kind in value.__mro__ if inspect.isclass(value) else [value]:
        found = list(inspect.signature(kind).parameters.values())
        if not any(p.kind is p.VAR_POSITIONAL for p in found):
            break  # else it hands on whatever it gets to what it inherits from
    return [p for p in found if p.name != LEFT_OUT.get(path) and not (p.name == "mode" and kind is torch.nn.RNNBase is not value)]


def public(parameters):
    """Names, kinds and defaults, but of what begins with an underscore; of ``*args`` neither, since they say nothing."""
    kept = [p for p in parameters if not p.name.startswith("_") and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return [(p.name, p.kind.name, plain(p.default)) for p in kept]


def plain(default):
    if callable(default) and default is not inspect.Parameter.empty:  # a function of theirs, such as relu
        return default.__name__
    return default


@pytest.mark.parametrize("path", [path for path in NAMES if find(path) is not None])
def test_signature(path):
    """The same parameters in the same order, of the same kind, with the same defaults."""
    assert public(parameters_of_ours(find(path))) == noted(lambda torch: public(parameters_of_theirs(torch, path)))


def test_the_table_of_builtins_is_needed():
    """A name is in the table because its signature cannot be read, and every such name is."""
    assert sorted(BUILTINS) == [path[2:] for path in NAMES if path.startswith("F.") and hasattr(F, path[2:]) and path[2:] in UNREADABLE]
