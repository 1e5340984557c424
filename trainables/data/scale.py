"""The rating scale of a data set: its values, the sigmoid range, and the grids that class heads predict on."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from reeltune.trainables.errors import InputError

EVEN_POINTS = 33  # the grid of a scale that is no lattice, or has too many values to be classes
MOST_VALUES = 50
MOST_STEPS = 128
NOISE = 1e-6  # of the span: values closer than that are one, written with another rounding
LEAST_SEEN = 1 / 4  # of a lattice's values, if its step is the gap between no two of them


@dataclass(frozen=True, kw_only=True)
class Scale:
    """What ratings can be. `values` are the observed ones, or even points where there are too many of them."""

    values: tuple[float, ...]
    low: float
    high: float
    step: float
    lattice: bool  # every value is low + a whole number of steps

    @classmethod
    def of(cls, ratings: np.ndarray) -> "Scale":
        """Read the scale off ratings of shape (n,). Raises InputError where all ratings are the same."""
        return cls.of_distinct(*distinct(np.asarray(ratings, dtype=np.float64)))

    @classmethod
    def of_distinct(cls, values: np.ndarray, counts: np.ndarray) -> "Scale":
        """As `of`, from the distinct ratings, ascending, and how many rows have each: both of shape (values,)."""
        values = _values(values, counts)
        if len(values) < 2:
            found = f"{values[0]:g}" if len(values) else "none"
            raise InputError(f"ratings need at least two different values to be predicted; found only {found}")
        low, high = float(values[0]), float(values[-1])
        step = _step(values)
        if step is not None:
            return cls(values=tuple(values.tolist()), low=low, high=high, step=step, lattice=True)
        even = np.linspace(low, high, EVEN_POINTS)
        kept = values if len(values) <= MOST_VALUES else even
        return cls(values=tuple(kept.tolist()), low=low, high=high, step=float(even[1] - low), lattice=False)

    @property
    def quarter(self) -> float:
        """A quarter of the span: 1 for 1 to 5 stars. Settings in quarters mean the same on every scale."""
        return (self.high - self.low) / 4

    @property
    def liked(self) -> float:
        """From which rating on somebody likes what they rated: the top quarter of the span, 4 of 1 to 5 stars."""
        return self.high - self.quarter * (1 + NOISE)

    def gain(self, ratings: np.ndarray) -> np.ndarray:
        """What an item of these ratings, of any shape, is worth in a list: above 0, and 1 to 5 of 1 to 5 stars."""
        return np.maximum(ratings - self.low, 0.0) + self.step

    @property
    def decimals(self) -> int:
        """How many decimals a rating is written with: five digits of the span, and never fewer than five."""
        return max(5, 5 - math.floor(math.log10(self.high - self.low)))

    @property
    def sigmoid_range(self) -> tuple[float, float]:
        """Half a step beyond the highest and a step below the lowest: 0 to 5.5 for whole stars, as fastai's."""
        return self.low - self.step, self.high + self.step / 2

    def grid(self, subdivisions: int) -> np.ndarray:
        """The classes of a class head: each step cut in `subdivisions`, lowest to highest; shape (classes,)."""
        if not self.lattice:
            return np.linspace(self.low, self.high, EVEN_POINTS)
        steps = round((self.high - self.low) / self.step)
        return np.linspace(self.low, self.high, steps * subdivisions + 1)

    def outside(self, ratings: np.ndarray) -> np.ndarray:
        """Which ratings, of any shape, lie off the scale by more than rounding."""
        slack = NOISE * (self.high - self.low)
        return (ratings < self.low - slack) | (ratings > self.high + slack)

    def described(self) -> str:
        """For a person: the ends, and the step, or the values where they leave gaps."""
        ends = f"{self.low:g} to {self.high:g}"
        gaps = np.diff(self.values)
        if self.lattice and np.allclose(gaps, self.step):
            return f"{ends} in steps of {self.step:g}, {len(self.values)} values"
        if not self.lattice and len(gaps) == EVEN_POINTS - 1 and np.allclose(gaps, self.step):
            return f"{ends}, shown at {EVEN_POINTS} even points: its values are too many, or on no even steps"
        return f"{ends}, {len(self.values)} values: {', '.join(f'{value:g}' for value in self.values)}"

    def nearest(self, ratings: np.ndarray) -> np.ndarray:
        """Map ratings of any shape to the position of the nearest of `values` (the higher one of two)."""
        values = np.asarray(self.values)
        return np.searchsorted((values[1:] + values[:-1]) / 2, ratings, side="right")


def distinct(ratings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct values of shape (n,), ascending, and how often each is there; without sorting all of them."""
    codes, values = pd.factorize(ratings)
    order = np.argsort(values)
    return values[order], np.bincount(codes, minlength=len(values))[order]


def _values(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The distinct values, ascending: of those that are one but for rounding, the most frequent."""
    if len(values) < 2:
        return values
    noise = NOISE * (values[-1] - values[0])
    group = np.cumsum(np.diff(values, prepend=values[0]) > noise)
    first = np.flatnonzero(np.diff(group, prepend=-1))
    last = np.append(first[1:], len(values)) - 1
    if (values[last] - values[first] > noise).any():  # so many values that they lie side by side
        return values
    frequent = np.lexsort((-counts, group))[first]
    return _plain(values[frequent], noise)


def _plain(values: np.ndarray, noise: float) -> np.ndarray:
    """The values in four decimals or fewer, if those are what was meant: 3.6, which in 32 bits is 3.5999999."""
    for decimals in range(5):
        rounded = np.round(values, decimals)
        if np.abs(rounded - values).max() <= noise:
            return rounded
    return values


def _step(values: np.ndarray) -> float | None:
    """The step of the lattice of all these values, ascending; None if they lie on none, or are too many for classes.

    Mostly the smallest gap. Where rare values are missing it may be a whole part of it: 1 for 0, 2 and 5.
    """
    if len(values) > MOST_VALUES:
        return None
    span, least = values[-1] - values[0], np.diff(values).min()
    for parts in range(1, MOST_STEPS + 1):
        steps = round(span * parts / least)
        if steps > MOST_STEPS or (parts > 1 and len(values) < LEAST_SEEN * (steps + 1)):
            break
        places = (values - values[0]) * (steps / span)
        if np.allclose(places, np.round(places), rtol=0, atol=1e-3):
            # Ten digits: 0.3 - 0.2 is 0.09999999999999998 in binary, and the step meant is 0.1.
            return float(f"{span / steps:.10g}")
    return None
