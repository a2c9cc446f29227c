"""Check a folder with one sdist and one wheel: each holds every file of the two packages exactly once."""

import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
LIBRARY = "minigrad/kernels/native/_kernels.so"


def expected() -> dict[str, str]:
    """Path inside the wheel -> path in the tree, for each module and data file that pyproject.toml promises."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    files = {}
    for package, folder in config["package-dir"].items():
        paths = list((ROOT / folder).glob("*.py"))
        for pattern in config["package-data"].get(package, []):
            paths += (ROOT / folder).glob(pattern)
        for path in paths:
            inside = path.relative_to(ROOT / folder).as_posix()
            files[f"{package.replace('.', '/')}/{inside}"] = f"{folder}/{inside}"
    return files


def differences(what: str, found: list[str], wanted: set[str]) -> list[str]:
    """Complaints about an archive whose list of files is not ``wanted``."""
    twice = {name for name in found if found.count(name) > 1}
    return [
        *(f"{what}: {name} is missing" for name in sorted(wanted - set(found))),
        *(f"{what}: {name} should not be there" for name in sorted(set(found) - wanted)),
        *(f"{what}: {name} is there twice" for name in sorted(twice)),
    ]


def main(dist: Path) -> None:
    files = expected()
    (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        installed = [name for name in archive.namelist() if ".dist-info/" not in name]
        if not wheel.name.endswith("-py3-none-any.whl"):  # a compiler was found: the native kernels are in it, for any Python
            files[LIBRARY] = ""
        licences = [name for name in archive.namelist() if ".dist-info/licenses/" in name]
        problems = differences(wheel.name, installed, set(files))
        if files.pop(LIBRARY, None) is not None and "-py3-none-" not in wheel.name:
            problems.append(f"{wheel.name}: the tag must be py3-none-<platform>, as the library needs no Python")
        for name in set(installed) & set(files):
            if archive.read(name) != (ROOT / files[name]).read_bytes():
                problems.append(f"{wheel.name}: {name} differs from {files[name]}")
    if not any(name.endswith("/LICENSE") for name in licences):
        problems.append(f"{wheel.name}: no LICENSE")
    with tarfile.open(sdist) as archive:
        names = [name.partition("/")[2] for name in archive.getnames() if archive.getmember(name).isfile()]
    sources = [name for name in names if name.startswith(("minigrad/", "nn/"))]
    problems += differences(sdist.name, sources, set(files.values()))
    others = {"CHANGELOG.md", "LICENSE", "README.md", "pyproject.toml", "tests/conftest.py"}
    problems += [f"{sdist.name}: {name} is missing" for name in sorted(others - set(names))]
    if problems:
        sys.exit("\n".join(problems))
    print(f"{wheel.name}: {len(installed)} files; {sdist.name}: {len(names)} files")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
