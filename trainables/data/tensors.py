"""Rows on a device."""

import warnings
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from reeltune.trainables.data.ratings import Rows


@dataclass(frozen=True, kw_only=True)
class Tensors:
    """Rated pairs, each of shape (rows,). Whole data sets have 32-bit indices, what a model is given 64-bit ones."""

    users: Tensor
    items: Tensor
    ratings: Tensor
    times: Tensor | None = None  # seconds
    weights: Tensor | None = None  # how often each row counts, float64, above 0; None: once

    def __len__(self) -> int:
        return len(self.ratings)

    def take(self, rows: Tensor | slice) -> "Tensors":
        """The rows of a slice, of a mask, or at these places."""

        def of(column: Tensor) -> Tensor:
            if isinstance(rows, Tensor) and rows.dtype != torch.bool:
                return column.index_select(0, rows)  # on a CPU a third of the time of `column[rows]`
            return column[rows]

        return Tensors(
            users=of(self.users),
            items=of(self.items),
            ratings=of(self.ratings),
            times=None if self.times is None else of(self.times),
            weights=None if self.weights is None else of(self.weights),
        )

    def wide(self) -> "Tensors":
        """With 64-bit indices, which every operation of torch's takes."""
        return replace(self, users=self.users.long(), items=self.items.long())

    def rows(self) -> Rows:
        """The same rows for another fit, in memory of the CPU. Their numbers are their places here."""

        def of(column: Tensor | None) -> np.ndarray | None:
            return None if column is None else column.cpu().numpy()

        return Rows(
            number=np.arange(len(self)),
            users=self.users.cpu().numpy(),
            items=self.items.cpu().numpy(),
            ratings=self.ratings.cpu().numpy(),
            timestamps=of(self.times),
            weights=of(self.weights),
        )

    def mean_rating(self) -> Tensor:
        """The mean of all ratings, by their weights where they have any; without dimensions."""
        if self.weights is None:
            return self.ratings.mean()
        return (self.weights * self.ratings).sum().div(self.weights.sum()).to(self.ratings.dtype)

    def counts(self, ids: Tensor, size: int) -> Tensor:
        """How often rows of each id count, shape (size,), of `users` or `items`: their number, or sum of weights."""
        return torch.bincount(ids, weights=self.weights, minlength=size)


def on_device(rows: Rows, device: torch.device, *, timed: bool = True) -> Tensors:
    """The rows, with times if these are used. On a CPU users, items and times stay where they are."""
    return Tensors(
        users=_shared(rows.users.astype(np.int32, copy=False), device),
        items=_shared(rows.items.astype(np.int32, copy=False), device),
        ratings=torch.tensor(rows.ratings, dtype=torch.float32, device=device),
        times=None if rows.timestamps is None or not timed else _shared(rows.timestamps, device),
        weights=None if rows.weights is None else torch.tensor(rows.weights, dtype=torch.float64, device=device),
    )


def _shared(column: np.ndarray, device: torch.device) -> Tensor:
    with warnings.catch_warnings():
        # Arrays of Ray's object store are not to be written to, and no column is.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(column).to(device)
