"""What pyproject.toml cannot say: the native kernels are compiled where there is a compiler, and left out where there is none.

The library is loaded with ctypes. It needs no Python, so that a wheel with it is ``py3-none-<platform>``; one without it is ``py3-none-any``.
"""

import runpy
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

ROOM = "minigrad/kernels/native"
BUILD = runpy.run_path(str(Path(__file__).parent / ROOM / "build.py"))  # not imported: minigrad needs numpy, which is not here yet


class BuildKernels(build_ext):
    """Compiles by ``build.py``; where that fails, says so and goes on."""

    def run(self) -> None:
        # The base looks for a compiler that fits this Python, which is not needed.
        self.build_extensions()
        if self.inplace:
            self.copy_extensions_to_source()

    def build_extension(self, ext: Extension) -> None:
        path, how = BUILD["build"](Path(self.build_lib, ROOM))
        print(how if path else f"no native kernels: {how}")

    def get_ext_filename(self, fullname: str) -> str:
        """The file's name, which is the same for all versions of Python."""
        return str(Path(ROOM, BUILD["LIBRARY"]))

    def get_outputs(self) -> list[str]:
        """What was made."""
        return [path for path in super().get_outputs() if Path(path).exists()]


class Wheel(bdist_wheel):
    """Tags a wheel by what is in it."""

    def get_tag(self) -> tuple[str, str, str]:
        """``py3-none-any``, or ``py3-none-<platform>`` if there are native kernels."""
        self.root_is_pure = not Path(self.bdist_dir, ROOM, BUILD["LIBRARY"]).exists()
        return "py3", "none", "any" if self.root_is_pure else BUILD["target"]() or super().get_tag()[2]


setup(
    ext_modules=[Extension("minigrad.kernels.native._kernels", [f"{ROOM}/kernels.c"], optional=True)],
    cmdclass={"build_ext": BuildKernels, "bdist_wheel": Wheel},
)
