"""Everything of Ray's that is private, with the reason for each."""

from ray.air.execution._internal import RayActorManager
from ray.air.execution._internal.tracked_actor import TrackedActor
from ray.air.execution._internal.tracked_actor_task import TrackedActorTask
from ray.exceptions import OutOfMemoryError, RayActorError
from ray.tune.execution import tune_controller

RETRIES = 2  # of a trial whose process died
MOVES = 10  # of a trial whose node died, which are not counted


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
