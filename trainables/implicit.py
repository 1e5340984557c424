"""Implicit feedback one way, with side information: known + n^-a (A Y) + S C, and its gradients by hand.

Where there are more than a million ratings, a step multiplies the rows of its own batch alone.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from trainables.data.features import Features
from trainables.sparse import Bags

WHOLE = 1_000_000  # ratings up to which every step multiplies the whole incidence


@dataclass(frozen=True, kw_only=True)
class Half:
    """One of the two formulas: the users' (whose partners are items) or the items' (whose partners are users)."""

    partners_of: Bags  # rows of this half, columns of partners
    rated_by: Bags  # its transpose
    scale: Tensor  # n^-exponent, 0 where there is no rating; shape (rows, 1)
    features: tuple[Bags, Bags] | None  # and their transpose

    def folded(self, own: Tensor, implicit: Tensor, sides: Tensor) -> Tensor:
        """The vectors of all ids, shape (rows, width)."""
        known = own.where(self.scale > 0, own[0])
        folded = self.partners_of.times(implicit).mul_(self.scale).add_(known)
        return folded if self.features is None else folded.add_(self.features[0].times(sides))

    def vectors(
        self, own: Tensor, implicit: Tensor, sides: Tensor, ids: Tensor, shown: Tensor, partners: Tensor
    ) -> Tensor:
        """The vectors of a batch, shape (batch, width), without what each pair itself adds."""
        rows = self._rows_alone(shown)
        if rows is None:
            known = self.partners_of.times(implicit).mul_(self.scale).add_(own)
            vectors = known.index_select(0, shown)
        else:
            alone, place = rows
            known = self.partners_of.take(alone).times(implicit).mul_(self.scale[alone]).add_(own[alone])
            vectors = known.index_select(0, place)
        if self.features is not None:
            vectors += self.features[0].times(sides).index_select(0, ids)
        return vectors.addcmul_(implicit.index_select(0, partners), self.scale.index_select(0, shown), value=-1)

    def gradients(
        self, into: tuple[Tensor, Tensor, Tensor], gradient: Tensor, ids: Tensor, shown: Tensor, partners: Tensor
    ) -> None:
        """Write the gradients of the three tables, given that of a batch's vectors."""
        own, implicit, sides = into
        own.zero_().index_add_(0, shown, gradient)
        rated_by = self.rated_by
        if (rows := self._rows_alone(shown)) is not None:
            in_batch = torch.zeros(len(own), dtype=torch.bool, device=own.device)
            in_batch[rows[0]] = True
            rated_by = rated_by.keep(in_batch)
        implicit.copy_(rated_by.times(own * self.scale))
        implicit.index_add_(0, partners, gradient * self.scale.index_select(0, shown), alpha=-1)
        if self.features is not None:
            of_ids = own if shown is ids else torch.zeros_like(own).index_add_(0, ids, gradient)
            sides.copy_(self.features[1].times(of_ids))

    def _rows_alone(self, ids: Tensor) -> tuple[Tensor, Tensor] | None:
        """The distinct rows of a batch and each id's place in them, where it pays to multiply these alone."""
        entries = len(self.partners_of.columns)
        if entries <= WHOLE:
            return None
        rows, place = ids.unique(return_inverse=True)
        # To pick rows costs about as much as to multiply them.
        return (rows, place) if int(self.partners_of.sizes[rows].sum()) < entries // 2 else None


def half(partners_of: Bags, rated_by: Bags, exponent: float, features: Features | None) -> Half:
    counts = partners_of.sizes[:, None].float()
    return Half(
        partners_of=partners_of,
        rated_by=rated_by,
        scale=torch.where(counts > 0, counts.clamp(min=1) ** -exponent, 0.0),
        features=None if features is None else _both_ways(features, partners_of.columns.device),
    )


def _both_ways(features: Features, device: torch.device) -> tuple[Bags, Bags]:
    """The features' matrix and its transpose."""
    rows = torch.from_numpy(np.repeat(np.arange(features.rows), np.diff(features.offsets))).to(device)
    columns = torch.from_numpy(features.columns).long().to(device)
    weights = torch.from_numpy(features.weights).float().to(device)
    return (
        Bags.of(rows, columns, features.rows, weights),
        Bags.of(columns, rows, len(features.names), weights),
    )
