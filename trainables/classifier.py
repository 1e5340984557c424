"""Classifier over a grid of ratings: logits = W₂ ReLU(W₁ [u, i] + b₁) + b₂, trained by cross-entropy.

Each logit is free: nothing tells the network that 4 lies between 3 and 5, except labels that are spread over
their neighbours (Imani & White 2018; Farebrother et al. 2024, "Stop Regressing").
"""

from typing import Annotated, Literal

import torch
from pydantic import BeforeValidator, Field
from torch import Tensor, nn

from trainables.labels import shared_labels, spread_labels
from trainables.model import RatingModel, Shape, embedding, embedding_width
from trainables.training import TrainingConfig


def _number(value: object) -> object:
    """A number typed on the command line is text, which pydantic compares with no literal number."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


class Config(TrainingConfig):
    """The reference notebook's classifier, with a finer grid and spread labels as options."""

    user_width: int = Field(74, ge=1, le=4096, description="width of the user vectors")
    item_width: int = Field(102, ge=1, le=4096, description="width of the item vectors")
    hidden: int = Field(100, ge=1, le=16384, description="width of the hidden layer")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of the vectors dropped in training")
    subdivisions: Annotated[Literal[1, 2, 4, 8], BeforeValidator(_number)] = Field(
        1, description="classes per step of the scale"
    )
    labels: Literal["hard", "spread"] = Field("hard", description="one class, or a Gaussian around it")
    label_width: float = Field(0.5, gt=0, le=1e6, description="its deviation in rating units, if spread")


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
        """Mean cross-entropy with the hard or spread labels of the ratings."""
        assert self.grid is not None
        if self.config.labels == "spread":
            labels = spread_labels(ratings, self.grid, width=self.config.label_width)
        else:
            labels = shared_labels(ratings, self.grid)
        return -(labels * output.log_softmax(1)).sum(1).mean()


def reference(shape: Shape) -> Config:
    """Table widths by fastai's rule, one layer of 100, a class for each step, weight decay 0.01."""
    return Config(user_width=embedding_width(shape.users), item_width=embedding_width(shape.items), weight_decay=0.01)
