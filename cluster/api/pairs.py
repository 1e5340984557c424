"""Ids and ratings as a person types them: single ids, columns of ids, the ratings of one new user."""

from collections.abc import Mapping
from typing import Any, TypeGuard

import numpy as np
import pandas as pd
import pyarrow as pa

from reeltune.trainables.data.ids import Ids
from reeltune.trainables.errors import InputError
from reeltune.trainables.folding.newcomers import shown


def is_one(ids: object) -> TypeGuard[str | float | None]:
    """Whether this is one id, or a missing one, and no column of them. A row of a table has whole numbers as floats."""
    return ids is None or isinstance(ids, str | int | float | np.number)


def listed(ids: Any) -> Any:
    """A column of ids, of numpy, pandas, pyarrow or polars, as a list; anything else as it is."""
    if isinstance(ids, (pa.Array, pa.ChunkedArray)):
        return ids.to_pylist()
    return list(ids) if len(getattr(ids, "shape", ())) == 1 else ids


def pairs_of(users: Any, items: Any) -> pd.DataFrame:
    """Columns `user` and `item`: a single id goes with each of the other column.

    Raises InputError if two columns differ in length.
    """
    lengths = [len(ids) for ids in (users, items) if not is_one(ids)]
    if len(set(lengths)) > 1:
        raise InputError(
            f"{lengths[0]:,} users and {lengths[1]:,} items make no pairs: give as many of both, or one id of either"
        )
    rows = lengths[0] if lengths else 1
    return pd.DataFrame({"user": _column(users, rows), "item": _column(items, rows)})


def _column(ids: Any, rows: int) -> pd.Series:
    values = [ids] * rows if is_one(ids) else ids
    return pd.Series(values, dtype=None if rows else "str").reset_index(drop=True)


def times_of(times: Any, rows: int) -> np.ndarray:
    """The times of so many pairs, in seconds since 1970, shape (rows,); a single one is that of each pair.

    Raises InputError at another number of them, or at what is no number, such as a date or a missing time.
    """
    found = np.asarray(times)
    if found.shape not in ((), (1,), (rows,)):
        given = f"{len(found):,}" if found.ndim == 1 else f"a table of shape {found.shape}"
        raise InputError(f"times: expected one for each of {rows:,} pairs, or a single one; found {given}")
    if found.dtype.kind not in "iuf":
        raise InputError(f"times: expected numbers, seconds since 1970; found a column of {found.dtype}")
    missing = int((~np.isfinite(found)).sum())
    if missing:
        raise InputError(f"times: expected a number, seconds since 1970, for each pair; {missing:,} have none")
    return np.broadcast_to(found, rows)


def table_of_one(
    one: Mapping[str, Mapping[str | int, float]], users: Ids, items: Ids
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The ratings of one new user (`{"user": {item: rating}}`), or item, as a table, and what is left out of them.

    Raises InputError where they say nothing: none is of an id that the model knows.
    """
    ((kind, ratings),) = one.items()
    own, others, other = (users, items, "item") if kind == "user" else (items, users, "user")
    known = others.encode(list(ratings)) > 0 if ratings else np.zeros(0, dtype=bool)
    if not known.any():
        raise InputError(f"fold_in: {kind}={{...}} has no {other} that the model knows, and so says nothing")
    lost = [shown(str(each)) for each, found in zip(ratings, known, strict=True) if not found]
    said = (f"{other}s that the model does not know, whose ratings say nothing: {', '.join(lost)}",) if lost else ()
    names = [f"new {kind}", *(f"new {kind} {number}" for number in range(2, own.rows + 2))]
    free = next(name for name, taken in zip(names, own.encode(names) > 0, strict=True) if not taken)
    return pd.DataFrame({kind: free, other: list(ratings), "rating": list(ratings.values())})[known], said
