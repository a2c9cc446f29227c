"""``torch.distributions.constraints``."""

# mypy: implicit-reexport

from minigrad.distributions.constraints import (
    Constraint, boolean, dependent, greater_than, greater_than_eq, independent, integer_interval, interval, less_than, lower_cholesky, nonnegative,
    nonnegative_integer, one_hot, positive, positive_definite, positive_integer, real, real_vector, simplex, symmetric, unit_interval,
    cat, corr_cholesky, half_open_interval, lower_triangular, positive_semidefinite, square, stack,
)  # fmt: skip
