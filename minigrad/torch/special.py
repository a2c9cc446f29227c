"""``torch.special``."""

# mypy: implicit-reexport

from minigrad import erf, erfc, erfinv, exp2, expm1, log1p, log_softmax, logit, logsumexp, round, sigmoid as expit, softmax, xlogy
