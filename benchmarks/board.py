"""What TensorBoard costs: its event files in a search of 200 trials, and loading that run. About 5 minutes.

    python benchmarks/board.py
    python benchmarks/board.py --trials 20 --folder runs/board   # a short one, whose folder stays

The search is of `pmf` and `classifier` on MovieLens-100k by trials far shorter than those of the main job, so that the
share is large. What it costs is the time spent in the callback, in the process that Ray Tune runs in. TensorBoard has
loaded a run when its server answers with the session of every trial and its scalars.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from reeltune.cluster.runs.folder import Ledger, RunFolder, write_json
from reeltune.cluster.search.experiment import Plan, search, studies
from reeltune.cluster.search.tracking import Tracking
from reeltune.cluster.search.trial_fit import TrialData
from reeltune.cluster.session.machine import description
from reeltune.cluster.session.session import session
from reeltune.cluster.session.slots import slots
from reeltune.cluster.tensorboard.event_files import TensorBoard
from reeltune.cluster.tensorboard.hparams import VALUE, Drawn
from reeltune.search_spaces import read_spaces
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data.prepared import DataOptions, prepare

SPACE = """
[pmf]
only = true
batch_size = 8192
[pmf.learning_rate]
low = 1e-3
high = 1e-2
log = true
[pmf.epochs]
low = 3
high = 6

[classifier]
only = true
batch_size = 8192
[classifier.learning_rate]
low = 1e-3
high = 1e-2
log = true
[classifier.epochs]
low = 3
high = 6
"""
CALLS = ("on_trial_start", "on_trial_result", "on_trial_complete", "on_trial_error", "on_experiment_end")
STATUSES = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200, help="of both architectures together")
    parser.add_argument("--loads", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the run is to stay")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as path:
        folder = RunFolder(arguments.folder or Path(path) / "run")
        folder.path.mkdir(parents=True)
        spent, seconds = searched(folder, arguments.trials)
        fits = len(Ledger(folder.ledger).entries)
        loads = [loaded(folder, fits) for _ in range(arguments.loads)]
        files = [file for file in folder.tensorboard.rglob("*") if file.is_file()]
        size = sum(file.stat().st_size for file in files) / 2**20
    print(f"machine: {description()}")
    print("| fits | event files | search | in the callback | share | until TensorBoard has loaded them |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    print(
        f"| {fits} | {len(files)}, {size:.1f} MiB | {seconds:.0f} s | {spent:.2f} s | {spent / seconds:.2%} "
        f"| {np.median(loads):.1f} s (median of {len(loads)}; at most {max(loads):.1f}) |"
    )


def searched(folder: RunFolder, trials: int) -> tuple[float, float]:
    """Run the search. Seconds spent in the callback, and of the whole search."""
    prepared = prepare(DataOptions(data="ml-100k"))
    (folder.path / "space.toml").write_text(SPACE)
    spaces = read_spaces(folder.path / "space.toml", {name: ARCHITECTURES[name] for name in ("pmf", "classifier")})
    parts, ledger = prepared.split, Ledger(folder.ledger)
    data = TrialData(
        train=parts.train,
        validation=parts.validation,
        split="random",
        shape=prepared.shape,
        decoder="argmax",
        store=folder.store,
    )
    clock = Clock()
    for name in CALLS:
        setattr(Tracking, name, clock.timed(getattr(Tracking, name)))
    with session(None, data_bytes=prepared.bytes) as resources:
        made, _ = studies(folder, ledger, spaces, prepared.shape, seed=1)
        plan = Plan(trials=trials // len(spaces), seed=1)
        start = time.monotonic()
        board = TensorBoard(folder.tensorboard, {name: Drawn.by(study) for name, study in made.items()})
        search(plan, made, ledger, data, folder, slots(resources), trackers=[board])
        seconds = time.monotonic() - start
    write_json(folder.record, {"verb": "tune"})
    return clock.seconds, seconds


class Clock:
    """Adds up the seconds spent in functions."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*positional: Any, **named: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*positional, **named)
            finally:
                self.seconds += time.perf_counter() - start

        return call


def loaded(folder: RunFolder, fits: int) -> float:
    """Seconds from the start of `reeltune board` until it answers with all sessions and scalars."""
    start = time.monotonic()
    command = [sys.executable, "-m", "reeltune", "board", str(folder.path)]
    board = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert board.stdout is not None
        address = board.stdout.readline().strip()
        while not complete(address, fits):
            time.sleep(0.1)
        return time.monotonic() - start
    finally:
        board.terminate()
        board.wait()


def complete(address: str, fits: int) -> bool:
    sessions = asked(
        f"{address}data/plugin/hparams/session_groups",
        {"allowedStatuses": STATUSES, "colParams": [], "startIndex": 0, "sliceSize": 10 * fits},
    )["sessionGroups"]
    ended = [each for each in sessions if each["sessions"][0].get("endTimeSecs")]
    tags = asked(f"{address}data/plugin/scalars/tags")
    return len(ended) == fits == sum(VALUE in of_run for of_run in tags.values())


def asked(address: str, content: dict[str, Any] | None = None) -> Any:
    data = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


if __name__ == "__main__":
    main()
