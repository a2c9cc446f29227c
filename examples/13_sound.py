"""Chapter 13. Sound: a convolution over samples is a spectrogram; networks over spectrograms hear vowels; a hidden Markov model makes words of them.

python examples/13_sound.py                     # 150 made sentences
python examples/13_sound.py --sentences 1500    # ten times as many
"""

# %% A chord, and filters that are windowed cosines and sines: 129 frequencies, 31.25 Hz apart
from itertools import pairwise

import numpy as np
from chapter import Chapter, table

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn, plots
from minigrad.nn import hmm
from minigrad.nn.data import DataLoader, TensorDataset

chapter = Chapter("13_sound", __doc__, epochs=8, sentences=150, tests=20, least={"sentences": 10})

RATE, WINDOW, HOP = 8000, 256, 80  # samples per second, in a window, and from one window to the next (10 ms)
time = mg.arange(RATE) / RATE
chord = sum(mg.sin(2 * mg.pi * f * time) * (time > start) for f, start in ((440, 0.0), (554.37, 0.25), (659.26, 0.5)))
angles = 2 * mg.pi * mg.arange(WINDOW // 2 + 1)[:, None] * mg.arange(WINDOW) / WINDOW
waves = mg.cat([angles.cos(), -angles.sin()])
filters = (mg.hann_window(WINDOW) * waves)[:, None]  # 258 1 256: a layer's weight

# %% Their squared outputs, the cosine's and the sine's, are the power of each frequency
padded = F.pad(chord[None], (WINDOW // 2, WINDOW // 2), mode="reflect")
cosines, sines = F.conv1d(padded[None], filters, stride=HOP)[0].chunk(2)
power = cosines**2 + sines**2
same = (power - nn.Spectrogram(WINDOW, hop_length=HOP)(chord)).abs().max() / power.max()
print(f"convolution against Fourier transform: {same.item():.0e} of the maximum")
decibels = nn.AmplitudeToDB(top_db=60.0)
chapter.save("chord.png", plots.timeline({"chord": chord, "power, dB": decibels(power[:48])}, 1.0, highest={"power, dB": 1500.0}))

# %% A voice: each pulse of the vocal cords sets three resonances ringing, whose frequencies make the vowel
VOWELS = {"a": (750, 1200, 2500), "i": (290, 2250, 3000), "u": (330, 1300, 2300), "e": (480, 1950, 2600), "o": (470, 850, 2500)}  # Hz
LETTERS = "-" + "".join(VOWELS)  # - is silence
WORDS = ["ai", "ao", "aoi", "au", "ea", "ie", "oi", "ou", "ue", "uo"]  # love, blue, (is) blue, meet, air, house, nephew, chase, above, fish
rng = np.random.default_rng(chapter.seed)
smooth = np.hanning(60 * RATE // 1000)  # the mouth needs 60 ms to move


def glide(values):
    return np.convolve(np.pad(values, len(smooth) // 2, mode="edge"), smooth / smooth.sum(), "same")[len(smooth) // 2 :][: len(values)]


def say(letters, noise):
    """The samples, and the letter's number at each sample; the speaker's size, pitch and pace are random."""
    spoken = np.repeat([LETTERS.index(c) for c in letters], rng.integers(RATE * 0.09, RATE * 0.18, len(letters)))
    t = np.arange(len(spoken)) / RATE
    pitch = rng.uniform(90, 250) * 2 ** (0.15 * np.sin(2 * np.pi * rng.uniform(1, 3) * t + rng.uniform(0, 6)))
    pulses = np.flatnonzero(np.diff(np.floor(np.cumsum(pitch) / RATE)))
    ring, size, sound = np.arange(200) / RATE, rng.uniform(0.88, 1.15), np.zeros(len(spoken) + 200)
    loud = glide((spoken > 0) * 1.0)[pulses]
    for k, (width, gain) in enumerate(((70, 1.0), (90, 0.6), (140, 0.3))):
        resonance = size * glide(np.array([0, *(f[k] for f in VOWELS.values())])[np.where(spoken > 0, spoken, 1)])[pulses]
        rings = gain * np.exp(-np.pi * width * ring) * np.sin(2 * np.pi * resonance[:, None] * ring)
        np.add.at(sound, pulses[:, None] + np.arange(200), loud[:, None] * rings)
    sound = sound[: len(spoken)] / sound.std()
    return (sound + noise * rng.standard_normal(len(sound))).astype(np.float32), spoken


# %% What the networks see: 24 bands that are as wide as the ear's, every 10 ms
mel = nn.Sequential(nn.MelSpectrogram(RATE, n_fft=WINDOW, hop_length=HOP, n_mels=24), nn.AmplitudeToDB())


def sentence(noise, words=4):
    """The words, the sound, its bands (24, T) and the letter's number in each window (T,)."""
    chosen = list(rng.choice(WORDS, words))
    sound, spoken = say("-" + "-".join(chosen) + "-", noise)
    bands = (mel(mg.tensor(sound)) - 15) / 15
    return chosen, sound, bands, spoken[np.minimum(np.arange(bands.shape[1]) * HOP, len(spoken) - 1)]


_, sound, bands, letters = sentence(noise=0.02, words=3)
chapter.hear("voice.wav", sound, RATE)
seconds = len(sound) / RATE
spectrum = decibels(nn.Spectrogram(WINDOW, hop_length=HOP)(mg.tensor(sound)))
chapter.save("voice.png", plots.timeline({"sound": sound, "power, dB": spectrum, "24 bands": bands, "letters": letters}, seconds,
                                         names={"letters": LETTERS}, highest={"power, dB": RATE / 2}))  # fmt: skip

# %% Three networks, all from bands (N, 24, T) to scores of the letters (N, 6, T)
NOISES = (0.1, 1.0, 2.0)  # of the voice's loudness
made = [sentence(rng.uniform(0.05, 1.0)) for _ in range(chapter.sentences)]
pieces = mg.cat([bands for _, _, bands, _ in made], 1), np.concatenate([letters for *_, letters in made])
count = len(pieces[1]) // 64
data = [pieces[0][:, : count * 64].reshape(24, count, 64).transpose(0, 1), mg.tensor(pieces[1][: count * 64].reshape(count, 64))]
train = DataLoader(TensorDataset(*data), 16, shuffle=True)
mg.manual_seed(chapter.seed)
networks = {
    "window by window": nn.Sequential(nn.Conv1d(24, 40, 1), nn.ReLU(), nn.Conv1d(40, 6, 1)),
    "time-delay network": nn.Sequential(
        nn.Conv1d(24, 40, 3, padding=1), nn.ReLU(), nn.Conv1d(40, 40, 3, padding=2, dilation=2), nn.ReLU(),
        nn.Conv1d(40, 40, 3, padding=4, dilation=4), nn.ReLU(), nn.Conv1d(40, 6, 1),
    ),
    "CNN": nn.Sequential(
        nn.Unflatten(1, (1, 24)), nn.Conv2d(1, 12, 5, padding=(0, 2)), nn.ReLU(), nn.MaxPool2d((2, 1)),
        nn.Conv2d(12, 24, 5, padding=(0, 2)), nn.ReLU(), nn.MaxPool2d((2, 1)), nn.Flatten(1, 2), nn.Conv1d(72, 6, 5, padding=2),
    ),
}  # fmt: skip
for name, network in networks.items():
    print(name)
    nn.fit(network, train, nn.CrossEntropyLoss(), nn.optim.Adam(network.parameters(), lr=3e-3), epochs=chapter.epochs)

# %% The hidden Markov model of a sentence: a state for silence and for each letter of each word; a state stays, or goes on
states = [("-", "-", False)] + [(word, letter, i == 0) for word in WORDS for i, letter in enumerate(word)]
stay, go = np.log(0.92), np.log(0.08)
transitions = np.full((len(states),) * 2, -np.inf)
for i, (word, _, _) in enumerate(states):
    transitions[i, i] = stay
    last = i + 1 == len(states) or states[i + 1][0] != word
    if i == 0:
        transitions[0, [j for j, (_, _, begins) in enumerate(states) if begins]] = go - np.log(len(WORDS))
    else:
        transitions[i, 0 if last else i + 1] = go
initial = np.where(np.arange(len(states)) == 0, 0.0, -np.inf)
prior = np.log(np.bincount(pieces[1], minlength=6) / len(pieces[1]))
letter_of = [LETTERS.index(letter) for _, letter, _ in states]


def hear(network, bands):
    """log p(letter | sound) (T, 6), and the likeliest path of states (T,)."""
    with mg.no_grad():
        scores = F.log_softmax(network(bands[None]), 1)[0].T.numpy()
    path, _ = hmm.viterbi((scores - prior)[:, letter_of], transitions, initial)
    return scores, path.numpy()


def words_of(path):
    return [states[b][0] for a, b in pairwise(path) if a != b and states[b][2]]


def spelled(scores):
    """Without the model: the best letter of each window, each run once, divided at silences."""
    best = scores.argmax(1)
    return "".join(LETTERS[b] for a, b in zip([0, *best], best, strict=False) if a != b).strip("-").split("-")


def errors(heard, said):
    """Words to insert, delete and replace (Levenshtein's distance)."""
    row = list(range(len(said) + 1))
    for i, word in enumerate(heard, 1):
        before, row = row, [i]
        for j, other in enumerate(said, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (word != other)))
    return row[-1]


# %% The result: windows told right, and wrong words in a hundred, without and with the model
tests = {noise: [sentence(noise) for _ in range(chapter.tests)] for noise in NOISES}
result = {}
for name, network in networks.items():
    for noise, sentences in tests.items():
        heard = [(hear(network, bands), words, letters) for words, _, bands, letters in sentences]
        right = float(np.mean(np.concatenate([scores.argmax(1) == letters for (scores, _), _, letters in heard])))
        said = sum(len(words) for _, words, _ in heard)
        alone = 100 * sum(errors(spelled(scores), words) for (scores, _), words, _ in heard) / said
        joint = 100 * sum(errors(words_of(path), words) for (_, path), words, _ in heard) / said
        result[name, noise] = (right, alone, joint)
table([["network", "noise", "windows right", "wrong words, alone", "with the model"]] + [[*key, *row] for key, row in result.items()])

# %% A sentence in noise that is twice as loud as the voice
words, sound, bands, letters = tests[2.0][0]
scores, path = hear(networks["CNN"], bands)
chapter.hear("noise.wav", sound, RATE)
rows = {"sound": sound, "24 bands": bands, "p(letter)": np.exp(scores.T), "best letter": scores.argmax(1),
        "Viterbi": path, "said": letters}  # fmt: skip
shown = {"p(letter)": LETTERS, "best letter": LETTERS, "Viterbi": [letter for _, letter, _ in states], "said": LETTERS}
chapter.save(
    "noise.png", plots.timeline(rows, len(sound) / RATE, names=shown, title=f"said: {' '.join(words)}; heard: {' '.join(words_of(path))}")
)
