"""Dates in words: ISO with a zone's name, days or months first, names of months, as mail and websites write them."""

import re
from collections.abc import Callable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd

from reeltune.trainables.errors import InputError

CLOCK = (
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,:](?P<fraction>\d+))?)?\s*(?P<half>[ap]\.?m\b\.?)?"
)
ZONE = r"(?P<zone>[a-z]+/[a-z_/+-]+|(?:utc|gmt)?[+-]\d{1,2}:?(?:\d{2})?|[a-z]{1,5})"
AFTER = rf"(?:(?:,?\s+(?:at\s+)?|T){CLOCK}\s*{ZONE}?(?:\s*[\[(][^\])]*[\])])?)?"
DAY_NAME = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+)?"
MONTH = r"(?P<month>(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*)\.?"
DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
YEAR = r"(?P<year>\d{4})"
SHAPES = {
    "year, month, day": rf"{YEAR}[-/.](?P<month>\d{{1,2}})[-/.]{DAY}{AFTER}",
    "two numbers, year": rf"(?P<first>\d{{1,2}})(?P<sign>[-/.])(?P<then>\d{{1,2}})[-/.]{YEAR}{AFTER}",
    "day, month, year": rf"{DAY_NAME}{DAY}[\s-]+{MONTH},?[\s-]+{YEAR}{AFTER}",
    "month, day, year": rf"{DAY_NAME}{MONTH}[\s-]+{DAY},?[\s-]+{YEAR}{AFTER}",
    "mail and websites": rf"{DAY_NAME}{MONTH}\s+{DAY}\s+{CLOCK}\s+(?:{ZONE}\s+)?{YEAR}",
    "Amazon": rf"(?P<month>\d{{1,2}})\s+{DAY},\s+{YEAR}",
}
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# Hours ahead of UTC of the zones that mail headers may name (RFC 822, section 5).
AMERICAN = {"est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7}
HOURS = {"z": 0, "ut": 0, "utc": 0, "gmt": 0} | AMERICAN

Place = Callable[[int], str]


def dates_of_text(text: pd.Series, place: Place, column: str) -> tuple[pd.Series, tuple[str, ...]]:
    """Dates (UTC, without zone) of a column of text in one form, and what was decided in reading them; NaT for no date.

    Raises InputError where the column leaves open which number is the day, or a zone is not known.
    """
    iso = pd.to_datetime(text, errors="coerce", utc=True, format="ISO8601").dt.tz_localize(None)
    if iso.notna().all():
        return iso, ()
    shapes = [re.compile(shape, re.IGNORECASE) for shape in SHAPES.values()]
    few = text.head(200)
    fits = [int(few.str.fullmatch(shape).sum()) for shape in shapes]
    if max(fits) <= iso.head(200).notna().sum() / 2:
        return iso, ()
    parts = text.str.extract(re.compile(rf"^{shapes[int(np.argmax(fits))].pattern}$", re.IGNORECASE))
    notes: tuple[str, ...] = ()
    if "first" in parts:
        parts, notes = _day_and_month(parts, text, place, column)
    return _assembled(parts, place, column), notes


def _day_and_month(
    parts: pd.DataFrame, text: pd.Series, place: Place, column: str
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Decide over the whole column which of two numbers is the day: the one that is above 12 somewhere."""
    first, then = (pd.to_numeric(parts[name], errors="coerce") for name in ("first", "then"))
    day_first, month_first = (first > 12).any(), (then > 12).any()
    if day_first and month_first:
        rows = [int((numbers > 12).to_numpy().argmax()) for numbers in (first, then)]
        examples = " and ".join(f"{text.iloc[row]!r} ({place(text.index[row])})" for row in rows)
        raise InputError(f"the dates in column {column!r} are in two orders: {examples}; write them as 2011-03-14")
    if not day_first and not month_first and not (parts["sign"].dropna() == ".").all():
        example = f"{text.iloc[0]!r} ({place(text.index[0])})"
        raise InputError(
            f"the dates in column {column!r} may be day first or month first, such as {example}, and no row decides; "
            "write them as 2011-03-14"
        )
    # With full stops between, as in 14.03.2011, the day is first wherever such dates are written.
    month, day = (then, first) if not month_first else (first, then)
    order = "month first" if month_first else "day first"
    note = f"dates such as {text.iloc[0]!r} in column {column!r} are read {order}"
    return parts.assign(day=day, month=month), (note,)


def _assembled(parts: pd.DataFrame, place: Place, column: str) -> pd.Series:
    """Dates of the parts that a shape finds in each row."""

    def number(name: str) -> pd.Series:
        if name not in parts:
            return pd.Series(0.0, index=parts.index)
        return pd.to_numeric(parts[name], errors="coerce")

    month = number("month")
    names = (
        parts["month"].astype("str").str[:3].str.lower().map({name: number for number, name in enumerate(MONTHS, 1)})
    )
    hour = number("hour").fillna(0)
    if "half" in parts:
        half = parts["half"].str[0].str.lower()
        hour = (hour % 12 + 12 * (half == "p")).where(half.notna(), hour)
    fields = {"year": number("year"), "month": month.fillna(names), "day": number("day"), "hour": hour}
    fields |= {name: number(name).fillna(0) for name in ("minute", "second")}
    dates = pd.to_datetime(pd.DataFrame(fields), errors="coerce")
    return _to_utc(dates, parts["zone"], place, column) if "zone" in parts else dates


def _to_utc(dates: pd.Series, zones: pd.Series, place: Place, column: str) -> pd.Series:
    dates = dates.copy()
    for zone in zones.dropna().unique():
        here = zones == zone
        hours = _hours(zone)
        if hours is not None:
            dates[here] -= pd.Timedelta(hours=hours)
            continue
        try:
            known = ZoneInfo(zone) if "/" in zone else None
        except (ZoneInfoNotFoundError, ValueError):
            known = None
        if known is None:
            row = zones.index[int(here.to_numpy().argmax())]
            raise InputError(
                f"{place(row)}: the time in column {column!r} has the zone {zone!r}; "
                "write its hours ahead of UTC, such as +01:00"
            )
        winter = np.zeros(int(here.sum()), dtype=bool)  # of an hour that the clock shows twice, the later one
        local = dates[here].dt.tz_localize(known, ambiguous=winter, nonexistent="shift_forward")
        dates[here] = local.dt.tz_convert("UTC").dt.tz_localize(None)
    return dates


def _hours(zone: str) -> float | None:
    """How many hours a zone is ahead of UTC; None where its letters do not say."""
    plain = zone.lower()
    offset = re.fullmatch(r"(?:utc|gmt)?([+-])(\d{1,2}):?(\d{2})?", plain)
    if offset is None:
        return HOURS.get(plain)
    sign, hours, minutes = offset.groups()
    return (-1 if sign == "-" else 1) * (int(hours) + int(minutes or 0) / 60)
