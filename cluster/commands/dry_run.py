"""What a search would run: its slots, and its duration, estimated from a few steps of each reference fit here."""

import time
from dataclasses import dataclass

import torch

from reeltune.cluster.commands.ask import TuneOptions, ask
from reeltune.cluster.runs.claim import check_claim
from reeltune.cluster.search.choice import FINALISTS, SEEDS
from reeltune.cluster.session.machine import usable_cpus, usable_memory
from reeltune.cluster.session.resources import RAY_BYTES, Node, Resources, check
from reeltune.cluster.session.slots import slots
from reeltune.search_spaces import Space
from reeltune.trainables.architectures.registry import Registry
from reeltune.trainables.data.prepared import Prepared
from reeltune.trainables.fitting.fit import Fit
from reeltune.trainables.model import Architecture

PROBE_STEPS = 60
START_SECONDS = 25  # to start Ray, the trial actors and the worker group of the refits


@dataclass(frozen=True, kw_only=True)
class Line:
    """The plan for one architecture."""

    architecture: str
    parameters: int
    fits: int  # trials and confirmations
    refits: int
    reference_seconds: float


def here() -> Resources:
    """The resources that Ray would find if it were started on this machine."""
    return Resources(nodes=(Node(cpus=usable_cpus(), memory=max(0, usable_memory() - RAY_BYTES)),))


@dataclass(frozen=True, kw_only=True)
class DryRun:
    """What a search would run, on this machine."""

    lines: list[Line]
    slots: int
    workers: int  # per trial
    seconds: float  # until the verdict, if every fit takes as long as its architecture's reference fit
    summary: str


def dry_run(options: TuneOptions) -> DryRun:
    """Plan what `tune` would do, and time a few steps of each reference fit. Raises InputError as `tune` does."""
    plan = ask(options)
    check_claim(plan.folder, plan.asked, resume=options.resume, growing="trials")
    resources = here()
    if options.address is None:
        check(options.workers, resources)
    taken = slots(
        resources, concurrent=options.concurrent, data_bytes=plan.prepared.bytes, workers=options.workers_per_trial
    )
    lines = fits_of(plan.prepared, plan.spaces, plan.registry, trials=options.trials)
    return DryRun(
        lines=lines,
        slots=taken.count,
        workers=taken.workers,
        seconds=estimate(lines, slots=taken.count),
        summary=plan.prepared.summary(),
    )


def fits_of(prepared: Prepared, spaces: dict[str, Space], registry: Registry, *, trials: int) -> list[Line]:
    """A line for each architecture; the seconds of its reference fit are extrapolated from a few steps."""
    return [
        Line(
            architecture=name,
            parameters=len(space.parameters),
            fits=trials + min(FINALISTS, trials) * SEEDS,
            refits=SEEDS,
            reference_seconds=_probe(registry[name], prepared),
        )
        for name, space in spaces.items()
    ]


def _probe(architecture: Architecture, prepared: Prepared) -> float:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a trial has one thread
    fit = Fit(architecture, architecture.reference(prepared.shape), prepared.shape, prepared.split.train, seed=0)
    fit.advance()  # not timed: in the first step torch loads modules
    start, steps = time.perf_counter(), min(PROBE_STEPS, fit.steps - 1)
    for _ in range(steps):
        fit.advance()
    spent = time.perf_counter() - start
    torch.set_num_threads(threads)
    return spent / max(1, steps) * fit.steps


def estimate(lines: list[Line], *, slots: int) -> float:
    """Seconds until the verdict, if each fit takes as long as its reference: search in `slots`, refits one by one."""
    search = sum(line.fits * line.reference_seconds for line in lines) / slots
    slowest = max(line.reference_seconds for line in lines)
    refits = sum(line.refits * line.reference_seconds for line in lines)
    refits += SEEDS * slowest  # the baseline's refits take at most that
    return START_SECONDS + search + refits
