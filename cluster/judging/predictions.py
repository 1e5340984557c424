"""`predictions.parquet`: the test rows with every predictor's ratings."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from reeltune.cluster.judging.scores import Scored
from reeltune.cluster.runs.answer import WEIGHT
from reeltune.cluster.runs.folder import RunFolder
from reeltune.trainables.data import Rows
from reeltune.trainables.data.prepared import Prepared
from reeltune.trainables.scoring.metric_table import METRICS, Metric

LOOKED_AT, FEW = 100_000, 1000  # first rows, and distinct numbers in them up to which a dictionary is smaller
LARGEST_DICTIONARY = 1 << 26  # bytes: beyond a megabyte Arrow writes each id in full


def write_predictions(
    folder: RunFolder, scores: dict[str, list[Scored]], rows: Rows, prepared: Prepared, *, metric: Metric = "mse"
) -> None:
    """Write a column of ratings per architecture (the first seed's, as in its bundle), and one per further seed.

    Where probabilities are judged, which ratings do not tell, each has a column of the rows' scores too.
    """
    frame = pd.DataFrame(
        {
            "row": rows.number,
            "user": people(rows, prepared),
            "item": _names(prepared.ratings.items.text, rows.items),
            "rating": rows.ratings,
            **({} if rows.timestamps is None else {"timestamp": rows.timestamps}),
            **({} if rows.weights is None else {WEIGHT: rows.weights}),
        }
    )
    for name, each in scores.items():
        for place, scored in enumerate(each):
            frame[column_of(name, place)] = scored.ratings
            if METRICS[metric].probabilities:
                frame[score_column(column_of(name, place), metric)] = scored.errors
    temporary = folder.predictions.with_suffix(".tmp")
    write_small(frame, temporary)
    temporary.replace(folder.predictions)


def write_small(frame: pd.DataFrame, path: Path) -> None:
    """Write Parquet that takes little disk: ids and ratings of few values by dictionaries, numbers byte by byte."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    numbers = [
        name
        for name, column in frame.items()
        if pd.api.types.is_numeric_dtype(column) and column.iloc[:LOOKED_AT].nunique() > FEW
    ]
    pq.write_table(
        table,
        path,
        compression="zstd",
        use_dictionary=[name for name in frame if name not in numbers],
        use_byte_stream_split=numbers,
        dictionary_pagesize_limit=LARGEST_DICTIONARY,
    )


def column_of(name: str, place: int) -> str:
    """The name of the column with the ratings of a refit; `place` is the number of its seed, from 0."""
    return name if place == 0 else f"{name}.seed{place + 1}"


def score_column(column: str, metric: Metric) -> str:
    """The name of the column with each row's score of these predictions' probabilities."""
    return f"{metric}:{column}"


def errors_of(frame: pd.DataFrame, names: Iterable[str], metric: Metric) -> dict[str, np.ndarray]:
    """Errors by name, shape (rows,), mean over the seeds' columns `NAME`, `NAME.seed2`, …

    Folds may have chosen predictors with more seeds or fewer: a row's mean is over those that it has. A predictor that
    has none for some row, because a fold lacks it, is left out.
    """
    truth = frame["rating"].to_numpy(dtype=np.float64)

    def errors(column: str) -> np.ndarray:
        if METRICS[metric].probabilities:
            return frame[score_column(column, metric)].to_numpy(np.float64)
        off = frame[column].to_numpy(np.float64) - truth
        return np.abs(off) if metric == "mae" else off**2

    found = {}
    for name in names:
        columns = [column for column in map(str, frame) if column == name or column.startswith(f"{name}.seed")]
        each = np.array([errors(column) for column in columns]).reshape(-1, len(frame))
        if columns and not np.isnan(each).all(axis=0).any():
            found[name] = np.nanmean(each, axis=0)
    return found


def weights_of(frame: pd.DataFrame) -> np.ndarray | None:
    """How often each row of predictions counts, shape (rows,); None: once."""
    return frame[WEIGHT].to_numpy(np.float64) if WEIGHT in frame else None


def people(rows: Rows, prepared: Prepared) -> np.ndarray:
    """Each row's user id, shape (rows,), including users that only the test file has."""
    known = _names(prepared.ratings.users.text, rows.users)
    return known if rows.strangers is None else np.where(rows.users == 0, rows.strangers, known)


def _names(text: pd.Index, indices: np.ndarray) -> np.ndarray:
    """The ids of indices; None for index 0, 'unknown', which a user's own test file may have."""
    return np.concatenate([np.array([None], dtype=object), text.to_numpy(dtype=object)])[indices]
