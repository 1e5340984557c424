"""Damped means of users and of items, b_u = Σ (r - mean - b_i) / (n_u + λ_u) and the like of items, with λ found.

Each is the ridge estimate given the other (Koren, Bell & Volinsky 2009); a few rounds settle them.
"""

import math
from collections.abc import Iterator
from functools import cache

import torch
from torch import Tensor

ROUNDS = 4
FIRST, LEAST, MOST = 3, -1, 6  # powers of 2: dampings are looked for from 8, between 0.5 and 64
ENOUGH = 100_000  # unseen rows to judge dampings by

Pairs = tuple[Tensor, Tensor, Tensor]  # users, items, and ratings less their mean, each of shape (rows,)


def damped_means(rows: Pairs, sizes: tuple[int, int], dampings: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """Biases of users, shape (users,), and of items, shape (items,); 0 for an id without a row."""
    users, items, above = rows
    user_weights, item_weights = (
        torch.bincount(ids, minlength=size) + damping
        for ids, size, damping in zip((users, items), sizes, dampings, strict=True)
    )
    of_users, of_items = above.new_zeros(sizes[0]), above.new_zeros(sizes[1])
    for _ in range(ROUNDS):
        of_items = _sums(items, above - of_users[users], sizes[1]) / item_weights
        of_users = _sums(users, above - of_items[items], sizes[0]) / user_weights
    return of_users, of_items


def best_dampings(rows: Pairs, sizes: tuple[int, int]) -> tuple[float, float]:
    """The powers of 2 with which damped means err least on rows that they have not seen, a tenth at a time.

    A walk from neighbour to neighbour finds them: each halves or doubles one of the two.
    """
    folds = list(_folds(rows))

    @cache
    def error(place: tuple[int, int]) -> float:
        dampings = 2.0 ** place[0], 2.0 ** place[1]
        return sum(_error(held_out, damped_means(kept, sizes, dampings)) for kept, held_out in folds)

    best = FIRST, FIRST
    while error(nearest := min(_neighbours(best), key=error)) < error(best):
        best = nearest
    return 2.0 ** best[0], 2.0 ** best[1]


def _folds(rows: Pairs) -> Iterator[tuple[Pairs, Pairs]]:
    """Nine tenths of the rows and the last tenth, as often as it takes to see ENOUGH rows or all of them."""
    order = torch.randperm(len(rows[0]), generator=torch.Generator().manual_seed(0)).to(rows[0].device)
    tenths = order.tensor_split(min(10, len(order)))
    for place in range(min(len(tenths), math.ceil(ENOUGH / len(tenths[0])))):
        others = torch.cat([*tenths[:place], *tenths[place + 1 :]])
        yield _take(rows, others), _take(rows, tenths[place])


def _take(rows: Pairs, part: Tensor) -> Pairs:
    users, items, above = rows
    return users[part], items[part], above[part]


def _error(rows: Pairs, biases: tuple[Tensor, Tensor]) -> float:
    """The sum of squared errors."""
    users, items, above = rows
    return float((biases[0][users] + biases[1][items] - above).square().sum())


def _neighbours(place: tuple[int, int]) -> Iterator[tuple[int, int]]:
    for user, item in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        there = place[0] + user, place[1] + item
        if all(LEAST <= power <= MOST for power in there):
            yield there


def _sums(ids: Tensor, values: Tensor, count: int) -> Tensor:
    return values.new_zeros(count).index_add_(0, ids, values)
