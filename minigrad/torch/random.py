"""``torch.random``."""

# mypy: implicit-reexport

from minigrad.random import Generator, default_generator, fork_rng, get_rng_state, initial_seed, manual_seed, seed, set_rng_state
