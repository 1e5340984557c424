"""DeepFM: rating = mean + b_u + b_i + p·q + MLP([p, q]) with p = U_u + S_u C, q = I_i + S_i D  (Guo et al. 2017).

S_u and S_i are the rows of the side tables. A served model has them added to the ids' vectors.
"""

import copy

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import nn

from reeltune.trainables import RatingModel, TrainingConfig, embedding


class Config(TrainingConfig):
    factors: int = Field(8, ge=1, le=1024, description="width of the vectors")
    hidden: int = Field(16, ge=1, le=4096, description="width of the deep part's layer")
    deep_decay: float = Field(0.01, ge=0, le=100, description="decay of the deep part's weights")


class Side(nn.Module):
    """The vector of each id: its own and, where there is a side table, those of its features."""

    def __init__(self, rows, width, features):
        super().__init__()
        self.own = embedding(rows, width)
        self.features = None if features is None else nn.Parameter(torch.randn(len(features.names), width) * 0.01)
        self.register_buffer("sides", None if features is None else dense(features), persistent=False)

    def forward(self, ids):
        own = self.own(ids)
        return own if self.sides is None else own + self.sides[ids] @ self.features

    def folded(self):
        alone = copy.deepcopy(self)
        if self.sides is not None:
            alone.own.weight.data += self.sides @ self.features.data
            alone.features = alone.sides = None
        return alone


def dense(features):
    matrix = torch.zeros(features.rows, len(features.names))
    rows = np.repeat(np.arange(features.rows), np.diff(features.offsets))
    matrix[rows, features.columns] = torch.as_tensor(features.weights, dtype=torch.float32)
    return matrix


class Model(RatingModel):
    def __init__(self, config, shape):
        super().__init__()
        self.config, width = config, config.factors + 1
        self.users = Side(shape.users, width, shape.user_features)
        self.items = Side(shape.items, width, shape.item_features)
        self.deep = nn.Sequential(nn.Linear(2 * width, config.hidden), nn.ReLU(), nn.Linear(config.hidden, 1))
        self.register_buffer("mean", torch.zeros(()))

    def see(self, rows):
        self.mean.fill_(rows.ratings.mean())

    def forward(self, users, items):
        p, q = self.users(users), self.items(items)
        wide = p[:, -1] + q[:, -1] + (p[:, :-1] * q[:, :-1]).sum(1)
        return self.mean + wide + self.deep(torch.cat([p, q], 1))[:, 0]

    def loss(self, output, ratings):
        return F.mse_loss(output, ratings)

    def tables(self):
        return [self.users.own.weight], [self.items.own.weight]

    def groups(self, config):
        sides = [*self.users.parameters(), *self.items.parameters()]
        return [
            {"params": sides, "weight_decay": config.weight_decay},
            {"params": list(self.deep.parameters()), "weight_decay": config.deep_decay, "share": 0.5},
        ]

    def item_vectors(self):
        return self.items.own.weight

    def served(self):
        """The same without side tables, which a bundle does not have."""
        served = copy.deepcopy(self)
        served.users, served.items = self.users.folded(), self.items.folded()
        return served


def reference(shape):
    return Config(batch_size=128, epochs=3)
