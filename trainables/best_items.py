"""The items that a model rates best for each user, among those that the user has not seen.

Items are ordered by the rating of the bundle's decoder, then by `rank_indices`' second value, then by their place
among the items. A model that is `factored` rates all pairs of some users by one matrix product. Its sums are rounded
otherwise than those of pairs rated one by one; so all items that are as good as the best but for that rounding are
rated again, one by one, and the lists are those that rating each pair would give.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from reeltune.trainables.bundle import Predictor

PAIRS = 1 << 16  # pairs that are rated one by one at once: bounds memory
PRODUCTS = 1 << 24  # pairs that a matrix product rates at once
ROUNDING = 1e-4  # quarters of the scale: more than the rounding of sums makes of a rating


@dataclass(frozen=True, kw_only=True)
class Best:
    """Places of users and of items, ranks from 1, and ratings, all of shape (rows,): user by user, best first."""

    done: int  # users up to here
    users: np.ndarray
    items: np.ndarray
    ranks: np.ndarray
    ratings: np.ndarray


def best_items(
    predictor: Predictor, users: np.ndarray, *, seen: np.ndarray, top: int, seconds: int | None = None
) -> Iterator[Best]:
    """The `top` items of each user, some users at a time.

    `users` are indices (0 is unknown), shape (n,). `seen` holds the pairs to leave out as flat positions in the table
    of these users by all items, ascending. `seconds` is the time of the ratings, for a timed model.
    """
    width = predictor.items.rows - 1
    step = max(1, (PRODUCTS if predictor.model.factored else PAIRS) // width)
    for start in range(0, len(users), step):
        few = users[start : start + step]
        first, last = np.searchsorted(seen, np.array([start, start + len(few)]) * width)
        times = None if seconds is None else np.full(len(few), seconds)
        found = _candidates(predictor, few, seen[first:last] - start * width, top, times)
        yield _ordered(*found, top=top, start=start, done=start + len(few))


def _candidates(
    predictor: Predictor, users: np.ndarray, seen: np.ndarray, top: int, times: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pairs among which the best are: places of users and of items, ratings and what tells equal ones apart."""
    ratings, finer = _rated(predictor, users, times)
    ratings.view(-1)[torch.from_numpy(seen)] = -torch.inf
    least = ratings.topk(min(top, ratings.shape[1]), dim=1).values[:, -1:]
    slack = 0.0 if predictor.model.grid is not None else 2 * ROUNDING * predictor.scale.quarter
    # A user with fewer unseen items than `top` has -inf as the least: seen items are below any number.
    least = (least - slack).clamp(min=torch.finfo(ratings.dtype).min)
    found = (ratings >= least).nonzero(as_tuple=True)
    rows, places = (each.numpy() for each in found)
    if finer is not None:
        return rows, places, ratings[found].numpy(), finer[found].numpy()
    of_rows = None if times is None else times[rows]
    return rows, places, *predictor.rank_indices(users[rows], places + 1, of_rows)


def _rated(predictor: Predictor, users: np.ndarray, times: np.ndarray | None) -> tuple[Tensor, Tensor | None]:
    """Ratings of shape (users, items), and a class head's means; a scalar head's ratings are not decoded yet."""
    model, items = predictor.model.served(), torch.arange(1, predictor.items.rows)
    seconds = None if times is None else torch.from_numpy(times)
    with torch.no_grad():
        output = model.crossed(torch.from_numpy(users).long(), items, seconds)
    if model.grid is None:
        return output, None
    ratings, means = predictor.ranked(output.flatten(0, 1))
    return ratings.view(len(users), -1), means.view(len(users), -1)


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
