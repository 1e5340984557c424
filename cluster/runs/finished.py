"""What a run left in its folder: the answer, the ledger, Optuna's journal. Read for a report, and never changed."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reeltune.cluster.runs.answer import Answer
from reeltune.cluster.runs.folder import Entry, RunFolder, Stage, read_entries
from reeltune.cluster.runs.record import AskedToTune, RunRecord
from reeltune.trainables.errors import InputError

if TYPE_CHECKING:
    from reeltune.trainables.scoring.decoders import Decoder


@dataclass(frozen=True, kw_only=True)
class Run:
    """A search as its files have it; `answer` is None while it is unfinished."""

    folder: RunFolder
    record: RunRecord
    asked: AskedToTune
    answer: Answer | None
    ledger: tuple[Entry, ...]

    @property
    def decoder(self) -> "Decoder":
        return self.asked.decoder

    @property
    def architectures(self) -> list[str]:
        """Those that were judged, or else those that were searched."""
        return list(self.answer.architectures) if self.answer else self.asked.architectures

    @property
    def winner(self) -> str | None:
        return self.answer.winner if self.answer else None

    def counts(self) -> dict[str, int]:
        """Trials of the search by state."""
        states = [entry.state for entry in self.ledger if entry.stage == "search"]
        return {state: states.count(state) for state in ("done", "stopped", "failed")}

    def seconds_of(self, stage: Stage) -> float:
        """What the fits of a stage took, on one core each."""
        return sum(entry.seconds for entry in self.ledger if entry.stage == stage)


def read_run(folder: RunFolder) -> Run:
    """The files of a search. Raises InputError where it is no search, or a file is not what it should be."""
    record = RunRecord.read(folder.record)
    if not isinstance(record.asked, AskedToTune):
        raise InputError(f"{folder.place}: this is no run of `reeltune tune`, and has nothing to report")
    answer = Answer.read(folder.verdict) if folder.verdict.exists() else None
    ledger = tuple(read_entries(folder.ledger))
    run = Run(folder=folder, record=record, asked=record.asked, answer=answer, ledger=ledger)
    # A search that goes on with more trials still has its earlier answer, which does not count the new ones.
    stale = answer is not None and answer.trials != run.counts()
    return replace(run, answer=None) if stale else run
