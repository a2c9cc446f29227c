"""The functions of ONNX's operators, by family. Importing this package fills :data:`minigrad.onnx.table.OPERATORS`."""

from minigrad.onnx.operators import arrays, control, elementwise, indexing, layers, numbers, products, recurrent, reductions, vision
