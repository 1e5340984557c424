"""The items that a model rates best for each user, among those that the user has not seen.

Items are ordered by the rating of the bundle's decoder, then by `rank_indices`' second value, then by their place
among the items. A model that is `factored` rates all pairs of some users by one matrix product. Its sums are rounded
otherwise than those of pairs rated one by one; so all items that are as good as the best but for that rounding are
rated again, one by one, and the lists are those that rating each pair would give. What rounding leaves open of a class
head's ratings is in `scoring/near_ties.py`. Only where `forward` itself rounds many pairs otherwise than few
(`architectures/parts/paired.py`) may a list differ from that: by items that are equal but for about 1e-7, or by a class
head's argmax where two logits are.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from reeltune.trainables.bundle import Predictor
from reeltune.trainables.model import RatingModel
from reeltune.trainables.scoring.near_ties import ROUNDING, NearTies, near_ties_known

PAIRS = 1 << 15  # pairs of a class head, or rated one by one, at once: what is made of them stays in a cache
PRODUCTS = 1 << 24  # pairs that a matrix product rates at once


@dataclass(frozen=True, kw_only=True)
class Best:
    """Places of users and of items, ranks from 1, and ratings, all of shape (rows,): user by user, best first."""

    done: int  # users up to here
    users: np.ndarray
    items: np.ndarray
    ranks: np.ndarray
    ratings: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Some:
    """Some of the wanted users, whose lists are made at once: indices, shape (users,), the first at place `start`.

    `seen` holds the pairs to leave out as flat positions in the table of these users by all items, ascending.
    """

    start: int
    users: np.ndarray
    seen: np.ndarray


def best_items(
    predictor: Predictor, users: np.ndarray, *, seen: np.ndarray, top: int, seconds: int | None = None
) -> Generator[Best]:
    """The `top` items of each user, some users at a time.

    `users` are indices (0 is unknown), shape (n,), and `seen` is as `Some` has it, of all of them. `seconds` is the
    time of the ratings, for a timed model.
    """
    for some in in_steps(users, seen, width=predictor.items.rows - 1, step=step_of(predictor)):
        yield best_of(predictor, some, top=top, seconds=seconds)


def step_of(predictor: Predictor) -> int:
    """How many users' lists are made at once."""
    scalar = predictor.model.factored and predictor.model.grid is None
    return max(1, (PRODUCTS if scalar else PAIRS) // (predictor.items.rows - 1))


def in_steps(
    users: np.ndarray, seen: np.ndarray, *, width: int, step: int, places: range | None = None
) -> Iterator[Some]:
    """Users, `step` at a time, with what they have seen of `width` items; all of them, or those at these places."""
    among = range(len(users)) if places is None else places
    for start in among[::step]:
        few = users[start : min(start + step, among.stop)]
        first, last = np.searchsorted(seen, np.array([start, start + len(few)]) * width)
        yield Some(start=start, users=np.array(few), seen=np.array(seen[first:last]) - start * width)


def best_of(predictor: Predictor, some: Some, *, top: int, seconds: int | None) -> Best:
    """The `top` items of each of these users."""
    times = None if seconds is None else np.full(len(some.users), seconds)
    found = _candidates(predictor, some.users, some.seen, top, times)
    return _ordered(*found, top=top, start=some.start, done=some.start + len(some.users))


def _candidates(
    predictor: Predictor, users: np.ndarray, seen: np.ndarray, top: int, times: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pairs among which the best are: places of users and of items, ratings and what tells equal ones apart."""
    model, unwanted = predictor.model, torch.from_numpy(seen)
    exact = model.grid is not None and not (model.factored and near_ties_known(predictor.description.decoder))
    output = _crossed(predictor, users, times, one_by_one=exact)
    if model.grid is None:
        found = _good_enough(output, output, unwanted, top, slack=2 * ROUNDING * predictor.scale.quarter)
    elif not exact:
        found = _of_classes(predictor, model.grid, output, unwanted, top)
    else:
        ratings, finer = (each.view(output.shape[:2]) for each in predictor.ranked(output.flatten(0, 1)))
        found = _good_enough(ratings, ratings, unwanted, top)
        rows, places = (each.numpy() for each in found.nonzero(as_tuple=True))
        return rows, places, ratings[found].numpy(), finer[found].numpy()
    rows, places = (each.numpy() for each in found.nonzero(as_tuple=True))
    of_rows = None if times is None else times[rows]
    return rows, places, *predictor.rank_indices(users[rows], places + 1, of_rows)


def _crossed(predictor: Predictor, users: np.ndarray, times: np.ndarray | None, *, one_by_one: bool) -> Tensor:
    """What the model gives, not decoded yet: shape (users, items), or (users, items, classes)."""
    model, items = predictor.model.served(), torch.arange(1, predictor.items.rows)
    seconds = None if times is None else torch.from_numpy(times)
    asked = torch.from_numpy(users).long(), items, seconds
    with torch.no_grad():
        output = RatingModel.crossed(model, *asked) if one_by_one else model.crossed(*asked)
    return output.contiguous()  # a model of somebody's own may have computed it items by users


def _of_classes(predictor: Predictor, grid: Tensor, logits: Tensor, unwanted: Tensor, top: int) -> Tensor:
    """As `_good_enough`, of logits that are rounded otherwise than one by one."""
    described = predictor.description
    near = NearTies(grid=grid, scale=predictor.scale, decoder=described.decoder, temperature=described.temperature)
    least, most = (each.view(logits.shape[:2]) for each in near.ratings(logits.flatten(0, 1)))
    found = _good_enough(least, most, unwanted, top)
    if near.by_mean:
        return found
    # Many may share the best rating. The mean tells them apart, and it is needed of these alone.
    low, high = (torch.full(found.shape, -torch.inf, dtype=torch.float64) for _ in range(2))
    low[found], high[found] = near.ranks(logits[found], (least[found], most[found]))
    return _good_enough(low, high, unwanted, top)


def _good_enough(least: Tensor, most: Tensor, unwanted: Tensor, top: int, *, slack: float = 0.0) -> Tensor:
    """Which pairs may be among the `top` of their user, if each is at least and at most so good; not the unwanted."""
    for bound in (least, most):
        bound.view(-1)[unwanted] = -torch.inf
    enough = least.topk(min(top, least.shape[1]), dim=1).values[:, -1:] - slack
    # A user with fewer items than `top` has -inf as the least: unwanted items are below any number.
    return most >= enough.clamp(min=torch.finfo(least.dtype).min)


def _ordered(
    rows: np.ndarray, items: np.ndarray, ratings: np.ndarray, finer: np.ndarray, *, top: int, start: int, done: int
) -> Best:
    """The first `top` pairs of each user; `rows` count from the user at place `start`."""
    order = np.lexsort((items, -finer, -ratings, rows))
    rows = rows[order]
    ranks = np.arange(1, len(rows) + 1) - np.searchsorted(rows, rows)
    kept = ranks <= top
    best = order[kept]
    return Best(done=done, users=start + rows[kept], items=items[best], ranks=ranks[kept], ratings=ratings[best])
