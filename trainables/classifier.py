"""Classifier over a grid of ratings: logits = W₂ ReLU(W₁ [u, i] + b₁) + b₂, trained by a loss of `trainables.losses`.

Each logit is free: nothing tells the network that 4 lies between 3 and 5, except the loss.
"""

import torch
from pydantic import Field
from torch import Tensor, nn

from trainables.losses import ClassHeadConfig, class_loss
from trainables.model import RatingModel, Shape, embedding, embedding_width


class Config(ClassHeadConfig):
    """The reference notebook's classifier, with a finer grid and other losses as options."""

    user_width: int = Field(74, ge=1, le=4096, description="width of the user vectors")
    item_width: int = Field(102, ge=1, le=4096, description="width of the item vectors")
    hidden: int = Field(100, ge=1, le=16384, description="width of the hidden layer")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of the vectors dropped in training")


class Model(RatingModel):
    def __init__(self, config: Config, shape: Shape) -> None:
        grid = torch.from_numpy(shape.scale.grid(config.subdivisions)).float()
        super().__init__(grid)
        self.config = config
        self.users = embedding(shape.users, config.user_width)
        self.items = embedding(shape.items, config.item_width)
        self.layers = nn.Sequential(
            nn.Dropout(config.dropout),
            nn.Linear(config.user_width + config.item_width, config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, len(grid)),
        )

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        """Map indices of shape (batch,) to logits of shape (batch, classes)."""
        return self.layers(torch.cat([self.users(users), self.items(items)], 1))

    def loss(self, output: Tensor, ratings: Tensor) -> Tensor:
        """The mean of the configured loss."""
        assert self.grid is not None
        return class_loss(self.config.loss, output, ratings, self.grid, width=self.config.label_width)


def reference(shape: Shape) -> Config:
    """Table widths by fastai's rule, one layer of 100, a class for each step, weight decay 0.01."""
    return Config(user_width=embedding_width(shape.users), item_width=embedding_width(shape.items), weight_decay=0.01)
