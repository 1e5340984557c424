"""What a search would run: its slots, and its duration, estimated from a few steps of some fits here."""

from dataclasses import dataclass

from reeltune.cluster.commands.ask import TuneOptions, TunePlan, ask
from reeltune.cluster.commands.probe import Cost, costs
from reeltune.cluster.commands.searches import searches_of, whole
from reeltune.cluster.commands.time_left import BUSY, ENDING, START, after_search, sampled_confirmations
from reeltune.cluster.judging.ranking_size import seconds_to_judge
from reeltune.cluster.runs.claim import check_claim, check_free
from reeltune.cluster.search.choice import FINALISTS, SEEDS
from reeltune.cluster.session.resources import check, here
from reeltune.cluster.session.slots import at_once, slots

WHOLE = 0.9  # the share of their schedules that trials get through with a scheduler: 36 of 140 were stopped at 2/3


@dataclass(frozen=True, kw_only=True)
class Line:
    """The plan for one architecture."""

    architecture: str
    parameters: int
    fits: int  # trials and confirmations
    refits: int
    fit_seconds: float  # of a search trial, on average
    reference_seconds: float
    all_seconds: float | None  # of a confirmation, where search trials fit on a sample


@dataclass(frozen=True, kw_only=True)
class DryRun:
    """What a search would run, on this machine."""

    lines: list[Line]
    slots: int
    workers: int  # per trial
    folds: int  # how often all of it runs; 1 without folds
    seconds: float  # until the verdict, if nothing else runs on the machine
    limited: bool  # --time ends the search before all trials have begun
    summary: str


def dry_run(options: TuneOptions) -> DryRun:
    """Plan what `tune` would do, and time a few steps of some fits. Raises InputError as `tune` does."""
    check_free(options.folder, resume=options.resume)
    folds = len(options.folds) or 1
    plans = [ask(each) for each in searches_of(options)]
    plan, limit = plans[0], None if options.seconds is None else options.seconds / folds
    asked = whole([each.asked for each in plans]) if options.folds else plan.asked
    check_claim(options.folder, asked, resume=options.resume, growing="trials")
    resources = here()
    if options.address is None:
        check(options.workers, resources)
    taken = slots(
        resources,
        concurrent=options.concurrent,
        data_bytes=plan.prepared.bytes,
        workers=options.workers_per_trial,
        gpus_per_trial=options.gpus_per_trial if options.address is None else None,
    )
    room = at_once(resources, workers=options.workers, data_bytes=plan.prepared.bytes)
    found = costs(plan.prepared.seen, plan.spaces, plan.registry)
    of_trials = found if plan.sample is None else costs(plan.sample, plan.spaces_of_trials, plan.registry)
    search = _search_seconds(plan, of_trials) / taken.count / BUSY
    limited = limit is not None and search > limit
    after = _after_seconds(plan, found, slots=taken.count, lanes=min(room, options.concurrent or room))
    return DryRun(
        lines=[_line(name, of_trials[name], plan, every) for name, every in found.items()],
        slots=taken.count,
        workers=taken.workers,
        folds=folds,
        seconds=folds * (START + (limit if limited and limit is not None else search) + after),
        limited=limited,
        summary="\n".join([plan.prepared.summary(), *plan.notes]),
    )


def _line(name: str, cost: Cost, plan: TunePlan, every: Cost) -> Line:
    trials = plan.options.trials
    return Line(
        architecture=name,
        parameters=len(plan.spaces[name].parameters),
        fits=trials + min(FINALISTS, trials) * SEEDS,
        refits=SEEDS,
        fit_seconds=cost.drawn,
        reference_seconds=cost.reference,
        all_seconds=None if plan.sample is None else every.drawn,
    )


def _search_seconds(plan: TunePlan, found: dict[str, Cost]) -> float:
    """Of all search trials, one after the other. The first of each architecture is its reference."""
    whole = 1.0 if plan.options.scheduler == "none" else WHOLE
    return sum(cost.reference + (plan.options.trials - 1) * cost.drawn * whole for cost in found.values())


def _after_seconds(plan: TunePlan, found: dict[str, Cost], *, slots: int, lanes: int) -> float:
    """From the last search trial to the verdict: the confirmations, always some of the reference, and the refits."""
    finalists, parts, baseline = min(FINALISTS, plan.options.trials), plan.prepared.split, plan.options.baseline
    share = 1.0 if plan.sample is None else sampled_confirmations(finalists) / (finalists * SEEDS)
    confirmed = share * sum(SEEDS * (cost.reference + (finalists - 1) * cost.drawn) for cost in found.values())
    chosen = sum((cost.reference + cost.drawn) / 2 for cost in found.values())
    if baseline.kind == "reference":
        chosen += found[baseline.name].reference if baseline.name in found else chosen / len(found)
    refits = SEEDS * (len(found) + (baseline.kind == "reference"))
    refitted = SEEDS * chosen * len(parts.fitting) / len(parts.train)
    ending = ENDING * START + seconds_to_judge(refits, len(parts.test), plan.prepared.shape)
    return confirmed / slots / BUSY + after_search(refitted, count=refits, lanes=lanes, ending=ending)
