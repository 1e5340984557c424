"""Ratings that are newer than a fitted model, beside the old ones: which they are, and which of them to judge on."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from reeltune.trainables.data import Columns, Duplicates, Ratings, Reading, Rows, has_known_columns
from reeltune.trainables.data.ratings import from_frame
from reeltune.trainables.data.readers import Read, notes_of_file, read_frame
from reeltune.trainables.data.reading.frames import Source
from reeltune.trainables.data.reading.usual_names import USUAL_NAMES, plain_name
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.data.side import NONE, Kind, join_side_table
from reeltune.trainables.errors import InputError

PAIR = ["user", "item"]


@dataclass(frozen=True, kw_only=True)
class Newer:
    """Old and new ratings together; which are new, and which of a pair that is rated once in all: shape (rows,)."""

    ratings: Ratings
    new: np.ndarray
    once: np.ndarray


@dataclass(frozen=True, kw_only=True)
class NewerData:
    """Where they are: `data` has the new ones, and the old ones too unless `old` has them; and how they are read."""

    data: Source
    old: Source | None = None
    users: Source | None = None  # side tables
    items: Source | None = None
    reading: Reading
    duplicates: Duplicates = "last"


def read_newer(asked: NewerData, *, fitted: int | None) -> Newer:
    """Read the ratings. `fitted` is how many a model's data had, where that is known.

    In one file the old ones are the earliest, as many as that. Raises InputError where none is new, or nothing says
    which are.
    """
    for option, source in {"--data": asked.data, "--with": asked.old}.items():
        if isinstance(source, str) and has_known_columns(source):
            raise InputError(f"{option} {source}: a data set by name has no newer ratings; give a file")
    name, after = read_frame(asked.data, asked.reading)
    frame = _as_text(after.frame)
    if asked.old is None:
        old, notes = _earliest(frame, fitted, name, after, asked.duplicates), notes_of_file(name, after)
        return _together(frame[old], frame[~old], name, after, notes, asked)
    earlier, before = read_frame(asked.old, asked.reading)
    _refuse_other_columns(before.frame, after.frame)
    old_frame = _as_text(before.frame)
    fresh = ~_in_both(frame, old_frame)
    if not fresh.any():
        raise InputError(
            f"{name}: nothing is new in its {len(fresh):,} ratings: the old ones of {earlier} have them all"
        )
    notes = (*notes_of_file(earlier, before), *notes_of_file(name, after))
    return _together(old_frame, frame[fresh], name, after, notes, asked)


def held_out(newer: Newer, *, share: float, seed: int) -> np.ndarray:
    """Which ratings to judge on, shape (rows,): the latest `share` of the new ones; as many at random without times.

    A pair that has another rating is none of them: a model fitted on that has an advantage.
    """
    places, times = np.flatnonzero(newer.new & newer.once), newer.ratings.rows.timestamps
    if not len(places):
        raise InputError(f"{newer.ratings.name}: the old ratings have each of its pairs; there is nothing to judge on")
    ordered = (
        np.random.default_rng(seed).permutation(places)
        if times is None
        else places[np.argsort(times[places], kind="stable")[::-1]]
    )
    chosen = np.zeros(len(newer.new), dtype=bool)
    chosen[ordered[: max(1, int(share * len(places)))]] = True
    return chosen


def rows_where(rows: Rows, chosen: np.ndarray) -> Rows:
    """Those of the rows that are chosen, a mask of shape (rows,)."""
    return rows.take(np.flatnonzero(chosen))


def refuse_off_scale(ratings: Ratings, scale: Scale) -> None:
    """Raise InputError at a rating that is none of this scale, a model's."""
    values = ratings.rows.ratings
    off = scale.outside(values)
    if scale.lattice:
        steps = (values - scale.low) / scale.step
        off |= np.abs(steps - np.round(steps)) > 1e-3
    if off.any():
        between = f" in steps of {scale.step:g}" if scale.lattice else ""
        raise InputError(
            f"{ratings.name}: {values[off][0]:g} is no rating on the model's scale, {scale.low:g} to {scale.high:g}"
            f"{between} ({int(off.sum()):,} are not); leave such rows out, or fit on the new scale by train or tune"
        )


def _earliest(frame: pd.DataFrame, fitted: int | None, name: str, read: Read, duplicates: Duplicates) -> np.ndarray:
    """Which rows are those that a model's data had, shape (rows,): the earliest, with so many distinct pairs."""
    if fitted is None:
        raise InputError("the model does not say how many ratings its data had: give the old ratings by --with OLD")
    if "timestamp" not in frame:
        raise InputError(
            f"{name}: without times nothing says which ratings are new: give the old ones by --with OLD, or times "
            f"by --time-column NAME{read.untimed and f'; {read.untimed}'}"
        )
    order = np.argsort(frame["timestamp"].to_numpy(), kind="stable")
    counts = np.ones(len(frame)) if duplicates == "keep" else ~frame.iloc[order].duplicated(PAIR).to_numpy()
    if counts.sum() <= fitted:
        raise InputError(
            f"{name}: nothing is new in its {int(counts.sum()):,} ratings, since the model's data had {fitted:,}; if "
            "these are the new ones alone, give the old ones too: --with OLD"
        )
    old = np.zeros(len(frame), dtype=bool)
    old[order[np.cumsum(counts) <= fitted]] = True
    return old


def _together(
    old: pd.DataFrame, new: pd.DataFrame, name: str, read: Read, notes: tuple[str, ...], asked: NewerData
) -> Newer:
    both = pd.concat([old, new], ignore_index=True)
    once = ~both.duplicated(PAIR, keep=False).to_numpy()
    ratings = from_frame(both, name=name, duplicates=asked.duplicates)
    ratings = replace(ratings, notes=notes, columns=read.found.names, untimed=read.untimed)
    number = ratings.rows.number
    return Newer(ratings=_with_sides(ratings, asked), new=number >= len(old), once=once[number])


def _refuse_other_columns(old: pd.DataFrame, new: pd.DataFrame) -> None:
    """Raise InputError where the old ratings have times or weights and the new ones have none, or the other way."""
    for column in sorted(set(map(str, old)) ^ set(map(str, new))):
        has, lacks = ("old", "new") if column in old else ("new", "old")
        raise InputError(
            f"--with: a column of the {has} ratings is read as {column}, and none of the {lacks} ones; give it to "
            "both, or to neither"
        )


def _as_text(frame: pd.DataFrame) -> pd.DataFrame:
    """With ids as text: those of two files are other categories."""
    return frame.assign(user=frame["user"].astype("str"), item=frame["item"].astype("str"))


def _in_both(frame: pd.DataFrame, other: pd.DataFrame) -> np.ndarray:
    """Which rows of a frame the other has too, with all that they say; shape (rows,)."""
    merged = frame.merge(other.drop_duplicates(), how="left", on=list(frame), indicator=True)
    return (merged["_merge"] == "both").to_numpy()


def _with_sides(ratings: Ratings, asked: NewerData) -> Ratings:
    sides: dict[Kind, Source | None] = {"user": asked.users, "item": asked.items}
    for kind, source in sides.items():
        if source is not None and not (isinstance(source, str) and source == NONE):
            columns, missing = _id_columns(asked.reading), asked.reading.missing_ids
            ratings = join_side_table(ratings, kind, source, columns=columns, asked=True, missing_ids=missing)
    return ratings


def _id_columns(reading: Reading) -> Columns:
    """The names of ids in side tables: those asked for, or else those of the model's data that no usual name finds."""
    of_model = {kind: getattr(reading.of_model, kind) for kind in PAIR}
    odd = {kind: name for kind, name in of_model.items() if name and plain_name(name) not in USUAL_NAMES[kind]}
    return Columns(**{kind: getattr(reading.columns, kind) or odd.get(kind) for kind in PAIR})
