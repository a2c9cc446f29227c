"""A progress bar by tqdm, if it is installed and the output is a terminal or a notebook."""

from __future__ import annotations

import sys
import warnings
from typing import Any


def bar(**options: Any) -> Any:
    """``tqdm(**options)``, or None if tqdm is not installed. It shows nothing unless the output is a terminal or a notebook.

    The bar is moved by ``update()`` and does not iterate the loader: ``tqdm.auto`` calls ``iter()`` once more than there are passes, and a
    loader that shuffles would draw another order.

    >>> from minigrad.nn.bar import bar
    >>> shown = bar(total=2)
    >>> shown is None or shown.total == 2
    True
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a warning that a notebook has no widgets; the bar is text then
            from tqdm.auto import tqdm
    except ImportError:
        return None
    # None: only on a terminal. A notebook's output is no terminal, but shows a bar too.
    notebook = type(sys.stderr).__module__.startswith("ipykernel")
    return tqdm(**{"disable": False if notebook else None, **options})
