"""What the rounding of sums leaves open of the ratings that are read off logits.

A model may compute the same logits in two ways, whose sums are rounded otherwise. A mean moves by as little as they do.
The argmax jumps where two logits are nearly equal: then the rating may be any class whose logit is near the greatest.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from reeltune.trainables.data.scale import Scale
from reeltune.trainables.scoring.decoders import DECODERS, Decoder, decode, mean

ROUNDING = 1e-4  # quarters of the scale, or for logits of the greatest and 1: more than the rounding of sums makes


def rounding_of(largest: Tensor) -> Tensor:
    """How far logits of this greatest size may be off by rounding, of the shape of `largest`."""
    return ROUNDING * (1 + largest.abs())


def near_ties_known(decoder: Decoder) -> bool:
    """Whether `NearTies` can tell what is open of this decoder's ratings; of a median it cannot."""
    return DECODERS[decoder].largest or DECODERS[decoder].read is mean


@dataclass(frozen=True, kw_only=True)
class NearTies:
    """How logits of the classes of `grid`, shape (classes,), are read, and what rounding leaves open of that."""

    grid: Tensor
    scale: Scale
    decoder: Decoder
    temperature: float

    @property
    def by_mean(self) -> bool:
        """Whether the rating is a mean, rounded or not, so that means order pairs."""
        return not DECODERS[self.decoder].largest

    @property
    def slack(self) -> float:
        """How far a mean may be off; a low temperature makes much of small differences of logits."""
        return ROUNDING * self.scale.quarter * max(1.0, 1 / self.temperature)

    def ratings(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """The least and the greatest rating that is open, of logits of shape (pairs, classes): each (pairs,).

        Where means order pairs they are those of the mean, which is not rounded.
        """
        if self.by_mean:
            means = self._means(logits)
            return means - self.slack, means + self.slack
        greatest = logits.amax(1, keepdim=True)
        near = torch.ge(logits, greatest - rounding_of(greatest), out=torch.empty_like(logits))
        # By products and greatest values, which torch computes many at once; an argmax it looks for one by one.
        places = torch.arange(len(self.grid), dtype=logits.dtype)
        several = near.sum(1) > 1
        least = len(self.grid) - 1 - (near[several] * places.flip(0)).amax(1).long()
        most = near.mul_(places).amax(1).long()
        return self.grid[most].masked_scatter_(several, self.grid[least]), self.grid[most]

    def ranks(self, logits: Tensor, ratings: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """The least and the greatest rank number of pairs with these open `ratings`, in double precision.

        As `decoders.order` has them: by the rating, and among equal ratings by the mean.
        """
        step = 2 * (self.scale.high - self.scale.low) / float(self.grid.diff().min())
        means = self._means(logits).double()
        least, most = ratings
        return least.double() * step + means - self.slack, most.double() * step + means + self.slack

    def _means(self, logits: Tensor) -> Tensor:
        return decode(logits, self.grid, self.scale, decoder="mean", temperature=self.temperature)
