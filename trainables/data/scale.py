"""The rating scale of a data set: its values, the sigmoid range, and the grids that class heads predict on."""

from dataclasses import dataclass

import numpy as np

from reeltune.trainables.errors import InputError

EVEN_POINTS = 33  # the grid of a scale that is no lattice, or has too many values to be classes
MOST_VALUES = 50
MOST_STEPS = 128


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
        values = np.unique(np.asarray(ratings, dtype=np.float64))
        if len(values) < 2:
            found = f"{values[0]:g}" if len(values) else "none"
            raise InputError(f"ratings need at least two different values to be predicted; found only {found}")
        low, high = float(values[0]), float(values[-1])
        # Ten digits: 0.3 - 0.2 is 0.09999999999999998 in binary, and the step meant is 0.1.
        step = float(f"{np.diff(values).min():.10g}")
        steps = (values - low) / step
        on_lattice = bool(np.allclose(steps, np.round(steps), atol=1e-6)) and steps[-1] <= MOST_STEPS
        if len(values) > MOST_VALUES or not on_lattice:
            even = np.linspace(low, high, EVEN_POINTS)
            kept = values if len(values) <= MOST_VALUES else even
            return cls(values=tuple(kept.tolist()), low=low, high=high, step=float(even[1] - low), lattice=False)
        return cls(values=tuple(values.tolist()), low=low, high=high, step=step, lattice=True)

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

    def nearest(self, ratings: np.ndarray) -> np.ndarray:
        """Map ratings of any shape to the position of the nearest of `values` (the higher one of two)."""
        values = np.asarray(self.values)
        return np.searchsorted((values[1:] + values[:-1]) / 2, ratings, side="right")
