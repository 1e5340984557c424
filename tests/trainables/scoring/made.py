"""Made-up squared errors of a baseline and of another predictor, by user."""

import numpy as np

from reeltune.trainables.scoring.gains import Gains


def world(seed, *, gain=0.0, users=60, rows=8, skewed=False):
    """Squared errors of a baseline and of another that gains `gain` a row in the mean, and the rows' users."""
    draw = np.random.default_rng(seed)
    of = np.repeat(np.arange(users), rows)
    noise = draw.exponential(1, users) - 1 if skewed else draw.normal(0, 1, users)
    other = draw.exponential(1, len(of))
    return other + gain + noise[of] * 0.3 + draw.normal(0, 0.3, len(of)), other, of


def uneven(seed, *, users=30, within=0.2, between=0.1, error=0.8):
    """Gains of users with between 1 and 60 rows; every number is drawn, none is as another method would have it."""
    draw = np.random.default_rng(seed)
    counts = draw.integers(1, 61, users)
    totals = counts * draw.normal(0.05, between, users) + np.sqrt(counts * within) * draw.normal(0, 1, users)
    return Gains(totals=totals, counts=counts, within=within, error=error)


def alike(effects, *, rows=4, within=0.0, error=1.0):
    """Gains of users with equally many rows, whose mean gains are `effects`."""
    effects = np.asarray(effects, dtype=float)
    return Gains(totals=rows * effects, counts=np.full(len(effects), rows), within=within, error=error)
