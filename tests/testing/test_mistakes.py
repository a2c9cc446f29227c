"""Each of the wrong ops in mistakes.py is detected, at the right argument and order, with the right diagnosis and a program that shows it."""

import numpy as np
import pytest
from mistakes import MISTAKES

from minigrad.testing import GradcheckError, check_op


@pytest.mark.parametrize("exhibit", MISTAKES, ids=lambda e: e.op.__name__)
def test_caught(exhibit):
    with pytest.raises(GradcheckError) as caught, np.errstate(all="ignore"):
        check_op(exhibit.op, *exhibit.strategies, examples=exhibit.examples)
    error = caught.value
    assert error.op == exhibit.op.__name__
    assert (error.argument, error.order, error.kind) == (exhibit.argument, exhibit.order, exhibit.kind), str(error)
    assert error.diagnosis.startswith(exhibit.kind) or exhibit.kind in error.diagnosis
    assert exhibit.words in str(error)
    with pytest.raises(GradcheckError) as again, np.errstate(all="ignore"):
        exec(error.code, {})
    assert (again.value.argument, again.value.order) == (exhibit.argument, exhibit.order)


def test_there_are_many_mistakes():
    assert len({e.op.__name__ for e in MISTAKES}) == len(MISTAKES) >= 70
    assert len({e.kind for e in MISTAKES}) >= 25
