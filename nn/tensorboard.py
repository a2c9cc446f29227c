"""Event files for TensorBoard: :class:`SummaryWriter`, as ``torch.utils.tensorboard`` has it. Needs ``pip install "minigrad-nn[tensorboard]"``.

The files are written by tensorboardX, which needs numpy and protobuf only, where the package ``tensorboard``, the page that shows them, brings a
web server. :mod:`minigrad.files.events` reads their numbers back.
"""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minigrad import absent
from minigrad.graph import draw
from minigrad.nn.module import Module
from minigrad.ops.arguments import check
from minigrad.tree import array_of, tree_map, unwrapped

_numbers = itertools.count()


def _tensorboardx() -> Any:
    """The package. Raises ``ImportError`` that says how to get it."""
    try:
        import tensorboardX
    except ImportError as error:
        raise ImportError('SummaryWriter: event files need tensorboardX: pip install "minigrad-nn[tensorboard]"') from error
    return tensorboardX


@absent.answers_as("torch.utils.tensorboard.SummaryWriter")
class SummaryWriter:
    """Writes event files into a folder, for ``tensorboard --logdir``: ``torch.utils.tensorboard.SummaryWriter``.

    Where there are numbers, arrays or images, Tensors are taken too. ``global_step`` is the place on the horizontal axis, ``walltime`` the time of
    the event in seconds since 1970 (default: now).

    Args:
        log_dir: the folder, made if need be (default: ``runs/`` with the date and this machine's name).
        comment: end of the default folder's name.
        purge_step: of a run that goes on after this step: TensorBoard hides what was written for it and later ones before.
        max_queue, flush_secs: events that wait, and seconds that they wait at most, before they are written.
        filename_suffix: end of the file's name.

    Raises ``ImportError`` if tensorboardX is not installed.

    >>> import tempfile, minigrad as mg
    >>> from minigrad.files.events import read_scalars
    >>> from minigrad.nn.tensorboard import SummaryWriter
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with SummaryWriter(folder) as writer:
    ...         for step in range(3):
    ...             writer.add_scalar("loss", mg.tensor(0.5) ** step, step)
    ...     read_scalars(folder)
    {'loss': [(0, 1.0), (1, 0.5), (2, 0.25)]}
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] | None = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: int = 120,
        filename_suffix: str = "",
    ):
        check(
            "SummaryWriter", locals(), "log_dir purge_step", log_dir="a path", comment=str, purge_step=0, max_queue=1, flush_secs=1,
            filename_suffix=str,
        )  # fmt: skip
        folder = None if log_dir is None else os.fspath(log_dir)
        # Two writers that begin in the same second must not write the same file: time and machine alone make its name.
        suffix = f".{os.getpid()}.{next(_numbers):06}{filename_suffix}"  # readers take files by the order of their names
        self._writer = _tensorboardx().SummaryWriter(folder, comment, purge_step, max_queue, flush_secs, suffix)
        self.log_dir: str = self._writer.logdir

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
    ) -> None:
        """Add a number to the curve ``tag``. ``new_style`` and ``double_precision`` are accepted: it is stored as a float32.

        Raises ``ValueError`` for more than one element.
        """
        value = array_of(scalar_value)
        if value.size != 1:
            raise ValueError(f"add_scalar: {tag!r} is one number, not an array of shape {value.shape}")
        self._writer.add_scalar(tag, float(value.item()), global_step, walltime)

    def add_scalars(
        self, main_tag: str, tag_scalar_dict: Mapping[str, Any], global_step: int | None = None, walltime: float | None = None
    ) -> None:
        """Add a number to each of several curves that are drawn into one picture. Each has an event file of its own, in a folder below."""
        values = {tag: float(array_of(value).item()) for tag, value in tag_scalar_dict.items()}
        self._writer.add_scalars(main_tag, values, global_step, walltime)

    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: int | None = None,
        bins: str = "tensorflow",
        walltime: float | None = None,
        max_bins: int | None = None,
    ) -> None:
        """Add the distribution of the elements of ``values``. ``bins``: ``"tensorflow"``, or a name that ``np.histogram`` knows.

        Raises ``ValueError`` for no element, or one that is not finite.
        """
        array = array_of(values)
        if not array.size or not np.isfinite(array).all():
            raise ValueError(f"add_histogram: {tag!r} has {'elements that are not finite' if array.size else 'no elements'}")
        self._writer.add_histogram(tag, array, global_step, bins, walltime, max_bins)

    def add_image(
        self, tag: str, img_tensor: Any, global_step: int | None = None, walltime: float | None = None, dataformats: str = "CHW"
    ) -> None:
        """Add an image: floats from 0 to 1, or uint8. ``dataformats`` names its dimensions: ``"CHW"``, ``"HWC"`` or ``"HW"``."""
        self._writer.add_image(tag, array_of(img_tensor), global_step, walltime, dataformats)

    def add_images(
        self, tag: str, img_tensor: Any, global_step: int | None = None, walltime: float | None = None, dataformats: str = "NCHW"
    ) -> None:
        """Add several images as one. ``dataformats``: ``"NCHW"`` or ``"NHWC"``."""
        self._writer.add_images(tag, array_of(img_tensor), global_step, walltime, dataformats)

    def add_figure(self, tag: str, figure: Any, global_step: int | None = None, close: bool = True, walltime: float | None = None) -> None:
        """Add a figure of matplotlib's, or a list of them, as an image."""
        self._writer.add_figure(tag, figure, global_step, close, walltime)

    def add_video(self, tag: str, vid_tensor: Any, global_step: int | None = None, fps: float = 4, walltime: float | None = None) -> None:
        """Add a video (N, T, C, H, W). Needs the package moviepy."""
        self._writer.add_video(tag, array_of(vid_tensor), global_step, fps, walltime)

    def add_audio(
        self, tag: str, snd_tensor: Any, global_step: int | None = None, sample_rate: int = 44100, walltime: float | None = None
    ) -> None:
        """Add a sound (1, L) with values from -1 to 1. Needs the package soundfile."""
        self._writer.add_audio(tag, array_of(snd_tensor), global_step, sample_rate, walltime)

    def add_text(self, tag: str, text_string: str, global_step: int | None = None, walltime: float | None = None) -> None:
        """Add a text, which is shown as Markdown."""
        self._writer.add_text(tag, text_string, global_step, walltime)

    def add_graph(self, model: Module, input_to_model: Any = None, verbose: bool = False, use_strict_trace: bool = True) -> None:
        """Add the graph of a model: its modules, which open by a click, and the ops in them with the shapes of their results.

        Args:
            model: a module; it is run once, and left as it was.
            input_to_model: its input, or a tuple or list of inputs.
            verbose: print the graph.
            use_strict_trace: accepted.

        Raises ``TypeError`` for a model that is no module, or without input.
        """
        if not isinstance(model, Module) or input_to_model is None:
            raise TypeError(f"add_graph: a Module and its input are needed, not {type(model).__name__} and {type(input_to_model).__name__}")
        inputs = input_to_model if isinstance(input_to_model, (tuple, list)) else (input_to_model,)
        definition = _graph_definition(draw(model, *inputs, parameters=True, repeats=False))
        if verbose:
            print(definition)
        from tensorboardX.proto.event_pb2 import Event

        self._writer.file_writer.add_event(Event(graph_def=definition.SerializeToString()))

    def add_embedding(
        self,
        mat: Any,
        metadata: Sequence[Any] | None = None,
        label_img: Any = None,
        global_step: int | None = None,
        tag: str = "default",
        metadata_header: Sequence[str] | None = None,
    ) -> None:
        """Add points for the projector: ``mat`` (N, D), and for each a label and a square image (N, C, H, H).

        Raises ``ValueError`` if the numbers of points, labels and images differ.
        """
        points = array_of(mat)
        image = None if label_img is None else array_of(label_img)
        if points.ndim != 2 or any(len(part) != len(points) for part in (metadata, image) if part is not None):
            sizes = [f"{len(part)} {what}" for what, part in (("labels", metadata), ("images", image)) if part is not None]
            raise ValueError(
                f"add_embedding: mat must be (N, D) with as many labels and images, but is {points.shape}, with {', '.join(sizes)}"
            )
        labels = None if metadata is None else tree_map(unwrapped, list(metadata))
        self._writer.add_embedding(points, labels, image, global_step, tag, metadata_header)

    def add_pr_curve(
        self,
        tag: str,
        labels: Any,
        predictions: Any,
        global_step: int | None = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Add a curve of precision over recall: ``labels`` are 0 or 1, ``predictions`` the probabilities of 1."""
        given = None if weights is None else array_of(weights)
        self._writer.add_pr_curve(tag, array_of(labels), array_of(predictions), global_step, num_thresholds, given, walltime)

    def add_mesh(
        self,
        tag: str,
        vertices: Any,
        colors: Any = None,
        faces: Any = None,
        config_dict: dict[str, Any] | None = None,
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Add points in space (N, P, 3), with colours (N, P, 3) and triangles (N, F, 3)."""
        arrays = [None if part is None else array_of(part) for part in (vertices, colors, faces)]
        self._writer.add_mesh(tag, *arrays, config_dict, global_step, walltime)

    def add_custom_scalars(self, layout: dict[str, dict[str, list[Any]]]) -> None:
        """Say which curves are drawn together: ``{"losses": {"both": ["Multiline", ["loss/train", "loss/val"]]}}``."""
        self._writer.add_custom_scalars(layout)

    def add_hparams(
        self,
        hparam_dict: Mapping[str, bool | str | float | int],
        metric_dict: Mapping[str, Any],
        hparam_domain_discrete: dict[str, list[Any]] | None = None,
        run_name: str | None = None,
        global_step: int | None = None,
    ) -> None:
        """Add a row to the table of hyperparameters, with the results that they gave. ``hparam_domain_discrete`` is accepted."""
        settings = {name: unwrapped(value) for name, value in hparam_dict.items()}
        results = {name: float(array_of(value).item()) for name, value in metric_dict.items()}
        self._writer.add_hparams(settings, results, run_name, global_step)

    def get_logdir(self) -> str:
        """The folder."""
        return self.log_dir

    def flush(self) -> None:
        """Write what waits."""
        self._writer.flush()

    def close(self) -> None:
        """Write what waits, and close the file. A later call opens another one."""
        self._writer.close()

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _graph_definition(graph: Any) -> Any:
    """A traced graph as TensorFlow's ``GraphDef``: names are paths, and TensorBoard makes boxes of their parts."""
    from tensorboardX.proto.attr_value_pb2 import AttrValue
    from tensorboardX.proto.graph_pb2 import GraphDef
    from tensorboardX.proto.node_def_pb2 import NodeDef
    from tensorboardX.proto.tensor_shape_pb2 import TensorShapeProto

    kinds = {scope.id: f"{scope.name}[{scope.kind}]" for scope in graph.scopes}
    parents = {scope.id: scope.parent for scope in graph.scopes}

    def path(scope: str) -> list[str]:
        found: list[str] = []
        while scope in kinds:
            found.insert(0, kinds[scope])
            scope = parents[scope]
        return found

    names: dict[str, str] = {}
    times: Counter[str] = Counter()
    for vertex in graph.vertices:
        name = "/".join([*path(vertex.scope), vertex.name.replace("/", ".")])
        times[name] += 1
        names[vertex.id] = name if times[name] == 1 else f"{name}#{times[name]}"
    sources: dict[str, list[str]] = {}
    for edge in graph.edges:
        sources.setdefault(edge.target, []).append(names[edge.source] + (f":{edge.result}" if edge.result else ""))
    nodes = []
    for vertex in graph.vertices:
        shapes = [TensorShapeProto(dim=[TensorShapeProto.Dim(size=n) for n in shape]) for shape in vertex.shapes]
        attributes = {name: AttrValue(s=text.encode()) for name, text in vertex.static.items()}
        attributes["_output_shapes"] = AttrValue(list=AttrValue.ListValue(shape=shapes))
        nodes.append(NodeDef(name=names[vertex.id], op=vertex.op or vertex.kind, input=sources.get(vertex.id, ()), attr=attributes))
    return GraphDef(node=nodes)
