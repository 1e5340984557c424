"""What every peer's script does around its own lines: reads the tables, times the fit, writes the predictions.

    python fit_NAME.py METHOD FOLDER RESULT

FOLDER has fit.parquet (user, item, rating, timestamp), pairs.parquet (user, item: what is to be predicted) and the
side tables users.parquet and items.parquet (row, column, weight, group). RESULT gets a prediction for each pair.

    python epochs_NAME.py FACTORS FOLDER RESULT

times single epochs of a fit on fit.parquet. RESULT gets the seconds of one, and the process's peak memory.

It runs in the environments of the peers, so it imports nothing of reeltune.
"""

import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
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


@dataclass(frozen=True, kw_only=True)
class Lap:
    """Seconds by the clock, and those for which the process had a core."""

    wall: float
    core: float

    def less(self, other: "Lap") -> "Lap":
        return Lap(wall=self.wall - other.wall, core=self.core - other.core)

    def over(self, number: int) -> "Lap":
        return Lap(wall=self.wall / number, core=self.core / number)


class Clock:
    """Measures from its making, and then from lap to lap."""

    def __init__(self) -> None:
        self._start = _now()

    def lap(self) -> Lap:
        now = _now()
        lap, self._start = now.less(self._start), now
        return lap


def _now() -> Lap:
    return Lap(wall=time.perf_counter(), core=time.process_time())


def time_epochs(epochs: Callable[[pd.DataFrame, int], list[Lap]]) -> None:
    """Write the mean of the laps, one an epoch, that `epochs` gives for the rows and so many factors."""
    factors, folder, result = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
    _one_core()
    laps = epochs(pd.read_parquet(folder / "fit.parquet"), factors)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 2**30
    found = pd.DataFrame([asdict(lap) for lap in laps]).mean().to_frame().T
    found.assign(peak=peak).to_parquet(result, index=False)


def _one_core() -> None:
    """Threads that a library starts in spite of the settings share the core, where the system can say so."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
