"""Tiny data sets whose answers are known, and configurations that fit them in a moment."""

import numpy as np

from reeltune.trainables.data import Ids, Ratings, Rows, load_data, split
from reeltune.trainables.data.features import Features
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.data.shape import Shape
from tests.models import EXPECTED, MODELS

STARS = Scale.of(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))


def config_of(name, **settings):
    """A configuration with those of these settings that the architecture has: a solved one has no `epochs`."""
    every = {field for architecture in MODELS.values() for field in architecture.Config.model_fields}
    assert settings.keys() <= every, "no architecture has one of these"
    known = MODELS[name].Config.model_fields
    return MODELS[name].Config(**{key: value for key, value in settings.items() if key in known})


def small_config(name, **changes):
    """A configuration that fits in a moment."""
    return config_of(name, **{"batch_size": 64, "epochs": 5, **EXPECTED[name].small, **changes})


def small_parts():
    """Ratings, their split and shape: small enough for a fit in a blink."""
    ratings = load_data("synthetic:users=60,items=40,ratings=1500,noise=0.3")
    parts = split(ratings.rows, seed=1)
    shape = Shape(users=ratings.users.rows, items=ratings.items.rows, scale=Scale.of(parts.fitting.ratings))
    return ratings, parts, shape


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


def telling_habits(*, swapped=False, seed=0):
    """Who rated what tells all: fitted rows, rows to predict, and their shape.

    Users of two groups rate six of their group's eight items, with ratings that tell nothing. All but twenty of them
    rate six more items, with 5 in one group and 1 in the other; the twenty's are to be predicted.
    Swapped, users are items and items are users.
    """
    draw = np.random.default_rng(seed)
    fitted, held_out = [], []
    for user in range(1, 81):
        group = user % 2
        fitted += [(user, 1 + 8 * group + item, draw.integers(2, 5)) for item in draw.choice(8, 6, replace=False)]
        (fitted if user <= 60 else held_out).extend((user, item, 1 + 4 * group) for item in range(17, 23))
    order = [1, 0, 2] if swapped else [0, 1, 2]
    users, items = (23, 81) if swapped else (81, 23)
    rows = [rows_of(*np.array(part).T[order]) for part in (fitted, held_out)]
    return *rows, Shape(users=users, items=items, scale=STARS)


def told_by_features(*, swapped=False, seed=0):
    """What a side table says of an item tells all: fitted rows, rows to predict, and their shape.

    Loved items are rated 4 or 5 and others 1 or 2, by anybody; ten items of sixty have no fitted rating.
    Swapped, it is users who are kind or not.
    """
    draw = np.random.default_rng(seed)
    loved = np.concatenate([[0], draw.integers(0, 2, 60)])
    fitted, held_out = [], []
    for item in range(1, 61):
        raters = draw.choice(np.arange(1, 21), 8, replace=False)
        part = fitted if item <= 50 else held_out
        part.extend((user, item, 1 + 3 * loved[item] + draw.integers(0, 2)) for user in raters)
    features = features_of(np.eye(2)[loved] * (np.arange(61) > 0)[:, None])
    order = [1, 0, 2] if swapped else [0, 1, 2]
    rows = [rows_of(*np.array(part).T[order]) for part in (fitted, held_out)]
    if swapped:
        return *rows, Shape(users=61, items=21, scale=STARS, user_features=features)
    return *rows, Shape(users=21, items=61, scale=STARS, item_features=features)
