"""Chapter 13, WaveNet: it learns to play at the right pitch, and looks back as far as its layers say and never ahead."""

import wave
from pathlib import Path

import numpy as np


def test_wavenet(chapter):
    names = chapter("13_wavenet", "--notes", "2", "--steps", "130", "--channels", "16", "--samples", "320", "--length", "320")
    assert names["losses"][-1] < 0.5 * names["losses"][0]
    assert abs(names["cents"]).max() < 50  # nearer to its note than to any other
    assert names["model"].receptive_field == 129  # 1 + 1 + (1 + 2 + 4 + ... + 64)
    assert (names["differs"].min(), names["differs"].max()) == (0, 128)

    # what it learns from: the note at its pitch, after silence or another pitch
    spectrum = abs(np.fft.rfft(names["instrument"](500.0, 4000, 0)))
    assert spectrum.argmax() == 500 and spectrum[1000] > 0.2 * spectrum[500]
    starts = [names["instrument"](500.0, 256, 128) for _ in range(20)]
    assert 0 < sum(abs(sound[:128]).max() < 0.1 for sound in starts) < 20
    with wave.open(str(Path(names["chapter"].out, "scale.wav"))) as file:
        samples = np.frombuffer(file.readframes(2 * 320), "<i2") / 32767
    np.testing.assert_allclose(samples, names["played"].ravel() / abs(names["played"]).max() * 0.9, atol=1e-4)
