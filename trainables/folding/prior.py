"""The prior of one side's rows, learnt by expectation maximisation (EM: Dempster, Laird & Rubin 1977) when a fit ends.

The rows of a fit are shrunk: their own covariance is narrower than the spread that the ratings show. So the rows are
taken for unknown, with the partners' rows as they are, and the prior is the one under which the ratings are likeliest.
"""

import torch
from torch import Tensor

from reeltune.trainables.data.tensors import Tensors
from reeltune.trainables.folding.posterior import Match, Pairs, Prior, Side, linearised, with_one
from reeltune.trainables.model import RatingModel

ROUNDS = 3  # of MovieLens-100k's validation ids the error rises again after more
IDS, EACH = 500, 50  # at most so many ids, and ratings of each, are looked at
FEWEST, WORK = 50, 2e10  # of wide rows fewer ids, whose number times the width's cube is no more
WIDEST = 1024  # columns of the rows: the prior has as many squared


@torch.no_grad()
def learnt(
    model: RatingModel, rows: Tensors, *, seed: int, counts: tuple[Tensor, Tensor] | None = None
) -> dict[str, Tensor]:
    """The priors of both sides of a fitted model, as `named` has them.

    `counts` are the fitted ratings of each user, shape (users,), and of each item, where `rows` are not all of these
    but those of the ids that are `looked_at`.

    None where it does not name its rows, they are too wide or no numbers, or one user or one item has all ratings (of
    one row no spread is known). No random numbers but those of `seed` are drawn, and the model stays as it is.
    """
    was_training = model.training
    model.eval()
    try:
        return _of_both(model.served(), rows, seed, counts)
    except torch.linalg.LinAlgError:  # of rows that are no finite numbers: a fit does not fail for this
        return {}
    finally:
        model.train(was_training)


def _of_both(served: RatingModel, rows: Tensors, seed: int, given: tuple[Tensor, Tensor] | None) -> dict[str, Tensor]:
    tables = served.id_rows()
    if tables is None:
        return {}
    users, items = (table.detach() for table in tables)
    counts = given or (
        torch.bincount(rows.users, minlength=len(users)),
        torch.bincount(rows.items, minlength=len(items)),
    )
    if not can_be_learnt((users.shape[1], items.shape[1]), counts):
        return {}
    of_users = Match(model=served, side="users", partners=items)
    of_items = Match(model=served, side="items", partners=users)
    return {
        **named("users", _of_side(of_users, users, rows.users, rows.items, rows.ratings, counts[0], seed)),
        **named("items", _of_side(of_items, items, rows.items, rows.users, rows.ratings, counts[1], seed)),
    }


def named(side: Side, prior: Prior) -> dict[str, Tensor]:
    """A prior as a bundle keeps it: its tensors by name."""
    return {f"{side}.mean": prior.mean, f"{side}.root": prior.root.contiguous(), f"{side}.noise": prior.noise}


def read(side: Side, tensors: dict[str, Tensor]) -> Prior:
    return Prior(mean=tensors[f"{side}.mean"], root=tensors[f"{side}.root"], noise=tensors[f"{side}.noise"])


def can_be_learnt(widths: tuple[int, int], counts: tuple[Tensor, Tensor]) -> bool:
    """Whether rows of these widths, of ids with so many ratings, have priors."""
    return max(widths) <= WIDEST and all(int((each > 0).sum()) > 1 for each in counts)


def looked_at(counts: Tensor, width: int, draw: torch.Generator) -> Tensor:
    """The ids whose rows, of this width, a prior is learnt from, ascending; `counts` are the ratings of each id."""
    rated = counts.nonzero()[:, 0]
    most = int(min(IDS, max(FEWEST, WORK / width**3)))
    return rated[torch.randperm(len(rated), generator=draw)[:most].to(rated.device)].sort().values


def _of_side(
    match: Match, own: Tensor, owners: Tensor, others: Tensor, ratings: Tensor, counts: Tensor, seed: int
) -> Prior:
    draw = torch.Generator().manual_seed(seed)
    ids = looked_at(counts, own.shape[1], draw)
    # Errors are means over ratings, and so an id counts as its ratings do.
    share = counts[ids] / counts[ids].sum()
    kept = some_of_each(owners, ids, draw)
    places = torch.searchsorted(ids, owners[kept])
    pairs = Pairs.of(places, others[kept], ratings[kept], len(ids))
    off = ratings[kept] - match(own[owners[kept]], match.partners[others[kept]])
    rows = own[ids]
    level = rows.var(0).mean().clamp(min=torch.finfo(rows.dtype).tiny)
    prior = _prior(rows, share, torch.zeros_like(own[0]).diag(), off.square().mean(), level)
    for _ in range(ROUNDS):
        prior, rows = _next(prior, rows, match, pairs, share, level)
    return prior


def some_of_each(owners: Tensor, ids: Tensor, draw: torch.Generator) -> Tensor:
    """Places of rows, shape (rows,): of each of these ids at most EACH, drawn at random."""
    places = among(owners, ids).nonzero()[:, 0]
    places = places[torch.randperm(len(places), generator=draw).to(places.device)]
    order = torch.argsort(owners[places], stable=True)
    sizes = torch.bincount(owners[places])
    first = (sizes.cumsum(0) - sizes)[owners[places[order]]]
    return places[order][torch.arange(len(places), device=places.device) - first < EACH]


def among(owners: Tensor, ids: Tensor) -> Tensor:
    """Which rows are of one of these ids, shape (rows,). `torch.isin` sorts all rows, which takes 40 bytes for each."""
    if not len(owners):
        return torch.zeros(0, dtype=torch.bool, device=owners.device)
    most = int(owners.max())
    found = torch.zeros(most + 1, dtype=torch.bool, device=owners.device)
    found[ids[ids <= most]] = True
    return found.index_select(0, owners)


def _next(prior: Prior, rows: Tensor, match: Match, pairs: Pairs, share: Tensor, level: Tensor) -> tuple[Prior, Tensor]:
    """A round: the posterior of each row, by one Gauss-Newton step, and the prior that these make likeliest."""
    found, misfit = torch.empty_like(rows), torch.zeros_like(share)
    unknown = torch.zeros_like(prior.root)
    for group, given in pairs.in_turns(len(prior.mean)):
        slopes, off = linearised(match, given, prior, rows[group])
        e = torch.linalg.solve_triangular(prior.root, (rows[group] - prior.mean).T, upper=False)
        target = off + (slopes @ e.T[..., None])[..., 0]
        triangle = torch.linalg.cholesky(with_one(slopes.mT @ slopes))
        solved = torch.cholesky_solve(slopes.mT @ target[..., None], triangle)
        covariance = torch.cholesky_inverse(triangle)
        left = (target - (slopes @ solved)[..., 0]).square().sum(1) + ((slopes @ covariance) * slopes).sum((1, 2))
        found[group], misfit[group] = prior.mean + solved[..., 0] @ prior.root.T, left / given.mask.sum(1)
        unknown += torch.tensordot(share[group], covariance, 1)
    spread = prior.root @ unknown @ prior.root.T
    return _prior(found, share, spread, prior.noise * (share * misfit).sum(), level), found


def _prior(rows: Tensor, share: Tensor, unknown: Tensor, noise: Tensor, level: Tensor) -> Prior:
    """Of rows with shares that sum to 1, and what of their variance is not known.

    Few ids tell little of a wide row's covariance: as many more as it has columns, whose rows have the variance `level`
    in every direction, are added to them.
    """
    mean = share @ rows
    apart = rows - mean
    spread = (apart * share[:, None]).T @ apart + unknown
    ids, width = 1 / share.square().sum(), len(mean)
    spread = (ids * spread + width * level * torch.eye(width, device=rows.device)) / (ids + width)
    return Prior(mean=mean, root=torch.linalg.cholesky(spread.double()).to(rows.dtype), noise=noise)
