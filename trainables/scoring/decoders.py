"""From class probabilities to one rating, and the temperature that makes logits probabilities."""

import math
from collections.abc import Callable
from typing import Literal

import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

from reeltune.trainables.data.scale import Scale

Decoder = Literal["argmax", "mean", "median", "rounded", "grid"]
DECODERS: tuple[Decoder, ...] = ("argmax", "mean", "median", "rounded", "grid")
FINEST = 8  # subdivisions of the grid that `grid` reads a value out on: 33 classes from 1 to 5


def argmax(probabilities: Tensor, grid: Tensor) -> Tensor:
    """The class of largest probability: the best guess for the share of exact hits."""
    return grid[probabilities.argmax(1)]


def mean(probabilities: Tensor, grid: Tensor) -> Tensor:
    """The expected rating: the best guess for squared error."""
    return probabilities @ grid


def median(probabilities: Tensor, grid: Tensor) -> Tensor:
    """The lowest class at which half of the probability is reached: the best guess for absolute error."""
    # A whisker under one half: sums of float32 shares of exactly one half may fall just short of it.
    reached = probabilities.cumsum(1) >= 0.5 - 1e-6
    return grid[reached.int().argmax(1)]


_BY_NAME: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"argmax": argmax, "mean": mean, "median": median}


def decode(output: Tensor, grid: Tensor | None, scale: Scale, *, decoder: Decoder, temperature: float) -> Tensor:
    """Ratings of shape (rows,) from ratings (rows,) or logits (rows, classes), clipped to the training range.

    A scalar head has one value, which every decoder leaves but two: `rounded` takes it to the nearest observed value,
    `grid` to the nearest class of the finest grid, which is the argmax of logits -(g - value)² ("distance logits").
    """
    if grid is None:
        values = output
    else:
        probabilities = torch.softmax(output / temperature, 1)
        values = _BY_NAME.get(decoder, mean)(probabilities, grid)
    values = values.clamp(scale.low, scale.high)
    if decoder == "grid":
        return _to_nearest(values, torch.from_numpy(scale.grid(FINEST)))
    return round_to_scale(values, scale) if decoder == "rounded" else values


def round_to_scale(ratings: Tensor, scale: Scale) -> Tensor:
    """The nearest observed value of each rating."""
    return _to_nearest(ratings, torch.tensor(scale.values, dtype=torch.float64))


def _to_nearest(ratings: Tensor, values: Tensor) -> Tensor:
    values = values.to(device=ratings.device, dtype=ratings.dtype)
    return values[torch.bucketize(ratings, (values[1:] + values[:-1]) / 2, right=True)]


def nearest(ratings: Tensor, scale: Scale) -> Tensor:
    """The position, among the observed values, of the one nearest to each rating."""
    values = torch.tensor(scale.values, dtype=ratings.dtype, device=ratings.device)
    return torch.bucketize(ratings, (values[1:] + values[:-1]) / 2, right=True)


def observed_log_probabilities(logits: Tensor, grid: Tensor, scale: Scale, *, temperature: float) -> Tensor:
    """The grid's mass folded onto observed values: log-probabilities of shape (rows, values)."""
    probabilities = torch.softmax(logits / temperature, 1)
    folded = probabilities.new_zeros(len(logits), len(scale.values))
    folded.index_add_(1, nearest(grid, scale), probabilities)
    return folded.clamp(min=1e-12).log()


def fit_temperature(logits: Tensor, ratings: Tensor, grid: Tensor, scale: Scale) -> float:
    """The temperature of least log-loss on these rows (Guo et al. 2017), between 0.05 and 20.

    A loss other than cross-entropy leaves logits on a scale of their own, whose softmax is no probability.
    """
    truth = nearest(ratings, scale)[:, None]

    def log_loss(log_temperature: float) -> float:
        temperature = math.exp(log_temperature)
        logs = observed_log_probabilities(logits, grid, scale, temperature=temperature)
        return -float(logs.gather(1, truth).mean())

    bounds = (math.log(0.05), math.log(20))
    return math.exp(float(minimize_scalar(log_loss, bounds=bounds, method="bounded").x))
