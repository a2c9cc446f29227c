"""What computes: numpy, its BLAS, the native kernels, threads."""

from __future__ import annotations

import platform

import numpy as np

from minigrad.kernels import native, threads


def show_config() -> str:
    """What this process computes with, one line for each: as ``torch.__config__.show``, for reports of errors and of times.

    Lines are ``python``, ``numpy``, ``BLAS`` (numpy's, and which of its kernels it has chosen, where it says so), ``native kernels`` (which
    level of instructions, made by which compiler, or why there are none) and ``threads``. It is a string, to be printed.

    >>> import minigrad as mg
    >>> print(mg.show_config())
    python: 3...
    numpy: ...
    BLAS: ...
    native kernels: ...
    threads: ...
    """
    return "\n".join(
        [
            f"python: {platform.python_version()}, {platform.system()} {platform.machine()}",
            f"numpy: {np.__version__}",
            f"BLAS: {threads.blas_name()}",
            f"native kernels: {native.status()}",
            f"threads: {threads.get_num_threads()}",
        ]
    )
