"""Asynchronous successive halving (Li et al. 2020), for each architecture apart, by shares of a trial's own schedule.

With a one-cycle schedule the tenth epoch of twelve and the tenth of twenty are different points of different
curves; two thirds of the one and two thirds of the other are the same point. Two thirds is also where the order
of trials begins to be that of their ends: `benchmarks/rungs.py` has the figures.
"""

import time
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, TrialScheduler

from reeltune.cluster.runs.folder import Entry
from reeltune.cluster.search.trial_fit import RUNG

HALF = 2
UNTOUCHED = 4  # the first of an architecture to get to the rung are never stopped: one trial is no cutoff


class Halving(FIFOScheduler):
    """Stops the worse half of an architecture's trials at the rung, and every search trial at the deadline.

    `ended` are the trials of a search that is resumed: the ones to come are compared with them too.
    """

    def __init__(self, *, halve: bool, deadline: float | None, ended: Iterable[Entry] = ()) -> None:
        super().__init__()
        self.halve, self.deadline = halve, deadline
        self._by_architecture: dict[str, AsyncHyperBandScheduler] = {}
        self._arrived: dict[str, set[str]] = {}
        for entry in ended:
            self._take_in(entry)

    def _take_in(self, entry: Entry) -> None:
        trial: Any = SimpleNamespace(trial_id=entry.trial, config=vars(entry))
        passed = [value for percent, value in sorted(entry.curve.items()) if percent >= round(100 * RUNG)]
        if passed and (scheduler := self._of(trial)):
            scheduler.on_trial_add(None, trial)
            scheduler.on_trial_result(None, trial, {"progress": RUNG, "value": passed[0]})
            self._arrived.setdefault(entry.architecture, set()).add(entry.trial)

    def _of(self, trial: Trial) -> AsyncHyperBandScheduler | None:
        if not self.halve or trial.config["stage"] != "search":
            return None
        name = trial.config["architecture"]
        if name not in self._by_architecture:
            self._by_architecture[name] = AsyncHyperBandScheduler(
                time_attr="progress",
                metric="value",
                mode="min",
                grace_period=RUNG,
                max_t=1.0,
                reduction_factor=HALF,
                stop_last_trials=False,
            )
        return self._by_architecture[name]

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        if scheduler := self._of(trial):
            scheduler.on_trial_add(tune_controller, trial)

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        out_of_time = self.deadline is not None and time.monotonic() > self.deadline
        if out_of_time and trial.config["stage"] == "search":
            return TrialScheduler.STOP
        scheduler = self._of(trial)
        if scheduler is None:
            return TrialScheduler.CONTINUE
        decision = scheduler.on_trial_result(tune_controller, trial, _at_the_rung(result))
        arrived = self._arrived.setdefault(trial.config["architecture"], set())
        if result.get("progress", 0) >= RUNG:
            arrived.add(trial.trial_id)
        return decision if len(arrived) > UNTOUCHED else TrialScheduler.CONTINUE

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        if scheduler := self._of(trial):
            scheduler.on_trial_complete(tune_controller, trial, result)

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        if scheduler := self._of(trial):
            scheduler.on_trial_error(tune_controller, trial)

    def on_trial_remove(self, tune_controller: Any, trial: Trial) -> None:
        if scheduler := self._of(trial):
            scheduler.on_trial_remove(tune_controller, trial)

    def debug_string(self) -> str:
        return f"successive halving of {len(self._by_architecture)} architectures"


def _at_the_rung(result: dict[str, Any]) -> dict[str, Any]:
    """The result as of the rung, which the first word of a trial that goes on after it may lie behind."""
    passed = [point["value"] for point in result.get("points", ()) if point["progress"] >= RUNG]
    return {**result, "value": passed[0]} if passed else result
