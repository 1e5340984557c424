"""Times as whole seconds since 1970: numbers in any unit, ISO dates, days first or last, names of months."""

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from reeltune.trainables.data.date_text import dates_of_text
from reeltune.trainables.data.reading.frames import dense
from reeltune.trainables.data.reading.numbers import to_numbers
from reeltune.trainables.errors import InputError

UNITS = {1: "seconds", 10**3: "milliseconds", 10**6: "microseconds", 10**9: "nanoseconds"}
EXPECTED = "must be seconds since 1970 or a date such as 2011-03-14"
COUNTED = " (rows without a time: "  # ends the error of a missing one; of a part of a file it says nothing
EARLY = 315_532_800  # 1980: nobody rated on a computer before
DIGITS = {"%Y%m%d": (19_000_101, 21_001_231), "%Y%m%d%H%M%S": (19_000_101_000_000, 21_001_231_235_959)}
LARGEST = 2.0**63  # an int64 holds no more
TOY = 100  # with fewer rows nobody is asked whether small numbers are times
SAMPLE = 500  # rows that show whether a column holds times

Place = Callable[[int], str]


def read_times(values: pd.Series, place: Place, column: str) -> tuple[pd.Series, tuple[str, ...]]:
    """Whole seconds since 1970 (UTC; int64, the index of `values`), and what to say about them.

    `place` says where a row is, by its index. Raises InputError, with the row, where one is no time.
    """
    values = dense(values)
    if isinstance(values.dtype, pd.PeriodDtype):
        values = values.dt.to_timestamp()
    seconds, notes = _seconds(values, place, column)
    return seconds, (*notes, *_odd_times(seconds, values, place, column))


def seconds_of_dates(dates: pd.Series) -> pd.Series:
    """Whole seconds since 1970 of a column of dates, with or without a time zone, in any resolution."""
    if dates.dt.tz is not None:
        dates = dates.dt.tz_convert("UTC").dt.tz_localize(None)
    return dates.astype("datetime64[s]").astype("int64")


def looks_like_times(name: str, values: pd.Series) -> bool:
    """Whether a column holds dates or recent seconds, by its first values."""
    some = dense(values.head(SAMPLE)).dropna()
    if some.empty or pd.api.types.is_bool_dtype(some) or name.lower().endswith("id"):
        return False
    try:
        seconds, _ = read_times(some, lambda row: f"row {row + 1}", name)
    except InputError:
        return False
    recent = seconds.between(EARLY, _next_year_ends())
    return bool(recent.mean() > 0.9 and seconds.nunique() > 1 and not _are_years(pd.to_numeric(some, errors="coerce")))


def _seconds(values: pd.Series, place: Place, column: str) -> tuple[pd.Series, tuple[str, ...]]:
    if pd.api.types.is_datetime64_any_dtype(values):
        _refuse_missing(values, values, place, column)
        return seconds_of_dates(values), ()
    if pd.api.types.is_timedelta64_dtype(values):
        raise InputError(f"the time in column {column!r} {EXPECTED}; found lengths of time")
    numbers = to_numbers(values)
    if numbers.dtype == np.int64:
        return _seconds_of_numbers(numbers, values, place, column)
    usable = np.abs(numbers.to_numpy(dtype=float, na_value=np.nan)) < LARGEST  # false for what is no number
    if usable.mean() > 0.5:
        _refuse_missing(numbers.where(usable), values, place, column)
        return _seconds_of_numbers(numbers, values, place, column)
    text = values.astype("str").str.strip()
    dates, notes = dates_of_text(text.where(values.notna(), ""), place, column)
    _refuse_missing(dates, values, place, column)
    return seconds_of_dates(dates), notes


def _refuse_missing(dates: pd.Series, values: pd.Series, place: Place, column: str) -> None:
    missing = dates.isna().to_numpy()
    if missing.any():
        row = int(missing.argmax())
        found = values.iloc[row]
        shown = "nothing" if pd.isna(found) else repr(found) if isinstance(found, str) else str(found)
        count = f"{COUNTED}{missing.sum():,} of {len(missing):,})"
        raise InputError(f"{place(values.index[row])}: the time in column {column!r} {EXPECTED}; found {shown}{count}")


def _seconds_of_numbers(
    numbers: pd.Series, values: pd.Series, place: Place, column: str
) -> tuple[pd.Series, tuple[str, ...]]:
    for form, (first, last) in DIGITS.items():
        if numbers.between(first, last).mean() > 0.5:
            dates = pd.to_datetime(numbers.astype("int64").astype("str"), format=form, errors="coerce")
            _refuse_missing(dates, values, place, column)
            return seconds_of_dates(dates), (f"times such as {values.iloc[0]} in column {column!r} are read as dates",)
    if _are_years(numbers):
        dates = pd.to_datetime(numbers.astype("int64").astype("str"), format="%Y")
        return seconds_of_dates(dates), (f"times such as {values.iloc[0]} in column {column!r} are read as years",)
    return _in_seconds(numbers, column)


def _are_years(numbers: pd.Series) -> bool:
    return bool(((numbers % 1 == 0) & numbers.between(1900, 2100)).all())


def _in_seconds(numbers: pd.Series, column: str) -> tuple[pd.Series, tuple[str, ...]]:
    """Seconds of the unit that most rows are in. Rows that make sense in their own unit alone are read in that."""
    # 1e11 seconds are in the year 5138, 1e11 milliseconds in 1973.
    if numbers.min() >= -1e11 and numbers.max() <= 1e11:
        return (numbers if numbers.dtype == np.int64 else (numbers // 1).astype("int64")), ()
    own = np.select([numbers.abs() > bound for bound in (1e17, 1e14, 1e11)], [10**9, 10**6, 10**3], 1)
    units, counts = np.unique(own[numbers.to_numpy() != 0], return_counts=True)
    unit = int(units[counts.argmax()]) if len(units) else 1
    seconds, in_own = (numbers // unit).astype("int64"), (numbers // own).astype("int64")
    stray = ~seconds.between(EARLY, _next_year_ends()) & in_own.between(EARLY, _next_year_ends()) & (own != unit)
    if not stray.any():
        return seconds, ()
    their = UNITS[int(own[stray.to_numpy()][0])]
    note = f"WARNING: {stray.sum():,} times in column {column!r} are in {their} among {UNITS[unit]}, and read as such"
    return seconds.where(~stray, in_own), (note,)


def _odd_times(seconds: pd.Series, values: pd.Series, place: Place, column: str) -> tuple[str, ...]:
    """Warnings of times that nobody can have rated at."""
    if seconds.min() >= EARLY and seconds.max() <= _next_year_ends():
        return ()
    outside = ~seconds.between(0, _next_year_ends())
    early = seconds.between(0, EARLY - 1) if seconds.median() >= EARLY else pd.Series(False, index=seconds.index)
    notes = []
    for odd, said in ((outside, f"outside 1970 to {_next_year()}"), (early, "before 1980")):
        if odd.any():
            row = int(odd.to_numpy().argmax())
            when = f"{place(seconds.index[row])} has {values.iloc[row]}, which is {day(seconds.iloc[row])}"
            notes.append(f"WARNING: {odd.sum():,} of {len(seconds):,} times in column {column!r} are {said}: {when}")
    if seconds.max() < EARLY and len(seconds) >= TOY:
        latest = day(seconds.max())
        notes.append(f"WARNING: the latest time in column {column!r} is {latest}: are these seconds since 1970?")
    return tuple(notes)


def day(seconds: int) -> str:
    """The day of a time, however far away: `44114-05-31`."""
    return str(np.datetime64(int(seconds), "s").astype("datetime64[D]"))


def _next_year() -> int:
    return datetime.now(UTC).year + 1


def _next_year_ends() -> int:
    return int(datetime(_next_year() + 1, 1, 1, tzinfo=UTC).timestamp()) - 1
