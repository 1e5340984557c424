"""What we use of Ray Tune and Ray Train that is private, each with the reason. As `ray_private.py`, which see."""

import os
import time
from typing import Any

import psutil
import ray
from ray._private import worker
from ray._raylet import RAY_NODE_ID_KEY  # type: ignore[attr-defined]
from ray.actor import ActorHandle
from ray.air._internal import usage
from ray.air.execution import ResourceManager
from ray.air.execution._internal import RayActorManager
from ray.air.execution._internal.tracked_actor import TrackedActor
from ray.air.execution._internal.tracked_actor_task import TrackedActorTask
from ray.exceptions import OutOfMemoryError, RayActorError
from ray.train import Result
from ray.train.torch import TorchTrainer
from ray.train.v2._internal.constants import get_env_vars_to_propagate
from ray.train.v2._internal.execution.controller import TrainController
from ray.tune.execution import class_cache, tune_controller
from ray.tune.experiment import Trial

RETRIES = 2  # of a trial whose process died
MOVES = 10  # of a trial whose node died, which are not counted among RETRIES
START = 60.0  # seconds that an actor may take to start before its trial goes to another one


def actor_of(trial: Trial) -> ActorHandle:
    """The actor of a running trial. Tune's public way to stop a trial waits for the end of its step, which may hang."""
    actor = trial.temporary_state.ray_actor
    assert actor is not None, "it runs"
    return actor


def leave_callbacks_uncounted() -> None:
    """Have Tune not count its callbacks for Ray's reports of use, which we turn off.

    To tell callbacks from Ray's own, it loads MLflow, W&B and Comet where they are installed: 1 to 2 s of a CPU.
    """
    usage.tag_callbacks = _counts_none


def _counts_none(callbacks: object) -> bool:
    return False


def correct_actors() -> None:
    """Have Tune retry a trial whose process died, whatever it died of and whenever, and wait for actors that start."""
    tune_controller.RayActorManager = _Actors  # type: ignore[misc]
    tune_controller.TuneController._maybe_reuse_cached_actor = _reuse_an_actor  # type: ignore[assignment]


_REUSE = tune_controller.TuneController._maybe_reuse_cached_actor


def _reuse_an_actor(controller: tune_controller.TuneController, trial: Trial) -> bool:
    """Give the trial an actor whose own trial has ended, unless the trial's own actor is starting.

    Tune gives it the free one and ends the one that is starting. Where trials take less time than an actor's start,
    the first actor then takes every trial, and no second one ever comes up.
    """
    own, actors = controller._trial_to_actor.get(trial), controller._actor_manager
    if own is not None and isinstance(actors, _Actors) and actors.starts(own):
        return False
    return _REUSE(controller, trial)


def take_started_workers() -> None:
    """Have trials run in the worker processes that a Ray of our own has started with itself."""
    tune_controller._ActorClassCache = _Classes  # type: ignore[misc]


class _Classes(class_cache._ActorClassCache):
    """Gives an actor a runtime environment only where its process needs one.

    Tune passes some of the driver's variables to its actors in a runtime environment. For that Ray starts another
    process for each actor, in two steps, and ends one of those that it has started with itself: 0.8 s of a CPU.
    """

    def get(self, trainable_cls: type) -> Any:
        if not _has_variables():
            return super().get(trainable_cls)
        if trainable_cls not in self._cache:
            self._cache[trainable_cls] = ray.remote(trainable_cls)
        return self._cache[trainable_cls]


def _has_variables() -> bool:
    """Whether this process has started Ray, and the variables that Tune would pass have been the same since."""
    node = worker._global_node
    started = node.all_processes.get("raylet") if node is not None else None
    if not started:
        return False
    try:
        variables = psutil.Process(started[0].process.pid).environ()
    except psutil.Error:
        return False
    return all(os.environ.get(name) == variables.get(name) for name in class_cache.ENV_VARS_TO_PROPAGATE)


class _Actors(RayActorManager):
    """Says which actors are starting, and corrects three of Tune's reactions to a dead one.

    Tune gets to see the actor's error afterwards:

    - Killed by Ray's memory monitor: the error is an OutOfMemoryError, which Tune does not expect, so the whole search
      ends. It becomes a RayActorError, which Tune retries.
    - The whole node died: Tune counts that as a failure of the trial, unless the node said beforehand that it would be
      preempted (#41609). Each raises the trial's limit by one, up to MOVES, as a trial may be what kills its nodes.
    - Died while it was being reset for its next trial: Tune gets two errors, of the actor and of its task. The second
      one ends the trial that the first one has put up for a retry, so it is dropped.
    """

    def __init__(self, resource_manager: ResourceManager) -> None:
        super().__init__(resource_manager)
        self._starting: dict[TrackedActor, float] = {}  # since when, by time.monotonic()

    def starts(self, actor: TrackedActor) -> bool:
        """Whether its process is starting, and has not been for too long."""
        if actor not in self._live_actors_to_ray_actors_resources or not self._tracked_actors_to_state_futures[actor]:
            self._starting.pop(actor, None)
            return False
        return time.monotonic() - self._starting.setdefault(actor, time.monotonic()) < START

    def _actor_start_failed(self, tracked_actor: TrackedActor, exception: Exception) -> None:
        _spare(tracked_actor, exception)
        super()._actor_start_failed(tracked_actor, exception)

    def _actor_task_failed(self, tracked_actor_task: TrackedActorTask, exception: Exception) -> None:
        if isinstance(exception, OutOfMemoryError):
            exception = RayActorError(error_msg=str(exception))
        if isinstance(exception, RayActorError):
            _spare(tracked_actor_task._tracked_actor, exception)
            _drop_second_error(tracked_actor_task)
        super()._actor_task_failed(tracked_actor_task, exception)


def _spare(actor: TrackedActor, exception: Exception) -> None:
    """Do not count the death of a node as the trial's failure."""
    controller = _controller(actor)
    trial = controller and controller._actor_to_trial.get(actor)
    if trial and "node has died" in str(exception) and 0 < trial.max_failures < RETRIES + MOVES:
        trial.max_failures += 1


def _drop_second_error(task: TrackedActorTask) -> None:
    """If the actor dies while being reset for its next trial, let Tune have the actor's error and not the task's."""
    controller = _controller(task._tracked_actor)
    if controller is None:
        return
    trial = controller._actor_to_trial.get(task._tracked_actor)
    if trial in controller._resetting_trials:
        controller._resetting_trials.discard(trial)  # else Tune waits for ever for the reset to end
        task._on_error = None


def _controller(actor: TrackedActor) -> tune_controller.TuneController | None:
    """Who is told of the actor's errors; None where that is not Tune, or nobody any more."""
    told = getattr(actor._on_error, "__self__", None)
    return told if isinstance(told, tune_controller.TuneController) else None


class Trainer(TorchTrainer):
    """A TorchTrainer that can be stopped from another thread, without two processes of Ray Train's that no fit needs.

    `DatasetsCallback` starts one for Ray Data, which we do not use. `PlacementGroupCleanerCallback` starts one that
    asks the dashboard whether the controller lives: without a dashboard it learns nothing and stays for ever, and it
    takes memory for each run (#65443). `ray_private.remove_orphans` does its work.
    """

    UNUSED = ("DatasetsCallback", "PlacementGroupCleanerCallback")
    controller: ActorHandle | None = None

    def cut_off(self) -> None:
        """Have `fit` raise RayActorError at once, whatever its workers are doing.

        A TorchTrainer can be ended by Ctrl-C in the main thread and by nothing else.
        """
        if self.controller is not None:
            ray.kill(self.controller)

    def _create_default_callbacks(self) -> list[Any]:
        made = super()._create_default_callbacks()  # type: ignore[misc]  # of Ray Train V2, which has no types
        return [c for c in made if type(c).__name__ not in self.UNUSED]

    def _initialize_and_run_controller(self, **parts: Any) -> Result:
        """A copy of Ray Train's own, without its Ctrl-C; it keeps the controller, which is local there."""
        here = {RAY_NODE_ID_KEY: ray.get_runtime_context().get_node_id()}
        actor = ray.remote(num_cpus=0, label_selector=here, runtime_env={"env_vars": get_env_vars_to_propagate()})
        controller: Any = actor(TrainController)
        self.controller = running = controller.remote(**parts)
        ray.get(running.run.remote())
        return ray.get(running.get_result.remote())
