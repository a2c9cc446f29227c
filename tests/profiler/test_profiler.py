"""The profiler: its rows add up to what was measured, belong to the right op, module and line, and nothing is left when it ends."""

import gc
import gzip
import inspect
import json
import threading
import time
import weakref
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, profiler
from minigrad.engine import observe_no_more, observers, registered_ops
from minigrad.engine.graph import listeners
from minigrad.nn import functional as F
from minigrad.nn.data import DataLoader, TensorDataset
from minigrad.recompute import checkpoint


def small():
    mg.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 5 * 5, 3)).double()


def train(model, steps=2):
    loader = DataLoader(TensorDataset(mg.randn(4 * steps, 1, 12, 12).double(), mg.randint(0, 3, (4 * steps,))), batch_size=4)
    optimizer = nn.optim.SGD(model.parameters(), lr=0.01)
    for x, y in loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()


def rows(found):
    return {(row.key, row.phase): row for row in found}


def test_the_rows_add_up_to_the_time_that_was_measured():
    model = small()
    with profiler.profile() as p:
        begin = time.perf_counter()
        train(model)
        time.sleep(0.01)
        measured = time.perf_counter() - begin
    for by in ("op", "module", "line"):
        total = p.key_averages(by=by).self_cpu_time_total / 1e6
        assert total == pytest.approx(measured, rel=0.05)
        assert all(row.self_cpu_time_total <= row.cpu_time_total * 1.000001 for row in p.key_averages(by=by))
    assert rows(p.key_averages())["(Python)", "forward"].self_cpu_time_total > 10_000  # the sleep


def test_ops_and_formulas_are_counted_apart():
    model = small()
    with profiler.profile() as p:
        train(model, steps=3)
    found = rows(p.key_averages())
    assert found["conv", "forward"].count == 3 and ("conv", "backward") not in found
    assert found["conv_weight_bias", "backward"].count == 3
    assert ("conv_input", "backward") not in found  # the images need no gradient
    assert found["conv (gradient)", "backward"].count == 3  # the formulas of the weight and of the bias together
    assert found["Optimizer.step#SGD.step", "forward"].count == 3
    assert found["DataLoader.__next__", "forward"].count == 4  # the last finds the end
    assert found["(backward pass)", "backward"].count == 3
    assert found["conv (gradient)", "backward"].cpu_time_total > found["conv_weight_bias", "backward"].cpu_time_total


def test_what_a_backward_pass_does_for_an_op_is_in_the_row_of_its_gradient():
    """Sums over broadcast axes belong to the op, hooks have a row, and a pass inside a pass has turns of its own."""
    x, bias = mg.randn(64, 50), mg.zeros(50, requires_grad=True)
    w = mg.randn(64, 50).requires_grad_()

    def backward_once_more(leaf):
        time.sleep(0.002)
        with mg.enable_grad():
            assert mg.grad(w.tanh().sum(), w)[0].shape == w.shape

    with profiler.profile() as p:
        y = x + bias
        y.register_hook(lambda g: g.sin())
        bias.register_post_accumulate_grad_hook(backward_once_more)
        (y * w).sum().backward()
    events = {(e.name, e.kind): e for e in p.events()}
    added = events["add", "formula"]
    assert events["sum_to", "op"].parent is added and added.origin is events["add", "op"]
    hooks = [e for e in p.events() if e.name == "(hooks)"]
    assert [h.parent.name for h in hooks] == ["add", "(backward pass)"] and hooks[1].self_time > 1_000_000
    sine = events["sin", "op"]
    assert sine.parent is hooks[0] and sine.lines[0][2].endswith("<lambda>")
    outer, inner = (e for e in p.events() if e.kind == "walk")
    assert inner.parent is hooks[1] and events["tanh", "op"].lines[0][2].endswith("backward_once_more")
    assert events["tanh", "formula"].parent is inner and events["mul", "formula"].parent is outer
    for event in p.events():
        inside = sum(e.time for e in p.events() if e.parent is event)
        assert event.inside == inside <= event.time


def test_a_formula_ends_where_a_leaf_begins_though_a_pass_in_a_hook_came_to_leaves():
    x, w = mg.ones(3, requires_grad=True), mg.ones(3, requires_grad=True)

    def inner_pass(g):
        with mg.enable_grad():
            mg.grad(w.square().sum(), w)

    with profiler.profile() as p:
        y = x.sin()
        y.register_hook(inner_pass)
        x.register_post_accumulate_grad_hook(lambda leaf: None)
        y.sum().backward()
    assert [e.parent.kind for e in p.events() if e.name == "(hooks)"] == ["formula", "walk"]


def test_flops_are_those_of_summary_and_twice_them_in_backward():
    model, x = small(), mg.randn(4, 1, 12, 12).double()
    x.requires_grad_()
    expected = nn.summary(model, (4, 1, 12, 12)).rows
    with profiler.profile() as p:
        model(x).sum().backward()
    found = rows(p.key_averages(by="module"))
    for row in expected:
        if row.multiply_adds:
            name = f"Sequential.{row.name} ({row.class_name})" if row.name else "Sequential"
            assert found[name, "forward"].flops == 2 * row.multiply_adds
            assert found[name, "backward"].flops == 4 * row.multiply_adds
    assert p.key_averages().total_average().flops == 6 * expected[0].multiply_adds


def test_bytes_kept_are_those_of_the_graph():
    x = mg.ones(100, dtype=mg.float64)
    w = mg.ones(100, dtype=mg.float64, requires_grad=True)
    with profiler.profile() as p:
        a = w * x  # keeps x: w needs no gradient formula that names w
        b = a.exp()  # keeps its result
        c = b * b  # keeps b, which is kept already
    found = rows(p.key_averages())
    assert found["mul", "forward"].bytes_kept == 800 and found["exp", "forward"].bytes_kept == 800
    assert c.requires_grad


def test_the_first_call_of_an_op_has_the_line_of_the_user():
    """An op writes its own function then."""
    with profiler.profile() as p:

        @mg.op(x=lambda g: g)
        def called_once(x):
            return x + 0

        called_once(mg.ones(2))
    assert [e.lines[0][0] for e in p.events() if e.name == "called_once"] == [__file__]


def test_lines_are_those_of_the_user():
    x = mg.ones(3, requires_grad=True)

    def inner():
        return x.exp()

    with profiler.profile(with_stack=True) as p:
        y = inner()
        y.sum().backward()
    (event,) = [e for e in p.events() if e.name == "exp" and e.kind == "op"]
    code = inner.__code__
    assert event.lines[0][:2] == (code.co_filename, code.co_firstlineno + 1)
    assert event.lines[1][2] == "test_lines_are_those_of_the_user"
    (gradient,) = [e for e in p.events() if e.name == "exp" and e.kind == "formula"]
    assert gradient.lines == event.lines and gradient.origin is event and gradient.phase == "backward"
    line = f"test_profiler.py:{code.co_firstlineno + 1} ({code.co_qualname})"
    keys = {(row.key.rpartition("/")[2], row.phase) for row in p.key_averages(by="line")}
    assert {(line, "forward"), (line, "backward")} <= keys


def test_modules_have_their_paths_and_two_of_one_class_differ():
    a, b = nn.Sequential(nn.Linear(2, 2)), nn.Sequential(nn.Linear(2, 2))
    with profiler.profile() as p:
        b(a(mg.ones(1, 2))).sum().backward()
    found = rows(p.key_averages(by="module"))
    assert {"Sequential", "Sequential.0 (Linear)", "Sequential#2", "Sequential#2.0 (Linear)"} <= {key for key, _ in found}
    assert found["Sequential#2.0 (Linear)", "backward"].count == 1


def test_nothing_is_left_when_it_ends():
    called = {name: op.function.__code__ for name, op in registered_ops().items() if op.codes}
    with profiler.profile() as p:
        assert all(op.function.__code__ is op.codes[True] for op in registered_ops().values() if op.codes)
        x = mg.ones(2).exp()
        with pytest.raises(mg.ShapeError):
            x @ mg.ones(3)
    assert all(op.function.__code__ is op.codes[False] for op in registered_ops().values() if op.codes)
    assert all(registered_ops()[name].function.__code__ is code for name, code in called.items())
    assert nn.Module._hooks is None and listeners == [] and observers == {}
    assert [e.name for e in p.events()] == ["(Python)", "exp", "matmul"]


def test_an_op_that_raises_and_a_module_that_raises_end_their_events():
    model = nn.Sequential(nn.Linear(3, 2))
    with profiler.profile() as p:
        with pytest.raises(mg.ShapeError):
            model(mg.ones(1, 4))
        mg.ones(2).exp()
    assert next(e for e in p.events() if e.name == "exp").parent is p.events()[0]
    assert all(e.end >= e.start > 0 and e.self_time >= 0 for e in p.events())


def test_an_op_that_is_made_meanwhile_is_seen():
    with profiler.profile() as p:

        @mg.op(x=lambda g: g * 2)
        def doubled_meanwhile(x):
            return x * 2

        doubled_meanwhile(mg.ones(2))
    assert "doubled_meanwhile" in [e.name for e in p.events()]
    assert doubled_meanwhile.op.codes.keys() == {True, False} and doubled_meanwhile(mg.ones(2)).tolist() == [2, 2]


def test_a_profiler_that_begins_and_ends_inside_kernels():
    p = profiler.profile()

    @mg.op(x=lambda g: g[0] + g[1])
    def begins(x):
        p.start()
        return x + 1, x + 2

    @mg.op(x=lambda g: g)
    def ends(x):
        p.stop()
        return x + 1

    x = mg.ones(3, requires_grad=True)
    a, b = begins(x)
    y = ends(x.exp() + a + b)
    y.sum().backward()
    assert [e.name for e in p.events()] == ["(Python)", "exp", "add", "add"] and x.grad is not None
    assert all(op.function.__code__ is op.codes[False] for op in registered_ops().values() if op.codes) and observers == {}


def test_a_profiler_that_ends_in_a_kernel_keeps_nothing_of_it():
    p = profiler.profile()

    @mg.op(x=lambda g, x: g * 2 * x)
    def ends(x):
        p.stop()
        return x * x

    p.start()
    x = mg.ones(3, requires_grad=True) * 2
    gone = weakref.ref(x._data)
    y = ends(x)
    del x, y
    assert gone() is None and p.events()[-1].name == "mul"


def test_a_profiler_that_ends_in_a_part_in_a_module_or_in_its_backward_pass():
    class Stopping(nn.Module):
        def forward(self, x):
            with profiler.record_function("part"):
                y = x * 2
                p.stop()
            return y

    class Passing(nn.Module):
        def forward(self, x):
            y = x.exp()
            y.register_hook(lambda g: p.stop())
            y.sum().backward()
            return y

    for module, inside in (
        (Stopping(), ["mul", "part", "Stopping", "(Python)"]),
        (Passing(), ["(hooks)", "exp", "(backward pass)", "Passing", "(Python)"]),
    ):
        p = profiler.profile()
        p.start()
        module(mg.ones(2, requires_grad=True))
        innermost = next(e for e in p.events() if e.name == inside[0])
        assert [e.name for e in innermost.chain()] == inside and all(e.self_time >= 0 for e in p.events())


def test_parts_that_are_open_when_a_module_ends():
    class Opening(nn.Module):
        def forward(self, x):
            profiler.record_function("open").__enter__()
            return x * 2

    class Stepping(nn.Module):
        def forward(self, x):
            p.step()
            return x * 3

    with profiler.profile() as p:
        Opening()(mg.ones(2)).sin()
        Stepping()(mg.ones(2)).cos()
    chains = {e.name: [around.name for around in e.chain()][1:] for e in p.events()}
    assert chains["open"] == ["Opening", "(Python)"] and chains["sin"] == ["(Python)"] == chains["Stepping"]
    assert chains["ProfilerStep#1"] == ["Stepping", "(Python)"] and all(e.self_time >= 0 for e in p.events())
    assert [e.lines[0][0] for e in p.events() if e.name in ("sin", "cos")] == [__file__] * 2

    class Both(nn.Module):
        def forward(self, x):
            y = x.sin()
            p.step()
            return y.cos()

    with profiler.profile() as p:
        p.step()
        Both()(mg.ones(2))
        p.step()
    chains = {e.name: [around.name for around in e.chain()][1:] for e in p.events()}
    assert chains["sin"] == ["Both", "ProfilerStep#1", "(Python)"] and chains["cos"] == ["ProfilerStep#2", "(Python)"]
    assert all(e.self_time >= 0 for e in p.events())


def test_lines_of_what_is_computed_again_in_a_backward_pass():
    class Block(nn.Module):
        def forward(self, x):
            y = x.sin()
            return y * 2

    first = Block.forward.__code__.co_firstlineno
    for shapes in (False, True):
        y = checkpoint(Block(), mg.ones(3, requires_grad=True), use_reentrant=False)
        with profiler.profile(record_shapes=shapes) as p:
            y.sum().backward()
        lines = [e.lines[0][1:] for e in p.events() if e.kind == "op" and e.phase == "backward" and e.modules() and e.lines]
        assert [(first + 1, Block.forward.__qualname__), (first + 2, Block.forward.__qualname__)] == [
            line for line in lines if line[1] == Block.forward.__qualname__
        ]


def test_ops_of_formulas_for_samples_are_noted_once():
    from minigrad.func import vmap

    x = mg.ones(3, 4, requires_grad=True)
    y = vmap(lambda row: row.sin() @ row)(x).sum()
    with profiler.profile() as p:
        y.backward()
    called = [e.name for e in p.events() if e.kind == "op"]
    assert [called.count(name) for name in ("matmul", "transpose", "cos", "add", "sum_to")] == [2, 2, 1, 1, 1]


def test_what_runs_while_a_log_is_settled_waits_for_the_next_time():
    """As what a signal handler runs, or a finalizer; and an interrupt may come between an op's bytes and its note."""
    x = mg.ones(3, requires_grad=True)

    def handler():
        for _ in range(100):
            x.tanh()

    with profiler.profile() as p:
        recording = p._recording
        recording.kept[0], recording.many = handler, 0  # called in place of a weak reference, by the search for arrays that are gone
        for _ in range(100):
            x.exp()
        recording.bytes_kept += [10**9, 12]
    found = rows(p.key_averages())
    assert found["exp", "forward"].count == 100 and found["tanh", "forward"].count >= 100
    assert found["exp", "forward"].bytes_kept == 100 * 12


def test_what_a_finalizer_computes():
    class Cycle:
        def __init__(self):
            self.cycle = self

        def __del__(self):
            for _ in range(70):
                w.exp()

    w = mg.ones(2, requires_grad=True)
    threshold = gc.get_threshold()
    gc.set_threshold(3)
    try:
        with profiler.profile() as p:
            for _ in range(100):
                Cycle()
                (w * 2).sin()
    finally:
        gc.set_threshold(*threshold)
    found = rows(p.key_averages())
    assert found["sin", "forward"].count == 100 and found["exp", "forward"].count >= 70


def test_names_and_kernels_that_are_no_plain_ones():
    class Name(str):
        pass

    @mg.op(x=lambda g, res: g)
    def forgets_the_residual(x):
        return x

    with profiler.profile() as p:
        with profiler.record_function(Name("mine")):
            mg.ones(2).exp()
        with pytest.raises(TypeError, match="the kernel must return"):
            forgets_the_residual(np.ones(2))
    assert [e.kind for e in p.events() if e.name == "mine"] == ["part"] and p.key_averages().flops == 0
    assert [e.name for e in p.events() if e.kind == "op"] == ["exp", "forgets_the_residual"]


def test_a_profiler_that_begins_in_a_summary_and_one_whose_thread_is_gone():
    class Starting(nn.Module):
        def forward(self, x):
            p.start()
            return x

    p = profiler.profile()
    nn.summary(Starting(), (1, 2))
    mg.ones(2).exp()
    p.stop()
    assert "exp" in [e.name for e in p.events()]

    class Following(nn.Module):
        def forward(self, x):
            p.stop()
            q.start()
            return x

    p, q = profiler.profile(), profiler.profile()
    p.start()
    nn.summary(Following(), (1, 2))
    mg.ones(2).exp()
    q.stop()
    assert [e.name for e in q.events() if e.kind == "op"] == ["exp"]

    def leave_one():
        profiler.profile().start()

    def use_one():
        with profiler.profile() as q:
            mg.ones(2).sin()
        found.append([e.name for e in q.events()])

    found = []
    try:
        for target in (leave_one, use_one, leave_one, use_one):  # the second and fourth mostly get the number of the one before
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
    finally:
        for number in list(observers):
            observe_no_more(number)
    assert found == [["(Python)", "sin"]] * 2


def test_other_threads_are_not_recorded_and_one_thread_has_one_profiler():
    with profiler.profile() as p:
        thread = threading.Thread(target=lambda: mg.ones(2).exp())
        thread.start()
        thread.join()
        with pytest.raises(RuntimeError, match="profile: another profiler runs in this thread"), profiler.profile():
            pass
        mg.ones(2).sin()
    names = [e.name for e in p.events()]
    assert "sin" in names and "exp" not in names


def test_gradients_are_bit_for_bit_the_same_with_it():
    plain, watched = small(), small()
    mg.manual_seed(1)
    train(plain)
    mg.manual_seed(1)
    with profiler.profile(record_shapes=True, with_stack=True):
        train(watched)
    for a, b in zip(plain.parameters(), watched.parameters(), strict=True):
        assert np.array_equal(a.numpy(force=True), b.numpy(force=True))


def test_inside_vmap_summary_checkpoint_lstm_and_second_derivatives():
    from minigrad.func import vmap

    x = mg.tensor([0.5, 1.0], dtype=mg.float64, requires_grad=True)
    lstm = nn.LSTM(2, 3).double()
    with profiler.profile() as p:
        batched = vmap(lambda v: (v.sin() * v).sum())(mg.ones(3, 2))
        nn.summary(nn.Linear(2, 2), (1, 2))
        checkpoint(lambda x: x.exp().tanh(), x).sum().backward()
        (first,) = mg.grad((x**3).sum(), x, create_graph=True)
        (second,) = mg.grad(first.sum(), x)
        lstm(mg.ones(2, 1, 2).double())[0].sum().backward()
    assert np.allclose(batched.numpy(), 2 * np.sin(1)) and np.allclose(second.numpy(), 6 * x.numpy(force=True))
    found = rows(p.key_averages())
    assert found["sin", "forward"].count == 1
    assert found["exp", "forward"].count == 1 and found["exp", "backward"].count == 1  # computed again
    assert ("lstm (gradient)", "backward") in found


def test_outlines_of_summary_are_no_work():
    model = nn.Sequential(nn.Linear(2, 2), Rare())
    with profiler.profile() as p:
        nn.summary(model, (1, 2))
        mg.ones(2).rsqrt()
    assert [e.name for e in p.events() if e.kind == "op"] == ["rsqrt"] and p.key_averages().flops == 0


class Rare(nn.Module):
    def forward(self, x):
        return mg.asinh(x)


def test_a_graph_that_is_dropped_does_not_stay_for_long():
    x = mg.ones(100, requires_grad=True)
    with profiler.profile() as p:
        gone = []
        for _ in range(100):
            y = x.exp()
            gone.append(weakref.ref(y._data))
            del y
        assert sum(array() is not None for array in gone) <= 32
        with mg.no_grad():
            z = x
            for _ in range(33):
                z = z + 1
        assert all(array() is None for array in gone)
        mg.grad(x.sin().sum(), x)
        assert all(array() is None for array in gone)
    assert rows(p.key_averages())["exp", "forward"].bytes_kept == 100 * 400


def test_a_graph_that_another_thread_went_back_through():
    x = mg.ones(3, requires_grad=True)
    with profiler.profile() as p:
        y = x.exp().sum()
        thread = threading.Thread(target=y.backward)
        thread.start()
        thread.join()
        x.sin()
    assert x.grad is not None and [e.name for e in p.events() if e.kind == "op"] == ["exp", "sum", "sin"]


def test_hooks_of_what_is_kept_do_not_change_what_is_counted():
    x = mg.ones(100, requires_grad=True)
    with profiler.profile() as p, mg.engine.saved_tensors_hooks(lambda t: "name of a file", lambda name: mg.ones(100)):
        y = x.exp()
        y.sum().backward()
    assert rows(p.key_averages())["exp", "forward"].bytes_kept == 400


def test_shapes_make_rows():
    with profiler.profile(record_shapes=True) as p:
        for n in (2, 3, 3):
            mg.ones(n).exp()
    found = {row.input_shapes: row.count for row in p.key_averages(group_by_input_shape=True) if row.key == "exp"}
    assert found == {"[(2,)]": 1, "[(3,)]": 2}
    with profiler.profile() as p:
        mg.ones(2)
    with pytest.raises(ValueError, match="key_averages: group_by_input_shape needs profile"):
        p.key_averages(group_by_input_shape=True)


def test_an_op_that_calls_another_has_its_own_shapes():
    @mg.op(x=None)
    def row_of_exponentials(x):
        return mg.exp(x[0])

    with profiler.profile(record_shapes=True) as p:
        row_of_exponentials(mg.ones(2, 3))
        mg.ones(4).sin()
        with pytest.raises(mg.ShapeError, match="add"):
            mg.ones(5).add(mg.ones(6))
        mg.ones(7).cos()
    found = {event.name: event.shapes for event in p.events() if event.kind == "op"}
    assert found == {"row_of_exponentials": [(2, 3)], "exp": [(3,)], "sin": [(4,)], "add": [(5,), (6,)], "cos": [(7,)]}


def test_a_long_run_is_noted_in_several_logs(monkeypatch):
    def noted(size):
        monkeypatch.setattr(profiler.recording, "LOG", size)
        with profiler.profile(record_shapes=True) as p:
            train(small(), steps=4)
        events = p.events()
        parents = [event.parent.name if event.parent else None for event in events]
        what = [(e.name, e.kind, e.phase, e.lines, e.shapes, e.bytes_kept, e.flops, e.origin and e.origin.name) for e in events]
        return what, parents

    assert noted(50) == noted(10**6)


def test_profilers_of_several_threads_see_their_own_modules_and_hooks_run():
    begun, said, found = threading.Barrier(3, timeout=60), [], {}
    model = small()
    hooked = nn.Sequential(nn.Linear(2, 3), nn.Tanh()).double()
    hooked[0].register_forward_hook(lambda module, args, output: said.append(threading.current_thread().name))

    def run(name, net, *size):
        with profiler.profile() as p:
            begun.wait()
            net(mg.ones(*size).double())
            begun.wait()
        found[name] = [event.name for event in p.events() if event.kind == "module"]

    threads = [threading.Thread(target=run, args=args, name=args[0]) for args in (("a", model, 2, 1, 12, 12), ("b", hooked, 5, 2))]
    for thread in threads:
        thread.start()
    begun.wait()
    hooked(mg.ones(1, 2).double())  # of this thread, which has no profiler
    begun.wait()
    for thread in threads:
        thread.join()
    assert found["a"] == ["Sequential", *(f"Sequential.{i} ({type(inner).__name__})" for i, inner in enumerate(model))]
    assert found["b"] == ["Sequential", "Sequential.0 (Linear)", "Sequential.1 (Tanh)"]
    assert sorted(said) == sorted(["b", threading.current_thread().name])
    assert nn.Module._hooks is None  # calls of modules cost what they did


def test_the_table():
    with profiler.profile() as p:
        train(small())
    found = p.key_averages()
    text = found.table(sort_by="cpu_time_total", row_limit=3, header="two steps")
    lines = text.splitlines()
    assert lines[0] == "two steps" and lines[1].split()[:3] == ["name", "phase", "calls"]
    totals = [row.cpu_time_total for row in sorted(found, key=lambda row: -row.cpu_time_total)]
    assert len(lines) == 9 and lines[6] == f"({len(found) - 3} more rows)" and totals[0] >= totals[1]
    assert "..." in found.table(max_name_column_width=8)
    with pytest.raises(ValueError, match="table: sort_by must be one of"):
        found.table(sort_by="cuda_time_total")


def test_record_function_names_a_part_and_does_nothing_outside():
    @profiler.record_function("part of mine")
    def part(x):
        return x.exp()

    part(mg.ones(2))
    with profiler.profile() as p:
        part(mg.ones(2))
        with pytest.raises(ZeroDivisionError), profiler.record_function("other"):
            raise ZeroDivisionError
        mg.ones(2).sin()
    found = rows(p.key_averages())
    assert found["part of mine", "forward"].count == 1 and found["other", "forward"].count == 1
    assert next(e for e in p.events() if e.name == "exp").parent.name == "part of mine"
    assert next(e for e in p.events() if e.name == "sin").parent is p.events()[0]


def test_a_schedule_records_the_steps_that_it_names():
    traces = []
    model = small()

    def ready(p):
        traces.append((p.step_num, [e.name for e in p.events() if e.name.startswith("ProfilerStep")]))

    with profiler.profile(schedule=profiler.schedule(wait=1, warmup=1, active=2, repeat=2), on_trace_ready=ready) as p:
        for _ in range(10):
            model(mg.ones(1, 1, 12, 12).double())
            p.step()
    assert traces == [(4, ["ProfilerStep#2", "ProfilerStep#3"]), (8, ["ProfilerStep#6", "ProfilerStep#7"])]
    assert nn.Module._hooks is None
    begun = profiler.schedule(skip_first=2, wait=1, warmup=0, active=1, skip_first_wait=1)
    assert [begun(i).name for i in range(5)] == ["NONE", "NONE", "RECORD_AND_SAVE", "NONE", "RECORD_AND_SAVE"]
    with pytest.raises(ValueError, match="schedule: active must be 1 or above"):
        profiler.schedule(wait=0, warmup=0, active=0)


def test_results_before_the_end_are_refused():
    with profiler.profile() as p, pytest.raises(RuntimeError, match="profile: there is no complete recording yet"):
        p.key_averages()


def test_the_trace_is_what_chrome_reads(tmp_path):
    with profiler.profile(on_trace_ready=profiler.tensorboard_trace_handler(str(tmp_path / "runs"), "me", use_gzip=True)) as p:
        train(small(), steps=1)
    p.export_chrome_trace(tmp_path / "trace.json")
    found = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    spans = [e for e in found if e["ph"] == "X"]
    assert len(spans) == len(p.events()) and {"name", "cat", "ts", "dur", "pid", "tid", "args"} <= set(spans[0])
    for event, span in zip(p.events(), spans, strict=True):  # Chrome nests spans by their times alone
        if event.parent is not None:
            outer = spans[p.events().index(event.parent)]
            assert outer["ts"] <= span["ts"] and span["ts"] + span["dur"] <= outer["ts"] + outer["dur"] + 1e-3
    starts, ends = ([e["id"] for e in found if e["ph"] == kind] for kind in "sf")
    assert starts == ends and len(starts) > 3
    conv = next(s for s in spans if s["name"] == "conv")
    assert conv["args"]["module"] == "Sequential.0 (Conv2d)" and conv["args"]["flops"] == 2 * 4 * 4 * 100 * 9
    (file,) = (tmp_path / "runs").iterdir()
    assert file.name.startswith("me.") and json.loads(gzip.decompress(file.read_bytes()))["traceEvents"] == found


def test_stacks_and_the_flame_graph_have_the_whole_time(tmp_path):
    with profiler.profile(with_stack=True) as p:
        train(small(), steps=1)
    p.export_stacks(tmp_path / "stacks.txt")
    lines = (tmp_path / "stacks.txt").read_text().splitlines()
    whole = p.events()[0].time / 1000
    assert sum(int(line.rpartition(" ")[2]) for line in lines) == pytest.approx(whole, abs=len(lines))
    assert any(line.startswith("forward;") and "train;Sequential;Sequential.0 (Conv2d);conv " in line for line in lines)
    assert any("Sequential.0 (Conv2d);conv (gradient);conv_weight_bias " in line and line.startswith("backward;") for line in lines)
    p.export_flame_graph(tmp_path / "flame.svg")
    root = ElementTree.fromstring((tmp_path / "flame.svg").read_text())
    bars = root.findall("{*}svg")
    assert float(bars[0].get("width")) == 1200 and "all: " in bars[0].find("{*}title").text
    assert sum(float(b.get("width")) for b in bars if b.get("y") == "18") == pytest.approx(1200, abs=1)
    with pytest.raises(ValueError, match="export_stacks: metric must be one of"):
        p.export_stacks(tmp_path / "x", "self_cuda_time_total")


def test_stacks_have_functions_between_modules(tmp_path):
    """Each function of the user's stands where it was called: a block's forward inside the block."""

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(2, 2)

        def forward(self, x):
            return self.helped(x).exp()

        def helped(self, x):
            return self.inner(x)

    def run():
        return Block()(mg.ones(1, 2)).sin()

    with profiler.profile(with_stack=True) as p:
        run()
    p.export_stacks(tmp_path / "stacks.txt")
    this = "test_profiler.py:test_stacks_have_functions_between_modules"
    found = {
        line.rpartition(" ")[0].partition(f"{this};")[2].replace(f"{this}.<locals>.", "") for line in open_text(tmp_path / "stacks.txt")
    }
    assert {"run;Block;Block.forward;exp", "run;Block;Block.forward;Block.helped;Block.inner (Linear);linear", "run;sin"} <= found
    with profiler.profile() as p:
        run()
    p.export_stacks(tmp_path / "stacks.txt")
    assert {line.rpartition(" ")[0] for line in open_text(tmp_path / "stacks.txt")} >= {"forward;Block;exp", "forward;sin"}


def open_text(path):
    return path.read_text().splitlines()


def test_pytorch_s_names():
    import minigrad.torch as torch
    from minigrad.torch.profiler import ProfilerActivity, profile, record_function

    asked = [ProfilerActivity.CPU, ProfilerActivity.CUDA]
    with profile(activities=asked, profile_memory=True, with_flops=True) as prof, record_function("model_inference"):
        torch.ones(2).exp()
    assert "model_inference" in prof.key_averages().table(sort_by="cpu_time_total", row_limit=10)
    assert torch.autograd.profiler.record_function is record_function
    with pytest.raises(AttributeError, match="schedule, in torch"):
        _ = torch.autograd.profiler.profile


def test_inside_vmap_products_of_all_samples_are_counted_and_no_array_is_kept():
    from minigrad.func import grad, vmap

    weight, x = mg.randn(3, 2), mg.randn(5, 2)
    alive = []

    def loss(weight, x):
        y = F.linear(x, weight)
        return (y * y).sum()

    with profiler.profile() as p:
        out = vmap(grad(loss), in_dims=(None, 0))(weight, x)
        alive.append(weakref.ref(out._data))
        del out
    assert alive[0]() is None
    flops = {(row.key, row.phase): row.flops for row in p.key_averages()}
    assert flops["linear", "forward"] == 2 * 5 * 3 * 2


def test_lines_in_modules_that_call_functions_of_the_user():
    """What a module of minigrad's computes has the line that called the module; what a function of the user's computes in it, its own."""

    def activation(x):
        return x.sin()

    class Mine(nn.Module):
        def forward(self, x):
            return x.exp()

    inside = nn.Sequential(nn.Linear(4, 4), Mine(), nn.TransformerEncoderLayer(4, 2, 8, activation=activation, batch_first=True))
    hooked = nn.Tanh()
    hooked.register_forward_hook(lambda module, args, out: out.cos())
    own = nn.ReLU()
    own.register_forward_pre_hook(lambda module, args: None)
    with profiler.profile() as p:
        y = hooked(inside(mg.ones(2, 3, 4)))
        own(y).sum().backward()
    this = test_lines_in_modules_that_call_functions_of_the_user.__code__

    def line_of(name):
        return {e.lines[0][1:] for e in p.events() if e.name == name and e.kind == "op" and e.phase == "forward"}

    text, begin = inspect.getsourcelines(test_lines_in_modules_that_call_functions_of_the_user)
    first = begin + next(i for i, line in enumerate(text) if "y = hooked(inside(" in line)
    assert line_of("sin") == {(activation.__code__.co_firstlineno + 1, activation.__qualname__)}
    assert line_of("exp") == {(Mine.forward.__code__.co_firstlineno + 1, Mine.forward.__qualname__)}
    assert line_of("tanh") == line_of("linear") == {(first, this.co_qualname)}
    assert [function for _, function in line_of("cos")] == [f"{this.co_qualname}.<locals>.<lambda>"]
    assert line_of("relu") == {(first + 1, this.co_qualname)}


def test_a_profiler_that_ends_inside_a_module_and_a_backward_pass():
    model = small()
    p = profiler.profile()
    handles = [model[0].register_forward_pre_hook(lambda module, args: p.start()), model[3].register_forward_hook(lambda *_: p.stop())]
    model(mg.ones(1, 1, 12, 12).double())
    for handle in handles:
        handle.remove()
    names = [(e.kind, e.name) for e in p.events()]
    assert names[0] == ("profile", "(Python)") and ("op", "conv") in names and ("op", "relu") in names
    outer = nn.Sequential(nn.Sequential(nn.Tanh()))
    outer[0][0].register_forward_hook(lambda *_: p.stop())
    p.start()
    outer(mg.ones(2))
    events = p.events()
    assert [e.name for e in events] == ["(Python)", "Sequential", "Sequential.0 (Sequential)", "Sequential.0.0 (Tanh)", "tanh"]
    assert [e.parent for e in events[1:]] == events[:-1] and all(e.end <= events[0].end for e in events)
    x = mg.ones(2, requires_grad=True)
    y = x.exp()
    y.register_hook(lambda g: p.stop())
    p.start()
    (y * 2).sum().backward()
    assert [e.name for e in p.events() if e.kind == "formula"][:1] == ["sum"] and all(e.self_time >= 0 for e in p.events())
    assert listeners == [] and observers == {} and nn.Module._hooks is None
