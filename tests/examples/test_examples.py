"""The main example as a user runs it: pictures and checkpoint, Ctrl-C, and the message for a wrong folder."""

from __future__ import annotations

import gzip
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="the examples draw with matplotlib: pip install -e '.[examples]'")
pytest.importorskip("tqdm", reason="the examples show progress with tqdm: pip install -e '.[examples]'")

from minigrad import nn
from minigrad.nn.data import write_idx

LENET = Path(__file__).parents[2] / "examples" / "lenet5.py"
pytestmark = pytest.mark.skipif(not LENET.exists(), reason="the examples are not here: this is an installed package's test run")


def command(*args: str) -> list[str]:
    return [sys.executable, str(LENET), *args]


def run(*args: str) -> subprocess.CompletedProcess:
    return subprocess.run(command(*args), capture_output=True, text=True, timeout=180)


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> Path:
    """A folder of idx files with a few striped images: class 0 upright, class 1 lying."""
    folder = tmp_path_factory.mktemp("digits")
    rng = np.random.default_rng(0)
    for part, n in (("train", 256), ("t10k", 64)):
        labels = rng.integers(0, 2, n).astype(np.uint8)
        stripes = np.broadcast_to(np.where(np.arange(28) // 3 % 2, 200, 0), (28, 28))
        images = np.stack([stripes if label else stripes.T for label in labels]) + rng.integers(0, 56, (n, 28, 28))
        write_idx(folder / f"{part}-images-idx3-ubyte", images.astype(np.uint8))
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", labels)
    return folder


def test_the_sample_is_learned_and_everything_is_saved(tmp_path):
    result = run("--epochs", "2", "--out", str(tmp_path / "run"))
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "LeNet-5, 61,706 parameters; 5,000 images to learn, 1,000 to test"
    accuracy = float(lines[2].split("test accuracy ")[1].split("%")[0])
    assert accuracy > 94
    state = nn.load(tmp_path / "run" / "lenet5.ckpt")
    assert state["epoch"] == 2
    assert len(state["history"]) == 2
    assert state["model"]["conv1.weight"].shape == (6, 1, 5, 5)
    import matplotlib.image

    for name in ("curves", "filters", "feature_maps", "confusion"):
        picture = matplotlib.image.imread(tmp_path / "run" / f"{name}.png")
        assert picture.shape[0] > 200
        assert picture.shape[1] > 500
        assert picture.std() > 0.02  # something is drawn


def test_a_folder_of_idx_files(digits, tmp_path):
    result = run("--data", str(digits), "--epochs", "2", "--batch-size", "16", "--augment", "--no-pictures", "--out", str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert "256 images to learn, 64 to test" in result.stdout
    assert result.stdout.splitlines()[2].split("test accuracy ")[1].startswith("100.00%")
    assert [p.name for p in tmp_path.iterdir()] == ["lenet5.ckpt"]


def test_two_runs_with_one_seed_are_equal_to_the_bit(digits, tmp_path):
    for name in "ab":
        run("--data", str(digits), "--epochs", "1", "--augment", "--no-pictures", "--seed", "5", "--out", str(tmp_path / name))
    a, b = (nn.load(tmp_path / name / "lenet5.ckpt")["model"] for name in "ab")
    for key in a:
        np.testing.assert_array_equal(np.asarray(a[key]), np.asarray(b[key]))


@pytest.mark.skipif(os.name == "nt", reason="signals of this kind are POSIX's")
def test_ctrl_c_leaves_the_checkpoint_of_the_last_epoch(digits, tmp_path):
    process = subprocess.Popen(
        command("--data", str(digits), "--epochs", "100000", "--out", str(tmp_path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it, and so would this one
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / "lenet5.ckpt").exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    epoch = nn.load(tmp_path / "lenet5.ckpt")["epoch"]
    assert out.rstrip().endswith(f"lenet5.ckpt holds epoch {epoch}")


def spoil(folder: Path, name: str, change) -> None:
    path = folder / name
    path.write_bytes(change(path.read_bytes()))


@pytest.mark.parametrize(
    ("what", "change", "message"),
    [
        ("a missing folder", lambda f: shutil.rmtree(f), "lenet5: "),
        ("a missing file", lambda f: (f / "t10k-images-idx3-ubyte").unlink(), "t10k-images-idx3-ubyte"),
        ("a truncated file", lambda f: spoil(f, "train-images-idx3-ubyte", lambda b: b[:5000]), "train-images-idx3-ubyte"),
        ("a wrong magic number", lambda f: spoil(f, "train-images-idx3-ubyte", lambda b: b"PK\3\4" + b[4:]), "train-images-idx3-ubyte"),
        ("a broken gzip", lambda f: spoil(f, "train-labels-idx1-ubyte.gz", lambda b: b[:-20]), "train-labels-idx1-ubyte.gz"),
        (
            "labels for other images",
            lambda f: spoil(f, "t10k-labels-idx1-ubyte.gz", lambda b: gzip.compress(b"\0\0\x08\x01\0\0\0\x03\0\1\0")),
            "t10k",
        ),
    ],
)
def test_what_is_wrong_with_the_data_is_told_in_one_line(digits, tmp_path, what, change, message):
    folder = tmp_path / "data"
    shutil.copytree(digits, folder)
    change(folder)
    result = run("--data", str(folder), "--out", str(tmp_path / "run"))
    assert result.returncode == 1, what
    assert result.stdout == ""
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    assert message in result.stderr
    assert not (tmp_path / "run").exists()


def test_help_explains_every_option():
    text = run("--help").stdout
    for option in re.findall(
        "--[a-z-]+", "--data --dataset --download --epochs --batch-size --lr --weight-decay --augment --seed --out --no-pictures"
    ):
        line = next(line for line in text.splitlines() if line.strip().startswith(option))
        assert line
    result = run("--epochs", "0")
    assert result.returncode == 2
    assert "0 is not a whole number above 0" in result.stderr


@pytest.mark.parametrize(
    ("example", "args", "message"),
    [
        ("lenet5", ["--lr", "-1"], "--lr: -1 is not a number above 0"),
        ("lenet5", ["--lr", "nan"], "--lr: nan is not a number above 0"),
        ("lenet5", ["--lr", "inf"], "--lr: inf is not a number above 0"),
        ("lenet5", ["--lr", "fast"], "--lr: fast is not a number above 0"),
        ("lenet5", ["--weight-decay", "-1"], "--weight-decay: -1 is not a number, 0 or above"),
        ("lenet5", ["--batch-size", "0"], "--batch-size: 0 is not a whole number above 0"),
        ("lenet5", ["--epochs", "2.5"], "--epochs: 2.5 is not a whole number above 0"),
        ("lenet5", ["--seed", "x"], "--seed: x is not a whole number, 0 or above"),
        ("mtcnn", ["--smallest", "0"], "--smallest: 0 is not a whole number above 0"),
        ("mtcnn", ["--smallest", "-20"], "--smallest: -20 is not a whole number above 0"),
        ("efficientnet", ["--top", "0"], "--top: 0 is not a whole number above 0"),
        ("pitch", ["nan"], "the network knows pitches from 32 to 1975 Hz"),
        ("tutorial", ["--epochs", "0"], "--epochs: 0 is not a whole number above 0"),
        ("tutorial", ["digits"], "unrecognized arguments: digits"),
    ],
)
def test_an_option_out_of_its_range(example, args, message, monkeypatch, capsys):
    """In this process: to import everything takes a program longer than to read its options."""
    script = LENET.with_stem(example)
    monkeypatch.setattr(sys, "argv", [str(script), *args])
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # the script sets its own
    monkeypatch.syspath_prepend(str(script.parent))
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(script), run_name="__main__")
    out, err = capsys.readouterr()
    assert ended.value.code == 2 and out == ""
    assert message in err and "Traceback" not in err


@pytest.mark.parametrize("rate", ["1e9", "1e3"])
def test_a_run_that_leaves_the_numbers_saves_none(digits, tmp_path, rate):
    result = run("--data", str(digits), "--lr", rate, "--batch-size", "8", "--epochs", "3", "--out", str(tmp_path))
    assert result.returncode == 1
    assert result.stderr.startswith("lenet5: the ") and result.stderr.count("\n") == 1, result.stderr
    assert f"a smaller --lr than {float(rate):g} may help; no epoch had ended, so nothing was saved" in result.stderr
    assert not list(tmp_path.iterdir())


def test_help_of_the_tutorial_does_not_train():
    result = subprocess.run([sys.executable, str(LENET.with_stem("tutorial")), "--help"], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0 and result.stderr == ""
    assert result.stdout.startswith("usage: tutorial.py") and "--epochs" in result.stdout and "test accuracy" not in result.stdout


@pytest.mark.skipif(os.name == "nt", reason="signals of this kind are POSIX's")
def test_ctrl_c_in_the_tutorial_is_one_line():
    process = subprocess.Popen(
        [sys.executable, "-u", str(LENET.with_stem("tutorial")), "--epochs", "100000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout.readline().startswith("epoch 1 ")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == "\ntutorial: stopped\n"


@pytest.mark.parametrize("example", ["mtcnn", "efficientnet", "pitch"])
def test_ctrl_c_in_the_other_examples_is_one_line(example):
    """Wherever it comes: here, while weights are read, for which no package is needed."""
    code = (
        f"import sys\nsys.path.insert(0, {str(LENET.parent)!r})\nsys.argv = ['{example}.py']\nimport {example}\n"
        f"def interrupted(*args):\n    raise KeyboardInterrupt\n{example}.pretrained = interrupted\n{example}.run({example}.main)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout, result.stderr) == (130, "", f"\n{example}: stopped\n")
    last = LENET.with_stem(example).read_text(encoding="utf-8").splitlines()[-2:]
    assert last == ['if __name__ == "__main__":', "    run(main)"], "this is how the script starts"


@pytest.mark.skipif(os.name == "nt", reason="no pipes of this kind")
def test_a_reader_who_leaves_is_no_failure(digits, tmp_path):
    shell = " ".join(map(repr, command("--data", str(digits), "--epochs", "3", "--no-pictures", "--out", str(tmp_path))))
    result = subprocess.run(["sh", "-c", f"{shell} | head -n 1"], capture_output=True, text=True, timeout=120)
    assert result.stderr == "" and result.stdout.startswith("LeNet-5")


PROGRAMS = sorted(path for path in LENET.parent.glob("*.py") if 'if __name__ == "__main__":' in path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_every_program_reads_its_command_line(program):
    """``--help`` says what it shows instead of running it, and a word that it does not know is refused instead of ignored."""
    helped = subprocess.run([sys.executable, str(program), "--help"], capture_output=True, text=True, timeout=60)
    assert helped.returncode == 0 and helped.stdout.startswith("usage: "), helped.stderr
    assert program.read_text(encoding="utf-8").split('"""')[1].split()[0] in helped.stdout
    wrong = subprocess.run([sys.executable, str(program), "--flat-earth"], capture_output=True, text=True, timeout=60)
    assert wrong.returncode == 2 and wrong.stdout == "" and "--flat-earth" in wrong.stderr


def test_a_negative_seed_is_refused_where_it_is_given():
    result = run("--seed", "-1")
    assert result.returncode == 2
    assert "-1 is not a whole number, 0 or above" in result.stderr
