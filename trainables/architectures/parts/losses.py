"""Losses of a class head: of logits z over a grid g of classes for a rating y, with p = softmax(z).

The class of least squared error is the one nearest to E[y]. The losses differ in the class to which their argmax tends:
the most frequent one (`cross_entropy`), one between that and the best (`spread_cross_entropy`), or the best
(`cost_regression`, `reverse_kl`).
"""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field
from torch import Tensor

from reeltune.trainables.architectures.parts.labels import shared_labels, spread_labels, spread_log_labels
from reeltune.trainables.config import TrainingConfig

Loss = Literal["cross_entropy", "spread_cross_entropy", "cost_regression", "reverse_kl"]


def in_quarters(ratings: Tensor, grid: Tensor) -> Tensor:
    """Ratings as distances from the middle of the scale, in quarters of its span: of 1 to 5 stars, the stars less 3.

    Targets in these units have the same size on every scale.
    """
    return (ratings - (grid[0] + grid[-1]) / 2) / ((grid[-1] - grid[0]) / 4)


def cross_entropy(logits: Tensor, ratings: Tensor, grid: Tensor, *, width: float) -> Tensor:
    """-log p of the rating's class, or the two nearest classes' by their shares if the rating lies between them."""
    return -(shared_labels(ratings, grid) * logits.log_softmax(1)).sum(1)


def spread_cross_entropy(logits: Tensor, ratings: Tensor, grid: Tensor, *, width: float) -> Tensor:
    """-Σ_k q_k log p_k, with q ∝ exp(-(g - y)² / 2 width²), for which neighbouring classes are nearly right
    (Imani & White 2018; Farebrother et al. 2024, "Stop Regressing").

    Optimum: p = E[q]. Its peak nears E[y] as the width grows.
    """
    return -(spread_labels(ratings, grid, width=width) * logits.log_softmax(1)).sum(1)


def cost_regression(logits: Tensor, ratings: Tensor, grid: Tensor, *, width: float) -> Tensor:
    """(z_k - x_k (2t - x_k))², of which a row's loss is the mean over k, with x and t being g and y by `in_quarters`:
    each logit learns minus the squared error of its class, plus t² (Tu & Lin 2010, on costs by class).

    Optimum: z_k = x_k (2 E[t] - x_k) = E[t]² - (x_k - E[t])², highest at the class nearest to E[y].
    """
    # Adding t², the same for all classes, leaves the argmax as it is, and is less for the network to learn.
    x, t = in_quarters(grid, grid), in_quarters(ratings, grid)[:, None]
    return (logits - x * (2 * t - x)).square()


def reverse_kl(logits: Tensor, ratings: Tensor, grid: Tensor, *, width: float) -> Tensor:
    """KL(p ‖ q) = Σ_k p_k (log p_k - log q_k), with q as in `spread_cross_entropy`: but for a constant, the expected
    squared cost of a class drawn from p, over 2 width², less p's entropy (Norouzi et al. 2016 compare both directions).

    Optimum: p ∝ exp E[log q] ∝ exp(-(g - E[y])² / 2 width²), highest at the class nearest to E[y].
    """
    log_p = logits.log_softmax(1)
    return (log_p.exp() * (log_p - spread_log_labels(ratings, grid, width=width))).sum(1)


# Each gives the loss of each row, shape (batch,), or the parts of which it is the mean, shape (batch, classes).
ROW_LOSSES: dict[Loss, Callable[..., Tensor]] = {
    "cross_entropy": cross_entropy,
    "spread_cross_entropy": spread_cross_entropy,
    "cost_regression": cost_regression,
    "reverse_kl": reverse_kl,
}


def class_loss(name: Loss, logits: Tensor, ratings: Tensor, grid: Tensor, *, width: float) -> Tensor:
    """The mean loss of logits of shape (batch, classes) for ratings of shape (batch,); `width` in rating units."""
    return ROW_LOSSES[name](logits, ratings, grid, width=width).mean()


def class_row_losses(name: Loss, logits: Tensor, ratings: Tensor, grid: Tensor, *, width: float) -> Tensor:
    """The loss of each row, shape (batch,), whose mean is `class_loss`."""
    losses = ROW_LOSSES[name](logits, ratings, grid, width=width)
    return losses if losses.dim() == 1 else losses.mean(1)


# The mean losses by name.
LOSSES: dict[Loss, Callable[..., Tensor]] = {name: partial(class_loss, name) for name in ROW_LOSSES}


def _number(value: object) -> object:
    """Text from the command line as a number: pydantic does not take '4' for the literal 4."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


Subdivisions = Annotated[Literal[1, 2, 4, 8], BeforeValidator(_number)]


class ClassHeadConfig(TrainingConfig):
    """Fields that every architecture with a class head has."""

    subdivisions: Subdivisions = Field(1, description="classes per step of the scale")
    loss: Loss = Field("cross_entropy", description="what the classes' logits learn from a rating")
    label_width: float = Field(
        0.5,
        gt=0,
        le=1e6,
        description="deviation of the labels, in quarters of the scale, of spread_cross_entropy and reverse_kl",
    )
