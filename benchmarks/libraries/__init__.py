"""An adapter for each library. One that is not installed is absent from the table.

An adapter is a module with a class ``Library(threads)``. Its methods are the kinds of work in :mod:`benchmarks.rows`: they
take sizes and return a function that does the work once. A library that cannot do a row raises :class:`Unable`.
"""

from __future__ import annotations

from typing import NamedTuple

US = "minigrad"


class Peer(NamedTuple):
    """A column of the table: the module with the adapter, the package that the row ``import`` imports, variables of the process.

    ``patience``: seconds that it may take to prepare a row, its first call included. One that ``compiles`` then has all cores, whatever is timed.
    """

    adapter: str
    package: str
    variables: dict[str, str] = {}
    patience: float = 60.0
    compiles: bool = False


LIBRARIES = {
    US: Peer("minigrad_", "minigrad"),
    "numpy alone": Peer("minigrad_", "minigrad", {"MINIGRAD_NATIVE": "0"}),  # minigrad without its native kernels
    "PyTorch": Peer("pytorch", "torch"),
    "torch.compile": Peer("pytorch_compiled", "torch", patience=600.0, compiles=True),
    "JAX": Peer("jax_", "jax"),
    "DeZero": Peer("dezero_", "dezero"),
    "MyGrad": Peer("mygrad_", "mygrad"),
    "tinygrad": Peer("tinygrad_", "tinygrad", {"DEV": "CPU"}, patience=600.0, compiles=True),
}


class Unable(Exception):
    """This library cannot do this row."""
