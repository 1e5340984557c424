"""The lanes of one command: Ray Train runs that are started, restarted when they end, and closed at the end."""

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import uuid4

import ray
from ray.actor import ActorHandle
from ray.exceptions import RayError
from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError

from reeltune.cluster.data_parallel.mailbox import AWAY, Lane, kill
from reeltune.cluster.data_parallel.worker import Begin, serve
from reeltune.cluster.session.deaths import cause
from reeltune.cluster.session.news import waited_for
from reeltune.cluster.session.ray_private_libraries import Trainer
from reeltune.cluster.session.ray_private_state import pending, remove_orphans
from reeltune.cluster.session.resources import Resources
from reeltune.trainables.errors import FitFailed

PATIENCE = 5.0  # seconds for a closed lane's workers to end by themselves, and again after they were killed
TELL = 10.0  # seconds between two lines on a first lane that is not up yet
PAUSE = 0.5  # seconds before a run that has ended is restarted


@contextmanager
def lanes(
    count: int,
    begin: Begin,
    *,
    workers: int,
    resources: Resources,
    cpus: float = 1.0,
    progress: Callable[[str], None] = lambda line: None,
) -> Iterator[list[ActorHandle]]:
    """Start `count` lanes of `workers` workers; each worker takes `cpus` CPUs and, if the cluster has any, a GPU.

    Yields as soon as the first lane is up. The others come up when there is room for them. At the end, or at an
    interrupt, all of their processes are ended. `progress` is told what a first lane that takes long waits for. Raises
    FitFailed if the workers of the first lane do not start.
    """
    share = {"CPU": cpus, "GPU": 1} if resources.on_gpus else {"CPU": cpus}
    with tempfile.TemporaryDirectory(prefix="reeltune-") as folder:
        keepers = [Keeper(begin, workers=workers, share=share, folder=folder) for _ in range(count)]
        for keeper in keepers:
            keeper.start()
        try:
            if (why := _first(keepers, workers, progress)) is not None:
                raise FitFailed(f"its workers do not start: {why}")
            yield [keeper.lane for keeper in keepers]
        except Exception:
            with suppress(RayError):  # the error may be that the cluster is lost
                _close(keepers)
            raise
        except BaseException:
            with suppress(RayError):
                _leave(keepers)
            raise
        _close(keepers)


def _first(keepers: "list[Keeper]", workers: int, progress: Callable[[str], None]) -> str | None:
    """Wait for the first lane that is up, or has failed. Returns why it is not up."""
    begun = time.monotonic()
    ready: list[Any] = [keeper.lane.ready.remote() for keeper in keepers]
    while not (done := ray.wait(ready, timeout=TELL)[0]):
        what = waited_for(pending()) or "their processes start, and load Python and torch"
        progress(f"starting {workers} worker{'s' if workers > 1 else ''}, {time.monotonic() - begun:.0f} s: {what}")
    why: str | None = ray.get(done[0])
    return why


class Keeper(threading.Thread):
    """Runs one lane, and restarts it when it ends. In a thread, as Ray Train handles Ctrl-C itself in the main one.

    The thread must end before `ray.shutdown`: Ray kills a process, with code 1, that calls it afterwards.
    """

    def __init__(self, begin: Begin, *, workers: int, share: dict[str, float], folder: str) -> None:
        super().__init__(daemon=True)  # it may wait for ever for a lost cluster
        actor: Any = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Lane)
        # Any: Ray's types know no `remote` of an actor's async methods.
        self.lane: ActorHandle[Any] = actor.remote(workers, away=AWAY)
        self.trainer = Trainer(
            serve,
            train_loop_config={"lane": self.lane, "begin": begin},
            scaling_config=ScalingConfig(num_workers=workers, use_gpu="GPU" in share, resources_per_worker=share),
            run_config=RunConfig(
                name=uuid4().hex,
                storage_path=folder,  # Ray Train needs one; states and results go to our own storage
                failure_config=FailureConfig(max_failures=0),
            ),
        )
        self.closing = threading.Event()

    def run(self) -> None:
        while True:
            why = self._fit()
            if not ray.is_initialized():
                return
            self.trainer.cut_off()  # a failed run's controller lives on until Python finds its traceback as garbage
            remove_orphans()
            if self.closing.wait(PAUSE):
                return
            ray.get(self.lane.ended.remote(why))

    def _fit(self) -> str:
        """Run the workers until they end. Returns the reason; empty if there was no error."""
        try:
            self.trainer.fit()
        except (TrainingFailedError, RayError) as error:
            return reason(error)
        return ""


def reason(error: Exception) -> str:
    """Why a run ended, in one line: why a worker has died, else the last line of the first failed one's traceback.

    Where one has died, the others fail too, as they no longer hear of it.
    """
    failures = getattr(error, "worker_failures", None) or {}
    texts = [str(failure) for failure in failures.values()] or [str(error.__cause__ or error)]
    died = next((why for text in texts if (why := cause(text, who="one", whose="one's"))), None)
    return died or texts[0].strip().splitlines()[-1]


def _leave(keepers: list[Keeper]) -> None:
    """After an interrupt: cut off all runs at once. Their workers end with them."""
    end = time.monotonic() + PATIENCE
    for keeper in keepers:
        keeper.closing.set()
    while (alive := [keeper for keeper in keepers if keeper.is_alive()]) and time.monotonic() < end:
        for keeper in alive:
            keeper.trainer.cut_off()  # in each round: a run may have been about to start in the last one
            keeper.join(0.1)
    for keeper in keepers:
        ray.kill(keeper.lane)


def _close(keepers: list[Keeper]) -> None:
    """Let the workers end when they have nothing to do, and kill those that have not ended after PATIENCE."""
    for keeper in keepers:
        keeper.closing.set()
    ray.get([keeper.lane.close.remote() for keeper in keepers])
    for keeper in keepers:
        keeper.join(PATIENCE)
        if keeper.is_alive():  # its workers are busy, or hang, or wait for free CPUs
            kill(ray.get(keeper.lane.processes.remote()))
            keeper.trainer.cut_off()
    for keeper in keepers:
        ray.kill(keeper.lane)
        keeper.join(PATIENCE)
