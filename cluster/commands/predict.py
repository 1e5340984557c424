"""`reeltune predict`: rates the pairs of a file with a trained model."""

import itertools
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from reeltune.cluster.commands.counted import Counted, Step
from reeltune.cluster.commands.fold_in import folded_in
from reeltune.cluster.commands.output_file import TableFile, check_output
from reeltune.cluster.runs.stored import Stored
from reeltune.trainables.architectures.kept_source import NO_SOURCE, OwnSource
from reeltune.trainables.bundle import Predictor, load_own
from reeltune.trainables.data import Reading, ReadPairs, read_pairs
from reeltune.trainables.data.pairs import PairReader, Told
from reeltune.trainables.data.reading.frames import Source
from reeltune.trainables.data.reading.parts import Parts, parts_of, whole
from reeltune.trainables.data.reading.tables import Table
from reeltune.trainables.errors import InputError
from reeltune.trainables.folding.newcomers import KnownIds
from reeltune.trainables.scoring.decoders import Decoder
from reeltune.trainables.scoring.spread import COLUMNS

PREDICTION = "prediction"  # the column that is written


class Predicted(Stored):
    """What `predict --json` prints."""

    pairs: int
    unknown_users: int  # pairs whose user has no rating that the model was fitted on
    unknown_items: int
    unknown_both: int
    output: str
    notes: list[str]


def rated(
    predictor: Predictor, pairs: Source, *, reading: Reading, decoder: Decoder | None = None, intervals: bool = False
) -> tuple[ReadPairs, dict[str, np.ndarray]]:
    """The pairs of a table, and the columns that they get. Raises InputError if they cannot be read."""
    beside = reading.beside(predictor.column_names)
    read = read_pairs(pairs, users=predictor.users, items=predictor.items, reading=beside, timed=predictor.timed)
    return read, columns_of(read, predictor, intervals=intervals, decoder=decoder)


def ratings_of(read: ReadPairs, predictor: Predictor, *, decoder: Decoder | None = None) -> np.ndarray:
    """The ratings of pairs that were read, shape (pairs,), with as many digits as the scale needs."""
    ratings = predictor.predict_indices(read.users, read.items, read.times, decoder=decoder).astype(float)
    return ratings.round(predictor.scale.decimals)


def columns_of(
    read: ReadPairs, predictor: Predictor, *, intervals: bool, decoder: Decoder | None = None
) -> dict[str, np.ndarray]:
    """The columns that pairs get, each of shape (pairs,): their ratings, and with `intervals` the ends of these."""
    if not intervals:
        return {PREDICTION: ratings_of(read, predictor, decoder=decoder)}
    ratings, ends = predictor.interval_indices(read.users, read.items, read.times, decoder=decoder)
    columns = dict(zip((PREDICTION, *COLUMNS), [ratings, *ends.T], strict=True))
    return {name: column.astype(float).round(predictor.scale.decimals) for name, column in columns.items()}


def predict_file(
    model: Path,
    pairs: str,
    output: Path,
    *,
    reading: Reading,
    ratings: str | None = None,
    known_ids: KnownIds = "error",
    intervals: bool = False,
    own: OwnSource = NO_SOURCE,
    address: str | None = None,
    progress: Callable[[Step], None] = lambda step: None,
    say: Callable[[str], None] = lambda line: None,
) -> Predicted:
    """Rate the pairs of a file, and write its columns and a `prediction` to `output` (CSV, TSV or Parquet).

    A large file is read, rated and written some rows at a time, unless the model needs times; the output is there
    whole at the end or not at all.
    `say` gets a warning at once where no user, or no item, of the first rows is known.
    With `address` the nodes of that cluster rate what comes after the first rows.
    With `intervals` there are four columns more, of `spread.COLUMNS`.
    `ratings` is a file of ratings by new users, or of new items, which the model then knows. Raises InputError if the
    pairs cannot be read, have a column of that name, or the output cannot be written.
    """
    if address is not None:
        from reeltune.cluster.session.address import check_address  # late: it loads Ray

        check_address(address, takes_client=False)
        refuse_own(address, own)
    predictor, said = load_own(model, own), tuple[str, ...]()
    if ratings is not None:
        predictor, said = folded_in(predictor, ratings, reading=reading, known_ids=known_ids)
    reading = reading.beside(predictor.column_names)
    # How dates and numbers are times is told by all of a column.
    parts = whole(pairs) if predictor.timed else parts_of(pairs)
    check_output(output)
    rater = Rater(predictor, reading, pairs=pairs, intervals=intervals)
    total = PairReader(users=predictor.users, items=predictor.items, reading=reading, timed=predictor.timed)
    unknown, count, shown = np.zeros(3, dtype=int), 0, Counted("rows", parts.rows, progress)
    with (
        TableFile(output, types=parts.types) as file,
        closing(_rated(rater, parts, address, say)) as rated_parts,
    ):
        for part in rated_parts:
            total.add(part.told)
            if not shown.done and part.rows != parts.rows:  # the end, which tells, may be hours away
                for line in total.warnings():
                    say(line)
            file.write(part.frame)
            unknown += part.unknown
            count += len(part.frame)
            shown.add(part.rows, share=part.share)
        notes = total.notes()
    unknown_users, unknown_items, unknown_both = unknown.tolist()
    return Predicted(
        pairs=count,
        unknown_users=unknown_users,
        unknown_items=unknown_items,
        unknown_both=unknown_both,
        output=str(output),
        notes=[*said, *notes],
    )


def refuse_own(address: str, own: OwnSource) -> None:
    """Raise InputError for a model of an own architecture, whose source the nodes do not have."""
    if own.files:
        raise InputError(
            f"--address {address}: a model of your own architecture is rated in this process; leave the address out"
        )


@dataclass(frozen=True, kw_only=True)
class RatedPart:
    """A table of a file with its ratings: `frame` has the `rows` that are not left out."""

    frame: pd.DataFrame
    rows: int
    told: Told
    unknown: tuple[int, int, int]
    share: float | None  # of the file up to here


class Rater:
    """Rates the tables of a file, all of them by the columns that the first has."""

    def __init__(self, predictor: Predictor, reading: Reading, *, pairs: str, intervals: bool) -> None:
        self._predictor, self._reading = predictor, reading
        self._pairs, self._intervals = pairs, intervals

    def __call__(self, given: tuple[Table, float | None]) -> RatedPart:
        """Rate a table. Raises InputError if it cannot be read."""
        (table, share), model = given, self._predictor
        _check_columns(table.frame, self._pairs, self._intervals)
        reader = PairReader(users=model.users, items=model.items, reading=self._reading, timed=model.timed)
        read = reader.read(table)
        self._reading = reader.reading
        assert reader.told is not None
        return RatedPart(
            frame=read.frame.assign(**columns_of(read, model, intervals=self._intervals)),
            rows=read.rows,
            told=reader.told,
            unknown=unknown_in(read, model),
            share=share,
        )


def _rated(rater: Rater, parts: Parts, address: str | None, say: Callable[[str], None]) -> Generator[RatedPart]:
    """The tables of a file with their ratings; with an address those after the first by the nodes of a cluster."""
    tables = ((table, parts.share()) for table in parts.tables)
    if address is None:
        yield from map(rater, tables)
        return
    first = rater(next(tables))
    yield first
    if first.rows == parts.rows or next(tables, None) is None:
        say(
            f"{first.told.source} is one table (a small file, or the model needs times): rated here, not on the cluster"
        )
        return
    from reeltune.cluster.commands.on_nodes import in_session  # late: Ray takes seconds to load

    yield from in_session(address, partial(_after_first, first.told.source), rater, say=say)


def _after_first(pairs: str) -> Iterator[tuple[Table, float | None]]:
    parts = parts_of(pairs)
    return ((table, parts.share()) for table in itertools.islice(parts.tables, 1, None))


def _check_columns(frame: pd.DataFrame, pairs: str, intervals: bool) -> None:
    for name in (PREDICTION, *(COLUMNS if intervals else ())):
        if name in frame.columns:
            raise InputError(f"{pairs}: has a column {name!r} already, which would be lost; rename or drop it")


def unknown_in(read: ReadPairs, predictor: Predictor) -> tuple[int, int, int]:
    """How many pairs have a user, an item, and both, of which the model was fitted on no rating."""
    users, items = predictor.unknown_rows(read.users, read.items)
    return int(users.sum()), int(items.sum()), int((users & items).sum())


def about_unknown(users: int, items: int, both: int) -> list[str]:
    """The line about counts of unknown ids; none where all are known."""
    if not (users or items):
        return []
    return [f"{users:,} rows have a user and {items:,} an item that the model knows no rating of, {both:,} both"]
