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

    @classmethod
    def of(cls, owners: Tensor, partners: Tensor, ratings: Tensor, count: int) -> "Given":
        """From rows, shape (rows,), whose `owners` are from 0 to count - 1."""
        order = torch.argsort(owners, stable=True)
        sizes = torch.bincount(owners, minlength=count)
        first = sizes.cumsum(0) - sizes
        at = owners[order], torch.arange(len(owners), device=owners.device) - first[owners[order]]
        shape = count, int(sizes.max().clamp(min=1))
        return cls(
            partners=partners.new_zeros(shape).index_put_(at, partners[order]),
            ratings=ratings.new_zeros(shape).index_put_(at, ratings[order]),
            mask=ratings.new_zeros(shape).index_put_(at, torch.ones_like(ratings)),
        )

    @classmethod
    def of_some(cls, group: Tensor, owners: Tensor, partners: Tensor, ratings: Tensor) -> "Given":
        """Those of these owners, ascending, in their order."""
        inside = torch.isin(owners, group)
        places = torch.searchsorted(group, owners[inside])
        return cls.of(places, partners[inside], ratings[inside], len(group))


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


def in_turns(owners: Tensor, count: int, width: int) -> Iterator[Tensor]:
    """The ids from 0 to count - 1 in groups, each ascending, of about as many ratings, for which memory suffices."""
    sizes = torch.bincount(owners, minlength=count).clamp(min=1)
    order = torch.argsort(sizes, stable=True)
    start = 0
    while start < count:
        most = sizes[order[start:]]
        # `most` ascends, and so does the size of a group that ends with each.
        fits = most.clamp(min=width) * torch.arange(1, len(most) + 1, device=most.device) * width <= NUMBERS
        end = start + max(1, int(fits.sum()))
        yield order[start:end].sort().values
        start = end


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
