"""What all architectures have in common: the contract that the loop, the bundle and the search rely on."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from reeltune.trainables.adamw import ParameterGroup
from reeltune.trainables.config import FitConfig, Recipe, batch_of
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.data.tensors import Tensors
from reeltune.trainables.errors import InputError


class RatingModel(nn.Module):
    """A model with a scalar head (`grid` is None) or a class head (`grid` holds the classes' ratings).

    What every model must do (tests/trainables/architectures/test_architectures.py holds it to that):

    - It is made as `Model(config, shape)`. Index 0 of users and of items is 'unknown'. It and all ids without a fitted
      rating are rated near the mean and not by their random start: see `tables`.
    - It rates any scale. A class head's `grid` ascends from the scale's lowest rating to its highest. A scalar head
      may rate beyond the scale: decoding clips.
    - In evaluation a pair's output depends on that pair alone but for rounding (about 1e-7 of it), as pairs are rated
      in chunks, and no random numbers are drawn.
    - Its whole state is in parameters and buffers, and its random numbers are torch's: the same seed gives the same fit
      bit for bit, also when it was stopped and resumed.
    - It knows nothing of workers, devices, Ray or files. On several workers each sees its share of a batch: a layer
      that needs the whole batch sums over workers (see `parts/batch_norm.py`).
    """

    grid: Tensor | None  # shape (classes,)
    recipe: ClassVar[Recipe] = Recipe()
    # Parameters whose gradients are summed over workers when `backward` returns, where users are sharded.
    summed: ClassVar[tuple[str, ...]] = ()

    def __init__(self, grid: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("grid", grid, persistent=False)

    @property
    def timed(self) -> bool:
        """Whether `forward` takes the pairs' times too, shape (batch,), in seconds: what the configuration's says."""
        return False

    @property
    def threaded(self) -> bool:
        """Whether a step may use several threads: no number of its weights is then a sum that threads share.

        More threads then change no digit of the weights.
        """
        return False

    def inputs(self, users: Tensor, items: Tensor, times: Tensor | None) -> tuple[Tensor, ...]:
        """What `forward` takes of these columns. Raises InputError if it needs times and there are none."""
        if not self.timed:
            return users, items
        if times is None:
            raise InputError("this model was fitted with time: it rates no pairs without a timestamp")
        return users, items, times

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        """Map indices of shape (batch,) to ratings of shape (batch,), or to logits of shape (batch, classes)."""
        raise NotImplementedError

    @property
    def factored(self) -> bool:
        """Whether `crossed` is a matrix product, so that a million pairs cost what a thousand do by `forward`."""
        return False

    def crossed(self, users: Tensor, items: Tensor, times: Tensor | None) -> Tensor:
        """What `forward` gives for each of the users with each of the items: shape (users, items) or (…, classes).

        `times` are the users', shape (users,). In evaluation, for recommendations. A model that rates by a function of
        user vector · item vector says so by `factored`, and multiplies matrices here; sums may then be rounded
        otherwise than in `forward`.
        """
        pairs = users.repeat_interleave(len(items)), items.repeat(len(users))
        of_pairs = None if times is None else times.repeat_interleave(len(items))
        return self(*self.inputs(*pairs, of_pairs)).unflatten(0, (len(users), len(items)))

    def loss(self, output: Tensor, ratings: Tensor) -> Tensor:
        """The loss of what `forward` gave for rows of these ratings, shape (batch,): any, but the mean over rows.

        The mean, because the workers' losses are averaged, each weighted by its number of rows. Unless a model says
        otherwise it is the mean of `row_losses`.
        """
        return self.row_losses(output, ratings).mean()

    def row_losses(self, output: Tensor, ratings: Tensor) -> Tensor:
        """The loss of each row, shape (batch,), whose mean is `loss`: a fit weighs them where rows have weights.

        A model that has `loss` alone is fitted on rows without weights only.
        """
        raise NotImplementedError

    def see(self, rows: Tensors) -> None:
        """Take in the rows to fit on, before the first step: for models that look at more than a batch.

        A model whose `Config` is no `TrainingConfig` is solved: this is its whole fit. Where rows have `weights`, means
        are by them: `Tensors.mean_rating` and `Tensors.counts` are. Raises InputError if the rows lack something that
        the configuration needs.
        """

    def groups(self, config: Any) -> list[ParameterGroup]:
        """Parameter groups for AdamW; every parameter is in exactly one of them.

        Beside AdamW's keys a group may have a `share`: its learning rate as a share of the schedule's.
        """
        return decay_groups(self.parameters(), config.weight_decay)

    def shrink(self, rate: float) -> None:
        """Weight decay that a parameter group cannot express, at this step's learning rate. Called before each step."""

    def tables(self) -> tuple[list[Tensor], list[Tensor]]:
        """The tensors that have a row for each user, and those that have one for each item.

        A fit replaces, in place, the rows of ids without a fitted rating by means (`filled`), before it measures and
        after the last step. Such a row must have no part in the rating of any rated pair.
        """
        return [], []

    def user_blocks(self) -> dict[str, tuple[slice, ...]]:
        """Parameters and buffers in which users have rows: the slices, ascending, each of a row for each user.

        Where users are sharded (`ShardedFit`), each worker's model has those of its own users alone. A model that says
        so takes nothing of other users that it does not sum over workers. In a `served` model they are what is served.
        """
        return {}

    @classmethod
    def why_not_sharded(cls, config: Any) -> str | None:
        """Why users cannot be sharded with this configuration; None if they can."""
        return "needs all users on each worker" if cls.user_blocks is RatingModel.user_blocks else None

    def shard(self, everyone: "Everyone") -> None:
        """Called before `see` where users are sharded: `see` gets the rows of this worker's users alone."""

    def finish(self, rows: Tensors, again: "Again", *, seed: int) -> None:
        """Called once after the last step, with the fitted rows, on every worker alike."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of an ended fit, such as an option that had no effect: one line each."""
        return ()

    def item_vectors(self) -> Tensor | None:
        """A vector for each item, shape (items, width), near each other for items that are alike; None without any.

        TensorBoard's projector shows them.
        """
        return None

    def id_rows(self) -> tuple[Tensor, Tensor] | None:
        """A row for each user and for each item, of shape (ids, width): all that a pair's rating takes of its ids.

        Of a `served` model. With `rate_rows` new users and items get rows from their ratings, without a fit
        (`folding`); None where that is not possible.
        """
        return None

    def rate_rows(self, users: Tensor, items: Tensor) -> Tensor:
        """As `forward`, of the pairs' rows, shape (batch, width), in place of indices; differentiable in both.

        Of a `served` model, in evaluation. Where a pair's time counts, this is the rating without it.
        """
        raise NotImplementedError

    def served(self) -> "RatingModel":
        """This model as a bundle keeps it, without what only a fit needs. It rates all pairs as this one does.

        A bundle has no side tables: what they say of an id must be in the weights, in the id's row of a table, say.
        """
        return self

    @classmethod
    def serving(cls, config: Any, shape: Shape, weights: dict[str, Tensor]) -> "RatingModel":
        """A model that can load these weights of a `served` one. Their values are not read, only names and shapes."""
        return cls(config, shape)  # type: ignore[call-arg]  # architectures take these


def has_row_losses(model: type) -> bool:
    """Whether a model has the losses of single rows. One that replaces `loss` alone has not, whatever it inherits."""
    for each in model.__mro__:
        if "row_losses" in vars(each):
            return each is not RatingModel
        if "loss" in vars(each):
            return False
    return False


@dataclass(frozen=True, kw_only=True)
class Everyone:
    """All users, as a worker knows them that has a part of them."""

    rows: Callable[[], Tensors]  # all rows to fit on
    users: int
    own: Tensor  # the index of each user of this worker's model, shape (users here,)


def filled(rows: Tensor, counts: Tensor, *, rare: int | None) -> Tensor:
    """A table of shape (ids, ...), with the mean of the rated rows in place of those without a fitted rating.

    The ids have `counts` fitted ratings, or so much weight of them, shape (ids,). Ids up to index `rare` (of users:
    all, `rare` is None) that have none were rated seldom, and get the plain mean. Other items, and 'unknown', are new:
    the item of a pair to rate is mostly one that many rate, so they get the mean weighted by ratings.
    """
    rated = counts > 0
    mean = _mean(rows, rated)
    if rare is not None:
        places = torch.arange(len(rows), device=rows.device)
        new = (places == 0) | (places > rare)
        mean = torch.where(_beside(new, rows), _mean(rows, counts), mean)
    return torch.where(_beside(rated, rows), rows, mean)


def _mean(rows: Tensor, weights: Tensor) -> Tensor:
    weights = weights.to(rows.dtype)
    return torch.tensordot(weights, rows.detach(), 1) / weights.sum()


def _beside(mask: Tensor, rows: Tensor) -> Tensor:
    """A mask of shape (ids,) in the shape of these rows."""
    return mask.reshape(-1, *[1] * (rows.dim() - 1))


def decay_groups(parameters: Iterable[nn.Parameter], weight_decay: float) -> list[ParameterGroup]:
    """Weights decay; biases and norms (the parameters of one dimension) do not, as in fastai."""
    listed = list(parameters)
    groups = [
        {"params": [p for p in listed if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in listed if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


# Fits the same architecture again: a configuration and the fitted rows to take, shape (rows,), to a fitted model.
Again = Callable[[FitConfig, Tensor], RatingModel]


class Architecture(Protocol):
    """A module such as `reeltune.trainables.architectures.pmf`: one file of this shape for each architecture.

    The first line of its docstring is its formula, which `reeltune architectures` prints.
    """

    __name__: str

    @property
    def Config(self) -> type[FitConfig]:
        """Its hyperparameters, by any names, each with a default, a description and, if it is a number, bounds.

        It derives from `TrainingConfig` if the model is trained step by step, else from `FitConfig` itself.
        """

    @property
    def Model(self) -> type[Any]:
        """A `RatingModel`."""

    def reference(self, shape: Shape) -> FitConfig:
        """The configuration to start from, valid for data of any shape.

        It is the reference notebook's own where that has one, and may grow with the data: see `batch_for`.
        """


# Steps of an epoch of the reference notebook: 72,000 rows in batches of 64. More rows get larger batches, not more
# steps: AdamW steps whole tables, so a fit's time goes with its steps.
NOTEBOOK_STEPS = 1125


WIDEST = 128  # a reference's table; MovieLens-100k's are 74 and 102 wide


def batch_for(shape: Shape, *, steps: int) -> int:
    """The batch that makes about so many steps an epoch; without a count of ratings, of MovieLens-100k's 72,000."""
    return batch_of(72_000 if shape.ratings is None else shape.ratings, steps=steps)


def embedding(rows: int, width: int) -> nn.Embedding:
    """A table drawn from a normal of deviation 0.01 truncated at 2 deviations, as fastai's."""
    table = nn.Embedding(rows, width)
    nn.init.trunc_normal_(table.weight, std=0.01, a=-0.02, b=0.02)
    return table


def embedding_width(rows: int) -> int:
    """The rule of thumb for a table's width: min(600, round(1.6 · rows^0.56)) (fastai's `emb_sz_rule`)."""
    return min(600, round(1.6 * rows**0.56))


def crossed_matches(users: Tensor, items: Tensor) -> Tensor:
    """u·i + b_u + b_i of all users with all items, shape (users, items); the last column of both holds the biases."""
    return torch.addmm(items[:, -1], users[:, :-1], items[:, :-1].T).add_(users[:, -1:])


def reference_width(rows: int) -> int:
    """That rule, up to WIDEST: beyond, tables take memory and time and err no less (docs/defaults.md)."""
    return min(WIDEST, embedding_width(rows))


def into_range(values: Tensor, scale: Scale) -> Tensor:
    """Squash any real values into the scale's sigmoid range."""
    low, high = scale.sigmoid_range
    return low + (high - low) * torch.sigmoid(values)
