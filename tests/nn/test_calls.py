"""Running a model to inspect it does not change its state."""

import tracemalloc

import numpy as np

import minigrad as mg
from minigrad import nn
from minigrad.calls import unchanged
from minigrad.ops.outlines import outline
from minigrad.random import drawing_from


def test_the_generator_that_the_calling_thread_draws_from_is_put_back():
    model, x = nn.Dropout(0.5), mg.ones(4)
    generator = mg.Generator().manual_seed(3)
    with drawing_from(generator):
        before = generator.get_state()
        with unchanged(model):
            model(x)
        assert mg.equal(generator.get_state(), before)
    outside = mg.get_rng_state()
    with unchanged(model):
        model(x)
    assert mg.equal(mg.get_rng_state(), outside)


def test_a_buffer_without_memory_of_its_own_is_not_copied():
    """``nn.summary`` works on outlines: one number that is shown at every place, and that nothing can write into."""
    model = nn.Module()
    model.register_buffer("table", mg.from_numpy(outline((10**7,), np.float32)))
    tracemalloc.start()
    try:
        with unchanged(model):
            pass
        assert tracemalloc.get_traced_memory()[1] < 10**6
    finally:
        tracemalloc.stop()


def test_buffers_come_back_whether_they_were_replaced_or_written_into():
    norm = nn.BatchNorm1d(2)
    mean = norm.running_mean
    with unchanged(norm, training=True):
        norm(mg.randn(8, 2) + 5)
        norm.running_var.numpy()[...] = 7
    assert norm.running_mean is mean and norm.running_mean.tolist() == [0, 0] and norm.running_var.tolist() == [1, 1]
