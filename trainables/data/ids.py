"""Ids of users and items: anybody's text or whole numbers, compared as text."""

from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd

from reeltune.trainables.data.reading.frames import dense
from reeltune.trainables.data.reading.missing import MISSING
from reeltune.trainables.data.reading.tables import Table
from reeltune.trainables.errors import InputError

MissingIds = Literal["error", "drop"]
LARGEST_WHOLE = 2**53  # beyond it floats skip whole numbers


class Ids:
    """The ids of users or of items as text; the one at place k of `text` has index k + 1, any other 0."""

    def __init__(self, text: np.ndarray | pd.Index) -> None:
        self.text = pd.Index(text, dtype="str")

    @property
    def rows(self) -> int:
        """Rows of an embedding table: every id, and 'unknown'."""
        return len(self.text) + 1

    def plain(self, ids: pd.Index) -> pd.Index:
        """Typed ids as they are known; those that are not, as `plain_ids` has them."""
        found = self.encode(ids)
        return pd.Index(np.where(found > 0, np.append("", self.text)[found], plain_ids(ids.to_series())), dtype="str")

    def encode(self, ids: pd.Series | pd.Index | np.ndarray | list) -> np.ndarray:
        """Map ids of shape (n,), as text or whole numbers, to int32 indices; unknown ones to 0.

        Text is looked up as it stands, and then as `plain_ids` has it.
        """
        ids = pd.Series(ids)
        if isinstance(ids.dtype, pd.CategoricalDtype) and ids.notna().all():
            return self.encode(ids.cat.categories)[ids.cat.codes]
        wanted = pd.Index(as_text(ids), dtype="str")
        found = self.text.get_indexer(wanted)
        lost = found < 0
        if lost.any():
            first, places = self._plain
            found[lost] = places[first.get_indexer(pd.Index(plain_ids(wanted[lost].to_series())))]
        return (found + 1).astype(np.int32)

    @cached_property
    def _plain(self) -> tuple[pd.Index, np.ndarray]:
        """Ids as `plain_ids` has them, each once, and their places in `text`; then -1, of none.

        Bundles of earlier versions have ids as they stood in the file.
        """
        plain = plain_ids(self.text.to_series())
        return pd.Index(plain[~plain.duplicated()]), np.append(np.flatnonzero(~plain.duplicated()), -1)


def as_text(ids: pd.Series) -> pd.Series:
    """Ids as text: integer 7 is '7', and so is 7.0. Raises ValueError at a missing id or another float."""
    if ids.isna().any():
        raise ValueError(f"id {int(ids.isna().argmax())} is missing")
    if pd.api.types.is_float_dtype(ids):
        broken = not_whole(ids)
        if broken.any():
            raise ValueError(f"id {int(broken.argmax())} is {ids.iloc[int(broken.argmax())]}, no whole number")
        ids = ids.astype("int64")
    return ids.astype("str")


def not_whole(ids: pd.Series) -> np.ndarray:
    """Which float ids are no whole number, or too large for a float to tell it from its neighbours."""
    values = ids.to_numpy(dtype=np.float64, na_value=np.nan)
    return (values % 1 != 0) | (np.abs(values) > LARGEST_WHOLE)


def plain_ids(text: pd.Series) -> pd.Series:
    """Ids of text without spaces around; whole numbers without a fraction of zeros.

    So 27.0, as a table with gaps writes 27, is the same user in each file, whatever else its column holds. Zeros at the
    front stay: 007 is not 7.
    """
    return text.str.strip().str.replace(r"^([+-]?\d+)\.0+$", r"\1", regex=True)


def read_ids(table: Table, column: str) -> tuple[pd.Series, tuple[str, ...]]:
    """The ids of a column, and what was changed in reading them.

    They are categories of text, so that each id is there once however many rows it has, with NaN for missing ones.
    Raises InputError, with the line, at a number that is not whole, at a column of lists or records, and at text that
    is no Unicode.
    """
    table.refuse_line_breaks(column)
    nested = table.first_nested(column)
    if nested is not None:
        raise InputError(
            f"{table.place(nested)}: the id in column {column!r} is a list or a record, "
            f"{str(table.frame[column].iloc[nested])[:SHOWN]}; expected text or a whole number: write one value a row"
        )
    if column in table.surrogates:
        row = table.surrogates[column]
        raise InputError(
            f"{table.place(row)}: the id in column {column!r} has half a character in it, "
            f"{str(table.frame[column].iloc[row])[:SHOWN]!r}: it is lost, and ids that differ in it would be one; "
            "write the whole character (such an escape as \\ud83d stands before another), or leave it out"
        )
    values = dense(table.frame[column])
    if pd.api.types.is_float_dtype(values):
        broken = not_whole(values) & values.notna().to_numpy()
        if broken.any():
            row = int(broken.argmax())
            raise InputError(
                f"{table.place(row)}: the id in column {column!r} is {values.iloc[row]}; "
                "expected text or a whole number"
            )
        values = values.astype("Int64")
    # Most ids are there many times: each is looked at once.
    codes, distinct = pd.factorize(values)
    written = pd.Series(_text_of(distinct), dtype="str")
    plain = plain_ids(written)
    notes = _changes(written, plain, column)
    plain = plain.where(~plain.str.lower().isin(MISSING))
    # Two may be one without their spaces; -1 is a missing one, also of the rows (the last place).
    places, known = pd.factorize(plain)
    ids = pd.Categorical.from_codes(
        np.append(places, -1).astype(np.int32)[codes], categories=pd.Index(known, dtype="str"), validate=False
    )
    return pd.Series(ids, index=values.index), notes


def refuse_missing(table: Table, columns: dict[str, pd.Series]) -> None:
    """Raise InputError, with the line, at the first missing id of these columns."""
    for column, ids in columns.items():
        if not ids.isna().any():
            continue
        row = int(ids.isna().to_numpy().argmax())
        found = dense(table.frame[column]).iloc[row]
        if pd.isna(found) or not str(found).strip():
            raise InputError(f"{table.place(row)}: the id in column {column!r} is missing; {WAY_OUT}")
        raise InputError(
            f"{table.place(row)}: the id in column {column!r} is missing ({found!r}); {WAY_OUT}. One that is really "
            f"called {found!r} cannot be told apart: give it another name in the file"
        )


SHOWN = 60  # characters of a value in a message
WAY_OUT = "--missing-ids drop leaves such rows out"


def _text_of(distinct: pd.Index | np.ndarray | pd.api.extensions.ExtensionArray) -> Any:
    """These values as text; a column of text is that already."""
    return distinct if isinstance(distinct.dtype, pd.StringDtype) else [str(value) for value in distinct]


def _changes(written: pd.Series, plain: pd.Series, column: str) -> tuple[str, ...]:
    notes = []
    stripped = written.str.strip()
    for changed, said in (
        (written != stripped, "spaces around ids in column {column!r} are left out"),
        (stripped != plain, "ids such as {before!r} in column {column!r} are read as {after!r}"),
    ):
        if changed.any():
            row = int(changed.to_numpy().argmax())
            notes.append(said.format(column=column, before=stripped.iloc[row], after=plain.iloc[row]))
    return tuple(notes)
