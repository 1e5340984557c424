"""The decoders: how one rating is read off what a model gives. To add one, add its function and its line in DECODERS.

The options, the metrics' keys and the reports follow from the table. Nothing here imports torch, so that the command
line can name the decoders before anything heavy is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from reeltune.trainables.data.scale import Scale

Decoder = str  # a key of DECODERS
FINEST = 8  # subdivisions of the grid that `grid` reads a value out on: 33 classes from 1 to 5


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How a decoder gets from a model's output to a rating."""

    # Maps probabilities of shape (rows, classes) and the classes' ratings, shape (classes,), to ratings, shape (rows,).
    read: Callable[[Tensor, Tensor], Tensor]
    largest: bool = False  # whether it asks only which probability is largest: then it may read logits in their place
    onto: Callable[[Scale], Sequence[float]] | None = None  # then to the nearest of these values
    scalar: bool = True  # whether a scalar head, which has one value, has an error of this decoder's own to report


def argmax(probabilities: Tensor, grid: Tensor) -> Tensor:
    """The class of largest probability: the best guess for the share of exact hits."""
    return grid[probabilities.argmax(1)]


def mean(probabilities: Tensor, grid: Tensor) -> Tensor:
    """The expected rating: the best guess for squared error."""
    return probabilities @ grid


def median(probabilities: Tensor, grid: Tensor) -> Tensor:
    """The lowest class at which half of the probability is reached: the best guess for absolute error."""
    # Slightly under one half: sums of float32 shares of exactly one half may fall just short of it.
    reached = probabilities.cumsum(1) >= 0.5 - 1e-6
    return grid[reached.int().argmax(1)]


def observed(scale: Scale) -> Sequence[float]:
    """The observed rating values."""
    return scale.values


def finest(scale: Scale) -> Sequence[float]:
    """The finest class grid. The nearest class is the argmax of logits -(g - value)² ("distance logits")."""
    return scale.grid(FINEST).tolist()


DECODERS: dict[Decoder, Rule] = {
    "argmax": Rule(read=argmax, largest=True),
    "mean": Rule(read=mean),
    "median": Rule(read=median, scalar=False),
    "rounded": Rule(read=mean, onto=observed),
    "grid": Rule(read=mean, onto=finest),
}
