"""The lanes of one command: Ray Train runs that are started, started again when they end, and ended."""

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import uuid4

import ray
import ray._private.state
from ray._raylet import RAY_NODE_ID_KEY  # type: ignore[attr-defined]
from ray.actor import ActorHandle
from ray.core.generated.gcs_pb2 import PlacementGroupTableData
from ray.exceptions import RayError
from ray.train import FailureConfig, Result, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer
from ray.train.v2._internal.constants import get_env_vars_to_propagate
from ray.train.v2._internal.execution.controller import TrainController
from ray.train.v2.api.exceptions import TrainingFailedError
from ray.util.placement_group import PlacementGroup, PlacementGroupID, remove_placement_group

from reeltune.cluster.data_parallel.mailbox import Lane, kill
from reeltune.cluster.data_parallel.worker import Begin, serve
from reeltune.cluster.session.resources import Resources
from reeltune.trainables.errors import FitFailed

PATIENCE = 5.0  # seconds in which a closed lane's workers end by themselves, and then by being killed
PAUSE = 0.5  # seconds until a run that has ended is started again


@contextmanager
def lanes(
    count: int, begin: Begin, *, workers: int, resources: Resources, cpus: float = 1.0
) -> Iterator[list[ActorHandle]]:
    """That many lanes, each of `workers` workers of so many CPUs, and of a GPU where the cluster has any.

    They are there once the first of them is up; those for which others leave no room yet come when there is some. At
    the end, or at an interrupt, their processes are gone. Raises FitFailed where workers do not start.
    """
    share = {"CPU": cpus, "GPU": 1} if resources.on_gpus else {"CPU": cpus}
    with tempfile.TemporaryDirectory(prefix="reeltune-") as folder:
        keepers = [Keeper(begin, workers=workers, share=share, folder=folder) for _ in range(count)]
        for keeper in keepers:
            keeper.start()
        try:
            (first, *_), _ = ray.wait([keeper.lane.ready.remote() for keeper in keepers])
            if (why := ray.get(first)) is not None:
                raise FitFailed(f"its workers do not start: {why}")
            yield [keeper.lane for keeper in keepers]
        except Exception:
            with suppress(RayError):  # the cluster itself may be what was lost
                _close(keepers)
            raise
        except BaseException:
            with suppress(RayError):
                _leave(keepers)
            raise
        _close(keepers)


class Keeper(threading.Thread):
    """Keeps one lane's run up. In a thread: Ray Train takes Ctrl-C for itself when it runs in the main one.

    It must have ended before Ray is shut down: Ray ends a process at once, with code 1, that calls it afterwards.
    """

    def __init__(self, begin: Begin, *, workers: int, share: dict[str, float], folder: str) -> None:
        super().__init__(daemon=True)  # a lost cluster may keep it waiting for ever
        self.lane = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Lane).remote(workers)
        self.trainer = Trainer(
            serve,
            train_loop_config={"lane": self.lane, "begin": begin},
            scaling_config=ScalingConfig(num_workers=workers, use_gpu="GPU" in share, resources_per_worker=share),
            run_config=RunConfig(
                name=uuid4().hex,
                storage_path=folder,  # Ray Train wants one: states and results go to the run's own storage
                failure_config=FailureConfig(max_failures=0),
            ),
        )
        self.closing = threading.Event()

    def run(self) -> None:
        while True:
            why = self._fit()
            if not ray.is_initialized():
                return
            remove_orphans()
            if self.closing.wait(PAUSE):
                return
            ray.get(self.lane.ended.remote(why))

    def _fit(self) -> str:
        """Run until the workers have ended; why they did."""
        try:
            self.trainer.fit()
        except (TrainingFailedError, RayError) as error:
            return reason(error)
        return ""


class Trainer(TorchTrainer):
    """Its run can be cut off, and has no processes beside the workers that no fit needs.

    One hands out Ray Data's data sets. The other removes placement groups by what the dashboard says, and stays for
    ever where there is none: `remove_orphans` is in its place.
    """

    UNUSED = ("DatasetsCallback", "PlacementGroupCleanerCallback")
    controller: ActorHandle | None = None

    def cut_off(self) -> None:
        """Have `fit` raise RayActorError at once, whatever its workers are at."""
        if self.controller is not None:
            ray.kill(self.controller)

    def _create_default_callbacks(self) -> list[Any]:
        return [c for c in super()._create_default_callbacks() if type(c).__name__ not in self.UNUSED]

    def _initialize_and_run_controller(self, **parts: Any) -> Result:
        """As Ray Train does it outside the main thread, with the controller within reach."""
        here = {RAY_NODE_ID_KEY: ray.get_runtime_context().get_node_id()}
        actor = ray.remote(num_cpus=0, label_selector=here, runtime_env={"env_vars": get_env_vars_to_propagate()})
        self.controller = actor(TrainController).remote(**parts)
        ray.get(self.controller.run.remote())
        return ray.get(self.controller.get_result.remote())


def remove_orphans() -> None:
    """Remove the placement groups that a killed controller left: Ray keeps them until the driver ends."""
    job = ray.get_runtime_context().get_job_id()
    for content in ray._private.state.state._connect_and_get_accessor().get_placement_group_table():
        group = PlacementGroupTableData.FromString(content)
        removed = group.state == PlacementGroupTableData.REMOVED
        if group.creator_job_id.hex() == job and group.creator_actor_dead and not removed:
            remove_placement_group(PlacementGroup(PlacementGroupID(group.placement_group_id)))


def reason(error: Exception) -> str:
    """Why a run ended, in one line: the last one of the first worker's account."""
    failures = getattr(error, "worker_failures", None) or {}
    first = next(iter(failures.values()), error.__cause__ or error)
    return str(first).strip().splitlines()[-1]


def _leave(keepers: list[Keeper]) -> None:
    """End the threads at once, and with their runs the workers."""
    end = time.monotonic() + PATIENCE
    for keeper in keepers:
        keeper.closing.set()
    while (alive := [keeper for keeper in keepers if keeper.is_alive()]) and time.monotonic() < end:
        for keeper in alive:
            keeper.trainer.cut_off()  # again each time: a run may have been about to start
            keeper.join(0.1)
    for keeper in keepers:
        ray.kill(keeper.lane)


def _close(keepers: list[Keeper]) -> None:
    for keeper in keepers:
        keeper.closing.set()
    ray.get([keeper.lane.close.remote() for keeper in keepers])
    for keeper in keepers:
        keeper.join(PATIENCE)
        if keeper.is_alive():  # its workers are busy, or hang, or wait for room
            kill(ray.get(keeper.lane.processes.remote()))
            keeper.trainer.cut_off()
    for keeper in keepers:
        ray.kill(keeper.lane)
        keeper.join(PATIENCE)
