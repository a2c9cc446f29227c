"""The stand-in for PyTorch: it replays the library's recorded results, and detects a step that was not recorded."""

import answers
import numpy as np
import pytest


class Library:
    """Stands for PyTorch: objects with state, callbacks, errors."""

    def __init__(self):
        self.total = 0.0

    def add(self, array, function=abs):
        self.total += float(array.sum())
        return self if function is abs else function(Several(array * 2))

    def refuse(self):
        raise ValueError("no")

    def __array__(self, dtype=None, copy=None):
        return np.array([[self.total, np.inf], [np.nan, -0.0]])


class Several:
    def __init__(self, array):
        self.array = array


def session(library, numbers=(1.0, 2.0)):
    """What a test might do."""
    x = library.add(np.array(numbers))
    seen = [x.total, np.asarray(x).tolist(), x is library.add(np.zeros(2))]
    seen.append(library.add(np.ones(40), lambda several: several.array.sum() * 2))
    with pytest.raises(ValueError, match="no"):
        library.refuse()
    return repr(seen)


@pytest.fixture
def recorded(monkeypatch):
    """What the session saw with the library, and the steps of its tape."""
    monkeypatch.setattr(answers, "LIVE", True)
    tape = answers.Tape("here")
    monkeypatch.setattr(answers, "_running", [tape])
    return session(answers.StandIn(Library())), tape.steps


def replay(monkeypatch, steps, numbers=(1.0, 2.0)):
    monkeypatch.setattr(answers, "LIVE", False)
    monkeypatch.setattr(answers, "_running", [answers.Tape("here", steps)])
    return session(answers.StandIn(None), numbers)


def test_a_tape_answers_as_the_library_did(recorded, monkeypatch):
    seen, steps = recorded
    assert "160.0" in seen
    assert replay(monkeypatch, steps) == seen


def test_files_of_tapes(recorded, monkeypatch, tmp_path):
    seen, steps = recorded
    monkeypatch.setattr(answers, "FOLDER", tmp_path)
    monkeypatch.setattr(answers.importlib, "import_module", lambda name: type("torch", (), {"__version__": "9.9+cpu"}))
    answers.save({"test_x.xz": {"test_a": steps}})
    answers.save({"test_x.xz": {"test_b": steps[:3]}})
    stored = answers.load(tmp_path / "test_x.xz")
    assert stored["torch"] == "9.9" and list(stored["tapes"]) == ["test_a", "test_b"]
    answers.compare("here", stored["tapes"]["test_a"], steps)
    assert replay(monkeypatch, stored["tapes"]["test_a"]) == seen


@pytest.mark.parametrize(
    ("numbers", "cut", "message"),
    [
        ((1.0, 2.5), None, "the tape has .*3.0.*the test .*3.5"),
        ((1.0, 2.0, 0.0), None, r"\[3\]"),
        ((1.0, 2.0), 5, "asks more than its tape holds"),
    ],
)
def test_another_step_is_an_error(recorded, monkeypatch, numbers, cut, message):
    _, steps = recorded
    with pytest.raises(answers.OutOfStep, match=message):
        replay(monkeypatch, steps[:cut], numbers)


def test_no_tape(monkeypatch):
    with pytest.raises(answers.OutOfStep, match=r"no answers are stored for here: .*--record-answers"):
        replay(monkeypatch, None)


def test_stored_answers_that_are_no_longer_true(recorded):
    _, steps = recorded
    other = [list(s) for s in steps]
    place = next(i for i, s in enumerate(steps) if isinstance(s[2], float))
    other[place][2] = steps[place][2] * (1 + 1e-9)  # another machine
    answers.compare("here", other, steps)
    other[place][2] = steps[place][2] * 1.001
    with pytest.raises(AssertionError, match=rf"step {place}: .*record again"):
        answers.compare("here", other, steps)
    with pytest.raises(AssertionError, match="record them again"):
        answers.compare("here", steps[:-1], steps)


def test_what_was_drawn_is_tried_again(monkeypatch):
    """Whatever is drawn now: the tape has its own."""
    monkeypatch.setattr(answers, "LIVE", True)
    tape = answers.Tape("here")
    monkeypatch.setattr(answers, "_running", [tape])
    found = []
    answers.on_drawn(lambda test: [test(answers.Call((np.arange(3), slice(1, None), ...), {"dim": n})) for n in (1, 2)], found.append)
    monkeypatch.setattr(answers, "LIVE", False)
    monkeypatch.setattr(answers, "_running", [answers.Tape("here", tape.steps)])
    again = []
    answers.on_drawn(lambda test: test(3), again.append)
    assert repr(again) == repr(found) and len(again) == 2


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int64", "bool"])
@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (7, 9)])
def test_arrays_are_stored_to_their_last_but_12_bits(dtype, shape):
    array = np.random.default_rng(0).normal(size=shape).astype(dtype)
    if array.size > 3:
        array.flat[1:3] = (np.inf, np.nan) if array.dtype.kind == "f" else 1
    back = answers.unpacked(answers.packed(array))
    assert back.dtype == dtype and back.shape == shape
    np.testing.assert_allclose(back, array, rtol=5e-13 if array.size > 32 and dtype == "float64" else 0)
