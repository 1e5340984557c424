"""The core seconds of a search's fits, by phase and architecture."""

from collections.abc import Iterable, Mapping

from reeltune.cluster.data_parallel.orders import Fitted
from reeltune.cluster.judging.baseline import KEY
from reeltune.cluster.judging.outcome import CALIBRATION, Searched
from reeltune.cluster.runs.folder import Entry
from reeltune.cluster.runs.spent import FitSeconds, Spent


def spent(searched: Searched) -> Spent | None:
    """What the fits took. None of a replay, which searches nothing."""
    times = searched.times
    if times is None:
        return None
    refits = _refits(searched)
    names = dict.fromkeys([*(name for name in searched.architectures if name in searched.spaces), *refits])
    return Spent(
        fits={
            name: FitSeconds(
                trials=_core_seconds(searched.ledger.of("search", name), searched.trial_workers),
                confirmations=_core_seconds(searched.ledger.of("confirm", name), searched.trial_workers),
                refits=round(refits.get(name, 0.0), 3),
            )
            for name in names
        },
        search=times.search,
        refits=times.refits,
        resumed=times.resumed,
    )


def _core_seconds(entries: Iterable[Entry], workers: int) -> float:
    return round(sum(entry.core_seconds(workers) for entry in entries), 3)


def _refits(searched: Searched) -> Mapping[str, float]:
    """Core seconds of the refits by name; a fit that two names share counts for the first, the baseline's."""
    owners = {CALIBRATION: KEY}
    for (name, _), order in searched.orders.items():
        owners.setdefault(order.key, name)
    seconds: dict[str, float] = {}
    for key, came in searched.fitted.items():
        if isinstance(came, Fitted):
            name = owners[key]
            seconds[name] = seconds.get(name, 0.0) + searched.workers * came.seconds
    return seconds
