"""Trials of several workers. Each is fitted in a lane, which was there before it and stays when it has ended."""

import time
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import ray
import torch
from ray import tune
from ray.actor import ActorHandle

from reeltune.cluster.data_parallel.lanes import lanes
from reeltune.cluster.data_parallel.mailbox import DIED, TOO_LONG, Failure, Word
from reeltune.cluster.runs.disk import UNSTORED
from reeltune.cluster.search.reasons import GRACE, too_long
from reeltune.cluster.search.trial_fit import TrialData, TrialFit
from reeltune.cluster.session.resources import Resources
from reeltune.trainables.errors import StorageFailed

TRIAL_CPUS = 0.01  # of what asks: Tune takes no 0. The workers leave it that much of their CPUs
POLL = 0.2  # seconds between two looks for a lane that is free


def trial_lanes(
    data: TrialData, count: int, *, workers: int, resources: Resources
) -> AbstractContextManager[list[ActorHandle]]:
    """As many lanes for trials of so many workers. Raises FitFailed where they do not start."""
    begin = partial(LaneFit, data=[ray.put(data)])
    return lanes(count, begin, workers=workers, resources=resources, cpus=1 - TRIAL_CPUS)


class LaneFit(TrialFit):
    """The fit of a trial on one of a lane's workers. A word has all points so far: earlier ones may be lost."""

    def __init__(self, order: dict[str, Any], device: torch.device, *, data: list[ray.ObjectRef]) -> None:
        self.take(order, ray.get(data[0]), device)

    def next(self) -> Word:
        before = self.seconds
        word = self.word()
        took = self.seconds - before
        return {**word, "points": self.points, "seconds": self.worked, "took": took, "kept": self.kept}


class LaneTrial(tune.Trainable):
    """Asks a lane for the trial's next word. A stopped trial needs no word: the next one's fit takes its place."""

    def setup(self, config: dict[str, Any], lanes: list[ActorHandle], limit: float | None = None) -> None:
        self.lanes, self.limit = lanes, limit
        self.me = ray.get_runtime_context().current_actor
        self.lane: ActorHandle | None = None
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.order = new_config
        self.told = 0.0  # the share of the schedule of which the driver knows the points
        self.earlier: float | None = None  # seconds of work before this process asked
        self.seconds = 0.0  # of work in all
        return True

    def step(self) -> dict[str, Any]:
        if self.lane is None:
            self.lane = self._claimed()
        # A fit that takes too long is ended here, between two words; one that hangs, with its workers, by the lane.
        limit = None if self.limit is None else max(0.0, self.limit - self.seconds) + GRACE
        said: Word | Failure = ray.get(self.lane.ask.remote(self.order["trial"], self.order, limit))
        if isinstance(said, Failure):
            result = self._failed(said)
        else:
            self.seconds = said["seconds"]
            if self.earlier is None:
                self.earlier = self.seconds - said["took"]
            result = self._new(said)
        if self.limit is not None and self.seconds > self.limit and not result["done"]:
            result = {"state": "failed", "error": too_long(self.limit), "done": True}
        return {**result, "seconds": self.seconds, "earlier": self.earlier or 0.0}

    def _new(self, said: Word) -> dict[str, Any]:
        """What the driver does not know: a group that was started again repeats points, as does one asked anew."""
        points = [point for point in said["points"] if point["progress"] > self.told]
        if not points:
            return {**said, "points": []}
        self.told = points[-1]["progress"]
        return {"value": points[-1]["value"], **said, "points": points}

    def _claimed(self) -> ActorHandle:
        while True:
            for lane in self.lanes:
                if ray.get(lane.claim.remote(self.me)):
                    return lane
            time.sleep(POLL)

    def _failed(self, failure: Failure) -> dict[str, Any]:
        if failure.kind == StorageFailed.__name__:
            return {"state": UNSTORED, "error": failure.message, "done": True}
        reason = failure.message if failure.kind == DIED else str(failure)
        if failure.kind == TOO_LONG and self.limit is not None:
            reason = too_long(self.limit)
        return {"state": "failed", "error": reason, "done": True}

    def cleanup(self) -> None:
        if self.lane is not None:
            ray.get(self.lane.release.remote(self.me))

    def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:
        return {}  # Tune asks for one when it pauses a trial; the lane's workers keep the states of fits

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        pass
