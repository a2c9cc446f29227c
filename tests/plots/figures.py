"""Draw a figure, for tests that look at its pixels."""

import io


def drawn(figure):
    """The figure's pixels: it can be drawn, and something is on it."""
    import matplotlib.image

    memory = io.BytesIO()
    figure.savefig(memory, dpi=60)
    memory.seek(0)
    picture = matplotlib.image.imread(memory)
    assert picture.std() > 0.01
    return picture
