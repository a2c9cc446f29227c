"""Build a wheel with native kernels for each platform, on one machine of any kind: ``python .ci/wheels.py --out dist [PLATFORM ...]``.

Zig, which comes as a wheel (``pip install ziglang``), compiles for all of them. The library uses no Python, so one wheel serves all versions:
``py3-none-<platform>``. ``--list`` names the platforms.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGETS = {  # platform tag of the wheel -> what Zig compiles for
    "manylinux_2_17_x86_64": "x86_64-linux-gnu.2.17",
    "manylinux_2_17_aarch64": "aarch64-linux-gnu.2.17",
    "musllinux_1_2_x86_64": "x86_64-linux-musl",
    "musllinux_1_2_aarch64": "aarch64-linux-musl",
    "macosx_13_0_x86_64": "x86_64-macos.13.0",
    "macosx_13_0_arm64": "aarch64-macos.13.0",
    "win_amd64": "x86_64-windows-gnu",
    "win_arm64": "aarch64-windows-gnu",
}


def sources(folder: Path) -> Path:
    """A copy of what git tracks, so that nothing that was built for another platform gets into the wheel."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        source, copy = ROOT / name, folder / name
        if not source.is_file() and not source.is_symlink():  # deleted, but not yet in a commit
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, copy, follow_symlinks=False)
    return folder


def build(platform: str, out: Path) -> Path:
    """The wheel for ``platform`` in ``out``. Raises ``RuntimeError`` with the log if it could not be made, or has no native kernels."""
    environment = os.environ | {
        # A loop that cannot be unrolled as it asks keeps its sums in memory, and is slow without a word.
        "CC": shlex.join([sys.executable, "-m", "ziglang", "cc", "-target", TARGETS[platform], "-s", "-Werror=pass-failed"]),
        "MINIGRAD_TARGET": platform,
    }
    with tempfile.TemporaryDirectory() as temporary:
        folder, made = sources(Path(temporary, "sources")), Path(temporary, "made")
        command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(made), str(folder)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        wheels = list(made.glob(f"*-py3-none-{platform}.whl"))
        if done.returncode or not wheels:
            why = [line for line in done.stdout.splitlines() if line.startswith("no native kernels")] or [done.stdout, done.stderr]
            raise RuntimeError("\n".join([f"{platform}: no wheel with native kernels was made", *why]))
        out.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy(wheels[0], out))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("platforms", nargs="*", metavar="PLATFORM", help="default: all")
    parser.add_argument("--out", type=Path, default=Path("dist"), metavar="FOLDER", help="where the wheels go (default: dist)")
    parser.add_argument("--list", action="store_true", help="name the platforms")
    options = parser.parse_args(arguments)
    if options.list:
        print("\n".join(TARGETS))
        return
    if unknown := [name for name in options.platforms if name not in TARGETS]:
        parser.error(f"unknown platform {', '.join(unknown)}; known are {', '.join(TARGETS)}")
    if missing := [name for name in ("build", "ziglang") if importlib.util.find_spec(name) is None]:
        parser.error(f"needs {' and '.join(missing)}: pip install {' '.join(missing)}")
    for platform in options.platforms or TARGETS:
        try:
            print(build(platform, options.out), flush=True)
        except RuntimeError as error:
            sys.exit(str(error))


if __name__ == "__main__":
    main()
