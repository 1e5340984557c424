"""Side tables: more columns about users or items, joined to the ratings by id and encoded as features."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pandas as pd

from reeltune.trainables.data import grouplens
from reeltune.trainables.data.columns import Columns
from reeltune.trainables.data.encoding import SideColumn, encode
from reeltune.trainables.data.features import Features
from reeltune.trainables.data.ids import Ids, MissingIds, as_text, plain_ids, read_ids, refuse_missing
from reeltune.trainables.data.ratings import Ratings
from reeltune.trainables.data.reading.files import below, files_in
from reeltune.trainables.data.reading.frames import FRAME, Source, dense, table_of
from reeltune.trainables.data.reading.usual_names import USUAL_NAMES, plain_name
from reeltune.trainables.errors import InputError

Kind = Literal["user", "item"]
NONE = "none"  # in place of a file: leave out the side table that the data set has of its own


@dataclass(frozen=True, kw_only=True)
class Side:
    """What a side table says of ids: those of the ratings first, then those that nobody rated."""

    ids: Ids
    features: Features
    columns: tuple[SideColumn, ...]

    @property
    def left_out(self) -> str:
        return ", ".join(f"{column.name} ({column.left_out})" for column in self.columns if column.left_out)


def join_side_table(
    ratings: Ratings,
    kind: Kind,
    source: Source,
    *,
    columns: Columns,
    asked: bool,
    missing_ids: MissingIds = "error",
) -> Ratings:
    """The ratings with the features of a side table.

    Its ids that nobody rated join the known ones, after them. Of several rows of one id the first value counts,
    and in a column of several values all of them (ml-100k has 18 titles under two numbers). A table that comes
    with the data set, not `asked` for, is left out where it is of no use; for one that was, this is an InputError.
    """
    place = f"--{kind}s {source if isinstance(source, (str, Path)) else FRAME}"
    known = ratings.users if kind == "user" else ratings.items
    try:
        side = _read(source, kind, known, columns=columns, place=place, missing_ids=missing_ids)
    except InputError as error:
        if asked:
            raise
        return replace(ratings, notes=(*ratings.notes, f"side table left out: {error}"))
    notes = ratings.notes
    if len(side.ids.text) > len(known.text):
        notes = (*notes, f"{kind}s in the side table alone: {len(side.ids.text) - len(known.text):,}")
    if asked and side.left_out:
        notes = (*notes, f"{place}: left out {side.left_out}")
    if kind == "user":
        return replace(ratings, users=side.ids, user_features=side.features, user_columns=side.columns, notes=notes)
    return replace(ratings, items=side.ids, item_features=side.features, item_columns=side.columns, notes=notes)


def own_side_table(folder: str, kind: Kind) -> str | None:
    """The side table that lies beside the ratings in a folder of MovieLens' files."""
    names = files_in(folder)
    files = grouplens.USER_FILES if kind == "user" else grouplens.ITEM_FILES
    found = next((file for file in files if file in names), None)
    return None if found is None else below(folder, found)


def _read(source: Source, kind: Kind, known: Ids, *, columns: Columns, place: str, missing_ids: MissingIds) -> Side:
    table = table_of(source)
    frame = grouplens.plain(table).rename(columns=str)
    table = replace(table, frame=frame.loc[:, ~frame.columns.duplicated()])
    column = _id_column(table.frame, kind, known, asked=getattr(columns, kind), place=place)
    ids = read_ids(table, column)[0]
    if missing_ids == "error":
        refuse_missing(table, {column: ids})
    frame, ids = table.frame[ids.notna()], ids.dropna().astype("str")  # of a missing one pandas 2 would make 'nan'
    joined = Ids(known.text.append(pd.Index(ids, dtype="str").difference(known.text)))
    features, found = encode(_others(frame, column), joined.encode(ids), rows=joined.rows)
    side = Side(ids=joined, features=features, columns=found)
    if not features.names:
        raise InputError(f"{place}: no column of use besides the id {column!r}: {side.left_out or 'there is none'}")
    return side


def _id_column(frame: pd.DataFrame, kind: Kind, known: Ids, *, asked: str | None, place: str) -> str:
    """The column of a usual name that has most ids in common with the ratings."""
    plain = {plain_name(name): name for name in reversed(frame.columns)}
    usual = [plain[name] for name in (*USUAL_NAMES[kind], "id") if name in plain]
    candidates = usual if asked is None or asked not in frame.columns else [asked]
    if not candidates:
        listed = ", ".join(frame.columns)
        raise InputError(f"{place}: no column for {kind}; found {listed} (name it: --{kind}-column NAME)")
    shared = {name: int(known.text.isin(_some_ids(frame[name])).sum()) for name in candidates}
    best = max(candidates, key=lambda name: shared[name])
    if shared[best] == 0:
        theirs = ", ".join(repr(str(value)) for value in frame[best].dropna()[:2])
        ours = ", ".join(repr(value) for value in known.text[:2])
        raise InputError(f"{place}: none of its ids is in the ratings: {theirs} against {ours}")
    return best


def _some_ids(values: pd.Series) -> pd.Series:
    try:
        return plain_ids(as_text(dense(values).dropna()))
    except ValueError:
        return pd.Series(dtype="str")


def _others(frame: pd.DataFrame, id_column: str) -> pd.DataFrame:
    """The columns to encode: all but the id's, and the year out of titles such as `Heat (1995)` if none has it."""
    others = frame.drop(columns=id_column)
    if any("year" in name.lower() for name in frame.columns):
        return others
    for name in frame.columns:
        if pd.api.types.is_string_dtype(frame[name]):
            years = grouplens.year_of(frame[name].astype(str))
            if years.notna().mean() > 0.5:
                return others.assign(year=years)
    return others
