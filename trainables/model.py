"""What all architectures have in common: the contract that the loop, the bundle and the search rely on."""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from trainables.data.features import Features
from trainables.scale import Scale
from trainables.training import TrainingConfig


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a model must know of the data: the rows of its tables ('unknown' included), the scale, side tables."""

    users: int
    items: int
    scale: Scale
    user_features: Features | None = None
    item_features: Features | None = None


class RatingModel(nn.Module):
    """A model with a scalar head (`grid` is None) or a class head (`grid` holds the classes' ratings)."""

    grid: Tensor | None

    def __init__(self, grid: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("grid", grid, persistent=False)

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        """Map indices of shape (batch,) to ratings of shape (batch,), or to logits of shape (batch, classes)."""
        raise NotImplementedError

    def loss(self, output: Tensor, ratings: Tensor) -> Tensor:
        """The mean loss of what `forward` gave for rows of these ratings, shape (batch,)."""
        raise NotImplementedError


class Architecture(Protocol):
    """A module such as `trainables.pmf`: one file of this shape for each architecture."""

    __name__: str

    @property
    def Config(self) -> type[TrainingConfig]: ...

    @property
    def Model(self) -> type[Any]: ...

    def reference(self, shape: Shape) -> TrainingConfig:
        """The reference notebook's own settings, for data of this shape."""


def embedding(rows: int, width: int) -> nn.Embedding:
    """A table drawn from a normal of deviation 0.01 truncated at 2 deviations, as fastai's."""
    table = nn.Embedding(rows, width)
    nn.init.trunc_normal_(table.weight, std=0.01, a=-0.02, b=0.02)
    return table


def embedding_width(rows: int) -> int:
    """The rule of thumb for a table's width: min(600, round(1.6 · rows^0.56)) (fastai's `emb_sz_rule`)."""
    return min(600, round(1.6 * rows**0.56))


def into_range(values: Tensor, scale: Scale) -> Tensor:
    """Squash any real values into the scale's sigmoid range."""
    low, high = scale.sigmoid_range
    return low + (high - low) * torch.sigmoid(values)
