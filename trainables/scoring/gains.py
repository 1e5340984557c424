"""A user's gains as one observation: the sums over their rows, and how far they pull the mean gain.

The errors of one user's rows hang together, so all that judges a gain works on users and not on rows.

Where rows have weights w, the gain of rows with gains d is the ratio g = Σ w d / Σ w. By linearisation a row pulls it
by w (d − g) / Σ w, and a user by the sum of these over their rows: as without weights, with Σ w d in place of the
user's sum of gains, and Σ w in place of their number of rows. So a row of weight 2 is two rows of its user, and only
the ratios of weights count. What knows that it is no second observation is `satterthwaite.by_sizes`, by Σ w².
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
    counts: np.ndarray  # a user's rows, or their weights together; above 0, shape (users,)
    within: float  # the variance of rows within users; 0 if no user has two rows
    error: float  # the baseline's mean error
    squares: np.ndarray | None = None  # a user's sum of squared weights, shape (users,); None: each row counts once
    number: int | None = None  # of the rows, where they have weights

    @property
    def ratings(self) -> int:
        """The number of rows."""
        return int(self.rows) if self.number is None else self.number

    @cached_property
    def rows(self) -> float:
        """All rows, or their weights together."""
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
        """A user's share of the rows, or of their weights, shape (users,)."""
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


def gains(
    baseline: np.ndarray, other: np.ndarray, member: np.ndarray, counts: np.ndarray, weights: np.ndarray | None = None
) -> Gains:
    """Add up squared errors, shape (rows,), by user: `member` is a row's user, `counts` how many rows each user has.

    With weights, above 0, shape (rows,), the variance within users is Σ w (d − m)² / (Σ w − Σ_users Σ w² / Σ w), m
    being the user's weighted mean: unbiased where rows vary alike, and Σ (d − m)² / (rows − users) without weights.
    """
    if weights is None:
        each = baseline - other
        totals = np.bincount(member, weights=each, minlength=len(counts))
        spare = len(member) - len(counts)
        within = float(((each - (totals / counts)[member]) ** 2).sum() / spare) if spare else 0.0
        return Gains(totals=totals, counts=counts, within=within, error=float(baseline.mean()))
    return _weighted(baseline, baseline - other, member, counts, weights)


def _weighted(
    baseline: np.ndarray, each: np.ndarray, member: np.ndarray, counts: np.ndarray, weights: np.ndarray
) -> Gains:
    totals, sizes, squares = (
        np.bincount(member, weights=values, minlength=len(counts)) for values in (weights * each, weights, weights**2)
    )
    off = (weights * (each - (totals / sizes)[member]) ** 2).sum()
    spare = float(sizes.sum() - (squares / sizes).sum())
    # Where each user's weight is as good as that of one row, nothing is known of rows within users.
    within = float(off) / spare if spare > ROUNDING * float(sizes.sum()) else 0.0
    return Gains(
        totals=totals,
        counts=sizes,
        within=within,
        error=float((weights * baseline).sum() / weights.sum()),
        squares=squares,
        number=len(member),
    )
