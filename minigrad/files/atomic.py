"""Atomic writing: a file is written under a temporary name, and renamed when all its bytes are on the disk."""

from __future__ import annotations

import contextlib
import io
import os
import stat
from collections.abc import Iterator
from typing import IO

__all__ = ["put_in_place", "whole_file"]


@contextlib.contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A new binary file that replaces the one at ``path`` if the block ends without an error, and is removed otherwise.

    If ``path`` is a symlink, the file that it points to is replaced. The bytes are on the disk before the rename, and so is the rename
    before this returns.

    Raises ``OSError`` where the folder does not exist or cannot be written.

    >>> import os, tempfile
    >>> from minigrad.files.atomic import whole_file
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with whole_file(os.path.join(folder, "a.txt")) as file:
    ...         _ = file.write(b"all of it")
    ...     os.listdir(folder)
    ['a.txt']
    """
    import secrets

    given, path = path, os.path.realpath(path)
    mode = os.stat(path).st_mode if os.path.exists(path) else None
    if mode is not None and not stat.S_ISREG(mode):  # a device or a pipe is written to, not replaced
        buffer = io.BytesIO()  # they cannot seek
        yield buffer
        with _named(given), open(path, "wb") as device:
            device.write(buffer.getbuffer())
        return
    temporary = os.path.join(os.path.dirname(path), f".minigrad-{secrets.token_hex(8)}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        with _named(given, temporary):
            with open(temporary, "wb", opener=lambda name, _: os.open(name, flags, 0o666)) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            if mode is not None:
                os.chmod(temporary, stat.S_IMODE(mode))
            put_in_place(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


@contextlib.contextmanager
def _named(given: str | os.PathLike[str], temporary: str | None = None) -> Iterator[None]:
    """In an error that names no file (the disk is full) or the temporary one (the folder is missing), name the one that the user gave."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename in (None, temporary):
            raise type(error)(error.errno, error.strerror, os.fspath(given)) from None
        raise


def put_in_place(temporary: str | os.PathLike[str], path: str | os.PathLike[str]) -> None:
    """Rename a finished file to ``path``, replacing what is there, and flush the rename to the disk."""
    os.replace(temporary, path)
    if os.name == "posix":  # elsewhere a folder cannot be opened
        descriptor = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
