"""The trunk of `svdpp` and its classifier: user and item vectors from ids, implicit feedback and side information.

    P = U + n_u^-a (A Y) + S_u C_u        Q = I + n_i^-a (Aᵀ X) + S_i C_i

A is 1 where a user has a fitted rating of an item, n_u and n_i count those of a user and of an item, and S_u and S_i
hold the features of side tables. SVD++ (Koren 2008) has A Y only; Aᵀ X mirrors it for items; features enter as in a
factorisation machine (Rendle 2010). The last column of every table holds biases.
"""

import copy
from typing import Any, Self

import torch
from pydantic import Field
from torch import Tensor, nn

from reeltune.trainables.adamw import ParameterGroup
from reeltune.trainables.architectures.parts import implicit
from reeltune.trainables.architectures.parts.damped import best_dampings, damped_means
from reeltune.trainables.architectures.parts.dropout import masks
from reeltune.trainables.architectures.parts.implicit import half, pieces
from reeltune.trainables.architectures.parts.matches import Matches
from reeltune.trainables.architectures.parts.over_workers import ShardedVectors, sharded_tables
from reeltune.trainables.architectures.parts.sparse import Bags
from reeltune.trainables.config import Recipe, TrainingConfig
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.data.tensors import Tensors
from reeltune.trainables.model import Everyone, RatingModel
from reeltune.trainables.scoring.metrics import add_up

OVERDAMPED = 3.0  # biases are pulled to means of so many times the best dampings


class TrunkConfig(TrainingConfig):
    """Fields of every architecture on this trunk. Defaults were chosen on validation parts: see docs/defaults.md."""

    learning_rate: float = Field(0.019, gt=0, le=10, description="highest rate of the one-cycle schedule")
    weight_decay: float = Field(3.4, ge=0, le=100, description="decoupled, of the vectors of ids")
    batch_size: int = Field(2048, ge=2, le=1_048_576, description="rows per step, over all workers")
    epochs: int = Field(8, ge=1, le=1000, description="passes over the training rows")
    factors: int = Field(63, ge=1, le=4096, description="width of the vectors")
    implicit_decay: float = Field(1.6, ge=0, le=100, description="decay of the vectors of implicit feedback")
    side_decay: float = Field(4.0, ge=0, le=100, description="decay of the vectors of side information")
    bias_decay: float = Field(0.25, ge=0, le=100, description="decay of all biases")
    bias_pull: float = Field(0.0, ge=0, le=1, description="share of damped means that own biases decay to, not to 0")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of each user vector dropped in training")
    id_dropout: float = Field(0.0, ge=0, lt=1, description="share of ids taken for unknown in training")
    initial: float = Field(0.07, gt=0, le=1, description="standard deviation of the vectors at the start")
    exponent: float = Field(0.63, ge=0, le=1, description="implicit feedback of n ratings is scaled by n^-exponent")


class Trunk(nn.Module):
    """All vectors are rows of one table, so that there is one gradient to write and one tensor to step."""

    decay: Tensor
    goals: Tensor | None  # what the own biases of users and items decay to, shape (users + items,); None for 0

    def __init__(self, config: TrunkConfig, shape: Shape) -> None:
        super().__init__()
        self.config, self.shape = config, shape
        features = [0 if side is None else len(side.names) for side in (shape.user_features, shape.item_features)]
        self.sizes = [shape.users, shape.items, shape.items, shape.users, *features]
        self.table = nn.Parameter(torch.randn(sum(self.sizes), config.factors + 1) * config.initial)
        with torch.no_grad():
            self.table[:, -1] = 0
        self.register_buffer("decay", self._decay(), persistent=False)
        self.register_buffer("goals", None, persistent=False)
        self.sharded = False  # whether its users are those of this worker alone

    def see(self, users: Tensor, items: Tensor) -> None:
        """Take in who rated what: indices of shape (ratings,) of the rows to fit on."""
        by_user = Bags.of(users, items, self.shape.users).cut()
        by_item = Bags.of(items, users, self.shape.items).cut()
        # Parts of a sum over workers would be rounded otherwise on another number of them.
        exact = self.sharded
        self.user_half = half(by_user, by_item, self.config.exponent, self.shape.user_features, rare=None, exact=exact)
        self.item_half = half(
            by_item,
            by_user,
            self.config.exponent,
            self.shape.item_features,
            rare=self.shape.rare_items,
            counts=add_up(by_item.sizes) if self.sharded else None,
            exact=exact,
        )

    @torch.no_grad()
    def pull(self, biases: Tensor) -> None:
        """Start the own biases of users and items at these, shape (users + items,), and have them decay to these."""
        self.goals = biases
        self.table[: len(biases), -1] = biases

    def forward(self, users: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Map pairs of indices, shape (batch,), to user and item vectors, shape (batch, factors + 1).

        In training the pairs must be fitted ratings. What a pair itself adds to the implicit feedback is taken out,
        since a pair to be predicted adds nothing.
        """
        if not self.training:
            return self.folded()(users, items)
        if self.sharded:
            return ShardedVectors.apply(self.table, users, items, self)
        return _Vectors.apply(self.table, users, items, self._shown(users), self._shown(items), self)

    def matches(self, users: Tensor, items: Tensor, mask: Tensor | None) -> Tensor:
        """The matches of a batch that `has_matches`, shape (batch,); `mask` is as in `parts/matches.py`."""
        return Matches.apply(self.table, users, items, mask, self)

    def has_matches(self, users: Tensor) -> bool:
        """Whether a batch of these users is matched faster without its vectors: one of many ratings, on a CPU.

        It has no fewer rows than there are users or items, whose tables are what is then written, and drops no id.
        """
        many = len(self.user_half.partners_of.columns) > implicit.WHOLE
        large = len(users) >= max(self.shape.users, self.shape.items)
        return many and large and users.is_cpu and not self.sharded and not self.config.id_dropout

    def _shown(self, ids: Tensor) -> Tensor:
        """The ids with a share of them replaced by 0, so that the vector of 'unknown' is learnt."""
        share = self.config.id_dropout
        return ids.where(torch.rand(ids.shape, device=ids.device) >= share, 0) if share else ids

    @torch.no_grad()
    def shrink(self, rate: float) -> None:
        """Decoupled weight decay, whose strength differs between the parts of the table and the biases."""
        config = self.config
        most = max(config.weight_decay, config.implicit_decay, config.side_decay, config.bias_decay)
        # Beyond 1 / rate a step would turn the sign of what it shrinks, and beyond twice that make it larger.
        decay = self.decay.clamp(max=1 / rate) if rate * most > 1 else self.decay
        self.table.addcmul_(self.table, decay, value=-rate)
        if self.goals is not None:
            own = slice(len(self.goals))
            self.table[own, -1].addcmul_(decay[own, -1], self.goals, value=rate)

    @torch.no_grad()
    def folded(self) -> "Tables":
        """The vectors P and Q of all ids.

        An id without a fitted rating has its features and the vector of 'unknown': what dropped ids have learnt, or,
        without `id_dropout`, a mean of the rated ids (`filled`).
        """
        if self.sharded:
            return Tables(*sharded_tables(self.user_half, self.item_half, self.parts(self.table)))
        learnt = self.config.id_dropout > 0
        users, items, implicit_items, implicit_users, user_sides, item_sides = self.parts(self.table)
        return Tables(
            self.user_half.folded(users, implicit_items, user_sides, learnt=learnt),
            self.item_half.folded(items, implicit_users, item_sides, learnt=learnt),
        )

    def parts(self, table: Tensor) -> tuple[Tensor, ...]:
        """Views of U, I, Y, X, C_u and C_i in the table, or in its gradient."""
        return table.split(self.sizes)

    def _decay(self) -> Tensor:
        """The decay of each number in the table."""
        config = self.config
        ids, implicit, sides = config.weight_decay, config.implicit_decay, config.side_decay
        rows = torch.tensor([ids, ids, implicit, implicit, sides, sides]).repeat_interleave(torch.tensor(self.sizes))
        decay = rows[:, None].repeat(1, config.factors + 1)
        decay[:, -1] = config.bias_decay
        return decay


def ratings_of(users: Tensor, items: Tensor, mask: Tensor | None, mean: Tensor, unit: float) -> Tensor:
    """mean + unit · (p·q + b_p + b_q), shape (batch,), of vectors whose last column holds the biases.

    The vectors have shape (batch, factors + 1), as has `mask`, which multiplies the users'. `mean` has no dimensions.
    """
    return _RatingsOf.apply(users, items, mask, mean, unit)


class _RatingsOf(torch.autograd.Function):
    """`ratings_of` with its gradient written out: autograd would write a batch of zeros for every slice."""

    @staticmethod
    def forward(ctx, users, items, mask, mean, unit):  # type: ignore[no-untyped-def]
        masked = users if mask is None else users * mask
        ctx.save_for_backward(masked, items, mask)
        ctx.unit = unit
        biases = masked[:, -1], items[:, -1]
        # In pieces that stay in a CPU's cache: a large batch of products is not written out. `len` would fix the number
        # of rows of a program that is exported.
        match = masked.new_empty(masked.shape[0])
        for piece in pieces(masked):
            match[piece] = (masked[piece] * items[piece]).sum(1)
        match.addcmul_(*biases, value=-1).add_(biases[0]).add_(biases[1])
        return match.mul_(unit).add_(mean)

    @staticmethod
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        masked, items, mask = ctx.saved_tensors
        gradient = (gradient * ctx.unit)[:, None]
        of_users = items * gradient if mask is None else (items * mask).mul_(gradient)
        of_items = masked * gradient
        of_users[:, -1:] = gradient
        of_items[:, -1:] = gradient
        return of_users, of_items, None, None, None


class Tables(nn.Module):
    """The vectors of all users and items after a fit: what a bundle holds of a trunk."""

    users: Tensor
    items: Tensor

    def __init__(self, users: Tensor, items: Tensor) -> None:
        super().__init__()
        self.register_buffer("users", users)
        self.register_buffer("items", items)

    @classmethod
    def empty(cls, config: TrunkConfig, shape: Shape) -> "Tables":
        """Zeros of the shape that a trunk of this configuration folds to."""
        width = config.factors + 1
        return cls(torch.zeros(shape.users, width), torch.zeros(shape.items, width))

    def forward(self, users: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """As `Trunk.forward`."""
        return self.users.index_select(0, users), self.items.index_select(0, items)

    def both(self) -> tuple[Tensor, Tensor]:
        return self.users, self.items

    def folded(self) -> "Tables":
        return self


class TrunkModel(RatingModel):
    """What the architectures on this trunk share: the vectors, the mean rating, and how they are trained."""

    config: Any
    trunk: Trunk | Tables
    mean: Tensor
    recipe = Recipe(momenta=(0.9, 0.9), epsilon=1e-6)
    summed = ("trunk.table",)
    everyone: Everyone | None = None  # where users are sharded

    def __init__(
        self, config: TrunkConfig, shape: Shape, *, grid: Tensor | None = None, trunk: Trunk | Tables | None = None
    ) -> None:
        super().__init__(grid)
        self.config, self.shape = config, shape
        self.trunk = Trunk(config, shape) if trunk is None else trunk
        self.unit = shape.scale.quarter
        self.register_buffer("mean", torch.zeros(()))

    @classmethod
    def serving(cls, config: Any, shape: Shape, weights: dict[str, Tensor]) -> Self:
        return cls(config, shape, trunk=Tables.empty(config, shape))

    def served(self) -> Self:
        served = copy.copy(self)
        served._modules = self._modules | {"trunk": self.trunk.folded()}
        return served

    def see(self, rows: Tensors) -> None:
        """Take in who rated what, whatever the rows' weights, and by these the mean rating."""
        assert isinstance(self.trunk, Trunk)
        self.trunk.see(rows.users, rows.items)
        self.mean.fill_(rows.mean_rating())
        if self.config.bias_pull:
            self.trunk.pull(self.config.bias_pull / self.unit * self._damped_means(rows))

    def _damped_means(self, rows: Tensors) -> Tensor:
        """Those of users and of items, shape (users + items,), damped more than single ratings are best predicted by.

        What they leave of a mean is for the other parts of the bias to learn. The best dampings are those of all rows.
        """
        every = rows if self.everyone is None else self.everyone.rows()
        sizes = self.shape.users if self.everyone is None else self.everyone.users, self.shape.items
        pairs = every.users, every.items, every.ratings - self.mean
        of_users, of_items = best_dampings(pairs, sizes, every.weights)
        dampings = OVERDAMPED * of_users, OVERDAMPED * of_items
        users, items = damped_means(pairs, sizes, dampings, every.weights)
        own = users if self.everyone is None else users[self.everyone.own]
        return torch.cat([own, items]).to(self.mean.dtype)

    def shard(self, everyone: Everyone) -> None:
        assert isinstance(self.trunk, Trunk)
        self.everyone, self.trunk.sharded = everyone, True

    def user_blocks(self) -> dict[str, tuple[slice, ...]]:
        users, items = self.shape.users, self.shape.items
        if isinstance(self.trunk, Tables):
            return {"trunk.users": (slice(0, users),)}
        return {"trunk.table": (slice(0, users), slice(users + 2 * items, 2 * users + 2 * items))}

    @classmethod
    def why_not_sharded(cls, config: Any) -> str | None:
        if config.id_dropout:
            return f"with id_dropout = {config.id_dropout:g} needs all users on each worker (id_dropout = 0 does not)"
        return super().why_not_sharded(config)

    def groups(self, config: Any) -> list[ParameterGroup]:
        return [{"params": list(self.trunk.parameters()), "weight_decay": 0.0}]  # `shrink` is its decay

    def shrink(self, rate: float) -> None:
        if isinstance(self.trunk, Trunk):
            self.trunk.shrink(rate)

    def item_vectors(self) -> Tensor:
        """The vectors of all items, with their biases in the last column."""
        return self.trunk.folded().items

    def id_rows(self) -> tuple[Tensor, Tensor]:
        tables = self.trunk.folded()
        return tables.users, tables.items

    def vectors(self, users: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """User and item vectors, shape (batch, factors + 1), with dropout on the users' in training."""
        user, item = self.trunk(users, items)
        mask = self.mask(users)
        return (user if mask is None else user * mask, item)

    def mask(self, users: Tensor) -> Tensor | None:
        """What dropout multiplies user vectors by, shape (batch, factors + 1); None where nothing is dropped.

        The last column, of biases, is 1. If there are fewer users than rows, a mask is drawn for each user.
        """
        if not (self.training and self.config.dropout):
            return None
        per_user = self.shape.users <= len(users)
        count = self.shape.users if per_user else len(users)
        kept = torch.rand(count, self.config.factors + 1, device=users.device) >= self.config.dropout
        mask = kept / (1 - self.config.dropout)
        mask[:, -1] = 1
        return mask.index_select(0, users) if per_user else mask

    def matches(self, users: Tensor, items: Tensor) -> Tensor | None:
        """`Trunk.matches` with dropout, which is drawn for each user; None for a batch that has none."""
        if not (self.training and isinstance(self.trunk, Trunk) and self.trunk.has_matches(users)):
            return None
        if type(self).mask is not TrunkModel.mask:  # a derived model's own dropout
            return None
        config = self.config
        mask = masks(self.shape.users, config.factors + 1, config.dropout) if config.dropout else None
        return self.trunk.matches(users, items, mask)


class _Vectors(torch.autograd.Function):
    """`Trunk.forward` with its gradient written out: autograd would write a table for every part of it."""

    @staticmethod
    def forward(ctx, table, users, items, shown_users, shown_items, trunk):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(users, items, shown_users, shown_items)
        ctx.trunk = trunk
        own_users, own_items, implicit_items, implicit_users, user_sides, item_sides = trunk.parts(table.detach())
        return (
            trunk.user_half.vectors(own_users, implicit_items, user_sides, users, shown_users, items),
            trunk.item_half.vectors(own_items, implicit_users, item_sides, items, shown_items, users),
        )

    @staticmethod
    def backward(ctx, grad_users, grad_items):  # type: ignore[no-untyped-def]
        users, items, shown_users, shown_items = ctx.saved_tensors
        trunk = ctx.trunk
        gradient = torch.empty_like(trunk.table)
        own_users, own_items, implicit_items, implicit_users, user_sides, item_sides = trunk.parts(gradient)
        user_grads = own_users, implicit_items, user_sides
        item_grads = own_items, implicit_users, item_sides
        trunk.user_half.gradients(user_grads, grad_users, users, shown_users, items)
        trunk.item_half.gradients(item_grads, grad_items, items, shown_items, users)
        return gradient, None, None, None, None, None
