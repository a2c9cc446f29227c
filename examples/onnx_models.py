"""Networks that others trained and stored as ONNX, read with minigrad.onnx: text in a picture, and speech in a sound.

    pip install 'minigrad-nn[onnx,plot]' && pip install --no-deps rapidocr==3.10.0 silero-vad==6.2.3   # for their networks
    python examples/onnx_models.py                     # a picture with three lines of text, a sound with vowels between noise and tones
    python examples/onnx_models.py --wav speech.wav    # 16 kHz, 16 bits, mono
    python examples/onnx_models.py --save found.png

Prints each line of text that was found, how likely each piece of the sound is speech, and how far the outputs are from those of onnxruntime, if that
is installed. The picture shows the boxes around the text, and the probability of speech over the sound.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
from command import parsed, run  # beside this file
from packages import Missing, file_of  # beside this file

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import onnx

LINES = ["Every gradient is checked.", "2 + 2 = 4, and 7 x 6 = 42", "minigrad reads ONNX"]
RATE, FRAME, BEFORE = 16_000, 512, 64  # samples per second, in a frame, and of the frame before that the network sees too
RAPIDOCR, SILERO = "--no-deps rapidocr==3.10.0", "--no-deps silero-vad==6.2.3"

# ------------------------------------------------------------------------------------------------------------------- text


def page(lines: list[str]) -> np.ndarray:
    """A picture of lines of text, (H, W, 3) from 0 to 255."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 2.56), dpi=100)
    canvas = FigureCanvasAgg(figure)
    for i, line in enumerate(lines):
        figure.text(0.06, 0.82 - 0.3 * i, line, fontsize=20, family=["DejaVu Sans", "DejaVu Serif", "DejaVu Sans Mono"][i % 3], va="center")
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def as_input(picture: np.ndarray) -> mg.Tensor:
    """A picture as the networks take it: (1, 3, H, W), from -1 to 1."""
    return mg.tensor(picture.transpose(2, 0, 1)[None].astype(np.float32) / 127.5 - 1)


def boxes(probability: np.ndarray, threshold: float = 0.3) -> list[tuple[int, int, int, int]]:
    """Boxes (top, bottom, left, right) of lines of text in a map of the probability that a pixel is inside a text.

    The network marks the inner part of a text: so a box grows by 1.6 times its area over its circumference, as in Liao et al. 2020.
    """
    mask = probability > threshold
    rows = np.flatnonzero(np.diff(np.concatenate([[False], mask.any(1), [False]]).astype(int)))
    found = []
    for top, bottom in zip(rows[::2], rows[1::2], strict=True):
        columns = np.flatnonzero(mask[top:bottom].any(0))
        left, right = int(columns[0]), int(columns[-1]) + 1
        grow = round(1.6 * (bottom - top) * (right - left) / (2 * (bottom - top + right - left)))
        height, width = mask.shape
        found.append((max(int(top) - grow, 0), min(int(bottom) + grow, height), max(left - grow, 0), min(right + grow, width)))
    return found


def read(model: Any, picture: np.ndarray, signs: list[str]) -> tuple[str, float]:
    """The text in a picture of one line, and how sure the network is: the likeliest sign of each column, repeated ones and blanks left out."""
    x = as_input(picture)
    x = F.interpolate(x, (48, max(round(48 * x.shape[3] / x.shape[2]), 48)), mode="bilinear", align_corners=False)
    with mg.no_grad():
        probability = model(x).numpy()[0]  # columns, signs
    best = probability.argmax(1)
    kept = (best != 0) & (best != np.concatenate([[0], best[:-1]]))
    return "".join(signs[i] for i in best[kept]), float(probability.max(1)[kept].mean()) if kept.any() else 0.0


# ------------------------------------------------------------------------------------------------------------------ speech


def vowel(pitch: np.ndarray, formants: list[tuple[float, float]], rng: np.random.Generator) -> np.ndarray:
    """A sung vowel: the pulses of a throat through the resonances (Hz, width in Hz) of a mouth."""
    phase = np.cumsum(pitch / RATE)
    pulses = np.diff(np.floor(phase), prepend=0.0) + 0.01 * rng.standard_normal(len(pitch))
    sound = pulses
    for frequency, width in formants:
        radius = np.exp(-np.pi * width / RATE)
        a, b = 2 * radius * np.cos(2 * np.pi * frequency / RATE), -radius * radius
        out = np.zeros_like(sound)
        for t in range(len(sound)):
            out[t] = sound[t] + a * out[t - 1] + b * out[t - 2]
        sound = out
    return sound / np.abs(sound).max()


def sounds() -> dict[str, np.ndarray]:
    """Pieces of a second each: hiss, a tone, and vowels with a moving pitch and pauses between them."""
    rng = np.random.default_rng(0)
    time = np.arange(RATE) / RATE
    spoken = []
    for k, formants in enumerate(
        [
            [(730, 90), (1090, 110), (2440, 160)],
            [(270, 60), (2290, 120), (3010, 170)],
            [(300, 60), (870, 90), (2240, 150)],
            [(530, 80), (1840, 110), (2480, 160)],
        ]
    ):
        n = RATE // 5
        pitch = 120 + 25 * np.sin(np.pi * np.arange(n) / n) - 5 * k
        spoken += [vowel(pitch, formants, rng) * np.hanning(n) ** 0.3, np.zeros(RATE // 20)]
    return {"hiss": 0.05 * rng.standard_normal(RATE), "tone": 0.3 * np.sin(2 * np.pi * 440 * time), "vowels": 0.5 * np.concatenate(spoken)}


def speech(model: Any, sound: np.ndarray) -> np.ndarray:
    """The probability of speech in each frame of 32 ms."""
    state, before, found = mg.zeros(2, 1, 128), np.zeros(BEFORE, np.float32), []
    with mg.no_grad():
        for start in range(0, len(sound) - FRAME + 1, FRAME):
            frame = np.concatenate([before, sound[start : start + FRAME].astype(np.float32)])
            probability, state = model(mg.tensor(frame[None]), state, mg.tensor(RATE))
            before = frame[-BEFORE:]
            found.append(probability.item())
    return np.array(found)


# ------------------------------------------------------------------------------------------------------------------ program


def compared(path: Path, model: Any, feed: dict[str, np.ndarray]) -> str:
    """How far the outputs are from onnxruntime's, in words."""
    if importlib.util.find_spec("onnxruntime") is None:
        return "onnxruntime is not installed to compare with"
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    theirs = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]).run(None, feed)
    with mg.no_grad():
        ours = model(**{name: mg.from_numpy(a) for name, a in feed.items()})
    off = max(float(np.abs(a.numpy() - b).max()) for a, b in zip(ours if isinstance(ours, tuple) else (ours,), theirs, strict=True))
    return f"at most {off:.0e} from onnxruntime"


def main(argv: list[str] | None = None) -> int:
    """Run; an error that the user can fix is reported in one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wav", type=Path, metavar="FILE", help="listen to this file instead")
    parser.add_argument("--save", type=Path, metavar="FILE.png", help="save a picture of what was found")
    args = parsed(parser, argv)
    try:
        files = {
            "detector": file_of("rapidocr", "models/PP-OCRv6_det_small.onnx", RAPIDOCR),
            "recogniser": file_of("rapidocr", "models/PP-OCRv6_rec_small.onnx", RAPIDOCR),
            "speech": file_of("silero_vad", "data/silero_vad.onnx", SILERO),
        }
        if importlib.util.find_spec("onnx") is None or importlib.util.find_spec("matplotlib") is None:
            raise Missing("the packages onnx and matplotlib are not there: pip install onnx matplotlib")
        models = {name: onnx.load(path) for name, path in files.items()}
        if args.wav:
            from pitch import read_wav  # beside this file

            pieces = {str(args.wav): read_wav(args.wav)}
        else:
            pieces = sounds()
    except (Missing, OSError, EOFError, ValueError) as error:
        print(f"onnx_models: {error}", file=sys.stderr)
        return 1
    picture = page(LINES)
    x = as_input(picture)
    with mg.no_grad():
        found = boxes(models["detector"](x).numpy()[0, 0])
    print(f"detector: {len(found)} lines of text, {compared(files['detector'], models['detector'], {'x': x.numpy()})}")
    signs = ["", *models["recogniser"].metadata["character"].split("\n"), " "]
    texts = []
    for top, bottom, left, right in found:
        text, sure = read(models["recogniser"], picture[top:bottom, left:right], signs)
        texts.append(text)
        print(f"recogniser: {text!r}, probability {sure:.2f}")
    line = F.interpolate(as_input(picture[:80]), (48, 320), mode="bilinear", align_corners=False)
    print(f"recogniser: {compared(files['recogniser'], models['recogniser'], {'x': line.numpy()})}")
    heard = {name: speech(models["speech"], sound) for name, sound in pieces.items()}
    for name, probability in heard.items():
        print(f"{name}: speech in {np.mean(probability > 0.5):.0%} of the frames, at most {probability.max():.2f}")
    frame = next(iter(pieces.values()))[: FRAME + BEFORE].astype(np.float32)[None]
    feed = {"input": frame, "state": np.zeros((2, 1, 128), np.float32), "sr": np.array(RATE)}
    print(f"speech: {compared(files['speech'], models['speech'], feed)}")
    if args.save:
        draw(args.save, picture, found, texts, pieces, heard)
        print(f"saved {args.save}")
    return 0


def draw(path: Path, picture: np.ndarray, found: list[tuple[int, int, int, int]], texts: list[str], pieces: dict, heard: dict) -> None:
    """Save a picture: the text with its boxes, the sound with the probability of speech."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    figure = Figure(figsize=(8, 6), layout="constrained")
    top, bottom = figure.subplots(2, 1, height_ratios=[3, 2])
    top.imshow(picture)
    for (a, b, c, d), text in zip(found, texts, strict=True):
        top.add_patch(Rectangle((c, a), d - c, b - a, fill=False, edgecolor="tab:red"))
        top.text(c, b + 14, text, color="tab:red", fontsize=9)
    top.axis("off")
    start = 0.0
    for name, sound in pieces.items():
        bottom.plot(start + np.arange(len(sound)) / RATE, sound, color="0.8", linewidth=0.5)
        bottom.plot(start + (np.arange(len(heard[name])) + 0.5) * FRAME / RATE, heard[name], color="tab:blue")
        bottom.text(start, 1.04, name, fontsize=9)
        start += len(sound) / RATE
    bottom.set(xlabel="seconds", ylabel="probability of speech", ylim=(-1, 1.2))
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    run(main)
