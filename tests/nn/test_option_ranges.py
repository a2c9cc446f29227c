"""No option of the loaders, transforms, initialisers, optimisers, files, pictures, figures and checks is taken and ignored.

One table: a call that is right, and for each option the values that it cannot be. Each is refused in a message that begins with the name of
the function and shows the value. Modules have a table of their own in ``test_options.py``, functions of tensors in
``tests/ops/test_ranges.py``.
"""

import enum
import importlib
import inspect
import io
import math
import os
import re

import hypothesis
import numpy as np
import pytest
from hypothesis.strategies import SearchStrategy
from test_options import SPACES, public

import minigrad as mg
from minigrad import demo, graph, nn, plots, random, recompute, testing
from minigrad.nn import data, detection, init, metrics, models, optim, training, utils
from minigrad.nn.optim import lr_scheduler, swa_utils
from minigrad.nn.utils import parametrizations, parametrize, rnn
from minigrad.testing import strategies, torch_style

NUMBER = ["1", {}]
REAL = [*NUMBER, math.nan]
WHOLE = [*NUMBER, 1.5, math.nan]
WORDS = ["no such", 1.5]
CALLABLE = [1.5, "no such"]
GENERATOR = [1.5, np.random.default_rng(0)]
DTYPE = ["no such"]
NAME = [1.5]
MODEL = [1.5, "no such"]
TENSOR = ["a", {}]
ITERABLE = [1.5]


def at_least(n):
    return [*WHOLE, n - 1, n - 5]


NOT_NEGATIVE = [*REAL, -1.0]
POSITIVE = [*REAL, 0, -1.0]
FRACTION = [*REAL, -0.1, 1.1]

# With what messages begin that do not begin with the function's name.
SAID = {
    "fit": "(fit|metrics)",
    "evaluate": "(evaluate|metrics)",
    "named": "metrics",
    "draw": "(draw|trace)",
    "check_op": "(check_op|exp)",
    "occlusion": "occlusion(_map)?",
    "saliency": "saliency(_map)?",
    "grad_cam": "grad_cam(_map)?",
    "map_viewer": "(map_viewer|layer_outputs)",
    "top_patches": "(top_patches|layer_outputs)",
}
SAID |= {"clip_grad_norm": "clip_grad_norm_", "alexnet": "AlexNet", "googlenet": "GoogLeNet"}
for name in models.__all__:
    for start, kind in (("vgg", "VGG"), ("efficientnet", "EfficientNetLite"), ("resnet", "(Cifar)?ResNet")):
        if name.startswith(start):
            SAID[name] = kind
# What is refused wherever an option has this name.
COMMON = {
    "generator": GENERATOR, "dtype": ["no such", 1.5], "device": ["cuda", 1.5], "seed": WHOLE, "p": FRACTION, "fill": NUMBER, "ignore_index": WHOLE,
    "transform": CALLABLE, "target_transform": CALLABLE, "padding_mode": WORDS, "interpolation": WORDS, "last_epoch": [*WHOLE, -2], "lr": NOT_NEGATIVE,
    "weight_decay": NOT_NEGATIVE, "eps": NOT_NEGATIVE, "betas": [0.9, (0.9,), (0.9, 1.0), (-0.1, 0.9), ("a", 0.9), (0.9, math.nan)], "num_classes": at_least(1),
    "dropout": FRACTION, "drop_connect": FRACTION, "dropout_aux": FRACTION, "title": [1.5], "columns": at_least(1), "most": at_least(1), "steps": at_least(1),
    "stride": at_least(1), "padding": at_least(0), "dilation": at_least(1), "names": [1.5, ["a"] * 9], "between": [1.5, ["a"] * 9], "target": [*WHOLE, 99],
    "rtol": NOT_NEGATIVE, "atol": NOT_NEGATIVE, "max_kernel": at_least(1), "max_extra": at_least(0), "min_dims": at_least(0), "max_dims": at_least(0),
    "min_side": at_least(0), "max_side": at_least(0), "optimizer": [1.5, None], "params": [1.5, "ab", []],
}  # fmt: skip
FREE = {"foreach", "fused", "memory_format", "pin_memory_device"}  # taken for PyTorch's sake, and without effect


def net():
    return nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))


def weights():
    return [nn.Parameter(np.ones((2, 3)))]


def with_gradients():
    (w,) = weights()
    w.grad = mg.ones(2, 3, dtype=w.dtype)
    return [w]


def sgd():
    return optim.SGD(weights(), lr=0.1, momentum=0.9)


def pairs():
    return [(mg.ones(4, 2), mg.zeros(4, dtype=mg.int64))]


PACKED = rnn.pack_sequence([mg.ones(2, 1), mg.ones(1, 1)])
IMAGE = np.ones((3, 4, 4), np.float32)
IMAGES = mg.ones(1, 3, 4, 4)
MAPS = nn.Sequential(nn.Conv2d(3, 2, 2), nn.Flatten(), nn.Linear(18, 3))
CLASSIFIER = nn.Sequential(nn.Flatten(), nn.Linear(48, 3))
OUTPUT = mg.ones(2, requires_grad=True) * 2
BAD_SCALE = [1.0, (1.0,), (2.0, 1.0), (0.0, 1.0), "ab"]
JITTER = [*NOT_NEGATIVE, (1.0,), (2.0, 1.0), (-1.0, 1.0)]
BAD_FILE = [1.5]

NOTHING_TO_REFUSE = {  # and why
    **dict.fromkeys(["Call", "Edge", "GoogLeNetOutputs", "Graph", "LearningRates", "PackedSequence", "Run", "Scope", "Vertex", "WorkerInfo"], "plain data"),
    **dict.fromkeys(["Parameter", "Tensor", "array_of", "inside", "is_tensor", "is_lazy", "default_convert", "default_collate", "unwrapped", "write_idx"], "of anything"),
    **dict.fromkeys(["backward", "grad", "is_complex", "is_nonzero", "is_same_size", "is_signed", "result_type", "is_floating_point", "numel", "invert_permutation", "summary", "entitled"], "of tensors, refused by the ops"),
    **dict.fromkeys(["batched", "drawn", "elementwise", "enable_grad", "no_grad", "joint", "jointly", "skip_init", "call_on_pair"], "of the user's functions"),
    **dict.fromkeys(["can_cast", "promote_types"], "of dtypes: tests/ops/test_result_dtypes.py"),
    **dict.fromkeys(["device", "check_device"], "of devices: tests/house/test_torch_face.py"),
    **dict.fromkeys(["ToPILImage"], "refused by PIL"),
    **dict.fromkeys(["fuse_conv_bn_eval", "fuse_linear_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_weights"], "of modules and their weights"),
    **dict.fromkeys(["Batched", "Together", "as_matrix", "default_dim", "in_mode", "leaves", "length_except", "numpy_generator", "SummaryWriter", "tree_map", "unchanged", "whole_file", "wrap"], "imported there, of other rooms"),
}  # fmt: skip

UNCALLED = {
    data.CIFAR10,
    data.CIFAR100,
    data.ImageFolder,
    data.DatasetFolder,
    plots.activations,
    lr_scheduler.LRScheduler,
    testing.gradcheck,
    testing.check_op,
}  # which take positional arguments
ROWS: list = []


def row(function, good=None, /, **wrong):
    """A table's row: ``good()`` gives arguments that are right; a function's name may be said by ``name``."""
    ROWS.append((function, good or dict, wrong))


# windows
for window in (mg.bartlett_window, mg.blackman_window, mg.hann_window):
    row(window, lambda: {"window_length": 4}, window_length=at_least(0))
row(mg.hamming_window, lambda: {"window_length": 4}, window_length=at_least(0), alpha=REAL, beta=REAL)
row(mg.kaiser_window, lambda: {"window_length": 4}, window_length=at_least(0), beta=REAL)

# data
row(
    data.DataLoader,
    lambda: {"dataset": range(4)},
    dataset=[1.5],
    batch_size=at_least(1),
    sampler=[1.5],
    batch_sampler=[1.5],
    num_workers=at_least(0),
    collate_fn=CALLABLE,
)
row(
    data.DataLoader,
    lambda: {"dataset": range(4), "num_workers": 1},
    timeout=[*REAL, -1],
    worker_init_fn=CALLABLE,
    multiprocessing_context=["no such", 1.5],
    prefetch_factor=at_least(1),
)
row(data.BatchSampler, lambda: {"sampler": range(4), "batch_size": 2}, sampler=[1.5], batch_size=at_least(1), drop_last=["yes"])
row(
    data.DistributedSampler, lambda: {"dataset": range(4), "num_replicas": 2, "rank": 0}, dataset=[1.5], num_replicas=at_least(1), rank=at_least(0), shuffle=["yes"],
    seed=["a"], drop_last=["yes"],
)  # fmt: skip
row(data.RandomSampler, lambda: {"data_source": range(4)}, data_source=[1.5], num_samples=at_least(1), replacement=["yes"])
row(data.SequentialSampler, lambda: {"data_source": range(4)}, data_source=[1.5])
row(data.SubsetRandomSampler, lambda: {"indices": [1, 2]}, indices=[1.5])
row(
    data.WeightedRandomSampler,
    lambda: {"weights": [1.0, 2.0], "num_samples": 2},
    weights=[1.5, ["a"], [-1.0, 2.0]],
    num_samples=at_least(1),
    replacement=["yes"],
)
row(data.Subset, lambda: {"dataset": range(4), "indices": [1]}, dataset=[1.5], indices=[1.5])
row(data.ConcatDataset, lambda: {"datasets": [range(3)]}, datasets=[1.5, [1.5], []])
row(data.ChainDataset, lambda: {"datasets": [data.IterableDataset()]}, datasets=[1.5])
row(
    data.random_split, lambda: {"dataset": range(4), "lengths": [1, 3]}, dataset=[1.5], lengths=[[1, 4], [5, -1], ["a"], 1.5, [math.nan, 3]]
)
row(data.MNIST, None, root=[1.5])
row(data.FashionMNIST, None, root=[1.5])
for kind in (data.CIFAR10, data.CIFAR100, data.ImageFolder):
    row(kind, lambda: {"root": "/no/such/folder"}, root=[1.5])
row(data.ImageFolder, lambda: {"root": "/no/such/folder"}, loader=CALLABLE, is_valid_file=CALLABLE)
row(
    data.DatasetFolder,
    lambda: {"root": "/no/such/folder", "loader": abs},
    loader=CALLABLE,
    extensions=[1.5],
    is_valid_file=CALLABLE,
    root=[1.5],
)
row(data.read_image, None, path=[1.5])
row(data.read_idx, None, path=[1.5, "/no/such/file"])
row(data.write_idx, lambda: {"path": os.devnull, "array": np.ones(3)}, path=[1.5, "/no/such/folder/file"])

# transforms
row(data.Compose, lambda: {"transforms": [np.abs]}, transforms=[1.5, [1.5]])
row(data.RandomApply, lambda: {"transforms": [np.abs]}, transforms=[1.5, [1.5]])
row(data.RandomOrder, lambda: {"transforms": [np.abs]}, transforms=[1.5, [1.5]])
row(data.RandomChoice, lambda: {"transforms": [np.abs]}, transforms=[1.5, [1.5]], p=[[1, 1], [-1.0], [0.0], ["1"], [None]])
row(data.RandomGrayscale)
row(data.Grayscale, num_output_channels=[2, 0, 1.5, "3"])
row(data.Lambda, lambda: {"lambd": np.abs}, lambd=CALLABLE)
row(data.Normalize, lambda: {"mean": 0.0, "std": 1.0}, mean=NUMBER, std=[*POSITIVE, [1.0, 0.0]])
row(data.Pad, lambda: {"padding": 1}, padding=[*WHOLE, (1, 2, 3), -1])
row(data.CenterCrop, lambda: {"size": 2}, size=[*at_least(1), (1, 2, 3), (2, 0)])
row(data.RandomCrop, lambda: {"size": 2}, size=[*at_least(1), (1, 2, 3), (2, 0)], padding=[*WHOLE, (1, 2, 3), -1])
row(data.Resize, lambda: {"size": 2}, size=[*at_least(1), (1, 2, 3), (2, 0)], max_size=[*WHOLE, 0, 1])
row(data.RandomResizedCrop, lambda: {"size": 2}, size=[*at_least(1), (1, 2, 3), (2, 0)], scale=BAD_SCALE, ratio=BAD_SCALE)
row(data.RandomHorizontalFlip), row(data.RandomVerticalFlip)
row(
    data.RandomAffine,
    lambda: {"degrees": 10},
    degrees=[*NOT_NEGATIVE, (1.0,), (2.0, 1.0)],
    translate=[0.1, (0.1,), (-0.1, 0.1), (0.1, 1.1), "ab"],
    scale=BAD_SCALE,
    shear=[*NOT_NEGATIVE, (2.0, 1.0), (1.0, 2.0, 3.0)],
    center=[1.0, (1.0,), "ab"],
)
row(data.RandomRotation, lambda: {"degrees": 10}, degrees=[*NOT_NEGATIVE, (1.0,), (2.0, 1.0)], center=[1.0, (1.0,), "ab"])
row(data.RandomErasing, None, scale=[*BAD_SCALE, (0.5, 1.5)], ratio=BAD_SCALE, value=["no such", {}])
row(data.Cutout, lambda: {"length": 2}, length=at_least(1), n_holes=at_least(1))
row(data.ColorJitter, None, brightness=JITTER, contrast=JITTER, saturation=JITTER, hue=[*NOT_NEGATIVE, 0.6, (0.2, 0.1), (-0.6, 0.1)])
row(
    data.GaussianBlur,
    lambda: {"kernel_size": 3},
    kernel_size=[*at_least(1), 2, (1, 2), (1, 3, 5)],
    sigma=[v for v in BAD_SCALE if v != 1.0],
)
row(data.FiveCrop, lambda: {"size": 2}, size=[*at_least(1), (1, 2, 3), (2, 0)]), row(data.TenCrop, lambda: {"size": 2}, size=at_least(1))
row(data.MixUp, None, alpha=POSITIVE), row(data.CutMix, None, alpha=POSITIVE)
row(data.ConvertImageDtype, lambda: {"dtype": mg.float32}), row(data.ToDtype, lambda: {"dtype": mg.float32})


# boxes
def two_boxes():
    return mg.tensor([[0.0, 0.0, 2.0, 2.0], [1.0, 1.0, 3.0, 3.0]])


BOXES = [1.5, [[0.0, 0.0, 2.0, 2.0]], mg.ones(2, 3)]
THRESHOLD = [*NUMBER, math.nan]
SCORES = [mg.ones(3), "ab"]
row(detection.box_area, lambda: {"boxes": two_boxes()}, boxes=BOXES)
row(detection.box_convert, lambda: {"boxes": two_boxes(), "in_fmt": "xyxy", "out_fmt": "xywh"}, boxes=BOXES, in_fmt=WORDS, out_fmt=WORDS)
for pairing in (detection.box_iou, detection.generalized_box_iou):
    row(pairing, lambda: {"boxes1": two_boxes(), "boxes2": two_boxes()}, boxes1=BOXES, boxes2=BOXES)
row(
    detection.generalized_box_iou_loss,
    lambda: {"boxes1": two_boxes(), "boxes2": two_boxes()},
    boxes1=BOXES,
    boxes2=BOXES,
    reduction=WORDS,
    eps=NOT_NEGATIVE,
)
row(detection.clip_boxes_to_image, lambda: {"boxes": two_boxes(), "size": (4, 4)}, boxes=BOXES, size=["ab", 1.5, (1, 2, 3), (0, 1)])
row(detection.masks_to_boxes, lambda: {"masks": mg.ones(1, 2, 2)}, masks=[1.5, [[[1]]], mg.ones(2, 2)])
row(
    detection.nms,
    lambda: {"boxes": two_boxes(), "scores": mg.ones(2), "iou_threshold": 0.5},
    boxes=BOXES,
    scores=SCORES,
    iou_threshold=THRESHOLD,
    overlap=CALLABLE,
)
row(
    detection.batched_nms,
    lambda: {"boxes": two_boxes(), "scores": mg.ones(2), "idxs": mg.tensor([0, 1]), "iou_threshold": 0.5},
    boxes=BOXES,
    scores=SCORES,
    idxs=SCORES,
    iou_threshold=THRESHOLD,
)
row(
    detection.roi_align,
    lambda: {"input": mg.ones(1, 1, 4, 4), "boxes": [two_boxes()], "output_size": 2},
    input=[1.5, "ab", mg.ones(2, 2)],
    boxes=[1.5, "ab", [1.5], []],
    output_size=["ab", 1.5, (1, 2, 3), 0],
    spatial_scale=POSITIVE,
    sampling_ratio=WHOLE,
)


# initialisers
def tensor():
    return {"tensor": mg.ones(4, 4)}


for name in ("ones_", "zeros_", "eye_"):
    row(getattr(init, name), tensor, tensor=TENSOR)
row(init.constant_, lambda: {**tensor(), "val": 1.0}, tensor=TENSOR, val=NUMBER)
row(init.uniform_, tensor, tensor=TENSOR, a=[*REAL, math.inf, 2.0], b=[*REAL, math.inf, -1.0])
row(init.normal_, tensor, tensor=TENSOR, mean=NUMBER, std=NOT_NEGATIVE)
row(init.trunc_normal_, tensor, tensor=TENSOR, mean=NUMBER, std=NOT_NEGATIVE, a=[*REAL, 3.0], b=[*REAL, -3.0])
row(init.dirac_, lambda: {"tensor": mg.ones(4, 4, 1)}, tensor=TENSOR, groups=[*at_least(1), 3])
for name in ("xavier_uniform_", "xavier_normal_", "orthogonal_"):
    row(getattr(init, name), tensor, tensor=TENSOR, gain=REAL)
for name in ("kaiming_uniform_", "kaiming_normal_"):
    row(getattr(init, name), tensor, tensor=TENSOR, a=REAL, mode=WORDS, nonlinearity=WORDS)
row(init.sparse_, lambda: {**tensor(), "sparsity": 0.5}, tensor=TENSOR, sparsity=FRACTION, std=NOT_NEGATIVE)
row(init.calculate_gain, lambda: {"nonlinearity": "leaky_relu"}, nonlinearity=WORDS, param=REAL)


# training, metrics
def fitting():
    model = net()
    return {
        "model": model,
        "loader": pairs(),
        "loss": nn.CrossEntropyLoss(),
        "optimizer": optim.SGD(model.parameters(), lr=0.1),
        "epochs": 1,
        "progress": False,
    }


row(
    nn.fit,
    fitting,
    model=MODEL,
    loader=[1.5, []],
    loss=CALLABLE,
    epochs=at_least(1),
    validation=[1.5, []],
    metrics=[1.5, ["no such"]],
    scheduler=[1.5],
    scheduler_per=WORDS,
    callbacks=[1.5, [1.5]],
    forward=CALLABLE,
    checkpoint=[1.5, "/"],
    checkpoint_every=[*at_least(1), 5],
    accumulate=at_least(1),
)
row(
    training.find_learning_rate,
    lambda: {k: v for k, v in fitting().items() if k not in ("epochs", "progress")} | {"loader": [(mg.ones(3, 2), mg.arange(3) % 2)]},
    model=MODEL,
    loader=[1.5, []],
    loss=CALLABLE,
    optimizer=[1.5],
    start=[*POSITIVE, 11.0],
    end=[*POSITIVE, 1e-9],
    steps=at_least(5),
    smoothing=[*FRACTION, 1.0],
    stop_at=POSITIVE,
    forward=CALLABLE,
)
row(nn.predict, lambda: {"model": net(), "loader": [mg.ones(1, 2)]}, model=MODEL, loader=[1.5, []], forward=CALLABLE)
row(training.TensorBoard, lambda: {"log_dir": "runs"}, log_dir=[1.5], every=at_least(1), graph=[])
row(
    nn.evaluate,
    lambda: {"model": net(), "loader": pairs()},
    model=MODEL,
    loader=[1.5, []],
    loss=CALLABLE,
    metrics=[1.5, ["no such"]],
    forward=CALLABLE,
)
row(training.EarlyStopping, None, monitor=[1.5], patience=at_least(1), min_delta=NOT_NEGATIVE, mode=WORDS)
row(training.ClipGradNorm, lambda: {"max_norm": 1.0}, max_norm=NOT_NEGATIVE, norm_type=[*REAL])
row(training.ClipGradValue, lambda: {"clip_value": 1.0}, clip_value=NOT_NEGATIVE)
row(training.EMA, None, decay=FRACTION)
row(training.Log, lambda: {"path": "log.csv"}, path=[1.5, "no.such"])
row(metrics.Accuracy, None, name=[1.5], threshold=REAL)
row(metrics.ConfusionMatrix, lambda: {"num_classes": 3}, name=[1.5])
row(metrics.MeanAveragePrecision, dict, thresholds=[0.0, -1.0, 1.5, [], [[0.5]], float("nan")], name=[1.5])
row(metrics.TopK, None, k=at_least(1), name=[1.5])
row(metrics.Mean, None, name=[1.5])
row(metrics.Metric, None, name=[1.5])
row(metrics.named, lambda: {"name": "accuracy"}, name=WORDS)
row(nn.summary, lambda: {"model": net(), "input_size": (1, 2)}, model=[1.5], input_size=[1.5, "ab", (1, -2)], depth=at_least(0))
row(
    nn.melscale_fbanks,
    lambda: {"n_freqs": 9, "f_min": 0.0, "f_max": 4000.0, "n_mels": 3, "sample_rate": 8000},
    n_freqs=at_least(1),
    f_min=[*NOT_NEGATIVE, 4000.0],
    f_max=[*POSITIVE, math.inf],
    n_mels=at_least(1),
    sample_rate=at_least(1),
    norm=WORDS,
    mel_scale=WORDS,
)


# optimisers
def params():
    return {"params": weights()}


row(optim.ASGD, params, lambd=NOT_NEGATIVE, alpha=NOT_NEGATIVE, t0=NOT_NEGATIVE)
row(optim.Adadelta, params, rho=FRACTION)
row(optim.Adagrad, params, lr_decay=NOT_NEGATIVE, initial_accumulator_value=NOT_NEGATIVE)
row(optim.NAdam, params, momentum_decay=NOT_NEGATIVE)
row(optim.RMSprop, params, alpha=NOT_NEGATIVE, momentum=NOT_NEGATIVE)
row(optim.SGD, params, momentum=NOT_NEGATIVE, dampening=REAL)
row(optim.Rprop, params, etas=[0.5, (0.5,), (1.5, 1.6), (0.5, 0.9), ("a", 1.2)], step_sizes=[0.5, (0.5,), ("a", 1.0)])
for kind in (optim.Adam, optim.AdamW, optim.Adamax, optim.RAdam):
    row(kind, params)
row(
    optim.LBFGS,
    params,
    max_iter=at_least(1),
    max_eval=at_least(1),
    tolerance_grad=NOT_NEGATIVE,
    tolerance_change=NOT_NEGATIVE,
    history_size=at_least(1),
    line_search_fn=WORDS,
)
row(optim.Adafactor, params, beta2_decay=[*REAL, 0.1], eps=[1.5, (-1.0, 0.1), (None, -1.0)], d=[*REAL, 0.5])
row(
    optim.Muon,
    lambda: {"params": [nn.Parameter(np.ones((2, 3)))]},
    momentum=NOT_NEGATIVE,
    ns_steps=[*at_least(0), 100],
    ns_coefficients=[1.5, (1.0, 2.0)],
    adjust_lr_fn=WORDS,
)
row(optim.Optimizer, lambda: {**params(), "defaults": {}}, defaults=[1.5])


# schedulers
def scheduled(**more):
    return lambda: {"optimizer": sgd(), **more}


def steps(_):
    return 1.0


row(lr_scheduler.ConstantLR, scheduled(), factor=FRACTION, total_iters=at_least(0))
row(lr_scheduler.LinearLR, scheduled(), start_factor=[*REAL, 0, 1.1], end_factor=FRACTION, total_iters=at_least(0))
row(lr_scheduler.CosineAnnealingLR, scheduled(T_max=3), T_max=at_least(1), eta_min=REAL)
row(lr_scheduler.CosineAnnealingWarmRestarts, scheduled(T_0=3), T_0=at_least(1), T_mult=at_least(1), eta_min=REAL)
row(
    lr_scheduler.CyclicLR,
    scheduled(base_lr=0.1, max_lr=1.0),
    base_lr=NUMBER,
    max_lr=NUMBER,
    step_size_up=[*REAL, 0],
    step_size_down=[*REAL, 0],
    mode=WORDS,
    gamma=REAL,
    scale_fn=CALLABLE,
    scale_mode=WORDS,
    base_momentum=NUMBER,
    max_momentum=NUMBER,
)
row(lr_scheduler.ExponentialLR, scheduled(gamma=0.9), gamma=REAL)
row(lr_scheduler.LRScheduler, scheduled())
row(lr_scheduler.LambdaLR, scheduled(lr_lambda=steps), lr_lambda=CALLABLE)
row(lr_scheduler.MultiplicativeLR, scheduled(lr_lambda=steps), lr_lambda=CALLABLE)
row(lr_scheduler.MultiStepLR, scheduled(milestones=[3]), milestones=[1.5, ["a"]], gamma=REAL)
row(
    lr_scheduler.OneCycleLR,
    scheduled(max_lr=1.0, total_steps=9),
    max_lr=NUMBER,
    total_steps=at_least(1),
    pct_start=FRACTION,
    anneal_strategy=WORDS,
    base_momentum=NUMBER,
    max_momentum=NUMBER,
    div_factor=POSITIVE,
    final_div_factor=POSITIVE,
)
row(lr_scheduler.OneCycleLR, scheduled(max_lr=1.0, epochs=3, steps_per_epoch=3), epochs=at_least(1), steps_per_epoch=at_least(1))
row(lr_scheduler.PolynomialLR, scheduled(), total_iters=at_least(0), power=REAL)
row(
    lr_scheduler.ReduceLROnPlateau,
    scheduled(),
    mode=WORDS,
    factor=[*REAL, 1.0],
    patience=at_least(0),
    threshold=REAL,
    threshold_mode=WORDS,
    cooldown=at_least(0),
    min_lr=NUMBER,
)
row(lr_scheduler.StepLR, scheduled(step_size=3), step_size=at_least(1), gamma=REAL)
row(lr_scheduler.ChainedScheduler, None, schedulers=[1.5, [], [1.5]], optimizer=[])


def two():
    optimizer = sgd()
    return {"optimizer": optimizer, "schedulers": [lr_scheduler.StepLR(optimizer, 3), lr_scheduler.StepLR(optimizer, 3)], "milestones": [2]}


row(lr_scheduler.SequentialLR, two, schedulers=[1.5, [], [1.5]], milestones=[1.5, ["a"]])
row(swa_utils.AveragedModel, lambda: {"model": net()}, model=MODEL, avg_fn=CALLABLE, multi_avg_fn=CALLABLE)
row(swa_utils.get_ema_avg_fn, None, decay=FRACTION)
row(swa_utils.get_ema_multi_avg_fn, None, decay=FRACTION)
row(swa_utils.SWALR, scheduled(swa_lr=0.5), swa_lr=NUMBER, anneal_epochs=at_least(0), anneal_strategy=WORDS)
row(swa_utils.update_bn, lambda: {"loader": pairs(), "model": net()}, loader=[1.5], model=MODEL)

# utilities of models
row(
    utils.clip_grad_norm_,
    lambda: {"parameters": with_gradients(), "max_norm": 1.0},
    parameters=["a", 1.5],
    max_norm=NOT_NEGATIVE,
    norm_type=REAL,
)
row(
    utils.clip_grad_norm,
    lambda: {"parameters": with_gradients(), "max_norm": 1.0},
    parameters=["a", 1.5],
    max_norm=NOT_NEGATIVE,
    norm_type=REAL,
)
row(
    utils.clip_grads_with_norm_,
    lambda: {"parameters": with_gradients(), "max_norm": 1.0, "total_norm": 1.0},
    parameters=["a", 1.5],
    max_norm=NOT_NEGATIVE,
    total_norm=NUMBER,
)
row(utils.clip_grad_value_, lambda: {"parameters": with_gradients(), "clip_value": 1.0}, parameters=["a", 1.5], clip_value=NOT_NEGATIVE)
row(utils.get_total_norm, lambda: {"tensors": weights()}, tensors=["a", 1.5], norm_type=REAL)
row(
    utils.functional_call,
    lambda: {"module": net(), "parameters": {}, "args": (mg.ones(1, 2),)},
    module=MODEL,
    parameters=[1.5, {"no.such": mg.ones(1)}],
    kwargs=[1.5],
    args=[],
)
row(utils.parameters_to_vector, lambda: {"parameters": weights()}, parameters=["a", 1.5])
row(utils.vector_to_parameters, lambda: {"vec": mg.ones(6), "parameters": weights()}, vec=["a", mg.ones(5)], parameters=["a", 1.5])
row(
    parametrizations.orthogonal,
    lambda: {"module": nn.Linear(2, 3)},
    module=MODEL,
    name=["no such", 1.5],
    orthogonal_map=WORDS,
)
for kind in (utils.weight_norm, parametrizations.weight_norm):
    row(kind, lambda: {"module": nn.Linear(2, 3)}, module=MODEL, name=["no such", 1.5], dim=[*WHOLE, 7])
for kind in (utils.spectral_norm, parametrizations.spectral_norm):
    row(kind, lambda: {"module": nn.Linear(2, 3)}, module=MODEL, name=["no such", 1.5], dim=[*WHOLE, 7], n_power_iterations=at_least(1))
row(utils.remove_weight_norm, lambda: {"module": utils.weight_norm(nn.Linear(2, 3))}, module=MODEL, name=["no such", 1.5])
row(utils.remove_spectral_norm, lambda: {"module": utils.spectral_norm(nn.Linear(2, 3))}, module=MODEL, name=["no such", 1.5])
row(
    parametrize.register_parametrization,
    lambda: {"module": nn.Linear(2, 3), "tensor_name": "weight", "parametrization": nn.Identity()},
    module=MODEL,
    tensor_name=["no such", 1.5],
    parametrization=MODEL,
)
row(
    parametrize.remove_parametrizations,
    lambda: {"module": parametrizations.weight_norm(nn.Linear(2, 3)), "tensor_name": "weight"},
    module=MODEL,
    tensor_name=["no such", 1.5],
)
row(parametrize.is_parametrized, lambda: {"module": nn.Linear(2, 3)}, module=MODEL, tensor_name=[])
row(parametrize.type_before_parametrizations, lambda: {"module": nn.Linear(2, 3)}, module=[])
row(rnn.pack_padded_sequence, lambda: {"input": mg.ones(3, 2, 1), "lengths": [3, 2]}, input=[1.5], lengths=["ab", 1.5, [7, 7], [2, 0]])
row(rnn.pack_sequence, lambda: {"sequences": [mg.ones(2, 1)]}, sequences=[1.5, []])
row(rnn.pad_packed_sequence, lambda: {"sequence": PACKED}, sequence=[1.5], padding_value=NUMBER, total_length=at_least(2))
row(rnn.pad_sequence, lambda: {"sequences": [mg.ones(2, 1)]}, sequences=[1.5, []], padding_value=NUMBER, padding_side=WORDS)
row(
    rnn.unpad_sequence,
    lambda: {"padded_sequences": mg.ones(3, 2, 1), "lengths": [3, 2]},
    padded_sequences=[1.5],
    lengths=["ab", 1.5, [7, 7]],
)
row(rnn.unpack_sequence, lambda: {"packed_sequences": PACKED}, packed_sequences=[1.5])

# models
for name in models.__all__:
    if name.startswith(("alexnet", "googlenet", "vgg", "efficientnet", "resnet")):
        row(getattr(models, name), num_classes=at_least(0))
row(models.mu_law_encode, lambda: {"sound": np.ones(3) / 2}, sound=["a"], classes=at_least(2))
row(models.mu_law_decode, lambda: {"labels": np.ones(3, int)}, labels=["a"], classes=at_least(2))

# random numbers, switches
row(mg.Generator)
row(mg.manual_seed, lambda: {"seed": 3})
row(
    mg.set_rng_state,
    lambda: {"new_state": mg.get_rng_state()},
    new_state=[1.5, {}, mg.zeros(45), mg.zeros(45, dtype=mg.uint8), mg.zeros(5056, dtype=mg.uint8)],
)
row(random.fork_rng, None, device_type=["no such"], devices=[])
row(random.drawing_from, lambda: {"generator": mg.Generator()})
row(mg.set_num_threads, lambda: {"num_threads": mg.get_num_threads()}, num_threads=at_least(1))
row(mg.set_printoptions, None, precision=at_least(0), threshold=at_least(0), edgeitems=at_least(0), linewidth=at_least(1), profile=WORDS)
row(mg.set_default_dtype, lambda: {"dtype": mg.float32}, dtype=["no such", 1.5, None, mg.int64])
row(mg.set_default_device, lambda: {"device": "cpu"})
row(nn.optimize_for_inference, None, model=MODEL)
row(mg.scalar_tensor, lambda: {"s": 1.0}, s=NUMBER)
row(mg.tensor, lambda: {"data": [1.0]}, data=["a", {}])
row(mg.as_tensor, lambda: {"data": [1.0]}, data=["a", {}])
row(mg.from_numpy, lambda: {"array": np.ones(2)}, array=["a", 1.5, np.array("a")])
row(mg.from_dlpack, lambda: {"data": np.ones(2)}, data=["a", 1.5])
row(nn.UninitializedParameter), row(nn.UninitializedBuffer), row(nn.Buffer, data=["a", 1.5])
row(mg.arange, lambda: {"start": 0, "end": 3}, start=NUMBER, end=NUMBER, step=[*NUMBER, 0])
row(mg.zeros, lambda: {"size": (2,)}, size=["a", 1.5, (1.5,), (-1,)])
row(mg.ones, lambda: {"size": (2,)}, size=["a", 1.5, (1.5,), (-1,)])
row(mg.empty, lambda: {"size": (2,)}, size=["a", 1.5, (1.5,), (-1,)])
row(mg.rand, lambda: {"size": (2,)}, size=["a", 1.5, (1.5,), (-1,)])
row(mg.randn, lambda: {"size": (2,)}, size=["a", 1.5, (1.5,), (-1,)])
row(mg.full, lambda: {"size": (2,), "fill_value": 1.0}, size=["a", 1.5, (1.5,), (-1,)], fill_value=NUMBER)
row(mg.eye, lambda: {"n": 3}, n=at_least(0), m=at_least(0))
row(mg.linspace, lambda: {"start": 0, "end": 1, "steps": 3}, start=NUMBER, end=NUMBER, steps=at_least(0))
row(mg.logspace, lambda: {"start": 0, "end": 1, "steps": 3}, start=NUMBER, end=NUMBER, steps=at_least(0), base=NUMBER)
row(mg.tril_indices, lambda: {"row": 2, "col": 2}, row=at_least(0), col=at_least(0), offset=WHOLE)
row(mg.triu_indices, lambda: {"row": 2, "col": 2}, row=at_least(0), col=at_least(0), offset=WHOLE)
row(mg.randint, lambda: {"low": 0, "high": 3, "size": (2,)}, low=[*WHOLE, 3], high=[*WHOLE, 0], size=["a", 1.5, (1.5,), (-1,)])
row(mg.randperm, lambda: {"n": 3}, n=at_least(0))
row(mg.normal, lambda: {"mean": 0.0, "std": 1.0, "size": (2,)}, mean=NUMBER, std=[*NUMBER, -1.0], size=["a", 1.5, (1.5,), (-1,)])
row(mg.randint_like, lambda: {"input": mg.ones(2), "low": 0, "high": 3}, input=["a"], low=[*WHOLE, 3], high=[*WHOLE, 0])
for name in ("zeros_like", "ones_like", "empty_like", "rand_like", "randn_like"):
    row(getattr(mg, name), lambda: {"input": mg.ones(2)}, input=["a"])
row(mg.full_like, lambda: {"input": mg.ones(2), "fill_value": 1.0}, input=["a"], fill_value=NUMBER)
row(mg.bernoulli, lambda: {"input": mg.ones(2)}, input=["a"])
row(mg.multinomial, lambda: {"input": mg.ones(2), "num_samples": 1}, input=["a"], num_samples=[*at_least(1), 5])

# files
row(mg.save, lambda: {"obj": {}, "f": io.BytesIO()}, obj=[], f=[1.5, "/no/such/folder/file.pt"])
row(mg.load, lambda: {"f": saved(mg.save, {})}, f=[1.5, "/no/such/file.pt"], map_location=["cuda"])
row(nn.load_torch, None, f=[1.5, "/no/such/file.pt"])
row(nn.load_safetensors, lambda: {"f": saved(nn.save_safetensors, {"a": mg.ones(1)})}, f=[1.5, "/no/such/file.st"])
row(
    nn.save_safetensors,
    lambda: {"tensors": {"a": mg.ones(1)}, "f": io.BytesIO()},
    tensors=[1.5, {"a": "b"}, {1: mg.ones(1)}],
    f=[1.5, "/no/such/folder/file.st"],
    metadata=[1.5, {"a": 1}],
)

# pictures
row(
    graph.draw,
    lambda: {"subject": OUTPUT},
    subject=[1.5],
    model=MODEL,
    depth=at_least(0),
    direction=WORDS,
    limit=at_least(1),
    names=[1.5, {"a": 1.5}],
    gradient=[],
)
row(graph.draw, lambda: {"subject": OUTPUT, "backward": True}, gradient=["no such", np.ones(7)])
row(
    graph.trace,
    lambda: {"outputs": {"y": OUTPUT}},
    outputs=[1.5, {"y": 1.5}],
    model=MODEL,
    names=[1.5, {"a": 1.5}],
    inputs=[1.5, {"a": 1.5}],
    seeds=[1.5],
    pretend=[1.5],
)
row(graph.record, lambda: {"model": net()}, model=[1.5])

# figures
row(plots.cells, lambda: {"size": 4, "kernel": 2}, size=at_least(1), kernel=at_least(1))
row(
    plots.confusion_page,
    lambda: {"images": np.zeros((2, 1, 4, 4)), "targets": np.array([0, 1]), "outputs": {"a": np.eye(2)}},
    images=["a", np.ones(3)],
    targets=["a", np.ones(2), [0, 2]],
    outputs=[1.5, {}, {"a": np.ones(2)}],
    names=[1.5, [], ["a"], {"fr": ["a", "b"]}],
    title=[1.5],
    most=at_least(1),
)
row(plots.confusion_matrix, lambda: {"confusion": np.eye(2, dtype=int)}, confusion=["a", np.ones(3)])
row(
    plots.detections,
    lambda: {"pictures": [IMAGE], "found": [{"boxes": [[0, 0, 1, 1]], "labels": [0]}]},
    pictures=[[]],
    found=[[]],
    names=[],
    columns=at_least(1),
    size=POSITIVE,
)
row(
    plots.feature_maps,
    lambda: {"image": IMAGE, "maps": [IMAGE]},
    image=["a", np.ones(3)],
    maps=[1.5, []],
    scores=["a", np.ones((2, 2))],
    names=[1.5, ["a"]],
)
row(plots.gradient_flow, lambda: {"gradients": {"a.weight": np.ones(3)}}, gradients=[1.5, {}])
row(mg.dtype, lambda: {"name": "float32"}, name=["no such", 1.5])
row(mg.finfo, lambda: {"type": mg.float32}, type=["no such", mg.int8])
row(mg.iinfo, lambda: {"type": mg.int8}, type=["no such", mg.float32])
row(plots.filters, lambda: {"weight": np.ones((2, 3, 2, 2))}, weight=["a", np.ones(3)])
row(plots.histograms, lambda: {"arrays": {"a": np.ones(3)}}, arrays=[1.5, {}], bins=at_least(1))
row(plots.images, lambda: {"pictures": {"a": IMAGE}}, pictures=[1.5, [], {}], colours=WORDS, size=POSITIVE, boxes=[{"no such": []}, 1.5])
row(plots.lines, lambda: {"x": [1, 2], "curves": {"a": [1, 2]}}, x=["a"], curves=[1.5, {}], xlabel=[1.5], ylabel=[1.5])
row(plots.numbers, lambda: {"matrices": {"a": np.ones((2, 2))}}, matrices=[1.5, {}], marked=[1.5, {"no such": []}])
row(plots.occlusion, lambda: {"model": CLASSIFIER, "image": IMAGE}, names=[1.5, []], model=MODEL, image=["a", np.ones(3)])
row(
    plots.occlusion_map,
    lambda: {"model": CLASSIFIER, "image": IMAGE},
    model=MODEL,
    image=["a", np.ones(3)],
    size=at_least(1),
    fill=NUMBER,
    batch=at_least(1),
    progress=CALLABLE,
)
row(plots.saliency, lambda: {"model": CLASSIFIER, "image": IMAGE}, names=[1.5, []], model=MODEL, image=["a", np.ones(3)])
row(plots.saliency_map, lambda: {"model": CLASSIFIER, "image": IMAGE}, model=MODEL, image=["a", np.ones(3)])
row(plots.activations, lambda: {"model": CLASSIFIER}, model=MODEL, kinds=CALLABLE)
row(plots.gradients, lambda: {"model": CLASSIFIER}, model=MODEL)
row(plots.layer_outputs, lambda: {"model": MAPS, "x": IMAGES, "layers": ["0"]}, model=MODEL, x=[1.5, "a"], layers=[1.5, ["no such"]])
for grad_cam, naming in ((plots.grad_cam, {"names": [1.5, []]}), (plots.grad_cam_map, {})):
    row(
        grad_cam,
        lambda: {"model": MAPS, "image": IMAGE, "layer": "0"},
        model=MODEL,
        image=["a", np.ones(3)],
        layer=[1.5, "no such", "1"],
        **naming,
    )
row(plots.enlarged, lambda: {"heat": np.ones((2, 2)), "size": (4, 4)}, heat=["a", np.ones(3)], size=[1.5, (4,), (0, 4), "ab"])
row(
    plots.top_patches,
    lambda: {"model": MAPS, "images": [IMAGE], "layer": "0", "channels": [1], "size": 2},
    model=MODEL,
    images=[1.5, ["a"]],
    layer=[1.5, "no such", "1"],
    channels=[1.5, [99]],
    size=[*at_least(1), 99],
)
row(
    plots.dream,
    lambda: {"objective": mg.sum, "image": IMAGE},
    objective=[*CALLABLE, mg.exp],
    image=["a", np.ones(3)],
    rate=POSITIVE,
    octaves=at_least(1),
    ratio=POSITIVE,
    jitter=at_least(0),
    smooth=NOT_NEGATIVE,
    low=[*REAL, 1.0],
    high=[*REAL, 0.0],
    progress=CALLABLE,
)
row(
    plots.map_viewer,
    lambda: {"model": MAPS, "images": {"a": IMAGE}, "layers": ["0"]},
    model=MODEL,
    images=[1.5, {}, {"a": np.ones(3)}],
    layers=[1.5, [], ["no such"], ["1"]],
    shown=[1.5, {"no such": IMAGE}],
    side=at_least(1),
)
BITS = (np.eye(4)[None].repeat(2, 0), np.array([0, 1]))
row(demo.sliding_filter, lambda: {"images": {"a": np.eye(5)}}, images=[1.5, {}, {"a": IMAGE}], filters=[1.5, {}, {"a": IMAGE}], title=NAME)
row(demo.im2col, image=["a", np.ones(3)], filters=["a", np.ones(3)], padding=at_least(0), stride=at_least(1), title=NAME)
row(demo.pooling, lambda: {"images": {"a": np.eye(8)}}, images=[1.5, {}, {"a": IMAGE}], title=NAME)
row(demo.receptive_fields, lambda: {"model": MAPS, "image": IMAGE}, model=MODEL, image=["a", np.ones(3)], title=NAME)
row(
    demo.templates,
    lambda: {"train": BITS, "test": BITS, "epochs": 1},
    train=[1.5, BITS[:1], None],
    test=[1.5, BITS[:1], None],
    names=[1.5, ["a"]],
    epochs=at_least(1),
    lr=POSITIVE,
    batch_size=at_least(1),
    frames=at_least(2),
    title=NAME,
)
row(
    demo.drawing,
    lambda: {"model": nn.Sequential(nn.Flatten(), nn.Linear(784, 10))},
    model=MODEL,
    names=[1.5, ["a"]],
    size=[1.5, (28, 28), (3, 28, 28), (1, 28, 28.5)],
    mean=[*REAL, math.inf],
    std=POSITIVE,
    title=NAME,
)
row(plots.timeline, lambda: {"rows": {"a": [1.0]}, "seconds": 1.0}, rows=[1.5, {}], seconds=POSITIVE, highest=[1.5, {"no such": 1.0}])
row(
    plots.learning_rates,
    lambda: {"rates": [0.1, 1.0], "losses": [2.0, 1.0]},
    rates=["a", [1.0]],
    losses=["a", [1.0]],
    suggestion=POSITIVE,
)
row(plots.training_curves, lambda: {"history": [{"loss": 1.0}]}, history=[1.5, []])
row(plots.volumes, lambda: {"shapes": [(1, 2, 2), (3,)]}, shapes=[1.5, []], faces=[1.5, [None] * 9])
row(
    plots.weight_bars,
    lambda: {"first": np.ones((3, 4)), "second": np.ones((2, 3)), "shape": (1, 2, 2)},
    first=["a"],
    second=["a"],
    shape=[1.5, (5, 2, 2)],
    outputs=[[99], 1.5],
)
row(plots.weight_images, lambda: {"weight": np.ones((3, 4)), "shape": (1, 2, 2)}, weight=["a"], shape=[1.5, (5, 2, 2)])
row(
    plots.window,
    lambda: {"image": IMAGE, "kernel": IMAGE[:, :2, :2]},
    image=["a", np.ones(3)],
    kernel=["a", np.ones(3)],
    at=[(9, 9), 1.5, ("a", 0)],
    bias=NUMBER,
)

# checks
row(
    testing.gradcheck,
    lambda: {"fn": mg.exp},
    fn=CALLABLE,
    order=at_least(1),
    group=at_least(1),
    surrogate=CALLABLE,
    wrt=[1.5],
    kwargs=[1.5],
)
row(
    testing.check_op,
    lambda: {"op": mg.exp},
    op=CALLABLE,
    order=at_least(1),
    examples=at_least(1),
    surrogate=CALLABLE,
    wrt=[["no such"], 1.5],
)
row(testing.domain), row(testing.surrogate, None, declared=CALLABLE)
row(testing.Report, lambda: {"name": "a"}, name=[1.5], examples=at_least(0))
row(
    torch_style.gradcheck,
    lambda: {"func": mg.exp, "inputs": (mg.ones(2, dtype=mg.float64, requires_grad=True),)},
    func=CALLABLE,
    inputs=[1.5],
    eps=POSITIVE,
)
row(
    torch_style.gradgradcheck,
    lambda: {"func": mg.exp, "inputs": (mg.ones(2, dtype=mg.float64, requires_grad=True),)},
    func=CALLABLE,
    inputs=[1.5],
    eps=POSITIVE,
    grad_outputs=[],
)
row(strategies.shapes)
row(strategies.arrays, None, low=REAL, high=REAL, margin=NOT_NEGATIVE, avoid=[1.5], shape=["a", 1.5, (-1,)])
row(strategies.integers_array, lambda: {"shape": (2,), "low": 0, "high": 3}, shape=["a", 1.5, (-1,)], low=[*WHOLE, 4], high=[*WHOLE, -1])
row(strategies.booleans_array, lambda: {"shape": (2,)}, shape=["a", 1.5, (-1,)])
row(strategies.broadcastable, None, n=at_least(1), shape=["a", 1.5, (-1,)], each=[1.5])
row(strategies.matmul_operands)
row(strategies.conv_arguments, None, dims=at_least(1))
row(strategies.pool_arguments, None, dims=at_least(1), kind=WORDS)
row(strategies.logits_and_targets, None, ignore_index=[], reductions=[["no such"]], max_extra_dims=at_least(0), min_batch=at_least(0))
row(strategies.index_expressions, lambda: {"shape": (2,)}, shape=["a", 1.5, (-1,)])
row(strategies.einsum_operands, None, max_operands=at_least(1))
row(recompute.checkpoint, None, function=CALLABLE)
row(
    recompute.checkpoint_sequential,
    lambda: {"functions": net(), "segments": 2, "input": mg.ones(1, 2)},
    functions=[1.5],
    segments=[*at_least(1), 9],
    input=[],
)


def saved(save, what):
    file = io.BytesIO()
    save(what, file)
    file.seek(0)
    return file


SETTINGS = hypothesis.settings(
    database=None, max_examples=5, phases=[hypothesis.Phase.generate], suppress_health_check=list(hypothesis.HealthCheck)
)


def called(function, arguments):
    """What a call comes to: of a generator that is a context manager its beginning, of a strategy an example."""
    result = function(**arguments)
    if hasattr(result, "gen"):
        with result:
            pass
    elif isinstance(result, SearchStrategy):
        hypothesis.find(result, lambda _: True, settings=SETTINGS)
    return result


def options(function):
    """The parameters that have something to refuse: no flags, no ``*args``."""
    for name, p in inspect.signature(function).parameters.items():
        is_flag = str(p.annotation).replace(" | None", "") == "bool" or isinstance(p.default, bool)
        if not is_flag and name not in FREE and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            yield name


def refused(function, wrong):
    """option -> the values that it refuses; None is one of them where it has no meaning."""
    found = {}
    for name, p in inspect.signature(function).parameters.items():
        values = list(wrong.get(name, COMMON.get(name, ())))
        meaningless = (
            name not in ("dtype", "device") and p.default is not None and "None" not in str(p.annotation) and "Any" not in str(p.annotation)
        )
        if name in wrong or name in COMMON:
            found[name] = [*values, None] if values and meaningless else values
    return found


CASES = [pytest.param(function, good, {**refused(function, wrong)}, id=function.__name__) for function, good, wrong in ROWS]


def mistake(function, arguments, option, value):
    """What is wrong with the refusal of a value: None, if it is refused in one line that begins with the name of the function (that of the
    class, where it makes one) and says which option it is, or its value."""
    name = SAID.get(function.__name__, function.__name__.rstrip("_"))
    try:
        called(function, {**arguments, option: value})
    except Exception as error:
        said = str(error).splitlines()[0].strip("'\"")
        whole = not isinstance(value, (int, float, str))  # of which the shape or an entry may be wrong
        named = whole or re.search(rf"\b{option}\b", said) or str(value) in said
        if (
            isinstance(error, (OSError, mg.DeviceError)) or option == "generator"
        ):  # refused by one function for all; a missing file is named
            return None if named and not said.startswith("expected") else said
        return None if named and re.match(rf"{name}_?\b", said) else f"{type(error).__name__}: {said}"
    return "accepted"


@pytest.mark.parametrize(("function", "good", "options"), CASES)
def test_an_option_that_cannot_be_is_refused(function, good, options):
    with np.errstate(all="ignore"):
        found = {(o, str(value)): mistake(function, good(), o, value) for o, values in options.items() for value in values}
    assert not {case: said for case, said in found.items() if said is not None}


@pytest.mark.parametrize(
    ("function", "good"), [pytest.param(f, good, id=f.__name__) for f, good, _ in ROWS if good is not dict and f not in UNCALLED]
)
def test_the_calls_of_the_table_are_right(function, good):
    called(function, good())


def test_every_public_function_has_a_row_or_no_options():
    """Classes of modules and functions of tensors have tables of their own."""
    known = {}
    for function, _, wrong in ROWS:
        known.setdefault(function, set()).update(refused(function, wrong))
    left_out = set()
    for space in SPACES:
        for name, thing in public(space).items():
            if (
                name not in getattr(importlib.import_module(space), "__all__", [name])
                or thing.__module__.startswith("minigrad.ops.")
                or (inspect.isclass(thing) and issubclass(thing, (nn.Module, BaseException, enum.Enum)))
            ):
                continue
            try:
                parameters = set(options(thing))
            except ValueError:  # no signature
                continue
            if parameters - known.get(thing, set()) - known.get(getattr(thing, "__wrapped__", None), set()):  # the old name of a function
                left_out.add(thing.__name__)
    assert sorted(left_out ^ set(NOTHING_TO_REFUSE)) == []
    assert sum(len(values) for case in CASES for values in case.values[2].values()) > 2000
