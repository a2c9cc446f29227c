"""Images as png files, without an image library."""

from __future__ import annotations

import struct
import zlib

import numpy as np

from minigrad.engine import ShapeError


def png(pixels: np.ndarray) -> bytes:
    """The png file of uint8 ``pixels``, (H, W) in grey or (H, W, 3) in colour: the format's chunks, each with length and checksum.

    Raises ``ShapeError`` for another shape.

    >>> import numpy as np
    >>> from minigrad.files.png import png
    >>> png(np.zeros((2, 3), np.uint8))[1:4]
    b'PNG'
    """
    if pixels.ndim not in (2, 3) or pixels.shape[2:] not in ((), (3,)):
        raise ShapeError(f"png: pixels are (H, W) or (H, W, 3), not {pixels.shape}")

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width = pixels.shape[:2]
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)  # each row says: not filtered
    header = struct.pack(">IIBBBBB", width, height, 8, 0 if pixels.ndim == 2 else 2, 0, 0, 0)  # 8 bits, grey or red green blue
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows.tobytes())) + chunk(b"IEND", b"")
