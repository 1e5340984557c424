"""`reeltune predict`: rates the pairs of a file with a trained model."""

from pathlib import Path

import numpy as np

from reeltune.cluster.commands.fold_in import folded_in
from reeltune.cluster.commands.output_file import check_output, write_table
from reeltune.cluster.runs.stored import Stored
from reeltune.trainables.architectures.kept_source import NO_SOURCE, OwnSource
from reeltune.trainables.bundle import Predictor, load_own
from reeltune.trainables.data import Reading, ReadPairs, read_pairs
from reeltune.trainables.data.reading.frames import Source
from reeltune.trainables.errors import InputError
from reeltune.trainables.folding.newcomers import KnownIds
from reeltune.trainables.scoring.decoders import Decoder

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
    predictor: Predictor, pairs: Source, *, reading: Reading, decoder: Decoder | None = None
) -> tuple[ReadPairs, np.ndarray]:
    """The pairs of a table, and their ratings, shape (pairs,). Raises InputError if they cannot be read."""
    read = read_pairs(pairs, users=predictor.users, items=predictor.items, reading=reading, timed=predictor.timed)
    ratings = predictor.predict_indices(read.users, read.items, read.times, decoder=decoder).astype(float)
    return read, ratings.round(predictor.scale.decimals)


def predict_file(
    model: Path,
    pairs: str,
    output: Path,
    *,
    reading: Reading,
    ratings: str | None = None,
    known_ids: KnownIds = "error",
    own: OwnSource = NO_SOURCE,
) -> Predicted:
    """Rate the pairs of a file, and write its columns and a `prediction` to `output` (CSV, TSV or Parquet).

    `ratings` is a file of ratings by new users, or of new items, which the model then knows. Raises InputError if the
    pairs cannot be read, have a column of that name, or the output cannot be written.
    """
    predictor, said = load_own(model, own), tuple[str, ...]()
    if ratings is not None:
        predictor, said = folded_in(predictor, ratings, reading=reading, known_ids=known_ids)
    read, found = rated(predictor, pairs, reading=reading)
    if PREDICTION in read.frame.columns:
        raise InputError(f"{pairs}: has a column {PREDICTION!r} already, which would be lost; rename or drop it")
    check_output(output)
    write_table(read.frame.assign(**{PREDICTION: found}), output)
    unknown_users, unknown_items, unknown_both = unknown_in(read, predictor)
    return Predicted(
        pairs=len(read.frame),
        unknown_users=unknown_users,
        unknown_items=unknown_items,
        unknown_both=unknown_both,
        output=str(output),
        notes=[*said, *read.notes],
    )


def unknown_in(read: ReadPairs, predictor: Predictor) -> tuple[int, int, int]:
    """How many pairs have a user, an item, and both, of which the model was fitted on no rating."""
    users, items = predictor.unknown_rows(read.users, read.items)
    return int(users.sum()), int(items.sum()), int((users & items).sum())


def about_unknown(users: int, items: int, both: int) -> list[str]:
    """The line about counts of unknown ids; none where all are known."""
    if not (users or items):
        return []
    return [f"{users:,} rows have a user and {items:,} an item that the model knows no rating of, {both:,} both"]
