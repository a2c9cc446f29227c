"""Formulas as mathematics: MathML, which browsers set themselves, from Python source or from a short notation.

>>> mathml("g * exp(x)")
'<math><mi>g</mi><mo>·</mo><mrow><msup><mi>e</mi><mi>x</mi></msup></mrow></math>'
>>> notation("y_{i} = x_{i} + 1")
'<math><msub><mi>y</mi><mi>i</mi></msub><mo>=</mo><msub><mi>x</mi><mi>i</mi></msub><mo>+</mo><mn>1</mn></math>'
"""

from __future__ import annotations

import ast
import html
import re
import textwrap

FORWARD = {  # op -> what it computes, in the short notation; arguments have the names that the op gives them, as beside the arrows
    "conv": "y_{n,o,i} = bias_{o} | + Σ_{c,u} w_{o,c,u} · x_{n,c,s·i+d·u−p}",
    "max_pool": "y_{i} = max_{u} x_{s·i+u−p}",
    "avg_pool": "y_{i} = 1/k · Σ_{u} x_{s·i+u−p}",
    "linear": "y_{n,o} = bias_{o} | + Σ_{c} input_{n,c} · weight_{o,c}",
    "matmul": "y_{i,j} = Σ_{k} input_{i,k} · other_{k,j}",
    "softmax": "y_{i} = e^{input_{i}} / Σ_{j} e^{input_{j}}",
    "log_softmax": "y_{i} = input_{i} − log Σ_{j} e^{input_{j}}",
    "nll": "y = − Σ_{n} scale_{n} · input_{n,index_{n}}",
    "cross_entropy": "y = − Σ_{n} scale_{n} · ( input_{n,index_{n}} − log Σ_{c} e^{input_{n,c}} )",
    "standardize": "y = weight · (x − μ) / √(σ^{2} + ε) + bias",
    "relu": "y = max (0, input)",
    "sigmoid": "y = 1 / (1 + e^{−input})",
    "tanh": "y = tanh input",
    "exp": "y = e^{input}",
    "log": "y = log input",
    "sqrt": "y = √input",
    "add": "y = input + other",
    "sub": "y = input − other",
    "mul": "y = input · other",
    "div": "y = input / other",
    "pow": "y = input^{exponent}",
    "sum": "y = Σ input",
    "mean": "y = 1/n · Σ input",
    "lstm": "c_{t} = f · c_{t−1} + i · g , h_{t} = o · tanh c_{t}",
    "masked_scale": "y = s · keep · input",
    "gelu": "y = input · Φ (input)",
    "affine": "y = (x − m) · a + c",
    "neg": "y = − input",
    "square": "y = input^{2}",
    "rsqrt": "y = 1 / √input",
    "sum_to": "y = Σ x",
    "reshape": "y_{k} = input_{k}",
    "permute": "y_{i} = input_{π(i)}",
    "transpose": "y_{i,j} = input_{j,i}",
    "broadcast_to": "y_{r,i} = x_{i}",
    "getitem": "y_{i} = x_{s(i)}",
    "setitem": "y_{s(i)} = v_{i} , y_{j} = x_{j}",
    "embedding": "y_{n} = weight_{input_{n}}",
    "cat": "y = [ xs_{1}, …, xs_{n} ]",
    "stack": "y = [ xs_{1}, …, xs_{n} ]",
    "split": "[ y_{1}, …, y_{n} ] = x",
    "unbind": "[ y_{1}, …, y_{n} ] = x",
    "pad_constant": "y_{i+p} = x_{i}",
    "flip": "y_{i} = input_{N−1−i}",
    "where": "y = [condition] · input + [¬ condition] · other",
    "masked_fill": "y = [m] · v + [¬ m] · x",
    "rnn": "h_{t} = f (sums_{t} + weight · h_{t−1})",
    "gru": "h_{t} = (1 − z) · n + z · h_{t−1} , | n = tanh (sums_{t} + r · p) , p = weight · h_{t−1} + bias",
}
SLOPES = {  # op -> argument -> its gradient, where the source calls kernels or takes several steps
    "relu": {"input": "g · [y > 0]"},
    "gelu": {"input": "g · (Φ (input) + input · φ (input))"},
    "masked_scale": {"input": "s · keep · g"},
    "conv": {
        "x": "Σ_{o,u} g_{n,o,(j+p−d·u)/s} · w_{o,c,u}", "w": "Σ_{n,i} x_{n,c,s·i+d·u−p} · g_{n,o,i}", "bias": "Σ_{n,i} g_{n,o,i}",
    },
    "max_pool": {"x": "Σ_{i:x=y_{i}} g_{i}"},
    "avg_pool": {"x": "1/k · Σ_{i,u:s·i+u−p=j} g_{i}"},
    "linear": {"input": "Σ_{o} g_{n,o} · weight_{o,c}", "weight": "Σ_{n} g_{n,o} · input_{n,c}", "bias": "Σ_{n} g_{n,o}"},
    "matmul": {"input": "Σ_{j} g_{i,j} · other_{k,j}", "other": "Σ_{i} input_{i,k} · g_{i,j}"},
    "softmax": {"input": "y_{i} · (g_{i} − Σ_{j} g_{j} · y_{j})"},
    "log_softmax": {"input": "g_{i} − e^{y_{i}} · Σ_{j} g_{j}"},
    "nll": {"input": "− g · scale_{n} · [c = index_{n}]", "scale": "− g · input_{n,index_{n}}"},
    "cross_entropy": {
        "input": "g · scale_{n} · ( p_{n,c} − [c = index_{n}] ) , | p_{n,c} = e^{input_{n,c}} / Σ_{j} e^{input_{n,j}}",
        "scale": "− g · ( input_{n,index_{n}} − log Σ_{c} e^{input_{n,c}} )",
    },
    "standardize": {
        "x": "1/σ · ( h − mean (h) − z · mean (h · z) ) , | h = weight · g , z = (x − μ) / σ", "weight": "Σ g · (x − μ) / σ", "bias": "Σ g",
    },
    "affine": {"x": "g · a", "m": "− Σ g · a", "a": "Σ g · (x − m)", "c": "Σ g"},
    "pow": {"input": "g · exponent · input^{exponent−1}", "exponent": "g · y · log input"},
    "mul": {"input": "g · other", "other": "g · input"},
    "div": {"input": "g / other", "other": "− g · y / other"},
    "sum": {"input": "g"},
    "mean": {"input": "1/n · g"},
    "sum_to": {"x": "g"},
    "reshape": {"input": "g_{k}"},
    "permute": {"input": "g_{π(i)}"},
    "transpose": {"input": "g_{j,i}"},
    "broadcast_to": {"x": "Σ_{r} g_{r,i}"},
    "getitem": {"x": "Σ_{i:s(i)=j} g_{i}"},
    "setitem": {"x": "g_{j} · [j ∉ s]", "v": "g_{s(i)}"},
    "embedding": {"weight": "Σ_{n:input_{n}=k} g_{n}"},
    "cat": {"xs": "g_{k}"},
    "stack": {"xs": "g_{k}"},
    "split": {"x": "[ g_{1}, …, g_{n} ]"},
    "unbind": {"x": "[ g_{1}, …, g_{n} ]"},
    "pad_constant": {"x": "g_{i+p}"},
    "flip": {"input": "g_{N−1−i}"},
    "rnn": {
        "sums": "d_{t} = (g_{t} + weight^{T} d_{t+1}) · f′ (y_{t})", "weight": "Σ_{t} d_{t} · y_{t−1}^{T}", "h": "weight^{T} d_{1}",
    },
    "lstm": {
        "sums": "d_{t} : | ∂h_{t} = g_{t} + weight^{T} d_{t+1} , | ∂c_{t} = ∂c_{t+1} · f_{t+1} + ∂h_{t} · o · (1 − tanh^{2} c_{t}) , |"
                " d_{i} = ∂c · g · i · (1 − i) , d_{f} = ∂c · c_{t−1} · f · (1 − f) , | d_{g} = ∂c · i · (1 − g^{2}) ,"
                " d_{o} = ∂h · tanh c · o · (1 − o)",
        "weight": "Σ_{t} d_{t} · h_{t−1}^{T}", "h": "weight^{T} d_{1}", "c": "∂c_{1} · f_{1}",
    },
    "gru": {
        "sums": "d_{t} : | ∂h_{t} = g_{t} + ∂h_{t+1} · z + weight^{T} d_{t+1} , | d_{n} = ∂h · (1 − z) · (1 − n^{2}) ,"
                " d_{z} = ∂h · (h_{t−1} − n) · z · (1 − z) , | d_{r} = d_{n} · p · r · (1 − r)",
        "weight": "Σ_{t} d_{t} · h_{t−1}^{T}", "h": "weight^{T} d_{1} + ∂h_{1} · z", "bias": "Σ_{t} d_{t}",
    },
}  # fmt: skip
_SIGNS = {ast.Add: "+", ast.Sub: "−", ast.Mult: "·", ast.MatMult: "", ast.FloorDiv: "÷", ast.Mod: "mod"}
_COMPARED = {ast.Gt: "&gt;", ast.GtE: "≥", ast.Lt: "&lt;", ast.LtE: "≤", ast.Eq: "=", ast.NotEq: "≠"}
_LETTERS = {"out": "y", "alpha": "α", "beta": "β", "mu": "μ", "sigma": "σ", "eps": "ε", "slope": "a"}


def notation(text: str) -> str:
    """The MathML of the short notation: ``x_{i}`` a subscript, ``e^{x}`` an exponent; at ``|`` a line may end."""
    return " ".join(f"<math>{_notation(part)}</math>" for part in text.split("|"))


def _notation(text: str) -> str:
    found, place = [], 0
    while place < len(text):
        if text[place].isspace():
            place += 1
            continue
        match = re.match(r"[0-9.]+|[A-Za-zα-ωΑ-Ω]{2,}|.", text[place:])
        assert match is not None
        word = match[0]
        place += len(word)
        tag = "mn" if word[0].isdigit() else "mi" if word.isalpha() and word != "Σ" else "mo"
        base = f"<{tag}>{html.escape(word)}</{tag}>"
        for sign, element in (("_", "msub"), ("^", "msup")):
            if text[place : place + 2] == sign + "{":
                end, depth = place + 2, 1
                while depth:
                    depth += {"{": 1, "}": -1}.get(text[end], 0)
                    end += 1
                inner = _notation(text[place + 2 : end - 1])
                inner = (
                    inner
                    if inner.count("</") == 1 or (inner.startswith("<msub") and inner.count("<msub") == 1)
                    else f"<mrow>{inner}</mrow>"
                )
                base, place = f"<{element}>{base}{inner}</{element}>", end
        found.append(base)
    return "".join(found)


def mathml(source: str) -> str:
    """The MathML of a formula's source: an expression, a lambda, or a function that consists of one return; empty for anything else."""
    try:
        tree = ast.parse(textwrap.dedent(source).strip())
    except SyntaxError:
        return ""
    first, more = tree.body[0] if tree.body else None, tree.body[1:]
    if isinstance(first, ast.FunctionDef):
        steps = [s for s in first.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
        value = steps[0].value if len(steps) == 1 and isinstance(steps[0], ast.Return) else None
    else:
        value = first.value if isinstance(first, ast.Expr) and not more else None
    if isinstance(value, ast.Lambda):
        value = value.body
    return f"<math>{_expression(value)}</math>" if value is not None else ""


def slope(op: str, argument: str, source: str) -> str:
    """The MathML of the gradient of an ``argument`` of ``op``: as :data:`SLOPES` says, else of the formula's ``source``; empty if neither can be set.

    >>> slope("sum", "input", "def _spread(g): ..."), slope("", "x", "lambda g: -g")
    ('<math><mi>g</mi></math>', '<math><mo>−</mo><mi>g</mi></math>')
    """
    known = SLOPES.get(op, {}).get(argument)
    return notation(known) if known is not None else mathml(source)


def _word(name: str) -> str:
    return f"<mi>{html.escape(_LETTERS.get(name, name))}</mi>"


def _group(node: ast.AST, wrap: type | tuple[type, ...]) -> str:
    inner = _expression(node)
    loose = (isinstance(node, ast.BinOp) and isinstance(node.op, wrap)) or isinstance(node, (ast.UnaryOp, ast.IfExp, ast.Compare))
    return f"<mrow><mo>(</mo>{inner}<mo>)</mo></mrow>" if loose else f"<mrow>{inner}</mrow>" if inner.count("</") > 1 else inner


def _expression(node: ast.AST) -> str:
    match node:
        case ast.Name(id=name):
            return _word(name)
        case ast.Constant(value=value):
            return (
                f"<mn>{html.escape(f'{value:g}' if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value))}</mn>"
            )
        case ast.UnaryOp(op=op, operand=operand):
            return f"<mo>{'−' if isinstance(op, ast.USub) else '¬'}</mo>{_group(operand, (ast.Add, ast.Sub))}"
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return f"<mfrac><mrow>{_expression(left)}</mrow><mrow>{_expression(right)}</mrow></mfrac>"
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return (
                f"<msup>{_group(left, (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.MatMult, ast.Pow))}<mrow>{_expression(right)}</mrow></msup>"
            )
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _SIGNS:
            loose: tuple[type, ...] = () if isinstance(op, ast.Add) else (ast.Add, ast.Sub)
            before = _expression(left) if isinstance(op, (ast.Add, ast.Sub)) else _group(left, loose)
            return f"{before}<mo>{_SIGNS[type(op)]}</mo>{_group(right, loose)}"
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARED:
            return f"{_expression(left)}<mo>{_COMPARED[type(op)]}</mo>{_expression(right)}"
        case ast.Attribute(value=value, attr="mT" | "T"):
            return f"<msup>{_group(value, (ast.Add, ast.Sub, ast.Mult, ast.MatMult))}<mi>T</mi></msup>"
        case ast.Call(func=ast.Name(id="exp") | ast.Attribute(attr="exp"), args=[x]):
            inner = _expression(x)
            return f"<msup><mi>e</mi>{inner if inner.count('</') == 1 else f'<mrow>{inner}</mrow>'}</msup>"
        case ast.Call(func=ast.Name(id="sqrt") | ast.Attribute(attr="sqrt"), args=[x]):
            return f"<msqrt>{_expression(x)}</msqrt>"
        case ast.Call(func=ast.Name(id="where") | ast.Attribute(attr="where"), args=[test, yes, no]):
            rows = "".join(
                f"<mtr><mtd>{_expression(value)}</mtd><mtd>{when}</mtd></mtr>"
                for value, when in ((yes, _expression(test)), (no, "<mtext>else</mtext>"))
            )
            return f"<mrow><mo>{{</mo><mtable>{rows}</mtable></mrow>"
        case ast.Call(func=function, args=args):
            given = "<mo>,</mo>".join(map(_expression, args))
            name = function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else "f"
            if isinstance(function, ast.Attribute) and not (isinstance(function.value, ast.Name) and len(args) > 0):
                given = _expression(function.value) + ("<mo>,</mo>" + given if given else "")
            return f"{_word(name)}<mrow><mo>(</mo>{given}<mo>)</mo></mrow>"
        case _:
            return f"<mtext>{html.escape(ast.unparse(node))}</mtext>"
