"""`reeltune data`: what a data set holds."""

from dataclasses import asdict

import numpy as np

from reeltune.cluster.runs.stored import Stored
from reeltune.trainables.data import SideColumn
from reeltune.trainables.data.prepared import DataOptions
from reeltune.trainables.data.scale import Scale


class ScaleDescription(Stored):
    low: float
    high: float
    step: float
    values: int  # number of distinct ratings
    text: str  # its ends, and its step or its values, for a person


class RepeatedPairs(Stored):
    kept: int
    dropped: int


class FirstRow(Stored):
    user: str
    item: str
    rating: float


class SideColumnDescription(Stored):
    """How a column of a side table was read, or why it was left out."""

    name: str
    kind: str
    features: int
    left_out: str


class SideTables(Stored):
    """The columns of each side table; None if there is no such table."""

    users: list[SideColumnDescription] | None
    items: list[SideColumnDescription] | None


class DataDescription(Stored):
    """What `data --json` prints."""

    data: str
    columns: dict[str, str]  # of a file: the column read as each kind
    columns_line: str  # the same for a person, with those that could have been meant
    ratings: int
    users: int
    items: int
    density: float  # the share of all pairs that is rated
    scale: ScaleDescription
    mean: float
    weighted_mean: float | None  # where rows have weights
    histogram: dict[str, int]  # rows by rating
    repeated_pairs: RepeatedPairs
    timestamps: tuple[str, str] | None  # of the first and the last row, in UTC
    first: list[FirstRow]
    side_tables: SideTables
    notes: list[str]


def describe_data(options: DataOptions) -> DataDescription:
    """Describe a data set. Raises InputError if it cannot be read."""
    ratings = options.load()
    rows, scale = ratings.rows, Scale.of(ratings.rows.ratings)
    users, items = ratings.users.rows - 1, ratings.items.rows - 1
    pairs = len(np.unique(rows.users.astype(np.int64) * (items + 1) + rows.items))
    counts = np.bincount(scale.nearest(rows.ratings), minlength=len(scale.values))
    times = rows.timestamps
    untimed = [ratings.untimed] if ratings.untimed and ratings.untimed not in ratings.notes else []
    return DataDescription(
        data=ratings.name,
        columns=dict(ratings.columns),
        columns_line=ratings.columns_line,
        ratings=len(rows),
        users=users,
        items=items,
        density=pairs / (users * items),
        scale=ScaleDescription(
            low=scale.low, high=scale.high, step=scale.step, values=len(scale.values), text=scale.described()
        ),
        mean=float(rows.ratings.mean()),
        weighted_mean=None if rows.weights is None else float(np.average(rows.ratings, weights=rows.weights)),
        histogram={f"{value:g}": int(count) for value, count in zip(scale.values, counts, strict=True)},
        repeated_pairs=RepeatedPairs(kept=len(rows) - pairs, dropped=ratings.dropped),
        timestamps=None if times is None else (_date(times.min()), _date(times.max())),
        first=[
            FirstRow(user=ratings.users.text[user - 1], item=ratings.items.text[item - 1], rating=float(rating))
            for user, item, rating in zip(rows.users[:5], rows.items[:5], rows.ratings[:5], strict=True)
        ],
        side_tables=SideTables(users=_described(ratings.user_columns), items=_described(ratings.item_columns)),
        notes=[*untimed, *ratings.notes],
    )


def described_lines(described: DataDescription) -> list[str]:
    """The description for a person."""
    scale, repeated = described.scale, described.repeated_pairs
    counts = f"{described.ratings:,} ratings by {described.users:,} users of {described.items:,} items"
    weighted = "" if described.weighted_mean is None else f" ({described.weighted_mean:.3f} by weight)"
    said = [
        f"{described.data}: {counts}",
        *([described.columns_line] if described.columns_line else []),
        f"density {described.density:.2%}, mean rating {described.mean:.3f}{weighted}",
        f"scale {scale.text}",
        f"repeated pairs: {repeated.kept:,} kept, {repeated.dropped:,} dropped",
    ]
    if described.timestamps:
        said.append(f"rated from {described.timestamps[0]} to {described.timestamps[1]} (UTC)")
    most = max(described.histogram.values())
    said += [
        f"{value:>8} {count:>10,} {'#' * round(40 * count / most)}" for value, count in described.histogram.items()
    ]
    said += ["first rows:", *(f"  user {row.user}, item {row.item}: {row.rating:g}" for row in described.first)]
    for kind, columns in (("users", described.side_tables.users), ("items", described.side_tables.items)):
        said += [] if columns is None else _side_table(kind, columns)
    return [*said, *described.notes]


def _side_table(kind: str, columns: list[SideColumnDescription]) -> list[str]:
    said = [f"side table of {kind}, {sum(column.features for column in columns):,} features:"]
    for column in columns:
        read = f"{column.kind}, {column.features:,} features" if column.features else ""
        left_out = f"left out: {column.left_out}" if column.left_out else ""
        said.append(f"  {column.name}: {'; '.join(part for part in (read, left_out) if part)}")
    return said


def _described(columns: tuple[SideColumn, ...]) -> list[SideColumnDescription] | None:
    return [SideColumnDescription(**asdict(column)) for column in columns] or None


def _date(seconds: int) -> str:
    return str(np.datetime64(int(seconds), "s"))  # of any year: pandas' own end in 2262
