"""What the cells of a side table's column hold: text, numbers, or several values at once. Read off the values alone."""

import re

import numpy as np
import pandas as pd

from reeltune.trainables.data.reading.frames import dense

FEW_NUMBERS = 20  # up to so many distinct numbers are categories, unless nearly each row has its own
NEARLY_ALL = 0.8  # of the rows: with more distinct values than this, a column names its rows
MOSTLY = 0.95  # of the values must be numbers for a column of numbers
LEAST_FLAGS = 5  # so many columns of 0 and 1 side by side are the values of one
LISTS = 0.1  # of the rows must hold a comma or a semicolon for a column of lists
# As they stand: 'none' in small letters is an occupation of MovieLens' users.
MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "\\N", "(no genres listed)")
# Numbers that are names: the distance between two of them means nothing.
CODE = re.compile(r"(^|[\s_-])(id|code|phone|index)$|[a-z]I[dD]$|(?i:zip|post(al)?[\s_-]?code)")


def columns_of(frame: pd.DataFrame) -> list[tuple[str, pd.Series]]:
    """The columns by name; flags side by side, such as genres often are, as one column of several values."""
    columns: list[tuple[str, pd.Series]] = []
    run: list[str] = []
    for name in [*frame.columns, None]:
        if name is not None and _is_flag(frame[name]):
            run.append(name)
            continue
        if len(run) >= LEAST_FLAGS:
            columns.append((f"{run[0]}...{run[-1]}", _raised(frame[run])))
        else:
            columns += [(flag, frame[flag]) for flag in run]
        run = []
        if name is not None:
            columns.append((name.split(":")[0], _split_as_said(name, frame[name])))
    return columns


def _is_flag(values: pd.Series) -> bool:
    return bool(_written(values).isin(["0", "1"]).all())


def _raised(flags: pd.DataFrame) -> pd.Series:
    """For each row the names of its flags that are 1."""
    names = np.array(flags.columns, dtype=object)
    raised = flags.astype(str).to_numpy() == "1"
    return pd.Series([list(names[row]) for row in raised], index=flags.index, dtype=object)


def _split_as_said(name: str, values: pd.Series) -> pd.Series:
    """RecBole's files say by a suffix, as in `class:token_seq`, that a column is a list with spaces between."""
    if not name.endswith(":token_seq") or names_its_rows(values.dropna()):
        return values
    return _written(values.dropna()).str.split().reindex(values.index)


def holds_lists(values: pd.Series) -> bool:
    """Whether a column has lists as its values, as Parquet's may."""
    return values.dtype == object and any(isinstance(value, (list, tuple, np.ndarray)) for value in values)


def text_of(values: pd.Series) -> pd.Series:
    """Values as text, without those that say that there is none; of a date its year."""
    if pd.api.types.is_datetime64_any_dtype(values):
        return values.dt.year.astype(str)
    if pd.api.types.is_float_dtype(values):
        finite = values[np.isfinite(values.to_numpy(dtype=float))]
        values = (finite + 0).astype(str).str.removesuffix(".0")  # −0 is 0
    text = known(values)
    if len(text) and text.str.fullmatch(r"\d{4}-\d{2}-\d{2}([T ].*)?").all():
        return text.str[:4]
    return text


def known(values: pd.Series) -> pd.Series:
    """Values as text without spaces around, but for those that say that there is none."""
    text = _written(values).str.strip()
    return text[~text.isin(MISSING)]


def _written(values: pd.Series) -> pd.Series:
    """Values as text."""
    try:
        return values.astype(str)
    except UnicodeDecodeError:  # bytes that are no UTF-8, in a binary column of Parquet's
        return dense(values).astype(str)


def shown(number: float) -> str:
    """A number for a person to read: a whole one in full, another to six digits."""
    return f"{number:.0f}" if number % 1 == 0 and abs(number) < 1e15 else f"{number:.6g}"


def names_its_rows(values: pd.Series) -> bool:
    """Whether nearly each row has another value: titles, names, addresses, sentences."""
    return values.nunique() > NEARLY_ALL * len(values)


def numbers_of(name: str, text: pd.Series) -> pd.Series | None:
    """The numbers of a column of many numbers; None for any other."""
    if CODE.search(name) or text.str.fullmatch(r"0\d+").any():
        return None
    numbers = pd.to_numeric(text, errors="coerce").astype("float64") + 0
    numbers = numbers[np.isfinite(numbers.to_numpy())]
    if len(numbers) < MOSTLY * len(text):
        return None
    return numbers if numbers.nunique() > FEW_NUMBERS or names_its_rows(numbers) else None


def parts_of(text: pd.Series) -> pd.Series | None:
    """The values of a column of several, such as `Action|Comedy` or `['Action', 'Comedy']`; None for any other."""
    whole = text.nunique()
    if text.str.fullmatch(r"\[.*\]").all():
        text = text.str[1:-1]
    for separator, least in (("|", 0.0), (";", LISTS), (",", LISTS)):
        holds = text.str.contains(separator, regex=False).mean()
        if holds == 0 or holds < least or text.str.fullmatch(r"-?\d+(,\d+)?").all():  # a decimal comma
            continue
        parts = known(text.str.split(separator).explode().str.strip(" '\""))
        if separator == "|" and not names_its_rows(parts):
            return parts
        # Of sentences that have commas, hardly a part is met again.
        if parts.nunique() <= len(parts) / 2 and parts.nunique() < whole:
            return parts
    return None
