"""Ratings in memory: whole-number indices for anybody's ids, with 0 kept for 'unknown'."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd

from reeltune.trainables.data.encoding import SideColumn
from reeltune.trainables.data.features import Features
from reeltune.trainables.data.given_folds import GivenFolds
from reeltune.trainables.data.ids import Ids
from reeltune.trainables.data.times import seconds_of_dates
from reeltune.trainables.errors import InputError

Duplicates = Literal["keep", "last", "error"]
EVERY = slice(None)  # as an index: all rows
HASHED_AT_ONCE = 1 << 20  # rows of a column that are copied to be hashed


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rated pairs, by index; all arrays of shape (n,). `number` is the row's place in its file, from 0."""

    number: np.ndarray
    users: np.ndarray
    items: np.ndarray
    ratings: np.ndarray
    timestamps: np.ndarray | None = None
    strangers: np.ndarray | None = None  # of rows with an unknown user: who it is, as text; else None
    weights: np.ndarray | None = None  # how often each row counts, above 0; None: once

    def __len__(self) -> int:
        return len(self.ratings)

    def take(self, rows: np.ndarray) -> "Rows":
        return Rows(
            number=self.number[rows],
            users=self.users[rows],
            items=self.items[rows],
            ratings=self.ratings[rows],
            timestamps=None if self.timestamps is None else self.timestamps[rows],
            strangers=None if self.strangers is None else self.strangers[rows],
            weights=None if self.weights is None else self.weights[rows],
        )

    def joined(self, other: "Rows", kept: np.ndarray | slice = EVERY) -> "Rows":
        """These rows, or those that are kept of them, and then the other's.

        One column after the other is taken, so that the kept rows are in memory once.
        """

        def both(column: np.ndarray | None, others: np.ndarray | None) -> np.ndarray | None:
            return None if column is None or others is None else np.concatenate([column[kept], others])

        return Rows(
            number=np.concatenate([self.number[kept], other.number]),
            users=np.concatenate([self.users[kept], other.users]),
            items=np.concatenate([self.items[kept], other.items]),
            ratings=np.concatenate([self.ratings[kept], other.ratings]),
            timestamps=both(self.timestamps, other.timestamps),
            weights=both(self.weights, other.weights),
        )

    def fingerprint(self) -> str:
        """A hash of the rows' content (indices, ratings, timestamps, weights), the same on every machine."""
        columns = {name: getattr(self, name) for name in HASHED}
        return fingerprint_of({name: [column] for name, column in columns.items() if column is not None})

    def pairs_in(self, others: "Rows") -> np.ndarray:
        """Whether the pair of each row, its user and item, is one of the others' too; bool of shape (rows,)."""
        width = 1 + max(int(rows.items.max(initial=0)) for rows in (self, others))
        mine, theirs = (rows.users.astype(np.int64) * width + rows.items for rows in (self, others))
        # By a hash table: `np.isin` sorts, which takes many times as long with tens of millions of rows.
        return pd.Series(mine).isin(theirs).to_numpy()

    def counts(self, users: int, items: int) -> "RatingCounts":
        """How many of these rows each of so many users, and of so many items, has."""
        return RatingCounts(
            users=np.bincount(self.users, minlength=users), items=np.bincount(self.items, minlength=items)
        )


# The columns that a fingerprint is of, in this order: what comes before each, and as what it is hashed.
HASHED = {
    "users": (b"", "<i8"),
    "items": (b"", "<i8"),
    "ratings": (b"", "<f8"),
    "timestamps": (b"", "<i8"),
    "weights": (b"weights", "<f8"),
}


def fingerprint_of(columns: Mapping[str, Iterable[np.ndarray]]) -> str:
    """The fingerprint of rows with these columns, each in one piece or in several: see `Rows.fingerprint`."""
    digest = hashlib.sha256()
    for name, (before, kind) in HASHED.items():
        if name in columns:
            digest.update(before)
            for piece in columns[name]:
                for start in range(0, len(piece), HASHED_AT_ONCE):
                    digest.update(np.ascontiguousarray(piece[start : start + HASHED_AT_ONCE], dtype=kind).data)
    return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class RatingCounts:
    """How many rows each index has: of users, shape (users,), and of items, shape (items,)."""

    users: np.ndarray
    items: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Ratings:
    """A data set: its rows, and the ids behind the indices. `dropped` counts duplicates taken out."""

    name: str
    rows: Rows
    users: Ids
    items: Ids
    dropped: int = 0
    notes: tuple[str, ...] = ()  # what was guessed or left out in reading, and warnings
    columns: Mapping[str, str] = field(default_factory=dict)  # of a file: the column read as each kind
    columns_line: str = ""  # the same for a person, with those that could have been meant
    untimed: str = ""  # why no column of a file is read as time
    user_features: Features | None = None
    item_features: Features | None = None
    folds: GivenFolds | None = None  # the rows', where a column was read as such
    user_columns: tuple[SideColumn, ...] = ()  # how those of the side tables were read
    item_columns: tuple[SideColumn, ...] = ()

    def about(self) -> "AboutRatings":
        """What stays of them when the rows have been split."""
        return AboutRatings(
            name=self.name,
            users=self.users,
            items=self.items,
            count=len(self.rows),
            timed=self.rows.timestamps is not None,
            weighted=self.rows.weights is not None,
            hash=self.fingerprint(),
            dropped=self.dropped,
            notes=self.notes,
            columns=self.columns,
            columns_line=self.columns_line,
            untimed=self.untimed,
        )

    def fingerprint(self) -> str:
        digest = hash_of(self.rows.fingerprint(), self.users, self.items)
        for kind, features in (("users", self.user_features), ("items", self.item_features)):
            if features is not None:
                digest.update(f"{kind} {features.fingerprint()}".encode())
        if self.folds is not None:
            digest.update(f"folds {self.folds.values}".encode() + self.folds.of_rows.astype("<i1").tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class AboutRatings:
    """A data set without its rows: once they are split, a second copy would only take memory. See `Ratings`."""

    name: str
    users: Ids
    items: Ids
    count: int  # of its rows
    timed: bool  # whether these have timestamps
    weighted: bool  # whether these have weights
    hash: str  # `Ratings.fingerprint`
    dropped: int
    notes: tuple[str, ...]
    columns: Mapping[str, str]
    columns_line: str
    untimed: str

    def fingerprint(self) -> str:
        return self.hash


def hash_of(rows: str, users: Ids, items: Ids) -> "hashlib._Hash":
    """The hash of rows of this fingerprint and of the ids behind their indices."""
    digest = hashlib.sha256(rows.encode())
    for ids in (users, items):
        digest.update(json.dumps(ids.text.tolist()).encode())
    return digest


def from_frame(frame: pd.DataFrame, *, name: str, duplicates: Duplicates, notes: tuple[str, ...] = ()) -> Ratings:
    """Index a frame of text ids `user` and `item`, float `rating` and, where known, `timestamp` (seconds or dates).

    Its `fold` and `weight`, if there are any, are as `read_folds` and `read_weights` have them. Raises InputError at a
    repeated pair where `duplicates` is "error" or its rows are in several folds, and where all ratings are one value.
    """
    if "timestamp" in frame and pd.api.types.is_datetime64_any_dtype(frame["timestamp"]):
        frame = frame.assign(timestamp=seconds_of_dates(frame["timestamp"]))
    if "fold" in frame:
        _refuse_two_folds(frame, name)
    frame, dropped = without_duplicates(frame, name=name, duplicates=duplicates)
    if frame["rating"].nunique() < 2:
        raise InputError(
            f"{name}: every rating is {frame['rating'].iloc[0]:g}; there is nothing to predict from one value"
        )
    users, user_ids = pd.factorize(frame["user"])
    items, item_ids = pd.factorize(frame["item"])
    rows = Rows(
        number=frame.index.to_numpy(dtype=np.int64),
        users=(users + 1).astype(np.int32),
        items=(items + 1).astype(np.int32),
        ratings=frame["rating"].to_numpy(dtype=np.float64),
        timestamps=frame["timestamp"].to_numpy(dtype=np.int64) if "timestamp" in frame else None,
        weights=frame["weight"].to_numpy(dtype=np.float64) if "weight" in frame else None,
    )
    return Ratings(
        name=name,
        rows=rows,
        users=Ids(user_ids),
        items=Ids(item_ids),
        dropped=dropped,
        notes=notes,
        folds=GivenFolds.of(frame["fold"]) if "fold" in frame else None,
    )


def without_duplicates(frame: pd.DataFrame, *, name: str, duplicates: Duplicates) -> tuple[pd.DataFrame, int]:
    """Keep the latest rating of each pair (by timestamp, else by file order), in file order."""
    if duplicates == "keep":
        return frame, 0
    among, distinct = _repeated(frame)
    if not len(among):
        return frame, 0
    if duplicates == "error":
        user, item = frame[["user", "item"]].iloc[among[0]]
        raise InputError(
            f"{name}: {len(among) - distinct} pairs are rated more than once, user {user!r} with item {item!r} "
            "for one; --duplicates last keeps the latest of each, --duplicates keep keeps all"
        )
    some = frame.iloc[among].reset_index(drop=True)
    in_time = some.sort_values("timestamp", kind="stable") if "timestamp" in some else some
    kept = np.ones(len(frame), dtype=bool)
    kept[among[in_time.index[in_time.duplicated(["user", "item"], keep="last")]]] = False
    return frame[kept], len(among) - distinct


def _refuse_two_folds(frame: pd.DataFrame, name: str) -> None:
    """Raise InputError at a pair with rows in several folds: it would be fitted on where it is tested."""
    among, _ = _repeated(frame)
    several = frame.iloc[among].drop_duplicates(["user", "item", "fold"])
    several = several[several.duplicated(["user", "item"], keep=False)]
    if len(several):
        user, item = several[["user", "item"]].iloc[0]
        within = several["fold"][(several["user"] == user) & (several["item"] == item)]
        raise InputError(
            f"{name}: user {user!r} with item {item!r} is in the folds {' and '.join(map(repr, within))}, and so would "
            "be fitted on where it is tested; keep the rows of each pair in one fold"
        )


def _repeated(frame: pd.DataFrame) -> tuple[np.ndarray, int]:
    """The places of all rows whose pair is there several times, ascending, and how many pairs these are."""
    users, items = (_codes(frame[kind]) for kind in ("user", "item"))
    pairs = users.astype(np.int64) * (int(items.max(initial=0)) + 1) + items
    ordered = np.sort(pairs)
    several = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    return np.flatnonzero(pd.Series(pairs).isin(several)) if len(several) else several, len(several)


def _codes(ids: pd.Series) -> np.ndarray:
    """A number for each row, the same for the same id."""
    return ids.cat.codes.to_numpy() if isinstance(ids.dtype, pd.CategoricalDtype) else pd.factorize(ids)[0]
