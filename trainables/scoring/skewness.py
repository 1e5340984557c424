"""Student's t of a skewed sample, made nearly symmetric by Hall's (1992) transformation.

g(t) = t + k t² / 3 + k² t³ / 27 + k / 6, where k is the third moment of the mean (skewness / √users): Johnson's (1978)
modified t, and a cube that makes it monotone, so that limits are found by its inverse.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import t

from reeltune.trainables.scoring.gains import Gains
from reeltune.trainables.scoring.satterthwaite import Side, StudentT

TURN = 0.9  # how near |k| t may come to 1, where the inverse is steepest and the interval runs away
SMALL = 1e-6  # below, the inverse is 0 / 0 to rounding, and its first two terms are exact


@dataclass(frozen=True, kw_only=True)
class Hall:
    """Limits that lean to the side of the longer tail."""

    student: StudentT
    skewness: float  # k

    def p(self, beyond: float, side: Side) -> float:
        """The two-sided p-value of a mean that is `beyond` away from the gain, on this side."""
        error = self.student.standard_error
        if error == 0:
            return 0.0
        return min(1.0, 2 * float(t.sf(cubed(beyond / error, -side * self.skewness), self.student.freedom)))

    def reach(self, level: float, side: Side, times: float = 1.0) -> float:
        """How far from the gain the limit of the 1 − level interval is, were there `times` as many users."""
        quantile = float(t.ppf(1 - level / 2, self.student.freedom * times))
        skewness = -side * self.skewness / math.sqrt(times)
        return uncubed(quantile, skewness) * self.student.standard_error / math.sqrt(times)


def hall(gains: Gains, student: StudentT, *, level: float) -> Hall:
    """Hall's transformation for the gains' skewness, which is bounded where the interval of this level runs away."""
    users, error = gains.users, student.standard_error
    if error == 0 or users < 3:
        return Hall(student=student, skewness=0.0)
    unbiased = math.sqrt(users * (users - 1)) / (users - 2)
    skewness = float((gains.influence**3).sum()) / error**3 * unbiased
    bound = TURN / float(t.ppf(1 - level / 2, student.freedom))
    return Hall(student=student, skewness=min(bound, max(-bound, skewness)))


def cubed(x: float, k: float) -> float:
    """Hall's g."""
    return x + k * x**2 / 3 + k**2 * x**3 / 27 + k / 6


def uncubed(y: float, k: float) -> float:
    """The inverse of Hall's g: 3 / k · ((1 + k (y − k / 6))^(1/3) − 1)."""
    if abs(k) < SMALL:
        return y - k / 6 - k * y**2 / 3
    return 3 / k * (float(np.cbrt(1 + k * (y - k / 6))) - 1)
