"""Tiny data whose answers are known, on which the clauses of the contract are checked."""

from dataclasses import replace

import numpy as np

from reeltune.trainables.data import Rows
from reeltune.trainables.data.features import Features
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.data.shape import Shape

STARS = Scale.of(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
SCALES = {
    "stars": STARS,
    "halves": Scale.of(np.arange(1, 11) / 2),
    "thumbs": Scale.of(np.array([0.0, 1.0])),
    "irregular": Scale.of(np.array([1.0, 2.0, 2.7, 5.0])),
    "percent": Scale.of(np.arange(101.0)),
}
DAY = 86_400


def rows_of(users: np.ndarray, items: np.ndarray, ratings: np.ndarray) -> Rows:
    """Rows of these indices (0 is 'unknown') and ratings, in this order, a day apart."""
    return Rows(
        number=np.arange(len(ratings)),
        users=np.asarray(users, dtype=np.int32),
        items=np.asarray(items, dtype=np.int32),
        ratings=np.asarray(ratings, dtype=np.float64),
        timestamps=DAY * np.arange(len(ratings), dtype=np.int64),
    )


def every_pair(users: int, items: int) -> tuple[np.ndarray, np.ndarray]:
    """The indices of every pair, from 1, user by user."""
    of_users, of_items = np.meshgrid(np.arange(1, users + 1), np.arange(1, items + 1), indexing="ij")
    return of_users.ravel(), of_items.ravel()


def noise(scale: Scale = STARS) -> tuple[Rows, Shape]:
    """Every pair of 8 users and 6 items, rated at random."""
    users, items = every_pair(8, 6)
    ratings = np.random.default_rng(0).choice(scale.values, len(users))
    return rows_of(users, items, ratings), Shape(users=9, items=7, scale=scale)


def two_tastes(*, side: int = 40, seed: int = 0) -> tuple[Rows, Shape]:
    """Every user rates every item: 4 or 5 in the half of their group, 1 or 2 in the other.

    The means of all users and of all items are 3, so that no mean predicts anything; the noise has variance 0.25.
    """
    draw = np.random.default_rng(seed)
    users, items = every_pair(side, side)
    likes = (users <= side // 2) == (items <= side // 2)
    ratings = np.where(likes, 4.0, 1.0) + draw.integers(0, 2, side * side)
    shape = Shape(users=side + 1, items=side + 1, scale=STARS, ratings=side * side)
    return rows_of(users, items, ratings), shape


def kind_and_unkind(seed: int = 0) -> tuple[tuple[Rows, Rows, Rows], Shape]:
    """Who rates 30 items of different quality, 60 users of different kindness, and nothing else: rows and shape.

    The last 10 users, and the last 6 items, have no rating among the fitted rows, the first part of three. The second
    has those of the unrated users (of rated items), the third those of the unrated items (by rated users).
    """
    draw = np.random.default_rng(seed)
    users, items = every_pair(60, 30)
    tastes = draw.normal(0, 0.3, 61)[users] + draw.uniform(2.5, 5, 31)[items] + draw.normal(0, 0.5, len(users))
    rows = rows_of(users, items, tastes.round().clip(1, 5))
    new_user, new_item = users > 50, items > 24
    rated, of_users, of_items = (
        rows.take(np.flatnonzero(part)) for part in (~new_user & ~new_item, new_user & ~new_item, ~new_user & new_item)
    )
    return (rated, of_users, of_items), Shape(users=61, items=31, scale=STARS)


def with_sides(shape: Shape) -> Shape:
    """The same shape with a side table of the users and one of the items: a feature for every third id each."""
    return replace(shape, user_features=_thirds(shape.users), item_features=_thirds(shape.items))


def _thirds(rows: int) -> Features:
    columns = np.arange(rows - 1) % 3
    return Features(
        offsets=np.concatenate([[0], np.arange(rows)]),
        columns=columns,
        weights=np.ones(rows - 1, dtype=np.float32),
        names=("third=0", "third=1", "third=2"),
    )
