"""From what was asked to rows: loads the data, splits it, and reads the scale off the rows that fits may see."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reeltune.trainables.data import (
    Columns,
    Duplicates,
    Ratings,
    Split,
    SplitKind,
    has_known_columns,
    load_data,
    read_more,
    split,
    split_given_test,
)
from reeltune.trainables.data.movielens import cache_folder
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.errors import InputError


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """What the command line says of data."""

    data: str
    test: str | None = None
    split: SplitKind = "random"
    split_seed: int = 42
    columns: Columns | None = None
    duplicates: Duplicates | None = None
    users: str | None = None  # a side table, or "none" for not even the data set's own
    items: str | None = None

    def load(self) -> Ratings:
        """The ratings with their side tables. Raises InputError as the readers do."""
        return load_data(
            self.data,
            columns=self._columns_of_data(),
            duplicates=self.duplicates,
            users=self.users,
            items=self.items,
        )

    def _columns_of_data(self) -> Columns | None:
        """The columns without those that only the test file can have, where the data comes by name."""
        if self.columns is None or self.test is None or not has_known_columns(self.data):
            return self.columns
        user = None if self.users in (None, "none") else self.columns.user
        item = None if self.items in (None, "none") else self.columns.item
        return Columns(user=user, item=item)


@dataclass(frozen=True, kw_only=True)
class Prepared:
    asked: DataOptions
    ratings: Ratings
    split: Split
    shape: Shape
    overlap: int = 0  # rows of somebody's own test file whose pair is in the data too

    @property
    def bytes(self) -> int:
        """About what the rows and the features take in memory."""
        sides = (self.shape.user_features, self.shape.item_features)
        return 48 * len(self.ratings.rows) + sum(side.bytes for side in sides if side is not None)

    def summary(self) -> str:
        parts = self.split
        dropped = f" ({self.ratings.dropped:,} repeated ones dropped)" if self.ratings.dropped else ""
        test = f", {len(parts.test):,} sealed for the test"
        if self.overlap:
            test += f" (NOTE: {self.overlap:,} of these pairs are trained on too)"
        return (
            f"{self.ratings.name}: {len(self.ratings.rows):,} ratings{dropped} by {self.shape.users - 1:,} users of "
            f"{self.shape.items - 1:,} items; {len(parts.train):,} to train on, {len(parts.validation):,} to "
            f"validate on{test}{self._features()}{''.join(f'; {note}' for note in self.ratings.notes)}"
        )

    def _features(self) -> str:
        sides = {"user": self.shape.user_features, "item": self.shape.item_features}
        counts = [f"{len(side.names):,} {kind}" for kind, side in sides.items() if side is not None]
        return f"; {' and '.join(counts)} features" if counts else ""


def prepare(options: DataOptions) -> Prepared:
    """Load and split. Raises InputError as the readers and the split do."""
    ratings = options.load()
    overlap = 0
    if options.test is None:
        parts = split(ratings.rows, kind=options.split, seed=options.split_seed)
    else:
        test = read_more(options.test, ratings, columns=options.columns)
        parts = split_given_test(ratings.rows, test, kind=options.split, seed=options.split_seed)
        overlap = parts.test.shared_pairs(ratings.rows)
        if overlap == len(test):
            raise InputError(
                f"--test {options.test}: every pair of it is in {options.data} too; nothing would be tested"
            )
    shape = Shape(
        users=ratings.users.rows,
        items=ratings.items.rows,
        scale=Scale.of(parts.fitting.ratings),
        ratings=len(parts.train),
        rated_users=len(np.unique(parts.train.users)),
        rated_items=len(np.unique(parts.train.items)),
        user_features=ratings.user_features,
        item_features=ratings.item_features,
    )
    return Prepared(asked=options, ratings=ratings, split=parts, shape=shape, overlap=overlap)


def looks() -> Path:
    """Where every look at sealed rows is written down, whichever run it was for."""
    return cache_folder() / "looks.jsonl"
