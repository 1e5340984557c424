"""Ordinal logit on the vectors of SVD++: P(rating > v_k) = σ((m - t_k) / s), m = mean + unit · (p·q + b_p + b_q)
(McKelvey & Zavoina 1975; Koren & Sill 2011).

v_k are the steps of the scale, and the thresholds t_k between them and s are learnt: it may take more to get from 4 to
5 stars than from 3 to 4. Training maximises the likelihood of the observed ratings; a pair is rated by its expected
value, which has the least squared error. See `parts/ordinal.py`.
"""

from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from reeltune.trainables.architectures import svdpp
from reeltune.trainables.architectures.parts.ordinal import OrdinalHead
from reeltune.trainables.architectures.parts.reference import sized
from reeltune.trainables.architectures.parts.trunk import Tables, Trunk
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.model import ParameterGroup


class Config(svdpp.Config):
    """The fields of `svdpp`, and the head's."""

    noise: float = Field(0.5, gt=0, le=10, description="s at the start, in quarters of the scale")
    head_rate: float = Field(0.1, gt=0, le=1, description="learning rate of the t and of s, as a share of the vectors'")


class Model(svdpp.Model):
    def __init__(self, config: Config, shape: Shape, *, trunk: Trunk | Tables | None = None) -> None:
        super().__init__(config, shape, trunk=trunk)
        self.head = OrdinalHead(torch.from_numpy(shape.scale.grid(1)).float(), noise=config.noise)

    @property
    def threaded(self) -> bool:
        """The head's gradients are sums over the batch."""
        return False

    def read(self, match: Tensor) -> Tensor:
        """The expected rating of each m, shape (batch,); in training m itself, which the loss takes."""
        return match if self.training else self.head(match)

    def crossed(self, users: Tensor, items: Tensor, times: Tensor | None) -> Tensor:
        matches = super().crossed(users, items, times)
        if not self.factored:  # of which `forward` has read the ratings
            return matches
        return torch.stack([self.head(of_user) for of_user in matches])  # all at once take the memory of many

    def loss(self, output: Tensor, ratings: Tensor) -> Tensor:
        """-log P(rating), the mean over rows; `output` is what `forward` gives in training."""
        return self.head.loss(output, ratings)

    def row_losses(self, output: Tensor, ratings: Tensor) -> Tensor:
        """-log P(rating) of each row."""
        return self.head.losses(output, ratings)

    def groups(self, config: Any) -> list[ParameterGroup]:
        head = {"params": list(self.head.parameters()), "weight_decay": 0.0, "share": config.head_rate}
        return [*super().groups(config), head]


def reference(shape: Shape) -> Config:
    """The defaults, with batches of about 36 steps an epoch and decays by the ratings per id."""
    return sized(Config(), shape)
