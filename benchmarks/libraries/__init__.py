"""An adapter for each library. One that is not installed is absent from the table.

An adapter is a module with a class ``Library(threads)``. Its methods are the kinds of work in :mod:`benchmarks.rows`: they
take sizes and return a function that does the work once. A library that cannot do a row raises :class:`Unable`.
"""

from __future__ import annotations

US = "minigrad"

# name in the table -> module with the adapter, and the package to import for the row `import`
LIBRARIES = {
    US: ("minigrad_", "minigrad"),
    "PyTorch": ("pytorch", "torch"),
    "JAX": ("jax_", "jax"),
    "DeZero": ("dezero_", "dezero"),
    "MyGrad": ("mygrad_", "mygrad"),
}


class Unable(Exception):
    """This library cannot do this row."""
