"""From what was asked to rows on disk, split as rows in memory are: `prepared.py` for data that fits in no memory."""

import shlex
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reeltune.trainables.data import has_known_columns
from reeltune.trainables.data.columns import COLUMN_OPTIONS
from reeltune.trainables.data.prepared import DataOptions, counts_of, summary_of
from reeltune.trainables.data.ratings import RatingCounts, Rows
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.data.side import NONE, own_side_table
from reeltune.trainables.data.split import Sizes
from reeltune.trainables.data.spooled_split import SpooledSplit
from reeltune.trainables.data.spooling import SpooledRatings, spool_ratings
from reeltune.trainables.errors import InputError

MOST_READ = 1 << 20  # validation rows: what is learnt of that many, such as intervals, more would hardly change


@dataclass(frozen=True, kw_only=True)
class Streamed:
    """As `Prepared`, with the rows on disk."""

    asked: DataOptions
    ratings: SpooledRatings
    split: SpooledSplit
    counts: RatingCounts  # of the rows to train on
    shape: Shape

    @property
    def sizes(self) -> Sizes:
        return self.split.sizes

    @property
    def rows(self) -> int:
        return self.split.spool.rows

    @property
    def bytes(self) -> int:
        """About what all workers of a machine share: each user's bucket."""
        return 2 * self.shape.users

    def fitted(self, *, refitted: bool) -> RatingCounts:
        """How many rows that a fit sees each id has. There is no refit of rows on disk."""
        return self.counts

    def validation_rows(self) -> Rows:
        """The validation rows, or up to MOST_READ of them, spread evenly over all: they are read into memory."""
        return self.split.some("validation", MOST_READ)

    def summary(self) -> str:
        """As that of `Prepared`."""
        counts = counts_of(self.ratings.name, self.rows, self.ratings.dropped, self.shape, self.sizes)
        return summary_of(counts, (self.ratings.columns_line, *self.ratings.notes))


def check_streamed(options: DataOptions) -> None:
    """Raise InputError where the options of data ask for what needs all rows at once."""
    weight = None if options.columns is None else options.columns.weight
    refused = {
        f"--data {options.data}, a data set by name": has_known_columns(options.data),
        "data in memory": options.loaded is not None or bool(options.tables),
        f"--test {options.test}": options.test is not None,
        f"--split {options.split_word}": options.split != "random" or options.given_folds is not None,
        "--matrix": options.matrix,
        f"--not-rated {shlex.join(options.not_rated)}": bool(options.not_rated),
        f"{COLUMN_OPTIONS['weight']} {weight}": weight is not None,
        f"--users {options.users}": options.users not in (None, NONE),
        f"--items {options.items}": options.items not in (None, NONE),
    }
    for option, asked in refused.items():
        if asked:
            raise InputError(
                f"--stream takes no {option}: it reads a Parquet file or a folder of such, without side tables or "
                "weights, and splits it at random; leave one of the two out"
            )


def prepare_streamed(options: DataOptions, folder: Path) -> Streamed:
    """Read to an empty folder, and split. Raises InputError as the readers and the split do."""
    check_streamed(options)
    for kind, source in {"user": options.users, "item": options.items}.items():
        own = own_side_table(options.data, "user" if kind == "user" else "item")
        if source is None and own is not None:
            raise InputError(f"{options.data} has a side table, {own}, and --stream takes none: add --{kind}s {NONE}")
    ratings = spool_ratings(options.data, folder, reading=options.reading(), duplicates=options.duplicates or "last")
    split = SpooledSplit.of(ratings.spool, seed=options.split_seed, shares=options.shares)
    counts, scale = split.counted(ratings.users.rows, ratings.items.rows)
    shape = Shape(
        users=ratings.users.rows,
        items=ratings.items.rows,
        scale=scale,
        ratings=split.sizes.train,
        rated_users=int(np.count_nonzero(counts.users)),
        rated_items=int(np.count_nonzero(counts.items)),
        rare_items=ratings.items.rows - 1,
    )
    return Streamed(asked=options, ratings=ratings, split=split, counts=counts, shape=shape)
