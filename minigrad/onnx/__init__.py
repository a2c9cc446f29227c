"""ONNX both ways: :func:`load` makes a module of a file, :func:`export` writes a model to one. Needs the package ``onnx``."""

# mypy: implicit-reexport

from minigrad.onnx.exporting import export
from minigrad.onnx.loading import load
from minigrad.onnx.reader import OnnxError
from minigrad.onnx.running import OnnxModule
