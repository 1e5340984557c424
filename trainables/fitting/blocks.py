"""Where a model's tensors have rows of users, and which of their rows all users share."""

from dataclasses import dataclass

import torch
from torch import Tensor

from reeltune.trainables.model import RatingModel


@dataclass(frozen=True, kw_only=True)
class Blocks:
    """The rows of `of_users`, which follow each other and are each of a row for a user. All other rows are shared."""

    of_users: tuple[slice, ...]

    def named(self, name: str, tensor: Tensor) -> dict[str, Tensor]:
        """Views of the users' rows, each of shape (users, ...), by the name and the block's number."""
        return {f"{name}.{number}": tensor[rows] for number, rows in enumerate(self.of_users)}

    def shared(self, tensor: Tensor) -> list[Tensor]:
        """Views of all other rows."""
        starts = [0, *(rows.stop for rows in self.of_users)]
        ends = [*(rows.start for rows in self.of_users), len(tensor)]
        return [tensor[start:end] for start, end in zip(starts, ends, strict=True)]


def blocks_of(model: RatingModel) -> dict[str, Blocks]:
    """Those of a model's parameters and buffers, by name."""
    return {name: Blocks(of_users=rows) for name, rows in model.user_blocks().items()}


def of_users(model: RatingModel) -> dict[str, Tensor]:
    """Views of all that has a row for each user."""
    tensors: dict[str, Tensor] = model.state_dict()
    found: dict[str, Tensor] = {}
    for name, blocks in blocks_of(model).items():
        found |= blocks.named(name, tensors[name])
    return found


def blocks_breach(one: RatingModel, two: RatingModel) -> str | None:
    """What is wrong with `user_blocks`, seen from models of one user and of two; None if nothing.

    'Unknown' is one of them.
    """
    blocks, of_one, of_two = blocks_of(two), shared_shapes(one), shared_shapes(two)
    for name, each in blocks.items():
        for rows in each.of_users:
            if rows.stop - rows.start != 2:
                return f"`user_blocks` names {rows.stop - rows.start} rows of `{name}` where there are 2 users"
    for name, shapes in of_two.items():
        if shapes != of_one.get(name):
            return f"the size of `{name}` depends on the number of users: `user_blocks` must name their rows of it"
    return None


def shared_shapes(model: RatingModel) -> dict[str, list[torch.Size]]:
    """The shapes of all that users share, by the names of parameters and buffers."""
    blocks = blocks_of(model)
    return {
        name: [part.shape for part in (blocks[name].shared(tensor) if name in blocks else [tensor])]
        for name, tensor in model.state_dict().items()
    }


@torch.no_grad()
def copy_shared(source: RatingModel, target: RatingModel) -> None:
    """Copy all rows that users share, and all other parameters and buffers."""
    blocks, of_target, tensors = blocks_of(source), blocks_of(target), target.state_dict()
    for name, tensor in source.state_dict().items():
        parts = blocks[name].shared(tensor) if name in blocks else [tensor]
        into = of_target[name].shared(tensors[name]) if name in blocks else [tensors[name]]
        for one, other in zip(into, parts, strict=True):
            one.copy_(other)
