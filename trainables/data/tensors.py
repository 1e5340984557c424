"""Rows on a device."""

from dataclasses import dataclass

import torch
from torch import Tensor

from reeltune.trainables.data.ratings import Rows


@dataclass(frozen=True, kw_only=True)
class Tensors:
    """Rated pairs, each of shape (rows,)."""

    users: Tensor
    items: Tensor
    ratings: Tensor
    times: Tensor | None = None  # seconds

    def __len__(self) -> int:
        return len(self.ratings)

    def take(self, rows: Tensor | slice) -> "Tensors":
        return Tensors(
            users=self.users[rows],
            items=self.items[rows],
            ratings=self.ratings[rows],
            times=None if self.times is None else self.times[rows],
        )


def on_device(rows: Rows, device: torch.device) -> Tensors:
    return Tensors(
        users=torch.tensor(rows.users, dtype=torch.int64, device=device),
        items=torch.tensor(rows.items, dtype=torch.int64, device=device),
        ratings=torch.tensor(rows.ratings, dtype=torch.float32, device=device),
        times=None if rows.timestamps is None else torch.tensor(rows.timestamps, dtype=torch.int64, device=device),
    )
