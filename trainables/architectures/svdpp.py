"""SVD++ both ways with side information: rating = mean + unit · (p·q + b_p + b_q)  (Koren 2008; Rendle 2010).

p and q are the vectors of `parts/trunk.py`: sums over the ids, over what else the user rated and who else rated the
item, and over the features of side tables. There is no sigmoid: decoding clips predictions to the scale.

With timestamps, `time` may be "day" (p gets a vector for each user and day) or "residual" (a Gaussian process in time
of the user's residuals, `parts/residual.py`). Under a random split both have seen later ratings of the same user.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from reeltune.trainables.architectures.parts.days import Days
from reeltune.trainables.architectures.parts.reference import sized
from reeltune.trainables.architectures.parts.residual import FEWEST, Residuals
from reeltune.trainables.architectures.parts.trunk import Tables, Trunk, TrunkConfig, TrunkModel, ratings_of
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.data.tensors import Tensors
from reeltune.trainables.errors import InputError
from reeltune.trainables.model import Again, crossed_matches
from reeltune.trainables.scoring.metrics import predict

FOLDS = 5  # to learn residuals, a fit on the other folds predicts each


class Config(TrunkConfig):
    """The trunk's fields, and how a pair's time is used."""

    time: Literal["none", "day", "residual"] = Field("none", description="how a pair's time is used")
    day_decay: float = Field(5.0, ge=0, le=100, description="decay of the vectors of a user's days, if time is day")

    @property
    def timed(self) -> bool:
        return self.time != "none"

    @property
    def takes_weights(self) -> bool:
        """Residuals are learnt from all rows alike."""
        return self.time != "residual"


class Model(TrunkModel):
    def __init__(self, config: Config, shape: Shape, *, trunk: Trunk | Tables | None = None) -> None:
        super().__init__(config, shape, trunk=trunk)
        self.days: Days | None = None
        self.residuals: Residuals | None = None

    @property
    def timed(self) -> bool:
        return self.config.timed

    @property
    def threaded(self) -> bool:
        return not self.timed

    @classmethod
    def why_not_sharded(cls, config: Config) -> str | None:
        if config.timed:
            return f"with time = {config.time!r} needs all users on each worker (time = 'none' does not)"
        return super().why_not_sharded(config)

    def see(self, rows: Tensors) -> None:
        """Take in who rated what and when. Raises InputError if `time` is asked for and the rows have none."""
        super().see(rows)
        if self.timed and rows.times is None:
            raise InputError(f"time = {self.config.time!r} needs timestamps, and the ratings have none")
        if self.config.time == "day" and rows.times is not None:
            self.days = Days.of(rows.users, rows.times, self.config.factors + 1)
        if self.config.time == "residual":
            self.residuals = Residuals(self.shape.users, len(rows)).to(rows.users.device)

    @classmethod
    def serving(cls, config: Config, shape: Shape, weights: dict[str, Tensor]) -> "Model":
        model = cls(config, shape, trunk=Tables.empty(config, shape))
        if "days.keys" in weights:
            model.days = Days(len(weights["days.keys"]), config.factors + 1)
        if "residuals.times" in weights:
            model.residuals = Residuals(shape.users, len(weights["residuals.times"]))
        return model

    def forward(self, users: Tensor, items: Tensor, times: Tensor | None = None) -> Tensor:
        """Map indices, and times if the model is timed, of shape (batch,) to ratings of shape (batch,)."""
        match = self.matches(users, items) if self.days is None else None
        if match is not None:
            return self.read(match.mul(self.unit).add(self.mean))
        user, item = self.trunk(users, items)
        if self.days is not None and times is not None:
            user = user + self.days(users, times)
        found = self.read(ratings_of(user, item, self.mask(users), self.mean, self.unit))
        if self.residuals is None or times is None or self.training or not self.residuals.learnt:
            return found
        return found + self.residuals.correction(users, items, times, found, self._liking())

    @property
    def factored(self) -> bool:
        return self.residuals is None or not self.residuals.learnt

    def crossed(self, users: Tensor, items: Tensor, times: Tensor | None) -> Tensor:
        if not self.factored:
            return super().crossed(users, items, times)
        tables = self.trunk.folded()
        of_users = tables.users.index_select(0, users)
        if self.days is not None and times is not None:
            of_users = of_users + self.days(users, times)
        return crossed_matches(of_users, tables.items.index_select(0, items)).mul_(self.unit).add_(self.mean)

    def rate_rows(self, users: Tensor, items: Tensor) -> Tensor:
        return self.read(ratings_of(users, items, None, self.mean, self.unit))

    def read(self, match: Tensor) -> Tensor:
        """The ratings of what the vectors come to, shape (batch,): that itself."""
        return match

    def loss(self, output: Tensor, ratings: Tensor) -> Tensor:
        """Mean squared error."""
        return F.mse_loss(output, ratings)

    def row_losses(self, output: Tensor, ratings: Tensor) -> Tensor:
        """Squared errors."""
        return F.mse_loss(output, ratings, reduction="none")

    def groups(self, config: Config) -> list[dict]:
        days = [] if self.days is None else [{"params": [self.days.table], "weight_decay": config.day_decay}]
        return [*super().groups(config), *days]

    def finish(self, rows: Tensors, again: Again, *, seed: int) -> None:
        """With `time` "residual", fit once for each fold on the others, and learn from what these fits leave of it."""
        if self.residuals is None or len(rows) < FEWEST:
            return
        assert rows.times is not None
        without = self.config.model_copy(update={"time": "none"})
        fold = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed)).to(rows.users.device) % FOLDS
        held_out = torch.zeros_like(rows.ratings)
        for number in range(FOLDS):
            out = fold == number
            model = again(without, (~out).nonzero()[:, 0])
            held_out[out] = predict(model, rows.users[out], rows.items[out])
        torch.manual_seed(seed)  # the same on every worker
        self.residuals.learn(rows.users, rows.items, rows.times, rows.ratings, held_out, self._liking())

    @property
    def notes(self) -> tuple[str, ...]:
        if self.residuals is None or self.residuals.learnt:
            return ()
        few = len(self.residuals.times) < FEWEST
        why = f"it needs {FEWEST} ratings" if few else "ratings close in time do not err alike, or too few are close"
        return (f"time = 'residual' corrects nothing here: {why}",)

    def _liking(self) -> Tensor:
        """The items' vectors without their biases, shape (items, factors): alike for items that the same users like."""
        return self.item_vectors()[:, :-1]


def reference(shape: Shape) -> Config:
    """The defaults, with batches of about 36 steps an epoch and decays by the ratings per id."""
    return sized(Config(), shape)
