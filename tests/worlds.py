"""Tiny data sets whose answers are known."""

import numpy as np

from trainables.data import Ids, Ratings, Rows
from trainables.model import Shape
from trainables.scale import Scale

STARS = Scale.of(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))


def rows_of(users, items, ratings, timestamps=None):
    """Rows of these indices (0 is 'unknown') and ratings, in this order."""
    return Rows(
        number=np.arange(len(ratings)),
        users=np.asarray(users, dtype=np.int32),
        items=np.asarray(items, dtype=np.int32),
        ratings=np.asarray(ratings, dtype=np.float64),
        timestamps=None if timestamps is None else np.asarray(timestamps, dtype=np.int64),
    )


def shape_of(data):
    return Shape(users=data.users.rows, items=data.items.rows, scale=Scale.of(data.rows.ratings))


def two_tastes(*, side=40, seed=0):
    """Every user rates every item: 4 or 5 in the half of their group, 1 or 2 in the other.

    The means of all users and of all items are 3, so that no mean predicts anything; the noise has variance 0.25.
    """
    draw = np.random.default_rng(seed)
    users, items = (axis.ravel() for axis in np.meshgrid(np.arange(side), np.arange(side), indexing="ij"))
    likes = (users < side // 2) == (items < side // 2)
    ratings = np.where(likes, 4.0, 1.0) + draw.integers(0, 2, side * side)
    return Ratings(
        name="two tastes",
        rows=rows_of(users + 1, items + 1, ratings),
        users=Ids(np.array([f"u{number}" for number in range(side)])),
        items=Ids(np.array([f"i{number}" for number in range(side)])),
    )
