"""Shows the updates of fits, tells trackers of them, takes the results from the store, and has their notes."""

import time
from collections.abc import Callable, Sequence

from reeltune.cluster.data_parallel.orders import FitOrder, Fitted, FitUpdate, Lost, kept
from reeltune.cluster.runs.storage import Store
from reeltune.cluster.tracking.tracker import FitEnd, Tracker
from reeltune.trainables.errors import StorageFailed

READ_AGAIN = (0.5, 1.0, 2.0, 4.0)  # seconds before each further look for a result that has been written


def tell_begin(order: FitOrder, trackers: Sequence[Tracker]) -> None:
    for tracker in trackers:
        tracker.began(order.tracked)


def tell_update(
    update: FitUpdate, order: FitOrder, progress: Callable[[str], None], trackers: Sequence[Tracker]
) -> None:
    for line in update.lines:
        progress(line)
    for tracker in trackers:
        tracker.update(order.tracked.name, update.points)


def tell_end(came: Fitted | Lost, order: FitOrder, trackers: Sequence[Tracker]) -> None:
    end = FitEnd(state="failed", epochs=0) if isinstance(came, Lost) else FitEnd(state="done", epochs=came.epochs)
    for tracker in trackers:
        tracker.ended(order.tracked.name, end)


def result_of(order: FitOrder, store: Store) -> Fitted:
    """The result that a fit has written. Raises StorageFailed.

    Some object stores answer with what was there before for a moment, so an answer without the result is not the last.
    """
    for wait in (0.0, *READ_AGAIN):
        time.sleep(wait)
        if (fitted := kept(store, order)) is not None:
            return fitted
    raise StorageFailed(f"storage {store.where}: {order.name}.json was written, and is missing or cannot be read")


def notes(orders: list[FitOrder], came: dict[str, Fitted | Lost]) -> list[str]:
    """What models say of their fits, each line once."""
    fits = [(order.architecture, came[order.key]) for order in orders]
    said = [f"note: {name}: {note}" for name, fit in fits if isinstance(fit, Fitted) for note in fit.notes]
    return list(dict.fromkeys(said))
