"""Folds that somebody has drawn: a column of the ratings names each row's fold."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from reeltune.trainables.data.ids import plain_ids
from reeltune.trainables.data.reading.frames import dense
from reeltune.trainables.data.reading.missing import MISSING
from reeltune.trainables.data.reading.tables import Table
from reeltune.trainables.errors import InputError

MOST_FOLDS = 20  # each is a search of its own: more values are most often the wrong column


@dataclass(frozen=True, kw_only=True)
class GivenFolds:
    """The folds' values in their order, and the fold of each row of the data, from 1, shape (rows,)."""

    values: tuple[str, ...]
    of_rows: np.ndarray

    @classmethod
    def of(cls, column: pd.Series) -> "GivenFolds":
        """Those of a column that `read_folds` has read."""
        return cls(values=tuple(column.cat.categories), of_rows=1 + column.cat.codes.to_numpy())


def read_folds(table: Table, column: str, values: pd.Series) -> pd.Series:
    """Each row's fold, as categories of text in the folds' order: by number if all values are numbers, else by text.

    `values` are rows of a column, by their place in the table. Raises InputError at a missing value, and unless there
    are 2 to MOST_FOLDS different ones.
    """
    table.refuse_line_breaks(column)
    codes, distinct = pd.factorize(dense(values))
    text = plain_ids(pd.Series([str(value) for value in distinct], dtype="str"))
    known = ~text.str.lower().isin(MISSING).to_numpy()
    missing = ~np.append(known, False)[codes]  # -1, no value at all, is the last place
    if missing.any():
        place = table.place(int(values.index[int(missing.argmax())]))
        raise InputError(
            f"{place}: the fold in column {column!r} is missing; with --split folds:{column} each row needs one"
        )
    ordered = _in_order(text)
    _refuse_count(ordered, table.source, column)
    places = pd.Index(ordered).get_indexer(pd.Index(text))
    return pd.Series(pd.Categorical.from_codes(places[codes], categories=pd.Index(ordered)), index=values.index)


def _in_order(text: pd.Series) -> list[str]:
    distinct = sorted(set(text))
    numbers = pd.to_numeric(pd.Series(distinct), errors="coerce")
    return distinct if numbers.isna().any() else [distinct[place] for place in np.argsort(numbers, kind="stable")]


def _refuse_count(values: list[str], source: str, column: str) -> None:
    if len(values) < 2:
        raise InputError(
            f"{source}: column {column!r} is {values[0]!r} in every row; --split folds:{column} needs at least 2 folds"
        )
    if len(values) > MOST_FOLDS:
        raise InputError(
            f"{source}: column {column!r} has {len(values):,} different values; --split folds:{column} makes a search "
            f"of each, and takes {MOST_FOLDS} at most"
        )
