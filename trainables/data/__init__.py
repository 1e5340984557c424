"""Ratings from anywhere: `load_data("ml-100k")`, a file, a folder, an object-store URI, or `synthetic`."""

import os
from dataclasses import replace
from pathlib import Path

from trainables.data import movielens, synthetic
from trainables.data.encoding import SideColumn
from trainables.data.features import Features
from trainables.data.ratings import Duplicates, Ids, Ratings, Rows
from trainables.data.readers import Columns, read_more, read_pairs, read_ratings
from trainables.data.side import NONE, Kind, join_side_table, own_side_table
from trainables.data.split import SealedRows, Split, SplitKind, split, split_given_test
from trainables.errors import InputError

__all__ = [
    "Columns",
    "Duplicates",
    "Features",
    "Ids",
    "Ratings",
    "Rows",
    "SealedRows",
    "SideColumn",
    "Split",
    "SplitKind",
    "load_data",
    "read_more",
    "read_pairs",
    "read_ratings",
    "split",
    "split_given_test",
]


def load_data(
    data: str,
    *,
    columns: Columns | None = None,
    duplicates: Duplicates | None = None,
    users: str | None = None,
    items: str | None = None,
) -> Ratings:
    """Load ratings by name, path or URI.

    `duplicates` is "last" unless said otherwise; ml-100k by name keeps all of its 100,000 rows, in which
    18 titles are listed under two numbers, as the reference notebook does. `users` and `items` are side tables;
    MovieLens, by name or by folder, brings its own, which "none" leaves out.

    Raises InputError where the name is no data set and no file, or a file is no table of what it should be.
    """
    loaded, own = _load(data, columns=columns, duplicates=duplicates)
    asked: dict[Kind, str | None] = {"user": users, "item": items}
    for kind, source in asked.items():
        found = source or own[kind]
        if found is not None and found != NONE:
            loaded = join_side_table(loaded, kind, found, columns=columns or Columns(), asked=source is not None)
    return loaded


def _load(
    data: str, *, columns: Columns | None, duplicates: Duplicates | None
) -> tuple[Ratings, dict[Kind, str | None]]:
    """The ratings, and the side tables that they bring."""
    if data == "synthetic" or data.startswith("synthetic:"):
        return synthetic.generate(synthetic.parse(data), name=data), {"user": None, "item": None}
    if data in movielens.ARCHIVES:
        cached = movielens.fetch(data)
        kept: Duplicates = "keep" if data == "ml-100k" else "last"
        loaded = replace(read_ratings(str(cached.ratings), duplicates=duplicates or kept), name=data)
        own: dict[Kind, Path | None] = {"user": cached.users, "item": cached.items}
        return loaded, {kind: None if path is None else str(path) for kind, path in own.items()}
    if "/" not in data and "." not in data and not os.path.exists(data):
        known = ", ".join([*movielens.ARCHIVES, "synthetic"])
        raise InputError(f"{data!r} is no data set and no file; data sets by name: {known}")
    loaded = read_ratings(data, columns=columns, duplicates=duplicates or "last")
    return loaded, {"user": own_side_table(data, "user"), "item": own_side_table(data, "item")}
