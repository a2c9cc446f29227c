"""Timings of minigrad and of other libraries, side by side in one run: ``python -m benchmarks``."""
