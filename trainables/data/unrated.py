"""Ratings that mean 'not rated': leaves them out where somebody says so, and asks about values that look like it."""

from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
import pandas as pd

from reeltune.trainables.data.reading.frames import dense
from reeltune.trainables.data.scale import distinct
from reeltune.trainables.data.values import as_numbers

NotRated: TypeAlias = str | float | Iterable[str | float]  # one value, or several
FEWEST_OTHERS = 3  # with fewer other values, such as dislikes and likes, nothing is odd
FEWEST_ROWS = 10
ODD_SHARE = 0.02
ODD_RATIO = 2.0  # zeros to rows of the next value. Scales that begin at 0 thin out towards it
FAR_SHARE = 0.01  # of a value that lies far from others of no even steps: largest counts lie far too, and are few


def values_of(not_rated: NotRated) -> tuple[str, ...]:
    """One value or several as text: a single '-1' is not the values '-' and '1'."""
    if isinstance(not_rated, str) or not isinstance(not_rated, Iterable):
        return (str(not_rated),)
    return tuple(map(str, not_rated))


def is_not_rated(values: pd.Series, not_rated: tuple[str, ...]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Which ratings, shape (n,), are one of the values that mean 'not rated', and a line for each on how many."""
    values = dense(values)
    numbers, text = as_numbers(values), values.astype("str").str.strip().where(values.notna(), "")
    found, notes = np.zeros(len(values), dtype=bool), []
    for value in not_rated:
        these = (text == value.strip()).to_numpy()
        meant = pd.to_numeric(value, errors="coerce") if value.strip() else np.nan
        if np.isfinite(meant):
            these = these | (numbers == meant).to_numpy()
        found |= these
        shown = value.strip() or "nothing"
        if these.any():
            notes.append(f"rows rated {shown}, which are left out as not rated: {int(these.sum()):,}")
        else:
            notes.append(f"WARNING: no row is rated {shown} (--not-rated {value.strip() or repr('')})")
    return found, tuple(notes)


def questions(ratings: np.ndarray) -> tuple[str, ...]:
    """A question for each value at an end of the scale that looks like 'not rated'."""
    return questions_of(*distinct(ratings))


def questions_of(values: np.ndarray, counts: np.ndarray, *, takes_not_rated: bool = True) -> tuple[str, ...]:
    """As `questions`, from the distinct ratings, ascending, and how many rows have each: both of shape (values,).

    Where `--not-rated` is not taken, none names it.
    """
    asked, rows = [], int(counts.sum())
    while (odd := _odd_end(values, counts, rows)) is not None:
        place, why = odd
        value, share = values[place], counts[place] / rows
        shown = f"{share:.0%}" if share >= 0.01 else f"{counts[place]:,}"
        way = f"--not-rated {value:g} leaves them out" if takes_not_rated else "Then leave such rows out of the file"
        asked.append(f"WARNING: {value:g} is {shown} of the rows{why}: is it 'not rated'? {way}")
        values, counts = np.delete(values, place), np.delete(counts, place)
    return tuple(asked)


def _odd_end(values: np.ndarray, counts: np.ndarray, rows: int) -> tuple[int, str] | None:
    """The place of an odd value, the lowest or the highest one, and why it is odd beside its number."""
    if len(values) <= FEWEST_OTHERS:
        return None
    for place, others in ((-1, values[:-1]), (0, values[1:])):
        if _is_far(values[place], others, counts[place], rows):
            return place, f" and lies apart from the others ({others[0]:g} to {others[-1]:g})"
    lowest, share = values[0], counts[0] / rows
    is_zero = lowest == 0 and counts[0] >= FEWEST_ROWS
    if is_zero and share >= ODD_SHARE and counts[0] >= ODD_RATIO * counts[1]:
        return 0, ""
    return None


def _is_far(value: float, others: np.ndarray, count: int, rows: int) -> bool:
    """Whether a value lies off the steps of the others, by so much that it is none of them."""
    span, steps = others[-1] - others[0], np.diff(others)
    gap = others[0] - value if value < others[0] else value - others[-1]
    if not np.allclose(steps, steps[0], rtol=1e-6):
        return bool(gap >= 2 * span and count >= FEWEST_ROWS and count >= FAR_SHARE * rows)
    if value < 0 <= others[0] or (value == 0 < others[0] and gap > 1.5 * steps[0]):
        return True
    return bool(gap >= span and gap >= 3 * steps[0] and rows >= 10 * len(others))
