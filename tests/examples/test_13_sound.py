"""Chapter 13: a convolution with cosines and sines is the spectrogram; a hidden Markov model corrects a network; a time-delay net moves with time."""

import wave
from pathlib import Path

import numpy as np

import minigrad as mg
from minigrad.nn import hmm


def test_sound(chapter):
    names = chapter("13_sound", "--sentences", "20", "--tests", "2", "--epochs", "10")
    assert names["same"] < 1e-5
    result = names["result"]
    assert len(result) == 9
    assert result["CNN", 0.1][0] > 0.9 and result["time-delay network", 0.1][0] > 0.75
    assert all(joint <= alone for _, alone, joint in result.values())
    assert sum(alone - joint for _, alone, joint in result.values()) > 100
    assert result["CNN", 0.1][2] <= 15

    # a path goes through whole words, with silence between, and no allowed path of the sentence has a higher score
    _, sound, bands, letters = names["tests"][0.1][0]
    scores, path = names["hear"](names["networks"]["CNN"], bands)
    emissions, moves = (scores - names["prior"])[:, names["letter_of"]], names["transitions"]
    best = hmm.viterbi(emissions, moves, names["initial"])[1].item()
    assert np.isfinite(best) and set(names["words_of"](path)) <= set(names["WORDS"])
    np.testing.assert_allclose(best, emissions[np.arange(len(path)), path].sum() + moves[path[:-1], path[1:]].sum(), rtol=1e-4)
    np.testing.assert_allclose(np.exp(moves).sum(1), 1)
    assert len(sound) // 80 + 1 == bands.shape[1] == len(letters) and set(letters) <= set(range(6))

    # heard 100 ms later, the same scores 100 ms later (away from the ends)
    net = names["networks"]["time-delay network"]
    with mg.no_grad():
        y, later = net(bands[None, :, :60]), net(mg.nn.functional.pad(bands[None, :, :60], (10, 0)))
    np.testing.assert_allclose(later[:, :, 18:62].numpy(), y[:, :, 8:52].numpy(), atol=1e-5)

    assert (
        names["errors"](["ao", "ie"], ["ao", "ue", "ie"]) == 1 and names["errors"]([], ["ai"]) == 1 and names["errors"](["a"], ["ai"]) == 1
    )
    with wave.open(str(Path(names["chapter"].out, "voice.wav"))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 8000) and file.getnframes() > 4000
