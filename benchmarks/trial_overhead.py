"""What a trial costs in Ray Tune beyond its fit: in process, in a lane, and as Ray's documentation nests the two.

    python benchmarks/trial_overhead.py
    python benchmarks/trial_overhead.py --kinds process lane-2 --trials 40

`process` is a trial of one worker in a reused actor of Ray Tune; `lane-N` one of N workers in a lane; `nested-N` a
function of Ray Tune that calls `TorchTrainer.fit()` with N workers. The cost is the time from one trial's end to the
next one's, less the seconds that the trial says it worked. The start, of Ray too, is the time to the first one's end
without what that one worked.
"""

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import ray.train
from ray import tune
from ray.train.torch import TorchTrainer
from ray.tune.integration.ray_train import TuneReportCallback

from reeltune.cluster.runs.folder import Ledger, RunFolder
from reeltune.cluster.search.experiment import Plan, search, studies
from reeltune.cluster.search.lane_trial import TRIAL_CPUS, trial_lanes
from reeltune.cluster.search.trial_fit import TrialData
from reeltune.cluster.session.machine import description
from reeltune.cluster.session.resources import Resources
from reeltune.cluster.session.session import session
from reeltune.cluster.session.slots import Slots
from reeltune.search_spaces import read_spaces
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data.prepared import DataOptions, Prepared, prepare
from reeltune.trainables.fitting.fit import Fit
from reeltune.trainables.fitting.loop import run

SPACE = "[pmf]\nonly = true\nbatch_size = 512\n[pmf.learning_rate]\nlow = 1e-3\nhigh = 1e-2\nlog = true\n"
KINDS = ("process", "lane-1", "lane-2", "nested-1", "nested-2")
Ended = Callable[[float], None]  # called with the seconds that a trial worked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--nested-trials", type=int, default=4)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    arguments = parser.parse_args()
    prepared = prepare(DataOptions(data="ml-100k"))
    print(f"machine: {description()}")
    print("| trial | trials | fit, s | beyond it: median, s | 90th percentile, s | start, s |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for kind in arguments.kinds:
        name, _, workers = kind.partition("-")
        trials = arguments.nested_trials if name == "nested" else arguments.trials
        ended: list[tuple[float, float]] = []
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as path, session(None, data_bytes=prepared.bytes) as resources:
            note = partial(_note, ended)
            if name == "nested":
                nested(prepared, Path(path), note, workers=int(workers), trials=trials)
            else:
                lane = resources if workers else None
                ours(prepared, Path(path), note, lane, workers=int(workers or 1), trials=trials)
        costs = [later - earlier - worked for (earlier, _), (later, worked) in itertools.pairwise(ended)]
        fit = np.median([worked for _, worked in ended])
        spread = f"{np.median(costs):.3f} | {np.quantile(costs, 0.9):.3f}"
        print(f"| {kind} | {len(ended)} | {fit:.2f} | {spread} | {ended[0][0] - start - ended[0][1]:.1f} |", flush=True)


def _note(ended: list[tuple[float, float]], worked: float) -> None:
    ended.append((time.monotonic(), worked))


def ours(prepared: Prepared, path: Path, ended: Ended, lane: Resources | None, *, workers: int, trials: int) -> None:
    """A search as `reeltune tune` does it, one trial at a time; in a lane, if resources for one are given."""
    folder = RunFolder(path)
    (path / "space.toml").write_text(SPACE)
    spaces = read_spaces(path / "space.toml", {"pmf": ARCHITECTURES["pmf"]})
    ledger = Ledger(folder.ledger)
    made, _ = studies(folder, ledger, spaces, prepared.shape, seed=1)
    plan = Plan(trials=trials, seed=1, scheduler="none")
    parts = prepared.split
    data = TrialData(
        train=parts.train,
        validation=parts.validation,
        split="random",
        shape=prepared.shape,
        decoder="argmax",
        store=folder.store,
    )
    taken = Slots(count=1, workers=workers)
    with trial_lanes(data, 1, workers=workers, resources=lane, progress=print) if lane else nullcontext([]) as lanes:
        search(plan, made, ledger, data, folder, taken, ended=lambda entry: ended(entry.seconds), lanes=lanes)


def nested(prepared: Prepared, path: Path, ended: Ended, *, workers: int, trials: int) -> None:
    """The same fits as in docs.ray.io, "Hyperparameter Tuning with Ray Tune"."""

    def trial(config: dict[str, Any], data: list[ray.ObjectRef]) -> None:
        TorchTrainer(
            fit,
            train_loop_config={**config, "data": data},
            scaling_config=ray.train.ScalingConfig(num_workers=workers, resources_per_worker={"CPU": 1 - TRIAL_CPUS}),
            run_config=ray.train.RunConfig(
                name=f"trial-{tune.get_context().get_trial_id()}",
                storage_path=str(path),
                callbacks=[TuneReportCallback()],
            ),
        ).fit()

    class Note(tune.Callback):
        def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            ended(trial.last_result["seconds"])

    data = [ray.put((prepared.split.train, prepared.split.validation, prepared.shape))]
    tune.Tuner(
        tune.with_resources(tune.with_parameters(trial, data=data), {"CPU": TRIAL_CPUS}),
        param_space={"learning_rate": tune.loguniform(1e-3, 1e-2)},
        tune_config=tune.TuneConfig(num_samples=trials, max_concurrent_trials=1),
        run_config=tune.RunConfig(name="nested", storage_path=str(path), callbacks=[Note()], verbose=0),
    ).fit()


def fit(settings: dict[str, Any]) -> None:
    """What each worker runs."""
    start = time.monotonic()
    train, validation, shape = ray.get(settings["data"][0])
    pmf = ARCHITECTURES["pmf"]
    config = pmf.Config(batch_size=512, learning_rate=settings["learning_rate"])
    for _ in run(Fit(pmf, config, shape, train, seed=1), validation=validation):
        pass
    ray.train.report({"seconds": time.monotonic() - start})


if __name__ == "__main__":
    main()
