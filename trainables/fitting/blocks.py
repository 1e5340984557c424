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


@torch.no_grad()
def copy_shared(source: RatingModel, target: RatingModel) -> None:
    """Copy all rows that users share, and all other parameters and buffers."""
    blocks, of_target, tensors = blocks_of(source), blocks_of(target), target.state_dict()
    for name, tensor in source.state_dict().items():
        parts = blocks[name].shared(tensor) if name in blocks else [tensor]
        into = of_target[name].shared(tensors[name]) if name in blocks else [tensors[name]]
        for one, other in zip(into, parts, strict=True):
            one.copy_(other)
