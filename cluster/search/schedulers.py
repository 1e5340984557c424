"""Schedulers: which trials are stopped on the way. To add one: a scheduler of Ray Tune, and its line in SCHEDULERS.

A scheduler sees the trials of one architecture, by shares of each trial's own schedule. With a one-cycle schedule the
tenth epoch of twelve and the tenth of twenty are different points of different curves; two thirds of the one and two
thirds of the other are the same point. Two thirds is also where the order of trials begins to be that of their ends:
`benchmarks/rungs.py` has the figures.
"""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, MedianStoppingRule, TrialScheduler

from reeltune.cluster.runs.folder import Entry
from reeltune.cluster.search.messages import TuneDict, Update, order_of, tune_result, update_of
from reeltune.cluster.search.trial_fit import RUNG

HALF = 2
UNTOUCHED = 4  # the first of an architecture to get to the rung are never stopped: one trial is no cutoff


class Asha(AsyncHyperBandScheduler):
    """Asynchronous successive halving (Li et al. 2020) with one rung, at which the worse half is stopped."""

    def __init__(self) -> None:
        super().__init__(
            time_attr="progress",
            metric="value",
            mode="min",
            grace_period=RUNG,
            max_t=1.0,
            reduction_factor=HALF,
            stop_last_trials=False,
        )
        self._arrived: set[str] = set()

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: TuneDict) -> str:
        decision = super().on_trial_result(tune_controller, trial, _at_the_rung(result))
        if update_of(result).progress >= RUNG:
            self._arrived.add(trial.trial_id)
        return decision if len(self._arrived) > UNTOUCHED else TrialScheduler.CONTINUE


def _at_the_rung(result: TuneDict) -> TuneDict:
    """The result with the value at the rung: the first update of a trial that goes on may have later points too."""
    passed = [point.value for point in update_of(result).points if point.progress >= RUNG]
    return {**result, "value": passed[0]} if passed else result


class Median(MedianStoppingRule):
    """Stops a trial whose best value is worse than the median of the others' means (Golovin et al. 2017)."""

    def __init__(self) -> None:
        super().__init__(
            time_attr="progress",
            metric="value",
            mode="min",
            grace_period=RUNG,
            min_samples_required=UNTOUCHED,
            min_time_slice=math.inf,  # never pause a trial to wait for others: it would have to begin again
        )

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: TuneDict) -> None:
        if update_of(result).value is not None:  # Ray's rule would fail at the next look at a trial that has none
            super().on_trial_complete(tune_controller, trial, result)


SCHEDULERS: dict[str, Callable[[], TrialScheduler]] = {"asha": Asha, "median": Median, "none": FIFOScheduler}


class PerArchitecture(FIFOScheduler):
    """Has a scheduler for each architecture's search trials, and cuts off those that run at the deadline.

    Confirmations are never stopped, nor by a scheduler is an architecture's reference (trial 0): it is to be confirmed
    whatever it is. `ended` are the trials of a search that is resumed: the ones to come are compared with them too.
    """

    def __init__(
        self, make: Callable[[], TrialScheduler], *, deadline: float | None, ended: Iterable[Entry] = ()
    ) -> None:
        super().__init__()
        self.make, self.deadline = make, deadline
        self._by_architecture: dict[str, TrialScheduler] = {}
        self._spared: set[str] = set()  # ids of references that a scheduler would have stopped: it is not asked again
        self.cut_off: set[str] = set()  # ids of the trials that ran at the deadline
        for entry in ended:
            if entry.stage == "search":
                self._add_ended(entry)

    def _add_ended(self, entry: Entry) -> None:
        passed = [(percent / 100, value) for percent, value in sorted(entry.curve.items()) if percent >= 100 * RUNG]
        if not passed:
            return
        scheduler, trial = self._of(entry.architecture), EndedTrial(trial_id=entry.trial, config=vars(entry))
        scheduler.on_trial_add(None, trial)
        for progress, value in [(RUNG, passed[0][1]), *passed[1:]]:
            update = Update(progress=progress, value=value)
            if scheduler.on_trial_result(None, trial, tune_result(update)) == TrialScheduler.STOP:
                return  # Ray's median rule takes no more results of a trial that it stopped

    def _of(self, architecture: str) -> TrialScheduler:
        if architecture not in self._by_architecture:
            self._by_architecture[architecture] = self.make()
        return self._by_architecture[architecture]

    def _for(self, trial: Trial) -> TrialScheduler | None:
        order = order_of(trial.config)
        return self._of(order.architecture) if order.stage == "search" else None

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        if scheduler := self._for(trial):
            scheduler.on_trial_add(tune_controller, trial)

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: TuneDict) -> str:
        scheduler = self._for(trial)
        if scheduler is None:
            return TrialScheduler.CONTINUE
        if self.deadline is not None and time.monotonic() > self.deadline:
            self.cut_off.add(trial.trial_id)
            return TrialScheduler.STOP
        if trial.trial_id in self._spared:
            return TrialScheduler.CONTINUE
        decision = scheduler.on_trial_result(tune_controller, trial, result)
        if decision == TrialScheduler.STOP and order_of(trial.config).number == 0:
            self._spared.add(trial.trial_id)
            return TrialScheduler.CONTINUE
        return decision

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: TuneDict) -> None:
        if scheduler := self._for(trial):
            scheduler.on_trial_complete(tune_controller, trial, result)

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        if scheduler := self._for(trial):
            scheduler.on_trial_error(tune_controller, trial)

    def on_trial_remove(self, tune_controller: Any, trial: Trial) -> None:
        if scheduler := self._for(trial):
            scheduler.on_trial_remove(tune_controller, trial)

    def debug_string(self) -> str:
        return f"schedulers of {len(self._by_architecture)} architectures"


@dataclass(frozen=True, kw_only=True, eq=False)  # each is itself: Ray's schedulers have trials as keys
class EndedTrial:
    """What a scheduler asks of a trial, for one that ended in an earlier session."""

    trial_id: str
    config: TuneDict
