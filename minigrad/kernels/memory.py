"""Keeps the memory of deleted arrays for new ones.

numpy allocates every large array through the C library, and frees it when the array is deleted. glibc returns most of that memory to the
operating system at once. When the next training step allocates the same amount, the system provides it page by page, which takes
longer than filling the array. So glibc is told to keep freed memory.
"""

from __future__ import annotations

import os
import sys

KEPT = 1 << 30  # bytes: larger arrays are returned to the system at once, and so is free memory beyond this limit
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt(3), from glibc's malloc.h


def keep_freed_memory(limit: int = KEPT) -> bool:
    """Let malloc keep up to ``limit`` freed bytes for this process, and return whether it does.

    This works with glibc only. Nothing is changed if the user has set ``MALLOC_TRIM_THRESHOLD_``, ``MALLOC_MMAP_THRESHOLD_`` or a
    ``glibc.malloc`` entry in ``GLIBC_TUNABLES``.
    """
    settings = os.environ
    if "MALLOC_TRIM_THRESHOLD_" in settings or "MALLOC_MMAP_THRESHOLD_" in settings or "glibc.malloc" in settings.get("GLIBC_TUNABLES", ""):
        return False
    if sys.platform != "linux":
        return False
    try:
        import ctypes

        if not (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc"):
            return False
        mallopt = ctypes.CDLL(None).mallopt
    except (ImportError, ValueError, OSError, AttributeError):  # another C library, or a Python that was built without ctypes
        return False
    return bool(mallopt(_MMAP_THRESHOLD, limit)) and bool(mallopt(_TRIM_THRESHOLD, limit))
