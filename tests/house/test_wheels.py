"""The script that makes wheels with native kernels for all platforms."""

import importlib.util
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "wheels.py"
pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason=".ci is not here: this is an installed package's test run")


def wheels(*arguments, ok=True):
    done = subprocess.run([sys.executable, SCRIPT, *map(str, arguments)], capture_output=True, text=True)
    assert (done.returncode == 0) == ok, done.stdout + done.stderr
    return done.stdout if ok else done.stderr


def test_platforms():
    platforms = wheels("--list").split()
    assert all(re.fullmatch(r"(manylinux|musllinux|macosx)(_\d+){2}_(x86_64|aarch64|arm64)|win_(amd64|arm64)", name) for name in platforms)
    assert {name.split("_")[0] for name in platforms} == {"manylinux", "musllinux", "macosx", "win"}


def test_unknown_platform():
    assert "unknown platform amiga; known are manylinux_2_17_x86_64" in wheels("amiga", ok=False)


@pytest.mark.parametrize("platform", ["manylinux_2_17_aarch64", "win_amd64"])
def test_wheel(tmp_path, platform):
    if missing := [name for name in ("build", "ziglang") if importlib.util.find_spec(name) is None]:
        pytest.skip(f"needs {' and '.join(missing)}: pip install -e '.[wheels]'")
    (wheel,) = map(Path, wheels("--out", tmp_path, platform).split())
    assert wheel.name.endswith(f"-py3-none-{platform}.whl")
    library = zipfile.ZipFile(wheel).read("minigrad/kernels/native/_kernels.so")
    assert library[:2] == (b"MZ" if platform.startswith("win") else b"\x7fE")
    assert all(f"minigrad_outer_{level}".encode() in library for level in (["v2", "v3", "v4"] if platform == "win_amd64" else ["base"]))
