"""``torch.jit`` and ``torch.compiler``: what is written for a compiler runs as Python, and what would need one says what to use."""

import warnings

import pytest

import minigrad.torch as torch
from minigrad import accepted, nn


class Gate(torch.jit.ScriptModule):
    size: torch.jit.Final[int]

    def __init__(self):
        super().__init__()
        self.size = torch.jit.annotate(int, 3)
        self.graph = nn.Linear(3, 3)  # a name that a ScriptModule has

    @torch.jit.script_method
    def forward(self, x):
        if not torch.jit.is_scripting() and not torch.jit.is_tracing() and not torch.compiler.is_compiling():
            self.note(x)
        return self.plain(self.graph(x))

    @torch.jit.ignore
    def note(self, x):
        self.seen = x.shape

    @torch.jit.unused
    @torch.jit.export
    @torch.compiler.disable(recursive=False)
    def plain(self, x):
        return self.other(x)

    @torch.jit.ignore(drop=False)
    @torch.compiler.disable
    @torch.compiler.allow_in_graph
    def other(self, x):
        return x * 2


@torch.jit.script_if_tracing
def double(x):
    return 2 * x


def test_what_is_marked_runs_as_python():
    gate, x = Gate(), torch.ones(2, 3)
    assert torch.equal(gate(x), 2 * gate.graph(x)) and gate.seen == (2, 3)
    assert double(3) == 6 and torch.jit.wait(torch.jit.fork(double, x=4)) == 8


def test_scripting_is_said_once_and_returns_what_it_is_given(monkeypatch):
    monkeypatch.setattr(accepted, "_said", set())
    gate = Gate()
    with pytest.warns(UserWarning, match="^jit: there is no compiler here"):
        assert torch.jit.script(gate) is gate
    with warnings.catch_warnings(action="error"):
        assert torch.jit.trace(gate, torch.ones(1, 3), strict=False) is gate and torch.jit.freeze(gate.eval()) is gate

        @torch.jit.script
        def f(x):
            return x + 1

        assert f(1) == 2 and torch.jit.optimize_for_inference(gate) is gate


def test_what_needs_a_compiler_says_what_to_use():
    with pytest.raises(AttributeError, match=r"'Gate' object has no attribute 'save': torch.save\(model.state_dict\(\), path\)"):
        Gate().save("gate.pt")
    with pytest.raises(AttributeError, match=r"has no attribute 'load': torch.save of the state_dict"):
        torch.jit.load("gate.pt")
    with pytest.raises(AttributeError, match=r"'Linear' object has no attribute 'code': minigrad.graph.draw"):
        _ = nn.Linear(1, 1).code
