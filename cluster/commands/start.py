"""Biased vectors: rating = mean + b_u + b_i + u·i.

The first line is the formula, which `reeltune architectures` and the report print. The rest is yours to change.
"""

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from reeltune.trainables import RatingModel, Shape, Tensors, TrainingConfig, embedding


class Config(TrainingConfig):  # which brings learning_rate, weight_decay, batch_size and epochs
    # A default, so that --set may leave it out; bounds, so that a slip in a search space is an error and no bad trial.
    factors: int = Field(16, ge=1, le=4096, description="width of the user and item vectors")


class Model(RatingModel):
    mean: Tensor

    def __init__(self, config: Config, shape: Shape) -> None:
        super().__init__()  # given a grid of classes, `forward` would give a logit for each: see `classifier.py`
        self.users = embedding(shape.users, config.factors + 1)  # the last column holds the biases; row 0 is 'unknown'
        self.items = embedding(shape.items, config.factors + 1)
        self.register_buffer("mean", torch.zeros(()))  # a buffer: what is a plain attribute is not kept with the model

    def see(self, rows: Tensors) -> None:
        self.mean.fill_(rows.mean_rating())  # known before the first step, so that any scale is learnt as fast

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        return self.rate_rows(self.users(users), self.items(items))

    def rate_rows(self, users: Tensor, items: Tensor) -> Tensor:
        match: Tensor = (users[:, :-1] * items[:, :-1]).sum(1)  # a rating for each pair: shape (batch,), not (batch, 1)
        return self.mean + users[:, -1] + items[:, -1] + match

    def id_rows(self) -> tuple[Tensor, Tensor]:
        return self.users.weight, self.items.weight  # what `rate_rows` takes: so new users need no fit (`fold_in`)

    def tables(self) -> tuple[list[Tensor], list[Tensor]]:
        # The rows of ids that nobody rated would keep their random start: those of tables named here get a mean.
        return [self.users.weight], [self.items.weight]

    def user_blocks(self) -> dict[str, tuple[slice, ...]]:
        # What has a row for each user, so that `--shard users` may give each worker its own users' rows alone.
        return {"users.weight": (slice(0, len(self.users.weight)),)}

    def row_losses(self, output: Tensor, ratings: Tensor) -> Tensor:
        return F.mse_loss(output, ratings, reduction="none")  # any loss, of each row: rows may have weights


def reference(shape: Shape) -> Config:
    return Config(epochs=8)  # what `train` fits, and the first trial of a search; it may depend on the data's size
