"""A progress bar by tqdm, where it is installed and somebody watches: on a terminal, or in a notebook."""

from __future__ import annotations

import sys
import warnings
from typing import Any


def bar(iterable: Any = None, **options: Any) -> Any:
    """``tqdm(iterable, **options)``, or None where tqdm is not installed. Where nobody watches it shows nothing.

    >>> from minigrad.nn.bar import bar
    >>> shown = bar([1, 2])
    >>> shown is None or list(shown) == [1, 2]
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
    return tqdm(iterable, **{"disable": False if notebook else None, **options})
