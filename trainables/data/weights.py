"""Row weights: a column says how often each row counts, in the loss and in every metric."""

import numpy as np
import pandas as pd

from reeltune.trainables.data.reading.frames import dense
from reeltune.trainables.data.reading.tables import Table
from reeltune.trainables.data.values import as_numbers
from reeltune.trainables.errors import InputError

MOST = 1e15  # larger ones leave nothing of the others
FAR_FROM_ONE = 10.0  # times: a mean weight beyond it, or below its inverse, is most often no count of rows


def read_weights(table: Table, column: str, values: pd.Series) -> pd.Series:
    """The weights in `values`, rows of a column by their place in the table, as float64 from 0 to MOST.

    Raises InputError, with the line, at one that is no such number, and where all are 0.
    """
    table.refuse_line_breaks(column)
    values = dense(values)
    numbers = as_numbers(values)
    wrong = ~numbers.between(0, MOST).to_numpy()  # also what is no number
    if wrong.any():
        row = int(wrong.argmax())
        found = values.iloc[row]
        shown = "nothing" if pd.isna(found) else repr(found) if isinstance(found, str) else str(found)
        raise InputError(
            f"{table.place(int(values.index[row]))}: the weight in column {column!r} must be a finite number from 0 to "
            f"{MOST:g}; found {shown}"
        )
    if not numbers.any():
        raise InputError(f"{table.source}: every weight in column {column!r} is 0, so that no row counts")
    return numbers


def effective_rows(weights: np.ndarray) -> float:
    """How many rows of equal weight have a mean as certain as these, (Σ w)² / Σ w² (Kish 1965)."""
    shares = weights / weights.max()  # squares of large ones would overflow
    return float(shares.sum() ** 2 / (shares**2).sum())


def about_weights(column: str, weights: np.ndarray) -> tuple[str, ...]:
    """What is said of the weights that were read, and a warning where they are on a scale of their own."""
    mean = float(weights.mean())
    said = (
        f"weights from column {column!r}: {weights.min():.4g} to {weights.max():.4g}, effective rows "
        f"{effective_rows(weights):,.0f} of {len(weights):,}"
    )
    if 1 / FAR_FROM_ONE <= mean <= FAR_FROM_ONE:
        return (said,)
    return (
        said,
        f"WARNING: the weights in column {column!r} have the mean {mean:.3g}: a row counts as so many ratings where "
        "means are damped (`bias`); divide them by it, unless they are numbers of ratings",
    )
