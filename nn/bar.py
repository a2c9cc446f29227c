"""A progress bar by tqdm, where it is installed and somebody watches: on a terminal, or in a notebook."""

from __future__ import annotations

import sys
import warnings
from typing import Any


def bar(**options: Any) -> Any:
    """``tqdm(**options)``, or None where tqdm is not installed. Where nobody watches it shows nothing.

    It counts what it is told by ``update()``. It is given nothing to iterate: ``tqdm.auto`` calls ``iter()`` of that once more than there are
    passes, and a loader that shuffles would draw another order.

    >>> from minigrad.nn.bar import bar
    >>> shown = bar(total=2)
    >>> shown is None or shown.total == 2
    True
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a notebook has no widgets: then the bar is text
            from tqdm.auto import tqdm
    except ImportError:
        return None
    # None: only on a terminal. What a notebook prints to is none, and yet is watched.
    notebook = type(sys.stderr).__module__.startswith("ipykernel")
    return tqdm(**{"disable": False if notebook else None, **options})
