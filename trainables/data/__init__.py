"""Ratings from anywhere: `load_data("ml-100k")`, a file, a folder, an object-store URI, or `synthetic`."""

import os

from trainables.data import movielens, synthetic
from trainables.data.ratings import Duplicates, Ids, Ratings, Rows
from trainables.data.readers import Columns, read_more, read_pairs, read_ratings
from trainables.data.split import SealedRows, Split, SplitKind, split, split_given_test
from trainables.errors import InputError

__all__ = [
    "Columns",
    "Duplicates",
    "Ids",
    "Ratings",
    "Rows",
    "SealedRows",
    "Split",
    "SplitKind",
    "load_data",
    "read_more",
    "read_pairs",
    "read_ratings",
    "split",
    "split_given_test",
]


def load_data(data: str, *, columns: Columns | None = None, duplicates: Duplicates | None = None) -> Ratings:
    """Load ratings by name, path or URI.

    `duplicates` is "last" unless said otherwise; ml-100k by name keeps all of its 100,000 rows, in which
    18 titles are listed under two numbers, as the reference notebook does.

    Raises InputError where the name is no data set and no file, or the file is no ratings table.
    """
    if data == "synthetic" or data.startswith("synthetic:"):
        return synthetic.generate(synthetic.parse(data), name=data)
    if data in movielens.ARCHIVES:
        file = movielens.fetch(data)
        kept: Duplicates = "keep" if data == "ml-100k" else "last"
        loaded = read_ratings(str(file), duplicates=duplicates or kept)
        return Ratings(name=data, rows=loaded.rows, users=loaded.users, items=loaded.items, dropped=loaded.dropped)
    if "/" not in data and "." not in data and not os.path.exists(data):
        known = ", ".join([*movielens.ARCHIVES, "synthetic"])
        raise InputError(f"{data!r} is no data set and no file; data sets by name: {known}")
    return read_ratings(data, columns=columns, duplicates=duplicates or "last")
