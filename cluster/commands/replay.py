"""`reeltune replay`: trains what a run chose again, and checks that its score is the reported one."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reeltune.cluster.commands.progress import Watch
from reeltune.cluster.data_parallel.fit_all import fit_all
from reeltune.cluster.data_parallel.orders import GroupData, Lost
from reeltune.cluster.judging import scores as judged
from reeltune.cluster.judging.outcome import Searched
from reeltune.cluster.judging.predictions import column_of
from reeltune.cluster.judging.refits import refits_of
from reeltune.cluster.judging.result import score_all
from reeltune.cluster.judging.scores import Scored
from reeltune.cluster.report.words import error_of
from reeltune.cluster.runs.finished import Run, read_run
from reeltune.cluster.runs.folder import Ledger, RunFolder
from reeltune.cluster.runs.storage import Store
from reeltune.cluster.search.choice import Choice
from reeltune.cluster.session import machine
from reeltune.cluster.session.interrupt import interruptible
from reeltune.cluster.session.resources import Resources, check, waiting
from reeltune.cluster.session.session import session
from reeltune.cluster.session.slots import at_once
from reeltune.trainables.architectures import ENSEMBLE
from reeltune.trainables.data.prepared import Prepared, looks, options_of, prepare
from reeltune.trainables.errors import FitFailed, InputError
from reeltune.trainables.scoring.verdict import NOTHING

SPREADS = 5  # standard deviations over seeds by which two means of three fits may differ


@dataclass(frozen=True, kw_only=True)
class ReplayOptions:
    architecture: str | None  # None: the winner
    workers: int | None  # None: as many as the run's refits had
    address: str | None


@dataclass(frozen=True, kw_only=True)
class Reported:
    """What a run says of one of its architectures, or of the ensemble."""

    run: Run
    verdict: dict[str, Any]  # the run's
    name: str

    @property
    def error(self) -> float:
        return error_of(self.verdict["architectures"][self.name]["test"], self.run.decoder)

    def tolerance(self) -> float:
        """How far an error may be from the reported one in other conditions.

        Sums of several workers round otherwise, which grows, and their draws of dropout are others, as with another
        seed. What is too small to count as a gain is too small here.
        """
        spreads = {name: seeds["spread"] for name, seeds in self.verdict["seeds"].items()}
        weights = self._config.get("weights", {self.name: 1.0})
        spread = sum(weight * spreads[name] for name, weight in weights.items())
        return max(NOTHING * self.error, SPREADS * spread)

    @property
    def _config(self) -> dict[str, Any]:
        return self.verdict["architectures"][self.name]["config"]

    def choices(self) -> dict[str, Choice]:
        """It, after the members that have a say where it is the ensemble."""
        if self.name != ENSEMBLE:
            return {self.name: self._choice(self.name, self._config)}
        weights = {name: weight for name, weight in self._config["weights"].items() if weight > 0}
        members = {name: self._choice(name, self.verdict["architectures"][name]["config"]) for name in weights}
        return {**members, ENSEMBLE: self._choice(ENSEMBLE, {"weights": weights})}

    def _choice(self, name: str, config: dict[str, Any]) -> Choice:
        metrics = self.verdict["architectures"][name]["validation"]
        probabilities = self.verdict["probabilities"].get(name, {"temperature": 1.0})  # a scalar head has none
        return Choice(
            config=config,
            value=error_of(metrics, self.run.decoder),
            metrics=metrics,
            temperature=probabilities["temperature"],
        )


def replay(folder: RunFolder, options: ReplayOptions, watch: Watch) -> dict[str, Any]:
    """Refit with the seeds of then, open the test rows, compare. The result is what `--json` prints.

    The run's files stay as they are. Raises InputError where it has no such answer, or the data is not the same.
    """
    start = time.monotonic()
    reported = reported_by(folder, options.architecture)
    prepared = prepare(options_of(reported.run.asked))
    _check_data(reported.run, prepared)
    watch.say(prepared.summary())
    watch.status("starting Ray")
    # On a cluster in the run's folder, as all nodes see it; removed after Ray is gone.
    below = None if options.address is None else folder.path
    with (
        tempfile.TemporaryDirectory(dir=below, prefix=".replay-", ignore_cleanup_errors=True) as storage,
        session(options.address, data_bytes=prepared.bytes) as resources,
        interruptible(),
    ):
        workers = options.workers or reported.verdict.get("refit_workers", 1)
        changed = _changed(reported, workers, resources.device)
        if changed:
            watch.say(f"note: not all is as it was, and so bits may differ: {'; '.join(changed)}")
        searched = _refitted(reported, prepared, workers, resources, Store(str(Path(storage).absolute())), watch)
    watch.status("")
    rows, look = prepared.split.test.open(looks(), reason=f"replay, run {folder.name}")
    scores = score_all(searched, rows, prepared)[reported.name]
    return {
        "run": folder.place,
        "architecture": reported.name,
        "decoder": reported.run.decoder,
        "fits": len(searched.fitted),
        "seconds": round(time.monotonic() - start, 1),
        **compared(reported, scores, rows.number, exact=not changed and (workers, resources.device) == (1, "cpu")),
        "changed": changed,
        "look": look,
    }


def reported_by(folder: RunFolder, name: str | None) -> Reported:
    """What a run reports of its winner, or of this one. Raises InputError where there is no such thing."""
    run = read_run(folder)
    if run.verdict is None or not folder.predictions.is_file():
        raise InputError(f"{folder.place}: the search is not finished, and has reported no score to replay")
    if not {"seeds", "probabilities"} <= run.verdict.keys():
        raise InputError(f"{folder.verdict}: an earlier version wrote it, without what a replay needs")
    judged_ones = [each for each, found in run.verdict["architectures"].items() if found["test"] is not None]
    if not judged_ones:
        raise InputError(f"{folder.place}: the run has no winner: no fit of it came to its end")
    if name is not None and name not in judged_ones:
        raise InputError(f"--architecture {name!r}: run {folder.name} judged {', '.join(judged_ones)}")
    return Reported(run=run, verdict=run.verdict, name=name or run.verdict["winner"])


def _check_data(run: Run, prepared: Prepared) -> None:
    now = {"data": prepared.ratings.fingerprint(), "test": prepared.split.test.fingerprint}
    for key, found in now.items():
        then = run.asked[f"{key}_hash"]
        if found != then:
            what = run.asked["data"] if key == "data" else f"the test part of {run.asked['test'] or run.asked['data']}"
            raise InputError(
                f"{what} has changed since run {run.folder.name}: its hash was {then[:16]} and is {found[:16]}; "
                "a replay needs the very ratings of then"
            )


def _changed(reported: Reported, workers: int, device: str) -> list[str]:
    """What a fit's last bits hang on and is no longer as it was."""
    record, verdict = reported.run.record, reported.verdict
    then = {**record["versions"], "commit": record["commit"], **record["machine"]}
    then |= {key: verdict[f"refit_{key}"] for key in ("workers", "device") if f"refit_{key}" in verdict}
    now = {**machine.versions(), "commit": machine.commit(), **machine.description()}
    now |= {"workers": workers, "device": device}
    changed = {key: (then.get(key, "not recorded"), value) for key, value in now.items()}
    return [f"{key} was {was}, is {value} now" for key, (was, value) in changed.items() if was != value]


def _refitted(
    reported: Reported, prepared: Prepared, workers: int, resources: Resources, store: Store, watch: Watch
) -> Searched:
    """As a search would have it whose choices came to these refits."""
    run, choices = reported.run, reported.choices()
    wanted = {name: (name, choice.config) for name, choice in choices.items() if name != ENSEMBLE}
    orders = refits_of(wanted, seed=run.asked["seed"])
    check(workers, resources)
    fitting = f"fitting {reported.name} again: {len(orders)} fits by {workers} worker{'s' if workers > 1 else ''}"
    watch.status(waiting(workers, resources) or fitting)
    data = GroupData(
        train=prepared.split.train,
        validation=prepared.split.validation,
        shape=prepared.shape,
        decoder=run.decoder,
    )
    fitted = fit_all(
        list(orders.values()),
        data,
        workers=workers,
        resources=resources,
        store=store,
        at_once=at_once(resources, workers=workers, data_bytes=prepared.bytes),
        progress=watch.tick,
    )
    for came in fitted.values():
        if isinstance(came, Lost):
            raise FitFailed(f"{came.key}: {came.reason}")
    return Searched(
        architectures=list(choices),
        ledger=Ledger(run.folder.ledger),
        choices=choices,
        orders=orders,
        fitted=fitted,
        decoder=run.decoder,
        seed=run.asked["seed"],
    )


def compared(reported: Reported, scores: list[Scored], numbers: np.ndarray, *, exact: bool) -> dict[str, Any]:
    """The refits' ratings of the test rows of these numbers, and their error, beside the reported ones."""
    path = reported.run.folder.predictions
    frame = pd.read_parquet(path)
    columns = {column_of(reported.name, place): scored.ratings for place, scored in enumerate(scores)}
    missing = [column for column in columns if column not in frame]
    if missing or not np.array_equal(frame["row"], numbers):
        raise InputError(f"{path}: no predictions of this run's test rows by {', '.join(missing or columns)}")
    difference = max(float(np.abs(frame[column] - ratings).max()) for column, ratings in columns.items())
    error = error_of(judged.mean_metrics(scores), reported.run.decoder)
    tolerance = 1e-9 if exact else reported.tolerance()  # of the same ratings too: sums round
    return {
        "reported": reported.error,
        "replayed": error,
        "largest_difference": difference,
        "exact": exact,
        "tolerance": tolerance,
        "matches": abs(error - reported.error) <= tolerance and (difference == 0 or not exact),
    }
