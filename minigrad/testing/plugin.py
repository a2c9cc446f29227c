"""pytest plugin: the fixtures ``gradcheck`` and ``check_op``, whose failures show the report and the test, not the kit's own frames.

It is registered as an entry point, so that a test only has to name the fixture::

    def test_my_op(check_op):
        check_op(my_op, st.arrays(low=0.1))
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


def _from_its_caller(name: str) -> Callable:
    """A function of :mod:`minigrad.testing`, imported when it is first called, whose errors are raised from the line of its caller."""

    def call(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        from minigrad import testing

        try:
            return getattr(testing, name)(*args, **kwargs)
        except testing.GradcheckError as error:
            found = error
        raise found.with_traceback(None) from found.__cause__

    call.__name__ = call.__qualname__ = name
    return call


@pytest.fixture(scope="session")
def gradcheck() -> Callable:
    """minigrad.testing.gradcheck: compare gradients at given inputs with numerical ones."""
    return _from_its_caller("gradcheck")


@pytest.fixture(scope="session")
def check_op() -> Callable:
    """minigrad.testing.check_op: prove an op on inputs that hypothesis draws."""
    return _from_its_caller("check_op")
