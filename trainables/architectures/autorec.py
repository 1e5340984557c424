"""Item-based AutoRec: rating = mean + unit · (w_u · σ(V e_i + c) + b_u + b_i)  (Sedhain, Menon, Sanner & Xie 2015).

e_i holds the item's fitted ratings: the encoder V turns them into a code, and each user's w_u decodes it. Unlike in the
paper, ratings enter as their distance to the mean, scaled by a power of their number, users and items both have biases,
and a batch holds ratings, not items.
"""

import copy
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from reeltune.trainables.architectures.parts.dropout import dropout
from reeltune.trainables.architectures.parts.over_workers import summed_product
from reeltune.trainables.architectures.parts.reference import sized_when_sparse
from reeltune.trainables.architectures.parts.sparse import Bags, product
from reeltune.trainables.config import Recipe, TrainingConfig
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.data.tensors import Tensors
from reeltune.trainables.model import Everyone, RatingModel, batch_for, filled
from reeltune.trainables.scoring.metrics import add_up

STEPS = 18  # of an epoch, when the defaults were chosen


class Config(TrainingConfig):
    """The defaults were chosen on validation parts: see docs/defaults.md."""

    learning_rate: float = Field(7e-3, gt=0, le=10, description="highest rate of the one-cycle schedule")
    weight_decay: float = Field(1.2, ge=0, le=100, description="decoupled (AdamW); none on biases")
    batch_size: int = Field(4096, ge=2, le=1_048_576, description="rows per step, over all workers")
    epochs: int = Field(20, ge=1, le=1000, description="passes over the training rows")
    hidden: int = Field(100, ge=1, le=16384, description="width of the code")
    dropout: float = Field(0.35, ge=0, lt=1, description="share of the code dropped in training")
    exponent: float = Field(0.3, ge=0, le=1, description="an item's n ratings enter scaled by n^-exponent")
    activation: Literal["sigmoid", "identity"] = Field("sigmoid", description="σ, of the code")
    initial: float = Field(0.006, gt=0, le=1, description="standard deviation of the weights at the start")


class Model(RatingModel):
    mean: Tensor
    codes: Tensor | None
    recipe = Recipe(momenta=(0.9, 0.9), epsilon=1e-6)
    sharded = False  # whether its users are those of this worker alone

    def __init__(self, config: Config, shape: Shape) -> None:
        super().__init__()
        self.config, self.shape = config, shape
        self.unit = shape.scale.quarter
        self.encoder = nn.Parameter(torch.randn(shape.users, config.hidden) * config.initial)
        self.hidden_bias = nn.Parameter(torch.zeros(config.hidden))
        self.decoder = nn.Parameter(torch.randn(shape.users, config.hidden) * config.initial)
        self.user_bias = nn.Parameter(torch.zeros(shape.users))
        self.item_bias = nn.Parameter(torch.zeros(shape.items))
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("codes", None)  # of all items; set in a served model alone

    def see(self, rows: Tensors) -> None:
        """Take in who rated each item how, whatever the rows' weights, and the mean rating by these."""
        self.mean.fill_(rows.mean_rating())
        counts = torch.bincount(rows.items, minlength=self.shape.items)
        self.counts = add_up(counts) if self.sharded else counts
        scale = self.counts.clamp(min=1) ** -self.config.exponent
        distances = (rows.ratings - self.mean) / self.unit * scale[rows.items]
        self.by_item = Bags.of(rows.items, rows.users, self.shape.items, distances).cut()
        self.by_user = Bags.of(rows.users, rows.items, self.shape.users, distances).cut()

    def served(self) -> "Model":
        return self if self.codes is not None else self._keeping(self.item_vectors())

    @classmethod
    def serving(cls, config: Config, shape: Shape, weights: dict[str, Tensor]) -> "Model":
        return cls(config, shape)._keeping(torch.zeros(shape.items, config.hidden))

    def _keeping(self, codes: Tensor) -> "Model":
        """This model with its items' codes in place of the encoder that makes them."""
        kept = copy.copy(self)
        kept._parameters = {
            name: weight for name, weight in self._parameters.items() if name not in ("encoder", "hidden_bias")
        }
        kept._buffers = self._buffers | {"codes": codes}
        return kept

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        """Map indices of shape (batch,) to ratings of shape (batch,)."""
        codes = self._codes() if self.training else self.item_vectors()
        code = dropout(codes.index_select(0, items), self.config.dropout, self.training)
        match = (code * self.decoder.index_select(0, users)).sum(1)
        return self.mean + self.unit * (match + self.user_bias[users] + self.item_bias[items])

    factored = True

    def crossed(self, users: Tensor, items: Tensor, times: Tensor | None) -> Tensor:
        codes = self.item_vectors().index_select(0, items)
        match = torch.addmm(self.item_bias[items], self.decoder.index_select(0, users), codes.T)
        return match.add_(self.user_bias[users, None]).mul_(self.unit).add_(self.mean)

    def id_rows(self) -> tuple[Tensor, Tensor]:
        """The users' decoders and the items' codes, each with the bias in the last column."""
        users = torch.cat([self.decoder, self.user_bias[:, None]], 1)
        return users, torch.cat([self.item_vectors(), self.item_bias[:, None]], 1)

    def rate_rows(self, users: Tensor, items: Tensor) -> Tensor:
        match = (users[:, :-1] * items[:, :-1]).sum(1) + users[:, -1] + items[:, -1]
        return self.mean + self.unit * match

    def item_vectors(self) -> Tensor:
        """The codes of all items, shape (items, hidden); of those without a rating, a mean."""
        if self.codes is not None:
            return self.codes
        return filled(self._codes(), self.counts, rare=self.shape.rare_items)

    def tables(self) -> tuple[list[Tensor], list[Tensor]]:
        return [self.decoder, self.user_bias], [self.item_bias]

    def user_blocks(self) -> dict[str, tuple[slice, ...]]:
        every = (slice(0, self.shape.users),)
        return {name: every for name in ("encoder", "decoder", "user_bias") if name in self._parameters}

    def shard(self, everyone: Everyone) -> None:
        self.sharded = True

    def loss(self, output: Tensor, ratings: Tensor) -> Tensor:
        """Mean squared error."""
        return F.mse_loss(output, ratings)

    def row_losses(self, output: Tensor, ratings: Tensor) -> Tensor:
        """Squared errors."""
        return F.mse_loss(output, ratings, reduction="none")

    def _codes(self) -> Tensor:
        multiplied = summed_product if self.sharded else product
        code = multiplied(self.by_item, self.by_user, self.encoder) + self.hidden_bias
        return torch.sigmoid(code) if self.config.activation == "sigmoid" else code


def reference(shape: Shape) -> Config:
    """The defaults, with batches of about 18 steps an epoch, and more decay where ids have few ratings."""
    defaults = Config(batch_size=batch_for(shape, steps=STEPS))
    return defaults.model_copy(update={"weight_decay": sized_when_sparse(defaults.weight_decay, shape)})
