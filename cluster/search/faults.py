"""Trials that go wrong: the reason that each is recorded with, and the end of those that hang."""

import logging
import time
from pathlib import Path
from typing import Any

import ray
from ray.tune import Callback
from ray.tune.experiment import Trial

from reeltune.cluster.runs.disk import Disk
from reeltune.cluster.runs.fit_states import Snapshots
from reeltune.cluster.search.messages import Limits, TuneDict, order_of, update_of
from reeltune.cluster.search.reasons import DIED, GRACE, of_death, too_long
from reeltune.cluster.session.ray_private_libraries import actor_of

log = logging.getLogger(__name__)

LATE = 60.0  # seconds beyond the end of --time after which a trial that has sent no update is not waited for


class Faults(Callback):
    """Knows when each running trial started, kills those that hang, and says why one died.

    A trial ends itself at the limit, between two updates. One that hangs within a step never does, and Tune calls its
    scheduler only when there is an update. But Tune calls this callback every 0.1 s at least.
    Checkpoints of trials that have ended are removed. `cut_off` are Tune's ids of those that ran at the deadline. Those
    that give no word then join them: a hang, a long step and a lane that does not come up look the same.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        deadline: float | None,
        states: Snapshots,
        disk: Disk,
        cut_off: set[str] | None = None,
    ) -> None:
        self.limits, self.deadline, self.states, self.disk = limits, deadline, states, disk
        self.cut_off = set() if cut_off is None else cut_off
        self._trials: list[Trial] = []  # Tune's own list, of all
        self._since: dict[Trial, float] = {}  # of those that run: when they started, had they worked without a pause
        self._killed: dict[str, str] = {}

    def why(self, trial_id: str) -> str:
        """Why the process of this trial died."""
        if trial_id in self._killed:
            return self._killed[trial_id]
        file = next((trial.error_file for trial in self._trials if trial.trial_id == trial_id), None)
        return DIED if file is None else of_death(Path(file).read_text())

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        if self.disk.failed is not None:
            raise self.disk.failed
        self._trials, now = trials, time.monotonic()
        for trial, since in list(self._since.items()):
            order = order_of(trial.config)
            limit = self.limits.of(order)
            if limit is not None and now - since > limit + GRACE:
                self._killed[trial.trial_id] = too_long(limit)
                self._kill(trial)
            elif self.deadline is not None and now > self.deadline + LATE and order.stage == "search":
                log.warning("%s gave no word for %g s after the end of --time, and is cut off", order.trial, LATE)
                self.cut_off.add(trial.trial_id)
                self._kill(trial)

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._since[trial] = time.monotonic()

    def on_trial_result(self, iteration: int, trials: list[Trial], trial: Trial, result: TuneDict, **info: Any) -> None:
        self._since[trial] = time.monotonic() - update_of(result).seconds

    def on_trial_recover(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._since.pop(trial, None)

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._since.pop(trial, None)
        if update_of(trial.last_result).kept:
            self._forget(trial)

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._since.pop(trial, None)
        self._forget(trial)

    def _forget(self, trial: Trial) -> None:
        if self.disk.failed is None and trial.trial_id not in self.cut_off:  # else --resume goes on with it
            with self.disk.writing():
                self.states.forget(order_of(trial.config).trial)

    def _kill(self, trial: Trial) -> None:
        del self._since[trial]
        trial.max_failures = 0  # not retried: it would hang again
        ray.kill(actor_of(trial))
