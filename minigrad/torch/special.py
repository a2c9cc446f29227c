"""``torch.special``."""

# mypy: implicit-reexport

from minigrad.ops.special import (
    digamma, entr, erf, erfc, erfcx, erfinv, exp2, expit, expm1, gammainc, gammaincc, gammaln, i0, i0e, i1, i1e, log1p, log_ndtr, log_softmax, logit, logsumexp,
    multigammaln, ndtr, ndtri, polygamma, psi, round, sinc, softmax, xlog1py, xlogy, zeta,
)  # fmt: skip
