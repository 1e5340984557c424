"""How far a rating may lie from its prediction: intervals by split conformal prediction, wider where less is known.

On rows that a fit did not see, the squared error around the mean rating of a pair is regressed on how many ratings its
user and its item have (n_u and n_i, non-negative least squares):

    s² = noise + user / (1 + n_u) + item / (1 + n_i)

The quantiles q of |rating - mean| / s on the same rows make the interval mean ± q s, cut off at the ends of the scale
(Lei, G'Sell, Rinaldo, Tibshirani & Wasserman 2018, "locally weighted"). It holds for so many of all pairs that are
drawn as those rows were; for a single user it may hold for more or for fewer.
"""

import math
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict

from reeltune.trainables.data.ratings import RatingCounts, Rows
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.data.shape import Shape

LEVELS = (0.80, 0.95)
COLUMNS = tuple(f"{end}_{100 * level:.0f}" for level in LEVELS for end in ("low", "high"))
FEWEST = 200  # rows: the outer 5% are 10 of them
LEAST = 1e-9  # of s, of predictions without any error


class Spread(BaseModel):
    """What a bundle keeps of it. Numbers are in rating units, or squared ones."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    rows: int  # that it was found on
    noise: float
    user: float
    item: float
    q80: float
    q95: float

    @classmethod
    def of(cls, ratings: np.ndarray, means: np.ndarray, known: tuple[np.ndarray, np.ndarray]) -> Self | None:
        """From ratings and means of rows that the fit did not see, and how many `known` ratings their ids have.

        All are of shape (rows,). None of fewer rows than FEWEST, or where a mean is no finite number.
        """
        if len(ratings) < FEWEST or not np.isfinite(means).all():
            return None
        from scipy.optimize import nnls  # half a second to load

        errors = np.abs(ratings - means.astype(np.float64))
        terms = np.stack([np.ones(len(errors)), *(1 / (1 + counts) for counts in known)], 1)
        found, _ = nnls(terms, errors**2)
        scaled = errors / _deviations(found, known)
        q80, q95 = (conformal_quantile(scaled, level) for level in LEVELS)
        noise, user, item = found.tolist()
        return cls(rows=len(errors), noise=noise, user=user, item=item, q80=q80, q95=q95)

    def intervals(self, means: np.ndarray, known: tuple[np.ndarray, np.ndarray], scale: Scale) -> np.ndarray:
        """The ends of the intervals of pairs, as COLUMNS names them, shape (pairs, 4)."""
        wide = _deviations(np.array([self.noise, self.user, self.item]), known)
        ends = [means + sign * q * wide for q in (self.q80, self.q95) for sign in (-1, 1)]
        return np.stack(ends, 1).clip(scale.low, scale.high)


def known_of(fitted: Rows | RatingCounts, rows: Rows, shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    """How many fitted ratings the user, and the item, of each row has, both of shape (rows,)."""
    counts = fitted.counts(shape.users, shape.items) if isinstance(fitted, Rows) else fitted
    return counts.users[rows.users], counts.items[rows.items]


def _deviations(found: np.ndarray, known: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    noise, user, item = found
    return np.sqrt(noise + user / (1 + known[0]) + item / (1 + known[1])).clip(min=LEAST)


def conformal_quantile(errors: np.ndarray, level: float) -> float:
    """The ⌈(n + 1) level⌉-th smallest of n errors, which covers that of one row more with at least this probability.

    The largest of them, where there are so few that none does.
    """
    place = min(len(errors), math.ceil((len(errors) + 1) * level)) - 1
    return float(np.partition(errors, place)[place])
