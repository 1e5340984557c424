"""From a table to ratings: finds the columns by their usual names, and checks every value in them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from reeltune.trainables.data.hints import way_out
from reeltune.trainables.data.matrix import looks_like_matrix, melted
from reeltune.trainables.data.ratings import Duplicates, Ids, Ratings, Rows, as_text, from_frame, not_whole
from reeltune.trainables.data.tables import Table, read_table
from reeltune.trainables.errors import InputError

# Compared in lower case without '_', '-' and spaces; RecBole's ':type' suffixes are cut off.
USUAL_NAMES = {
    "user": ("user", "userid", "uid", "u", "reviewerid", "customerid", "customer", "memberid", "username"),
    "item": (
        *("item", "itemid", "iid", "i", "movieid", "movie", "title", "asin", "parentasin", "productid"),
        *("product", "bookid", "isbn", "businessid", "trackid", "songid", "artistid", "gameid", "recipeid"),
    ),
    "rating": ("rating", "score", "stars", "overall", "r", "ratings", "bookrating", "value"),
    "timestamp": ("timestamp", "time", "unixreviewtime", "datetime", "date", "ratedat", "createdat"),
}


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The names of a file's columns; None finds one by its usual names."""

    user: str | None = None
    item: str | None = None
    rating: str | None = None
    timestamp: str | None = None


def read_ratings(
    source: str, *, columns: Columns | None = None, duplicates: Duplicates = "last", matrix: bool = False
) -> Ratings:
    """Read a ratings file of any known format. Raises InputError that names the file and the line."""
    columns = columns or Columns()
    table = read_table(source)
    if matrix:
        table = melted(table, user=columns.user, item=columns.item, rating=columns.rating)
    frame = _checked(table, columns)
    notes = (*table.notes, *frame.attrs.values())
    return from_frame(frame, name=source, duplicates=duplicates, notes=notes)


def read_more(source: str, known: Ratings, *, columns: Columns | None = None, matrix: bool = False) -> Rows:
    """Read rows of somebody's own test file, in the indices of `known`: ids that it lacks become 0.

    With `matrix` the file may be one, but need not.
    """
    columns = columns or Columns()
    table = read_table(source)
    if matrix and looks_like_matrix(table):
        table = melted(table, user=columns.user, item=columns.item, rating=columns.rating)
    frame = _checked(table, columns)
    users = known.users.encode(frame["user"])
    strangers = np.array(as_text(frame["user"]), dtype=object)
    strangers[users > 0] = None
    return Rows(
        number=np.arange(len(frame)),
        users=users,
        items=known.items.encode(frame["item"]),
        ratings=frame["rating"].to_numpy(dtype=np.float64),
        timestamps=frame["timestamp"].to_numpy(dtype=np.int64) if "timestamp" in frame else None,
        strangers=strangers,
    )


def read_pairs(
    source: str, *, users: Ids, items: Ids, columns: Columns | None = None, timed: bool = False
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray, np.ndarray | None]:
    """Read pairs to be rated: the table as it stands, its user and item indices (0 for unknown ids).

    Where the model is a `timed` one their times too, in seconds since 1970; else None.
    """
    table = read_table(source)
    found = _find(table, columns or Columns(), needed=("user", "item"))
    if timed and "timestamp" not in found:
        names = ", ".join(table.frame.columns)
        raise InputError(
            f"{source}: no column of times, which this model needs; found {names} (name it: --time-column)"
        )
    return (
        table.frame,
        users.encode(ids_of(table, found["user"])),
        items.encode(ids_of(table, found["item"])),
        _seconds(table, found["timestamp"]).to_numpy(dtype=np.int64) if timed else None,
    )


def read_users(source: str, *, columns: Columns) -> pd.Series:
    """The ids in a table's column of users, as text."""
    table = read_table(source)
    return ids_of(table, _find(table, Columns(user=columns.user), needed=("user",))["user"])


def _checked(table: Table, columns: Columns) -> pd.DataFrame:
    found = _find(table, columns, needed=("user", "item", "rating"))
    frame = pd.DataFrame(
        {
            "user": ids_of(table, found["user"]),
            "item": ids_of(table, found["item"]),
            "rating": _numbers(table, found["rating"]),
        }
    )
    if "timestamp" in found:
        try:
            frame["timestamp"] = _seconds(table, found["timestamp"])
        except InputError as error:
            if columns.timestamp is not None:
                raise
            # Only its name says that it is a time, and most of the work needs none.
            frame.attrs["note"] = f"times are left out: {error}"
    return frame


def _find(table: Table, columns: Columns, *, needed: tuple[str, ...]) -> dict[str, str]:
    """Map user, item, rating and timestamp to the table's own column names."""
    names = [str(name) for name in table.frame.columns]
    table.frame.columns = pd.Index(names)
    found: dict[str, str] = {}
    for kind, usual in USUAL_NAMES.items():
        asked = table.numbered(getattr(columns, kind))
        if asked is not None and asked not in names:
            raise InputError(f"{table.source}: no column {asked!r}; found {', '.join(names)}")
        plain = {plain_name(name): name for name in reversed(names)}
        match = asked or next((plain[name] for name in usual if name in plain), None)
        if match is not None:
            found[kind] = match
    missing = [kind for kind in needed if kind not in found]
    if missing:
        raise InputError(f"{table.source}: no column for {' and '.join(missing)}; {way_out(table, missing)}")
    return found


def plain_name(name: str) -> str:
    return name.split(":")[0].strip().lower().replace("_", "").replace("-", "").replace(" ", "")


def ids_of(table: Table, column: str) -> pd.Series:
    table.refuse_line_breaks(column)
    values = table.frame[column]
    missing = values.isna()
    if missing.any():
        raise InputError(f"{table.place(int(missing.to_numpy().argmax()))}: the id in column {column!r} is missing")
    if pd.api.types.is_float_dtype(values):
        broken = not_whole(values)
        if broken.any():
            row = int(broken.argmax())
            raise InputError(
                f"{table.place(row)}: the id in column {column!r} is {values.iloc[row]}; "
                "expected text or a whole number"
            )
    return as_text(values)


def _numbers(table: Table, column: str) -> pd.Series:
    table.refuse_line_breaks(column)
    values = pd.to_numeric(table.frame[column], errors="coerce").astype("float64")
    broken = ~np.isfinite(values.to_numpy())
    if broken.any():
        row = int(broken.argmax())
        found = table.frame[column].iloc[row]
        shown = "nothing" if pd.isna(found) else str(found) if not isinstance(found, str) else repr(found)
        raise InputError(f"{table.place(row)}: the rating in column {column!r} must be a finite number; found {shown}")
    return values


def _seconds(table: Table, column: str) -> pd.Series:
    """Timestamps as whole seconds since 1970: of numbers too large for them, thousands; dates parsed."""
    values = table.frame[column]
    if pd.api.types.is_datetime64_any_dtype(values):
        dates = values
    else:
        numbers = pd.to_numeric(values, errors="coerce")
        if numbers.notna().all() and np.isfinite(numbers.to_numpy(dtype=float)).all():
            return _whole_seconds(numbers)
        dates = pd.to_datetime(values, errors="coerce", utc=True, format="ISO8601")
    if dates.isna().any():
        row = int(dates.isna().to_numpy().argmax())
        raise InputError(
            f"{table.place(row)}: the time in column {column!r} must be seconds since 1970 or an ISO date; "
            f"found {values.iloc[row]!r}"
        )
    if dates.dt.tz is not None:
        dates = dates.dt.tz_convert("UTC").dt.tz_localize(None)
    return dates.astype("datetime64[s]").astype("int64")


def _whole_seconds(numbers: pd.Series) -> pd.Series:
    """Seconds of seconds, milliseconds, microseconds or nanoseconds since 1970: 1e11 seconds are in the year 5138."""
    least = float(numbers.abs().min())
    for unit in (10**9, 10**6, 10**3):
        if least > 1e8 * unit:
            return (numbers // unit).astype("int64")
    return numbers.astype("int64")
