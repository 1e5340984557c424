"""`reeltune tune`, the main job: search, the best tried again, refits, one look at the test rows, verdict."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from ray.actor import ActorHandle

from reeltune.cluster.commands.finish import finish
from reeltune.cluster.commands.progress import Watch
from reeltune.cluster.commands.tune_options import TuneOptions, asked_for, batch_sizes, spaces_for
from reeltune.cluster.data_parallel.fit_all import check_batches, fit_all
from reeltune.cluster.data_parallel.orders import FitOrder, Fitted, GroupData, Lost
from reeltune.cluster.judging import ensemble as ensembled
from reeltune.cluster.judging.outcome import Searched
from reeltune.cluster.judging.refits import calibrations, refits
from reeltune.cluster.runs.claim import claim
from reeltune.cluster.runs.find import folder_of
from reeltune.cluster.runs.folder import Ledger, RunFolder
from reeltune.cluster.runs.node_check import check_storage
from reeltune.cluster.search.choice import Choice, choose
from reeltune.cluster.search.experiment import search, studies
from reeltune.cluster.search.lane_trial import trial_lanes
from reeltune.cluster.search.searcher import Dealer
from reeltune.cluster.search.trial_fit import TrialData
from reeltune.cluster.search.warm_start import Earlier, begin, source_of
from reeltune.cluster.session.interrupt import interruptible
from reeltune.cluster.session.resources import Resources, check, waiting
from reeltune.cluster.session.session import session
from reeltune.cluster.session.slots import Slots, at_once, slots
from reeltune.search_spaces import Size, Space
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.config import FitConfig
from reeltune.trainables.data.prepared import Prepared, prepare
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.fitting.timestamps import check_times


def tune(options: TuneOptions, watch: Watch) -> dict[str, Any]:
    """The whole job. The result is what `--json` prints."""
    start = time.monotonic()
    folder = folder_of(options.name, options.storage)
    if folder.home is not None:
        folder.home.check()
    declared = spaces_for(options)
    source = source_of(options.earlier, folder, options.architectures)
    prepared = prepare(options.data)
    spaces = {name: space.on(prepared.shape) for name, space in declared.items()}
    check_times(_possible(spaces, prepared.shape), prepared)
    most = max(options.workers, options.workers_per_trial)
    check_batches(batch_sizes(spaces, prepared, options.baseline), prepared.split.train, workers=most)
    watch.say(prepared.summary())
    size = vars(Size.of(prepared.shape))
    asked = asked_for(options, prepared, spaces)
    with claim(folder, asked, resume=options.resume, growing="trials", size=size, say=watch.say):
        ledger = Ledger(folder.ledger)
        earlier = begin(folder, source, declared, prepared.shape, say=watch.say)
        watch.status("starting Ray")
        with session(options.address, data_bytes=prepared.bytes) as resources, interruptible():
            check(options.workers, resources)
            if options.address is not None:
                check_storage(folder.store)
            choices = _search(options, prepared, spaces, folder, ledger, earlier, resources, watch)
            orders = refits(choices, prepared, seed=options.seed, baseline=options.baseline) if choices else {}
            wanted = [*orders.values(), *calibrations(orders)]
            fitted = _refit(options, prepared, wanted, folder, resources, watch) if orders else {}
        watch.status("")
        searched = Searched(
            architectures=options.architectures,
            ledger=ledger,
            choices=choices,
            orders=orders,
            fitted=fitted,
            decoder=options.decoder,
            seed=options.seed,
            baseline=options.baseline,
            workers=options.workers,
            device=resources.device,
        )
        if options.ensemble:
            searched = ensembled.with_ensemble(searched, prepared, folder)
        return finish(searched, prepared, folder, seconds=lambda: time.monotonic() - start, say=watch.say)


def _possible(spaces: dict[str, Space], shape: Shape) -> Iterator[FitConfig]:
    """Each architecture's reference, and the reference with one setting at a time as its space has it."""
    for name, space in spaces.items():
        reference = ARCHITECTURES[name].reference(shape)
        yield reference
        for key in (*space.fixed, *space.parameters):
            yield from (reference.model_copy(update={**space.fixed, key: value}) for value in space.values(key))


def _search(
    options: TuneOptions,
    prepared: Prepared,
    spaces: dict[str, Space],
    folder: RunFolder,
    ledger: Ledger,
    earlier: Earlier,
    resources: Resources,
    watch: Watch,
) -> dict[str, Choice]:
    taken = slots(
        resources,
        concurrent=options.concurrent,
        data_bytes=prepared.bytes,
        workers=options.workers_per_trial,
        gpus_per_trial=options.gpus_per_trial,
        architectures=len(spaces),
    )
    made, cut_off = studies(folder, ledger, spaces, prepared.shape, seed=options.seed, earlier=earlier)
    data = _seen_by_trials(options, prepared, folder)
    with _lanes(data, taken, resources, watch) as lanes:
        watch.search(list(spaces), trials=options.trials, decoder=options.decoder, slots=taken.count)
        watch.resumed(ledger.entries)
        grown = f", {taken.growing} of them on nodes to come" if taken.growing else ""
        watch.status(
            f"searching {len(spaces)} architectures, {options.trials} trials each, {taken.count} at a time{grown}"
        )
        dealer = Dealer(
            made,
            ledger,
            trials=options.trials,
            seed=options.seed,
            unfinished=cut_off,
            deadline=None if options.seconds is None else time.monotonic() + options.seconds,
            ended=watch.ended,
        )
        # No trial takes longer than the whole search may: one that hangs would keep it from its end.
        limit = options.trial_seconds or options.seconds
        search(dealer, data, folder, taken, halve=options.halve, limit=limit, lanes=lanes)
    watch.search_ended()
    found = {name: choose(ledger, name) for name in spaces}
    return {name: choice for name, choice in found.items() if choice is not None}


def _seen_by_trials(options: TuneOptions, prepared: Prepared, folder: RunFolder) -> TrialData:
    return TrialData(
        train=prepared.split.train,
        validation=prepared.split.validation,
        split=options.data.split,
        shape=prepared.shape,
        decoder=options.decoder,
        store=folder.store,
    )


def _lanes(
    data: TrialData, taken: Slots, resources: Resources, watch: Watch
) -> AbstractContextManager[list[ActorHandle]]:
    """Those of trials of several workers. Trials of one worker need none: Tune's own processes fit them."""
    if taken.workers == 1:
        return nullcontext([])
    each = f"{taken.workers} workers"
    starting = f"starting {taken.count} lanes of {each}" if taken.count > 1 else f"starting {each}"
    watch.status(waiting(taken.count * taken.workers, resources) or starting)
    return trial_lanes(data, taken.count, workers=taken.workers, resources=resources)


def _refit(
    options: TuneOptions,
    prepared: Prepared,
    orders: list[FitOrder],
    folder: RunFolder,
    resources: Resources,
    watch: Watch,
) -> dict[str, Fitted | Lost]:
    distinct = list({order.key: order for order in orders}.values())
    room = at_once(resources, workers=options.workers, data_bytes=prepared.bytes)
    lanes = min(room, options.concurrent or room, len(distinct))
    each = f"{options.workers} worker{'s' if options.workers > 1 else ''}" + (" each" if lanes > 1 else "")
    pending = f"; {waiting(options.workers, resources)}" if waiting(options.workers, resources) else ""
    watch.status(f"refitting the best: {len(distinct)} fits, {lanes} at a time, by {each}{pending}")
    data = GroupData(
        train=prepared.split.train,
        validation=prepared.split.validation,
        shape=prepared.shape,
        decoder=options.decoder,
    )
    return fit_all(
        distinct,
        data,
        workers=options.workers,
        resources=resources,
        store=folder.fits,
        at_once=lanes,
        progress=watch.tick,
    )
