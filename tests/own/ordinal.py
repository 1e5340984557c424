"""Ordinal classes: p = softmax(W (u∘i) + b), learnt by the squared distance of cumulated shares (Hou et al. 2016)."""

import torch
from pydantic import Field
from torch import nn

from reeltune.trainables import RatingModel, TrainingConfig, embedding


class Config(TrainingConfig):
    factors: int = Field(8, ge=1, le=1024, description="width of the vectors")


class Model(RatingModel):
    def __init__(self, config, shape):
        grid = torch.tensor(shape.scale.values).float()
        super().__init__(grid)
        self.users, self.items = embedding(shape.users, config.factors), embedding(shape.items, config.factors)
        nn.init.normal_(self.users.weight, 1.0, 0.1)
        self.logits = nn.Linear(config.factors, len(grid))

    def forward(self, users, items):
        return self.logits(self.users(users) * self.items(items))

    def loss(self, output, ratings):
        reached = (ratings[:, None] <= self.grid + 1e-4).float()
        return (output.softmax(1).cumsum(1) - reached).square().sum(1).mean()

    def tables(self):
        return [self.users.weight], [self.items.weight]

    def item_vectors(self):
        return self.items.weight


def reference(shape):
    return Config(batch_size=128, epochs=4, learning_rate=0.02, weight_decay=0.01)
