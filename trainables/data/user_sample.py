"""A sample of users with all their rows, on which the trials of a search on many ratings fit."""

from dataclasses import replace

import numpy as np

from reeltune.trainables.data.prepared import FitData
from reeltune.trainables.data.ratings import Rows


def user_sample(every: FitData, rows: int, *, seed: int) -> FitData:
    """The rows of users, drawn at random, who together have `rows` of them or a few more.

    Users get indices of their own, in their order; items keep theirs, and the scale is that of all rows.
    """
    shape = every.shape
    counts = np.bincount(np.concatenate([every.train.users, every.validation.users]), minlength=shape.users)
    order = np.random.default_rng(seed).permutation(np.flatnonzero(counts))
    order = order[order > 0]  # 0 stands for unknown users, who are no users to draw
    drawn = np.sort(order[: 1 + int(np.searchsorted(np.cumsum(counts[order]), rows))])
    index = np.zeros(shape.users, dtype=every.train.users.dtype)
    index[drawn] = np.arange(1, len(drawn) + 1)
    train, validation = (_of(part, index) for part in (every.train, every.validation))
    features = shape.user_features
    return FitData(
        train=train,
        validation=validation,
        shape=replace(
            shape,
            users=len(drawn) + 1,
            ratings=len(train),
            rated_users=len(np.unique(train.users)),
            rated_items=len(np.unique(train.items)),
            user_features=None if features is None else features.take(np.concatenate([[0], drawn])),
        ),
    )


def _of(rows: Rows, index: np.ndarray) -> Rows:
    """The rows of users whose index is not 0, in their order, with that index."""
    own = rows.take(np.flatnonzero(index[rows.users]))
    return replace(own, users=index[own.users])
