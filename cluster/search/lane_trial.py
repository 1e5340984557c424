"""A trial of several workers: a Ray Tune Trainable that has a lane's workers do the fit.

The lane was there before the trial and stays when it has ended; see docs/lanes.md.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial

import ray
import torch
from ray import ObjectRef, tune
from ray.actor import ActorHandle

from reeltune.cluster.data_parallel.lanes import lanes
from reeltune.cluster.data_parallel.mailbox import DIED, NO_GROUP, NOT_HELD, TOO_LONG, Failure, packed, unpacked
from reeltune.cluster.search.messages import Limits, Order, TuneDict, Update, failed, order_of, tune_result, unstored
from reeltune.cluster.search.reasons import GRACE, too_long
from reeltune.cluster.search.trial_fit import TrialData, TrialFit
from reeltune.cluster.session.resources import Resources
from reeltune.trainables.errors import StorageFailed

TRIAL_CPUS = 0.01  # of a trial's own actor, as Tune takes no 0. The workers leave it that much of their CPUs
POLL = 0.2  # seconds between two looks for a lane that is free


def trial_lanes(
    data: TrialData, count: int, *, workers: int, resources: Resources, progress: Callable[[str], None]
) -> AbstractContextManager[list[ActorHandle]]:
    """Start so many lanes for trials of so many workers. Raises FitFailed where they do not start."""
    begin = partial(LaneFit, data=[ray.put(data)])
    return lanes(count, begin, workers=workers, resources=resources, cpus=1 - TRIAL_CPUS, progress=progress)


class LaneFit(TrialFit):
    """The fit of a trial on one of a lane's workers. Each update has all points so far: earlier ones may be lost."""

    def __init__(self, order: Order, device: torch.device, *, data: list[ray.ObjectRef]) -> None:
        self.assign(order, ray.get(data[0]), device)

    def next(self) -> Update:
        before = self.seconds
        update = self.advance()
        points, took = tuple(self.points), self.seconds - before
        return replace(update, points=points, seconds=self.worked, took=took, kept=self.kept)


class LaneTrial(tune.Trainable):
    """Asks a lane for the trial's next progress update.

    It has a lane for one trial at a time, so that those who wait have their turn. The workers are told nothing of a
    trial that is stopped: the next trial's fit takes the place of its own.
    """

    # `tune.with_parameters` gives what Tune itself does not.
    def setup(self, config: TuneDict, lanes: list[ActorHandle], limits: Limits) -> None:  # type: ignore[override]
        self.lanes, self.limits = lanes, limits
        self.me = ray.get_runtime_context().current_actor
        self.lane: ActorHandle | None = None
        self.reset_config(config)

    def reset_config(self, new_config: TuneDict) -> bool:
        self._release()  # of a trial that was stopped
        self.order = order_of(new_config)
        self.reported = 0.0  # the share of the schedule up to which the driver has the points
        self.earlier: float | None = None  # seconds of work before this process asked
        self.seconds = 0.0  # of work in all
        return True

    @property
    def limit(self) -> float | None:
        return self.limits.of(self.order)

    def step(self) -> TuneDict:
        update = self._update()
        if self.limit is not None and self.seconds > self.limit and not update.done:
            update = failed(too_long(self.limit))
        if update.done:
            self._release()
        return tune_result(replace(update, seconds=self.seconds, earlier=self.earlier or 0.0))

    def _update(self) -> Update:
        said = self._asked()
        if isinstance(said, Failure):
            return self._failed(said)
        update: Update = unpacked(said)
        self.seconds = update.seconds
        if self.earlier is None:
            self.earlier = self.seconds - update.took
        return self._new(update)

    def _new(self, update: Update) -> Update:
        """The update with the points that the driver does not have: LaneFit sends all of them each time."""
        points = tuple(point for point in update.points if point.progress > self.reported)
        if not points:
            return replace(update, points=())
        self.reported = points[-1].progress
        return replace(update, points=points, value=points[-1].value if update.value is None else update.value)

    def _asked(self) -> bytes | Failure:
        """What a lane says: another one where the first has lost its workers for good, or gave itself to another."""
        # A fit that takes too long is ended by `step`, between two updates; one that hangs, with its workers, by the
        # lane after this limit.
        limit = None if self.limit is None else max(0.0, self.limit - self.seconds) + GRACE
        while True:
            if self.lane is None:
                self.lane = self._claimed()
            asked: ObjectRef[bytes | Failure] = self.lane.ask.remote(
                self.order.trial, packed(self.order), limit, self.me
            )
            said = ray.get(asked)
            if not isinstance(said, Failure) or said.kind not in (NO_GROUP, NOT_HELD):
                return said
            self._release()

    def _claimed(self) -> ActorHandle:
        while True:
            for lane in self.lanes:
                if ray.get(lane.claim.remote(self.me)):
                    for other in self.lanes:
                        if other != lane:
                            other.release.remote(self.me)  # this trial no longer waits for it
                    return lane
            time.sleep(POLL)

    def _release(self) -> None:
        if self.lane is not None:
            ray.get(self.lane.release.remote(self.me))
            self.lane = None

    def _failed(self, failure: Failure) -> Update:
        if failure.kind == StorageFailed.__name__:
            return unstored(failure.message)
        if failure.kind == TOO_LONG and self.limit is not None:
            return failed(too_long(self.limit))
        return failed(failure.message if failure.kind == DIED else str(failure))

    def cleanup(self) -> None:
        self._release()

    def save_checkpoint(self, checkpoint_dir: str) -> TuneDict:
        return {}  # Tune asks for one when it pauses a trial; the lane's workers keep the states of fits

    def load_checkpoint(self, checkpoint: TuneDict | None) -> None:
        pass
