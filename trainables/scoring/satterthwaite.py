"""Student's t for a mean over users who have uneven numbers of rows, or uneven gains.

The squared standard error is a sum over users. Satterthwaite's (1946) degrees of freedom d are those of the chi-squared
distribution of the same mean and variance, d = 2 mean² / variance. Where one user has half of the rows, d is about 1
however many others there are.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import t

from reeltune.trainables.scoring.gains import Gains

Side = Literal[-1, 1]  # of the gain: -1 below it, 1 above


@dataclass(frozen=True, kw_only=True)
class StudentT:
    """Limits at gain ± t · standard error."""

    standard_error: float
    freedom: float

    def p(self, beyond: float, side: Side) -> float:
        """The two-sided p-value of a mean that is `beyond` away from the gain, on this side."""
        return 2 * float(t.sf(beyond / self.standard_error, self.freedom)) if self.standard_error else 0.0

    def reach(self, level: float, side: Side, times: float = 1.0) -> float:
        """How far from the gain the limit of the 1 − level interval is, were there `times` as many users."""
        return float(t.ppf(1 - level / 2, self.freedom * times)) * self.standard_error / math.sqrt(times)


def student(gains: Gains) -> StudentT:
    """Student's t of the mean gain, with the fewest of three degrees of freedom, and at least one."""
    fewest = min(by_sizes(gains), by_gains(gains), gains.differ - 1)
    return StudentT(standard_error=gains.standard_error, freedom=max(1.0, fewest))


def by_sizes(gains: Gains) -> float:
    """The degrees of freedom that users' numbers of rows leave (Imbens & Kolesár 2016): (tr P)² / tr P².

    P = A M V M' A is the covariance of the users' influence, in which A = diag(scale), M = I − shares 1' takes the mean
    out, and V = diag(n s² + n² τ²) are the variances of sums of n gains: s² of rows within users, τ² between users.
    With weights w they are diag(s² Σ w² + τ² (Σ w)²): a row of weight 2 is one observation.
    M V M' = V − w v' − v w' + (Σ v) w w' for shares w and variances v, so that both traces are sums over users.
    """
    if gains.standard_error == 0:
        return gains.users - 1.0
    w, v, a = gains.shares, _variances(gains), gains.scale**2
    v = v / v.sum()
    rank = w**2 - 2 * w * v
    trace = (a * (v + rank)).sum()
    ww, vv, wv = (a * w * w).sum(), (a * v * v).sum(), (a * w * v).sum()
    square = 2 * ww * vv + ww**2 + 2 * wv**2 - 4 * ww * wv + (a**2 * (v**2 + 2 * v * rank)).sum()
    return float(np.clip(trace**2 / square, 1.0, gains.users - 1.0))  # beyond these by rounding alone


def by_gains(gains: Gains) -> float:
    """The degrees of freedom that the gains themselves leave (Pan & Wall 2002); infinite if all are alike.

    A few users whose gains are huge decide the standard error: its variance is estimated by the fourth moments of the
    users' influence, d = 2 / (Σ x⁴ / (Σ x²)² − 1 / users).
    """
    if gains.standard_error == 0:
        return math.inf
    heavy = float((gains.influence**4).sum()) / gains.standard_error**4 - 1 / gains.users
    return 2 / heavy if heavy > 0 else math.inf


def _variances(gains: Gains) -> np.ndarray:
    """The variance of each user's sum of gains by random effects, shape (users,); τ² by the analysis of variance.

    With W = Σ w and Q = Σ w² of each user, the expectation of Σ off² / W over users is s² (Σ Q / W − Σ Q / Σ W) +
    τ² (Σ W − Σ W² / Σ W). Where each row counts once Q is W, and the first bracket is users − 1.
    """
    counts, within = gains.counts.astype(float), gains.within
    squares, spare = counts, gains.users - 1.0
    if gains.squares is not None:
        squares = gains.squares
        spare = float((squares / counts).sum()) - float(squares.sum()) / gains.rows
    between = float((gains.off**2 / counts).sum()) - spare * within
    effect = max(0.0, between / (gains.rows - float((counts**2).sum()) / gains.rows))
    return squares * within + counts**2 * effect if within + effect > 0 else squares
