"""Two towers: rating = mean + unit · (U relu(A u) · V relu(B i) + clock_h)  (as Yi et al. 2019, with a Huber loss).

No model of ours: a stranger who has read the contract of `RatingModel` and nothing else. Hyperparameters have names
that no other model has, the loss is another, all pairs are rated alike at the start, the defaults are not the
reference's, and what asks for time is not called so.
"""

from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from reeltune.trainables.config import TrainingConfig
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.data.tensors import Tensors
from reeltune.trainables.errors import InputError
from reeltune.trainables.model import RatingModel

HOUR = 3600


class Config(TrainingConfig):
    breadth: int = Field(24, ge=1, le=512, description="numbers in each tower's layers")
    forget: float = Field(0.0, ge=0, lt=1, description="share of a tower's layer dropped in training")
    patience: float = Field(1.0, gt=0, le=100, description="error, in quarters of the scale, from which it counts less")
    deeper: tuple[int, ...] = Field((), max_length=4, description="numbers in each further layer of a tower")
    clock: bool = Field(False, description="whether the hour at which a pair was rated counts")

    @property
    def timed(self) -> bool:
        return self.clock


class Model(RatingModel):
    mean: Tensor

    def __init__(self, config: Config, shape: Shape) -> None:
        super().__init__()
        self.config = config
        self.unit = (shape.scale.high - shape.scale.low) / 4
        self.user_tower, self.item_tower = self._tower(shape.users), self._tower(shape.items)
        nn.init.zeros_(self.user_tower[-1].weight)  # all pairs are rated alike until a step was taken
        self.hours = nn.Embedding(24, 1) if config.clock else None
        self.register_buffer("mean", torch.zeros(()))

    def _tower(self, ids: int) -> nn.Sequential:
        width = self.config.breadth
        widths = [width, *self.config.deeper, width]
        layers = [nn.Linear(inside, out, bias=False) for inside, out in pairwise(widths)]
        return nn.Sequential(nn.Embedding(ids, width), nn.ReLU(), nn.Dropout(self.config.forget), *layers)

    @property
    def timed(self) -> bool:
        return self.config.timed

    def see(self, rows: Tensors) -> None:
        if self.timed and rows.times is None:
            raise InputError("clock needs timestamps")
        self.mean.fill_(rows.mean_rating())

    def forward(self, users: Tensor, items: Tensor, times: Tensor | None = None) -> Tensor:
        match = (self.user_tower(users) * self.item_tower(items)).sum(1)
        if self.hours is not None and times is not None:
            match = match + self.hours(times.div(HOUR, rounding_mode="floor") % 24)[:, 0]
        return self.mean + self.unit * match

    def id_rows(self) -> tuple[Tensor, Tensor]:
        return self._every(self.user_tower), self._every(self.item_tower)

    def _every(self, tower: nn.Sequential) -> Tensor:
        return tower(torch.arange(len(tower[0].weight), device=self.mean.device))

    def rate_rows(self, users: Tensor, items: Tensor) -> Tensor:
        return self.mean + self.unit * (users * items).sum(1)

    def tables(self) -> tuple[list[Tensor], list[Tensor]]:
        return [self.user_tower[0].weight], [self.item_tower[0].weight]

    def user_blocks(self) -> dict[str, tuple[slice, ...]]:
        return {"user_tower.0.weight": (slice(0, len(self.user_tower[0].weight)),)}

    def loss(self, output: Tensor, ratings: Tensor) -> Tensor:
        return F.huber_loss(output / self.unit, ratings / self.unit, delta=self.config.patience)

    def groups(self, config: Any) -> list[dict[str, Any]]:
        """No decay at all."""
        return [{"params": list(self.parameters()), "weight_decay": 0.0}]


def reference(shape: Shape) -> Config:
    return Config(breadth=min(512, max(8, shape.items // 100)), batch_size=256, epochs=3)
