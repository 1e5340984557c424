"""A side table's columns as features: one for each value, for each of several values, or for each range of numbers.

How a column is read depends on its own values, never on ratings: nothing of a test row can get in.
"""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from trainables.data.features import Features

FEWEST_ROWS = 2  # a value of a single row says nothing that its id does not
MOST_VALUES = 1000  # features of one column
FEW_NUMBERS = 20  # up to so many distinct numbers are categories
BINS = 10
NEARLY_ALL = 0.8  # of the rows: with more distinct values than this, a column names its rows
MOSTLY = 0.95  # of the values must be numbers for a column of numbers
LEAST_FLAGS = 5  # so many columns of 0 and 1 side by side are the values of one
MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "\\N", "(no genres listed)")
# Numbers that are names: the distance between two of them means nothing.
CODE = re.compile(
    r"(^|[_\s-])(id|zip|code|phone|index)$|[a-z]I[dD]$|zip[_\s-]?code|post(al)?[_\s-]?code", re.IGNORECASE
)


@dataclass(frozen=True, kw_only=True)
class SideColumn:
    """How a column of a side table was read; `left_out` says why where it was not."""

    name: str
    kind: str = ""
    features: int = 0
    left_out: str = ""


@dataclass(frozen=True, kw_only=True)
class Block:
    """The features of one column: row r (an index of users or items) has `values[codes]`, in these places."""

    column: SideColumn
    values: list[str]
    rows: np.ndarray
    codes: np.ndarray


def encode(frame: pd.DataFrame, indices: np.ndarray, *, rows: int) -> tuple[Features, tuple[SideColumn, ...]]:
    """Encode a table whose row k is about the user or item `indices[k]`, one of `rows`, 0 being 'unknown'.

    Of several rows about one, the first value counts; where a column has several values at once, all of them do.
    """
    blocks = [_block(name, values, indices) for name, values in _columns(frame)]
    return _features(blocks, rows), tuple(block.column for block in blocks)


def _columns(frame: pd.DataFrame) -> list[tuple[str, pd.Series]]:
    """The columns by name; flags side by side, such as MovieLens' genres, as one column of several values."""
    columns: list[tuple[str, pd.Series]] = []
    run: list[str] = []
    for name in [*frame.columns, None]:
        if name is not None and _is_flag(frame[name]):
            run.append(name)
            continue
        if len(run) >= LEAST_FLAGS:
            columns.append(("flag", _joined_flags(frame[run])))
        else:
            columns += [(flag, frame[flag]) for flag in run]
        run = []
        if name is not None:
            columns.append((name.split(":")[0], _as_listed(name, frame[name])))
    return columns


def _is_flag(values: pd.Series) -> bool:
    if _holds_lists(values) or pd.api.types.is_bool_dtype(values):
        return False
    return set(values.astype(object).unique()) <= {"0", "1", 0, 1}


def _joined_flags(flags: pd.DataFrame) -> pd.Series:
    raised = flags.astype(str).to_numpy() == "1"
    names = np.array(flags.columns, dtype=object)
    return pd.Series([list(names[row]) for row in raised], index=flags.index, dtype=object)


def _as_listed(name: str, values: pd.Series) -> pd.Series:
    """RecBole's files say by a suffix that a column holds several values, with spaces between."""
    if not name.endswith("_seq") or ":" not in name or _names_its_rows(values.dropna()):
        return values
    return values.dropna().astype(str).str.split().reindex(values.index)


def _block(name: str, values: pd.Series, indices: np.ndarray) -> Block:
    by_row = pd.Series(values.to_numpy(), index=indices).dropna()
    if _holds_lists(by_row):
        return _several(name, by_row.explode().dropna())
    text = _text(by_row)
    if text.empty:
        return _left_out(name, "no values")
    numbers = _numbers(name, text)
    if numbers is not None:
        return _ranges(name, _first_of_each(numbers))
    parts = _parts(text)
    if parts is not None:
        return _several(name, parts)
    text = _first_of_each(text)
    if _names_its_rows(text):
        return _left_out(name, f"{text.nunique():,} distinct values in {len(text):,} rows")
    if text.nunique() == 1 and len(text) == len(np.unique(indices)):
        return _left_out(name, "the same value in all rows")
    return _values(name, "one of", text)


def _holds_lists(values: pd.Series) -> bool:
    present = values.dropna() if values.dtype == object else values.iloc[:0]
    return len(present) > 0 and bool(present.map(lambda value: isinstance(value, (list, np.ndarray, tuple))).all())


def _text(values: pd.Series) -> pd.Series:
    """Values as text, without those that say that there is none; of a date its year."""
    if pd.api.types.is_datetime64_any_dtype(values):
        return values.dt.year.astype(str)
    if pd.api.types.is_float_dtype(values):
        values = values[np.isfinite(values.to_numpy(dtype=float))].map(_shown)
    text = values.astype(str).str.strip()
    text = text[~text.isin(MISSING)]
    if len(text) and text.str.fullmatch(r"\d{4}-\d{2}-\d{2}([T ].*)?").all():
        return text.str[:4]
    return text


def _shown(number: float) -> str:
    return str(int(number)) if number == int(number) else repr(float(number))


def _first_of_each(values: pd.Series) -> pd.Series:
    return values[~values.index.duplicated()]


def _names_its_rows(values: pd.Series) -> bool:
    return values.nunique() > NEARLY_ALL * len(values)


def _numbers(name: str, text: pd.Series) -> pd.Series | None:
    """The numbers of a column of many numbers; None for any other."""
    if CODE.search(name) or text.str.fullmatch(r"0\d+").any():
        return None
    numbers = pd.to_numeric(text, errors="coerce").astype("float64")
    numbers = numbers[np.isfinite(numbers.to_numpy())]
    if len(numbers) < MOSTLY * len(text) or numbers.nunique() <= FEW_NUMBERS:
        return None
    return numbers


def _parts(text: pd.Series) -> pd.Series | None:
    """The values of a column of several, such as `Action|Comedy` or `['Action', 'Comedy']`; None for any other."""
    whole = text.nunique()
    if text.str.fullmatch(r"\[.*\]").all():
        text = text.str[1:-1]
    for separator, least in (("|", 0.0), (";", 0.1), (",", 0.1)):
        holds = text.str.contains(separator, regex=False).mean()
        if holds == 0 or holds < least:
            continue
        parts = text.str.split(separator).explode().str.strip(" '\"")
        parts = parts[~parts.isin(MISSING)]
        # Where it is a sentence that has commas, its parts are as good as never met again.
        if parts.nunique() <= len(parts) / 2 and (separator == "|" or parts.nunique() < whole):
            return parts
    return None


def _several(name: str, parts: pd.Series) -> Block:
    parts = parts.astype(str).str.strip()
    parts = parts[~parts.isin(MISSING)]
    once = pd.MultiIndex.from_arrays([parts.index, parts]).duplicated()
    return _values(name, "some of", parts[~once])


def _values(name: str, kind: str, text: pd.Series) -> Block:
    """A feature for each value that enough rows have, the most frequent ones where they are too many."""
    counts = text.value_counts()
    counts = counts[counts >= FEWEST_ROWS].sort_index().sort_values(ascending=False, kind="stable")
    if counts.empty:
        return _left_out(name, "no value is that of two rows")
    kept = sorted(counts.index[:MOST_VALUES], key=_in_order)
    more = f" (the most frequent of {len(counts):,})" if len(counts) > MOST_VALUES else ""
    codes = pd.Index(kept).get_indexer(pd.Index(text))
    known = codes >= 0
    column = SideColumn(name=name, kind=f"{kind} {len(kept):,} values{more}", features=len(kept))
    return Block(column=column, values=kept, rows=text.index.to_numpy()[known], codes=codes[known])


def _in_order(value: str) -> tuple[float, str]:
    """Numbers by size and before words."""
    try:
        return float(value), value
    except ValueError:
        return np.inf, value


def _ranges(name: str, numbers: pd.Series) -> Block:
    """A feature for each of about ten ranges that as many rows have."""
    values = numbers.to_numpy()
    inner = np.quantile(values, np.arange(1, BINS) / BINS, method="inverted_cdf")
    bins = np.searchsorted(np.unique(inner), values, side="left")
    labels: list[str] = []
    rows, codes = [], []
    for bin in np.unique(bins):
        inside = bins == bin
        if inside.sum() < FEWEST_ROWS:
            continue
        low, high = _shown(values[inside].min()), _shown(values[inside].max())
        rows.append(numbers.index.to_numpy()[inside])
        codes.append(np.full(inside.sum(), len(labels)))
        labels.append(low if low == high else f"{low}-{high}")
    column = SideColumn(name=name, kind=f"a number, in {len(labels)} ranges", features=len(labels))
    return Block(column=column, values=labels, rows=np.concatenate(rows), codes=np.concatenate(codes))


def _left_out(name: str, why: str) -> Block:
    none = np.empty(0, dtype=np.int64)
    return Block(column=SideColumn(name=name, left_out=why), values=[], rows=none, codes=none)


def _features(blocks: list[Block], rows: int) -> Features:
    """All blocks side by side; several values of one column weigh as much as one: 1/√(how many they are)."""
    starts = np.cumsum([0, *(len(block.values) for block in blocks)])
    at = np.concatenate([block.rows for block in blocks]) if blocks else np.empty(0)
    at = at.astype(np.int64)
    columns = np.concatenate([block.codes + start for block, start in zip(blocks, starts, strict=False)])
    weights = np.concatenate([1 / np.sqrt(np.bincount(block.rows, minlength=1))[block.rows] for block in blocks])
    order = np.lexsort((columns, at))
    return Features(
        offsets=np.concatenate([[0], np.cumsum(np.bincount(at, minlength=rows))]).astype(np.int64),
        columns=columns[order].astype(np.int64),
        weights=weights[order].astype(np.float32),
        names=tuple(f"{block.column.name}={value}" for block in blocks for value in block.values),
    )
