"""What all architectures have in common: the contract that the loop, the bundle and the search rely on."""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from reeltune.trainables.config import FitConfig, Recipe, batch_of
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.data.tensors import Tensors
from reeltune.trainables.errors import InputError


class RatingModel(nn.Module):
    """A model with a scalar head (`grid` is None) or a class head (`grid` holds the classes' ratings)."""

    grid: Tensor | None
    recipe: ClassVar[Recipe] = Recipe()

    def __init__(self, grid: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("grid", grid, persistent=False)

    @property
    def timed(self) -> bool:
        """Whether a prediction takes the pair's time too, as a third input of shape (batch,), in seconds."""
        return False

    def inputs(self, users: Tensor, items: Tensor, times: Tensor | None) -> tuple[Tensor, ...]:
        """What `forward` takes of these columns. Raises InputError where it needs times and there are none."""
        if not self.timed:
            return users, items
        if times is None:
            raise InputError("this model was fitted with time: it rates no pairs without a timestamp")
        return users, items, times

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        """Map indices of shape (batch,) to ratings of shape (batch,), or to logits of shape (batch, classes)."""
        raise NotImplementedError

    def loss(self, output: Tensor, ratings: Tensor) -> Tensor:
        """The mean loss of what `forward` gave for rows of these ratings, shape (batch,)."""
        raise NotImplementedError

    def see(self, rows: Tensors) -> None:
        """Take in the rows to fit on, before the first step: for models that look at more than a batch."""

    def groups(self, config: Any) -> list[dict[str, Any]]:
        """Parameter groups for AdamW."""
        return decay_groups(self.parameters(), config.weight_decay)

    def shrink(self, rate: float) -> None:
        """Weight decay that a parameter group cannot express, at this step's learning rate."""

    def finish(self, rows: Tensors, again: "Again", *, seed: int) -> None:
        """What there is to do after the last step, on the rows that were fitted, on every worker alike."""

    def served(self) -> "RatingModel":
        """This model as it is kept and used: without what only a fit needs."""
        return self

    @classmethod
    def serving(cls, config: Any, shape: Shape, weights: dict[str, Tensor]) -> "RatingModel":
        """An empty model of the shapes of these weights of a `served` one."""
        return cls(config, shape)  # type: ignore[call-arg]  # architectures take these


def decay_groups(parameters: Iterable[nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
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
    """A module such as `reeltune.trainables.architectures.pmf`: one file of this shape for each architecture."""

    __name__: str

    @property
    def Config(self) -> type[FitConfig]: ...

    @property
    def Model(self) -> type[Any]: ...

    def reference(self, shape: Shape) -> FitConfig:
        """The configuration to start from on data of this shape: the reference notebook's own where it has one."""


def batch_for(shape: Shape, *, steps: int) -> int:
    """The batch of about so many steps an epoch; where the ratings are not counted yet, of MovieLens-100k's 72,000."""
    return batch_of(72_000 if shape.ratings is None else shape.ratings, steps=steps)


def embedding(rows: int, width: int) -> nn.Embedding:
    """A table drawn from a normal of deviation 0.01 truncated at 2 deviations, as fastai's."""
    table = nn.Embedding(rows, width)
    nn.init.trunc_normal_(table.weight, std=0.01, a=-0.02, b=0.02)
    return table


def embedding_width(rows: int) -> int:
    """The rule of thumb for a table's width: min(600, round(1.6 · rows^0.56)) (fastai's `emb_sz_rule`)."""
    return min(600, round(1.6 * rows**0.56))


def into_range(values: Tensor, scale: Scale) -> Tensor:
    """Squash any real values into the scale's sigmoid range."""
    low, high = scale.sigmoid_range
    return low + (high - low) * torch.sigmoid(values)
