"""Hostile files: what is done to a valid file, and what a reader may do with the outcome.

``check_reader(tmp_path, files, read, errors, examples)`` damages valid files in every way of :func:`damaged`, and requires that ``read(path)`` returns
or raises one of ``errors`` with a message; within some seconds, within 1 GB, without running, importing or opening anything that a file may name.
"""

import contextlib
import encodings
import os
import signal
import sys
from pathlib import Path

import hypothesis
from hypothesis import strategies as st

import minigrad as mg
from minigrad import engine
from minigrad.kernels import native

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

SECONDS = 10  # of the processor; other programs may make it longer
PATIENCE = 30  # so many times as long, if it only waits
GIGABYTE = 1 << 30
EXTREMES = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF]


@st.composite
def damaged(draw, files):
    """Bytes: noise, or one of ``files`` after some edits: cut, changed, enlarged, with parts of it or of another one in other places."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=300))
    data = bytearray(draw(st.sampled_from(files)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(data)))
        kind = draw(st.sampled_from(["flip", "flip", "set", "number", "number", "cut", "delete", "insert", "copy", "splice"]))
        if kind == "flip" and place < len(data):
            data[place] ^= 1 << draw(st.integers(0, 7))
        elif kind == "set" and place < len(data):
            data[place] = draw(st.integers(0, 255))
        elif kind == "number":  # sizes and offsets that are extreme, in either byte order
            width, order = draw(st.sampled_from([1, 2, 4, 8])), draw(st.sampled_from(["little", "big"]))
            data[place : place + width] = (draw(st.sampled_from(EXTREMES)) & (1 << 8 * width) - 1).to_bytes(width, order)
        elif kind == "cut":
            del data[place:]
        elif kind == "delete":
            del data[place : place + draw(st.integers(1, 40))]
        elif kind == "insert":
            data[place:place] = draw(st.binary(min_size=1, max_size=40))
        elif kind in ("copy", "splice"):
            other = bytes(data) if kind == "copy" else draw(st.sampled_from(files))
            begin = draw(st.integers(0, len(other)))
            data[place:place] = other[begin : begin + draw(st.integers(1, 200))]
    return bytes(data)


_guarded: Path | None = None  # the folder of the file that is being read
_FORBIDDEN = (
    "os.system",
    "os.exec",
    "os.spawn",
    "os.posix_spawn",
    "os.remove",
    "os.rename",
    "subprocess.",
    "socket.",
    "ctypes.",
    "import",
    "exec",
)
_audit_installed = False


def _of_a_codec(thing):
    """Codecs of Python are loaded when a text needs them: the name of the module, or its code."""
    return str(thing).startswith("encodings.") or Path(getattr(thing, "co_filename", "")).parent == Path(encodings.__file__).parent


def _of_an_op(event):
    """An op writes its own functions when it is first called, and kernels in C are given the memory of arrays."""
    caller = Path(sys._getframe(2).f_code.co_filename).parent
    return (event == "exec" and caller == Path(engine.__file__).parent) or (
        event in ("ctypes.cdata", "ctypes.cdata/buffer", "ctypes.addressof") and caller == Path(native.__file__).parent
    )


def _audit(event, args):
    if _guarded is None:
        return
    if event.startswith(_FORBIDDEN) and not _of_a_codec(args[0]) and not _of_an_op(event):
        raise AssertionError(f"reading a file did {event} {args!r:.200}")
    if event == "open" and not isinstance(args[0], int):
        opened = Path(os.fsdecode(args[0])).absolute()
        if not opened.is_relative_to(_guarded) and opened.parent.parent != Path(encodings.__file__).parent:
            raise AssertionError(f"reading a file opened {args!r:.200}")


@contextlib.contextmanager
def guarded(folder):
    """What runs inside may take :data:`SECONDS` of the processor, and a gigabyte more than there is; it may not run code of a file's, import, nor open files elsewhere."""
    global _guarded, _audit_installed
    if not _audit_installed:
        sys.addaudithook(_audit)
        _audit_installed = True

    def late(*_):
        raise AssertionError(f"reading a file took more than {SECONDS} s")

    status = Path("/proc/self/statm")
    before = resource.getrlimit(resource.RLIMIT_AS) if resource is not None and status.exists() else None
    alarms = [signal.signal(s, late) for s in (signal.SIGPROF, signal.SIGALRM)] if hasattr(signal, "SIGALRM") else None
    try:
        if before is not None:
            now = int(status.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
            resource.setrlimit(resource.RLIMIT_AS, (now + GIGABYTE, before[1]))
        if alarms is not None:
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            signal.setitimer(signal.ITIMER_REAL, PATIENCE * SECONDS)
        _guarded = Path(folder).absolute()
        yield
    finally:
        _guarded = None
        if alarms is not None:
            for timer, name, before_it in zip(
                (signal.ITIMER_PROF, signal.ITIMER_REAL), (signal.SIGPROF, signal.SIGALRM), alarms, strict=True
            ):
                signal.setitimer(timer, 0)
                signal.signal(name, before_it)
        if before is not None:
            resource.setrlimit(resource.RLIMIT_AS, before)


def read_hostile(path, read, errors):
    """``read(path)``, guarded: what it returned, or None where it raised one of ``errors`` with a message. Anything else is a failure."""
    try:
        with guarded(path.parent):
            return read(path)
    except errors as error:
        raised = error
    cause, seen = raised, []
    while cause is not None:
        seen.append(cause)
        cause = cause.__cause__ or cause.__context__
    assert not any(isinstance(e, (AssertionError, MemoryError, RecursionError)) for e in seen), seen
    assert len(str(raised)) > 10, f"{type(raised).__name__} says nothing: {raised!s}"
    return None


def check_reader(folder, files, read, errors, examples, contents=None):
    """Damage ``files`` in ``examples`` ways, and read each; or read ``contents``, a strategy of bytes. ``read`` takes a path, and checks what it returns."""
    path = Path(folder) / "file"
    for name in dir(mg):  # what minigrad loads when it is used, such as the module of an operator of ONNX, is loaded now
        getattr(mg, name)
    for content in files:  # they are valid; and what reading imports is imported now
        path.write_bytes(content)
        read(path)
    long = hypothesis.settings.get_current_profile_name() == "long"

    @hypothesis.settings(
        max_examples=examples, derandomize=not long, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck)
    )
    @hypothesis.given(damaged(files) if contents is None else contents)
    def check(content):
        path.write_bytes(content)
        read_hostile(path, read, errors)

    check()
