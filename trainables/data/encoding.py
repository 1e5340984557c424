"""A side table's columns as features: one for each value, for each of several values, or for each range of numbers.

Ratings have no part in it: nothing of a test row can get in.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from reeltune.trainables.data.cells import (
    columns_of,
    holds_lists,
    known,
    names_its_rows,
    numbers_of,
    parts_of,
    shown,
    text_of,
)
from reeltune.trainables.data.features import Features

FEWEST_ROWS = 2  # a value of a single row says nothing that its id does not
MOST_VALUES = 1000  # features of one column
BINS = 10


@dataclass(frozen=True, kw_only=True)
class SideColumn:
    """How a column of a side table was read, in how many features, and what was left out of it and why."""

    name: str
    kind: Literal["category", "list", "number", "nothing"] = "nothing"
    features: int = 0
    left_out: str = ""


@dataclass(frozen=True, kw_only=True)
class Block:
    """The features of one column: row rows[k], an index of users or of items, has the value values[codes[k]]."""

    column: SideColumn
    values: list[str]
    rows: np.ndarray
    codes: np.ndarray


def encode(frame: pd.DataFrame, indices: np.ndarray, *, rows: int) -> tuple[Features, tuple[SideColumn, ...]]:
    """Encode a table whose row k is about the user or item `indices[k]`, one of `rows`, 0 being 'unknown'.

    Of several rows about one, the first value counts; where a column has several values at once, all of them do.
    """
    blocks = [_block(name, values, indices) for name, values in columns_of(frame)]
    return _features(blocks, rows), tuple(block.column for block in blocks)


def _block(name: str, values: pd.Series, indices: np.ndarray) -> Block:
    by_row = pd.Series(values.array, index=indices).dropna()
    if holds_lists(by_row):
        return _several(name, known(by_row.explode().dropna()))
    text = text_of(by_row)
    if text.empty:
        return _left_out(name, "no values")
    numbers = numbers_of(name, text)
    if numbers is not None:
        return _ranges(name, _first_of_each(numbers))
    parts = parts_of(text)
    if parts is not None:
        return _several(name, parts)
    text = _first_of_each(text)
    if names_its_rows(text):
        return _left_out(name, f"{text.nunique():,} distinct values in {len(text):,} rows")
    if text.nunique() == 1 and len(text) == len(np.unique(indices)):
        return _left_out(name, "the same value in all rows")
    return _values(name, "category", text)


def _first_of_each(values: pd.Series) -> pd.Series:
    return values[~values.index.duplicated()]


def _several(name: str, parts: pd.Series) -> Block:
    repeated = pd.MultiIndex.from_arrays([parts.index, parts]).duplicated()
    return _values(name, "list", parts[~repeated])


def _values(name: str, kind: Literal["category", "list"], text: pd.Series) -> Block:
    """A feature for each value that enough rows have, the most frequent ones where they are too many."""
    counts = text.value_counts()
    counts = counts[counts >= FEWEST_ROWS].sort_index().sort_values(ascending=False, kind="stable")
    if counts.empty:
        return _left_out(name, "no two rows have the same value")
    values = sorted(counts.index[:MOST_VALUES], key=_in_order)
    rare = f"all but the {MOST_VALUES:,} most frequent of {len(counts):,} values" if len(counts) > MOST_VALUES else ""
    column = SideColumn(name=name, kind=kind, features=len(values), left_out=rare)
    codes = pd.Index(values).get_indexer(pd.Index(text))
    kept = codes >= 0
    return Block(column=column, values=values, rows=text.index.to_numpy()[kept], codes=codes[kept])


def _in_order(value: str) -> tuple[float, str]:
    """Numbers by size and before words."""
    try:
        number = float(value)
    except ValueError:
        number = np.inf
    return (np.inf if np.isnan(number) else number), value


def _ranges(name: str, numbers: pd.Series) -> Block:
    """A feature for each of about ten ranges that as many rows have; fewer where that leaves one row for a range."""
    values = numbers.to_numpy()
    count = min(BINS, len(values) // FEWEST_ROWS)
    if count < 2 or len(np.unique(values)) < 2:
        return _left_out(name, f"{len(values)} rows are too few for ranges of numbers")
    edges = np.unique(np.quantile(values, np.arange(1, count) / count, method="inverted_cdf"))
    bins = np.searchsorted(edges, values, side="left")
    labels: list[str] = []
    rows, codes = [], []
    for number in np.unique(bins):
        inside = bins == number
        if inside.sum() < FEWEST_ROWS:
            continue
        low, high = shown(values[inside].min()), shown(values[inside].max())
        label = low if low == high else f"{low}-{high}"
        rows.append(numbers.index.to_numpy()[inside])
        codes.append(np.full(inside.sum(), len(labels)))
        labels.append(f"{label} ({number})" if label in labels else label)  # of numbers alike in six digits
    column = SideColumn(name=name, kind="number", features=len(labels))
    return Block(column=column, values=labels, rows=np.concatenate(rows), codes=np.concatenate(codes))


def _left_out(name: str, why: str) -> Block:
    none = np.empty(0, dtype=np.int64)
    return Block(column=SideColumn(name=name, left_out=why), values=[], rows=none, codes=none)


def _features(blocks: list[Block], rows: int) -> Features:
    """All blocks side by side; several values of one column weigh as much as one: 1/√(how many they are)."""
    names: list[str] = []
    at, columns, weights = ([np.empty(0)] for _ in range(3))
    for block in blocks:
        at.append(block.rows)
        columns.append(block.codes + len(names))
        weights.append(1 / np.sqrt(np.bincount(block.rows, minlength=1)[block.rows]))
        names += [f"{block.column.name}={value}" for value in block.values]
    row, column = np.concatenate(at).astype(np.int64), np.concatenate(columns).astype(np.int64)
    order = np.lexsort((column, row))
    return Features(
        offsets=np.concatenate([[0], np.cumsum(np.bincount(row, minlength=rows))]),
        columns=column[order],
        weights=np.concatenate(weights)[order].astype(np.float32),
        names=tuple(names),
    )
