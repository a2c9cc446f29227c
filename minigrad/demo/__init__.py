"""Pages to touch: each function makes one HTML file that needs no network, with data computed by minigrad.

>>> from minigrad import demo
>>> demo.sliding_filter()
Page(... characters)

A page has an English and a Japanese face, light and dark colours, and can be used with keys. ``page.save("filter.html")`` writes it, and a
notebook shows it. ``python -m minigrad demo NAME`` makes one from the command line.
:func:`minigrad.plots.map_viewer` and :func:`minigrad.plots.confusion_page` make pages of your own network's maps and mistakes.
"""

# mypy: implicit-reexport

from minigrad.demo.networks import drawing, receptive_fields, templates
from minigrad.demo.windows import im2col, pooling, sliding_filter
