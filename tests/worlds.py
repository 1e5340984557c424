"""Tiny data sets whose answers are known, and configurations that fit them in a moment."""

import numpy as np

from trainables.architectures import ARCHITECTURES
from trainables.data import Ids, Ratings, Rows
from trainables.data.features import Features
from trainables.model import Shape
from trainables.scale import Scale
from trainables.training import TrainingConfig

STARS = Scale.of(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
TRAINED = [name for name, architecture in ARCHITECTURES.items() if issubclass(architecture.Config, TrainingConfig)]
SMALL = {"factors": 8, "user_width": 8, "item_width": 8, "hidden": 16, "batch_size": 64, "epochs": 5}


def config_of(name, **settings):
    """A configuration with those of these settings that the architecture has: a solved one has no `epochs`."""
    every = {field for architecture in ARCHITECTURES.values() for field in architecture.Config.model_fields}
    assert settings.keys() <= every, "no architecture has one of these"
    known = ARCHITECTURES[name].Config.model_fields
    return ARCHITECTURES[name].Config(**{key: value for key, value in settings.items() if key in known})


def small_config(name, **changes):
    """A configuration that fits in a moment."""
    return config_of(name, **{**SMALL, **changes})


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


def features_of(matrix):
    """Features of a dense matrix of shape (rows, features), of which only what is not 0 is kept."""
    matrix = np.asarray(matrix, dtype=np.float32)
    rows, columns = matrix.nonzero()
    return Features(
        offsets=np.concatenate([[0], np.bincount(rows, minlength=len(matrix)).cumsum()]),
        columns=columns,
        weights=matrix[rows, columns],
        names=tuple(f"feature {number}" for number in range(matrix.shape[1])),
    )


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
