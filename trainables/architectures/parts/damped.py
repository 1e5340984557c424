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


def damped_means(
    rows: Pairs, sizes: tuple[int, int], dampings: tuple[float, float], weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Biases of users, shape (users,), and of items, shape (items,); 0 for an id without a row.

    With weights, shape (rows,), a row counts so often.
    """
    users, items, above = rows
    user_weights, item_weights = (
        torch.bincount(ids, weights=weights, minlength=size) + damping
        for ids, size, damping in zip((users, items), sizes, dampings, strict=True)
    )
    of_users, of_items = above.new_zeros(sizes[0]), above.new_zeros(sizes[1])
    for _ in range(ROUNDS):
        of_items = _sums(items, _weighed(above - of_users[users], weights), sizes[1]) / item_weights
        of_users = _sums(users, _weighed(above - of_items[items], weights), sizes[0]) / user_weights
    return of_users, of_items


def best_dampings(rows: Pairs, sizes: tuple[int, int], weights: Tensor | None = None) -> tuple[float, float]:
    """The powers of 2 with which damped means err least on rows that they have not seen, a tenth at a time.

    A walk from neighbour to neighbour finds them: each halves or doubles one of the two.
    """
    folds = [(_take(rows, weights, kept), _take(rows, weights, held_out)) for kept, held_out in _folds(rows[0])]

    @cache
    def error(place: tuple[int, int]) -> float:
        dampings = 2.0 ** place[0], 2.0 ** place[1]
        return sum(_error(*held_out, damped_means(kept[0], sizes, dampings, kept[1])) for kept, held_out in folds)

    best = FIRST, FIRST
    while error(nearest := min(_neighbours(best), key=error)) < error(best):
        best = nearest
    return 2.0 ** best[0], 2.0 ** best[1]


def _folds(users: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Places of nine tenths of the rows and of the last tenth, as often as it takes to see ENOUGH rows or all."""
    order = torch.randperm(len(users), generator=torch.Generator().manual_seed(0)).to(users.device)
    tenths = order.tensor_split(min(10, len(order)))
    for place in range(min(len(tenths), math.ceil(ENOUGH / len(tenths[0])))):
        others = torch.cat([*tenths[:place], *tenths[place + 1 :]])
        yield others, tenths[place]


def _take(rows: Pairs, weights: Tensor | None, part: Tensor) -> tuple[Pairs, Tensor | None]:
    users, items, above = rows
    return (users[part], items[part], above[part]), None if weights is None else weights[part]


def _error(rows: Pairs, weights: Tensor | None, biases: tuple[Tensor, Tensor]) -> float:
    """The sum of squared errors."""
    users, items, above = rows
    return float(_weighed((biases[0][users] + biases[1][items] - above).square(), weights).sum())


def _weighed(values: Tensor, weights: Tensor | None) -> Tensor:
    return values if weights is None else (values * weights).to(values.dtype)


def _neighbours(place: tuple[int, int]) -> Iterator[tuple[int, int]]:
    for user, item in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        there = place[0] + user, place[1] + item
        if all(LEAST <= power <= MOST for power in there):
            yield there


def _sums(ids: Tensor, values: Tensor, count: int) -> Tensor:
    return values.new_zeros(count).index_add_(0, ids, values)
