"""Trials that go wrong: the reason that each is recorded with, and the end of those that hang."""

import re
import time
from pathlib import Path
from typing import Any

import ray
from ray.air.execution._internal import RayActorManager
from ray.air.execution._internal.tracked_actor import TrackedActor
from ray.air.execution._internal.tracked_actor_task import TrackedActorTask
from ray.exceptions import OutOfMemoryError, RayActorError
from ray.tune import Callback
from ray.tune.execution import tune_controller
from ray.tune.experiment import Trial

from cluster.disk import Disk
from cluster.snapshots import Snapshots

RETRIES = 2  # of a trial whose process died
MOVES = 10  # of a trial whose node died, which are not counted
DIED = "the trial's process died"
GRACE = 5.0  # seconds beyond the limit after which a trial that has not ended itself hangs
LATE = 60.0  # seconds beyond the end of --time after which a trial that has not said a word hangs
LONGEST = 300  # characters of a reason


class Faults(Callback):
    """Knows the trials that run, when each of them started, and why one died.

    A trial ends itself at the limit, between two steps. One that hangs within a step never does, and Tune, which
    waits for its word, calls its scheduler at none: but it begins a step of its own every 0.1 s at least.
    A trial that goes on after its process died has worked before: each word of a trial says how long in all.
    """

    def __init__(self, limit: float | None, *, deadline: float | None, states: Snapshots, disk: Disk) -> None:
        self.limit, self.deadline, self.states, self.disk = limit, deadline, states, disk
        self._trials: list[Trial] = []  # Tune's own list, of all
        self._since: dict[Trial, float] = {}  # of those that run: when they started, had they worked without a pause
        self._killed: dict[str, str] = {}

    def why(self, trial_id: str) -> str:
        """Why this trial failed without a word of its own."""
        if trial_id in self._killed:
            return self._killed[trial_id]
        file = next((trial.error_file for trial in self._trials if trial.trial_id == trial_id), None)
        return DIED if file is None else of_death(Path(file).read_text())

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        if self.disk.failed is not None:
            raise self.disk.failed
        self._trials, now = trials, time.monotonic()
        for trial, since in list(self._since.items()):
            if self.limit is not None and now - since > self.limit + GRACE:
                self._kill(trial, too_long(self.limit))
            elif self.deadline is not None and trial.config["stage"] == "search" and now > self.deadline + LATE:
                self._kill(trial, f"gave no word for {LATE:g} s after the end of --time")

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._since[trial] = time.monotonic()

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        self._since[trial] = time.monotonic() - result["seconds"]

    def on_trial_recover(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._since.pop(trial, None)

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._since.pop(trial, None)
        if trial.last_result.get("kept", True):
            self._forget(trial)

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._since.pop(trial, None)
        self._forget(trial)

    def _forget(self, trial: Trial) -> None:
        if self.disk.failed is None:  # else it has not ended: --resume goes on with it
            with self.disk.writing():
                self.states.forget(trial.config["trial"])

    def _kill(self, trial: Trial, reason: str) -> None:
        del self._since[trial]
        self._killed[trial.trial_id] = reason
        trial.max_failures = 0  # not retried: it would hang again
        ray.kill(trial.temporary_state.ray_actor)


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
    def _actor_start_failed(self, tracked_actor: TrackedActor, exception: Exception) -> None:
        _spare(tracked_actor, exception)
        super()._actor_start_failed(tracked_actor, exception)

    def _actor_task_failed(self, tracked_actor_task: TrackedActorTask, exception: Exception) -> None:
        if isinstance(exception, OutOfMemoryError):
            exception = RayActorError(error_msg=str(exception))
        if isinstance(exception, RayActorError):
            _spare(tracked_actor_task._tracked_actor, exception)
            _count_once(tracked_actor_task)
        super()._actor_task_failed(tracked_actor_task, exception)


def _spare(actor: TrackedActor, exception: Exception) -> None:
    """The death of a node is not counted as the trial's, but for a trial that nodes always die of."""
    controller = _controller(actor)
    trial = controller and controller._actor_to_trial.get(actor)
    if trial and "node has died" in str(exception) and 0 < trial.max_failures < RETRIES + MOVES:
        trial.max_failures += 1


def _count_once(task: TrackedActorTask) -> None:
    """A death while the next trial takes over an actor is told to Tune twice, and the second ends what is retried."""
    controller = _controller(task._tracked_actor)
    if controller is None:
        return
    trial = controller._actor_to_trial.get(task._tracked_actor)
    if trial in controller._resetting_trials:
        controller._resetting_trials.discard(trial)  # else Tune waits for this actor for ever
        task._on_error = None


def _controller(actor: TrackedActor) -> tune_controller.TuneController | None:
    told = getattr(actor._on_error, "__self__", None)
    return told if isinstance(told, tune_controller.TuneController) else None


def of_death(text: str) -> str:
    """A reason from Tune's file of a trial's errors, which has Ray's account of each try."""
    times, _, last = text.rpartition("Failure # ")[2].partition(" ")
    died = DIED if times == "1" else f"{DIED} {times} times"
    if "low on memory" in last:
        used = re.search(r"was (\S+) used / (\S+) limit", last)
        return f"{died}: its machine ran out of memory" + (f" ({used[1]} of {used[2]} used)" if used else "")
    if "creation task" in last:
        return one_line(f"the trial's process could not start: {last.strip().splitlines()[-1]}")
    cause = re.search(r"^The actor (?:is dead|died) because (.+?)(?:\.|$)", last, re.MULTILINE)
    if cause is None or cause[1] == "its worker process has died":
        return f"{died} (it was killed, for memory perhaps, or crashed)"
    return one_line(f"{died}: {cause[1]}")
