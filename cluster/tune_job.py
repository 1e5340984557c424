"""`reeltune tune`, the main job: search, the best tried again, refits, one look at the test rows, verdict."""

import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ray.actor import ActorHandle

from cluster import ensembled
from cluster.baseline import KEY, REFERENCE, Baseline
from cluster.claim import claim, folder_of
from cluster.dealer import SEEDS, Choice, Dealer, choose
from cluster.earlier import Earlier, begin, named, source_of
from cluster.ending import finish
from cluster.fits import FitOrder, Fitted, GroupData, Lost
from cluster.interrupt import interruptible
from cluster.lane_trial import trial_lanes
from cluster.nodes import check_storage
from cluster.prepared import DataOptions, Prepared, asked_of, check_time, prepare
from cluster.ray_session import session
from cluster.resources import Resources, check, waiting
from cluster.run_folder import Ledger, RunFolder
from cluster.search import search, studies
from cluster.searched import CALIBRATION, Searched
from cluster.slots import Slots, at_once, slots
from cluster.train_group import check_batches, fit_all
from cluster.trial import TrialData
from cluster.watch import Watch
from search_spaces import Size, Space, has_space, read_spaces, shipped
from trainables import InputError
from trainables.architectures import ARCHITECTURES
from trainables.decoders import Decoder
from trainables.losses import ClassHeadConfig
from trainables.training import TrainingConfig


@dataclass(frozen=True, kw_only=True)
class TuneOptions:
    architectures: list[str]
    data: DataOptions
    trials: int
    seconds: float | None  # for the search alone
    workers: int  # of a refit
    concurrent: int | None
    decoder: Decoder
    halve: bool
    ensemble: bool
    space: Path | None
    seed: int
    address: str | None
    name: str
    resume: bool
    storage: str | None = None
    baseline: Baseline = REFERENCE
    gpus_per_trial: float | None = None
    earlier: str | None = None  # the run to start from
    trial_seconds: float | None = None  # for each trial
    workers_per_trial: int = 1


def searchable(names: list[str]) -> list[str]:
    """The architectures asked for, or all that can be searched. Raises InputError at an unknown name."""
    for name in names:
        if name not in ARCHITECTURES or not has_space(name):
            known = ", ".join(name for name in ARCHITECTURES if has_space(name))
            raise InputError(f"no architecture {name!r} to search; there are {known}")
    return list(dict.fromkeys(names)) or [name for name in ARCHITECTURES if has_space(name)]


def spaces_for(options: TuneOptions) -> dict[str, Space]:
    chosen = {name: ARCHITECTURES[name] for name in options.architectures}
    if options.space is not None:
        return read_spaces(options.space, chosen)
    return {name: shipped(name, architecture) for name, architecture in chosen.items()}


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
    check_time([value for space in spaces.values() for value in space.values("time")], prepared)
    most = max(options.workers, options.workers_per_trial)
    check_batches(_batches(spaces, prepared, options.baseline), prepared.split.train, workers=most)
    watch.say(prepared.summary())
    size = vars(Size.of(prepared.shape))
    asked = _asked(options, prepared, spaces)
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


def _batches(spaces: dict[str, Space], prepared: Prepared, baseline: Baseline) -> list[int]:
    """The batch sizes that refits may have: those of the spaces, the references and the baseline."""
    names = [name for name in (baseline.name, *spaces) if name in ARCHITECTURES]
    references = [ARCHITECTURES[name].reference(prepared.shape) for name in names]
    sizes = [reference.batch_size for reference in references if isinstance(reference, TrainingConfig)]
    for space in spaces.values():
        sizes += [int(size) for size in space.values("batch_size")]
    return sizes


def _asked(options: TuneOptions, prepared: Prepared, spaces: dict[str, Space]) -> dict[str, Any]:
    return {
        "verb": "tune",
        "architectures": list(spaces),
        **asked_of(options.data, prepared),
        "seed": options.seed,
        "decoder": options.decoder,
        "baseline": options.baseline.name,
        "ensemble": options.ensemble,
        "trials": options.trials,
        "workers_per_trial": options.workers_per_trial,
        "from": named(options.earlier),
        "space": {name: space.model_dump(mode="json") for name, space in spaces.items()},
    }


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


def refits(
    choices: dict[str, Choice], prepared: Prepared, *, seed: int, baseline: Baseline
) -> dict[tuple[str, int], FitOrder]:
    """The baseline's fits and each architecture's, by name and seed."""
    wanted = {name: (name, choice.config) for name, choice in choices.items()}
    if baseline.kind == "reference":
        reference = ARCHITECTURES[baseline.name].reference(prepared.shape).model_dump()
        wanted = {KEY: (baseline.name, reference), **wanted}
    return refits_of(wanted, seed=seed)


def refits_of(wanted: dict[str, tuple[str, dict[str, Any]]], *, seed: int) -> dict[tuple[str, int], FitOrder]:
    """Fits of architectures and configurations, by name and place of the seed; the same fit is done once."""
    orders: dict[tuple[str, int], FitOrder] = {}
    for name, (architecture, config) in wanted.items():
        for place in range(SEEDS):
            same = (
                o for o in orders.values() if (o.architecture, o.config, o.seed) == (architecture, config, seed + place)
            )
            order = FitOrder(
                key=f"{name}, seed {seed + place}",
                architecture=architecture,
                config=config,
                seed=seed + place,
                rows="fitting",
            )
            orders[name, place] = next(same, order)
    return orders


def calibrations(orders: dict[tuple[str, int], FitOrder]) -> list[FitOrder]:
    """A fit of the baseline on training rows alone, for its temperature, if it has a class head."""
    refit = orders.get((KEY, 0))
    if refit is None or not issubclass(ARCHITECTURES[refit.architecture].Config, ClassHeadConfig):
        return []
    return [replace(refit, key=CALIBRATION, rows="training")]


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
