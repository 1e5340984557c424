"""The search: one Ray Tune experiment over all architectures, whose trials run in reused actors."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ray import tune
from ray.actor import ActorHandle

from reeltune.cluster.runs.folder import Ledger, RunFolder, write_json
from reeltune.cluster.search.faults import Faults
from reeltune.cluster.search.lane_trial import TRIAL_CPUS, LaneTrial
from reeltune.cluster.search.scheduler import Halving
from reeltune.cluster.search.searcher import Dealer, attributes, outcome
from reeltune.cluster.search.trial import Trial
from reeltune.cluster.search.trial_fit import TrialData
from reeltune.cluster.search.warm_start import Earlier
from reeltune.cluster.session.ray_private_libraries import RETRIES, allow_pending, survive_deaths
from reeltune.cluster.session.slots import Slots
from reeltune.cluster.tensorboard.hparams import Drawn
from reeltune.cluster.tensorboard.trials import Board
from reeltune.search_spaces import Space, Study, journal, unfinished
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data.shape import Shape


def studies(
    folder: RunFolder,
    ledger: Ledger,
    spaces: dict[str, Space],
    shape: Shape,
    *,
    seed: int,
    earlier: Earlier | None = None,
) -> tuple[dict[str, Study], dict[str, dict[str, Any]]]:
    """A study for each architecture, rebuilt from the ledger, and the trials that were running at the last end.

    It begins with what an earlier run learnt, the same at each rebuilding.
    """
    earlier = earlier or Earlier()
    cut_off = _cut_off(folder, ledger)
    for file in folder.path.glob(f"{folder.journal.name}*"):
        file.unlink()
    storage = journal(str(folder.journal))
    made = {
        name: Study(name, ARCHITECTURES[name], space, shape, seed=seed, storage=storage, first=earlier.first(name))
        for name, space in spaces.items()
    }
    for entry in earlier.known:
        made[entry.architecture].add(
            entry.trial, entry.config, outcome(entry), {**attributes(entry), "from": earlier.run}
        )
    for entry in ledger.entries:
        if entry.stage == "search":
            made[entry.architecture].add(entry.trial, entry.config, outcome(entry), attributes(entry))
    return made, cut_off


def _cut_off(folder: RunFolder, ledger: Ledger) -> dict[str, dict[str, Any]]:
    """The configurations of the trials that were running at the last end, or at an end before it.

    They are put down: a search may be cut off again before it has dealt them anew, its journal being a new one.
    """
    cut_off = json.loads(folder.unfinished.read_text()) if folder.unfinished.exists() else {}
    if folder.journal.exists():
        cut_off.update(unfinished(journal(str(folder.journal))))
    recorded = {entry.trial for entry in ledger.entries}
    cut_off = {trial: config for trial, config in cut_off.items() if trial not in recorded}
    if cut_off or folder.unfinished.exists():
        write_json(folder.unfinished, cut_off)
    return cut_off


def search(
    dealer: Dealer,
    data: TrialData,
    folder: RunFolder,
    taken: Slots,
    *,
    halve: bool,
    limit: float | None = None,
    lanes: Sequence[ActorHandle] = (),
) -> None:
    """Run the dealer's trials to the last one, in the lanes if there are any; each trial has `limit` seconds."""
    # Asked one ahead, so that the study knows most; more where an autoscaler is to see what is wanted.
    allow_pending(max(1, taken.growing))
    drawn = {name: Drawn.by(study) for name, study in dealer.studies.items()}
    board = Board(folder.tensorboard, dealer.ledger, drawn, disk=dealer.disk)
    survive_deaths()
    hang = None if lanes else limit  # a lane ends its own trials that hang
    faults = Faults(hang, deadline=dealer.deadline, states=data.states, disk=dealer.disk)
    dealer.why = faults.why
    tuner = tune.Tuner(
        _trainable(data, taken, limit, lanes),
        tune_config=tune.TuneConfig(
            search_alg=dealer,
            scheduler=Halving(halve=halve, deadline=dealer.deadline, ended=dealer.ledger.entries),
            num_samples=-1,
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
            callbacks=[faults, board],
            verbose=0,
        ),
    )
    tuner.fit()
    if dealer.disk.failed is not None:  # at the very last
        raise dealer.disk.failed
    data.states.clear()
    folder.unfinished.unlink(missing_ok=True)


def _trainable(data: TrialData, taken: Slots, limit: float | None, lanes: Sequence[ActorHandle]) -> Any:
    """What Tune runs: trials that ask lanes, which have the CPUs and GPUs, or that fit."""
    if lanes:
        return tune.with_resources(tune.with_parameters(LaneTrial, lanes=list(lanes), limit=limit), {"CPU": TRIAL_CPUS})
    return tune.with_resources(
        tune.with_parameters(Trial, data=data, limit=limit), {"CPU": taken.cpus, "GPU": taken.gpus}
    )


def _name(trial: Any) -> str:
    return trial.config["trial"]
