"""A user-by-item matrix (a row for each user, a column for each item, ratings in the cells) as a table of ratings."""

import re
import shlex

import numpy as np
import pandas as pd

from reeltune.trainables.data.reading.frames import dense
from reeltune.trainables.data.reading.header import LEAST_OF_MATRIX, ROW_NAMES, is_value
from reeltune.trainables.data.reading.missing import is_missing
from reeltune.trainables.data.reading.tables import Table
from reeltune.trainables.data.reading.usual_names import USUAL_NAMES, plain_name
from reeltune.trainables.errors import InputError

LONG = re.compile(r"(user|item|movie|product)[ _]?(id)?|ratings?|timestamp", re.IGNORECASE)  # no items' names
ITEMS = frozenset(USUAL_NAMES["item"]) - {"name", "i"}  # those may be users' too
SAMPLE = 200  # rows that are looked at
NEARLY_ALL = 0.95


def columns_of_numbers(frame: pd.DataFrame) -> int:
    """How many columns hold numbers and nothing else (but gaps), by the first rows."""
    return sum(_is_numeric(frame.iloc[:SAMPLE, place]) for place in range(len(frame.columns)))


def looks_like_matrix(table: Table) -> bool:
    """Whether all columns but one are numbers, and there are more of them than ratings need."""
    columns = len(table.frame.columns)
    return columns > LEAST_OF_MATRIX and columns_of_numbers(table.frame) >= columns - 1


def melted(
    table: Table,
    *,
    user: str | None = None,
    item: str | None = None,
    rating: str | None = None,
    not_rated: tuple[str, ...] = (),
) -> Table:
    """A matrix as a table with columns user, item and rating, called so unless other names are given.

    `user` is the column of the users' ids, if the first is not meant. Empty cells are not rated. A first column that
    counts the row's ratings (Jester's) is left out; without a column of ids users are numbered from 1. Cells may be
    one of the words that mean `not_rated`. Raises InputError where the table is no matrix.
    """
    named = [name for name in map(str, table.frame.columns) if LONG.fullmatch(name)]
    if len(named) > 1 and not table.headerless:
        raise InputError(
            f"{table.source}: is no matrix: columns {' and '.join(named[:2])} say that there is a row for each rating "
            "(leave out --matrix)"
        )
    ids, frame, notes = _parts(table, user)
    _refuse_words(table.source, frame, not_rated)
    cells = frame.astype("str").to_numpy(dtype=object)
    given = frame.notna().to_numpy() & ~_are_missing(cells)
    rows, columns = np.nonzero(given)
    if not len(rows):
        raise InputError(f"{table.source}: the matrix has no rating in it")
    names = frame.columns.to_numpy(dtype=object)
    if table.headerless:  # columns are numbered in the file; items among themselves
        names = np.array([str(place + 1) for place in range(len(names))], dtype=object)
    long = pd.DataFrame(
        {user or "user": ids[rows], item or "item": names[columns], rating or "rating": cells[given]}, dtype="str"
    )
    said = (
        f"read as a matrix: {len(frame):,} rows as users, {len(names):,} columns as items; "
        f"{len(long):,} of {given.size:,} cells hold ratings"
    )
    return Table(
        source=table.source,
        frame=long,
        notes=(*table.notes, *notes, said),
        locate=lambda row: f"{table.place(int(rows[row]))}, column {names[columns[row]]}",
    )


def _refuse_words(source: str, frame: pd.DataFrame, not_rated: tuple[str, ...]) -> None:
    """Raise InputError where a column has words in it, or there is no column."""
    known = {value.strip() for value in not_rated}
    for name in frame.columns:
        values = dense(frame[name].iloc[:SAMPLE]).dropna()
        words = [
            cell for cell in values.astype(str).str.strip() if not (cell in known or is_missing(cell) or is_value(cell))
        ]
        if words and not pd.api.types.is_numeric_dtype(values):
            raise InputError(
                f"{source}: is no matrix of ratings: expected a column of numbers for each item; found text in column "
                f"{str(name)!r}, {words[0]!r} (--not-rated {shlex.quote(words[0])}, if that means 'not rated'; "
                "without --matrix it is read as a row for each rating)"
            )
    if frame.empty:
        raise InputError(f"{source}: is no matrix of ratings: there is no column for an item")


def _parts(table: Table, user: str | None) -> tuple[np.ndarray, pd.DataFrame, tuple[str, ...]]:
    """The users' ids, the ratings, and what was guessed."""
    frame = table.frame
    user = table.numbered(user)
    if user is not None and user not in frame.columns:
        raise InputError(f"{table.source}: no column {user!r}; found {', '.join(map(str, frame.columns[:8]))}, ...")
    first = frame.columns[0]
    numbered = np.array([str(place + 1) for place in range(len(frame))], dtype=object)
    if user is None and _counts_ratings(frame):
        return (
            numbered,
            frame.iloc[:, 1:],
            ("users are numbered by row; left out: column 1, a count of the row's ratings",),
        )
    if user is None and not _are_ids(frame, headerless=table.headerless):
        return numbered, frame, ("users are numbered by row",)
    column = first if user is None else user
    if user is None and plain_name(str(column)) in ITEMS:
        raise InputError(
            f"{table.source}: column {str(column)!r} has items by its name, and --matrix reads a row for each user: "
            "turn the table round, or, if it has users, give the column another name"
        )
    return (
        dense(frame[column]).astype("str").to_numpy(dtype=object),
        frame.drop(columns=column),
        (f"users are in column {str(column)!r}",),
    )


def _are_ids(frame: pd.DataFrame, *, headerless: bool) -> bool:
    """Whether the first column has another kind of name than the others, or tells the rows apart and no other does."""
    values, name = frame.iloc[:, 0], str(frame.columns[0])
    if not headerless and (
        name == ROW_NAMES or (not is_value(name) and all(map(is_value, map(str, frame.columns[1:]))))
    ):
        return True
    if not _is_numeric(values):
        return True
    whole = [other for other in frame.columns[1:] if frame[other].notna().all()]
    return len(frame) > 1 and values.is_unique and not any(frame[other].is_unique for other in whole)


def _counts_ratings(frame: pd.DataFrame) -> bool:
    """Whether the first column says how many of the others hold a rating: are not empty, nor the commonest value."""
    if not _is_numeric(frame.iloc[:, 0]):
        return False
    numbers = frame.apply(pd.to_numeric, errors="coerce").to_numpy(dtype=float)
    counts, cells = numbers[:, 0], numbers[:, 1:]
    given = cells[~np.isnan(cells)]
    if not len(given):
        return False
    values, times = np.unique(given, return_counts=True)
    present = ~np.isnan(cells)
    for rated in (present, present & (cells != values[times.argmax()])):
        if (rated.sum(axis=1) == counts).mean() >= NEARLY_ALL and len(np.unique(counts)) > 1:
            return True
    return False


def _is_numeric(values: pd.Series) -> bool:
    if pd.api.types.is_numeric_dtype(values):
        return True
    given = dense(values.iloc[:SAMPLE]).dropna().astype(str)
    return all(is_missing(cell) or is_value(cell) for cell in given)


def _are_missing(cells: np.ndarray) -> np.ndarray:
    """Which cells of text, of any shape, say that they hold nothing. Each distinct one is looked at once."""
    codes, distinct = pd.factorize(cells.ravel())
    return np.array([*map(is_missing, distinct), True])[codes].reshape(cells.shape)  # -1: a gap
