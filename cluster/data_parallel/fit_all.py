"""Data-parallel fits under Ray Train: lanes of workers start once, and do a list of fits one after another."""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

import ray
from ray import ObjectRef
from ray.actor import ActorHandle

from reeltune.cluster.data_parallel.batches import check_batches
from reeltune.cluster.data_parallel.lane_refit import LaneRefit
from reeltune.cluster.data_parallel.lanes import lanes
from reeltune.cluster.data_parallel.mailbox import DIED, NO_GROUP, Failure, packed, unpacked
from reeltune.cluster.data_parallel.orders import FitOrder, Fitted, FitUpdate, GroupData, Lost, kept
from reeltune.cluster.data_parallel.updates import result_of, tell_begin, tell_end, tell_update
from reeltune.cluster.runs.storage import Store
from reeltune.cluster.session.resources import Resources, check, waiting
from reeltune.cluster.tracking.tracker import Tracker
from reeltune.trainables.errors import FitFailed, StorageFailed

log = logging.getLogger(__name__)


def fit_all(
    orders: list[FitOrder],
    data: GroupData,
    *,
    workers: int,
    resources: Resources,
    store: Store,
    at_once: int = 1,
    save_every: float = 10.0,
    bfloat16: bool = False,
    progress: Callable[[str], None] = lambda line: None,
    trackers: Sequence[Tracker] = (),
) -> dict[str, Fitted | Lost]:
    """Do all fits, in order and `at_once` at a time, and return the result of each by its order's key.

    Results and the last checkpoints of running fits are kept in the store. A group that lost a worker goes on from
    them, and so does a call with the same store after this process died. The caller empties the store, once it has
    written what it makes of the results.
    Raises InputError if the cluster is too small, FitFailed if no group starts, and StorageFailed.
    """
    check(workers, resources, bfloat16=bfloat16)
    check_batches([order.config.get("batch_size", len(data.train)) for order in orders], data.train, workers=workers)
    came: dict[str, Fitted | Lost] = {o.key: fitted for o in orders if (fitted := kept(store, o)) is not None}
    left = [order for order in orders if order.key not in came]
    log.info("%d fits: %d kept by an earlier call, %d left, %d at once", len(orders), len(came), len(left), at_once)
    if left:
        begin = partial(LaneRefit, data=[ray.put(data)], store=store, save_every=save_every, bfloat16=bfloat16)
        progress(waiting(workers, resources) or f"starting {workers} worker{'s' if workers > 1 else ''}")
        with lanes(min(at_once, len(left)), begin, workers=workers, resources=resources, progress=progress) as started:
            came |= _serve(left, started, store, progress, trackers)
    return came


def _serve(
    orders: list[FitOrder],
    lanes: list[ActorHandle],
    store: Store,
    progress: Callable[[str], None],
    trackers: Sequence[Tracker],
) -> dict[str, Fitted | Lost]:
    """Give each lane a fit as the lane comes up, and the next fit when it has finished one.

    A lane that has nothing left to do takes over from one whose workers do not come back.
    """
    came: dict[str, Fitted | Lost] = {}
    left = deque(orders)
    coming: dict[ObjectRef, ActorHandle] = {lane.ready.remote(): lane for lane in lanes}
    asked: dict[ObjectRef, tuple[ActorHandle, FitOrder]] = {}
    idle: list[ActorHandle] = []
    while left or asked:
        (reference, *_), _ = ray.wait([*asked, *coming])
        if reference in coming:
            lane = coming.pop(reference)
            why: str | None = ray.get(reference)
            if why is not None and not (asked or coming):
                raise FitFailed(f"its workers do not start: {why}")
            if why is not None:
                continue  # the others do without it
        else:
            lane, order = asked.pop(reference)
            said: bytes | Failure = ray.get(reference)
            if isinstance(said, Failure) and said.kind == NO_GROUP:
                if idle:
                    log.warning("%s: %s; it goes on elsewhere", order.key, said.message)
                    coming[lane.ready.remote()] = lane
                    lane = idle.pop()
                asked[lane.ask.remote(order.name, packed(order))] = lane, order
                continue
            if isinstance(said, Failure):
                log.warning("%s failed: %s", order.key, said)
                came[order.key] = _lost(order, said)
            else:
                update: FitUpdate = unpacked(said)
                tell_update(update, order, progress, trackers)
                if not update.done:
                    asked[lane.ask.remote(order.name, packed(order))] = lane, order
                    continue
                came[order.key] = result_of(order, store)
            tell_end(came[order.key], order, trackers)
        if left:
            order = left.popleft()
            tell_begin(order, trackers)
            asked[lane.ask.remote(order.name, packed(order))] = lane, order
        else:
            idle.append(lane)
    return came


def _lost(order: FitOrder, failure: Failure) -> Lost:
    if failure.kind == StorageFailed.__name__:
        raise StorageFailed(failure.message)  # the next fit could keep nothing either
    own = failure.kind in (FitFailed.__name__, DIED)
    return Lost(key=order.key, reason=failure.message if own else str(failure))
