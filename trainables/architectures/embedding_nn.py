"""Concatenation network: rating = low + span · sigmoid(W₂ BatchNorm(ReLU(W₁ [u, i])) + b)  (He et al. 2017)."""

from typing import cast

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from reeltune.trainables.architectures.parts.batch_norm import BatchNorm
from reeltune.trainables.architectures.parts.dropout import Dropout
from reeltune.trainables.architectures.parts.paired import paired, worth_it
from reeltune.trainables.config import TrainingConfig
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.model import NOTEBOOK_STEPS, RatingModel, batch_for, embedding, into_range, reference_width


class Config(TrainingConfig):
    """fastai's `EmbeddingNN` with one hidden layer."""

    user_width: int = Field(74, ge=1, le=4096, description="width of the user vectors")
    item_width: int = Field(102, ge=1, le=4096, description="width of the item vectors")
    hidden: int = Field(100, ge=1, le=16384, description="width of the hidden layer")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of the vectors dropped in training")


class Model(RatingModel):
    def __init__(self, config: Config, shape: Shape) -> None:
        super().__init__()
        self.scale = shape.scale
        self.users = embedding(shape.users, config.user_width)
        self.items = embedding(shape.items, config.item_width)
        self.layers = nn.Sequential(
            Dropout(config.dropout),
            nn.Linear(config.user_width + config.item_width, config.hidden, bias=False),
            nn.ReLU(),
            BatchNorm(config.hidden),
            nn.Linear(config.hidden, 1),
        )

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        """Map indices of shape (batch,) to ratings of shape (batch,)."""
        tables = self.id_rows()
        if not worth_it(self, Model, users, tables):
            return self.rate_rows(self.users(users), self.items(items))
        hidden = paired(cast(nn.Linear, self.layers[1]), tables, users, items)
        return into_range(self.layers[2:](hidden)[:, 0], self.scale)

    def id_rows(self) -> tuple[Tensor, Tensor]:
        return self.users.weight, self.items.weight

    def rate_rows(self, users: Tensor, items: Tensor) -> Tensor:
        return into_range(self.layers(torch.cat([users, items], 1))[:, 0], self.scale)

    def tables(self) -> tuple[list[Tensor], list[Tensor]]:
        return [self.users.weight], [self.items.weight]

    def user_blocks(self) -> dict[str, tuple[slice, ...]]:
        return {"users.weight": (slice(0, len(self.users.weight)),)}

    def item_vectors(self) -> Tensor:
        """The items' table."""
        return self.items.weight

    def loss(self, output: Tensor, ratings: Tensor) -> Tensor:
        """Mean squared error."""
        return F.mse_loss(output, ratings)

    def row_losses(self, output: Tensor, ratings: Tensor) -> Tensor:
        """Squared errors."""
        return F.mse_loss(output, ratings, reduction="none")


def reference(shape: Shape) -> Config:
    """Table widths by fastai's rule up to 128 (74 and 102 for MovieLens-100k by title), one layer of 100.

    Batches are as `pmf`'s.
    """
    return Config(
        user_width=reference_width(shape.users),
        item_width=reference_width(shape.items),
        batch_size=batch_for(shape, steps=NOTEBOOK_STEPS),
    )
