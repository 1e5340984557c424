"""What to say where a table's columns cannot be told: what was found, and options that help."""

from collections.abc import Sequence

import pandas as pd

from reeltune.trainables.data.header import can_be_rating, can_be_time, counts_rows
from reeltune.trainables.data.matrix import looks_like_matrix
from reeltune.trainables.data.tables import Table

SHOWN = 12  # columns, or cells of a row
SAMPLE = 500  # rows


def way_out(table: Table, missing: Sequence[str]) -> str:
    """What was found in place of columns for users, items and ratings, and how to name them."""
    if looks_like_matrix(table):
        columns = len(table.frame.columns)
        return f"looks like a matrix: {columns} columns of numbers (--matrix reads a row for each user)"
    if table.headerless:
        row = _listed([str(cell) for cell in table.frame.iloc[0]])
        options = " ".join(f"--{kind}-column {number}" for kind, number in _numbers(table.frame, missing).items())
        return f"no header line; the first row is {row} (name columns by number, such as {options})"
    options = " ".join(f"--{kind}-column NAME" for kind in missing)
    return f"found {_listed(list(table.frame.columns))} (name it: {options})"


def _listed(cells: list[str]) -> str:
    more = f", ... ({len(cells)} in all)" if len(cells) > SHOWN else ""
    return ", ".join(cells[:SHOWN]) + more


def _numbers(frame: pd.DataFrame, kinds: Sequence[str]) -> dict[str, int]:
    """A column's number for each kind, as the first rows make likely."""
    head = frame.iloc[:SAMPLE].fillna("").astype(str)
    columns = {place + 1: head.iloc[:, place].tolist() for place in range(len(head.columns))}
    free = [number for number, cells in columns.items() if not counts_rows(cells) and any(cells)]
    times = [number for number in free if can_be_time(columns[number])]
    free = [number for number in free if number not in times] or list(columns)
    rated = [number for number in free if can_be_rating(columns[number])]
    rating = min(rated, key=lambda number: len(set(columns[number])), default=None) if len(free) > 2 else None
    ids = iter([number for number in free if number != rating] + list(columns))
    return {kind: rating if kind == "rating" and rating else next(ids) for kind in kinds}
