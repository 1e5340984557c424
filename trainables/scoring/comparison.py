"""A predictor's gain over the baseline on the same rows, with its interval and p: closed forms, no resamples.

Three criteria judge the gain: Student's t with Satterthwaite's degrees of freedom, Hall's correction for skewness, and
what users that nobody has seen may do. The interval is the hull of their intervals, and p the largest of their p-values
(an intersection-union test, Berger 1982): p is below LEVEL exactly if no gain in the interval counts as none.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from reeltune.trainables.scoring.gains import Gains, gains
from reeltune.trainables.scoring.levels import FEWEST, LEVEL, NOTHING
from reeltune.trainables.scoring.satterthwaite import Side, by_sizes, student
from reeltune.trainables.scoring.skewness import hall
from reeltune.trainables.scoring.unseen import unseen


class Criterion(Protocol):
    """One reason why a gain may be none. `p` is the level at which `reach` is `beyond`."""

    def p(self, beyond: float, side: Side) -> float:
        """The p-value of a true gain that is `beyond` away from the one seen, on this side."""

    def reach(self, level: float, side: Side, times: float = 1.0) -> float:
        """How far from the gain the limit of the 1 − level interval is, were there `times` as many users."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A gain in mean squared error (baseline − architecture; positive is better) and its uncertainty."""

    gain: float
    ci95: tuple[float, float] | None  # None: nearly all rows are one user's, which tells nothing of users
    p: float
    criteria: tuple[Criterion, ...]  # t, skewness, unseen; none without an interval
    standard_error: float | None  # over users; None without an interval
    error: float  # the baseline's
    ratings: int  # test rows
    users: int
    differ: int  # users on whose rows the two differ
    effective_users: float  # how many users with equally many rows these are worth
    largest_share: float  # of the rows, or of their weights, of the user who has most
    weighted: bool = False  # the rows have weights
    nothing: float  # gains up to this count as none

    @property
    def beyond(self) -> float:
        """How far the gain is from the nearest that counts as none; 0 or less if it is none itself."""
        return abs(self.gain) - self.nothing

    @property
    def side(self) -> Side:
        """The side of the gain on which no gain is."""
        return _side(self.gain)


def compare(
    baseline: np.ndarray, other: np.ndarray, users: np.ndarray, weights: np.ndarray | None = None
) -> Comparison:
    """Compare the squared errors of two predictors on the same rows, of these users; all of shape (rows,)."""
    return compare_all(baseline, {"other": other}, users, weights)["other"]


def compare_with_number(
    published: float, errors: np.ndarray, users: np.ndarray, weights: np.ndarray | None = None
) -> Comparison:
    """Compare with a published mean squared error, of which there are no predictions: a one-sample comparison.

    The number is taken as exact, so the interval has the uncertainty of this predictor's error only.
    """
    return compare(np.full(errors.shape, published), errors, users, weights)


def compare_all(
    baseline: np.ndarray, others: dict[str, np.ndarray], users: np.ndarray, weights: np.ndarray | None = None
) -> dict[str, Comparison]:
    """Compare the squared errors of several with the baseline's, all on the same rows.

    With weights, above 0, shape (rows,), each row counts so often.
    """
    _, member, counts = np.unique(users, return_inverse=True, return_counts=True)
    return {name: comparison(gains(baseline, other, member, counts, weights)) for name, other in others.items()}


def comparison(found: Gains) -> Comparison:
    """The comparison of these gains.

    p is 1 if there are fewer than FEWEST users or the two differ on the rows of fewer, if one user has nearly all rows,
    if the gain counts as none, or if the baseline makes no error.
    """
    nothing = NOTHING * found.error
    criteria = () if found.of_one else _criteria(found)
    beyond, side = abs(found.mean) - nothing, _side(found.mean)
    sure = not found.of_one and min(found.users, found.differ) >= FEWEST and found.error > 0 and beyond > 0
    return Comparison(
        gain=found.mean,
        ci95=_interval(found, criteria),
        p=max(each.p(beyond, side) for each in criteria) if sure else 1.0,
        criteria=criteria,
        standard_error=None if found.of_one else found.standard_error,
        error=found.error,
        ratings=found.ratings,
        users=found.users,
        differ=found.differ,
        effective_users=1.0 if found.of_one else by_sizes(found) + 1,
        largest_share=float(found.shares.max()),
        weighted=found.squares is not None,
        nothing=nothing,
    )


def _criteria(found: Gains) -> tuple[Criterion, ...]:
    by_spread = student(found)
    return by_spread, hall(found, by_spread, level=LEVEL), unseen(found)


def _side(gain: float) -> Side:
    return -1 if gain > 0 else 1


def _interval(found: Gains, criteria: tuple[Criterion, ...]) -> tuple[float, float] | None:
    if not criteria:
        return (0.0, 0.0) if found.differ == 0 else None
    below, above = (max(each.reach(LEVEL, side) for each in criteria) for side in (-1, 1))
    return found.mean - below, found.mean + above
