"""matplotlib's ``Figure`` that shows itself in a notebook, whether ``%matplotlib inline`` was said or not."""

from __future__ import annotations

import io
from typing import Any

try:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as _Figure
except ImportError as error:
    raise ImportError(f'plots: figures are drawn by matplotlib: pip install "minigrad-nn[plot]" ({error})') from error


class Figure(_Figure):
    """A figure of no window and no global state.

    >>> from minigrad.plots.figure import Figure
    >>> Figure(figsize=(1, 1))._repr_png_()[1:4]
    b'PNG'
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        FigureCanvasAgg(self)

    def _repr_png_(self) -> bytes:
        """What a notebook shows, unless IPython was told (by ``%matplotlib inline``) what to do with figures."""
        file = io.BytesIO()
        self.savefig(file, format="png")
        return file.getvalue()
