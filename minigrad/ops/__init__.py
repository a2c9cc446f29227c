"""The differentiable ops, one file a family. Each is a kernel on ndarrays with a formula per argument: see :mod:`minigrad.engine`."""
