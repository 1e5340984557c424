"""What to say where a table's columns cannot be told: what was found, and options that help."""

from collections.abc import Collection, Sequence

import pandas as pd

from reeltune.trainables.data.reading.header import CODES, TAKEN, can_be_rating, can_be_time, counts_rows
from reeltune.trainables.data.reading.matrix import looks_like_matrix
from reeltune.trainables.data.reading.tables import Table

SHOWN = 12  # columns, or cells of a row
OPTION = {"timestamp": "time"}  # where an option is called otherwise
SAMPLE = 500  # rows
CHARACTERS = 60  # of a line


def way_out(table: Table, missing: Sequence[str], *, taken: Collection[str] = (), takes_matrix: bool = True) -> str:
    """What was found in place of columns for users, items and ratings, and how to name them beside those `taken`."""
    if looks_like_matrix(table):
        columns = len(table.frame.columns)
        # Pairs to be rated are never read as a matrix, nor are some tables of ratings.
        expected = "expected a row for each rating" if "rating" in missing else "expected a row for each pair"
        hint = "--matrix reads a row for each user" if "rating" in missing and takes_matrix else expected
        return f"looks like a matrix: {columns} columns of numbers ({hint})"
    if len(table.frame.columns) == 1 < len(missing):
        line = str(table.frame.columns[0]) if not table.headerless else str(table.frame.iloc[0, 0])
        known = "separators are , ; | :: tabs and blanks, or another that a first line such as sep=^ says"
        return f"found a single column, {line[:CHARACTERS]!r} ({known})"
    if table.headerless:
        row = f"no header line; the first row is {_listed([str(cell) for cell in table.frame.iloc[0]])}"
        if len(table.frame.columns) - len(taken) < len(missing) or missing == ["rating"]:
            return f"{row} (ratings need a column of users, one of items and one of ratings)"
        numbers = _numbers(table.frame, missing, taken).items()
        options = " ".join(f"--{OPTION.get(kind, kind)}-column {number}" for kind, number in numbers)
        return f"{row} (name columns by number, such as {options})"
    there = f"found {_listed(list(table.frame.columns))}"
    if missing == ["rating"] and len(table.frame.columns) < 3:
        return f"{there} (ratings need a column of users, one of items and one of ratings)"
    options = " ".join(f"--{kind}-column NAME" for kind in missing)
    if any(note.startswith(TAKEN) for note in table.notes):
        return f"{there} in line 1 (if that is a row, put a line with the columns' names above it; else: {options})"
    return f"{there} (name it: {options})"


def _listed(cells: list[str]) -> str:
    more = f", ... ({len(cells)} in all)" if len(cells) > SHOWN else ""
    return ", ".join(cells[:SHOWN]) + more


def _numbers(frame: pd.DataFrame, kinds: Sequence[str], taken: Collection[str]) -> dict[str, int]:
    """A column's number for each kind, and for times where there are some, as the first rows make likely."""
    head = frame.iloc[:SAMPLE].fillna("").astype(str)
    places = [place for place, name in enumerate(head.columns) if name not in taken]
    columns = {place + 1: head.iloc[:, place].tolist() for place in places}
    free = [number for number, cells in columns.items() if not counts_rows(cells) and any(cells)]
    times = [number for number in free if can_be_time(columns[number])]
    free = [number for number in free if number not in times] or list(columns)
    few = [number for number in free if can_be_rating(columns[number]) and len(set(columns[number])) <= CODES]
    rating = min(few, key=lambda number: len(set(columns[number])), default=free[-1])
    ids = iter([number for number in free if number != rating] + list(columns))
    found = {kind: rating if kind == "rating" else next(ids) for kind in kinds}
    return {**found, "timestamp": times[0]} if times and "rating" in kinds else found
