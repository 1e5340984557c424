"""Damped means: rating = mean + b_i + b_u, b_i = Σ (r - mean) / (n_i + λ_i), b_u = Σ (r - mean - b_i) / (n_u + λ_u).

The cheapest prediction that knows who rates and what is rated (Koren, Bell & Volinsky 2009; Funk 2006). No training.
"""

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from reeltune.trainables.config import FitConfig
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.data.tensors import Tensors
from reeltune.trainables.model import RatingModel


class Config(FitConfig):
    """A damping of n adds n ratings at the mean, of weight 1, to those of each user, or item."""

    user_damping: float = Field(5.0, ge=0, le=1e6, description="ratings at the mean added to each user's")
    item_damping: float = Field(5.0, ge=0, le=1e6, description="ratings at the mean added to each item's")


class Model(RatingModel):
    users: Tensor
    items: Tensor
    mean: Tensor

    def __init__(self, config: Config, shape: Shape) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("users", torch.zeros(shape.users))
        self.register_buffer("items", torch.zeros(shape.items))
        self.register_buffer("mean", torch.zeros(()))

    def see(self, rows: Tensors) -> None:
        """Take in the rows, which is the whole fit: the mean, the items' biases, and the users' from what is left."""
        self.mean.copy_(rows.mean_rating())
        above = rows.ratings - self.mean
        self.items.copy_(_damped_means(rows.items, above, self.items, self.config.item_damping, rows.weights))
        above = above - self.items[rows.items]
        self.users.copy_(_damped_means(rows.users, above, self.users, self.config.user_damping, rows.weights))

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        """Map indices of shape (batch,) to ratings of shape (batch,)."""
        return self.mean + self.users[users] + self.items[items]

    factored = True

    def crossed(self, users: Tensor, items: Tensor, times: Tensor | None) -> Tensor:
        return self.mean + self.users[users, None] + self.items[items]

    def id_rows(self) -> tuple[Tensor, Tensor]:
        return self.users[:, None], self.items[:, None]

    def rate_rows(self, users: Tensor, items: Tensor) -> Tensor:
        return self.mean + users[:, 0] + items[:, 0]

    def loss(self, output: Tensor, ratings: Tensor) -> Tensor:
        """Mean squared error."""
        return F.mse_loss(output, ratings)

    def row_losses(self, output: Tensor, ratings: Tensor) -> Tensor:
        """Squared errors."""
        return F.mse_loss(output, ratings, reduction="none")


def reference(shape: Shape) -> Config:
    """Dampings of 5, as LensKit's."""
    return Config()


def _damped_means(ids: Tensor, values: Tensor, like: Tensor, damping: float, weights: Tensor | None) -> Tensor:
    """The sum of each id's values over their number plus the damping, shape (ids,); 0 for an id without values.

    With weights, shape (rows,), a value counts so often.
    """
    if weights is not None:
        values, like = values * weights, like.double()
    sums = torch.zeros_like(like).index_add_(0, ids, values)
    return sums / (torch.bincount(ids, weights=weights, minlength=len(like)) + damping).clamp(min=1e-9)
