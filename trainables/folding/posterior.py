"""The posterior of rows given ratings: with v = m + L e and e ~ N(0, 1), the e that minimises

    Σ (r - f(v, q))² / s² + |e|²,

f being the model's rating for its row v and a partner's row q, m and L L' the prior's mean and covariance and s² the
noise of a rating. Gauss-Newton finds it: in one step where f is linear in v (Bayesian linear regression: Rasmussen &
Williams 2006, 2.1), else in a few, each halved where it would go too far. Systems are ratings by ratings where an id
has fewer ratings than its row has numbers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from reeltune.trainables.model import RatingModel

Side = Literal["users", "items"]
STEPS = 8  # of Gauss-Newton, at most
CLOSE = 1e-3  # a step that moves no row further, in standard deviations of the prior, is the last
NUMBERS = 1 << 21  # of the slopes of the rows that are solved at once: bounds memory


@dataclass(frozen=True, kw_only=True)
class Prior:
    """Of the rows of one side: N(mean, root root'), and the variance of a rating's noise."""

    mean: Tensor  # (width,)
    root: Tensor  # (width, width), lower triangular
    noise: Tensor  # no dimensions


@dataclass(frozen=True, kw_only=True)
class Given:
    """Ratings of n ids, padded to the most that one has: all of shape (n, most)."""

    partners: Tensor  # indices on the other side
    ratings: Tensor
    mask: Tensor  # 1 where there is a rating


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Ratings of the ids from 0 to count - 1, sorted by id, so that those of some are found without a look at all."""

    partners: Tensor  # shape (ratings,), as `ratings`
    ratings: Tensor
    sizes: Tensor  # how many ratings each id has, shape (count,)
    first: Tensor  # the place of each id's first rating, shape (count,)

    @classmethod
    def of(cls, owners: Tensor, partners: Tensor, ratings: Tensor, count: int) -> "Pairs":
        """From rows, shape (ratings,), whose `owners` are from 0 to count - 1."""
        order = torch.argsort(owners, stable=True)
        sizes = torch.bincount(owners, minlength=count)
        return cls(partners=partners[order], ratings=ratings[order], sizes=sizes, first=sizes.cumsum(0) - sizes)

    def given(self, ids: Tensor) -> Given:
        """The ratings of these ids, in their order."""
        sizes = self.sizes[ids]
        rows = torch.arange(len(ids), device=ids.device).repeat_interleave(sizes)
        places = torch.arange(len(rows), device=ids.device) - (sizes.cumsum(0) - sizes)[rows]
        at, kept = (rows, places), self.first[ids][rows] + places
        shape = len(ids), int(sizes.max().clamp(min=1))
        ratings = self.ratings[kept]
        return Given(
            partners=self.partners.new_zeros(shape).index_put_(at, self.partners[kept]),
            ratings=ratings.new_zeros(shape).index_put_(at, ratings),
            mask=ratings.new_zeros(shape).index_put_(at, torch.ones_like(ratings)),
        )

    def in_turns(self, width: int) -> Iterator[tuple[Tensor, Given]]:
        """All ids in groups, each ascending, of about as many ratings, for which memory suffices; and their ratings."""
        ascending, order = self.sizes.clamp(min=1).sort(stable=True)
        most = NUMBERS // width**2  # ids of a group: each takes `width` rows of as many numbers at least
        start = 0
        while start < len(order):
            sizes = ascending[start : start + most]
            # `sizes` ascend, and so does the size of a group that ends with each.
            fits = sizes.clamp(min=width) * torch.arange(1, len(sizes) + 1, device=sizes.device) * width <= NUMBERS
            end = start + max(1, int(fits.sum()))
            ids = order[start:end].sort().values
            yield ids, self.given(ids)
            start = end


@dataclass(frozen=True, kw_only=True)
class Match:
    """A fitted model as rows of one side see it."""

    model: RatingModel
    side: Side
    partners: Tensor  # rows of the other side, shape (ids, width)

    def __call__(self, own: Tensor, partners: Tensor) -> Tensor:
        """Ratings, shape (pairs,), of rows of both sides; of a class head the mean, which has a slope everywhere."""
        output = self.model.rate_rows(*((own, partners) if self.side == "users" else (partners, own)))
        return output if self.model.grid is None else torch.softmax(output, 1) @ self.model.grid


def rows_of(match: Match, given: Given, prior: Prior, means: Tensor) -> Tensor:
    """The rows, shape (n, width), that these ratings make likeliest; `means` (n, width) stand for the prior's mean."""
    e = best = torch.zeros_like(means)
    least = best.new_full((len(e),), torch.inf)
    for _ in range(STEPS + 1):
        slopes, off = linearised(match, given, prior, means + e @ prior.root.T)
        cost = off.square().sum(1) + e.square().sum(1)
        better = (cost < least)[:, None]
        best, least = torch.where(better, e, best), torch.minimum(cost, least)
        e = torch.where(better, _least(slopes, off + (slopes @ e[..., None])[..., 0]), (best + e) / 2)
        if bool((e - best).abs().amax() < CLOSE):
            break
    return means + best @ prior.root.T


def linearised(match: Match, given: Given, prior: Prior, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Slopes in e, shape (n, most, width), and residuals (n, most) of these rows, both in deviations of the noise."""
    n, most = given.mask.shape
    own = rows.repeat_interleave(most, 0).requires_grad_()
    with torch.enable_grad():
        rated = match(own, match.partners[given.partners.flatten()])
        (slope,) = torch.autograd.grad(rated.sum(), own)
    weight = given.mask / prior.noise.sqrt()
    off = (given.ratings - rated.detach().view(n, most)) * weight
    return (slope @ prior.root).view(n, most, -1) * weight[..., None], off


def _least(slopes: Tensor, target: Tensor) -> Tensor:
    """The e, shape (n, width), that minimise |target - slopes e|² + |e|²; in the smaller of two systems."""
    if slopes.shape[1] < slopes.shape[2]:
        triangle = torch.linalg.cholesky(with_one(slopes @ slopes.mT))
        return (slopes.mT @ torch.cholesky_solve(target[..., None], triangle))[..., 0]
    triangle = torch.linalg.cholesky(with_one(slopes.mT @ slopes))
    return torch.cholesky_solve(slopes.mT @ target[..., None], triangle)[..., 0]


def with_one(squares: Tensor) -> Tensor:
    """Matrices plus the identity, in place."""
    squares.diagonal(dim1=1, dim2=2).add_(1)
    return squares
