"""Reads a run's files (the answer, the ledger, Optuna's journal) for a report, and changes none of them."""

import json
import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reeltune.cluster.runs.answer import Answer
from reeltune.cluster.runs.folder import Entry, RunFolder, Stage, read_entries
from reeltune.cluster.runs.record import AskedToTune, RunRecord
from reeltune.trainables.errors import InputError
from reeltune.trainables.scoring.metric_table import Objective

if TYPE_CHECKING:
    from reeltune.trainables.scoring.decoders import Decoder


@dataclass(frozen=True, kw_only=True)
class Run:
    """A search, read from its files; `answer` is None while it is unfinished."""

    folder: RunFolder
    record: RunRecord
    asked: AskedToTune
    answer: Answer | None
    ledger: tuple[Entry, ...]

    @property
    def decoder(self) -> "Decoder":
        return self.asked.decoder

    @property
    def objective(self) -> Objective:
        """What the search minimised, and is judged by."""
        return Objective(decoder=self.asked.decoder, metric=self.asked.metric)

    @property
    def architectures(self) -> list[str]:
        """The judged architectures; before the verdict, the searched ones."""
        return list(self.answer.architectures) if self.answer else self.asked.architectures

    @property
    def winner(self) -> str | None:
        return self.answer.winner if self.answer else None

    @property
    def earlier_saw_test_rows(self) -> bool:
        """Whether the run that this one started from saw rows that are test rows of this one."""
        earlier = self.folder.text(self.folder.earlier.name)
        return earlier is not None and json.loads(earlier).get("saw_test_rows", False) is True

    def counts(self) -> dict[str, int]:
        """The number of trials by state, without confirmations."""
        states = [entry.state for entry in self.ledger if entry.stage == "search"]
        return {state: states.count(state) for state in ("done", "stopped", "failed")}

    def seconds_of(self, stage: Stage) -> float:
        """Core seconds of a stage's fits together: their seconds, times the workers of each."""
        workers = self.asked.workers_per_trial
        return sum(entry.core_seconds(workers) for entry in self.ledger if entry.stage == stage)


def asked_of_search(folder: RunFolder, record: RunRecord) -> AskedToTune:
    """What a search was asked for. Raises InputError that names the model where the run is of one fit."""
    if isinstance(record.asked, AskedToTune):
        return record.asked
    raise InputError(_of_train(folder, record.asked.architecture))


def _of_train(folder: RunFolder, architecture: str) -> str:
    """What to say where a search is needed and the run is of one fit."""
    said = f"{folder.place}: a run of `reeltune train`, which is one fit: reports, verdicts and replays are of `tune`"
    if not folder.has(f"models/{architecture}/config.json"):
        return f"{said}; the fit is not finished, and has no model yet"
    model = folder.place_of(f"models/{architecture}")
    command = f"reeltune predict {shlex.quote(model)} PAIRS -o FILE"
    return f"{said}; its model is {model}: {command}, in Python rt.load({model!r})"


def read_run(folder: RunFolder) -> Run:
    """Read the files of a search. Raises InputError if the run is no search, or a file is malformed."""
    record = RunRecord.read(folder.record)
    asked = asked_of_search(folder, record)
    answer = Answer.read(folder.verdict) if folder.verdict.exists() else None
    searches = [folder] if asked.folds is None else [folder.fold(1 + n) for n in range(asked.folds)]
    ledger = tuple(entry for search in searches for entry in read_entries(search.ledger))
    run = Run(folder=folder, record=record, asked=asked, answer=answer, ledger=ledger)
    # A search that goes on with more trials still has its earlier answer, without the new trials.
    # A run of folds may have been copied without their runs.
    here = bool(ledger) or asked.folds is None
    stale = answer is not None and here and answer.trials != run.counts()
    return replace(run, answer=None) if stale else run
