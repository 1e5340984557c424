"""Does an architecture beat the baseline? A paired bootstrap over users, and one of three words.

One architecture's ratings of the same user hang together, so users are resampled and not rows. The interval
is the bias-corrected and accelerated one (BCa; Efron 1987), and p comes from inverting it: the level at which
its nearer end is 0. p is adjusted over all judged architectures by Holm's method (1979).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import norm

Word = Literal["beats", "worse", "undecided"]
RESAMPLES = 10_000
LEVEL = 0.05
FEWEST = 20
BLOCK = 8_000_000  # resampled users held at once: bounds memory


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A gain in mean squared error (baseline − architecture; positive is better) and what is sure of it."""

    gain: float
    ci95: tuple[float, float]
    p: float


@dataclass(frozen=True, kw_only=True)
class Verdict:
    comparison: Comparison
    p_holm: float
    word: Word


def compare(baseline: np.ndarray, other: np.ndarray, users: np.ndarray, *, seed: int) -> Comparison:
    """Compare the squared errors, shape (rows,), of two predictors on the same rows of these users.

    With fewer than FEWEST users p is 1, as so few cannot show how much users differ; the interval is then over
    rows.
    """
    gains = baseline - other
    few = len(np.unique(users)) < FEWEST
    _, member = np.unique(np.arange(len(users)) if few else users, return_inverse=True)
    totals, counts = np.bincount(member, weights=gains), np.bincount(member)
    gain = float(gains.mean())
    draws = _resampled(totals, counts, seed=seed)
    if np.ptp(draws) == 0:  # the same predictions, or the same gain on every row: nothing varies
        return Comparison(gain=gain, ci95=(gain, gain), p=1.0 if few or gain == 0 else 1 / RESAMPLES)
    bias, acceleration = _corrections(draws, totals, counts)
    low, high = np.quantile(
        draws, [_adjusted(LEVEL / 2, bias, acceleration), _adjusted(1 - LEVEL / 2, bias, acceleration)]
    )
    return Comparison(gain=gain, ci95=(float(low), float(high)), p=1.0 if few else _p_value(draws, bias, acceleration))


def judge(comparisons: dict[str, Comparison]) -> dict[str, Verdict]:
    """The verdicts of all judged architectures together."""
    adjusted = holm({name: comparison.p for name, comparison in comparisons.items()})
    return {
        name: Verdict(comparison=comparison, p_holm=adjusted[name], word=_word(comparison.gain, adjusted[name]))
        for name, comparison in comparisons.items()
    }


def holm(p_values: dict[str, float]) -> dict[str, float]:
    """Holm's step-down adjustment: never smaller than p, and never out of order."""
    adjusted, highest = {}, 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[name]))
        adjusted[name] = highest
    return adjusted


def _word(gain: float, p: float) -> Word:
    if p >= LEVEL:
        return "undecided"
    return "beats" if gain > 0 else "worse"


def _resampled(totals: np.ndarray, counts: np.ndarray, *, seed: int) -> np.ndarray:
    """The mean gain in each of RESAMPLES draws of as many users as there are."""
    draw = np.random.default_rng(seed)
    users = len(totals)
    block = max(1, BLOCK // users)
    means = []
    for start in range(0, RESAMPLES, block):
        chosen = draw.integers(0, users, (min(block, RESAMPLES - start), users), dtype=np.int32)
        means.append(totals[chosen].sum(1) / counts[chosen].sum(1))
    return np.concatenate(means)


def _corrections(draws: np.ndarray, totals: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """BCa's bias and acceleration; the latter from leaving out one user at a time."""
    observed = totals.sum() / counts.sum()
    below = (np.count_nonzero(draws < observed) + np.count_nonzero(draws <= observed)) / 2
    bias = float(norm.ppf(np.clip(below / len(draws), 1 / len(draws), 1 - 1 / len(draws))))
    without = (totals.sum() - totals) / (counts.sum() - counts)
    spread = without.mean() - without
    cubes, squares = (spread**3).sum(), (spread**2).sum()
    return bias, float(cubes / (6 * squares**1.5)) if squares > 0 else 0.0


def _adjusted(level: float, bias: float, acceleration: float) -> float:
    """The quantile of the draws at which BCa's end of this level lies."""
    shifted = bias + norm.ppf(level)
    return float(norm.cdf(bias + shifted / (1 - acceleration * shifted)))


def _p_value(draws: np.ndarray, bias: float, acceleration: float) -> float:
    """Twice the level at which an end of the interval is 0: `_adjusted`, solved for its level."""
    share = np.count_nonzero(draws < 0) / len(draws) + np.count_nonzero(draws == 0) / len(draws) / 2
    shifted = float(norm.ppf(np.clip(share, 1 / len(draws), 1 - 1 / len(draws)))) - bias
    level = norm.cdf(shifted / (1 + acceleration * shifted) - bias)
    return float(max(2 * min(level, 1 - level), 1 / len(draws)))


def spread(errors_by_seed: np.ndarray) -> float:
    """The standard deviation over refit seeds of the mean squared error; errors of shape (seeds, rows)."""
    return float(errors_by_seed.mean(1).std(ddof=1)) if len(errors_by_seed) > 1 else 0.0
