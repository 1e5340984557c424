"""The learning-rate range test (Smith 2017), and the 'valley' suggestion, as fastai's `lr_find`."""

import math
from dataclasses import dataclass

import numpy as np

from reeltune.trainables.config import FitConfig, TrainingConfig
from reeltune.trainables.data.ratings import Rows
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.errors import FitFailed, InputError
from reeltune.trainables.fitting.fit import Fit
from reeltune.trainables.model import Architecture

# fastai's constants.
LOWEST, HIGHEST, STEPS = 1e-7, 10.0, 100
WARM_UP, LAST = STEPS // 10, 5  # steps at the start and at the end that the suggestion leaves out
SMOOTHING = 0.98
DIVERGED = 4.0  # times the lowest loss so far, at which the test ends


@dataclass(frozen=True, kw_only=True)
class RangeTest:
    """Smoothed training losses by learning rate, both of shape (steps,), and the suggested rate."""

    rates: np.ndarray
    losses: np.ndarray
    valley: float


def range_test(architecture: Architecture, config: FitConfig, shape: Shape, rows: Rows, *, seed: int) -> RangeTest:
    """Train for up to 100 steps while the rate grows from 1e-7 to 10, and stop when the loss diverges.

    Raises InputError if the architecture has no learning rate, and FitFailed if the loss diverges at once.
    """
    if not isinstance(config, TrainingConfig):
        raise InputError(f"{architecture.__name__.rpartition('.')[2]} is solved, not trained: it has no learning rate")
    longer = config.model_copy(update={"epochs": math.ceil(STEPS / max(1, len(rows) // config.batch_size))})
    fit = Fit(architecture, longer, shape, rows, seed=seed)
    rates = np.geomspace(LOWEST, HIGHEST, STEPS)
    losses: list[float] = []
    average, best = 0.0, math.inf
    for step, rate in enumerate(rates):
        average = SMOOTHING * average + (1 - SMOOTHING) * float(fit.advance(rate=float(rate)))
        smoothed = average / (1 - SMOOTHING ** (step + 1))
        if not math.isfinite(smoothed) or (step > WARM_UP + LAST and smoothed > DIVERGED * best):
            break
        losses.append(smoothed)
        best = min(best, smoothed)
    if len(losses) <= WARM_UP + LAST:
        raise FitFailed(f"the loss is no finite number after {len(losses)} steps of the range test")
    # As fastai: the first tenth is warm-up, and in the last five steps the loss diverges already.
    kept = slice(WARM_UP, len(losses) - LAST)
    kept_rates, kept_losses = rates[: len(losses)][kept], np.array(losses)[kept]
    return RangeTest(rates=kept_rates, losses=kept_losses, valley=valley(kept_rates, kept_losses))


def valley(rates: np.ndarray, losses: np.ndarray) -> float:
    """The rate half-way down the longest run of falling losses, which need not follow each other at once."""
    count = len(losses)
    length = np.ones(count, dtype=int)
    for i in range(1, count):
        falling = np.flatnonzero(losses[:i] > losses[i])
        if len(falling):
            length[i] = length[falling].max() + 1
    end = int(length.argmax())
    start = end - int(length[end])
    third = (end - start) / 3
    return float(rates[max(0, start + int(third) + int(third / 2))])
