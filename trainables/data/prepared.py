"""From what was asked to rows: loads the data, splits it, and reads the scale off the rows that fits may see."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from reeltune.trainables.data import (
    Columns,
    Duplicates,
    Fold,
    MissingIds,
    Ratings,
    Reading,
    Rows,
    Shares,
    Split,
    SplitKind,
    UnknownIds,
    has_known_columns,
    load_data,
    read_more,
    split,
    split_given_test,
)
from reeltune.trainables.data.columns import COLUMN_OPTIONS
from reeltune.trainables.data.movielens import cache_folder
from reeltune.trainables.data.ratings import AboutRatings
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.data.split import DEFAULT_SHARES, Sizes
from reeltune.trainables.errors import InputError
from reeltune.trainables.writable import obstacle

WARNING = "WARNING: "
FEW_ROWS = 20  # too few to tell another scale by


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """What the command line says of data."""

    data: str
    test: str | None = None
    split: SplitKind = "random"
    split_seed: int = 42
    shares: Shares = DEFAULT_SHARES
    fold: Fold | None = None  # whose rows are the test rows
    columns: Columns | None = None
    duplicates: Duplicates | None = None
    users: str | None = None  # a side table, or "none" for not even the data set's own
    items: str | None = None
    not_rated: tuple[str, ...] = ()  # ratings that mean 'not rated', as text
    missing_ids: MissingIds | None = None
    unknown_ids: UnknownIds | None = None
    matrix: bool = False  # the file is a user-by-item matrix
    # Of data in memory: tables by the path of the Parquet file that the run keeps each in, and the ratings as read.
    tables: Mapping[str, pa.Table] = field(default_factory=dict, compare=False, repr=False)
    loaded: Ratings | None = field(default=None, compare=False, repr=False)

    @property
    def given_folds(self) -> str | None:
        """The column that names each row's fold, if folds are of one."""
        return None if self.columns is None else self.columns.fold

    @property
    def split_word(self) -> str:
        """What --split is asked for by."""
        return self.split if self.given_folds is None else f"folds:{self.given_folds}"

    def load(self) -> Ratings:
        """The ratings with their side tables. Raises InputError as the readers do."""
        if self.loaded is not None:
            return self.loaded
        for_test_alone = self.test is not None and has_known_columns(self.data)
        return load_data(
            self.data,
            columns=self._columns_of_side_tables() if for_test_alone else self.columns,
            duplicates=self.duplicates,
            users=self.users,
            items=self.items,
            not_rated=() if for_test_alone else self.not_rated,
            missing_ids=self.missing_ids if self._side_tables or not for_test_alone else None,
            matrix=self.matrix and not for_test_alone,
        )

    def reading(self) -> Reading:
        """How the test file is read."""
        return Reading(
            columns=self.columns or Columns(),
            not_rated=self.not_rated,
            missing_ids=self.missing_ids or "error",
            unknown_ids=self.unknown_ids or "error",
            matrix=self.matrix,
        )

    def _columns_of_side_tables(self) -> Columns | None:
        """The columns that a data set by name, whose own are known, can have in its side tables."""
        if self.columns is None:
            return None
        tables = self._side_tables
        return Columns(**{kind: getattr(self.columns, kind) for kind in tables})

    @property
    def _side_tables(self) -> tuple[str, ...]:
        """Of which kinds a side table is asked for."""
        asked = {"user": self.users, "item": self.items}
        return tuple(kind for kind, source in asked.items() if source not in (None, "none"))


@dataclass(frozen=True, kw_only=True)
class FitData:
    """What fits see: training and validation rows, and their shape."""

    train: Rows
    validation: Rows
    shape: Shape

    def __len__(self) -> int:
        return len(self.train) + len(self.validation)


@dataclass(frozen=True, kw_only=True)
class Prepared:
    asked: DataOptions
    ratings: AboutRatings
    split: Split
    shape: Shape
    overlap: int = 0  # rows of somebody's own test file whose pair is in the data too
    test_notes: tuple[str, ...] = ()  # what was guessed in reading that file, and warnings

    @property
    def seen(self) -> FitData:
        """Of it, what fits see: all but the test rows."""
        return FitData(train=self.split.train, validation=self.split.validation, shape=self.shape)

    @property
    def sizes(self) -> Sizes:
        parts = self.split
        return Sizes(train=len(parts.train), validation=len(parts.validation), test=len(parts.test))

    def fitted(self, *, refitted: bool) -> Rows:
        """The rows that a fit sees, or a refit, which sees the validation rows too."""
        return self.split.fitting if refitted else self.split.train

    def validation_rows(self) -> Rows:
        """All validation rows."""
        return self.split.validation

    @property
    def rows(self) -> int:
        """How many there are in the three parts, but for test rows of one's own."""
        return self.ratings.count

    @property
    def bytes(self) -> int:
        """About what the rows and the features take in memory."""
        sides = (self.shape.user_features, self.shape.item_features)
        rows = self.ratings.count * (56 if self.ratings.weighted else 48)
        return rows + sum(side.bytes for side in sides if side is not None)

    def summary(self) -> str:
        """What the data is and how it was read: one line, and one for each warning."""
        return summary_of(self.counts(), (self.ratings.columns_line, *self.ratings.notes, *self.test_notes))

    def counts(self) -> str:
        """How much data there is, and how much in which part: one line."""
        about_test = f" ({self.asked.fold.name})" if self.asked.fold is not None else ""
        if self.overlap:
            about_test += f" (NOTE: {self.overlap:,} of these pairs are trained on too)"
        return counts_of(self.ratings.name, self.rows, self.ratings.dropped, self.shape, self.sizes, about_test)


def summary_of(counts: str, read: Iterable[str]) -> str:
    """What the data is and how it was read: one line, and one for each warning."""
    lines = list(read)
    said = [line for line in lines if line and not line.startswith(WARNING)]
    return "\n".join(["; ".join([counts, *said]), *(line for line in lines if line.startswith(WARNING))])


def counts_of(name: str, rows: int, dropped: int, shape: Shape, sizes: Sizes, about_test: str = "") -> str:
    """How much data there is, and how much in which part: one line."""
    repeated = f" ({dropped:,} repeated ones dropped)" if dropped else ""
    test = f", {sizes.test:,} sealed for the test" if sizes.test else ", none held out for a test"
    validation = f"{sizes.validation:,}" if sizes.validation else "none"
    return (
        f"{name}: {rows:,} ratings{repeated} by {shape.users - 1:,} users of {shape.items - 1:,} items; "
        f"{sizes.train:,} to train on, {validation} to validate on{test}{about_test}{_features(shape)}"
    )


def _features(shape: Shape) -> str:
    sides = {"user": shape.user_features, "item": shape.item_features}
    counts = [f"{len(side.names):,} {kind}" for kind, side in sides.items() if side is not None]
    return f"; {' and '.join(counts)} features" if counts else ""


def prepare(options: DataOptions) -> Prepared:
    """Load and split. Raises InputError as the readers and the split do."""
    ratings = options.load()
    if options.split == "time" and ratings.rows.timestamps is None and ratings.untimed:
        raise InputError(f"--split time needs times: {ratings.untimed}")
    overlap = 0
    notes: tuple[str, ...] = ()
    if options.test is None:
        parts = split(
            ratings.rows,
            kind=options.split,
            seed=options.split_seed,
            shares=options.shares,
            tested=options.fold,
            given=None if ratings.folds is None else ratings.folds.of_rows,
        )
    else:
        test = options.tables.get(options.test, options.test)
        more = read_more(test, ratings, options.reading(), duplicates=options.duplicates or "last")
        parts = split_given_test(
            ratings.rows, more.rows, kind=options.split, seed=options.split_seed, shares=options.shares
        )
        overlap = parts.test.shared_pairs(ratings.rows)
        if overlap == len(more.rows):
            raise InputError(
                f"--test {options.test}: every pair of it is in {options.data} too; nothing would be tested"
            )
        _refuse_half_weighted(options, ratings)
        notes = (*more.notes, *_two_scales(options.test, parts.scale, more.rows.ratings))
    shape = shape_of(ratings, parts.train, scale=parts.scale, kind=options.split)
    return Prepared(asked=options, ratings=ratings.about(), split=parts, shape=shape, overlap=overlap, test_notes=notes)


def shape_of(ratings: Ratings, train: Rows, *, scale: Scale, kind: SplitKind) -> Shape:
    """The shape of data, these rows of which are trained on, of a split of this kind."""
    return Shape(
        users=ratings.users.rows,
        items=ratings.items.rows,
        scale=scale,
        ratings=len(train),
        rated_users=int(np.count_nonzero(np.bincount(train.users))),
        rated_items=int(np.count_nonzero(np.bincount(train.items))),
        rare_items=_rare_items(ratings, kind),
        user_features=ratings.user_features,
        item_features=ratings.item_features,
    )


def _refuse_half_weighted(options: DataOptions, ratings: Ratings) -> None:
    """A data set by name has no weights, and its errors on a test file with weights would be of another kind."""
    column = None if options.columns is None else options.columns.weight
    if column is not None and ratings.rows.weights is None:
        raise InputError(
            f"{COLUMN_OPTIONS['weight']} {column}: {options.data} has no column of weights, and its test rows alone "
            "cannot have any; leave the weights out, or give the ratings as a file"
        )


def _rare_items(ratings: Ratings, kind: SplitKind) -> int:
    """See `Shape`. By time items without a fitted rating are new ones; so are those of a side table alone."""
    return 0 if kind == "time" else int(ratings.rows.items.max())


def _two_scales(file: str, scale: Scale, test: np.ndarray) -> tuple[str, ...]:
    """A warning where ratings of a test file cannot be of the scale that fits may see."""
    middle, outside = (scale.low + scale.high) / 2, int(scale.outside(test).sum())
    scales = f"the scale of training, {scale.low:g} to {scale.high:g}; its own is {test.min():g} to {test.max():g}"
    if outside:
        return (f"{WARNING}{file}: {outside:,} of {len(test):,} ratings lie outside {scales}",)
    if len(test) >= FEW_ROWS and (test.max() <= middle or test.min() >= middle):
        return (f"{WARNING}{file}: all ratings lie in one half of {scales}",)
    return ()


def looks() -> Path:
    """Where every look at sealed rows is written down, whichever run it was for."""
    return cache_folder() / "looks.jsonl"


def check_looks() -> None:
    """Check before any work that a look can be written down after it. Raises InputError if not; writes nothing."""
    if (why := obstacle(looks())) is not None:
        raise InputError(
            f"{looks()}, where looks at test rows are written down: {why}; set REELTUNE_CACHE to a folder that can be "
            "written"
        )
