"""The pairs that `recommend` leaves out: a table that is read some rows at a time, or a data set by name.

Of each pair stays one number, its place in the table of the wanted users by all items; no id stays as text.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from reeltune.trainables.bundle import Predictor
from reeltune.trainables.data import Ids, Ratings, Reading, has_known_columns, load_data, match
from reeltune.trainables.data.pairs import PairReader
from reeltune.trainables.data.reading.frames import Source, table_of
from reeltune.trainables.data.reading.parts import Parts, parts_of
from reeltune.trainables.errors import InputError

NONE = "none"  # as `--seen`: leave no pair out
ROOM = 1 << 16  # places to begin with, where a file does not say how many rows it has


def seen_places(
    asked: Source | Ratings | None, wanted: pd.Index, predictor: Predictor, reading: Reading
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Flat positions, sorted, of the seen pairs in the table of wanted users by all items; and notes on their file.

    Raises InputError if the pairs cannot be read, or if none are given.
    """
    rated = _rated_by_new(wanted, predictor)
    if isinstance(asked, str) and asked == NONE:
        return np.array([], dtype=np.int64), ()
    new = [user for each in predictor.added for user in each.text("user")]
    if asked is None and new and wanted.isin(new).all():
        return rated, ()
    if asked is None:
        raise InputError(
            "--seen: expected ratings whose pairs are left out (the model was fitted on "
            f"{predictor.description.data}), or none, which leaves out nothing"
        )
    # Of a user that is neither in the model nor wanted, something is wrong with the ids.
    users = Ids(predictor.users.text.append(wanted.difference(predictor.users.text)))
    place = np.concatenate([[0], Ids(wanted).encode(users.text)]).astype(np.int64)
    notes: list[str] = []
    found = _Places(place, width=len(predictor.items.text))
    for of_users, items, rows in _pairs(asked, users, predictor.items, reading, notes):
        found.add(of_users, items, rows)
    found.add_places(rated)
    return found.sorted(), tuple(notes)


class _Places:
    """Flat positions of pairs in the table of wanted users by items, which come some at a time."""

    def __init__(self, place: np.ndarray, *, width: int) -> None:
        """`place` holds, by index of a user, its place among the wanted, counted from 1; 0 for those not wanted."""
        self._place, self._width = place, width
        self._kept, self._count = np.empty(0, dtype=np.int64), 0

    def add(self, users: np.ndarray, items: np.ndarray, rows: int | None) -> None:
        """Take in pairs by index, 0 for unknown ids; `rows` is how many there are in all, if that is known."""
        if not len(self._kept):
            self._kept = np.empty(ROOM if rows is None else rows, dtype=np.int64)
        places = self._place[users]
        known = (places > 0) & (items > 0)
        self.add_places((places[known] - 1) * self._width + items[known] - 1)

    def add_places(self, places: np.ndarray) -> None:
        end = self._count + len(places)
        if end > len(self._kept):
            room = np.empty(max(end, 2 * len(self._kept)), dtype=np.int64)
            room[: self._count] = self._kept[: self._count]
            self._kept = room
        self._kept[self._count : end] = places
        self._count = end

    def sorted(self) -> np.ndarray:
        """All of them, ascending, each once."""
        found = self._kept[: self._count]
        found.sort()
        first = np.ones(len(found), dtype=bool)
        np.not_equal(found[1:], found[:-1], out=first[1:])
        return found if first.all() else found[first]


def _pairs(
    source: Source | Ratings, users: Ids, items: Ids, reading: Reading, notes: list[str]
) -> Iterator[tuple[np.ndarray, np.ndarray, int | None]]:
    """User and item indices, shape (pairs,), of some pairs at a time (0 for unknown ids), and how many rows there are.

    `notes` gets what is said of the table once all of it is read.
    """
    if isinstance(source, str) and has_known_columns(source):
        source = load_data(source, users=NONE, items=NONE)
    if isinstance(source, Ratings):
        ids = {
            "user": source.users.text[source.rows.users - 1],
            "item": source.items.text[source.rows.items - 1],
        }
        of_users, of_items, said = match(pd.DataFrame(ids), users, items, source.name, reading)
        notes.extend(said)
        yield of_users, of_items, len(of_users)
        return
    parts = parts_of(str(source)) if isinstance(source, (str, Path)) else Parts(tables=iter([table_of(source)]))
    reader = PairReader(users=users, items=items, reading=reading, timed=False)
    for table in parts.tables:
        read = reader.read(table)
        yield read.users, read.items, parts.rows
    notes.extend(reader.notes())


def _rated_by_new(wanted: pd.Index, predictor: Predictor) -> np.ndarray:
    """Flat positions, sorted, of the pairs that new users have rated."""
    if not predictor.added:
        return np.array([], dtype=np.int64)
    place = np.concatenate([[0], Ids(wanted).encode(predictor.users.text)]).astype(np.int64)
    found = _Places(place, width=len(predictor.items.text))
    for each in predictor.added:
        found.add(each.of_users, each.of_items, None)
    return found.sorted()
