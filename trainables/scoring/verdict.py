"""Does an architecture beat the baseline? One of three words, over all architectures that are judged together.

Holm's method (1979) adjusts p for their number.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from reeltune.trainables.scoring.comparison import Comparison
from reeltune.trainables.scoring.levels import LEVEL
from reeltune.trainables.scoring.missing import missing, needed_users

Word = Literal["beats", "worse", "undecided"]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    comparison: Comparison
    p_holm: float
    word: Word
    needed_users: int | None = None  # see `missing.needed_users`; None unless the word is "undecided"
    missing: str | None = None  # why the word is "undecided"

    @property
    def needed_ratings(self) -> int | None:
        """The test ratings that so many users would give."""
        if self.needed_users is None:
            return None
        return math.ceil(self.needed_users * self.comparison.ratings / self.comparison.users)


def judge(comparisons: dict[str, Comparison]) -> dict[str, Verdict]:
    """The verdict of each of the architectures that are judged together."""
    adjusted = holm({name: comparison.p for name, comparison in comparisons.items()})
    return {
        name: _verdict(comparison, adjusted[name], judged=len(comparisons)) for name, comparison in comparisons.items()
    }


def _verdict(comparison: Comparison, p_holm: float, *, judged: int) -> Verdict:
    word = _word(comparison.gain, p_holm)
    if word != "undecided":
        return Verdict(comparison=comparison, p_holm=p_holm, word=word)
    needed = needed_users(comparison, judged=judged)
    return Verdict(
        comparison=comparison,
        p_holm=p_holm,
        word=word,
        needed_users=needed,
        missing=missing(comparison, needed),
    )


def holm(p_values: dict[str, float]) -> dict[str, float]:
    """p-values by Holm's step-down adjustment, which keeps their order and makes none smaller."""
    adjusted, highest = {}, 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[name]))
        adjusted[name] = highest
    return adjusted


def _word(gain: float, p: float) -> Word:
    if p >= LEVEL:
        return "undecided"
    return "beats" if gain > 0 else "worse"


def spread(errors_by_seed: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The standard deviation over seeds of the mean squared error, from squared errors of shape (seeds, rows).

    With weights, shape (rows,), the means are by them.
    """
    if len(errors_by_seed) < 2:
        return 0.0
    means = errors_by_seed.mean(1) if weights is None else np.average(errors_by_seed, axis=1, weights=weights)
    return float(means.std(ddof=1))
