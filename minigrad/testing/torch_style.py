"""``gradcheck`` as PyTorch's scripts call it, over :func:`minigrad.testing.gradcheck`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minigrad.engine import TensorBase
from minigrad.ops.arguments import check
from minigrad.testing.checking import gradcheck as prove
from minigrad.testing.report import GradcheckError


def gradcheck(
    func: Callable,
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    fast_mode: bool = False,
    check_forward_ad: bool = False,
    check_batched_grad: bool = False,
    **accepted: Any,
) -> bool:
    """Whether the gradients of ``func(*inputs)`` are those that differences give: ``torch.autograd.gradcheck``.

    Args:
        func: a function of Tensors.
        inputs: a Tensor, or a tuple of arguments; those that require a gradient are checked.
        eps: accepted; steps are chosen by the check itself, whose numerical derivatives know their own error.
        atol, rtol: how far a gradient may be from the numerical one.
        raise_exception: False returns False instead of raising.
        fast_mode: check random directions only.
        check_forward_ad: check the tangents of forward mode too.
        check_batched_grad: check the gradients for several cotangents at once too.
        accepted: PyTorch's other switches, which are without effect.

    Raises :class:`~minigrad.testing.GradcheckError`, which names element, values and the likely mistake.

    >>> import minigrad as mg
    >>> from minigrad.testing.torch_style import gradcheck
    >>> gradcheck(mg.sin, (mg.tensor([0.5], dtype=mg.float64, requires_grad=True),))
    True
    """
    check("gradcheck", locals(), func="a function", eps="above 0", atol="0 or above", rtol="0 or above")
    _refuse_unknown(
        "gradcheck",
        accepted,
        "nondet_tol check_undefined_grad check_grad_dtypes check_batched_forward_grad check_backward_ad check_sparse_nnz masked",
    )
    return _checked("gradcheck", func, inputs, 1, atol, rtol, raise_exception, fast_mode, check_forward_ad, check_batched_grad)


def gradgradcheck(
    func: Callable,
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    fast_mode: bool = False,
    check_fwd_over_rev: bool = False,
    check_batched_grad: bool = False,
    **accepted: Any,
) -> bool:
    """:func:`gradcheck` of first and second derivatives: ``torch.autograd.gradgradcheck``. ``grad_outputs`` are chosen by the check.

    ``check_fwd_over_rev`` and ``check_batched_grad`` check the tangents of forward mode and gradients for several cotangents at once too.
    """
    check("gradgradcheck", locals(), func="a function", eps="above 0", atol="0 or above", rtol="0 or above")
    _refuse_unknown(
        "gradgradcheck", accepted, "gen_non_contig_grad_outputs nondet_tol check_undefined_grad check_grad_dtypes check_rev_over_rev masked"
    )
    return _checked("gradgradcheck", func, inputs, 2, atol, rtol, raise_exception, fast_mode, check_fwd_over_rev, check_batched_grad)


def _refuse_unknown(name: str, accepted: dict[str, Any], switches: str) -> None:
    """Refuse keywords that are none of PyTorch's ``switches`` without effect here: a misspelt tolerance would be ignored."""
    known = switches.split()
    for keyword in accepted:
        if keyword not in known:
            raise TypeError(f"{name} got an unexpected keyword argument {keyword!r}; without effect here are {', '.join(known)}")


def _checked(
    name: str,
    func: Callable,
    inputs: Any,
    order: int,
    atol: float,
    rtol: float,
    raise_exception: bool,
    fast: bool,
    forward: bool,
    batched: bool,
) -> bool:
    if not isinstance(inputs, TensorBase):
        check(name, {"inputs": inputs}, inputs="a list")
    args = (inputs,) if isinstance(inputs, TensorBase) else tuple(inputs)
    try:
        prove(func, *args, order=order, rtol=rtol, atol=atol, fast=fast, forward=forward, batched=batched)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True
