"""`reeltune tune`, the main job, in three steps: ask, claim, run.

*Ask* reads and checks the spaces and the data (`ask.py`); *claim* takes the run's folder; *run* searches, refits what
was chosen, looks at the test rows once, and judges.
"""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from ray.actor import ActorHandle

from reeltune.cluster.commands.ask import TuneOptions, TunePlan, ask
from reeltune.cluster.commands.progress import Watch
from reeltune.cluster.commands.refit import refit
from reeltune.cluster.commands.run_session import session_of_run
from reeltune.cluster.commands.time_left import RefitsLeft, TimeLeft, Work
from reeltune.cluster.commands.under_way import UnderWay
from reeltune.cluster.data_parallel.orders import FitOrder, Fitted, Lost, has_ended
from reeltune.cluster.judging.ensemble import with_ensemble
from reeltune.cluster.judging.outcome import Searched, Times
from reeltune.cluster.judging.ranking_size import seconds_to_judge
from reeltune.cluster.judging.refits import calibrations, refits
from reeltune.cluster.runs.answer import Result
from reeltune.cluster.runs.claim import claim
from reeltune.cluster.runs.folder import Ledger, read_entries
from reeltune.cluster.runs.kept_tables import keep_tables
from reeltune.cluster.runs.sources import keep_sources
from reeltune.cluster.runs.spent import Phase
from reeltune.cluster.runs.storage import Store
from reeltune.cluster.search.choice import SEEDS, Choice, choose
from reeltune.cluster.search.experiment import Plan, search, studies
from reeltune.cluster.search.faults import LATE
from reeltune.cluster.search.lane_trial import trial_lanes
from reeltune.cluster.search.on_sample import Adapt, adapter
from reeltune.cluster.search.trial_fit import TrialData
from reeltune.cluster.search.warm_start import Earlier, begin
from reeltune.cluster.session.address import check_address, joining
from reeltune.cluster.session.resources import Node, Resources, waiting
from reeltune.cluster.session.slots import Slots, at_once, slots
from reeltune.cluster.tensorboard.event_files import TensorBoard
from reeltune.cluster.tensorboard.hparams import Drawn
from reeltune.cluster.trackers.opened import tracked
from reeltune.cluster.tracking.tracker import Tracker


def tune(options: TuneOptions, watch: Watch) -> Result:
    """Ask, claim, run. Returns what `--json` prints. Raises InputError if `tune` cannot do what was asked."""
    start = time.monotonic()
    check_address(options.address, takes_client=not options.keep_ray)
    plan = ask(options)
    watch.say(plan.prepared.counts() if options.told else plan.prepared.summary())
    for line in plan.notes:
        watch.note(line)
    with (
        claim(
            plan.folder,
            plan.asked,
            resume=options.resume,
            growing="trials",
            size=plan.size,
            command=options.command,
            say=watch.say,
        ),
        tracked(options.trackers, plan.folder, plan.asked, say=watch.say, status=watch.tick) as elsewhere,
    ):
        keep_tables(options.data, plan.folder)
        keep_sources(plan.registry, plan.folder)
        trackers = [*_trackers(plan), UnderWay(watch.under_way), *elsewhere]
        searched = _run(plan, trackers, watch)
        # Imported late: what judges takes a second to load, and the first trials need not wait for it.
        from reeltune.cluster.commands.finish import finish

        if options.ensemble:
            searched = with_ensemble(searched, plan.prepared, plan.folder)
        return finish(
            searched,
            plan.prepared,
            plan.folder,
            seconds=lambda: time.monotonic() - start,
            say=watch.say,
            trackers=trackers,
        )


def _trackers(plan: TunePlan) -> list[Tracker]:
    shape = plan.prepared.shape
    searched = {
        name: Drawn(space=space, reference=plan.registry[name].reference(shape).as_json())
        for name, space in plan.spaces.items()
    }
    ended = read_entries(plan.folder.ledger)
    folder, metric = plan.folder, plan.options.metric
    return [
        TensorBoard(folder.tensorboard, searched, run=folder.title, metric=metric, ended=ended, registry=plan.registry)
    ]


def _run(plan: TunePlan, trackers: Sequence[Tracker], watch: Watch) -> Searched:
    """Search and refit in one Ray session."""
    options, prepared, folder = plan.options, plan.prepared, plan.folder
    ledger = Ledger(folder.ledger)
    shape, registry = prepared.shape, plan.registry
    earlier = begin(folder, plan.source, plan.declared, shape, wider=plan.wider, registry=registry, say=watch.say)
    if options.address is not None or not options.told:  # a Ray of our own has stayed up since the fold before
        watch.status(joining(options.address))
    began = time.monotonic()
    with session_of_run(options, folder, data_bytes=prepared.bytes, say=watch.say) as resources:
        resumed, searching = bool(ledger.entries) or folder.journal.exists(), time.monotonic()
        choices, left = _search(plan, ledger, earlier, resources, trackers, watch, began=began)
        refitting = time.monotonic()
        orders = _refits(plan, choices)
        wanted = [*orders.values(), *calibrations(orders, shape, registry, metric=options.metric)]
        fitted = _refit(plan, wanted, left, resources, trackers, watch) if orders else {}
        times = Times(
            search=_phase(refitting - searching, left.work.slots * options.workers_per_trial, resources),
            refits=_phase(time.monotonic() - refitting, left.work.lanes * options.workers, resources),
            resumed=resumed,
        )
    watch.refits_ended()
    watch.status("judging, and writing the reports")
    return Searched(
        architectures=options.architectures,
        ledger=ledger,
        choices=choices,
        orders=orders,
        fitted=fitted,
        decoder=options.decoder,
        metric=options.metric,
        seed=options.seed,
        baseline=options.baseline,
        workers=options.workers,
        trial_workers=options.workers_per_trial,
        device=resources.device,
        spaces=plan.spaces,
        trials=options.trials * len(plan.spaces),
        registry=registry,
        times=times,
    )


def _phase(seconds: float, cores: int, resources: Resources) -> Phase:
    """A phase of so many seconds and cores at most. Of a cluster that can grow, nobody knows how many there were."""
    can_grow = resources.to_come != Node()
    return Phase(wall=round(seconds, 1), available=None if can_grow else round(seconds * cores, 1))


def _refits(plan: TunePlan, choices: dict[str, Choice]) -> dict[tuple[str, int], FitOrder]:
    """The fits to do of what was chosen, and of the baseline; none if nothing was."""
    options = plan.options
    if not choices:
        return {}
    return refits(
        choices,
        plan.prepared,
        seed=options.seed,
        baseline=options.baseline,
        registry=plan.registry,
        shard=options.shard,
    )


def _search(
    plan: TunePlan,
    ledger: Ledger,
    earlier: Earlier,
    resources: Resources,
    trackers: Sequence[Tracker],
    watch: Watch,
    *,
    began: float,
) -> tuple[dict[str, Choice], TimeLeft]:
    """Search, and choose a configuration for each architecture. One without a finished confirmation is left out.

    `began` is when Ray was about to be started. Returns also what knows how long fits take.
    """
    options, prepared, spaces, folder = plan.options, plan.prepared, plan.spaces, plan.folder
    taken = slots(
        resources,
        concurrent=options.concurrent,
        data_bytes=prepared.bytes,  # a sample, which is a small part of it, is not counted
        workers=options.workers_per_trial,
        gpus_per_trial=options.gpus_per_trial,
        architectures=len(spaces),
    )
    made, cut_off = studies(
        folder,
        ledger,
        spaces,
        prepared.shape,
        seed=options.seed,
        sampler=options.sampler,
        earlier=earlier,
        registry=plan.registry,
    )
    data = _seen_by_trials(plan)
    with _lanes(data, taken, resources, watch) as lanes:
        deadline = None if options.seconds is None else time.monotonic() + options.seconds
        left = TimeLeft(_work(plan, data, resources, slots=taken.count, deadline=deadline), ledger, began=began)
        watch.search(list(spaces), trials=options.trials, label=options.objective.label, slots=taken.count, left=left)
        watch.resumed(ledger.entries)
        grown = f", {taken.growing} of them on nodes to come" if taken.growing else ""
        watch.status(
            f"searching {len(spaces)} architecture{'s' * (len(spaces) > 1)}, {options.trials} trials each, "
            f"{taken.count} at a time{grown}"
        )
        search_plan = Plan(
            trials=options.trials,
            seed=options.seed,
            scheduler=options.scheduler,
            deadline=deadline,
            limit=options.trial_seconds,
            # No deadline ends a confirmation that hangs. A search trial has no limit by --time: what it worked before
            # --resume counts too, and one that is only slow goes on with each until it has come to its end.
            limit_of_confirmations=options.seconds and options.seconds + LATE,
            unfinished=cut_off,
            on_sample=_on_sample(plan),
        )
        search(search_plan, made, ledger, data, folder, taken, ended=watch.ended, lanes=lanes, trackers=trackers)
    watch.search_ended()
    found = {name: choose(ledger, name) for name in spaces}
    return {name: choice for name, choice in found.items() if choice is not None}, left


def _work(plan: TunePlan, data: TrialData, resources: Resources, *, slots: int, deadline: float | None) -> Work:
    options, parts = plan.options, plan.prepared.split
    room = at_once(resources, workers=options.workers, data_bytes=plan.prepared.bytes)
    baseline = options.baseline.name if options.baseline.kind == "reference" else None
    fits = SEEDS * (len(plan.spaces) + (baseline is not None))
    return Work(
        architectures=tuple(plan.spaces),
        trials=options.trials,
        slots=slots,
        lanes=min(room, options.concurrent or room),
        baseline=baseline,
        more_rows=len(parts.fitting) / len(parts.train),
        all_rows=data.longer,
        judging=seconds_to_judge(fits, len(parts.test), plan.prepared.shape),
        deadline=deadline,
    )


def _on_sample(plan: TunePlan) -> Adapt | None:
    """What adapts configurations of search trials to the sample; None without one."""
    if plan.sample is None:
        return None
    return adapter(plan.declared, plan.registry, whole=plan.prepared.shape, sample=plan.sample.shape)


def _seen_by_trials(plan: TunePlan) -> TrialData:
    options, prepared = plan.options, plan.prepared
    return TrialData(
        train=prepared.split.train,
        validation=prepared.split.validation,
        split=options.data.split,
        shape=prepared.shape,
        decoder=options.decoder,
        metric=options.metric,
        store=plan.folder.store,
        registry=plan.registry,
        sample=plan.sample,
        bfloat16=options.bfloat16,
        shard=options.shard,
    )


def _lanes(
    data: TrialData, taken: Slots, resources: Resources, watch: Watch
) -> AbstractContextManager[list[ActorHandle]]:
    """The lanes of trials with several workers. Trials of one worker need none: they run in Tune's own processes."""
    if taken.workers == 1:
        return nullcontext([])
    each = f"{taken.workers} workers"
    starting = f"starting {taken.count} lanes of {each}" if taken.count > 1 else f"starting {each}"
    watch.status(waiting(taken.count * taken.workers, resources) or starting)
    return trial_lanes(data, taken.count, workers=taken.workers, resources=resources, progress=watch.status)


def _refits_left(orders: list[FitOrder], left: TimeLeft, store: Store) -> RefitsLeft:
    names = {order.tracked.name: order for order in orders}  # equal fits share one order
    waiting = {name: order for name, order in names.items() if not has_ended(store, order)}
    return RefitsLeft(
        {name: left.of_refit(order.architecture, order.config) for name, order in waiting.items()},
        lanes=max(1, min(left.work.lanes, len(waiting))),
        kept=len(names) - len(waiting),
        start=left.start,
        ending=left.ending,
    )


def _refit(
    plan: TunePlan,
    orders: list[FitOrder],
    left: TimeLeft,
    resources: Resources,
    trackers: Sequence[Tracker],
    watch: Watch,
) -> dict[str, Fitted | Lost]:
    options = plan.options
    # The longest first, so that at the end no lane waits long for another.
    orders = sorted(orders, key=lambda order: -left.of_refit(order.architecture, order.config))
    counting = watch.refitting(_refits_left(orders, left, plan.folder.fits))
    return refit(
        orders,
        plan.prepared,
        doing="refitting the best",
        objective=options.objective,
        workers=options.workers,
        resources=resources,
        store=plan.folder.fits,
        watch=watch,
        concurrent=options.concurrent,
        bfloat16=options.bfloat16,
        trackers=[*trackers, counting],
        registry=plan.registry,
    )
