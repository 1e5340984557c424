"""A user's gains as one observation: the sums over their rows, and how far they pull the mean gain.

The errors of one user's rows hang together, so all that judges a gain works on users and not on rows.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

ROUNDING = 1e-12  # a standard error below this share of the gain is rounding alone
# Of the rows: beyond it the mean is one user's. How far this user is from all users is then not in the residuals, and
# CR2, which is unbiased for independent rows, is several times too small: with 99.9%, 94 words of 100 were false.
NEARLY_ALL = 0.9


@dataclass(frozen=True, kw_only=True)
class Gains:
    """The gains of one predictor over the baseline (baseline − other; positive is better), added up by user.

    `scale`, `influence` and `standard_error` need two users.
    """

    totals: np.ndarray  # a user's sum of gains, shape (users,)
    counts: np.ndarray  # a user's rows, at least 1, shape (users,)
    within: float  # the variance of rows within users; 0 if no user has two rows
    error: float  # the baseline's mean error

    @cached_property
    def rows(self) -> float:
        return float(self.counts.sum())

    @cached_property
    def mean(self) -> float:
        """The gain of all rows together."""
        return float(self.totals.sum() / self.rows)

    @property
    def users(self) -> int:
        return len(self.totals)

    @cached_property
    def differ(self) -> int:
        """Users on whose rows the two predictors differ."""
        return int(np.count_nonzero(self.totals))

    @cached_property
    def shares(self) -> np.ndarray:
        """A user's share of the rows, shape (users,)."""
        return self.counts / self.rows

    @cached_property
    def of_one(self) -> bool:
        """Whether one user has nearly all of the rows, so that they tell nothing of users."""
        return bool(self.shares.max() > NEARLY_ALL)

    @cached_property
    def off(self) -> np.ndarray:
        """How much a user's rows together are off the mean gain, shape (users,)."""
        return self.totals - self.counts * self.mean

    @cached_property
    def scale(self) -> np.ndarray:
        """1 / (rows · √(1 − share)), shape (users,): what CR2 multiplies a user's residuals with."""
        return 1 / (self.rows * np.sqrt(1 - self.shares))

    @cached_property
    def influence(self) -> np.ndarray:
        """How far each user pulls the mean, by CR2 (Bell & McCaffrey 2002), shape (users,).

        CR2 multiplies a user's residuals by (I − H)^(−1/2), H being the user's block of the hat matrix. Of a mean H is
        1/rows everywhere, and the sum of the residuals is divided by √(1 − share).
        """
        return self.scale * self.off

    @cached_property
    def standard_error(self) -> float:
        """The standard error of the mean gain, unbiased if rows are independent; 0 if every row gains the same."""
        error = float(np.sqrt((self.influence**2).sum()))
        return error if error > ROUNDING * abs(self.mean) else 0.0


def gains(baseline: np.ndarray, other: np.ndarray, member: np.ndarray, counts: np.ndarray) -> Gains:
    """Add up squared errors, shape (rows,), by user: `member` is a row's user, `counts` how many rows each user has."""
    each = baseline - other
    totals = np.bincount(member, weights=each, minlength=len(counts))
    spare = len(member) - len(counts)
    within = float(((each - (totals / counts)[member]) ** 2).sum() / spare) if spare else 0.0
    return Gains(totals=totals, counts=counts, within=within, error=float(baseline.mean()))
