"""The class probabilities that a class head is trained towards, for ratings on an even grid of classes."""

import torch
from torch import Tensor


def shared_labels(ratings: Tensor, grid: Tensor) -> Tensor:
    """All on one class for a rating on the grid; else shared by the two nearest, so that their mean is the rating.

    Maps ratings of shape (batch,) and a grid of shape (classes,) to labels of shape (batch, classes).
    """
    distance = (ratings[:, None] - grid) / (grid[1] - grid[0])
    return (1 - distance.abs()).clamp(min=0)


def spread_log_labels(ratings: Tensor, grid: Tensor, *, width: float) -> Tensor:
    """The logarithms of `spread_labels`, which stay finite however far a class is from the rating."""
    return torch.log_softmax(-((ratings[:, None] - grid) ** 2) / (2 * width**2), 1)


def spread_labels(ratings: Tensor, grid: Tensor, *, width: float) -> Tensor:
    """A Gaussian of deviation `width` (rating units) around each rating, normalised over the grid.

    Maps ratings of shape (batch,) and a grid of shape (classes,) to labels of shape (batch, classes).
    """
    return spread_log_labels(ratings, grid, width=width).exp()
