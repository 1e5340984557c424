"""Classifier over a grid of ratings: logits = W₂ ReLU(W₁ [u, i] + b₁) + b₂, trained by a loss of `parts/losses.py`.

`product` adds W₃ (u∘i), which a layer on [u, i] is slow to learn (He et al. 2017; Rendle et al. 2020). Each logit is
free: only the loss tells the network that 4 lies between 3 and 5.
"""

from typing import Any, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from reeltune.trainables.adamw import ParameterGroup
from reeltune.trainables.architectures.parts.dropout import Dropout
from reeltune.trainables.architectures.parts.losses import (
    ClassHeadConfig,
    class_loss,
    class_row_losses,
    in_quarters,
)
from reeltune.trainables.architectures.parts.paired import paired, worth_it
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.model import NOTEBOOK_STEPS, RatingModel, batch_for, decay_groups, embedding, reference_width


class Config(ClassHeadConfig):
    """The reference notebook's classifier, with options for a finer grid, other losses and the vectors' product."""

    weight_decay: float = Field(0.1, ge=0, le=100, description="decoupled (AdamW), of the vectors")
    user_width: int = Field(74, ge=1, le=4096, description="width of the user vectors")
    item_width: int = Field(102, ge=1, le=4096, description="width of the item vectors")
    hidden: int = Field(100, ge=1, le=16384, description="width of the hidden layer")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of the vectors dropped in training")
    product: bool = Field(False, description="whether the vectors' product is added to the logits")
    head_rate: float = Field(1.0, gt=0, le=1, description="the head's learning rate, as a share of the vectors'")
    head_decay: float = Field(0.1, ge=0, le=100, description="decay of the head's weights; none on its biases")


class Model(RatingModel):
    def __init__(self, config: Config, shape: Shape) -> None:
        grid = torch.from_numpy(shape.scale.grid(config.subdivisions)).float()
        super().__init__(grid)
        self.config, self.quarter = config, shape.scale.quarter
        self.users = embedding(shape.users, config.user_width)
        self.items = embedding(shape.items, config.item_width)
        self.layers = nn.Sequential(
            Dropout(config.dropout),
            nn.Linear(config.user_width + config.item_width, config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, len(grid)),
        )
        self.common = min(config.user_width, config.item_width)  # columns that are in both vectors
        self.product = self._product(grid) if config.product else None

    @torch.no_grad()
    def _product(self, grid: Tensor) -> nn.Module:
        """W₃, with W₃, W₂ and b₂ set so that logits start at -(class - u·i)², less (u·i)², which all classes share.

        All of these weights are then trained.
        """
        linear, last = nn.Linear(self.common, len(grid), bias=False), self.layers[-1]
        assert isinstance(last, nn.Linear)
        x = in_quarters(grid, grid)
        linear.weight.copy_(2 * x[:, None].expand_as(linear.weight))
        nn.init.zeros_(last.weight)
        last.bias.copy_(-x.square())
        return nn.Sequential(Dropout(self.config.dropout), linear)

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        """Map indices of shape (batch,) to logits of shape (batch, classes)."""
        tables = self.id_rows()
        if not worth_it(self, Model, users, tables):
            return self.rate_rows(self.users(users), self.items(items))
        logits = self.layers[2:](paired(cast(nn.Linear, self.layers[1]), tables, users, items))
        return logits if self.product is None else logits + self._of_product(self.users(users), self.items(items))

    def id_rows(self) -> tuple[Tensor, Tensor]:
        return self.users.weight, self.items.weight

    def rate_rows(self, users: Tensor, items: Tensor) -> Tensor:
        logits = self.layers(torch.cat([users, items], 1))
        return logits if self.product is None else logits + self._of_product(users, items)

    def _of_product(self, users: Tensor, items: Tensor) -> Tensor:
        """What the vectors' product adds to the logits."""
        assert self.product is not None
        return self.product(users[:, : self.common] * items[:, : self.common])

    def tables(self) -> tuple[list[Tensor], list[Tensor]]:
        return [self.users.weight], [self.items.weight]

    def user_blocks(self) -> dict[str, tuple[slice, ...]]:
        return {"users.weight": (slice(0, len(self.users.weight)),)}

    def item_vectors(self) -> Tensor:
        """The items' table."""
        return self.items.weight

    def loss(self, output: Tensor, ratings: Tensor) -> Tensor:
        """The mean of the configured loss."""
        assert self.grid is not None
        return class_loss(self.config.loss, output, ratings, self.grid, width=self.config.label_width * self.quarter)

    def row_losses(self, output: Tensor, ratings: Tensor) -> Tensor:
        """The configured loss of each row."""
        assert self.grid is not None
        width = self.config.label_width * self.quarter
        return class_row_losses(self.config.loss, output, ratings, self.grid, width=width)

    def groups(self, config: Any) -> list[ParameterGroup]:
        """The vectors, and the head, which has a decay and a share of the learning rate of its own."""
        tables = [*self.users.parameters(), *self.items.parameters()]
        head = [weight for name, weight in self.named_parameters() if not name.startswith(("users.", "items."))]
        slower = [{**group, "share": config.head_rate} for group in decay_groups(head, config.head_decay)]
        return [*decay_groups(tables, config.weight_decay), *slower]


def reference(shape: Shape) -> Config:
    """Table widths by fastai's rule up to 128, one layer of 100, a class for each step, weight decay 0.01.

    Batches are as `pmf`'s.
    """
    return Config(
        user_width=reference_width(shape.users),
        item_width=reference_width(shape.items),
        weight_decay=0.01,
        head_decay=0.01,
        batch_size=batch_for(shape, steps=NOTEBOOK_STEPS),
    )
