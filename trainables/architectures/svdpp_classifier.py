"""Classifier on the vectors of SVD++: logits = W₂ [m, Dropout(ReLU(W₁ [p, q, p∘q] + b₁))] + b₂, m = p·q + b_p + b_q.

p and q are the vectors of `parts/trunk.py`. Each logit is free: every class has its own row of W₂, and only the loss
says that 4 lies between 3 and 5. W₂ and b₂ start so that a logit is minus the squared distance of its class to m, less
m², which is near what cost regression learns. They are then trained, at a lower rate than the vectors.
"""

from typing import Any, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from reeltune.trainables.adamw import ParameterGroup
from reeltune.trainables.architectures.parts.dropout import Dropout
from reeltune.trainables.architectures.parts.losses import (
    ClassHeadConfig,
    Loss,
    Subdivisions,
    class_loss,
    class_row_losses,
)
from reeltune.trainables.architectures.parts.paired import worth_it
from reeltune.trainables.architectures.parts.reference import sized_gently
from reeltune.trainables.architectures.parts.trunk import Tables, Trunk, TrunkConfig, TrunkModel
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.model import decay_groups


class Config(TrunkConfig, ClassHeadConfig):
    """The trunk's fields and a class head's, with a finer grid and another loss as defaults."""

    hidden: int = Field(32, ge=1, le=16384, description="width of the hidden layer")
    head_dropout: float = Field(0.2, ge=0, lt=1, description="share of the hidden layer dropped in training")
    head_decay: float = Field(0.05, ge=0, le=100, description="decay of the head's weights")
    head_rate: float = Field(0.03, gt=0, le=1, description="the head's learning rate, as a share of the vectors'")
    subdivisions: Subdivisions = Field(8, description="classes per step of the scale")
    loss: Loss = Field("cost_regression", description="what the classes' logits learn from a rating")


class Model(TrunkModel):
    config: Config

    def __init__(self, config: Config, shape: Shape, *, trunk: Trunk | Tables | None = None) -> None:
        grid = torch.from_numpy(shape.scale.grid(config.subdivisions)).float()
        super().__init__(config, shape, grid=grid, trunk=trunk)
        width = config.factors + 1
        self.layers = nn.Sequential(nn.Linear(3 * width, config.hidden), nn.ReLU(), Dropout(config.head_dropout))
        self.classes = nn.Linear(1 + config.hidden, len(grid))
        self.middle = (shape.scale.low + shape.scale.high) / 2
        self._start_at_distances(grid)

    @torch.no_grad()
    def _start_at_distances(self, grid: Tensor) -> None:
        """Set W₂ and b₂ so that logits are 2xm - x², x being the class and m the match, in quarters of the scale."""
        x = (grid - self.middle) / self.unit
        self.classes.weight.zero_()
        self.classes.weight[:, 0] = 2 * x
        self.classes.bias.copy_(-x * x)

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        """Map indices of shape (batch,) to logits of shape (batch, classes)."""
        tables = self.trunk
        if not isinstance(tables, Tables) or not worth_it(self, Model, users, tables.both()):
            return self.rate_rows(*self.vectors(users, items))
        # W₁'s part of each id once, not in each of its pairs: two thirds of the layer's work
        of_users, of_items = self._parts(*tables.both())
        p, q = tables(users, items)
        return self._logits(p, q, of_users.index_select(0, users), of_items.index_select(0, items))

    def rate_rows(self, users: Tensor, items: Tensor) -> Tensor:
        if type(self) is Model and not self.training:
            return self._logits(users, items, *self._parts(users, items))
        product = users * items
        hidden = self.layers(torch.cat([users, items, product], 1))
        return self.classes(torch.cat([self._match(users, items, product)[:, None], hidden], 1))

    def _match(self, users: Tensor, items: Tensor, product: Tensor) -> Tensor:
        """m, shape (batch,), in quarters of the scale from its middle."""
        return product[:, :-1].sum(1) + users[:, -1] + items[:, -1] + (self.mean - self.middle) / self.unit

    @property
    def first(self) -> nn.Linear:
        """W₁ and b₁."""
        return cast(nn.Linear, self.layers[0])

    def _weights(self) -> tuple[Tensor, ...]:
        """The columns of W₁ that take p, q and p∘q, each of shape (hidden, factors + 1)."""
        return self.first.weight.split(self.config.factors + 1, 1)

    def _parts(self, users: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """What p and b₁, and what q adds to the hidden layer, of vectors of shape (ids, factors + 1)."""
        by_user, by_item, _ = self._weights()
        return torch.addmm(self.first.bias, users, by_user.T), items @ by_item.T

    def _logits(self, users: Tensor, items: Tensor, of_users: Tensor, of_items: Tensor) -> Tensor:
        """Logits of pairs, shape (batch, classes), of their vectors and what these add to the hidden layer."""
        product = users * items
        hidden = torch.addmm(of_users, product, self._weights()[2].T).add(of_items).relu()
        return self.classes(torch.cat([self._match(users, items, product)[:, None], hidden], 1))

    @property
    def factored(self) -> bool:
        """Not a model that derives from this one, which may have other layers or its own `rate_rows`."""
        return type(self) is Model

    def crossed(self, users: Tensor, items: Tensor, times: Tensor | None) -> Tensor:
        """As the base's: q times a matrix for each user is [m, W₁ [p, q, p∘q]], but for what the user alone adds.

        Its rows are [p, 1], and the columns of W₁ that take q plus those that take p∘q, times p.
        """
        if not self.factored:
            return super().crossed(users, items, times)
        tables = self.trunk.folded()
        p, q = tables(users, items)
        by_user, by_item, by_product = self._weights()
        of_match = torch.cat([p[:, :-1], torch.ones_like(p[:, -1:])], 1)
        matrices = torch.cat([of_match[:, None], p[:, None] * by_product + by_item], 1)
        alone = torch.addmm(self.first.bias, p, by_user.T)
        own = torch.cat([p[:, -1:] + (self.mean - self.middle) / self.unit, alone], 1)
        both = (matrices.flatten(0, 1) @ q.T).view(*own.shape, len(items)).add_(own[:, :, None])
        both[:, 1:].relu_()
        return torch.baddbmm(self.classes.bias, both.mT, self.classes.weight.T.expand(len(users), -1, -1))

    def loss(self, output: Tensor, ratings: Tensor) -> Tensor:
        """The mean of the configured loss."""
        assert self.grid is not None
        return class_loss(self.config.loss, output, ratings, self.grid, width=self.config.label_width * self.unit)

    def row_losses(self, output: Tensor, ratings: Tensor) -> Tensor:
        """The configured loss of each row."""
        assert self.grid is not None
        width = self.config.label_width * self.unit
        return class_row_losses(self.config.loss, output, ratings, self.grid, width=width)

    def groups(self, config: Any) -> list[ParameterGroup]:
        head = [*self.layers.parameters(), *self.classes.parameters()]
        groups = decay_groups(head, config.head_decay)
        return [*super().groups(config), *({**group, "share": config.head_rate} for group in groups)]


def reference(shape: Shape) -> Config:
    """The defaults, with batches of about 36 steps an epoch and decays by the ratings per id."""
    return sized_gently(Config(), shape)
