"""The search: one Ray Tune experiment over all architectures, whose trials run in reused actors."""

import os
from pathlib import Path
from typing import Any

from ray import tune

from cluster.asha import Halving
from cluster.board import Board
from cluster.board_hparams import Drawn
from cluster.dealer import Dealer, attributes, outcome
from cluster.earlier import Earlier
from cluster.faults import Faults, survive_deaths
from cluster.run_folder import Ledger, RunFolder
from cluster.slots import Slots
from cluster.trial import Trial, TrialData
from search_spaces import Space, Study, journal, unfinished
from trainables.architectures import ARCHITECTURES
from trainables.model import Shape

RETRIES = 2  # of a trial whose process died


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
    cut_off: dict[str, dict[str, Any]] = {}
    if folder.journal.exists():
        recorded = {entry.trial for entry in ledger.entries}
        cut_off = {t: config for t, config in unfinished(journal(str(folder.journal))).items() if t not in recorded}
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


def search(
    dealer: Dealer, data: TrialData, folder: RunFolder, taken: Slots, *, halve: bool, limit: float | None = None
) -> None:
    """Run the dealer's trials to the last one; each of them has `limit` seconds."""
    # Asked one ahead, so that the study knows most; more where an autoscaler is to see what is wanted.
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(max(1, taken.growing))
    board = Board(folder.tensorboard, dealer.ledger, {n: Drawn.by(study) for n, study in dealer.studies.items()})
    survive_deaths()
    faults = Faults(limit)
    dealer.why = faults.why
    tuner = tune.Tuner(
        tune.with_resources(
            tune.with_parameters(Trial, data=data, limit=limit), {"CPU": taken.cpus, "GPU": taken.gpus}
        ),
        tune_config=tune.TuneConfig(
            search_alg=dealer,
            scheduler=Halving(halve=halve, deadline=dealer.deadline),
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


def _name(trial: Any) -> str:
    return trial.config["trial"]
