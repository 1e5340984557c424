"""Ratings from anywhere: `load_data("ml-100k")`, a file, a folder, an object-store URI, a DataFrame, or `synthetic`.

- `reading/`: from a file of any format, or a table in memory, to a table as it stands there
- `readers.py`: from a table to ratings, and what is said of it
- `pairs.py`: pairs to be rated, from a table or from a large file part by part
- `columns.py`: which of a table's columns is which
- `ids.py`: ids as text, and missing ones
- `values.py`: ratings as numbers
- `weights.py`: how often each row counts
- `times.py`: times as seconds
- `date_text.py`: dates in words
- `given_folds.py`: folds that a column names
- `unrated.py`: ratings that mean 'not rated'
- `strangers.py`: ids of another file that the data lacks
- `ratings.py`: ratings in memory, by index
- `side.py`: side tables, joined by id
- `cells.py`: what the cells of a side table's column hold
- `encoding.py`: a side table's columns as features
- `features.py`: those features as sparse rows
- `movielens.py`: MovieLens by name
- `grouplens.py`: MovieLens' archives and their formats
- `synthetic.py`: made-up ratings
- `split.py`: training, validation and sealed test rows
- `scale.py`: the rating scale and its class grids
- `spool.py`: ratings on disk, a file for each column
- `spooling.py`: reads Parquet a part at a time, to disk
- `spooled_split.py`: the same split of those
- `shape.py`: what a model must know of the data
- `prepared.py`: from what was asked to split rows
- `streamed.py`: from what was asked to rows on disk, split
- `newer.py`: ratings newer than a model, and which of them to judge on
- `user_sample.py`: a sample of users with all their rows
- `tensors.py`: rows on a device
"""

import os
from dataclasses import replace
from pathlib import Path

from reeltune.trainables.data import movielens, synthetic
from reeltune.trainables.data.columns import COLUMN_OPTIONS, GIVEN_FOLDS, Columns
from reeltune.trainables.data.encoding import SideColumn
from reeltune.trainables.data.features import Features
from reeltune.trainables.data.ids import Ids, MissingIds
from reeltune.trainables.data.pairs import ReadPairs, read_pairs
from reeltune.trainables.data.ratings import Duplicates, Ratings, Rows
from reeltune.trainables.data.readers import (
    Reading,
    match,
    read_more,
    read_rated,
    read_ratings,
    read_users,
)
from reeltune.trainables.data.reading.frames import Source
from reeltune.trainables.data.side import NONE, Kind, join_side_table, own_side_table
from reeltune.trainables.data.split import (
    Fold,
    SealedRows,
    Shares,
    Split,
    SplitKind,
    fold,
    split,
    split_given_test,
    write_down_look,
)
from reeltune.trainables.data.strangers import UnknownIds
from reeltune.trainables.data.unrated import NotRated, values_of
from reeltune.trainables.errors import InputError

__all__ = [
    "Columns",
    "Duplicates",
    "Features",
    "Fold",
    "Ids",
    "MissingIds",
    "Ratings",
    "ReadPairs",
    "Reading",
    "Rows",
    "SealedRows",
    "Shares",
    "SideColumn",
    "Split",
    "SplitKind",
    "UnknownIds",
    "fold",
    "has_known_columns",
    "load_data",
    "match",
    "read_more",
    "read_pairs",
    "read_rated",
    "read_ratings",
    "read_users",
    "split",
    "split_given_test",
    "write_down_look",
]


def load_data(
    data: Source,
    *,
    columns: Columns | None = None,
    duplicates: Duplicates | None = None,
    users: Source | None = None,
    items: Source | None = None,
    not_rated: NotRated = (),
    missing_ids: MissingIds | None = None,
    matrix: bool = False,
) -> Ratings:
    """Load ratings by name, path or URI, or from a DataFrame or an Arrow table.

    `duplicates` is "last" unless said otherwise; ml-100k by name keeps all of its 100,000 rows, in which
    18 titles are listed under two numbers, as the reference notebook does. `users` and `items` are side tables;
    MovieLens, by name or by folder, brings its own, which "none" leaves out. An id that only a
    side table has joins those of the ratings. Rows whose rating is `not_rated`, or one of several, are left out; rows
    without a user or an item are an error unless `missing_ids` is "drop". With `matrix` the file has a row for each
    user, a column for each item.

    Raises InputError where the name is no data set and no file, or a file is no table of what it should be.
    """
    asked: dict[Kind, Source | None] = {"user": users, "item": items}
    missing = missing_ids or "error"
    if isinstance(data, str) and has_known_columns(data):
        of_side_tables = {kind for kind, source in asked.items() if not _is_none(source)}
        _refuse_columns(data, columns or Columns(), of_side_tables)
        _refuse_leaving_out(data, values_of(not_rated), missing_ids, of_side_tables)
        if matrix:
            raise InputError(f"--matrix: does not apply to {data}, which has a row for each rating")
        loaded, own = _by_name(data, duplicates)
    else:
        _refuse_unknown_name(data)
        if matrix and columns is not None and columns.fold is not None:
            raise InputError(f"{GIVEN_FOLDS}{columns.fold}: a matrix has columns of items alone; use --folds K")
        if matrix and columns is not None and columns.weight is not None:
            raise InputError(
                f"{COLUMN_OPTIONS['weight']} {columns.weight}: a matrix has columns of items alone; give a file with a "
                "row for each rating, or leave the weights out"
            )
        loaded = read_ratings(
            data,
            columns=columns,
            duplicates=duplicates or "last",
            not_rated=not_rated,
            missing_ids=missing,
            matrix=matrix,
        )
        own = {kind: own_side_table(str(data), kind) if isinstance(data, (str, Path)) else None for kind in asked}
    for kind, source in asked.items():
        found = own[kind] if source is None else source
        if found is not None and not _is_none(found):
            loaded = join_side_table(
                loaded, kind, found, columns=columns or Columns(), asked=source is not None, missing_ids=missing
            )
    return loaded


def _by_name(data: str, duplicates: Duplicates | None) -> tuple[Ratings, dict[Kind, str | None]]:
    """The ratings of a data set by name, and the side tables that it brings."""
    if not _is_synthetic(data):
        return _movielens(data, duplicates)
    if duplicates is not None:
        raise InputError(f"--duplicates {duplicates}: does not apply to {data}, whose pairs are drawn as they are")
    return synthetic.generate(synthetic.parse(data), name=data), {"user": None, "item": None}


def _refuse_unknown_name(data: Source) -> None:
    if isinstance(data, str) and "/" not in data and "." not in data and not os.path.exists(data):
        known = ", ".join([*movielens.ARCHIVES, "synthetic"])
        raise InputError(f"{data!r} is no data set and no file; data sets by name: {known}")


def has_known_columns(data: str) -> bool:
    """Whether it is a data set by name."""
    return _is_synthetic(data) or data in movielens.ARCHIVES


def _is_synthetic(data: str) -> bool:
    return data == "synthetic" or data.startswith("synthetic:")


def _movielens(name: str, duplicates: Duplicates | None) -> tuple[Ratings, dict[Kind, str | None]]:
    cached = movielens.fetch(name)
    kept: Duplicates = "keep" if name == "ml-100k" else "last"
    loaded = read_ratings(str(cached.ratings), duplicates=duplicates or kept)
    notes = (cached.note,) if cached.note else ()
    own: dict[Kind, str | None] = {
        "user": None if cached.users is None else str(cached.users),
        "item": None if cached.items is None else str(cached.items),
    }
    # How the cached table was read is nothing that somebody could change.
    return replace(loaded, name=name, notes=notes, columns={}, columns_line=""), own


def _is_none(side_table: Source | None) -> bool:
    """Whether no side table is asked for."""
    return side_table is None or (isinstance(side_table, str) and side_table == NONE)


def _refuse_columns(data: str, columns: Columns, of_side_tables: set[Kind]) -> None:
    """A data set that comes by name has known columns; a side table that was asked for may need its id's name."""
    if columns.fold is not None:
        raise InputError(f"{GIVEN_FOLDS}{columns.fold}: does not apply to {data}, which has no column of folds")
    for kind, option in COLUMN_OPTIONS.items():
        column = getattr(columns, kind)
        if column is not None and kind not in of_side_tables:
            raise InputError(f"{option} {column}: does not apply to {data}, whose columns are known")


def _refuse_leaving_out(
    data: str, not_rated: tuple[str, ...], missing_ids: MissingIds | None, of_side_tables: set[Kind]
) -> None:
    if not_rated:
        raise InputError(f"--not-rated {not_rated[0]}: does not apply to {data}, which has ratings alone")
    if missing_ids is not None and not of_side_tables:
        raise InputError(f"--missing-ids {missing_ids}: does not apply to {data}, which lacks no id")
