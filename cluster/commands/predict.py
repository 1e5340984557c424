"""`reeltune predict`: rates the pairs of a file with a trained model."""

from pathlib import Path

from reeltune.cluster.commands.output_file import check_output, write_table
from reeltune.cluster.runs.stored import Stored
from reeltune.trainables.bundle import load
from reeltune.trainables.data import Columns, read_pairs


class Predicted(Stored):
    """What `predict --json` prints."""

    pairs: int
    unknown_users: int  # pairs whose user has no rating that the model was fitted on
    unknown_items: int
    output: str


def predict_file(model: Path, pairs: str, output: Path, *, columns: Columns) -> Predicted:
    """Rate the pairs of a file, and write its columns and a `prediction` to `output` (CSV, TSV or Parquet).

    Raises InputError if the pairs cannot be read or the output cannot be written.
    """
    predictor = load(model)
    known = {"users": predictor.users, "items": predictor.items}
    frame, users, items, times = read_pairs(pairs, **known, columns=columns, timed=predictor.timed)
    check_output(output)
    predictions = predictor.predict_indices(users, items, times).astype(float)
    frame = frame.assign(prediction=predictions.round(predictor.scale.decimals))
    write_table(frame, output)
    unknown_users, unknown_items = predictor.unknown_indices(users, items)
    return Predicted(pairs=len(frame), unknown_users=unknown_users, unknown_items=unknown_items, output=str(output))
