"""Fits chosen configurations with Ray's data-parallel workers, and shows the progress."""

from collections.abc import Sequence

from reeltune.cluster.commands.progress import Watch
from reeltune.cluster.data_parallel.dealing import group_of
from reeltune.cluster.data_parallel.fit_all import fit_all
from reeltune.cluster.data_parallel.orders import FitOrder, Fitted, Lost
from reeltune.cluster.data_parallel.updates import notes
from reeltune.cluster.runs.storage import Store
from reeltune.cluster.session.resources import Resources, waiting
from reeltune.cluster.session.slots import at_once
from reeltune.cluster.tracking.tracker import Tracker
from reeltune.trainables.architectures.registry import SHIPPED, Registry
from reeltune.trainables.data.prepared import Prepared
from reeltune.trainables.data.streamed import Streamed
from reeltune.trainables.scoring.metric_table import Objective


def refit(
    orders: list[FitOrder],
    prepared: Prepared | Streamed,
    *,
    doing: str | None = None,
    objective: Objective,
    workers: int,
    resources: Resources,
    store: Store,
    watch: Watch,
    concurrent: int | None = None,
    save_every: float = 10.0,
    bfloat16: bool = False,
    each_epoch: bool = False,
    trackers: Sequence[Tracker] = (),
    registry: Registry = SHIPPED,
) -> dict[str, Fitted | Lost]:
    """Do the fits, as many at once as there is room for and `concurrent` allows. Returns them by their orders' keys.

    Orders with the same key are one fit. `doing` is the text that the progress shows. With `each_epoch`, each epoch
    prints a line even without a terminal. `save_every` is in seconds.
    """
    distinct = list({order.key: order for order in orders}.values())
    room = at_once(resources, workers=workers, data_bytes=prepared.bytes)
    lanes = min(room, concurrent or room, len(distinct))
    if doing is not None:
        watch.status(_about(doing, len(distinct), lanes, workers, resources))
    came = fit_all(
        distinct,
        group_of(prepared, objective, registry, store),
        workers=workers,
        resources=resources,
        store=store,
        at_once=lanes,
        save_every=save_every,
        bfloat16=bfloat16,
        progress=watch.status if each_epoch else watch.tick,
        trackers=trackers,
    )
    for line in notes(distinct, came):
        watch.say(line)
    return came


def _about(doing: str, fits: int, lanes: int, workers: int, resources: Resources) -> str:
    each = f"{workers} worker{'s' if workers > 1 else ''}" + (" each" if lanes > 1 else "")
    pending = waiting(workers, resources)
    return f"{doing}: {fits} fits, {lanes} at a time, by {each}{f'; {pending}' if pending else ''}"
