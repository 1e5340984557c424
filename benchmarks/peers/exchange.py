"""What every peer's script does around its own lines: reads the tables, times the fit, writes the predictions.

    python fit_NAME.py METHOD FOLDER RESULT

FOLDER has fit.parquet (user, item, rating, timestamp), pairs.parquet (user, item: what is to be predicted) and the
side tables users.parquet and items.parquet (row, column, weight, group). RESULT gets a prediction for each pair.

It runs in the environments of the peers, so it imports nothing of reeltune.
"""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

SEED = 42
Steps = tuple[Callable[[], object], Callable[[], np.ndarray]]  # fit, and predict every pair


@dataclass(frozen=True, kw_only=True)
class Tables:
    """Indices of users and of items are whole numbers from 1; a side table has `weight` at `column` of `row`."""

    fit: pd.DataFrame
    pairs: pd.DataFrame
    users: pd.DataFrame
    items: pd.DataFrame


def main(methods: dict[str, Callable[[Tables], Steps]]) -> None:
    """Run the method that the command line names. Only the library's own fit is timed as the fit."""
    method, folder, result = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    _one_core()
    names = ("fit", "pairs", "users", "items")
    fit, predict = methods[method](Tables(**{name: pd.read_parquet(folder / f"{name}.parquet") for name in names}))
    start = time.perf_counter()
    fit()
    fitted = time.perf_counter()
    predictions = np.asarray(predict(), dtype=np.float64)
    done = time.perf_counter()
    frame = pd.DataFrame({"prediction": predictions})
    frame.assign(fit_seconds=fitted - start, predict_seconds=done - fitted).to_parquet(result, index=False)


def _one_core() -> None:
    """Threads that a library starts in spite of the settings share the core, where the system can say so."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
