"""`reeltune predict`: rates the pairs of a file with a trained model."""

from collections.abc import Callable
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
from reeltune.trainables.data.pairs import PairReader
from reeltune.trainables.data.reading.frames import Source
from reeltune.trainables.data.reading.parts import parts_of, whole
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
    read = read_pairs(pairs, users=predictor.users, items=predictor.items, reading=reading, timed=predictor.timed)
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
    progress: Callable[[Step], None] = lambda step: None,
    say: Callable[[str], None] = lambda line: None,
) -> Predicted:
    """Rate the pairs of a file, and write its columns and a `prediction` to `output` (CSV, TSV or Parquet).

    A large file is read, rated and written some rows at a time, unless the model needs times; the output is there
    whole at the end or not at all.
    `say` gets a warning at once where no user, or no item, of the first rows is known.
    With `intervals` there are four columns more, of `spread.COLUMNS`.
    `ratings` is a file of ratings by new users, or of new items, which the model then knows. Raises InputError if the
    pairs cannot be read, have a column of that name, or the output cannot be written.
    """
    predictor, said = load_own(model, own), tuple[str, ...]()
    if ratings is not None:
        predictor, said = folded_in(predictor, ratings, reading=reading, known_ids=known_ids)
    reader = PairReader(users=predictor.users, items=predictor.items, reading=reading, timed=predictor.timed)
    # How dates and numbers are times is told by all of a column.
    parts = whole(pairs) if predictor.timed else parts_of(pairs)
    check_output(output)
    unknown, pairs_rated, shown = np.zeros(3, dtype=int), 0, Counted("rows", parts.rows, progress)
    with TableFile(output, types=parts.types) as file:
        for table in parts.tables:
            _check_columns(table.frame, pairs, intervals)
            read = reader.read(table)
            if not shown.done and read.rows != parts.rows:  # the end, which tells, may be hours away
                for line in reader.warnings():
                    say(line)
            file.write(read.frame.assign(**columns_of(read, predictor, intervals=intervals)))
            unknown += unknown_in(read, predictor)
            pairs_rated += len(read.frame)
            shown.add(read.rows, share=parts.share())
        notes = reader.notes()
    unknown_users, unknown_items, unknown_both = unknown.tolist()
    return Predicted(
        pairs=pairs_rated,
        unknown_users=unknown_users,
        unknown_items=unknown_items,
        unknown_both=unknown_both,
        output=str(output),
        notes=[*said, *notes],
    )


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
