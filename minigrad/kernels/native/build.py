"""Compile ``kernels.c``, where there is a compiler: ``python -m minigrad.kernels.native.build``. Installing does the same.

Without a compiler, or if it fails, nothing is made and nothing else changes: numpy does all the work. ``CC`` names the compiler to use;
else gcc, clang and cc are tried. ``MINIGRAD_TARGET`` is the platform tag of a wheel (``macosx_11_0_arm64``) if ``CC`` compiles for another machine,
as ``.ci/wheels.py`` makes it do. setup.py runs this file by itself, before there is a numpy: it needs the standard library only.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SOURCE = Path(__file__).with_name("kernels.c")
LIBRARY = "_kernels.so"  # found by its path, not imported: one for all versions of Python
# The two that start with -fno let loops become vectors, and leave values alone: nobody asks for errno or for traps.
FLAGS = ("-O3", "-std=gnu11", "-fPIC", "-fvisibility=default", "-fno-math-errno", "-fno-trapping-math", "-Wno-psabi")


def target() -> str:
    """The platform tag of the machine to compile for, if it is another one than this; else ''."""
    return os.environ.get("MINIGRAD_TARGET", "")


def levels() -> dict[str, str]:
    """Name of each level of instructions -> the options that ask the compiler for it."""
    if (target() or platform.machine()).lower().endswith(("x86_64", "amd64")):
        name = "x86_64_v" if target() else "x86-64-v"  # Zig, which compiles for other machines, takes no hyphens
        return {"v2": f"-march={name}2", "v3": f"-march={name}3", "v4": f"-march={name}4 -mprefer-vector-width=512"}
    return {"base": ""}  # all that 64-bit ARM has


def digest() -> str:
    """What tells this ``kernels.c`` from others: a library of another one is not used."""
    return hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]


def compilers() -> list[list[str]]:
    """The commands to try: ``CC`` alone if it is set."""
    if os.environ.get("CC"):
        return [shlex.split(os.environ["CC"])]
    return [[path] for name in ("gcc", "clang", "cc") if (path := shutil.which(name))]


def build(folder: Path) -> tuple[Path | None, str]:
    """Make the library in ``folder``: its path, or None, and a line that says how or why not."""
    if os.environ.get("MINIGRAD_NATIVE") == "0":
        return None, "MINIGRAD_NATIVE is 0"
    if sys.platform == "win32" and not target():
        return None, "Windows has no compiler that is known here"
    reason = "no compiler was found (gcc, clang, cc, or what CC names)"
    for compiler in compilers():
        with tempfile.TemporaryDirectory() as temporary:
            try:
                made = _compile(compiler, Path(temporary))
            except (OSError, subprocess.SubprocessError) as error:
                said = getattr(error, "stderr", None) or b""
                reason = f"{shlex.join(compiler)} failed: {said.decode(errors='replace').strip() or error}"
                continue
            folder.mkdir(parents=True, exist_ok=True)
            new = folder / f"{LIBRARY}.new"
            shutil.copy(made, new)
            os.replace(new, folder / LIBRARY)  # a process that has loaded the old one keeps it
            return folder / LIBRARY, f"{shlex.join(compiler)} made {folder / LIBRARY}"
    return None, reason


def _compile(compiler: list[str], temporary: Path) -> Path:
    """One object for each level, and one with what belongs to none, at the same time; then the library."""
    dispatch = ["-DDISPATCH", f'-DSOURCE="{digest()}"']
    commands = {}
    for level, options in reversed({"plain": "", **levels()}.items()):  # what takes longest first
        which = dispatch if level == "plain" else [f"-DLEVEL={level}"]
        made = str(temporary / f"{level}.o")
        commands[made] = [*compiler, *FLAGS, *options.split(), *which, "-c", str(SOURCE), "-o", made]
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # it raises what the first that failed has raised
        list(pool.map(_run, commands.values()))
    _run([*compiler, "-shared", *commands, "-o", str(temporary / LIBRARY), "-lm"])
    return temporary / LIBRARY


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=600)


if __name__ == "__main__":
    path, how = build(Path(__file__).parent)
    print(how)
    sys.exit(path is None)
