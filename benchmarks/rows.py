"""The rows of the table: each names a kind of work, which every library's adapter implements if it can, and the sizes."""

from __future__ import annotations

from typing import Any, NamedTuple


class Row(NamedTuple):
    """One line of the table.

    ``kind`` is a method of a library's class in :mod:`benchmarks.libraries`, ``sizes`` its arguments; ``tiny`` replaces some of them by
    tiny sizes, to test that everything runs. Times are divided by ``unit``, the number of ops in a call.
    """

    title: str
    kind: str
    sizes: dict[str, Any]
    tiny: dict[str, Any]
    unit: int = 1

    @property
    def weighed(self) -> bool:
        """Whether its peak memory is measured too: that of models."""
        return self.kind in ("step", "gradients", "inference", "recurrent")

    @property
    def limited(self) -> bool:
        """Whether :mod:`benchmarks.limits` says how fast it could be: no row that measures Python, or loops over one."""
        return self.weighed or self.kind in ("conv", "map", "linear", "with_logits", "cross_entropy")


def _conv(n: int, channels: int, size: int, out: int, kernel: int, **more: Any) -> tuple[str, dict[str, Any], dict[str, Any]]:
    sizes = {"n": n, "channels": channels, "size": size, "out": out, "kernel": kernel, **more}
    return "conv", sizes, {"n": 1, "size": min(size, 2 * kernel + 5)}


def _map(function: str, *shape: int, **options: Any) -> tuple[str, dict[str, Any], dict[str, Any]]:
    tiny: dict[str, Any] = {"shape": (2, *[min(n, 8) for n in shape[1:]])}
    if "normalized_shape" in options:
        tiny["options"] = {"normalized_shape": (8,)}
    return "map", {"function": function, "shape": shape, "options": options}, tiny


def _recurrent(layer: str, n: int, steps: int, inputs: int, hidden: int) -> tuple[str, dict[str, Any], dict[str, Any]]:
    sizes = {"layer": layer, "n": n, "steps": steps, "inputs": inputs, "hidden": hidden}
    return "recurrent", sizes, {"n": 2, "steps": 3, "inputs": 2, "hidden": 2}


def _model(kind: str, model: str, batch: int, shape: tuple[int, ...]) -> tuple[str, dict[str, Any], dict[str, Any]]:
    return kind, {"model": model, "batch": batch, "shape": shape}, {"batch": 2, "shape": (shape[0], *[min(s, 64) for s in shape[1:]])}


def _transform(name: str, n: int, hidden: int) -> tuple[str, dict[str, Any], dict[str, Any]]:
    return "transform", {"name": name, "n": n, "hidden": hidden}, {"n": 3, "hidden": 4}


def _ensemble(model: str, members: int, batch: int, shape: tuple[int, ...]) -> tuple[str, dict[str, Any], dict[str, Any]]:
    kind, sizes, tiny = _model("ensemble", model, batch, shape)
    return kind, {**sizes, "members": members}, {**tiny, "members": 2}


ROWS: dict[str, Row] = {
    "op": Row("an op on 8 numbers, forward", "chain", {"ops": 900, "backward": False}, {"ops": 9}, unit=900),
    "op-backward": Row("an op on 8 numbers, forward and backward", "chain", {"ops": 900, "backward": True}, {"ops": 9}, unit=900),
    "conv-lenet1": Row("conv 5x5, 1 → 6, 28x28, batch 64", *_conv(64, 1, 28, 6, 5, padding=2, first=True)),
    "conv-lenet2": Row("conv 5x5, 6 → 16, 14x14, batch 64", *_conv(64, 6, 14, 16, 5)),
    "conv-64": Row("conv 3x3, 64 → 64, 32x32, batch 32", *_conv(32, 64, 32, 64, 3, padding=1)),
    "conv-128": Row("conv 3x3, 128 → 128, 16x16, batch 32", *_conv(32, 128, 16, 128, 3, padding=1)),
    "conv-256": Row("conv 3x3, 256 → 256, 8x8, batch 32", *_conv(32, 256, 8, 256, 3, padding=1)),
    "conv-alexnet": Row("conv 11x11 stride 4, 3 → 64, 224x224, batch 8", *_conv(8, 3, 224, 64, 11, stride=4, padding=2, first=True)),
    "conv-512": Row("conv 3x3, 512 → 512, 7x7, batch 8", *_conv(8, 512, 7, 512, 3, padding=1)),
    "conv-5x5": Row("conv 5x5, 32 → 32, 28x28, batch 32", *_conv(32, 32, 28, 32, 5, padding=2)),
    "conv-strided": Row("conv 3x3 stride 2, 64 → 128, 32x32, batch 32", *_conv(32, 64, 32, 128, 3, padding=1, stride=2)),
    "conv-1x1": Row("conv 1x1, 256 → 64, 14x14, batch 32", *_conv(32, 256, 14, 64, 1)),
    "conv-depthwise": Row("conv 3x3 depthwise, 128, 28x28, batch 32", *_conv(32, 128, 28, 128, 3, padding=1, groups=128)),
    "conv-dilated": Row("conv 3x3 dilation 2, 64 → 64, 32x32, batch 16", *_conv(16, 64, 32, 64, 3, padding=2, dilation=2)),
    "conv-3d": Row("conv 3x3x3, 16 → 32, 16x16x16, batch 4", *_conv(4, 16, 16, 32, 3, padding=1, axes=3)),
    "conv-transpose": Row(
        "transposed conv 4x4 stride 2, 64 → 32, 16x16, batch 32", *_conv(32, 64, 16, 32, 4, stride=2, padding=1, transposed=True)
    ),
    "max-pool": Row("max_pool2d 2x2, 64 channels, 32x32, batch 64", *_map("max_pool2d", 64, 64, 32, 32, kernel_size=2)),
    "max-pool-3": Row("max_pool2d 3x3 stride 2, 64 channels, 55x55, batch 8", *_map("max_pool2d", 8, 64, 55, 55, kernel_size=3, stride=2)),
    "avg-pool": Row("avg_pool2d 2x2, 64 channels, 32x32, batch 64", *_map("avg_pool2d", 64, 64, 32, 32, kernel_size=2)),
    "batch-norm": Row("batch_norm, 16 channels, 32x32, batch 128", *_map("batch_norm", 128, 16, 32, 32)),
    "relu": Row("relu, 16 channels, 32x32, batch 128", *_map("relu", 128, 16, 32, 32)),
    "leaky-relu": Row("leaky_relu, 16 channels, 32x32, batch 128", *_map("leaky_relu", 128, 16, 32, 32)),
    "sigmoid": Row("sigmoid, 16 channels, 32x32, batch 128", *_map("sigmoid", 128, 16, 32, 32)),
    "silu": Row("silu, 16 channels, 32x32, batch 128", *_map("silu", 128, 16, 32, 32)),
    "gelu": Row("gelu, 16 channels, 32x32, batch 128", *_map("gelu", 128, 16, 32, 32)),
    "softmax": Row("softmax, 1000 classes, batch 512", *_map("softmax", 512, 1000, dim=1)),
    "layer-norm": Row("layer_norm, 256 features, batch 32, 64 places", *_map("layer_norm", 32, 64, 256, normalized_shape=(256,))),
    "group-norm": Row("group_norm, 32 channels, 8 groups, 32x32, batch 32", *_map("group_norm", 32, 32, 32, 32, num_groups=8)),
    "cumsum": Row("cumsum, 512 rows of 1024", *_map("cumsum", 512, 1024, dim=1)),
    "topk": Row("topk of 5, 512 rows of 1024", *_map("topk", 512, 1024, k=5)),
    "batch-norm-small": Row("batch_norm, 8 channels, 4x4, batch 2", *_map("batch_norm", 2, 8, 4, 4)),
    "layer-norm-small": Row("layer_norm, 16 features, batch 8", *_map("layer_norm", 8, 16, normalized_shape=(16,))),
    "avg-pool-small": Row("avg_pool2d 2x2, 8 channels, 4x4, batch 2", *_map("avg_pool2d", 2, 8, 4, 4, kernel_size=2)),
    "max-pool-small": Row("max_pool2d 2x2, 8 channels, 4x4, batch 2", *_map("max_pool2d", 2, 8, 4, 4, kernel_size=2)),
    "softmax-small": Row("softmax, 16 classes, batch 8", *_map("softmax", 8, 16, dim=1)),
    "gelu-small": Row("gelu, 16 features, batch 8", *_map("gelu", 8, 16)),
    "topk-small": Row("topk of 3, 8 rows of 16", *_map("topk", 8, 16, k=3)),
    "with-logits": Row("binary_cross_entropy_with_logits, 131072", "with_logits", {"n": 131072}, {"n": 10}),
    "linear": Row(
        "linear 1024 → 1024, batch 64", "linear", {"n": 64, "inputs": 1024, "outputs": 1024}, {"n": 2, "inputs": 8, "outputs": 8}
    ),
    "cross-entropy": Row("cross_entropy, 1000 classes, batch 128", "cross_entropy", {"n": 128, "classes": 1000}, {"n": 4, "classes": 10}),
    "gradcheck": Row("gradcheck of conv2d, 402 elements", "gradcheck", {"size": 7}, {"size": 3}),
    "lenet": Row("LeNet-5 training step, batch 64", *_model("step", "lenet5", 64, (1, 28, 28))),
    "resnet": Row("ResNet-20 training step, batch 128, 32x32", *_model("step", "resnet20", 128, (3, 32, 32))),
    "resnet-4": Row("ResNet-20 training step, batch 4, 32x32", *_model("step", "resnet20", 4, (3, 32, 32))),
    "resnet18": Row("ResNet-18 training step, batch 4, 224x224", *_model("step", "resnet18", 4, (3, 224, 224))),
    "per-sample": Row("LeNet-5, a gradient for each of 64 images", *_model("per_sample", "lenet5", 64, (1, 28, 28))),
    "ensemble": Row("16 LeNet-5 on one batch of 16 images", *_ensemble("lenet5", 16, 16, (1, 28, 28))),
    "lenet-1": Row("LeNet-5 inference, one image", *_model("inference", "lenet5", 1, (1, 28, 28))),
    "resnet18-1": Row("ResNet-18 inference, one image, 224x224", *_model("inference", "resnet18", 1, (3, 224, 224))),
    "lstm-small": Row("LSTM, batch 4, 32 steps, 16 units", *_recurrent("LSTM", 4, 32, 16, 16)),
    "lstm": Row("LSTM, batch 32, 64 steps, 128 units", *_recurrent("LSTM", 32, 64, 128, 128)),
    "gru": Row("GRU, batch 32, 64 steps, 128 units", *_recurrent("GRU", 32, 64, 128, 128)),
    "alexnet": Row("AlexNet forward and backward, batch 8, 224x224", *_model("gradients", "alexnet", 8, (3, 224, 224))),
    "jvp": Row("jvp of ResNet-20, batch 16, 32x32", *_model("tangent", "resnet20", 16, (3, 32, 32))),
    "jacrev": Row("jacrev of a perceptron, 64 inputs, 64 outputs", *_transform("jacrev", 64, 256)),
    "jacfwd": Row("jacfwd of a perceptron, 64 inputs, 64 outputs", *_transform("jacfwd", 64, 256)),
    "hessian": Row("hessian of a perceptron, 32 inputs", *_transform("hessian", 32, 128)),
    "import": Row("import", "import", {}, {}),
}
