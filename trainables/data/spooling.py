"""Reads ratings in Parquet a part at a time, and writes them to disk by index: they are never in memory as a whole.

Ids, notes and indices are those that `readers.read_ratings` has, which reads all rows at once.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from reeltune.trainables.data.columns import Columns, Found, find_columns
from reeltune.trainables.data.ids import Ids
from reeltune.trainables.data.pairs import once
from reeltune.trainables.data.ratings import Duplicates, hash_of
from reeltune.trainables.data.readers import (
    Reading,
    about_left_out,
    about_repeated,
    id_columns,
    of_rows,
    refuse_none,
)
from reeltune.trainables.data.reading.parts import Parquet
from reeltune.trainables.data.reading.tables import Table
from reeltune.trainables.data.spool import TYPES, Repeated, Spool, append, repeated
from reeltune.trainables.data.times import COUNTED, SAMPLE, read_times
from reeltune.trainables.data.unrated import questions_of
from reeltune.trainables.data.values import read_values
from reeltune.trainables.errors import InputError

MOST_RATINGS = 1 << 20  # different ones: all are counted in memory
NEEDED = ("user", "item", "rating")
TAKEN = {
    "rating": (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal),
    "timestamp": (pa.types.is_integer, pa.types.is_timestamp, pa.types.is_date),
}


@dataclass(frozen=True, kw_only=True)
class SpooledRatings:
    """As `Ratings`, with the rows on disk."""

    name: str
    spool: Spool
    users: Ids
    items: Ids
    dropped: int
    notes: tuple[str, ...]
    columns: Mapping[str, str]
    columns_line: str

    def fingerprint(self) -> str:
        """That of `Ratings`."""
        return hash_of(self.spool.fingerprint(), self.users, self.items).hexdigest()


def spool_ratings(source: str, folder: Path, *, reading: Reading, duplicates: Duplicates) -> SpooledRatings:
    """Read a Parquet file or a folder of such into an empty folder.

    Raises InputError as `read_ratings` does, and where a column is such that all of its rows must be looked at before
    one can be read: ratings in words, and times in words or in other units than seconds.
    """
    data = Parquet.at(source)
    found = find_columns(data.head(SAMPLE), reading.columns, needed=NEEDED, takes_matrix=False)
    _refuse_words(data, found)
    with ExitStack() as stack:
        parts = _Parts(data, reading, found, folder, stack)
        for table in data.tables(dict.fromkeys(found.names.values())):
            parts.add(table)
    refuse_none(data.source, parts.rows)
    found = parts.found
    values, counts = parts.ratings.values, parts.ratings.counts
    spool = Spool(folder=folder, rows=parts.rows, columns=parts.columns)
    users, items = (Ids(pd.Index(list(parts.known[kind]), dtype="str")) for kind in ("user", "item"))
    twice = Repeated.none() if duplicates == "keep" else repeated(spool)
    if len(twice.earlier) and duplicates == "error":
        raise _refused(data.source, spool, twice, users, items)
    if len(twice.earlier):
        spool = spool.without(twice.earlier)
        users, items = _in_order(spool, "users", users), _in_order(spool, "items", items)
        values, counts = _counted(spool)
    if len(values) < 2:
        raise InputError(f"{data.source}: every rating is {values[0]:g}; there is nothing to predict from one value")
    said = (*once(parts.notes), *about_left_out(parts.left_out))
    repeats = about_repeated(len(twice.earlier), parts.rows, found)
    return SpooledRatings(
        name=data.source,
        spool=spool,
        users=users,
        items=items,
        dropped=len(twice.earlier),
        notes=(*said, *repeats, *questions_of(values, counts, takes_not_rated=False)),
        columns=found.names,
        columns_line=found.line(),
    )


def _refuse_words(data: Parquet, found: Found) -> None:
    """Raise InputError where ratings or times are text."""
    kinds = {"rating": "numbers", "timestamp": "dates or whole seconds since 1970"}
    for kind, taken in kinds.items():
        column = found.names.get(kind)
        if column is None:
            continue
        of = data.type_of(column)
        if not any(fits(of) for fits in TAKEN[kind]):
            raise InputError(
                f"{data.source}: column {column!r} is {of}, and --stream takes {kind}s as {taken}; write it so, or "
                "leave --stream out"
            )


class Distinct:
    """The distinct ratings of rows, some at a time: their values, ascending, and how many rows have each."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.values, self.counts = np.empty(0), np.empty(0, dtype=np.int64)

    def add(self, ratings: np.ndarray) -> None:
        """Raises InputError where there are more different ones than MOST_RATINGS."""
        values, counts = np.unique(ratings, return_counts=True)
        every, places = np.unique(np.concatenate([self.values, values]), return_inverse=True)
        total = np.bincount(places, weights=np.concatenate([self.counts, counts]))
        self.values, self.counts = every, total.astype(np.int64)
        if len(every) > MOST_RATINGS:
            raise InputError(
                f"{self.source}: has more than {MOST_RATINGS:,} different ratings, and --stream counts them in memory; "
                "round them, or leave --stream out"
            )


class _Parts:
    """Writes the parts of a file, one after the other, and keeps what is to be known of all of them."""

    def __init__(self, data: Parquet, reading: Reading, found: Found, folder: Path, stack: ExitStack) -> None:
        self.data, self.found = data, found
        self.reading = replace(reading, columns=Columns(**found.names))
        self.guessed = reading.columns.timestamp is None  # which column has the times
        self.known: dict[str, dict[str, int]] = {"user": {}, "item": {}}
        self.ratings = Distinct(data.source)
        self.notes: list[str] = []
        self.rows = self.left_out = 0
        timed = ("timestamps",) if "timestamp" in found.names else ()
        self.columns = ("users", "items", "ratings", *timed)
        self._files = {name: stack.enter_context((folder / name).open("wb")) for name in self.columns}

    def add(self, table: Table) -> None:
        read = id_columns(table, self.reading, needed=NEEDED)
        frame, names = read.frame, self.found.names
        self.notes += read.notes
        self.left_out += read.left_out
        if frame.empty:
            return
        given = of_rows(table.frame[names["rating"]], frame)
        ratings, said = read_values(table, names["rating"], given, takes_not_rated=False)
        self.notes += said
        columns = {
            "users": self._indices("user", frame["user"]),
            "items": self._indices("item", frame["item"]),
            "ratings": ratings.to_numpy(dtype=np.float64),
        }
        if "timestamps" in self.columns:
            columns |= self._times(table, of_rows(table.frame[names["timestamp"]], frame))
        self.ratings.add(columns["ratings"])
        for name, values in columns.items():
            append(self._files[name], values.astype(TYPES[name], copy=False))
        self.rows += len(frame)

    def _indices(self, kind: str, ids: pd.Series) -> np.ndarray:
        """From 1, in the order in which ids come up."""
        known = self.known[kind]
        places, distinct = pd.factorize(ids)
        return np.array([known.setdefault(text, len(known) + 1) for text in distinct], dtype=np.int32)[places]

    def _times(self, table: Table, values: pd.Series) -> dict[str, np.ndarray]:
        """The column of times; none, from here on, where a row has no time and only the column's name says so."""
        column = self.found.names["timestamp"]
        try:
            seconds, said = read_times(values, table.place, column)
        except InputError as error:
            why = str(error).partition(COUNTED)[0]
            if not self.guessed:
                raise InputError(why) from None
            self._go_on_without_times(why)
            return {}
        self.notes += said
        if pa.types.is_integer(self.data.type_of(column)) and not (seconds.to_numpy() == values.to_numpy()).all():
            raise InputError(
                f"{table.place(int(values.index[0]))}: the times in column {column!r} are no seconds since 1970, such "
                f"as {values.iloc[0]}, and --stream takes dates or whole seconds; write them so, or leave --stream out"
            )
        return {"timestamps": seconds.to_numpy(dtype=np.int64)}

    def _go_on_without_times(self, why: str) -> None:
        self.notes.append(f"no column is read as time because {why}")
        names = {kind: column for kind, column in self.found.names.items() if kind != "timestamp"}
        self.found = replace(self.found, names=names)
        self.columns = tuple(name for name in self.columns if name != "timestamps")


def _refused(source: str, spool: Spool, twice: Repeated, users: Ids, items: Ids) -> InputError:
    row = spool.take(np.array([twice.first]))
    user, item = users.text[row.users[0] - 1], items.text[row.items[0] - 1]
    return InputError(
        f"{source}: {twice.pairs} pairs are rated more than once, user {user!r} with item {item!r} for one; "
        "--duplicates last keeps the latest of each, --duplicates keep keeps all"
    )


def _in_order(spool: Spool, column: str, ids: Ids) -> Ids:
    """The ids in the order of their first rows, by which the column is numbered anew."""
    order = np.argsort(spool.first_rows(column, len(ids.text)))
    now = np.zeros(len(order) + 1, dtype=np.int64)
    now[order + 1] = np.arange(1, len(order) + 1)
    spool.renumber(column, now)
    return Ids(ids.text[order])


def _counted(spool: Spool) -> tuple[np.ndarray, np.ndarray]:
    found = Distinct("")
    for _, (ratings,) in spool.chunks("ratings"):
        found.add(ratings)
    return found.values, found.counts
