"""`reeltune replay`: trains a run's winner again, and checks that its score is the reported one."""

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd
from pydantic import JsonValue

from reeltune.cluster.commands.progress import Watch
from reeltune.cluster.commands.refit import refit
from reeltune.cluster.commands.sharding import check_buckets
from reeltune.cluster.data_parallel.orders import Lost
from reeltune.cluster.judging.outcome import Searched
from reeltune.cluster.judging.predictions import column_of
from reeltune.cluster.judging.refits import refits_of
from reeltune.cluster.judging.result import score_all
from reeltune.cluster.judging.scores import Scored, mean_metrics
from reeltune.cluster.report.words import member_weights
from reeltune.cluster.runs.answer import Answer, ArchitectureResult
from reeltune.cluster.runs.finished import Run, read_run
from reeltune.cluster.runs.folder import Ledger, RunFolder
from reeltune.cluster.runs.node_check import check_storage, machines
from reeltune.cluster.runs.storage import Store
from reeltune.cluster.runs.stored import Stored
from reeltune.cluster.search.choice import Choice
from reeltune.cluster.session import machine
from reeltune.cluster.session.address import check_address, joining
from reeltune.cluster.session.interrupt import interruptible
from reeltune.cluster.session.resources import Resources, check
from reeltune.cluster.session.session import session
from reeltune.trainables.architectures import ENSEMBLE
from reeltune.trainables.architectures.registry import Registry, is_own, resolve
from reeltune.trainables.data.prepared import Prepared, check_looks, looks, prepare
from reeltune.trainables.errors import FitFailed, InputError, StorageFailed
from reeltune.trainables.fitting.threads import one_thread
from reeltune.trainables.scoring.levels import NOTHING

SPREADS = 5  # how many standard deviations over seeds two means of three fits may differ by


@dataclass(frozen=True, kw_only=True)
class ReplayOptions:
    architecture: str | None  # None: the winner
    workers: int | None  # None: as many as the run's refits had
    address: str | None
    files: tuple[str, ...] = ()  # of own architectures
    keep_ray: bool = False  # a Ray that this starts stays up for the next call of the program


def replay_options(words: list[str], *, workers: int | None, address: str | None) -> ReplayOptions:
    """The options of these words for architectures: at most one is a name. Raises InputError at two.

    Without a name, a single file asks for its own architecture.
    """
    files = tuple(word for word in words if is_own(word))
    names = [word for word in words if word not in files] or (resolve(files)[0] if len(files) == 1 else [])
    if len(names) > 1:
        raise InputError(f"--architecture {names[1]}: a replay trains one architecture, and {names[0]} is asked for")
    return ReplayOptions(architecture=names[0] if names else None, workers=workers, address=address, files=files)


@dataclass(frozen=True, kw_only=True)
class Reported:
    """What a run reports about one of its architectures, or about the ensemble."""

    run: Run
    answer: Answer
    name: str

    @property
    def error(self) -> float:
        return self.run.objective.of(self._result(self.name).test or {})

    def tolerance(self) -> float:
        """How far an error may be from the reported one if workers, machine or versions differ.

        Several workers round sums differently, which grows over the steps, and draw other dropout masks, as another
        seed would. A difference that is too small to count as a gain is always tolerated.
        """
        spreads = {name: seeds.spread for name, seeds in self.answer.seeds.items()}
        weights = member_weights(self._config) or {self.name: 1.0}
        spread = sum(weight * spreads[name] for name, weight in weights.items())
        return max(NOTHING * self.error, SPREADS * spread)

    def _result(self, name: str) -> ArchitectureResult:
        return self.answer.architectures[name]

    @property
    def _config(self) -> dict[str, JsonValue]:
        return self._result(self.name).config or {}

    def choices(self) -> dict[str, Choice]:
        """The choice to fit again; for the ensemble, its members of nonzero weight and then itself."""
        if self.name != ENSEMBLE:
            return {self.name: self._choice(self.name, self._config)}
        weights = {name: weight for name, weight in member_weights(self._config).items() if weight > 0}
        members = {name: self._choice(name, self._result(name).config or {}) for name in weights}
        return {**members, ENSEMBLE: self._choice(ENSEMBLE, {"weights": weights})}

    def _choice(self, name: str, config: Mapping[str, Any]) -> Choice:
        metrics = self._result(name).validation or {}
        probabilities = self.answer.probabilities.get(name)  # a scalar head has none
        return Choice(
            config=dict(config),
            value=self.run.objective.of(metrics),
            metrics=metrics,
            temperature=probabilities.temperature if probabilities else 1.0,
        )


class Compared(Stored):
    """The error that a run reported, beside the error of its refits now."""

    reported: float
    replayed: float
    largest_difference: float  # between the two predictions of a row
    exact: bool  # whether every bit must be the same
    tolerance: float
    matches: bool


class Replayed(Compared):
    """What `replay --json` prints."""

    run: str
    architecture: str
    decoder: str
    metric: str
    fits: int
    seconds: float
    changed: list[str]
    look: int


def replay(folder: RunFolder, options: ReplayOptions, watch: Watch) -> Replayed:
    """Refit with the run's seeds, open the test rows, and compare. Returns what `--json` prints.

    The run's files stay as they are. Raises InputError if the run has no such answer or the data has changed, and
    FitFailed if a refit fails.
    """
    start = time.monotonic()
    check_address(options.address, takes_client=not options.keep_ray)
    check_looks()
    reported = reported_by(folder, options.architecture)
    registry = _sources(reported, options.files)
    # A run that is there was let through once.
    prepared = prepare(replace(reported.run.asked.options(), unknown_ids="allow"))
    _check_data(reported.run, prepared)
    watch.say(prepared.summary())
    watch.status(joining(options.address))
    with (
        ExitStack() as after_ray,
        session(
            options.address,
            data_bytes=prepared.bytes,
            keep=options.keep_ray,
            say=watch.say,
            may_exit=not options.keep_ray,
        ) as resources,
        interruptible(),
    ):
        kept = after_ray.enter_context(_refits(folder, resources))
        workers = options.workers or reported.answer.refit_workers
        changed = _changed(reported, workers, resources)
        if changed:
            watch.say(f"note: not all is as it was, and so bits may differ: {'; '.join(changed)}")
        searched = _refitted(reported, prepared, workers, resources, kept, watch, registry)
    watch.status("")
    rows, look = prepared.split.test.open(looks(), reason=f"replay, run {folder.name}")
    with one_thread():  # as the run was judged: on several, rounding depends on how many there are
        scores = score_all(searched, rows, prepared)[reported.name]
    exact = not changed and (workers, resources.device) == (1, "cpu") and not resources.joined
    return Replayed(
        **dict(compared(reported, scores, rows.number, exact=exact)),
        run=folder.place,
        architecture=reported.name,
        decoder=reported.run.decoder,
        metric=reported.run.asked.metric,
        fits=len(searched.fitted),
        seconds=round(time.monotonic() - start, 1),
        changed=changed,
        look=look,
    )


@contextmanager
def _refits(folder: RunFolder, resources: Resources) -> Iterator[Store]:
    """Where the refits are kept for a while. On a cluster that is beside the run's own files, which all nodes see.

    Raises InputError where a node of the cluster does not see it.
    """
    if not resources.joined:
        with tempfile.TemporaryDirectory(prefix=".replay-", ignore_cleanup_errors=True) as here:
            yield Store(str(Path(here).absolute()))
        return
    store = folder.store.below(f".replay-{uuid4().hex[:8]}")
    try:
        check_storage(store)
        yield store
    finally:
        with suppress(StorageFailed):
            store.clear()


def reported_by(folder: RunFolder, name: str | None) -> Reported:
    """What a run reports about this architecture, or its winner. Raises InputError if it has no such answer."""
    run = read_run(folder)
    answer = run.answer
    if run.asked.folds is not None:
        raise InputError(
            f"{folder.place}: is of {run.asked.folds} folds; a replay is of one of them: {folder.fold(1).place}"
        )
    if answer is None or not folder.predictions.is_file():
        raise InputError(f"{folder.place}: the search is not finished, and has reported no score to replay")
    if not {"seeds", "probabilities"} <= answer.model_fields_set:
        raise InputError(f"{folder.verdict}: an earlier version wrote it, without what a replay needs")
    judged_ones = [each for each, found in answer.architectures.items() if found.test is not None]
    if not judged_ones:
        raise InputError(f"{folder.place}: the run has no winner: no fit of it came to its end")
    if name is not None and name not in judged_ones:
        raise InputError(f"--architecture {name!r}: run {folder.name} judged {', '.join(judged_ones)}")
    return Reported(run=run, answer=answer, name=name or answer.winner or judged_ones[0])


def _sources(reported: Reported, files: tuple[str, ...]) -> Registry:
    """The registry for a replay. Raises InputError unless the very sources of then are given, of all that it fits."""
    _, registry = resolve(files)
    asked, folder = reported.run.asked, reported.run.folder
    for name in reported.choices():
        if name not in asked.sources:
            continue
        source = registry.sources.get(name)
        if source is None:
            raise InputError(
                f"{folder.place}: architecture {name!r} is none of reeltune's; name its file: --architecture {name}.py"
            )
        if source.hash != asked.sources[name]:
            raise InputError(
                f"{source.file} has changed since run {folder.name}, and a replay needs the very source of then: a "
                f"copy is in {folder.source(name)}"
            )
    return registry


def _check_data(run: Run, prepared: Prepared) -> None:
    now = {"data": prepared.ratings.fingerprint(), "test": prepared.split.test.fingerprint}
    for key, found in now.items():
        then = run.asked.data_hash if key == "data" else run.asked.test_hash
        if found != then:
            what = run.asked.data if key == "data" else f"the test part of {run.asked.test or run.asked.data}"
            raise InputError(
                f"{what} has changed since run {run.folder.name}: its hash was {then[:16]} and is {found[:16]}; "
                "a replay needs the very ratings of then"
            )


def _changed(reported: Reported, workers: int, resources: Resources) -> list[str]:
    """What has changed among the things that a fit's last bits depend on."""
    record, answer = reported.run.record, reported.answer
    then: dict[str, object] = {**record.versions, "commit": record.commit, **record.machine}
    then |= {"workers": answer.refit_workers} if "refit_workers" in answer.model_fields_set else {}
    then |= {"device": answer.refit_device} if "refit_device" in answer.model_fields_set else {}
    here = machines() if resources.joined else machine.description()
    now: dict[str, object] = {**machine.versions(), "commit": machine.commit(), **here}
    now |= {"workers": workers, "device": resources.device}
    changed = {key: (then.get(key, "not recorded"), value) for key, value in now.items()}
    return [f"{key} was {was}, is {value} now" for key, (was, value) in changed.items() if was != value]


def _refitted(
    reported: Reported,
    prepared: Prepared,
    workers: int,
    resources: Resources,
    store: Store,
    watch: Watch,
    registry: Registry,
) -> Searched:
    """Fit the choices again, in the form in which a search keeps its refits. Raises FitFailed if one fails."""
    run, choices = reported.run, reported.choices()
    wanted = {name: (name, choice.config) for name, choice in choices.items() if name != ENSEMBLE}
    orders = refits_of(wanted, seed=run.asked.seed, shard=run.asked.shard)
    if run.asked.bf16 and not resources.on_gpus:
        raise InputError(f"run {run.folder.name} computed in bfloat16 (--bf16), which needs a GPU, and there is none")
    check(workers, resources)
    check_buckets(run.asked.shard, workers, prepared.sizes.train)
    fitted = refit(
        list(orders.values()),
        prepared,
        doing=f"fitting {reported.name} again",
        objective=run.objective,
        workers=workers,
        resources=resources,
        store=store,
        watch=watch,
        bfloat16=run.asked.bf16,
        registry=registry,
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
        metric=run.asked.metric,
        seed=run.asked.seed,
        registry=registry,
    )


def compared(reported: Reported, scores: list[Scored], numbers: np.ndarray, *, exact: bool) -> Compared:
    """Compare the refits' ratings and error on the test rows with these row numbers to the reported ones.

    Raises InputError if the run has no predictions of these rows.
    """
    path = reported.run.folder.predictions
    frame = pd.read_parquet(path)
    columns = {column_of(reported.name, place): scored.ratings for place, scored in enumerate(scores)}
    missing = [column for column in columns if column not in frame]
    if missing or not np.array_equal(frame["row"], numbers):
        raise InputError(f"{path}: no predictions of this run's test rows by {', '.join(missing or columns)}")
    difference = max(float(np.abs(frame[column] - ratings).max()) for column, ratings in columns.items())
    error = reported.run.objective.of(mean_metrics(scores))
    tolerance = 1e-9 if exact else reported.tolerance()  # not 0: the mean of equal ratings rounds too
    return Compared(
        reported=reported.error,
        replayed=error,
        largest_difference=difference,
        exact=exact,
        tolerance=tolerance,
        matches=abs(error - reported.error) <= tolerance and (difference == 0 or not exact),
    )
