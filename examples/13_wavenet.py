"""Chapter 13, second part. WaveNet: a network that predicts the next sample of a sound plays an instrument.

python examples/13_wavenet.py                            # 300 steps, then a scale
python examples/13_wavenet.py --steps 2000 --channels 48
"""

# %% A made instrument: up to four overtones
import numpy as np
from chapter import Chapter, table
from tqdm import tqdm

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn, plots
from minigrad.nn.models import WaveNet, mu_law_decode, mu_law_encode

chapter = Chapter("13_wavenet", __doc__, steps=300, channels=24, samples=2400, notes=8, length=640, least={"channels": 2, "samples": 300})

RATE, LEVELS, BEFORE = 4000, 64, 128
SCALE = {"C4": 261.63, "D4": 293.66, "E4": 329.63, "F4": 349.23, "G4": 392.0, "A4": 440.0, "B4": 493.88, "C5": 523.25}  # Hz
NOTES = dict(list(SCALE.items())[-chapter.notes :])
rng = np.random.default_rng(chapter.seed)


def instrument(frequency, samples, before=0):
    """The note; ``before`` it so many samples of silence, or of another pitch: a player who is off must learn to come back."""
    now = np.arange(samples) < before
    phase = 2 * np.pi * (np.cumsum(frequency * np.where(now, rng.uniform(0.6, 1.6), 1)) / RATE + rng.random())
    wave = sum(np.sin(k * phase) / k for k in range(1, 5) if k * frequency < RATE / 2)
    wave = wave / np.abs(wave).max() * np.where(now, 0.9 * rng.integers(2), 0.9)
    return (wave + 0.01 * rng.standard_normal(samples)).astype(np.float32)


# %% The network: seven layers, whose convolutions look 1, 2, 4, ... 64 samples back; a row of `every` says which note to play
mg.manual_seed(chapter.seed)
width = dict.fromkeys(("residual", "gated", "skip"), chapter.channels)
model = WaveNet(LEVELS, layers=7, blocks=1, **width, conditions=len(NOTES))
every = mg.eye(len(NOTES))
print(nn.summary(model, input_data=(mg.zeros(len(NOTES), chapter.length, dtype=mg.int64), every), depth=1))

# %% How far back it looks: change one sample, and see which predictions change
sound = mg.randint(LEVELS, (1, 3 * model.receptive_field))
changed = sound.clone()
changed[0, model.receptive_field] = (sound[0, model.receptive_field] + 1) % LEVELS
with mg.no_grad():
    differs = (model(sound, every[:1]) != model(changed, every[:1])).any(1)[0].nonzero().flatten() - model.receptive_field
print(f"a sample changes the predictions from {differs.min().item()} to {differs.max().item()} samples later")

# %% Training: all notes at once, every sample from those before it
optimizer = nn.optim.Adam(model.parameters(), lr=1e-2)
scheduler = nn.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=chapter.steps)
losses = []
for _ in tqdm(range(chapter.steps), desc="training", leave=False, disable=None):
    sounds = np.stack([instrument(frequency, chapter.length + 1, BEFORE) for frequency in NOTES.values()])
    levels = mu_law_encode(sounds, LEVELS)
    loss = F.cross_entropy(model(levels[:, :-1], every)[:, :, BEFORE - 1 :], levels[:, BEFORE:])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
    losses.append(loss.item())
steps = np.arange(1, chapter.steps + 1)
chapter.save("training.png", plots.lines(steps, {"loss": losses}, "step", "cross-entropy of a sample", log=True), dpi=80)

# %% Playing: a sample at a time from silence, each drawn from the network's probabilities
played = mu_law_decode(model.generate(chapter.samples, every), LEVELS).numpy()
chapter.hear("scale.wav", played.ravel(), RATE)

# %% The result: the pitch of each note, from its spectrum
tail = played[:, chapter.samples // 6 :]
fine = np.abs(np.fft.rfft(tail * np.hanning(tail.shape[1]), 1 << 16))
heard = fine.argmax(1) * RATE / (1 << 16)
cents = 1200 * np.log2(heard / np.array(list(NOTES.values())))  # hundredths of a semitone
table([["note", "Hz", "played", "cents off"]] + [
    [name, frequency, float(pitch), float(off)] for (name, frequency), pitch, off in zip(NOTES.items(), heard, cents, strict=True)
])  # fmt: skip
spectrum = nn.AmplitudeToDB(top_db=60.0)(nn.Spectrogram(256, hop_length=64)(mg.tensor(played.ravel())))
rows = {"played": played.ravel(), "power, dB": spectrum, "note": np.repeat(np.arange(len(NOTES)), 100)}
chapter.save("scale.png", plots.timeline(rows, played.size / RATE, names={"note": list(NOTES)}, highest={"power, dB": RATE / 2}))

# %% The instrument and the network, a tenth of a second of one note
number = 2 * len(NOTES) // 3
name = list(NOTES)[number]
real = mu_law_decode(mu_law_encode(instrument(NOTES[name], 400), LEVELS), LEVELS)
both = {"the instrument": real, "the network": played[number, -400:]}
chapter.save("one-note.png", plots.timeline(both, 400 / RATE, title=f"{name}, {NOTES[name]:g} Hz"))
