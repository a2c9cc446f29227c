"""Scripts of ``examples/`` run as notebooks: jupytext makes cells of them, and Jupyter's own client executes these in a kernel.

Needs ``pip install -e '.[notebooks]'``; a kernel starts in seconds, so that only short chapters run here.
"""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = ["03_by_hand"]
REASON = "notebooks are run by jupytext and nbclient: pip install -e '.[notebooks]'"
pytestmark = pytest.mark.skipif(
    not (ROOT / "examples").exists(), reason="the examples are not here: this is an installed package's test run"
)


@pytest.fixture
def executed(tmp_path, monkeypatch):
    """``executed(text)``: the notebook of a script in the percent format after all cells ran, in a folder of its own."""
    jupytext = pytest.importorskip("jupytext", reason=REASON)
    nbclient = pytest.importorskip("nbclient", reason=REASON)
    pytest.importorskip("ipykernel", reason=REASON)
    pytest.importorskip("matplotlib", reason="the chapters draw with matplotlib: pip install -e '.[examples]'")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'examples'}:{ROOT}")
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))

    def run(text):
        book = jupytext.reads(text, fmt="py:percent")
        nbclient.NotebookClient(book, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
        return book

    return run


def outputs(book):
    return [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_runs_as_a_notebook(name, executed, tmp_path):
    book = executed((ROOT / "examples" / f"{name}.py").read_text(encoding="utf-8"))
    assert sum(cell.cell_type == "code" for cell in book.cells) > 3
    assert not [output for output in outputs(book) if output.output_type == "error"]


NOTEBOOK = """
# %%
import minigrad as mg
from minigrad import graph, nn, plots
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

# %% The loop has a bar, as text where there are no widgets
history = nn.fit(model, DataLoader(Corners(), 4), nn.CrossEntropyLoss(), nn.optim.SGD(model.parameters(), lr=0.1), epochs=2)

# %% Workers
try:
    list(DataLoader(Corners(), 4, num_workers=1))
except AttributeError as error:
    print(error, *error.__notes__)
print([tuple(batch[0].shape) for batch in DataLoader(Corners(), 4, num_workers=1, multiprocessing_context="fork")])
"""


def test_figures_show_themselves_fit_has_a_bar_and_workers_know_what_a_notebook_defines(executed):
    """Without widgets, as ipywidgets is no part of the extra."""
    book = executed(NOTEBOOK)
    shown = [set(o.data) for o in outputs(book) if o.output_type in ("display_data", "execute_result")]
    assert any({"image/svg+xml", "text/html"} & kinds for kinds in shown), "the graph"
    assert any("image/png" in kinds for kinds in shown), "the figure"
    printed = "".join(o.text for o in outputs(book) if o.output_type == "stream")
    assert "epoch 2/2" in printed
    assert "define it at the top level of a module, or use multiprocessing_context='fork'" in printed
    assert "[(4, 2), (4, 2)]" in printed
