"""``python -m minigrad onnx info|run|export``: what is in an ONNX file, its outputs, a file made of a model."""

from __future__ import annotations

import argparse
import collections
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.engine import ShapeError, no_grad
from minigrad.graph.command import CommandError, inputs, shape
from minigrad.graph.command import load as model_of
from minigrad.tensor import Tensor, as_tensor
from minigrad.tree import bytes_text


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "onnx", help="ONNX files: look into one, run one, make one", description="ONNX files, with the package onnx."
    )
    parts = parser.add_subparsers(metavar="info|run|export", required=True)
    info = parts.add_parser("info", help="inputs, outputs, operators and parameters of a file")
    info.add_argument("file", metavar="FILE.onnx")
    info.add_argument("--parameters", action="store_true", help="list the parameters")
    info.set_defaults(run=main, task=_info)
    run = parts.add_parser("run", help="run a file, with given or with random inputs")
    run.add_argument("file", metavar="FILE.onnx")
    run.add_argument(
        "--input", action="append", default=[], metavar="NAME=FILE.npy|SHAPE", help="such as x=image.npy or x=1,3,64,64; one for each input"
    )
    run.add_argument("-o", "--output", metavar="FILE.npz", help="write the outputs")
    run.set_defaults(run=main, task=_run)
    export = parts.add_parser("export", help="write a model as a file")
    export.add_argument("model", metavar="MODULE:MODEL", help="an instance, or a class or function that makes one; or FILE.py:MODEL")
    one = "such as 1,1,28,28 or 2,7:int64; one for each input"
    export.add_argument("--input", type=shape, action="append", required=True, metavar="SHAPE", help=one)
    export.add_argument("-o", "--output", default="model.onnx", metavar="FILE", help="(default model.onnx)")
    export.add_argument("--weights", metavar="FILE", help="of mg.save or torch.save, loaded into the model first")
    export.add_argument("--dynamic", action="append", default=[], metavar="NAME:AXIS", help="an axis that may vary, such as input:0")
    export.add_argument("--opset", type=int, default=18, help="version of the operators (default 18)")
    export.add_argument("--fold-batch-norm", action="store_true", help="fold batch normalisation into convolutions")
    export.set_defaults(run=main, task=_export)


def main(arguments: argparse.Namespace) -> int:
    """Run the command."""
    try:
        print(arguments.task(arguments))
    except (CommandError, ImportError, OSError, RuntimeError, ShapeError, TypeError, ValueError) as error:
        note = "; ".join(getattr(error, "__notes__", []))
        print(f"minigrad onnx: {error}{f' ({note})' if note else ''}", file=sys.stderr)
        return 1
    return 0


def _said(kind: str, sizes: Any) -> str:
    return f"{kind or 'no tensor'} ({', '.join(map(str, sizes))})" if sizes is not None else kind or "no tensor"


def _info(arguments: argparse.Namespace) -> str:
    from minigrad.onnx.loading import load
    from minigrad.onnx.reader import Reader

    model = load(arguments.file)
    proto = Reader("onnx", arguments.file).model
    counts = collections.Counter(node.op_type for node in proto.graph.node)
    parameters = dict(model.named_parameters())
    size = sum(p.nbytes for p in parameters.values())
    lines = [
        f"{arguments.file}: version {model.opset} of the operators, written by {proto.producer_name or 'an unknown program'} {proto.producer_version}".rstrip()
    ]
    lines += [f"input   {name}: {_said(*model.input_types[name])}" for name in model.input_names]
    lines += [f"output  {name}: {_said(*model.output_types[name])}" for name in model.output_names]
    lines.append(f"{sum(p.numel() for p in parameters.values()):,} parameters in {len(parameters)} tensors ({bytes_text(size)})")
    lines.append(f"{len(proto.graph.node)} nodes: {', '.join(f'{name} {n}' for name, n in counts.most_common())}")
    if arguments.parameters:
        lines += [f"  {name}: {p.dtype.name} {tuple(p.shape)}" for name, p in parameters.items()]
    return "\n".join(lines)


def _run(arguments: argparse.Namespace) -> str:
    from minigrad.onnx.loading import load

    model = load(arguments.file)
    given: dict[str, Tensor] = {}
    for text in arguments.input:
        name, equals, value = text.partition("=")
        if not equals or name not in model.input_names:
            raise CommandError(f"--input {text}: write NAME=FILE.npy or NAME=SHAPE; the inputs are {', '.join(model.input_names)}")
        if value.endswith(".npy"):
            try:
                given[name] = as_tensor(np.load(value, allow_pickle=False))
            except (EOFError, MemoryError, TypeError, ValueError):  # (numpy's words would advise to run what is in the file)
                raise CommandError(f"--input {text}: {value} is no file of an array of numbers, as numpy.save writes it") from None
        else:
            try:
                given[name] = inputs([shape(value)])[0].to(np.dtype(model.input_types[name][0] or "float32"))
            except argparse.ArgumentTypeError as error:
                raise CommandError(str(error)) from None
    for name in model.input_names:
        if name not in given:
            kind, sizes = model.input_types[name]
            if sizes is None or not kind:
                raise CommandError(f"the file does not say the shape of {name}: pass --input {name}=SHAPE")
            given[name] = inputs([(tuple(n if isinstance(n, int) else 1 for n in sizes), np.dtype(kind))])[0]
    start = time.perf_counter()
    with no_grad():
        out = model(**given)
    seconds = time.perf_counter() - start
    found = dict(zip(model.output_names, out if isinstance(out, tuple) else (out,), strict=True))
    lines = []
    for name, value in found.items():
        if not isinstance(value, Tensor):
            lines.append(f"{name}: {'nothing' if value is None else f'a sequence of {len(value)}'}")
        elif value.numel():
            low, high = value.min().item(), value.max().item()
            lines.append(f"{name}: {value.dtype.name} {tuple(value.shape)}, from {low:.6g} to {high:.6g}")
        else:
            lines.append(f"{name}: {value.dtype.name} {tuple(value.shape)}")
    if arguments.output:
        arrays: dict[str, Any] = {name: value.numpy() for name, value in found.items() if isinstance(value, Tensor)}
        np.savez(arguments.output, **arrays)
        lines.append(f"{arguments.output}: written")
    return "\n".join([*lines, f"{seconds:.2f} s"])


def _export(arguments: argparse.Namespace) -> str:
    from minigrad.files.torch_files import load as load_any
    from minigrad.onnx.exporting import export

    model = model_of(arguments.model)
    if arguments.weights:
        state = load_any(arguments.weights)
        model.load_state_dict(state.get("model", state) if isinstance(state, dict) else state)
    dynamic: dict[str, list[int]] = {}
    for text in arguments.dynamic:
        name, _, axis = text.rpartition(":")
        if not name or not axis.lstrip("-").isdigit():
            raise CommandError(f"--dynamic {text}: write NAME:AXIS, such as input:0")
        dynamic.setdefault(name, []).append(int(axis))
    proto = export(
        model, tuple(inputs(arguments.input)), arguments.output, dynamic_axes=dynamic or None, opset_version=arguments.opset,
        fold_batch_norm=arguments.fold_batch_norm,
    )  # fmt: skip
    size = Path(arguments.output).stat().st_size
    return f"{arguments.output}: {len(proto.graph.node)} nodes, {bytes_text(size)}, results equal to the model's"
