"""Implicit feedback one way, with side information: own + n^-a (A Y) + S C, and its gradients by hand.

With more than a million ratings, a step multiplies only the rows of A that are in its batch, if these are few enough
and the batch is not matched without its vectors (`matches.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from reeltune.trainables.architectures.parts.sparse import Bags
from reeltune.trainables.data.features import Features
from reeltune.trainables.model import filled

WHOLE = 1_000_000  # ratings up to which every step multiplies the whole incidence
# A step picks its batch's rows if they hold less than this share of all ratings. Picking a row costs a third of
# multiplying it; transposing it for the gradient costs three times as much as multiplying it.
FORWARD, BACKWARD = 1 / 2, 1 / 4
PIECE = 4096  # rows of a batch that are worked on at once


@dataclass(frozen=True, kw_only=True)
class Half:
    """The formula for one side: for users, whose partners are items, or for items, whose partners are users."""

    partners_of: Bags  # rows of this half, columns of partners
    rated_by: Bags  # its transpose
    counts: Tensor  # n, the ratings of each id: over all workers, also where users are sharded; shape (rows,)
    scale: Tensor  # n^-exponent, 0 where there is no rating; shape (rows, 1)
    features: tuple[Bags, Bags] | None  # the side tables' matrix S and its transpose
    rare: int | None  # see `filled`
    float16: bool = False  # whether the products of a step over all ratings are made in float16

    def folded(self, own: Tensor, implicit: Tensor, sides: Tensor, *, learnt: bool) -> Tensor:
        """The vectors of all ids, shape (rows, width).

        Ids without a rating have the vector of 'unknown' if it was `learnt`, else a mean of the rated ids' vectors.
        Features are added.
        """
        folded = self.partners_of.times(implicit).mul_(self.scale).add_(own)
        folded = folded.where(self.scale > 0, own[0]) if learnt else filled(folded, self.counts, rare=self.rare)
        return folded if self.features is None else folded.add_(self.features[0].times(sides))

    def vectors(
        self, own: Tensor, implicit: Tensor, sides: Tensor, ids: Tensor, shown: Tensor, partners: Tensor
    ) -> Tensor:
        """The vectors of a batch of `ids`, shape (batch, width), without what each pair itself adds to them.

        `shown` is `ids` with those that are dropped replaced by 0. All three indices have shape (batch,).
        """
        known, place = self._known(own, implicit, shown)
        return self.without_pairs(known, place, implicit, sides, ids, shown, partners)

    def without_pairs(
        self,
        known: Tensor,
        place: Tensor,
        implicit: Tensor,
        sides: Tensor,
        ids: Tensor,
        shown: Tensor,
        partners: Tensor,
    ) -> Tensor:
        """As `vectors`, given those of ids without their features, and each row's place among them.

        The given ones may be written over.
        """
        of_sides = None if self.features is None else self.features[0].times(sides)
        if of_sides is not None and place is ids:  # the vectors of all ids, none of which is dropped
            known, of_sides = known.add_(of_sides), None
        vectors = known.new_empty(len(ids), known.shape[1])
        for piece in pieces(vectors):
            torch.index_select(known, 0, place[piece], out=vectors[piece])
            if of_sides is not None:
                vectors[piece] += of_sides.index_select(0, ids[piece])
            scale = self.scale[:, 0].index_select(0, shown[piece])[:, None]
            vectors[piece].addcmul_(implicit.index_select(0, partners[piece]), scale, value=-1)
        return vectors

    def _known(self, own: Tensor, implicit: Tensor, shown: Tensor) -> tuple[Tensor, Tensor]:
        """The vectors of ids without their features, and for each row of the batch its place among them."""
        rows = self._rows_alone(shown, FORWARD)
        if rows is None:
            return self._of_all(own, implicit), shown
        alone, place = rows
        return self.partners_of.take(alone).times(implicit).mul_(self.scale[alone]).add_(own[alone]), place

    def gradients(
        self, into: tuple[Tensor, Tensor, Tensor], gradient: Tensor, ids: Tensor, shown: Tensor, partners: Tensor
    ) -> None:
        """Write the gradients of the three tables into `into`, given that of `vectors`, shape (batch, width)."""
        sum_by_id(into[0], gradient, shown)
        self.gradients_of_others(into, gradient, ids, shown, partners)

    def gradients_of_others(
        self,
        into: tuple[Tensor, Tensor, Tensor],
        gradient: Tensor,
        ids: Tensor,
        shown: Tensor,
        partners: Tensor,
        *,
        whole: bool = False,
    ) -> None:
        """Write those of the last two tables, given that of the first. `whole`: it is of more rows than the batch's."""
        own, implicit, sides = into
        rows = None if whole else self._rows_alone(shown, BACKWARD)
        if rows is None:
            of_known = self._over_all(self.rated_by, own * self.scale)
        else:
            alone, _ = rows
            rated_by = self.partners_of.take(alone).transposed(len(implicit))
            of_known = rated_by.times(own[alone] * self.scale[alone])
        sum_by_id(implicit, gradient, partners, self.scale[:, 0].index_select(0, shown))
        torch.sub(of_known, implicit, out=implicit)
        if self.features is not None:
            of_ids = own if shown is ids else sum_by_id(torch.empty_like(own), gradient, ids)
            sides.copy_(self.features[1].times(of_ids))

    def of_all(self, own: Tensor, implicit: Tensor, sides: Tensor) -> Tensor:
        """The vectors of all ids in a step, shape (rows, width). One without a rating has its own and its features."""
        known = self._of_all(own, implicit)
        return known if self.features is None else known.add_(self.features[0].times(sides))

    def gradients_of_all(self, into: tuple[Tensor, Tensor, Tensor], lost: Tensor) -> None:
        """Write those of the last two tables, given that of the first, which is that of `of_all`.

        `lost` is what that of `implicit` loses by what the pairs of the batch take out.
        """
        own, implicit, sides = into
        torch.sub(self._over_all(self.rated_by, own * self.scale), lost, out=implicit)
        if self.features is not None:
            sides.copy_(self.features[1].times(own))

    def _of_all(self, own: Tensor, implicit: Tensor) -> Tensor:
        return self._over_all(self.partners_of, implicit).mul_(self.scale).add_(own)

    def _over_all(self, bags: Bags, table: Tensor) -> Tensor:
        return bags.times_in_float16(table) if self.float16 else bags.times(table)

    def _rows_alone(self, ids: Tensor, share: float) -> tuple[Tensor, Tensor] | None:
        """The batch's distinct rows and each id's place in them; None if these hold `share` of the ratings or more."""
        entries = len(self.partners_of.columns)
        if entries <= WHOLE:
            return None
        in_batch = torch.zeros(len(self.scale), dtype=torch.bool, device=ids.device)
        in_batch[ids] = True
        if int(self.partners_of.sizes[in_batch].sum()) >= share * entries:
            return None
        return in_batch.nonzero()[:, 0], (in_batch.cumsum(0) - 1)[ids]


def pieces(batch: Tensor) -> Iterator[slice]:
    """Slices of a batch, small enough that on a CPU their temporary tensors stay in its cache."""
    if torch.compiler.is_compiling() or not batch.is_cpu:  # `torch.export` takes one way for any number of rows
        return iter([slice(None)])
    return (slice(start, start + PIECE) for start in range(0, len(batch), PIECE))


def sum_by_id(into: Tensor, batch: Tensor, ids: Tensor, weights: Tensor | None = None) -> Tensor:
    """Write the sum of each id's rows of the batch, times their weights, into a table with a row for each id."""
    if len(ids) <= PIECE:
        weighted = batch if weights is None else batch * weights[:, None]
        return into.zero_().index_add_(0, ids, weighted)
    # Sorting a large batch by id first halves the time.
    sorted_by_id = Bags.of(ids, torch.arange(len(ids), device=ids.device), len(into), weights)
    return into.copy_(sorted_by_id.times(batch))


def half(
    partners_of: Bags,
    rated_by: Bags,
    exponent: float,
    features: Features | None,
    *,
    rare: int | None,
    counts: Tensor | None = None,
    exact: bool = False,
) -> Half:
    """One side's formula, from who rated what (a row for each id of this side) and its transpose.

    `counts` are the ratings of each id, where these are not all of them. A step over more than WHOLE ratings is made
    in float16 where that is faster, unless its products are to be `exact`.
    """
    counts = partners_of.sizes if counts is None else counts
    n = counts[:, None].float()
    return Half(
        partners_of=partners_of,
        rated_by=rated_by,
        counts=counts,
        scale=torch.where(n > 0, n.clamp(min=1) ** -exponent, 0.0),
        features=None if features is None else _both_ways(features, partners_of.columns.device),
        rare=rare,
        float16=not exact and len(partners_of.columns) > WHOLE and partners_of.has_float16,
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
