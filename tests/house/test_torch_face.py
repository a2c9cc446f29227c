"""The face ``minigrad.torch``: names of PyTorch that are there come from their rooms, and the others say what to use instead."""

import ast
import importlib
import pickle
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import minigrad as mg
import minigrad.torch
import minigrad.torchvision
from minigrad import absent, distributions, nn

ROOT = Path(__file__).parents[2]
FACES = sorted(name for name in sys.modules if re.match(r"minigrad\.torch(vision)?(\.|$)", name))
CHECKOUT = pytest.mark.skipif(not (ROOT / "docs").exists(), reason="the sources are not beside the tests (an installed wheel is tested)")


WEIGHT = mg.ones(2, 1).requires_grad_()
CLASSES = {  # an object of ours for each class in the table
    "torch.Tensor": WEIGHT,
    "torch.dtype": mg.float32,
    "torch.Size": WEIGHT.shape,
    "torch.Generator": mg.Generator(),
    "torch.autograd.graph.Node": (WEIGHT * 2).grad_fn,
    "torch.nn.Module": nn.Linear(1, 1),
    "torch.jit.ScriptModule": nn.Linear(1, 1),
    "torch.nn.RNNBase": nn.LSTM(1, 1),
    "torch.nn.MultiheadAttention": nn.MultiheadAttention(2, 1),
    "torch.nn.utils.rnn.PackedSequence": nn.utils.rnn.pack_padded_sequence(mg.ones(2, 1, 1), [2]),
    "torch.optim.Optimizer": nn.optim.SGD([WEIGHT], 0.1),
    "torch.optim.lr_scheduler.LRScheduler": nn.optim.lr_scheduler.LinearLR(nn.optim.SGD([WEIGHT], 0.1)),
    "torch.utils.data.DataLoader": nn.data.DataLoader([1, 2]),
    "torch.utils.data.dataloader._BaseDataLoaderIter": iter(nn.data.DataLoader([1, 2])),
    "torch.utils.hooks.RemovableHandle": WEIGHT.register_hook(lambda g: None),
    "torch.profiler.profile": mg.profiler.profile(),
    "torch.utils.tensorboard.SummaryWriter": object.__new__(minigrad.torch.utils.tensorboard.SummaryWriter),  # without its files
    "torch.utils.data.ConcatDataset": nn.data.ConcatDataset([[1]]),
    "torch.no_grad": mg.no_grad(),
    "torch.distributions.Distribution": distributions.Normal(0.0, 1.0),
    "torch.distributions.transforms.Transform": distributions.transforms.ExpTransform(),
}


def theirs(face):
    return face.removeprefix("minigrad.")


def ours(key):
    return CLASSES[key] if key in CLASSES else sys.modules.get(f"minigrad.{key}")


def offered(module):
    """The public names of a module of PyTorch: those that it lists, or else defines, itself or below; all that are PyTorch's at the top."""
    for name in getattr(module, "__all__", dir(module)):
        value = getattr(module, name)
        with warnings.catch_warnings(action="ignore"):  # torch.distributed.reduce_op says that it is old
            home = getattr(value, "__module__", None) or module.__name__
        if (
            name[0] != "_"
            and type(value).__name__ not in ("module", "str", "bool", "TypeVar")
            and f"{home}.".startswith(f"{module.__name__}.")
        ):
            yield name


@pytest.mark.parametrize("face", FACES)
def test_it_holds_names_only(face):
    """No function, class or call but the one that makes missing names speak; flags are plain constants."""
    body = ast.parse(Path(sys.modules[face].__file__).read_text(encoding="utf-8")).body
    rest = [
        node
        for node in body
        if not isinstance(node, (ast.Import, ast.ImportFrom)) and not isinstance(getattr(node, "value", None), ast.Constant)
    ]
    assert [ast.unparse(node) for node in rest] in ([], ["absent.answer_for(__name__)"])


@pytest.mark.live
@pytest.mark.parametrize("face", [f for f in FACES if f.startswith("minigrad.torch.") or f == "minigrad.torch"])
def test_every_name_of_pytorch_is_there_or_in_the_table(face):
    module = importlib.import_module(theirs(face))
    missing = [n for n in offered(module) if not hasattr(sys.modules[face], n) and absent.advice(theirs(face), n) is None]
    assert missing == []


@pytest.mark.live
@pytest.mark.parametrize("face", [f for f in FACES if f.startswith("minigrad.torch.") or f == "minigrad.torch"])
def test_no_name_of_pytorch_is_refused_without_a_word(face):
    """Not even one that a module of PyTorch only imports: each is there, or the error says more than that it is not."""
    silent = []
    for name in dir(importlib.import_module(theirs(face))):
        try:
            getattr(sys.modules[face], name)
        except AttributeError as error:
            if name[0] != "_" and "': " not in str(error):
                silent.append(name)
    assert silent == []


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("torch.Linear", "module 'minigrad.torch' has no attribute 'Linear': it is in torch.nn"),
        ("torch.nn.Tensor", "module 'minigrad.torch.nn' has no attribute 'Tensor': it is in torch"),
        (
            "torch.utils.data.dataset.math",
            "module 'minigrad.torch.utils.data.dataset' has no attribute 'math': it is Python's; import it from there",
        ),
        ("import minigrad.torch.nn.utils.weight_norm", "No module named 'minigrad.torch.nn.utils.weight_norm': it is in torch.nn.utils"),
        ("import minigrad.torch.utils.benchmark", "No module named 'minigrad.torch.utils.benchmark': Python's timeit, or profiler; .*"),
        ("torch.zeross", "module 'minigrad.torch' has no attribute 'zeross'"),
    ],
)
def test_a_name_at_the_wrong_place_says_where_it_is(statement, said):
    with pytest.raises((AttributeError, ImportError)) as error:
        exec(statement, {"torch": minigrad.torch})
    assert re.fullmatch(said, str(error.value))


def test_collate_of_its_old_place():
    from minigrad.torch.utils.data._utils.collate import default_collate

    assert default_collate is minigrad.torch.utils.data.default_collate


def test_switches_of_backends_are_blocks_too():
    with minigrad.torch.backends.cudnn.flags(enabled=False, benchmark=True), minigrad.torch.backends.cuda.sdp_kernel(enable_flash=False):
        assert not minigrad.torch.backends.cudnn.enabled


@pytest.mark.parametrize(
    ("value", "name"),
    [(3, "int"), (list, "list"), (nn.Linear, "minigrad.nn.linear.Linear"), (mg.ones(1), "torch.FloatTensor"), (print, "print")],
)
def test_typename(value, name):
    assert minigrad.torch.typename(value) == name


def their_class(key):
    module, _, name = key.rpartition(".")
    return getattr(importlib.import_module(module), name)


@pytest.mark.live
@pytest.mark.parametrize("key", CLASSES)
def test_every_attribute_is_there_or_in_the_table(key):
    theirs, bases = their_class(key), [their_class(base) for base in CLASSES]
    keys = [base for base, cls in zip(CLASSES, bases, strict=True) if issubclass(theirs, cls)]
    names = [n for n in dir(theirs) if n[0] != "_"]
    assert [n for n in names if not hasattr(CLASSES[key], n) and all(absent.advice(base, n) is None for base in keys)] == []


@pytest.mark.parametrize("key", CLASSES)
def test_an_unknown_attribute_is_refused_by_its_class(key):
    with pytest.raises(AttributeError, match="has no attribute 'no_such_thing'"):
        getattr(CLASSES[key], "no_such_thing")  # noqa: B009


@pytest.mark.live
def test_the_table_names_what_pytorch_has():
    """A name that PyTorch does not have would be a misspelling; a pattern must match something."""
    import fnmatch

    wrong = []
    for key, rows in absent.TABLE.items():
        if key.startswith("torchvision"):
            continue
        home = their_class(key) if key in CLASSES else importlib.import_module(key)
        if key == "torch.autograd.graph.Node":  # an abstract class; those of nodes are not below it
            home = importlib.import_module("torch").ones(1, requires_grad=True).exp().grad_fn
        if key == "torch.no_grad":  # it stands for all switches of the graph; this one has the attributes of each
            home = importlib.import_module("torch").set_grad_enabled
        for names in rows:
            for pattern in names.split():
                known = any(fnmatch.fnmatchcase(n, pattern) for n in [*dir(home), *written(home)])
                if not known and not submodule(f"{key}.{pattern}"):
                    wrong.append(f"{key}.{pattern}")
    assert wrong == []


def written(thing):
    """The names of attributes of a class and those below it, and those that their methods read or set, which their objects have."""
    for cls in getattr(thing, "__mro__", ()):
        for method in vars(cls).values():
            for function in (method, getattr(method, "fset", None)):
                yield from function.__code__.co_names if hasattr(function, "__code__") else ()
    for cls in type.__subclasses__(thing) if isinstance(thing, type) else ():
        yield from (*vars(cls), *written(cls))


def optimised(lib, name, **options):
    weight = lib.ones(2, 2, requires_grad=True)
    optimizer = getattr(lib.optim, name)([weight], **options)

    def closure():
        optimizer.zero_grad()
        loss = (weight * weight).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return optimizer


def scheduled(lib, name, **options):
    optimizer = optimised(lib, "SGD", lr=0.1, momentum=0.9)
    home = lib.optim.swa_utils if name == "SWALR" else lib.optim.lr_scheduler
    if name in ("SequentialLR", "ChainedScheduler"):
        options["schedulers"] = [home.ConstantLR(optimizer), home.LinearLR(optimizer)]
    made = home.ChainedScheduler(**options) if name == "ChainedScheduler" else getattr(home, name)(optimizer, **options)
    optimizer.step()
    made.step(*[1.0] * (name == "ReduceLROnPlateau"))
    return made


def loader(lib, **options):
    return lib.utils.data.DataLoader(lib.utils.data.TensorDataset(lib.ones(4, 2)), **options)


OBJECTS = {
    **{name: lambda lib, name=name: optimised(lib, name, lr=0.1) for name in ("SGD", "Adam", "Adagrad", "LBFGS", "Adafactor", "Muon")},
    "StepLR": lambda lib: scheduled(lib, "StepLR", step_size=2),
    "ReduceLROnPlateau": lambda lib: scheduled(lib, "ReduceLROnPlateau"),
    "CyclicLR": lambda lib: scheduled(lib, "CyclicLR", base_lr=0.1, max_lr=1.0),
    "OneCycleLR": lambda lib: scheduled(lib, "OneCycleLR", max_lr=1.0, total_steps=10),
    "SequentialLR": lambda lib: scheduled(lib, "SequentialLR", milestones=[2]),
    "ChainedScheduler": lambda lib: scheduled(lib, "ChainedScheduler"),
    "SWALR": lambda lib: scheduled(lib, "SWALR", swa_lr=0.05),
    "DataLoader": loader,
    "a pass": lambda lib: iter(loader(lib)),
    "a pass with workers": lambda lib: iter(loader(lib, num_workers=1)),
    "the node of a power": lambda lib: lib.ones(2, requires_grad=True).pow(2).grad_fn,
    "the node of a product": lambda lib: (lib.ones(2, 2, requires_grad=True) @ lib.ones(2, 2)).grad_fn,
    "the node of a mean": lambda lib: lib.ones(2, 2, requires_grad=True).mean(0).grad_fn,
}


@pytest.mark.live
@pytest.mark.parametrize("name", OBJECTS)
def test_no_attribute_of_an_object_is_refused_without_a_word(name):
    """Private ones too: what a script in PyTorch finds in the debugger, or in an answer on the web."""
    theirs, mine = (OBJECTS[name](lib) for lib in (importlib.import_module("torch"), minigrad.torch))
    silent = []
    for attribute in dir(theirs):
        try:
            if attribute[:2] != "__":
                getattr(mine, attribute)
        except AttributeError as error:
            if f"has no attribute {attribute!r}: " not in str(error):
                silent.append(str(error))
    assert silent == []


PUBLIC = {
    "ConcatDataset": lambda lib: lib.utils.data.ConcatDataset([[1], [2]]),
    "LSTM": lambda lib: lib.nn.LSTM(2, 3),
    "no_grad": lambda lib: lib.no_grad(),
    "Bernoulli": lambda lib: lib.distributions.Bernoulli(lib.full((2,), 0.25)),
    "Binomial": lambda lib: lib.distributions.Binomial(3, lib.full((2,), 0.25)),
    "Categorical": lambda lib: lib.distributions.Categorical(lib.full((2,), 0.25)),
    "CatTransform": lambda lib: lib.distributions.CatTransform([lib.distributions.ExpTransform()]),
}


@pytest.mark.live
@pytest.mark.parametrize("name", PUBLIC)
def test_no_public_attribute_of_an_object_is_refused_without_a_word(name):
    theirs, mine = (PUBLIC[name](lib) for lib in (importlib.import_module("torch"), minigrad.torch))
    for attribute in dir(theirs):
        if attribute[0] != "_" and not hasattr(mine, attribute):
            with pytest.raises(AttributeError, match=f"has no attribute {attribute!r}: "):
                getattr(mine, attribute)


@pytest.mark.parametrize(
    ("thing", "name", "said"),
    [
        ((WEIGHT * 2).grad_fn, "_saved_self", "'MulBackward0' object has no attribute '_saved_self': kept is the tuple of all values .*"),
        ((WEIGHT * 2).grad_fn, "_savings", "'MulBackward0' object has no attribute '_savings'"),
        (OBJECTS["a pass"](minigrad.torch), "_next_data", r"'Iterator' object has no attribute '_next_data': next\(iterator\)"),
        (OBJECTS["StepLR"](minigrad.torch), "_initial_step", "'StepLR' object has no attribute '_initial_step': the constructor takes .*"),
        (OBJECTS["StepLR"](minigrad.torch), "_mine", "'StepLR' object has no attribute '_mine'"),
    ],
)
def test_private_names_say_what_to_use_instead(thing, name, said):
    with pytest.raises(AttributeError) as error:
        getattr(thing, name)
    assert re.fullmatch(said, str(error.value))


@pytest.mark.parametrize("thing", [WEIGHT, WEIGHT[0], (WEIGHT * 2)._node, WEIGHT._node], ids=["leaf", "view", "node", "leaf's node"])
def test_what_the_engine_reads_has_quick_attributes(thing):
    """A class with ``__getattr__`` looks up each of its attributes in a slow way: a backward pass of small ops took 1.15 times as long."""
    assert not any("__getattr__" in vars(cls) for cls in type(thing).__mro__)


def submodule(name):
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def test_what_is_there_is_not_in_the_table():
    """An op that arrives takes its line out of the table."""
    wrong = []
    for key, rows in absent.TABLE.items():
        home = ours(key)
        assert home is not None, f"{key} has no face"
        wrong += [f"{key}.{n}" for names in rows for n in names.split() if not set(n) & set("*?[") and hasattr(home, n)]
    assert wrong == []


@pytest.mark.parametrize("key", absent.TABLE)
def test_missing_names_say_what_to_use_instead(key):
    home = ours(key)
    for names, text in absent.TABLE[key].items():
        for name in names.split():
            if not set(name) & set("*?["):
                with pytest.raises(AttributeError, match=re.escape(text)):
                    getattr(home, name)
                assert not hasattr(home, name)


def test_from_import_says_it_too():
    with pytest.raises(ImportError, match=r"has no 'DataParallel': nn.parallel.DistributedDataParallel"):
        from minigrad.torch.nn import DataParallel  # noqa: F401
    with pytest.raises(ImportError, match=r"has no 'ldl_factor': linalg.solve, or"):
        from minigrad.torch.linalg import ldl_factor  # noqa: F401
    with pytest.raises(ImportError, match="has no 'no_such_thing'"):
        from minigrad.torch import no_such_thing  # noqa: F401
    with pytest.raises(AttributeError, match=r"'Tensor' object has no attribute 'istft': mg.istft, a function"):
        _ = mg.ones(1).istft
    with pytest.raises(AttributeError, match=r"^module 'minigrad.torch' has no attribute 'no_such_thing'$"):
        _ = minigrad.torch.no_such_thing


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("import minigrad.torch.fx", "No module named 'minigrad.torch.fx': there is no compiler"),
        ("from minigrad.torch.fx import Tracer", "No module named 'minigrad.torch.fx': there is no compiler"),
        ("import minigrad.torch.fx.node", "No module named 'minigrad.torch.fx': there is no compiler"),
        ("from minigrad.torch import fx", "has no 'fx': there is no compiler"),
        ("from minigrad.torch.jit import load", "has no 'load': torch.save of the state_dict"),
        ("import minigrad.torch.multiprocessing as p", "No module named 'minigrad.torch.multiprocessing': mpiexec"),
        ("import minigrad.torchvision.io", "No module named 'minigrad.torchvision.io': not here; what minigrad has"),
        (  # below a module that is a file
            "import minigrad.torchvision.transforms.functional.perspective",
            "No module named 'minigrad.torchvision.transforms.functional.perspective': not here; rotate",
        ),
        ("from minigrad.torchvision.transforms.v2 import ToPureTensor", "has no 'ToPureTensor': images are plain Tensors"),
        (
            "from minigrad.torchvision.models.resnet import BasicBlock",
            "No module named 'minigrad.torchvision.models.resnet': models.ResNet",
        ),
        ("import minigrad.torch.special.no_such_thing", "^No module named 'minigrad.torch.special.no_such_thing'$"),
        ("import minigrad.torch.no_such_thing", "^No module named 'minigrad.torch.no_such_thing'$"),
    ],
)
def test_import_of_an_absent_module_says_it_too(statement, message):
    with pytest.raises(ImportError, match=message):
        exec(statement, {})


@pytest.mark.parametrize("key", absent.FAMILIES)
def test_modules_of_one_family(key):
    """They are found by import and as attributes, have the names of the module above, and say what is missing as it does."""
    face = sys.modules[f"minigrad.{key}"]
    for name in absent.FAMILIES[key].split():
        assert getattr(face, name) is importlib.import_module(f"minigrad.{key}.{name}")
    from minigrad.torch.distributions.normal import Normal
    from minigrad.torch.nn.modules.batchnorm import _BatchNorm
    from minigrad.torch.optim.lr_scheduler import _LRScheduler

    assert Normal is minigrad.torch.distributions.Normal and issubclass(minigrad.torch.nn.BatchNorm2d, _BatchNorm)
    assert isinstance(minigrad.torch.nn.BatchNorm1d(2), minigrad.torch.nn.modules.batchnorm._BatchNorm)
    assert issubclass(minigrad.torch.optim.lr_scheduler.StepLR, _LRScheduler)
    with pytest.raises(ImportError, match="has no 'SparseAdam': gradients are dense"):
        from minigrad.torch.optim.adam import SparseAdam  # noqa: F401


@pytest.mark.live
@pytest.mark.parametrize("key", absent.FAMILIES)
def test_families_are_those_of_pytorch(key):
    pytest.importorskip(key.partition(".")[0], reason="what is compared with is not installed")
    for name in absent.FAMILIES[key].split():
        assert submodule(f"{key}.{name}") or hasattr(importlib.import_module(key), name)


def test_minigrad_does_not_load_it():
    code = "import sys, minigrad, minigrad.nn, minigrad.nn.data\nprint([m for m in sys.modules if m.startswith('minigrad.torch')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_it_is_nobody_s_torch():
    """Whoever imports torch beside it gets PyTorch, or nothing."""
    code = "import minigrad.torch, importlib.util as u\ns = u.find_spec('torch')\nprint(s is None or 'minigrad' not in str(s.origin))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout == "True\n"
    assert not (ROOT / "tests" / "torch").exists()  # beside PyTorch's absence, a folder of that name would be a package `torch`


def test_torchvision_models_take_its_arguments():
    model = minigrad.torchvision.models.resnet18(weights=None, progress=False, num_classes=3)
    assert model.fc.out_features == 3
    with pytest.raises(ValueError, match="resnet18: no weights come with minigrad"):
        minigrad.torchvision.models.resnet18(weights="IMAGENET1K_V1")


@CHECKOUT
def test_the_page_is_made_of_the_table():
    text = (ROOT / "docs" / "differences-from-pytorch.md").read_text(encoding="utf-8")
    begin, end = "<!-- made by minigrad.absent.page() -->\n", "<!-- end -->"
    assert text.partition(begin)[2].partition(end)[0].strip() == absent.page().strip(), "write it anew, with minigrad.absent.page()"


@pytest.mark.filterwarnings("ignore:autocast. there is no mixed precision")
def test_autocast_takes_bfloat16_and_nothing_else_does():
    import minigrad.torch as torch

    with torch.autocast(device_type="cpu", dtype={"bfloat16": torch.bfloat16, "float32": torch.float32}["bfloat16"]):
        assert torch.ones(2).dtype == torch.float32
    with pytest.raises(TypeError, match="bfloat16 is no dtype: pass one such as minigrad"):
        torch.ones(2, dtype=torch.bfloat16)


def test_a_shape_is_a_tuple_that_counts():
    import minigrad.torch as torch

    x = torch.ones(2, 3, 4)
    assert isinstance(x.shape, torch.Size) and isinstance(x.shape, tuple) and x.shape == (2, 3, 4) == x.size()
    assert (x.shape.numel(), x.shape[1:].numel(), (x.shape + (5,)).numel(), torch.ones(()).shape.numel()) == (24, 12, 120, 1)
    assert (
        torch.Size([2, 0]).numel() == 0
        and x.shape[1] == 3
        and str(x.shape) == f"{x.shape}" == "torch.Size([2, 3, 4])"
        and hash(x.shape) == hash((2, 3, 4))
    )
    assert type(pickle.loads(pickle.dumps(x.shape))) is tuple  # a checkpoint of it needs nothing of minigrad
    assert x.reshape(x.shape[:1] + x.shape[1:]).shape == torch.zeros(x.shape).shape == x.expand(x.shape).shape


def test_memory_formats_are_accepted():
    import minigrad.torch as torch

    x, layer = torch.randn(1, 2, 3, 3), torch.nn.Conv2d(2, 2, 1)
    assert layer.to(memory_format=torch.channels_last) is layer
    assert x.to(memory_format=torch.channels_last) is x and x.contiguous(memory_format=torch.contiguous_format) is x
    for like in (torch.zeros_like, torch.ones_like, torch.empty_like, torch.rand_like, torch.randn_like):
        assert like(x, memory_format=torch.preserve_format).shape == x.shape
    assert torch.full_like(x, 2, memory_format=torch.preserve_format).equal(
        torch.randint_like(x, 2, 3, memory_format=torch.preserve_format)
    )
    assert x.clone(memory_format=torch.preserve_format).equal(x) and x.is_contiguous(memory_format=torch.channels_last)


def test_out_says_what_to_write():
    with pytest.raises(TypeError, match=r"^cat: there is no out=, the result is a new Tensor: y = cat\(\.\.\.\), or y\[\.\.\.\] = cat"):
        mg.cat([mg.ones(1)], out=mg.ones(1))
    mg.sum(mg.ones(1), out=None)  # as numpy passes it


def test_helpers_that_layers_import():
    from minigrad.torch.nn.modules.loss import _WeightedLoss
    from minigrad.torch.nn.modules.utils import _ntuple, _pair, _quadruple, _single, _triple

    assert (_single(3), _pair([3, 5]), _triple(1), _quadruple(2), _ntuple(5)(0)) == ((3,), (3, 5), (1, 1, 1), (2,) * 4, (0,) * 5)
    assert isinstance(minigrad.torch.nn.CrossEntropyLoss(), _WeightedLoss)
