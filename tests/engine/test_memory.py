"""Freed memory is reused for the next arrays."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from minigrad.kernels.memory import keep_freed_memory

PROGRAM = """
import resource
import numpy as np
import minigrad

def step():
    return [np.ones(1 << 20) for _ in range(8)]  # 8 arrays of 8 MB

step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not keep_freed_memory(), reason="not glibc, or its settings are the user's")
def test_a_second_step_asks_the_system_for_no_memory():
    faults = int(subprocess.run([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, check=True).stdout)
    assert faults < 8 * 2 * 4  # of 16384 pages of 4 kB in each of 5 steps


@pytest.mark.parametrize("name", ["MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES"])
def test_what_the_user_has_set_stands(monkeypatch, name):
    monkeypatch.setenv(name, "glibc.malloc.trim_threshold=1" if name == "GLIBC_TUNABLES" else "131072")
    assert not keep_freed_memory()


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.setattr(os, "confstr", lambda name: None)
    assert not keep_freed_memory()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_freed_memory()
