"""`predictions.parquet`: the test rows with every predictor's ratings."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from reeltune.cluster.judging.scores import Scored
from reeltune.cluster.runs.folder import RunFolder
from reeltune.trainables.data import Rows
from reeltune.trainables.data.prepared import Prepared


def write_predictions(folder: RunFolder, scores: dict[str, list[Scored]], rows: Rows, prepared: Prepared) -> None:
    """Write a column of ratings per architecture (the first seed's, as in its bundle), and one per further seed."""
    frame = pd.DataFrame(
        {
            "row": rows.number,
            "user": people(rows, prepared),
            "item": _names(prepared.ratings.items.text, rows.items),
            "rating": rows.ratings,
            **({} if rows.timestamps is None else {"timestamp": rows.timestamps}),
        }
    )
    for name, each in scores.items():
        for place, scored in enumerate(each):
            frame[column_of(name, place)] = scored.ratings
    temporary = folder.predictions.with_suffix(".tmp")
    frame.to_parquet(temporary, index=False)
    temporary.replace(folder.predictions)


def column_of(name: str, place: int) -> str:
    """The name of the column with the ratings of a refit; `place` is the number of its seed, from 0."""
    return name if place == 0 else f"{name}.seed{place + 1}"


def errors_of(frame: pd.DataFrame, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Squared errors by name, shape (rows,), mean over the seeds' columns `NAME`, `NAME.seed2`, …"""
    truth = frame["rating"].to_numpy(dtype=np.float64)
    found = {}
    for name in names:
        columns = [column for column in map(str, frame) if column == name or column.startswith(f"{name}.seed")]
        if columns:
            found[name] = np.mean([(frame[column].to_numpy(np.float64) - truth) ** 2 for column in columns], axis=0)
    return found


def people(rows: Rows, prepared: Prepared) -> np.ndarray:
    """Each row's user id, shape (rows,), including users that only the test file has."""
    known = _names(prepared.ratings.users.text, rows.users)
    return known if rows.strangers is None else np.where(rows.users == 0, rows.strangers, known)


def _names(text: pd.Index, indices: np.ndarray) -> np.ndarray:
    """The ids of indices; None for index 0, 'unknown', which a user's own test file may have."""
    return np.concatenate([np.array([None], dtype=object), text.to_numpy(dtype=object)])[indices]
