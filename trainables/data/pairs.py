"""Pairs to be rated: a table of them at once, or a large file some rows at a time."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from reeltune.trainables.data.columns import Columns
from reeltune.trainables.data.ids import Ids
from reeltune.trainables.data.readers import (
    Read,
    Reading,
    about_left_out,
    id_columns,
    notes_of_file,
    of_rows,
    refuse_none,
)
from reeltune.trainables.data.reading.frames import Source, table_of
from reeltune.trainables.data.reading.tables import Table
from reeltune.trainables.data.strangers import Strangers, refuse_strangers
from reeltune.trainables.data.times import read_times
from reeltune.trainables.errors import InputError

# What differs between notes of one kind: an id, a count, a line; and before it what does not, the name of a column.
OF_A_ROW = re.compile(r"(column '[^']*')|'[^']*'|\d[\d,]*")


@dataclass(frozen=True, kw_only=True)
class ReadPairs:
    """Pairs to be rated: the rows as they stand, and user and item indices (0 for unknown ids), shape (rows,).

    `times`, in seconds since 1970, only where they were asked for.
    """

    frame: pd.DataFrame
    rows: int  # of the table, with those that are left out
    users: np.ndarray
    items: np.ndarray
    times: np.ndarray | None
    notes: tuple[str, ...] = ()


def read_pairs(
    source: Source, *, users: Ids, items: Ids, reading: Reading | None = None, timed: bool = False
) -> ReadPairs:
    """Read pairs to be rated, with their times where the model is a `timed` one."""
    reader = PairReader(users=users, items=items, reading=reading or Reading(), timed=timed)
    read = reader.read(table_of(source))
    return replace(read, notes=reader.notes())


@dataclass(frozen=True, kw_only=True)
class Told:
    """What is to be said of the tables of a file so far."""

    source: str
    said: tuple[str, ...]  # first the line on the columns, which are those of the first table
    left_out: int
    strangers: Strangers
    first: Mapping[str, str]  # the first id of each kind; empty where there is no row

    def plus(self, more: "Told") -> "Told":
        """Of these tables and of more."""
        return Told(
            source=self.source,
            said=(*self.said, *more.said[1:]),
            left_out=self.left_out + more.left_out,
            strangers=self.strangers.plus(more.strangers),
            first=self.first or more.first,
        )


class PairReader:
    """Reads the pairs of a file, given as one table or as several of the same columns, and counts what is unknown.

    `told` is of the tables so far. Those that another reader of the same `reading` has read, elsewhere, are added by
    `add`.
    """

    told: Told | None = None

    def __init__(self, *, users: Ids, items: Ids, reading: Reading, timed: bool) -> None:
        self.users, self.items, self.timed = users, items, timed
        self.reading = replace(reading, columns=replace(reading.columns, rating=None), timed=timed)

    def read(self, table: Table) -> ReadPairs:
        """The pairs of the next table. Raises InputError where it cannot be read."""
        read = id_columns(table, self.reading, needed=("user", "item"))
        times = _times(read, table) if self.timed else None
        found = read.found.only("user", "item", *(("timestamp",) if self.timed else ()))
        users, items = self.users.encode(read.frame["user"]), self.items.encode(read.frame["item"])
        self.add(
            Told(
                source=table.source,
                said=notes_of_file(table.source, replace(read, found=found)),
                left_out=read.left_out,
                strangers=Strangers.of(users, items),
                first={kind: read.frame[kind].iloc[0] for kind in ("user", "item") if len(read.frame)},
            )
        )
        # Columns are found once, by the first of a file's tables.
        self.reading = replace(self.reading, columns=Columns(**found.names))
        return ReadPairs(
            frame=table.frame.loc[read.frame.index],
            rows=len(table.frame),
            users=users,
            items=items,
            times=times,
        )

    def add(self, more: Told) -> None:
        self.told = more if self.told is None else self.told.plus(more)

    def warnings(self) -> tuple[str, ...]:
        """A line for users and for items where none of the tables so far is known and `notes` would refuse that."""
        told = self.told
        if told is None or self.reading.unknown_ids != "error" or not told.strangers.rows:
            return ()
        total = told.strangers
        return tuple(
            f"WARNING: {told.source}: none of the {kind}s of its first {total.rows:,} rows is known: it has {kind}s "
            f"such as {told.first[kind]!r}, and the known ones are such as {known.text[0]!r}; if none follows, "
            "nothing is written (--unknown-ids allow, if all of them are new)"
            for kind, unknown, known in (("user", total.users, self.users), ("item", total.items, self.items))
            if unknown == total.rows
        )

    def notes(self) -> tuple[str, ...]:
        """What was guessed or left out in all tables. Raises InputError where no user, or no item, is known."""
        told = self.told
        assert told is not None, "a file has a table"
        total = told.strangers
        refuse_none(told.source, total.rows)
        for kind, unknown, known in (("user", total.users, self.users), ("item", total.items, self.items)):
            some = np.array([total.rows > unknown])
            refuse_strangers(kind, told.source, some, told.first[kind], known.text[0], self.reading.unknown_ids)
        left_out = tuple(f"{told.source}: {line}" for line in about_left_out(told.left_out))
        unknown_ids = total.note(told.source)
        return (*once(told.said), *left_out, *((unknown_ids,) if unknown_ids else ()))


def once(notes: Iterable[str]) -> tuple[str, ...]:
    """The notes, of those of one kind the first, and how many parts of the file had another such."""
    kinds: dict[str, list[str]] = {}
    for note in dict.fromkeys(notes):
        kinds.setdefault(OF_A_ROW.sub(r"\1", note), []).append(note)
    return tuple(
        first if not more else f"{first}; and the like in {len(more):,} other parts" for first, *more in kinds.values()
    )


def _times(read: Read, table: Table) -> np.ndarray:
    """The times of pairs that must have them."""
    name = read.found.names.get("timestamp")
    if name is None:
        names = ", ".join(map(str, table.frame.columns))
        raise InputError(
            f"{table.source}: no column of times, which this model needs; found {names} (name it: --time-column NAME)"
        )
    times, _ = read_times(of_rows(table.frame[name], read.frame), table.place, name)
    return times.to_numpy(dtype=np.int64)
