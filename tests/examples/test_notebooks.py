"""Scripts of ``examples/`` run as notebooks: jupytext makes cells of them, and Jupyter's own client executes these in a kernel.

Needs ``pip install -e '.[notebooks]'``; ``--notebooks`` runs all of them, otherwise only the shortest runs. They run as small as their options let them; what they compute is checked by the tests of each.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Every script that has cells, and the tutorial, which is one cell; with the options that make it small.
SCRIPTS = {
    "01_templates": "--epochs 1 --pictures 500",
    "02_why_convolution": "--epochs 1 --crowds 5 --steps 100",
    "03_by_hand": "",
    "04_im2col": "--epochs 1",
    "05_pooling_and_volumes": "--epochs 1",
    "06_lenet5": "--epochs 1 --images 500 --tests 100",
    "07_neocognitron": "--images 100 --tests 40",
    "08_alexnet": "--epochs 1 --images 64 --tests 40",
    "09_googlenet": "--epochs 1 --images 128 --tests 60",
    "10_resnet": "--epochs 1 --images 128 --tests 100 --width 4 --deep 20",
    "11_cifar10": "--epochs 1 --pictures 600",
    "12_instances": "--epochs 1 --scenes 32 --tests 4 --width 6",
    "12_segmentation": "--epochs 1 --scenes 32 --tests 16 --width 4",
    "12_where": "--epochs 1 --scenes 32 --tests 8 --width 4",
    "13_sound": "--epochs 1 --sentences 10 --tests 2",
    "13_wavenet": "--notes 2 --steps 10 --channels 8 --samples 320 --length 320",
    "14_what_a_network_sees": "--draw 2 --dream 64 --style 64 --steps 2",
    "15_fine_tuning": "--epochs 1 --images 500 --tests 100 --most 1 --draws 1 --steps 5",
    "tutorial": "--epochs 1",
}
REASON = "notebooks are run by jupytext and nbclient: pip install -e '.[notebooks]'"
pytestmark = pytest.mark.skipif(
    not (ROOT / "examples").exists(), reason="the examples are not here: this is an installed package's test run"
)


@pytest.fixture
def executed(tmp_path, monkeypatch):
    """``executed(text, before)``: the notebook of a script in the percent format after all cells ran, in a folder of its own.

    The code ``before`` runs in a cell before the first. Skips the test where a package is absent that the script needs.
    """
    jupytext = pytest.importorskip("jupytext", reason=REASON)
    nbclient = pytest.importorskip("nbclient", reason=REASON)
    pytest.importorskip("ipykernel", reason=REASON)
    pytest.importorskip("matplotlib", reason="the chapters draw with matplotlib: pip install -e '.[examples]'")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'examples'}:{ROOT}")
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))

    sockets = tempfile.mkdtemp(prefix="k")  # a socket's path has 107 characters at most, and that of tmp_path may have more

    def run(text, before=""):
        book = jupytext.reads(f"# %%\n{before}\n\n{text}", fmt="py:percent")
        client = nbclient.NotebookClient(book, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}})
        manager = client.create_kernel_manager()
        if sys.platform != "win32":  # a port that was free when it was chosen may be taken when the kernel binds it; a socket's file is not
            manager.transport, manager.ip = "ipc", f"{sockets}/kernel"
        try:
            client.execute()
        except nbclient.exceptions.CellExecutionError as error:
            if error.ename != "Missing":
                raise
            pytest.skip(error.evalue)
        return book

    yield run
    shutil.rmtree(sockets)


def outputs(book):
    return [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]


def test_every_script_with_cells_is_run():
    cells = {path.stem for path in (ROOT / "examples").glob("*.py") if re.search(r"^# %%", path.read_text(encoding="utf-8"), re.MULTILINE)}
    assert cells == set(SCRIPTS) - {"tutorial"}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_runs_as_a_notebook(name, executed, tmp_path, pytestconfig):
    """All its cells, without a warning; and it saves the pictures that its page shows."""
    if name != "03_by_hand" and not pytestconfig.getoption("notebooks"):
        pytest.skip("minutes of work: --notebooks runs it")
    options = SCRIPTS[name].split()
    book = executed(
        (ROOT / "examples" / f"{name}.py").read_text(encoding="utf-8"), f"import sys\nsys.argv = {[name, *options]}" if options else ""
    )
    printed = "".join(o.text for o in outputs(book) if o.output_type == "stream")
    assert "Warning" not in printed, printed
    if name == "tutorial":
        assert "test accuracy" in printed
        return
    assert sum(cell.cell_type == "code" for cell in book.cells) > 3
    page = ROOT / "docs" / "chapters" / f"{name.replace('_', '-')}.md"
    shown = {Path(link).name for link in re.findall(rf"\]\((images/{page.stem}/[^)]+)\)", page.read_text(encoding="utf-8"))}
    assert {path.name for path in (tmp_path / "runs" / name).iterdir() if path.suffix in (".png", ".jpg")} == shown


NOTEBOOK = """
# %%
import minigrad as mg
from minigrad import demo, graph, nn, plots
from minigrad.nn.data import DataLoader, Dataset

mg.manual_seed(0)
model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))

# %% A data set that is defined in the notebook
class Corners(Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, i):
        return mg.tensor([float(i % 2), float(i // 4)]), i % 2

# %% Figures and graphs show themselves
graph.draw(model, mg.ones(1, 2))

# %%
plots.lines([1, 2, 3], {"loss": [3.0, 2.0, 1.0]}, "epoch", "loss")

# %% A page is embedded by one call
demo.pooling()

# %% The loop has a bar, as text where there are no widgets
history = nn.fit(model, DataLoader(Corners(), 4), nn.CrossEntropyLoss(), nn.optim.SGD(model.parameters(), lr=0.1), epochs=2)

# %% Workers
try:
    list(DataLoader(Corners(), 4, num_workers=1))
except AttributeError as error:
    print(error, *error.__notes__)
print([tuple(batch[0].shape) for batch in DataLoader(Corners(), 4, num_workers=1, multiprocessing_context="fork")])
"""


@pytest.mark.parametrize("widgets", [True, False], ids=["widgets", "no widgets"])
def test_figures_show_themselves_fit_has_a_bar_and_workers_know_what_a_notebook_defines(widgets, executed):
    if widgets:
        pytest.importorskip("ipywidgets", reason=REASON)
    book = executed(NOTEBOOK, "" if widgets else "import sys\nsys.modules['ipywidgets'] = None  # as if it were not installed")
    shown = [o.data for o in outputs(book) if o.output_type in ("display_data", "execute_result")]
    assert any({"image/svg+xml", "text/html"} & set(data) for data in shown), "the graph"
    assert any("image/png" in data for data in shown), "the figure"
    assert any(data.get("text/html", "").startswith("<iframe") for data in shown), "the page"
    bars = [data["text/plain"] for data in shown if "application/vnd.jupyter.widget-view+json" in data]
    printed = "".join(o.text for o in outputs(book) if o.output_type == "stream")
    assert "epoch 2/2" in ("".join(bars) if widgets else printed)
    assert bool(bars) == widgets
    assert "Warning" not in printed
    assert "define it at the top level of a module, or use multiprocessing_context='fork'" in printed
    assert "[(4, 2), (4, 2)]" in printed
