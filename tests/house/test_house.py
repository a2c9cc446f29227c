"""Project rules that linters do not check: imports between packages, modules loaded by an import, packaged files, docstrings."""

import ast
import functools
import graphlib
import importlib
import inspect
import json
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import minigrad

ROOT = Path(__file__).parents[2]
CHECKOUT = pytest.mark.skipif(not (ROOT / "nn" / "__init__.py").exists(), reason="needs the source tree (an installed wheel is tested)")

# The storeys of the house, the lowest first. A module imports from its own storey or from below. The front door
# `minigrad` opens on the storey of the rooms that people enter through it.
STOREYS = [
    {"minigrad.absent", "minigrad.devices", "minigrad.dtypes", "minigrad.kernels", "minigrad.later", "minigrad.types"},
    {"minigrad.engine", "minigrad.tree"},
    {"minigrad.accepted", "minigrad.ops", "minigrad.printing", "minigrad.random", "minigrad.views"},
    {
        "minigrad.calls",
        "minigrad.creation",
        "minigrad.files",
        "minigrad.recompute",
        "minigrad.tensor",
        "minigrad.tensor_types",
    },
    {
        "minigrad",
        "minigrad.distributed",
        "minigrad.distributions",
        "minigrad.graph",
        "minigrad.plots",
        "minigrad.testing",
        "minigrad.transforms",
    },
    {"minigrad.nn"},
    {"minigrad.demo", "minigrad.einops", "minigrad.func", "minigrad.onnx", "minigrad.profiler"},
    {"minigrad.torch", "minigrad.torchvision"},
]
STOREY = {room: number for number, rooms in enumerate(STOREYS) for room in rooms}

# May be imported by a room on first use, never by `import minigrad` or `import minigrad.nn`.
HEAVY = {
    "PIL", "einops", "graphviz", "http", "hypothesis", "matplotlib", "mpi4py", "multiprocessing", "onnx", "onnxruntime", "pytest", "safetensors", "sqlite3", "ssl", "tensorboardX", "torch", "tqdm",
    "urllib.request",
}  # fmt: skip
TOOLS = {
    "PIL": "minigrad.nn",
    "einops": "minigrad.einops",
    "graphviz": "minigrad.graph",
    "hypothesis": "minigrad.testing",
    "mpi4py": "minigrad.distributed",
    "onnx": "minigrad.onnx",
    "onnxruntime": "minigrad.onnx",
    "pytest": "minigrad.testing",
    "safetensors": "minigrad.files",
    "tensorboardX": "minigrad.nn",
}  # tool -> the only room that uses it


def storey(module: str) -> int | None:
    """The storey of a module of ours: that of its room, `minigrad.graph` for `minigrad.graph.svg`; None for a stranger."""
    parts = module.split(".")
    if parts[0] != "minigrad":
        return None
    room = ".".join(parts[:2])
    return STOREY["minigrad"] if len(parts) == 1 else STOREY[room]


@functools.cache
def sources() -> dict[str, Path]:
    """Module name -> file, for the files of minigrad/ and nn/ (without following the symlink)."""
    found = {}
    for folder, package in (("minigrad", "minigrad"), ("nn", "minigrad.nn")):
        for path in sorted((ROOT / folder).rglob("*.py")):
            inside = path.relative_to(ROOT / folder)
            if folder == "minigrad" and inside.parts[0] == "nn":
                continue
            found[".".join([package, *inside.with_suffix("").parts]).removesuffix(".__init__")] = path
    return found


def is_type_checking(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING")


def is_import_call(node: ast.AST) -> bool:
    if not (isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)):
        return False
    return getattr(node.func, "attr", getattr(node.func, "id", None)) in ("__import__", "import_module")


@functools.cache
def all_imports(name: str, path: Path) -> list[tuple[int, str, bool, bool]]:
    """(line, module, is it inside a function, is it under TYPE_CHECKING) for each import in a file."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found: list[tuple[int, str, bool, bool]] = []
    modules = sources()

    def visit(node: ast.AST, inside: bool, typed: bool) -> None:
        if isinstance(node, ast.If) and is_type_checking(node.test):
            for child in node.body:
                visit(child, inside, True)
            for child in node.orelse:
                visit(child, inside, typed)
            return
        inside = inside or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        if isinstance(node, ast.Import):
            found.extend((node.lineno, alias.name, inside, typed) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join([*package.split(".")[: len(package.split(".")) - node.level + 1], *([base] if base else [])])
            for alias in node.names:  # `from minigrad import nn` is an import of minigrad.nn
                full = f"{base}.{alias.name}"
                found.append((node.lineno, full if full in modules or full in STOREY else base, inside, typed))
        elif is_import_call(node):
            found.append((node.lineno, str(node.args[0].value), inside, typed))
        for child in ast.iter_child_nodes(node):
            visit(child, inside, typed)

    visit(ast.parse(path.read_text(encoding="utf-8")), False, False)
    return found


def imports(name: str, path: Path, top_level_only: bool = False, for_types: bool = False) -> list[tuple[int, str]]:
    """(line, module) for each import in a file, those inside functions included, those under TYPE_CHECKING only if asked for."""
    return [
        (line, target)
        for line, target, inside, typed in all_imports(name, path)
        if not (inside and top_level_only) and (for_types or not typed)
    ]


@CHECKOUT
def test_every_room_has_a_storey():
    """A new module of minigrad must be given its place in STOREYS."""
    rooms = {".".join(name.split(".")[:2]) for name in sources()} - {"minigrad.__main__"}
    assert rooms <= set(STOREY), "say in STOREYS (tests/house/test_house.py) which storey these belong to"


@CHECKOUT
def test_imports_go_down():
    """nn -> testing, graph, transforms -> tensor -> ops -> engine -> numpy, and never up, not even inside a function."""
    wrong = []
    for name, path in sources().items():
        if name == "minigrad.__main__":
            continue
        for line, target in imports(name, path):
            above = storey(target)
            if above is not None and above > storey(name):
                wrong.append(f"{path.relative_to(ROOT)}:{line}: {name} imports {target}, which is above it")
    assert not wrong, "\n".join(wrong)


@CHECKOUT
def test_no_circle():
    """No module needs one that needs it, counting imports inside functions and for annotations; only types.py names Tensor upwards.

    Of a package's face what it imports at once counts: the rooms that it opens when they are first entered (nn.models) may use it.
    """
    arrows: dict[str, set[str]] = {}
    for name, path in sources().items():
        face = path.name == "__init__.py"
        targets = {t for _, t in imports(name, path, top_level_only=face, for_types=not face) if t in sources() and t != name}
        arrows[name] = targets - ({"minigrad.tensor"} if name == "minigrad.types" else set())
    try:
        order = list(graphlib.TopologicalSorter(arrows).static_order())
    except graphlib.CycleError as error:
        pytest.fail("a circle of imports: " + " <- ".join(error.args[1]))
    assert set(order) == set(sources())


@CHECKOUT
def test_tools_stay_in_their_rooms():
    """graphviz is the graph room's business, hypothesis and pytest the testing room's, and nothing at all needs torch."""
    wrong = []
    for name, path in sources().items():
        for line, target in imports(name, path):
            top = target.split(".")[0]
            if top == "torch" or (top in TOOLS and not name.startswith(TOOLS[top])):
                wrong.append(f"{path.relative_to(ROOT)}:{line}: {name} imports {target}")
    assert not wrong, "\n".join(wrong)


@CHECKOUT
def test_plots_that_only_draw_run_no_model():
    """Only plots.probes runs a model, and plots.dreams the objective that it is given. plots.grids computes the convolution whose numbers it draws."""
    users = set()
    for name, path in sources().items():
        if name.startswith("minigrad.plots.") and any(
            target.startswith(("minigrad.calls", "minigrad.ops")) and target != "minigrad.ops.arguments"
            for _, target in imports(name, path)
        ):
            users.add(name.removeprefix("minigrad.plots."))
    assert users == {"probes", "dreams", "grids"}


@CHECKOUT
def test_the_reader_of_imports_sees_them_all(tmp_path):
    """The tests above can fail: every way to write an import is read, and TYPE_CHECKING is left out."""
    path = tmp_path / "module.py"
    path.write_text(
        "from typing import TYPE_CHECKING\nimport minigrad.nn\nfrom minigrad import nn, Tensor\n"
        "from . import tensor\nfrom .ops import elementwise, op_that_is_not\n"
        "if TYPE_CHECKING:\n    import torch\nelse:\n    import graphviz\n"
        "def f():\n    from minigrad.nn import Module\n    importlib.import_module('minigrad.graph')\n"
    )
    assert [target for _, target in imports("minigrad.module", path)] == [
        "typing", "minigrad.nn", "minigrad.nn", "minigrad", "minigrad.tensor", "minigrad.ops.elementwise", "minigrad.ops",
        "graphviz", "minigrad.nn", "minigrad.graph",
    ]  # fmt: skip
    assert [target for _, target in imports("minigrad.module", path, top_level_only=True)][-1] == "graphviz"
    assert "torch" in [target for _, target in imports("minigrad.module", path, for_types=True)]


@pytest.mark.smoke
@pytest.mark.parametrize("module", ["minigrad", "minigrad.nn"])
def test_import_is_light(module):
    """Importing loads numpy, the standard library and ourselves: nothing heavy, nothing optional."""
    code = f"import json, sys, numpy\nbefore = set(sys.modules)\nimport {module}\nprint(json.dumps(sorted(set(sys.modules) - before)))"
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    loaded = json.loads(run.stdout)
    assert module in loaded
    assert not HEAVY.intersection(loaded)
    assert "numpy.random" not in loaded  # a third of numpy's own time, and not every program draws
    strangers = {name.split(".")[0] for name in loaded} - set(sys.stdlib_module_names) - {"minigrad", "numpy"}
    assert not strangers


@CHECKOUT
def test_nn_is_refused_under_its_bare_name():
    """The folder nn/ is minigrad.nn: under a second name each class would exist twice."""
    run = subprocess.run([sys.executable, "-c", "import nn"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "ImportError: the folder nn/ is the package minigrad.nn" in run.stderr


@CHECKOUT
def test_nn_imports_by_its_full_name():
    """Inside nn/ imports are absolute: `from minigrad.nn.module import Module`."""
    for path in (ROOT / "nn").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path.relative_to(ROOT)}:{node.lineno}: relative import"


@CHECKOUT
def test_packages_are_listed():
    """The tables of pyproject.toml name every folder with an __init__.py, each where it is, and data that exists."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    tree = {name: path.parent.relative_to(ROOT).as_posix() for name, path in sources().items() if path.name == "__init__.py"}
    assert config["package-dir"] == tree
    assert sorted(config["packages"]) == sorted(tree)
    for package, patterns in config["package-data"].items():
        for pattern in patterns:
            assert list((ROOT / tree[package]).glob(pattern)), f"{package}: no file matches {pattern}"
    homeless = {path.parent for path in sources().values()} - {ROOT / folder for folder in tree.values()}
    assert not homeless, "folders with modules but without __init__.py"


@CHECKOUT
def test_symlink():
    """minigrad/nn -> ../nn shows the package to pytest, mypy and editors."""
    link = ROOT / "minigrad" / "nn"
    if not link.is_symlink():
        pytest.skip("this checkout has no symlinks (git config core.symlinks)")
    assert link.resolve() == (ROOT / "nn").resolve()


def test_versions_agree():
    """The changelog's newest entry is this version."""
    assert re.fullmatch(r"\d+\.\d+\.\d+", minigrad.__version__)
    changelog = ROOT / "CHANGELOG.md"
    if changelog.exists():
        assert re.search(r"^## \[(.+?)\]", changelog.read_text(encoding="utf-8"), re.MULTILINE)[1] == minigrad.__version__


@CHECKOUT
def test_no_machine_paths():
    """No file names a folder of somebody's machine."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    pattern = re.compile(rb"(?<![\w.~:/-])/(?:home|Users|root|work|mnt|opt)/\w|\b[A-Z]:\\(?:Users|Program)")
    wrong = []
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.is_file() and not path.is_symlink() and b"\0" not in (data := path.read_bytes()):
            wrong += [f"{name}: {line.decode(errors='replace').strip()}" for line in data.splitlines() if pattern.search(line)]
    assert not wrong, "\n".join(wrong)


SLOTS = {"_data", "_grad", "_node"}  # of TensorBase: what a Tensor is made of, which all rooms read


def borrowed(tree: ast.Module) -> list[tuple[int, str]]:
    """(line, name) for each private name of another of our modules that a file uses: imported, or as its attribute."""
    found, modules = [], set()
    nodes = [node for node in ast.walk(tree) if isinstance(node, (ast.ImportFrom, ast.Import, ast.Attribute))]
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "minigrad":
            modules.update(alias.asname or alias.name for alias in node.names)
            found += [(node.lineno, alias.name) for alias in node.names if re.match("_(?!_)", alias.name)]
        elif isinstance(node, ast.Import):
            modules.update(alias.asname for alias in node.names if alias.asname and alias.name.startswith("minigrad"))
    for node in nodes:
        of_a_module = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules
        if of_a_module and re.match("_(?!_)", node.attr) and node.attr not in SLOTS:
            found.append((node.lineno, f"{node.value.id}.{node.attr}"))
    return sorted(found)


@CHECKOUT
def test_private_names_stay_in_their_file():
    """What begins with an underscore is used in its own file only."""
    wrong = []
    for path in sources().values():
        for line, name in borrowed(ast.parse(path.read_text(encoding="utf-8"))):
            wrong.append(f"{path.relative_to(ROOT)}:{line}: {name} is private to another file")
    assert not wrong, "\n".join(wrong)


def test_the_reader_of_private_names_sees_them():
    source = "from minigrad.ops import shape\nfrom minigrad.engine import _walk, op\nimport os\nimport minigrad.random as r\n"
    source += "shape._cat\nos._exit\nr._seed\nself._x\nx._data\nshape.cat\nop.__name__\n"
    assert borrowed(ast.parse(source)) == [(2, "_walk"), (5, "shape._cat"), (7, "r._seed")]


# ------------------------------------------------------------------------------------------------------ docstrings


def modules():
    """Every module that is installed."""
    names = [info.name for info in pkgutil.walk_packages(minigrad.__path__, "minigrad.")]
    return ["minigrad", *(name for name in names if not any(part.startswith("_") for part in name.split(".")))]


def public_members(module):
    """(name, object) for the public functions and classes that a module defines."""
    for name, value in vars(module).items():
        if (
            not name.startswith("_")
            and getattr(value, "__module__", None) == module.__name__
            and (inspect.isclass(value) or callable(value))
        ):
            yield name, value


def undocumented(name: str, value: object) -> list[str]:
    """The names of ``value`` and of its public methods and properties that have no docstring, own or inherited."""
    missing = [] if (inspect.getdoc(value) or "").strip() else [name]
    if inspect.isclass(value):
        for attribute, member in vars(value).items():
            function = member.__func__ if isinstance(member, (classmethod, staticmethod)) else member
            if attribute.startswith("_") or not (inspect.isroutine(function) or isinstance(function, property)):
                continue
            if not hasattr(value, attribute):  # it only says what to use instead
                continue
            if not (inspect.getdoc(getattr(value, attribute)) or "").strip():
                missing.append(f"{name}.{attribute}")
    return missing


@pytest.mark.parametrize("name", modules())
def test_public_things_have_docstrings(name):
    """A reader meets no public module, function, class, method or property without an explanation."""
    module = importlib.import_module(name)
    missing = [] if (module.__doc__ or "").strip() else [name]
    for member, value in public_members(module):
        missing += undocumented(f"{name}.{member}", value)
    assert not missing


def test_the_reader_of_docstrings_sees_what_is_missing():
    class Bare:
        def method(self):
            return 1

        def _private(self):
            return 2

        @property
        def size(self):
            return 3

    assert undocumented("Bare", Bare) == ["Bare", "Bare.method", "Bare.size"]
