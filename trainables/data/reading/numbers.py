"""A column of text as numbers: what `pd.to_numeric` gives, in a fraction of its time and memory."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute

LOOKED_AT = 10_000  # of the first rows: whether values are there many times


def to_numbers(values: pd.Series) -> pd.Series:
    """`pd.to_numeric(values, errors="coerce")`, which makes an object of each text on the way."""
    if not isinstance(values.dtype, pd.StringDtype):
        return pd.to_numeric(values, errors="coerce")
    first = values.iloc[:LOOKED_AT]
    if 2 * first.nunique() <= len(first):
        return _by_distinct(values)
    whole = _whole(values)
    return pd.to_numeric(values, errors="coerce") if whole is None else pd.Series(whole, index=values.index)


def _by_distinct(values: pd.Series) -> pd.Series:
    """Each distinct text is looked at once."""
    places, texts = pd.factorize(values)
    numbers = pd.to_numeric(pd.Series(texts), errors="coerce").to_numpy()
    if (places < 0).any():
        numbers = np.append(numbers.astype(np.float64), np.nan)
    return pd.Series(numbers[places], index=values.index)


def _whole(values: pd.Series) -> np.ndarray | None:
    """Numbers of digits alone, as times in seconds are; None where one is something else."""
    texts = pa.array(values, from_pandas=True)
    if texts.null_count or not pa.compute.all(pa.compute.ascii_is_decimal(texts)).as_py():
        return None
    try:
        return texts.cast(pa.int64()).to_numpy()
    except pa.ArrowInvalid:  # more digits than fit
        return None
