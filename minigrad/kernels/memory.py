"""Memory that arrays give back is kept for the next ones.

numpy takes the memory of every large array from the C library, and gives it back when the array goes. glibc returns much of it to the
operating system at once, which then hands out empty pages one by one when the next training step asks for the same amount: that takes
longer than to fill an array. So glibc is told to keep it.
"""

from __future__ import annotations

import os
import sys

KEPT = 1 << 30  # bytes: larger arrays are returned at once, and so is what is free beyond this
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt(3), from glibc's malloc.h


def keep_freed_memory(limit: int = KEPT) -> bool:
    """Let malloc keep up to ``limit`` freed bytes for this process, and say whether it does.

    Only glibc is asked, and not if the user has said what it shall do, by ``MALLOC_TRIM_THRESHOLD_``, ``MALLOC_MMAP_THRESHOLD_`` or a
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
