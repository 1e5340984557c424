"""Matrix factorisation: rating = low + span · sigmoid(u·i + b_u + b_i)  (Salakhutdinov & Mnih 2007)."""

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from reeltune.trainables.architectures.parts import implicit
from reeltune.trainables.architectures.parts.dropout import dropout
from reeltune.trainables.architectures.parts.matches import TableMatches
from reeltune.trainables.config import TrainingConfig
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.model import NOTEBOOK_STEPS, RatingModel, batch_for, crossed_matches, embedding, into_range


class Config(TrainingConfig):
    """The reference notebook's dot-product model with biases."""

    factors: int = Field(50, ge=1, le=4096, description="width of the user and item vectors")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of each user vector dropped in training")


class Model(RatingModel):
    """Each table holds a vector and, in its last column, a bias: that saves a second look-up."""

    def __init__(self, config: Config, shape: Shape) -> None:
        super().__init__()
        self.config, self.scale = config, shape.scale
        self.many = (shape.ratings or 0) > implicit.WHOLE  # training ratings: of fewer, fits are what they were before
        self.users = embedding(shape.users, config.factors + 1)
        self.items = embedding(shape.items, config.factors + 1)

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        """Map indices of shape (batch,) to ratings of shape (batch,)."""
        if self._has_matches(users):
            match = TableMatches.apply(self.users.weight, self.items.weight, users, items, self.config.dropout)
            return into_range(match, self.scale)
        return self.rate_rows(self.users(users), self.items(items))

    def _has_matches(self, users: Tensor) -> bool:
        """Whether a batch is matched faster without its vectors. A derived model may have another formula for these."""
        large = self.training and self.many and users.is_cpu and len(users) > implicit.PIECE
        return large and type(self).rate_rows is Model.rate_rows

    def id_rows(self) -> tuple[Tensor, Tensor]:
        return self.users.weight, self.items.weight

    def rate_rows(self, users: Tensor, items: Tensor) -> Tensor:
        vectors = dropout(users[:, :-1], self.config.dropout, self.training)
        match = (vectors * items[:, :-1]).sum(1) + users[:, -1] + items[:, -1]
        return into_range(match, self.scale)

    factored = True

    def crossed(self, users: Tensor, items: Tensor, times: Tensor | None) -> Tensor:
        low, high = self.scale.sigmoid_range
        return crossed_matches(self.users(users), self.items(items)).sigmoid_().mul_(high - low).add_(low)

    def tables(self) -> tuple[list[Tensor], list[Tensor]]:
        return [self.users.weight], [self.items.weight]

    def user_blocks(self) -> dict[str, tuple[slice, ...]]:
        return {"users.weight": (slice(0, len(self.users.weight)),)}

    def item_vectors(self) -> Tensor:
        """The items' table, with their biases in the last column."""
        return self.items.weight

    def loss(self, output: Tensor, ratings: Tensor) -> Tensor:
        """Mean squared error."""
        return F.mse_loss(output, ratings)

    def row_losses(self, output: Tensor, ratings: Tensor) -> Tensor:
        """Squared errors."""
        return F.mse_loss(output, ratings, reduction="none")


def reference(shape: Shape) -> Config:
    """50 factors, 5 one-cycle epochs at 5e-3, weight decay 0.1, batches of 64, of more on more than 100,000 ratings."""
    return Config(batch_size=batch_for(shape, steps=NOTEBOOK_STEPS))
