"""The search: one Ray Tune experiment over all architectures, whose trials run in reused actors."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ray import tune
from ray.actor import ActorHandle

from reeltune.cluster.runs.disk import Disk
from reeltune.cluster.runs.folder import Entry, Ledger, RunFolder, write_json
from reeltune.cluster.search.faults import Faults
from reeltune.cluster.search.lane_trial import TRIAL_CPUS, LaneTrial
from reeltune.cluster.search.messages import Config, Limits, order_of
from reeltune.cluster.search.on_sample import Adapt
from reeltune.cluster.search.recorder import Recorder, attributes, outcome
from reeltune.cluster.search.schedulers import SCHEDULERS, PerArchitecture
from reeltune.cluster.search.searcher import TrialSearcher
from reeltune.cluster.search.tracking import Tracking
from reeltune.cluster.search.trial import Trial
from reeltune.cluster.search.trial_fit import TrialData
from reeltune.cluster.search.warm_start import Earlier
from reeltune.cluster.session.ray_private_libraries import (
    RETRIES,
    correct_actors,
    leave_callbacks_uncounted,
    take_started_workers,
)
from reeltune.cluster.session.slots import Slots
from reeltune.cluster.tracking.tracker import Tracker
from reeltune.search_spaces import Sampling, Space, Study, journal, maker, unfinished
from reeltune.trainables.architectures.registry import SHIPPED, Registry
from reeltune.trainables.data.shape import Shape


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a search is to do."""

    trials: int  # search trials of each architecture
    seed: int
    scheduler: str = "asha"  # a key of SCHEDULERS
    deadline: float | None = None  # by time.monotonic(), for the search trials
    limit: float | None = None  # seconds that each trial may work; confirmations longer where there is a sample
    limit_of_confirmations: float | None = None  # where each trial has none
    unfinished: dict[str, Config] = field(default_factory=dict)  # by trial, those that were running at the last end
    on_sample: Adapt | None = None  # where search trials fit on a sample of users


def studies(
    folder: RunFolder,
    ledger: Ledger,
    spaces: dict[str, Space],
    shape: Shape,
    *,
    seed: int,
    sampler: Sampling = "tpe",
    earlier: Earlier | None = None,
    registry: Registry = SHIPPED,
) -> tuple[dict[str, Study], dict[str, Config]]:
    """A study for each architecture, rebuilt from the ledger, and the trials that were running at the last end.

    Each begins with what an earlier run learnt, if one is given.
    """
    earlier = earlier or Earlier()
    cut_off = _cut_off(folder, ledger)
    for file in folder.path.glob(f"{folder.journal.name}*"):
        file.unlink()
    storage = journal(str(folder.journal))
    made = {
        name: Study(
            name,
            registry[name],
            space,
            shape,
            seed=seed,
            sampler=maker(sampler, resumed=bool(ledger.of("search", name))),
            storage=storage,
            first=earlier.first(name),
        )
        for name, space in spaces.items()
    }
    for entry in earlier.known:
        about = {**attributes(entry), "from": earlier.run}
        made[entry.architecture].add(entry.trial, entry.config, outcome(entry), about)
    for entry in ledger.entries:
        if entry.stage == "search":
            made[entry.architecture].add(entry.trial, entry.config, outcome(entry), attributes(entry))
    return made, cut_off


def _cut_off(folder: RunFolder, ledger: Ledger) -> dict[str, Config]:
    """The configurations of the trials that were running at the last end, or at an end before it.

    They are kept in a file: the journal is about to be made anew, and the search may be cut off again before it has
    begun them again.
    """
    cut_off = json.loads(folder.unfinished.read_text(encoding="utf-8")) if folder.unfinished.exists() else {}
    if folder.journal.exists():
        cut_off.update(unfinished(journal(str(folder.journal))))
    recorded = {entry.trial for entry in ledger.entries}
    cut_off = {trial: config for trial, config in cut_off.items() if trial not in recorded}
    if cut_off or folder.unfinished.exists():
        write_json(folder.unfinished, cut_off)
    return cut_off


def search(
    plan: Plan,
    studies: dict[str, Study],
    ledger: Ledger,
    data: TrialData,
    folder: RunFolder,
    taken: Slots,
    *,
    ended: Callable[[Entry], None] = lambda entry: None,
    lanes: Sequence[ActorHandle] = (),
    trackers: Sequence[Tracker] = (),
) -> None:
    """Run all trials, in the lanes if there are any. `ended` is called with each entry of the ledger."""
    correct_actors()
    leave_callbacks_uncounted()
    take_started_workers()
    disk = Disk()
    limits = Limits.of_trials(plan.limit, plan.limit or plan.limit_of_confirmations, longer=data.longer)
    scheduler = PerArchitecture(SCHEDULERS[plan.scheduler], deadline=plan.deadline, ended=ledger.entries)
    faults = Faults(
        Limits() if lanes else limits,  # a lane ends its own trials that hang
        deadline=plan.deadline,
        states=data.states,
        disk=disk,
        cut_off=scheduler.cut_off,
    )
    searcher = TrialSearcher(
        studies,
        ledger,
        Recorder(ledger, studies, disk, workers=taken.workers, ended=ended),
        disk,
        trials=plan.trials,
        seed=plan.seed,
        unfinished=plan.unfinished,
        deadline=plan.deadline,
        reason=faults.why,
        cut_off=scheduler.cut_off,
        on_sample=plan.on_sample,
    )
    tuner = tune.Tuner(
        _trainable(data, taken, limits, lanes),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=scheduler,
            num_samples=-1,  # until the searcher is FINISHED
            max_concurrent_trials=taken.count,
            reuse_actors=True,
            trial_name_creator=_name,
            trial_dirname_creator=_name,
        ),
        run_config=tune.RunConfig(
            name=folder.tune.name,
            storage_path=str(Path(folder.path).absolute()),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            failure_config=tune.FailureConfig(max_failures=RETRIES),
            callbacks=[faults, Tracking(trackers, ledger, disk=disk)],
            verbose=0,
        ),
    )
    tuner.fit()
    if disk.failed is not None:  # at the very last
        raise disk.failed
    if searcher.complete:  # else there are trials that --time cut off, and --resume goes on with them
        data.states.clear()
        folder.unfinished.unlink(missing_ok=True)


def _trainable(data: TrialData, taken: Slots, limits: Limits, lanes: Sequence[ActorHandle]) -> Any:
    """What Tune runs: trials that ask lanes, which have the CPUs and GPUs, or that fit."""
    if lanes:
        trial = tune.with_parameters(LaneTrial, lanes=list(lanes), limits=limits)
        return tune.with_resources(trial, {"CPU": TRIAL_CPUS})
    return tune.with_resources(
        tune.with_parameters(Trial, data=data, limits=limits), {"CPU": taken.cpus, "GPU": taken.gpus}
    )


def _name(trial: Any) -> str:
    return order_of(trial.config).trial
