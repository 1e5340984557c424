"""Fits in this process: what a lane of one worker does, without Ray."""

import logging
from collections.abc import Callable, Sequence

import torch

from reeltune.cluster.data_parallel.batches import check_batches
from reeltune.cluster.data_parallel.fit import Refit
from reeltune.cluster.data_parallel.orders import FitOrder, Fitted, GroupData, Lost, kept
from reeltune.cluster.data_parallel.updates import result_of, tell_begin, tell_end, tell_update
from reeltune.cluster.runs.storage import Store
from reeltune.cluster.session.garbage import look_as_usual
from reeltune.cluster.session.machine import usable_cpus
from reeltune.cluster.tracking.tracker import Tracker
from reeltune.trainables.architectures.source import kind_of, own_line
from reeltune.trainables.errors import FitFailed, InputError, StorageFailed, one_line
from reeltune.trainables.fitting.allocator import keep_memory
from reeltune.trainables.fitting.threads import one_thread, threads_for

log = logging.getLogger(__name__)


def fit_here(
    orders: Sequence[FitOrder],
    data: GroupData,
    *,
    store: Store,
    save_every: float = 10.0,
    progress: Callable[[str], None] = lambda line: None,
    steps: Callable[[str, float], None] = lambda key, share: None,
    trackers: Sequence[Tracker] = (),
) -> dict[str, Fitted | Lost]:
    """Do the fits in this process, up to the first that is lost. Returns them by their orders' keys.

    They are those of `fit_all` with one worker on a CPU, bit for bit: steps use more than one thread only on many rows,
    and where that changes no digit of a weight. They go on from checkpoints in the store that this or `fit_all` has
    left there, and leave them themselves. The caller empties the store. `steps` is told of a fit's key and of the
    share of its steps that are done. An error of an own architecture loses the fit, and the reason has its file and
    line. Raises InputError if the batches are too small or the model refuses the data, and StorageFailed.
    """
    check_batches([order.config.get("batch_size", len(data.train)) for order in orders], data.train, workers=1)
    came: dict[str, Fitted | Lost] = {}
    for order in orders:
        came[order.key] = kept(store, order) or _told(order, data, store, save_every, progress, steps, trackers)
        if isinstance(came[order.key], Lost):
            break
    return came


def _told(
    order: FitOrder,
    data: GroupData,
    store: Store,
    save_every: float,
    progress: Callable[[str], None],
    steps: Callable[[str, float], None],
    trackers: Sequence[Tracker],
) -> Fitted | Lost:
    """Do a fit, and tell the trackers of its beginning and its end."""
    tell_begin(order, trackers)
    try:
        came = _fit(order, data, store, save_every, progress, steps, trackers)
    except InputError as error:
        tell_end(Lost(key=order.key, reason=str(error)), order, trackers)
        raise
    tell_end(came, order, trackers)
    return came


def _fit(
    order: FitOrder,
    data: GroupData,
    store: Store,
    save_every: float,
    progress: Callable[[str], None],
    steps: Callable[[str, float], None],
    trackers: Sequence[Tracker],
) -> Fitted | Lost:
    keep_memory()
    look_as_usual()
    try:
        with one_thread():
            fit = Refit(
                order,
                torch.device("cpu"),
                data=data,
                store=store,
                save_every=save_every,
                bfloat16=False,
                threads=threads_for(len(data.train), cores=usable_cpus()),
            )
            done = False
            while not done:
                update = fit.next()
                steps(order.key, update.progress)
                tell_update(update, order, progress, trackers)
                done = update.done
    except FitFailed as error:
        return Lost(key=order.key, reason=str(error))
    except (StorageFailed, InputError):
        raise
    except Exception as error:  # torch raises RuntimeError where memory is short
        if own_line(error) is None and not isinstance(error, (MemoryError, RuntimeError)):
            raise  # a bug of reeltune's
        log.exception("%s failed", order.key)
        return Lost(key=order.key, reason=f"{kind_of(error)}: {one_line(str(error))}")
    return result_of(order, store)
