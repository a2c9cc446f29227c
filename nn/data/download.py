"""Download the files of a data set; :meth:`minigrad.nn.data.MNIST.download` and ``python -m minigrad.nn.data`` do so for MNIST.

A file is downloaded as ``NAME.part``, its unzipped contents are checked against a known sha256, and then it is renamed. A broken
transfer is resumed where it stopped, from the same mirror or the next. (This uses only the standard library: `pooch` and similar
packages cannot resume, and check the zipped bytes, which differ between mirrors.)
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from minigrad.files.atomic import put_in_place
from minigrad.nn.bar import bar
from minigrad.nn.data.idx import DataError, read_contents

CHUNK = 1 << 16
TRIES = 5  # for each mirror; a try that adds no bytes to the file is its last


class DownloadError(OSError):
    """No mirror could deliver a file. The message lists the error of each mirror."""


def download(
    folder: str | os.PathLike[str], files: Mapping[str, str], mirrors: str | Iterable[str], *, progress: bool = True, timeout: float = 30.0
) -> Path:
    """Fetch the files of a data set that are missing or damaged; return their folder.

    Args:
        folder: where to put them; created if it is missing.
        files: the name of each file, without ``.gz`` -> the sha256 of its unzipped contents.
        mirrors: addresses of folders with the ``.gz`` files, in a list or with spaces between them.
        progress: show a bar, if tqdm is installed and the output is a terminal.
        timeout: seconds without a byte before a mirror is given up.

    Raises:
        DownloadError: a file that no mirror could deliver.
    """
    bases = mirrors.split() if isinstance(mirrors, str) else list(mirrors)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for stem, sha256 in files.items():
        fetch([f"{base.rstrip('/')}/{stem}.gz" for base in bases], folder / f"{stem}.gz", sha256, progress=progress, timeout=timeout)
    return folder


def fetch(urls: Sequence[str], path: Path, sha256: str, *, progress: bool = True, timeout: float = 30.0, unzip: bool = True) -> None:
    """Download ``path`` from the first of ``urls`` that delivers contents with this sha256. A correct file that exists is kept.

    ``unzip``: the sha256 is that of the unzipped contents, not of the file.

    Raises:
        DownloadError: no URL delivered it.
    """
    part = path.with_name(path.name + ".part")
    with _alone_in(path.parent):
        if path.exists() and not _fault(path, sha256, unzip):
            return
        said: list[str] = []
        for url in urls:
            for _ in range(TRIES):
                before = _size(part)
                try:
                    _transfer(url, part, progress, timeout)
                except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: not a URL
                    said.append(f"{url}: {error}")
                    if _size(part) > before:
                        continue
                    break
                fault = _fault(part, sha256, unzip)
                if not fault:
                    put_in_place(part, path)
                    return
                said.append(f"{url}: {fault}")
                part.unlink(missing_ok=True)
                if not before:
                    break  # wrong after a whole transfer; after a resumed one, the fault may be in the first part, from another mirror
        raise DownloadError(f"{path.name} could not be downloaded:\n" + "\n".join(f"  {line}" for line in said or ["no mirror was given"]))


def _transfer(url: str, part: Path, progress: bool, timeout: float) -> None:
    """Download ``part`` to the length that the server gives, from its present end, or from the beginning if the server cannot resume."""
    have = _size(part)
    headers = {"User-Agent": "minigrad"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416 and have:  # no more bytes: the file is complete, or its sha256 will not match
                return
            raise
    with response, open(part, "ab") as file:
        if have and response.status == 206:
            content_range = response.headers.get("Content-Range", "")
            if not content_range.startswith(f"bytes {have}-"):
                raise OSError(f"asked for the bytes from {have} on, got {content_range!r}")
        else:
            have = 0
            file.truncate(0)
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        got = have
        with _progress_bar(progress, total=total, initial=have, desc=part.stem) as bar:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                got += len(chunk)
                if bar is not None:
                    bar.update(len(chunk))
        file.flush()
        os.fsync(file.fileno())
    if total is not None and got != total:
        raise OSError(f"the connection closed after {got} of {total} bytes")


def _fault(path: Path, sha256: str, unzip: bool) -> str:
    """A text that says what is wrong with a file's contents, or ""."""
    try:
        digest = hashlib.sha256(read_contents(path) if unzip else path.read_bytes()).hexdigest()
    except (DataError, FileNotFoundError) as error:
        return str(error)
    return "" if digest == sha256 else f"the contents have sha256 {digest}, expected {sha256}"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Let one process at a time download into a folder: two would write to the same ``.part``."""
    try:
        import fcntl
    except ImportError:  # Windows, where a file that another process has open cannot be renamed or replaced anyway
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _progress_bar(progress: bool, **kwargs: Any) -> contextlib.AbstractContextManager[Any]:
    """A tqdm bar, or None if it is not wanted or not installed."""
    shown = bar(unit="B", unit_scale=True, **kwargs) if progress else None
    return contextlib.nullcontext() if shown is None else shown
