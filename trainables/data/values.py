"""Ratings as numbers: plain ones, `4/5`, `80%`, `5 stars`, `★★★★☆`, and decimal commas."""

import re
import shlex

import numpy as np
import pandas as pd

from reeltune.trainables.data.reading.frames import dense
from reeltune.trainables.data.reading.missing import is_missing
from reeltune.trainables.data.reading.numbers import to_numbers
from reeltune.trainables.data.reading.tables import Table
from reeltune.trainables.errors import InputError

NUMBER = r"([+-]?(?:\d+(?:\.\d*)?|\.\d+))"
WORDS = r"(?:stars?|points?|pts?\.?|★|⭐)"


# Ways of writing a rating. Group 1 is the number, group 2 what it is out of, if anything.
OUT_OF = re.compile(rf"{NUMBER}\s*(?:/|out\s+of|of)\s*{NUMBER}(?:\s*{WORDS})?", re.IGNORECASE)
PERCENT = re.compile(rf"{NUMBER}\s*%")
UNIT = re.compile(rf"{NUMBER}(?:[\s-]*{WORDS})?", re.IGNORECASE)
COMMA = re.compile(r"[+-]?\d+(?:,\d+)?")
STARS = re.compile(r"[★⭐]*½?☆*(?<=.)")
FORMS = (OUT_OF, PERCENT, UNIT, COMMA, STARS)


def read_values(
    table: Table, column: str, values: pd.Series, *, takes_not_rated: bool = True
) -> tuple[pd.Series, tuple[str, ...]]:
    """The ratings in `values` (rows of a column, by their place in the table) as float64, and how they were read.

    Raises InputError, with the line, at one that is no finite number. Where `--not-rated` is not taken, it names none.
    """
    table.refuse_line_breaks(column)
    values = dense(values)
    numbers = as_numbers(values)
    if numbers.notna().all() and np.isfinite(numbers.to_numpy()).all():
        return numbers, ()
    form = None if pd.api.types.is_numeric_dtype(values) else _form_of(values)
    if form is None:
        raise _no_number(table, column, values, ~np.isfinite(numbers.to_numpy()), takes_not_rated)
    text = values.astype("str").str.strip()
    known = text.map({each: _number(each, form) for each in text.unique()}).astype("float64")
    if known.isna().any():
        raise _no_number(table, column, values, known.isna().to_numpy(), takes_not_rated, form)
    _refuse_two_scales(table, column, text, form)
    return known, (f"ratings such as {text.iloc[0]!r} in column {column!r} are read as {known.iloc[0]:g}",)


def as_numbers(values: pd.Series) -> pd.Series:
    """Plain numbers as float64; NaN for what is none."""
    return to_numbers(values).astype("float64")


def _form_of(values: pd.Series) -> re.Pattern[str] | None:
    """The form that at least half of the values have, without being plain numbers; None if none has."""
    text = values.dropna().astype("str").str.strip()
    counts = text[as_numbers(text).isna()].value_counts()
    for form in FORMS:
        fits = counts.index.str.fullmatch(form.pattern, flags=form.flags)
        if fits.any() and counts[fits].sum() >= 0.5 * len(text):
            return form
    return None


def _number(text: str, form: re.Pattern[str]) -> float:
    """The number that a rating stands for; NaN if it is not of this form."""
    found = form.fullmatch(text)
    if found is None:
        return float("nan")
    if form is STARS:
        return text.count("★") + text.count("⭐") + text.count("½") / 2
    return float(text.replace(",", ".")) if form is COMMA else float(found[1])


def _no_number(
    table: Table,
    column: str,
    values: pd.Series,
    broken: np.ndarray,
    takes_not_rated: bool,
    form: re.Pattern[str] | None = None,
) -> InputError:
    """The error of the first row that has no rating, or none of the form that the others have, with the way out."""
    row = int(broken.argmax())
    found = values.iloc[row]
    shown = "nothing" if pd.isna(found) else repr(found) if isinstance(found, str) else str(found)
    place = table.place(int(values.index[row]))
    text = "" if pd.isna(found) else str(found).strip()
    hint = _way_out(text, None if form is None else values[~broken].iloc[0], takes_not_rated)
    return InputError(f"{place}: the rating in column {column!r} must be a finite number; found {shown}{hint}")


def _way_out(text: str, other: object, takes_not_rated: bool) -> str:
    if is_missing(text):
        by_option = f"--not-rated {shlex.quote(text)} leaves such rows out"
        return f"; {by_option if takes_not_rated else 'leave such rows out of the file'}"
    if other is not None:
        return f", and others are such as {other!r}: write all in one way"
    if "," in text and COMMA.fullmatch(text):
        return "; write it with a decimal point"
    return ""


def _refuse_two_scales(table: Table, column: str, text: pd.Series, form: re.Pattern[str]) -> None:
    """Refuse `4/5` beside `8/10`, and `1,000` where it may be a thousand."""
    commas = text[text.str.contains(",", regex=False)]
    if form is COMMA and commas.str.fullmatch(r"[+-]?\d{1,3},\d{3}").all():
        raise InputError(
            f"{table.place(int(commas.index[0]))}: the rating in column {column!r} may be a thousand or have a decimal "
            f"comma: {commas.iloc[0]!r}; write it without a comma, or with a decimal point"
        )
    if form.groups < 2:
        return
    out_of = text.str.extract(rf"^{form.pattern}$", flags=re.IGNORECASE)[1].astype("float64")
    other = (out_of != out_of.iloc[0]).to_numpy()
    if other.any():
        row = int(other.argmax())
        raise InputError(
            f"{table.place(int(text.index[row]))}: the rating in column {column!r} is out of {out_of.iloc[row]:g}, and "
            f"others are out of {out_of.iloc[0]:g}: bring all to one scale"
        )
