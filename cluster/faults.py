"""Trials that go wrong: the reason that each is recorded with, and the end of those that hang."""

import re
import time
from pathlib import Path
from typing import Any

import ray
from ray.air.execution._internal import RayActorManager
from ray.exceptions import OutOfMemoryError, RayActorError
from ray.tune import Callback
from ray.tune.execution import tune_controller
from ray.tune.experiment import Trial

DIED = "the trial's process died"
GRACE = 5.0  # seconds beyond the limit after which a trial that has not ended itself hangs
LONGEST = 300  # characters of a reason


class Faults(Callback):
    """Knows the trials that run, when each of them started, and why one died.

    A trial ends itself at the limit, between two steps. One that hangs within a step never does, and Tune, which
    waits for its word, calls its scheduler at none: but it begins a step of its own every 0.1 s at least.
    """

    def __init__(self, limit: float | None) -> None:
        self.limit = limit
        self._trials: dict[str, Trial] = {}
        self._since: dict[str, float] = {}
        self._hung: set[str] = set()

    def why(self, trial_id: str) -> str:
        """Why this trial failed without a word of its own."""
        if trial_id in self._hung and self.limit is not None:
            return too_long(self.limit)
        trial = self._trials.get(trial_id)
        return DIED if trial is None or trial.error_file is None else of_death(Path(trial.error_file).read_text())

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        if self.limit is not None:
            latest = time.monotonic() - self.limit - GRACE
            for trial_id in [name for name, since in self._since.items() if since < latest]:
                self._kill(self._trials[trial_id])

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._trials[trial.trial_id] = trial
        self._since[trial.trial_id] = time.monotonic()

    def on_trial_recover(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._since.pop(trial.trial_id, None)

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._forget(trial)

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._forget(trial)

    def _kill(self, trial: Trial) -> None:
        del self._since[trial.trial_id]
        self._hung.add(trial.trial_id)
        trial.max_failures = 0  # not retried: it would hang again
        ray.kill(trial.temporary_state.ray_actor)

    def _forget(self, trial: Trial) -> None:
        self._trials.pop(trial.trial_id, None)
        self._since.pop(trial.trial_id, None)


def too_long(limit: float) -> str:
    units = ((3600, "h"), (60, "m"), (1, "s"))
    size, unit = next(((size, unit) for size, unit in units if limit % size == 0), (1, "s"))
    return f"took longer than {limit / size:g}{unit} (--trial-timeout)"


def one_line(text: str) -> str:
    """A text as a reason in the ledger: on one line, and not longer than LONGEST."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def survive_deaths() -> None:
    """Have Tune retry a trial whose process Ray killed for memory, and one whose process died between two trials."""
    tune_controller.RayActorManager = _Actors  # in Ray 2.60 any error but that of a task or a dead actor ends it


class _Actors(RayActorManager):
    def _actor_task_failed(self, tracked_actor_task: Any, exception: Exception) -> None:
        if isinstance(exception, OutOfMemoryError):
            exception = RayActorError(error_msg=str(exception))
        if isinstance(exception, RayActorError):
            _count_once(tracked_actor_task)
        super()._actor_task_failed(tracked_actor_task, exception)


def _count_once(task: Any) -> None:
    """A death while the next trial takes over an actor is told to Tune twice, and the second ends what is retried."""
    told = task._tracked_actor._on_error
    controller = getattr(told, "__self__", None)
    if not isinstance(controller, tune_controller.TuneController):
        return
    trial = controller._actor_to_trial.get(task._tracked_actor)
    if trial in controller._resetting_trials:
        controller._resetting_trials.discard(trial)  # else Tune waits for this actor for ever
        task._on_error = None


def of_death(text: str) -> str:
    """A reason from Tune's file of a trial's errors, which has Ray's account of each try."""
    times, _, last = text.rpartition("Failure # ")[2].partition(" ")
    died = DIED if times == "1" else f"{DIED} {times} times"
    if "low on memory" in last:
        used = re.search(r"was (\S+) used / (\S+) limit", last)
        return f"{died}: its machine ran out of memory" + (f" ({used[1]} of {used[2]} used)" if used else "")
    cause = re.search(r"^The actor (?:is dead|died) because (.+?)(?:\.|$)", last, re.MULTILINE)
    if cause is None or cause[1] == "its worker process has died":
        return f"{died} (it was killed, for memory perhaps, or crashed)"
    return one_line(f"{died}: {cause[1]}")
