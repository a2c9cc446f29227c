"""What models are built from: modules, losses, initialisers, optimisers, data and a model zoo."""

if __name__ != "minigrad.nn":
    # Under a second name every class here would exist twice, and isinstance() would fail between the two.
    raise ImportError(f"the folder nn/ is the package minigrad.nn and cannot be imported as {__name__!r}: write `from minigrad import nn`")
