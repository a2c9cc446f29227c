"""Pages about networks in a browser: logits, receptive fields and templates are minigrad's, and each control does what it says."""

from __future__ import annotations

import base64
import json
import re

import numpy as np
import pytest
from browser import act, in_browser
from touching import FACE, KEY

import minigrad as mg
from minigrad import demo, nn, plots
from minigrad.demo.exported import chain
from minigrad.demo.networks import lenet
from minigrad.nn import functional as F

RNG = np.random.default_rng(0)


def seeded(model: nn.Module) -> nn.Module:
    """Weights that are the same each time, and running statistics that are no longer 0 and 1."""
    for tensor in [*model.parameters(), *model.buffers()]:
        if tensor.dtype == np.float32:
            tensor.data = mg.tensor(
                RNG.uniform(0.1, 0.5, tensor.shape).astype(np.float32) * RNG.choice([-1, 1], tensor.shape).astype(np.float32)
            )
    for name, buffer in model.named_buffers():
        if name.endswith("running_var"):
            buffer.data = mg.tensor(np.abs(buffer.numpy()))
    return model


def everything() -> nn.Module:
    """Each layer that the page knows, with options."""
    return nn.Sequential(
            nn.Sequential(nn.Conv2d(1, 4, (3, 2), stride=(1, 2), padding=(2, 1), dilation=2), nn.BatchNorm2d(4), nn.Tanh()),
            nn.Conv2d(4, 6, 3, groups=2, padding="same", bias=False), nn.LeakyReLU(0.2), nn.MaxPool2d(3, 2, 1, ceil_mode=True),
            nn.Conv2d(6, 3, 1), nn.SiLU(), nn.AvgPool2d(2, 1, 1, ceil_mode=True), nn.AvgPool2d((2, 3), stride=2, padding=1, count_include_pad=False),
            nn.ELU(0.5), nn.AvgPool2d(2, divisor_override=3, ceil_mode=True), nn.Dropout(), nn.MaxPool2d(2, 1, dilation=1, padding=1), nn.Flatten(),
            nn.LazyLinear(7), nn.BatchNorm1d(7), nn.Sigmoid(), nn.Linear(7, 6, bias=False), nn.ReLU(), nn.Identity(), nn.Linear(6, 3),
    )  # fmt: skip


def logits(page, images):
    return f"""const images = {images.tolist()};
      return images.map(x => [...answer(x.flat()).at(-1).values]);"""


@in_browser
@pytest.mark.parametrize(("make", "size"), [(lenet, (1, 28, 28)), (everything, (1, 21, 18))])
def test_the_page_s_logits_are_minigrad_s(make, size, tmp_path):
    """To 1e-5 of the largest, for random images; the model's mode is as it was."""
    with mg.no_grad():
        mg.manual_seed(0)
        model = make()
        model(mg.zeros(2, *size))
        model = model if make is lenet else seeded(model)
        page = demo.drawing(model, size=size, mean=0.2, std=0.5)
        assert model.training
        images = RNG.random((5, *size[1:])).astype(np.float32)
        expected = model.eval()(mg.tensor((images[:, None] - np.float32(0.2)) / np.float32(0.5))).numpy()
    found = np.array(act(page.html, logits(page, images), tmp_path))
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
    assert np.ptp(expected, 0).max() > 1e-3  # it depends on the image


@in_browser
def test_a_drawing_is_centred_and_answered(tmp_path):
    """The pointer, a dot, the keys, undo, clear, samples; the ink of small and large drawings fills the same box, with lines of one thickness."""
    weight = RNG.normal(size=(3, 784)).astype(np.float32)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 3))
    model[1].weight.data = mg.tensor(weight)
    found = act(
        demo.drawing(model, ["one", "two", "</script>"]).html,
        KEY
        + """const stroke = points => { points.forEach(([x, y], k) => point(at("pad"), k ? "pointermove" : "pointerdown", x, y)); point(at("pad"), "pointerup", 0, 0); };
        const start = [at("digit").textContent, at("samples").children.length, at("undo").disabled];
        const about = pixels => {
          const all = sum([...pixels]), rows_ = range(28).filter(i => range(28).some(j => pixels[i * 28 + j] > 0.02)), columns_ = range(28).filter(j => range(28).some(i => pixels[i * 28 + j] > 0.02));
          const centre = [0, 1].map(k => sum([...pixels].map((v, n) => v * ((k ? Math.floor(n / 28) : n % 28) + 0.5))) / all);
          return { all, centre, height: rows_.length, width: columns_.length, most: Math.max(...pixels) };
        };
        const large = [[0.2, 0.1], [0.8, 0.1], [0.4, 0.9]], little = large.map(p => p.map(v => 0.6 + v / 5));
        stroke(large); await frames(2); const one = about(image(state.strokes)), drawn_ = [state.strokes.length, state.sample, at("undo").disabled];
        const seven = [...outputs.at(-1).values], input = [...image(state.strokes)];
        at("undo").click(); stroke(little); await frames(2); const two = about(image(state.strokes));
        at("clear").click(); const cleared = [state.strokes.length, at("digit").textContent, sum([...image([])]), at("clear").disabled];
        stroke([[0.9, 0.1]]); await frames(2); const dot = about(image(state.strokes)); at("clear").click();
        at("pad").focus(); key(at("pad"), " "); for (const k of ["ArrowDown", "ArrowDown", "ArrowRight"]) key(at("pad"), k); key(at("pad"), " "); key(at("pad"), "ArrowUp"); await frames(2);
        const keyed = state.strokes.map(s => s.length);
        key(at("pad"), " "); at("pad").blur(); at("pad").focus(); key(at("pad"), "ArrowDown"); const lifted = [state.down, state.strokes.map(s => s.length)]; at("undo").click();  // who leaves the pad lifts the pen
        point(at("pad"), "pointerdown", 0.5, 0.5); point(at("pad"), "pointercancel", 0, 0); point(at("pad"), "pointermove", 0.6, 0.6); const cancelled = state.strokes.map(s => s.length); at("undo").click();
        at("samples").children[3].click(); const sample = [state.sample, state.strokes.length, samples[3].name];
        return {start, one, two, dot, lifted, cancelled, seven, input, drawn_, cleared, keyed, sample, face: face()};""",
        tmp_path,
        (390, 844),
    )
    assert found["start"][1:] == [10, True] and found["start"][0] in ("one", "two", "</script>")
    for ink in (found["one"], found["two"]):
        assert ink["height"] in (20, 21) and ink["width"] < 20  # the longer side; a part of a pixel more when the centre is moved
        np.testing.assert_allclose(ink["centre"], [14, 14], atol=0.05)
        assert ink["most"] <= 1
    assert found["one"]["all"] == pytest.approx(found["two"]["all"], rel=0.02)
    assert found["dot"]["all"] > 3
    np.testing.assert_allclose(found["dot"]["centre"], [14, 14], atol=0.05)
    assert found["drawn_"] == [1, None, False] and found["cleared"] == [0, "", 0, True]
    assert found["lifted"] == [False, [4, 1]] and found["cancelled"] == [4, 1]
    assert found["keyed"] == [4] and found["sample"] == [3, 0, "7"]
    x = (np.array(found["input"], np.float32) - 0.1307) / 0.3081
    np.testing.assert_allclose(found["seven"], weight @ x + model[1].bias.detach().numpy(), rtol=1e-4, atol=1e-4)
    assert found["face"] == FACE


def test_layers_that_the_page_does_not_know():
    with pytest.raises(TypeError, match=r"drawing: the page has no layer GELU \(1\)"):
        demo.drawing(nn.Sequential(nn.Conv2d(1, 1, 28), nn.GELU()))
    with pytest.raises(ValueError, match="padding_mode='circular'"):
        chain(nn.Sequential(nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular")), (1, 4, 4))
    with pytest.raises(mg.ShapeError, match=r"must return \(1, classes\), not \(1, 1, 26, 26\)"):
        demo.drawing(nn.Sequential(nn.Conv2d(1, 1, 3)))
    with pytest.raises(TypeError, match="model must be a Sequential"):
        demo.drawing(nn.Linear(2, 2))
    with pytest.raises(ValueError, match="2 names for 10 classes"):
        demo.drawing(nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), ["a", "b"])
    same = nn.Linear(4, 4)
    with pytest.raises(ValueError, match="layer 1 is used twice"):
        chain(nn.Sequential(nn.Flatten(), same, same), (1, 2, 2))


@in_browser
def test_what_a_cell_sees(tmp_path):
    """The ways that lead to a cell are minigrad's gradient of it where all weights are one and pooling adds up."""
    net = nn.Sequential(
        nn.Conv2d(1, 1, 3, stride=2, padding=1, bias=False), nn.ReLU(), nn.Conv2d(1, 1, (2, 3), dilation=(2, 1), padding=(0, 2), bias=False), nn.AvgPool2d(2, 1, divisor_override=1)
    )  # fmt: skip
    for p in net.parameters():
        p.data = mg.ones(*p.shape)
    x = mg.tensor(RNG.random((1, 1, 12, 11)).astype(np.float32), requires_grad=True)
    outputs = [net[:k](x) for k in (2, 3, 4)]
    places = [(1, 2), (0, 3), (2, 4)]
    gradients = [mg.grad(y[0, 0, i, j], x, retain_graph=True)[0].numpy()[0, 0] for y, (i, j) in zip(outputs, places, strict=True)]
    found = act(
        demo.receptive_fields(net, x.detach()[0]).html,
        KEY
        + f"""const see = (l, i, j) => {{ const found = ways(l, i, j); return [Array.from(found.counts[0]), ...found.fields[0]]; }};
        const seen = {[[k + 1, *place] for k, place in enumerate(places)]}.map(p => see(...p));"""
        + """at("shows").children[1].click(); const shown_ = [state.show, at("shows").children[1].ariaPressed];
        point(at("layer-3"), "pointerdown", 0.01, 0.01); const corner = at("now").textContent; key(at("layer-3"), "ArrowDown"); key(at("layer-3"), "ArrowRight"); const dragged_ = (point(at("layer-3"), "pointerdown", 0.01, 0.01), point(at("layer-3"), "pointermove", 0.99, 0.99), point(at("layer-3"), "pointerup", 0, 0), [state.i, state.j]); point(at("layer-3"), "pointerdown", 0.01, 0.01); point(at("layer-3"), "pointerup", 0, 0); key(at("layer-3"), "ArrowDown"); key(at("layer-3"), "ArrowRight"); const moved = [state.layer, state.i, state.j];
        key(at("layer-1"), "ArrowDown"); const other = state.layer; point(at("layer-0"), "pointerdown", 0.5, 0.5); const pixel = at("now").textContent;
        at("shows").children[0].click(); shown_.push(state.show); return {seen, shown_, corner, dragged_, moved, other, pixel, formulas: [1, 2, 3].map(l => [formula(l, 0), formula(l, 1)]), face: face()};""",
        tmp_path,
        (390, 844),
    )
    for (counts, rows, columns), gradient in zip(found["seen"], gradients, strict=True):
        np.testing.assert_array_equal(np.reshape(counts, gradient.shape), gradient)
        i, j = np.nonzero(gradient)
        assert (i.min(), i.max() + 1) == (max(rows[0], 0), min(rows[1], 12)) and (j.min(), j.max() + 1) == (
            max(columns[0], 0),
            min(columns[1], 11),
        )
    assert found["formulas"] == [[[3, 2], [3, 2]], [[7, 2], [7, 2]], [[9, 2], [9, 2]]]
    assert found["shown_"] == ["ways", "true", "values"] and found["dragged_"] == [2, 6]
    assert found["corner"] == "3, row 1, column 1: sees 9×9 of the 12×11 pixels, a part of it in the padding."
    assert found["moved"] == [3, 1, 1] and found["other"] == 1 and found["pixel"].startswith("Pixel in row 7, column 6: ")
    assert found["face"] == FACE


class Branches(nn.Module):
    """A residual block whose shortcut has a stride, two branches that are concatenated, and a gate that sees the whole image at its end."""

    def __init__(self):
        super().__init__()
        self.long = nn.Sequential(
            nn.Conv2d(1, 1, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(1), nn.ReLU(), nn.Conv2d(1, 1, 3, padding=1, bias=False)
        )
        self.short, self.wide = nn.Conv2d(1, 1, 1, stride=2, bias=False), nn.Conv2d(1, 1, (1, 5), padding=(0, 2), bias=False)

    def meet(self, x):
        x = self.long(x) + self.short(x)
        return x, mg.cat([x, self.wide(x.relu()), F.avg_pool2d(x, 3, 1, 1, divisor_override=1)], 1)

    def forward(self, x):
        y = self.meet(x)[1]
        return y * y.mean((2, 3), keepdim=True)


@in_browser
def test_what_a_cell_sees_where_branches_meet(tmp_path):
    """The sum over all ways: minigrad's gradient where all weights are one; the field is that of the branch that sees most."""
    net = Branches().eval()
    for p in net.parameters():
        p.data = mg.ones(*p.shape)
    net.long[1].eps = 0.0  # the normalisation is the identity
    x = mg.tensor(RNG.random((1, 1, 13, 12)).astype(np.float32), requires_grad=True)
    added, joined = net.meet(x)
    cells = [(added, (3, 3)), (joined, (4, 2))]
    gradients = [mg.grad(y[0, :, i, j].sum(), x, retain_graph=True)[0].numpy()[0, 0] for y, (i, j) in cells]
    found = act(
        demo.receptive_fields(net, x.detach()[0]).html,
        KEY
        + """const named = layers.map(l => l.name), see = (l, i, j) => { const found = ways(l, i, j); return [Array.from(found.counts[0]), ...found.fields[0]]; };
        const [sum, joined] = ["add", "cat"].map(n => named.indexOf(n)), other = ways(named.indexOf("short"), 1, 1);
        point(at("layer-" + sum), "pointerdown", 0.5, 0.5); const framed = layers.map((l, k) => Boolean(ways(state.layer, state.i, state.j).fields[k]));
        return {named, seen: [see(sum, 3, 3), see(joined, 4, 2)], formulas: [formula(sum, 0), formula(joined, 0), formula(joined, 1)], unseen: other.fields[named.indexOf("long.0")] === undefined,
          hint: at("layers").children[sum].textContent, framed, now: at("now").textContent};""",
        tmp_path,
        (1400, 900),
    )
    assert found["named"] == ["input", "long.0", "long.3", "short", "add", "wide", "avg_pool2d", "cat"]  # not the gate, which sees all
    for (counts, rows, columns), gradient in zip(found["seen"], gradients, strict=True):
        np.testing.assert_array_equal(np.reshape(counts, (13, 12)), gradient)
        i, j = np.nonzero(gradient)
        assert [i.min(), i.max() + 1] == [max(rows[0], 0), min(rows[1], 13)] and [j.min(), j.max() + 1] == [
            max(columns[0], 0),
            min(columns[1], 12),
        ]
    assert found["formulas"] == [[7, 2], [11, 2], [15, 2]] and found["unseen"]
    assert "takes long.3, short; 1 map of 7×6; a cell sees 7×7 pixels" in found["hint"]
    assert found["framed"] == [True] * 5 + [False] * 3 and "sees 7×7 of the 13×12 pixels" in found["now"]


def test_the_layers_of_nets_with_branches():
    mg.manual_seed(0)
    layers = page_data(demo.receptive_fields(nn.models.resnet18(), np.zeros((3, 64, 64), np.float32)))["layers"]
    names = [layer["name"] for layer in layers]
    assert len(names) == 1 + 17 + 3 + 2 + 8 and names[-1] == "avgpool"
    meeting = layers[names.index("layer2.0 add")]
    assert [names[k] for k in meeting["from"]] == ["layer2.0.conv2", "layer2.0.downsample.0"]
    layers = page_data(demo.receptive_fields(nn.models.googlenet(), np.zeros((3, 64, 64), np.float32)))["layers"]
    names = [layer["name"] for layer in layers]
    meeting = layers[names.index("inception3a cat")]
    assert [names[k] for k in meeting["from"]] == [
        f"inception3a.{n}" for n in ("branch1.conv", "branch2.1.conv", "branch3.1.conv", "branch4.1.conv")
    ]
    assert (meeting["rows"], meeting["maps"]) == (8, 256) and layers[names.index("conv1.conv")]["from"] == [0]


def page_data(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page.html, re.DOTALL)[1])


def test_models_that_see_no_windows_are_refused():
    with pytest.raises(ValueError, match="begins with neither a convolution nor a pooling"):
        demo.receptive_fields(nn.Sequential(nn.Flatten(), nn.Linear(784, 10)))
    with pytest.raises(mg.ShapeError, match=r"one image \(C, H, W\) or \(H, W\) is needed, not \(1, 1, 28, 28\)"):
        demo.receptive_fields(image=np.zeros((1, 1, 28, 28)))


def test_an_image_of_one_channel_needs_no_axis_for_it():
    image = RNG.random((28, 28)).astype(np.float32)
    assert demo.receptive_fields(image=image).html == demo.receptive_fields(image=image[None]).html


def three_classes(count):
    """Bars of three heights, with noise."""
    labels = np.arange(count) % 3
    return RNG.random((count, 6, 6)) * 0.3 + 0.7 * (np.arange(6)[:, None] // 2 == labels[:, None, None]), labels


def data_of(page):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page.html, re.DOTALL)[1])


@in_browser
def test_templates_while_they_train(tmp_path):
    train, test = three_classes(90), three_classes(30)
    before = mg.get_rng_state()
    page = demo.templates(train, test, ["top", "middle", "bottom"], epochs=4, batch_size=10, frames=8)
    assert mg.equal(mg.get_rng_state(), before)
    frames = data_of(page)["frames"]
    assert [f["step"] for f in frames] == [0, 1, 2, 3, 6, 11, 20, 36]
    assert frames[0]["accuracy"] == pytest.approx(1 / 3) and frames[0]["loss"] == pytest.approx(np.log(3)) and frames[-1]["accuracy"] == 1
    first, last = (
        np.frombuffer(base64.b64decode(f["weights"]), np.int8).reshape(3, 3, 2, 6) * f["most"] / 127 for f in (frames[0], frames[-1])
    )
    assert not first.any()
    assert last.mean((2, 3)).argmax(1).tolist() == [0, 1, 2]  # each template is bright where its class is
    x = test[0][:3].astype(np.float32).reshape(3, -1)
    np.testing.assert_allclose(np.diff(x @ last.reshape(3, -1).T, axis=0), np.diff(frames[-1]["scores"], axis=0), atol=0.05)
    found = act(
        page.html,
        KEY
        + """moves.set(0); const start = at("now").textContent; at("walk").children[2].click(); await rest(); const on = state.frame;
        at("walk").children[1].click(); await rest(); const end = [state.frame, at("now").textContent];
        at("images").children[2].click(); const bars = [...at("templates").children].map(f => [f.children[1].className, f.children[0].ariaLabel]);
        point(at("curve"), "pointerdown", 0.3, 0.5); point(at("curve"), "pointermove", 0.999, 0.5); const drawn_ = state.frame;
        at("curve").dispatchEvent(new PointerEvent("pointermove", {clientX: 0, clientY: 0, buttons: 0})); const hovered = state.frame; point(at("curve"), "pointermove", 0.001, 0.5); const back = state.frame; at("walk").children[2].click(); await rest(); at("walk").children[0].click(); const stepped = state.frame;
        const slider = at("walk").children[3]; slider.value = 5; slider.dispatchEvent(new Event("input")); const slid = state.frame;
        return {start, on, end, bars, drawn_, hovered, back, stepped, slid, face: face()};""",
        tmp_path,
        (390, 844),
    )
    assert found["start"] == "Step 0 of 36: 33.3 % of the test images are recognised; loss 1.099." and found["on"] == 1
    assert found["end"][0] == 7 and found["end"][1].startswith("Step 36 of 36: 100.0 % of")
    scores = np.exp(frames[-1]["scores"][2])
    assert [c for c, _ in found["bars"]] == ["", "", "true"]
    assert found["bars"][2][1] == f"template of class bottom, probability {100 * scores[2] / scores.sum():.1f} %"
    assert [found["drawn_"], found["hovered"]] == [7, 7]  # dragged to its end; a pointer that is not pressed moves nothing
    assert [found["back"], found["stepped"], found["slid"]] == [0, 0, 5] and found["face"] == FACE


def test_templates_check_what_they_get():
    good = three_classes(6)
    with mg.no_grad():
        assert demo.templates(good, good, epochs=1).html == demo.templates(good, good, epochs=1).html  # trained inside no_grad as well
    with pytest.raises(ValueError, match="give both train and test, or neither"):
        demo.templates(good)
    with pytest.raises(mg.ShapeError, match=r"train must be images \(N, H, W\) and classes \(N,\), not \(6, 6, 6\) and \(5,\)"):
        demo.templates((good[0], good[1][:5]), good)
    with pytest.raises(TypeError, match="classes of test must be integers, but are float64"):
        demo.templates(good, (good[0], good[1] * 1.0))
    with pytest.raises(ValueError, match="2 names for 3 classes"):
        demo.templates(good, good, ["a", "b"])


@in_browser
def test_all_maps_of_a_network(tmp_path):
    """The viewer of plots has what all pages have, and its keys go from map to map and from layer to layer."""
    model = seeded(nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2)))
    page = plots.map_viewer(
        model, {"first": RNG.random((1, 8, 8)).astype(np.float32), "second": RNG.random((1, 8, 8)).astype(np.float32)}, ["0", "2"]
    )
    found = act(
        page.html,
        KEY
        + """const settled = async () => { for (let k = 0; k < 5; k++) await new Promise(r => setTimeout(r, 5)); };
        await settled(); const start = [at("title").textContent, at("about").textContent, at("which").textContent];
        key(document.body, "ArrowRight"); key(document.body, "ArrowDown"); await settled(); const keyed = [at("about").textContent, at("which").textContent];
        at("maps").children[2].click(); at("images").children[1].click(); await settled(); const clicked = at("which").textContent, before = at("large").toDataURL();
        at("mix").value = 0; at("mix").oninput(); await settled(); const mixed_ = before !== at("large").toDataURL(), faces = face(); await settled();
        key(document.body, "ArrowUp"); key(document.body, "ArrowLeft"); await settled(); const backwards = at("which").textContent; key(document.body, "ArrowDown"); await settled();
        at("maps").children[1].click(); await settled(); const filter_ = [at("filter").textContent, [...filters["2"].values].slice(9, 18), document.querySelectorAll("#maps canvas.filter").length], corner = (() => {
          const c = document.querySelectorAll("#maps canvas.filter")[1], large = at("filter").querySelector("canvas"); return [c.width, c.height, c.toDataURL() === large.toDataURL()]; })();
        at("layers").children[0].click(); await settled(); const layer = [at("about").textContent, at("layers").children[0].ariaPressed], maps_ = at("maps").children[0].getBoundingClientRect().width;
        return {start, keyed, clicked, backwards, layer, maps_, mixed_, filter_, corner, face: faces};""",
        tmp_path,
        (390, 844),
    )
    assert found["start"] == ["What each layer sees", "0: 3 maps of 6×6", "first, 0, map 0"]
    assert found["keyed"] == ["2: 3 maps of 3×3", "first, 2, map 1"]
    assert found["layer"] == ["0: 3 maps of 6×6", "true"]
    assert found["maps_"] > 110  # three beside one another fill a telephone's width
    assert found["clicked"] == "second, 2, map 2" and found["mixed_"]
    assert found["backwards"] == "second, 0, map 1"
    weight = model[0].weight.detach().numpy()[1, 0]
    most = f"{np.abs(weight).max():.2g}"
    assert found["filter_"][0] == f"filter 1: 3×3, from −{most} (blue) to {most} (red)" and found["filter_"][2] == 3
    np.testing.assert_allclose(np.reshape(found["filter_"][1], (3, 3)), weight / np.abs(weight).max() * 127, atol=0.5)
    assert found["corner"] == [3, 3, True]
    assert found["face"] == FACE


def test_maps_have_the_filters_that_answer_in_them():
    """Those of the convolution itself, or of the one before in a chain that keeps maps apart; a sum of branches and a transposed one have none."""
    chain_ = nn.Sequential(nn.Conv2d(3, 4, 3, groups=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 2, 1), nn.Softmax(1))
    model = nn.Sequential(chain_, nn.ConvTranspose2d(2, 2, 3), nn.Sequential(nn.Conv2d(2, 5, 3), nn.Tanh()))
    page = plots.map_viewer(
        model, {"a": RNG.random((3, 12, 12)).astype(np.float32)}, ["0.0", "0.1", "0.3", "0.4", "0.5", "0", "1", "2", "2.1"], most=3
    )
    found = {layer: f and f["shape"] for layer, f in data_of(page)["filters"].items()}
    assert found == {
        "0.0": [3, 3, 3, 3], "0.1": [3, 3, 3, 3], "0.3": [3, 3, 3, 3], "0.4": [2, 4, 1, 1], "0.5": None, "0": None, "1": None, "2": [3, 2, 3, 3],
        "2.1": [3, 2, 3, 3],
    }  # fmt: skip
    weight, first = chain_[0].weight.detach().numpy()[:3], data_of(page)["filters"]["0.3"]
    values = np.frombuffer(base64.b64decode(first["values"]), np.int8).reshape(3, 3, 3, 3) * np.reshape(first["bright"], (3, 1, 1, 1))
    np.testing.assert_allclose(values, weight, atol=np.abs(weight).max() / 127)
