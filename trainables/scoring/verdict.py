"""Does an architecture beat the baseline? A paired bootstrap over users, and one of three words.

Errors on one user's rows are correlated, so users are resampled, not rows. The interval is the bias-corrected and
accelerated one (BCa; Efron 1987). p is found by inverting it: p is twice the level at which the interval's nearer end
is a gain that counts as none. Holm's method (1979) adjusts p for the number of judged architectures.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import norm, t

Word = Literal["beats", "worse", "undecided"]
RESAMPLES = 10_000
LEVEL = 0.05
POWER = 0.8
FEWEST = 20  # users on whose rows two predictors differ: with fewer nothing is sure
NOTHING = 0.001  # a gain up to this share of the baseline's error counts as none
BLOCK = 4_000_000  # resampled users in memory at once


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A gain in mean squared error (baseline − architecture; positive is better) and its uncertainty."""

    gain: float
    ci95: tuple[float, float]
    p: float
    standard_error: float | None  # rows clustered by user; None with fewer than FEWEST that differ
    ratings: int  # test rows
    nothing: float  # gains up to this count as none


@dataclass(frozen=True, kw_only=True)
class Verdict:
    comparison: Comparison
    p_holm: float
    word: Word
    needed_ratings: int | None  # see `needed`; None unless the word is "undecided"


def compare(baseline: np.ndarray, other: np.ndarray, users: np.ndarray, *, seed: int) -> Comparison:
    """Compare the squared errors of two predictors on the same rows, of these users; all of shape (rows,)."""
    return compare_all(baseline, {"other": other}, users, seed=seed)["other"]


def compare_with_number(published: float, errors: np.ndarray, users: np.ndarray, *, seed: int) -> Comparison:
    """Compare with a published mean squared error, of which there are no predictions: a one-sample comparison.

    The number is taken as exact, so the interval has the uncertainty of this predictor's error only.
    """
    return compare(np.full(errors.shape, published), errors, users, seed=seed)


def compare_all(
    baseline: np.ndarray, others: dict[str, np.ndarray], users: np.ndarray, *, seed: int
) -> dict[str, Comparison]:
    """Compare the squared errors of several with the baseline's, all on the same resampled users.

    With fewer than FEWEST users, p is 1 and the interval is over rows: so few do not show how much users differ. p is
    also 1 if the two differ on the rows of fewer than FEWEST users: a difference that is rare is in too few resamples.
    """
    if not others:
        return {}
    few = len(np.unique(users)) < FEWEST
    _, member = np.unique(np.arange(len(users)) if few else users, return_inverse=True)
    totals = np.stack([np.bincount(member, weights=baseline - other) for other in others.values()], axis=1)
    counts = np.bincount(member)
    draws = _resampled(totals, counts, seed=seed)
    nothing = NOTHING * float(baseline.mean())
    return {
        name: _comparison(draws[:, place], totals[:, place], counts, few=few, nothing=nothing)
        for place, name in enumerate(others)
    }


def _comparison(draws: np.ndarray, totals: np.ndarray, counts: np.ndarray, *, few: bool, nothing: float) -> Comparison:
    gain, ratings = float(totals.sum() / counts.sum()), int(counts.sum())
    differ = int(np.count_nonzero(totals))
    sure = not few and differ >= FEWEST
    error = _standard_error(totals, counts)
    if np.ptp(draws) <= 1e-12 * abs(gain):  # the same predictions, or the same gain on every row: nothing varies
        low, high, p = gain, gain, 1 / RESAMPLES
    elif differ < FEWEST:
        half = float(t.ppf(1 - LEVEL / 2, max(1, differ - 1))) * error
        low, high, p = gain - half, gain + half, 1.0
    else:
        bias, acceleration = _corrections(draws, totals, counts)
        low, high = np.quantile(draws, [_adjusted(level, bias, acceleration) for level in (LEVEL / 2, 1 - LEVEL / 2)])
        p = _p_value(draws - math.copysign(nothing, gain), bias, acceleration)
    return Comparison(
        gain=gain,
        ci95=(float(low), float(high)),
        p=p if sure and abs(gain) > nothing else 1.0,
        standard_error=error if sure else None,
        ratings=ratings,
        nothing=nothing,
    )


def judge(comparisons: dict[str, Comparison]) -> dict[str, Verdict]:
    """The verdict of each of the architectures that are judged together."""
    adjusted = holm({name: comparison.p for name, comparison in comparisons.items()})
    words = {name: _word(comparison.gain, adjusted[name]) for name, comparison in comparisons.items()}
    return {
        name: Verdict(
            comparison=comparison,
            p_holm=adjusted[name],
            word=words[name],
            needed_ratings=needed(comparison, judged=len(comparisons)) if words[name] == "undecided" else None,
        )
        for name, comparison in comparisons.items()
    }


def needed(comparison: Comparison, *, judged: int = 1) -> int | None:
    """How many test ratings would show this gain, if it is the true one, in a share POWER of samples; None: none would.

    n · ((z(1 − LEVEL / 2m) + z(POWER)) · standard error / (|gain| − nothing))², for n ratings now and m judged: the
    normal sample size (Miller 2024) at the strictest of Holm's levels, if users have as many ratings each as now.
    """
    beyond = abs(comparison.gain) - comparison.nothing
    if beyond <= 0 or comparison.standard_error is None:
        return None
    quantiles = norm.ppf(1 - LEVEL / (2 * judged)) + norm.ppf(POWER)
    times = float(quantiles * comparison.standard_error / beyond) ** 2
    return math.ceil(comparison.ratings * times) if math.isfinite(times) else None


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


def _resampled(totals: np.ndarray, counts: np.ndarray, *, seed: int) -> np.ndarray:
    """Mean gains in RESAMPLES draws, with replacement, of as many users as there are: shape (resamples, compared).

    `totals`, shape (users, compared), are the users' summed gains; `counts`, shape (users,), their rows.
    """
    draw = np.random.default_rng(seed)
    users = len(totals)
    both = np.column_stack([totals, counts])
    block = max(1, BLOCK // users)
    means = []
    for start in range(0, RESAMPLES, block):
        size = min(block, RESAMPLES - start)
        chosen = (
            draw.integers(0, users, (size, users), dtype=np.int32) + users * np.arange(size, dtype=np.int32)[:, None]
        )
        # One matrix product of how often each user was drawn gives the sums of all that are compared.
        times = np.bincount(chosen.ravel(), minlength=size * users).reshape(size, users)
        sums = times.astype(np.float64) @ both
        means.append(sums[:, :-1] / sums[:, -1:])
    return np.concatenate(means)


def _standard_error(totals: np.ndarray, counts: np.ndarray) -> float:
    """The standard error of the mean gain, with the rows of a user as one cluster (Liang & Zeger 1986)."""
    users, ratings = len(totals), counts.sum()
    if users == 1:
        return 0.0
    off = totals - counts * (totals.sum() / ratings)
    return float(np.sqrt(users / (users - 1) * (off**2).sum()) / ratings)


def _corrections(draws: np.ndarray, totals: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """BCa's bias and its acceleration, which is found by leaving out one user at a time."""
    observed = totals.sum() / counts.sum()
    below = (np.count_nonzero(draws < observed) + np.count_nonzero(draws <= observed)) / 2
    bias = float(norm.ppf(np.clip(below / len(draws), 1 / len(draws), 1 - 1 / len(draws))))
    without = (totals.sum() - totals) / (counts.sum() - counts)
    spread = without.mean() - without
    cubes, squares = (spread**3).sum(), (spread**2).sum()
    return bias, float(cubes / (6 * squares**1.5)) if squares > 0 else 0.0


def _adjusted(level: float, bias: float, acceleration: float) -> float:
    """The quantile of the draws that is BCa's limit for this level."""
    shifted = bias + norm.ppf(level)
    return float(norm.cdf(bias + shifted / (1 - acceleration * shifted)))


def _p_value(draws: np.ndarray, bias: float, acceleration: float) -> float:
    """Twice the level at which a limit of the interval of these draws is 0: the inverse of `_adjusted`."""
    share = np.count_nonzero(draws < 0) / len(draws) + np.count_nonzero(draws == 0) / len(draws) / 2
    shifted = float(norm.ppf(np.clip(share, 1 / len(draws), 1 - 1 / len(draws)))) - bias
    level = norm.cdf(shifted / (1 + acceleration * shifted) - bias)
    return float(max(2 * min(level, 1 - level), 1 / len(draws)))


def spread(errors_by_seed: np.ndarray) -> float:
    """The standard deviation over seeds of the mean squared error, from squared errors of shape (seeds, rows)."""
    return float(errors_by_seed.mean(1).std(ddof=1)) if len(errors_by_seed) > 1 else 0.0
