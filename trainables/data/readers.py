"""From a table to ratings: reads its columns, and says what was guessed or left out."""

import shlex
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from reeltune.trainables.data.columns import Columns, Found, find_columns
from reeltune.trainables.data.given_folds import read_folds
from reeltune.trainables.data.ids import Ids, MissingIds, read_ids, refuse_missing
from reeltune.trainables.data.ratings import Duplicates, Ratings, Rows, from_frame, without_duplicates
from reeltune.trainables.data.reading.frames import Source, dense, in_code, table_of
from reeltune.trainables.data.reading.matrix import looks_like_matrix, melted
from reeltune.trainables.data.reading.tables import Table
from reeltune.trainables.data.strangers import Strangers, UnknownIds, refuse_strangers
from reeltune.trainables.data.times import read_times
from reeltune.trainables.data.unrated import NotRated, is_not_rated, questions, values_of
from reeltune.trainables.data.values import as_numbers, read_values
from reeltune.trainables.data.weights import about_weights, read_weights
from reeltune.trainables.errors import InputError

RATED = ("user", "item", "rating")
MANY_REPEATED = 0.05  # a larger share of repeated pairs may mean that the wrong column was read as items


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What somebody says of a table: its columns, and what of it is to be left out."""

    columns: Columns = field(default_factory=Columns)
    not_rated: tuple[str, ...] = ()  # ratings that mean 'not rated': their rows are left out
    missing_ids: MissingIds = "error"  # "drop" leaves out rows without a user or an item
    unknown_ids: UnknownIds = "error"  # "allow" takes a file all of whose users, or items, are unknown
    matrix: bool = False  # the table has a row for each user and a column for each item
    takes_matrix: bool = True  # whether that can be said of it
    timed: bool = True  # whether a column of times is looked for, if none is named
    of_model: Columns = field(default_factory=Columns)  # the names that the data of a model beside the table had

    def beside(self, of_model: Columns) -> "Reading":
        """The same of a table beside a model whose data had columns of these names."""
        return replace(self, of_model=of_model)


@dataclass(frozen=True, kw_only=True)
class ReadRows:
    """Rows of another file, in the indices of known ratings, and what was guessed in reading them."""

    rows: Rows
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Read:
    """A table's ids as text and whatever else was asked for, by the row's place in the table."""

    frame: pd.DataFrame
    found: Found
    notes: tuple[str, ...] = ()
    untimed: str = ""
    left_out: int = 0  # rows without a user or an item


def read_ratings(
    source: Source,
    *,
    columns: Columns | None = None,
    duplicates: Duplicates = "last",
    not_rated: NotRated = (),
    missing_ids: MissingIds = "error",
    matrix: bool = False,
) -> Ratings:
    """Read ratings of any known format, or a table in memory. Raises InputError that names the file and the line."""
    reading = Reading(
        columns=columns or Columns(), not_rated=values_of(not_rated), missing_ids=missing_ids, matrix=matrix
    )
    if isinstance(source, (str, Path)):
        return _ratings(source, reading, duplicates)
    # For somebody who has no command line.
    try:
        ratings = _ratings(source, reading, duplicates)
    except InputError as error:
        raise InputError(in_code(str(error))) from None
    notes, line = tuple(in_code(note) for note in ratings.notes), in_code(ratings.columns_line)
    return replace(ratings, notes=notes, columns_line=line, untimed=in_code(ratings.untimed))


def _melted(table: Table, reading: Reading) -> Table:
    columns = reading.columns
    return melted(table, user=columns.user, item=columns.item, rating=columns.rating, not_rated=reading.not_rated)


def _is_matrix(table: Table, reading: Reading) -> bool:
    """Whether a table has a row for each user, as far as its numbers or the names of its columns tell."""
    if looks_like_matrix(table) or table.headerless:
        return looks_like_matrix(table)
    try:
        find_columns(table, reading.columns, needed=RATED)
    except InputError:
        return True
    return False


def _ratings(source: Source, reading: Reading, duplicates: Duplicates) -> Ratings:
    name, read = read_frame(source, reading)
    ratings = from_frame(read.frame, name=name, duplicates=duplicates)
    notes = (
        *read.notes,
        *_about_weights(read, ratings.rows),
        *about_repeated(ratings.dropped, len(read.frame), read.found),
    )
    notes = (*notes, *questions(ratings.rows.ratings))
    return replace(ratings, notes=notes, columns=read.found.names, columns_line=read.found.line(), untimed=read.untimed)


def read_frame(source: Source, reading: Reading) -> tuple[str, Read]:
    """A table's name, and its ids, ratings and times as read. The table itself, which may take gigabytes, is let go."""
    table = table_of(source)
    if reading.matrix:
        table = _melted(table, reading)
    return table.source, _rated(table, reading)


def read_more(
    source: Source, known: Ratings, reading: Reading | None = None, *, duplicates: Duplicates = "last"
) -> ReadRows:
    """Read rows of somebody's own test file, in the indices of `known`: ids that it lacks become 0.

    A pair that is rated twice is judged twice; that is said unless `duplicates` is "keep", and an InputError if it is
    "error".
    """
    table, reading = table_of(source), replace(reading or Reading(), takes_matrix=False)
    if reading.matrix and _is_matrix(table, reading):  # a test file may be one, but need not
        table = _melted(table, reading)
    read = _rated(table, reading)
    frame = read.frame
    users, items, note = match(frame, known.users, known.items, table.source, reading)
    strangers = np.array(frame["user"], dtype=object)
    strangers[users > 0] = None
    rows = Rows(
        number=frame.index.to_numpy(dtype=np.int64),
        users=users,
        items=items,
        ratings=frame["rating"].to_numpy(dtype=np.float64),
        timestamps=frame["timestamp"].to_numpy(dtype=np.int64) if "timestamp" in frame else None,
        strangers=strangers,
        weights=frame["weight"].to_numpy(dtype=np.float64) if "weight" in frame else None,
    )
    _, repeated = without_duplicates(frame, name=table.source, duplicates=duplicates)
    twice = (f"repeated pairs, whose ratings are all judged: {repeated:,}",) if repeated else ()
    read = replace(read, notes=(*read.notes, *_about_weights(read, rows), *twice))
    return ReadRows(rows=rows, notes=(*notes_of_file(table.source, read), *note))


def read_rated(source: Source, reading: Reading) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Rated pairs of ids that need not be known: text `user` and `item`, float `rating`, and what was guessed."""
    table = table_of(source)
    try:
        reading = replace(reading, timed=False, takes_matrix=False, of_model=replace(reading.of_model, timestamp=None))
        read = _rated(table, replace(reading, columns=replace(reading.columns, timestamp=None, weight=None)))
    except InputError as error:
        raise InputError(str(error).partition("; --not-rated")[0]) from None  # no option of who folds in
    read = replace(read, found=read.found.only("user", "item", "rating"))
    return read.frame[["user", "item", "rating"]], notes_of_file(table.source, read)


def read_users(source: Source, reading: Reading) -> tuple[pd.Series, tuple[str, ...]]:
    """The ids in a table's column of users, as text, and what was guessed in reading them."""
    table = table_of(source)
    reading = replace(reading, columns=Columns(user=reading.columns.user), timed=False)
    read = _pairs(table, reading, needed=("user",))
    return read.frame["user"].astype("str"), notes_of_file(table.source, replace(read, found=read.found.only("user")))


def _pairs(table: Table, reading: Reading, *, needed: tuple[str, ...]) -> Read:
    """The ids of a table. Raises InputError at a missing one, unless such rows are to be left out."""
    read = id_columns(table, reading, needed=needed)
    refuse_none(table.source, len(read.frame))
    return replace(read, notes=(*read.notes, *about_left_out(read.left_out)))


def id_columns(table: Table, reading: Reading, *, needed: tuple[str, ...]) -> Read:
    """As `_pairs`, of a part of a file: all of its rows may be left out, and nothing is said of how many are."""
    found = find_columns(
        table,
        reading.columns,
        needed=needed,
        of_model=reading.of_model,
        timed=reading.timed,
        takes_matrix=reading.takes_matrix,
    )
    ids, notes = {}, list(table.notes)
    for kind in needed:
        if kind in ("user", "item"):
            ids[kind], said = read_ids(table, found.names[kind])
            notes += said
    frame = pd.DataFrame(ids)
    if weight := found.names.get("weight"):  # such rows are as if they were not there, whatever else is in them
        counted = ~as_numbers(dense(table.frame[weight])).eq(0).to_numpy()
        if counted.any() and not counted.all():
            notes.append(f"rows of weight 0 in column {weight!r}, which are left out: {int((~counted).sum()):,}")
            frame = frame[counted]
    missing = frame.isna().any(axis=1)
    if missing.any():
        if reading.missing_ids == "error":
            refuse_missing(table, {found.names[kind]: frame[kind] for kind in ids})
        frame = frame[~missing]
    return Read(frame=frame, found=found, notes=tuple(notes), left_out=int(missing.sum()))


def refuse_none(source: str, rows: int) -> None:
    """Raise InputError where no rows are left."""
    if not rows:
        raise InputError(f"{source}: no row has both a user and an item")


def about_left_out(rows: int) -> tuple[str, ...]:
    return (f"rows without a user or an item, which are left out: {rows:,}",) if rows else ()


def _rated(table: Table, reading: Reading) -> Read:
    """The ids, ratings and, where there are any, times of a table."""
    read = _pairs(table, reading, needed=RATED)
    frame, notes = read.frame, read.notes
    column = read.found.names["rating"]
    values = of_rows(table.frame[column], frame)
    if reading.not_rated:
        unrated, said = is_not_rated(values, reading.not_rated)
        if unrated.all():
            raise InputError(f"{table.source}: every row is 'not rated': --not-rated {' '.join(reading.not_rated)}")
        frame, values, notes = frame[~unrated], values[~unrated], (*notes, *said)
    ratings, said = read_values(table, column, values)
    read = _weighted(replace(read, frame=frame.assign(rating=ratings), notes=(*notes, *said)), table)
    if fold := read.found.names.get("fold"):
        folds = read_folds(table, fold, of_rows(table.frame[fold], read.frame))  # of rows that are left: none is empty
        read = replace(read, frame=read.frame.assign(fold=folds))
    return _timed(read, table, reading.columns)


def _weighted(read: Read, table: Table) -> Read:
    """The rows with their weights, if a column of them is asked for."""
    name = read.found.names.get("weight")
    if name is None:
        return read
    weights = read_weights(table, name, of_rows(table.frame[name], read.frame))
    return replace(read, frame=read.frame.assign(weight=weights))


def _about_weights(read: Read, rows: Rows) -> tuple[str, ...]:
    return () if rows.weights is None else about_weights(read.found.names["weight"], rows.weights)


def of_rows(column: pd.Series, rows: pd.DataFrame) -> pd.Series:
    """A table's column for these of its rows; without a copy if they are all."""
    return column if len(column) == len(rows) else column.loc[rows.index]


def _timed(read: Read, table: Table, columns: Columns) -> Read:
    """The rows with their times; where a column is no time and only its name says so, without."""
    name = read.found.names.get("timestamp")
    if name is None:
        dates = read.found.dates
        called = (
            f"{', '.join(map(repr, dates))} has no usual name of one"
            if dates
            else "none is called timestamp, time or date"
        )
        way_out = f"--time-column {shlex.quote(dates[0]) if dates else 'NAME'} reads it"
        return replace(read, untimed=f"no column is read as time because {called} ({way_out})")
    try:
        times, said = read_times(of_rows(table.frame[name], read.frame), table.place, name)
    except InputError as error:
        if columns.timestamp is not None:
            raise
        # Most of the work needs no time.
        untimed = f"no column is read as time because {error}"
        names = {kind: column for kind, column in read.found.names.items() if kind != "timestamp"}
        return replace(read, untimed=untimed, notes=(*read.notes, untimed), found=replace(read.found, names=names))
    return replace(read, frame=read.frame.assign(timestamp=times), notes=(*read.notes, *said))


def match(
    frame: pd.DataFrame, users: Ids, items: Ids, file: str, reading: Reading
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Indices of users and items, and a line on how many are unknown. Raises InputError where all of a kind are."""
    found = {"user": users.encode(frame["user"]), "item": items.encode(frame["item"])}
    for kind, known in (("user", users), ("item", items)):
        refuse_strangers(kind, file, found[kind], frame[kind].iloc[0], known.text[0], reading.unknown_ids)
    note = Strangers.of(found["user"], found["item"]).note(file)
    return found["user"], found["item"], (note,) if note else ()


def notes_of_file(source: str, read: Read) -> tuple[str, ...]:
    """The notes on a file that is read beside others, with its name where a note does not have it."""
    notes = []
    for line in (read.found.line(), *read.notes):
        loud, plain = ("WARNING: ", line[9:]) if line.startswith("WARNING: ") else ("", line)
        notes.append(line if source in line else f"{loud}{source}: {plain}")
    return tuple(notes)


def about_repeated(dropped: int, rows: int, found: Found) -> tuple[str, ...]:
    """A warning where many of the rows were repeated pairs."""
    share = dropped / rows
    if share <= MANY_REPEATED:
        return ()
    item = found.names["item"]
    return (
        f"WARNING: {share:.0%} of the rows are repeated pairs, and of each pair the latest alone is kept: is {item!r} "
        "the column of items? (--item-column NAME reads another, --duplicates keep keeps all)",
    )
