"""What a run left in its folder: the answer, the ledger, Optuna's journal. Read for a report, and never changed."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reeltune.cluster.runs.folder import RunFolder
from reeltune.trainables.errors import InputError

if TYPE_CHECKING:
    from reeltune.trainables.scoring.decoders import Decoder


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run as its files have it. Older runs lack some keys, unfinished ones the verdict."""

    folder: RunFolder
    record: dict[str, Any]  # run.json
    verdict: dict[str, Any] | None
    ledger: list[dict[str, Any]]

    @property
    def asked(self) -> dict[str, Any]:
        return self.record["asked"]

    @property
    def decoder(self) -> "Decoder":
        return self.asked.get("decoder", "argmax")

    @property
    def architectures(self) -> list[str]:
        """Those that were judged, or else those that were searched."""
        return list(self.verdict["architectures"]) if self.verdict else list(self.asked["architectures"])

    @property
    def winner(self) -> str | None:
        return self.verdict["winner"] if self.verdict else None

    def detail(self, key: str) -> Any:
        """What stands beside the answer, None where this run has no such thing."""
        return (self.verdict or {}).get(key)

    def counts(self) -> dict[str, int]:
        states = [entry["state"] for entry in self.ledger if entry["stage"] == "search"]
        return {state: states.count(state) for state in ("done", "stopped", "failed")}

    def seconds_of(self, stage: str) -> float:
        """What the fits of a stage took, on one core each."""
        return sum(entry["seconds"] for entry in self.ledger if entry["stage"] == stage)


def read_run(folder: RunFolder) -> Run:
    """The files of a search. Raises InputError where it is no search, or a file is no JSON."""
    record = _json(folder.record)
    if record.get("asked", {}).get("verb") != "tune":
        raise InputError(f"{folder.place}: this is no run of `reeltune tune`, and has nothing to report")
    verdict = _json(folder.verdict) if folder.verdict.exists() else None
    run = Run(folder=folder, record=record, verdict=verdict, ledger=_ledger(folder.ledger))
    # A search that goes on with more trials has its earlier answer still, which is not that of these trials.
    stale = verdict is not None and verdict.get("trials") != run.counts()
    return replace(run, verdict=None) if stale else run


def _ledger(path: Path) -> list[dict[str, Any]]:
    """The whole lines of the ledger; a search that is running may be writing the last one."""
    if not path.exists():
        return []
    whole = path.read_text().rpartition("\n")[0]
    return [_parsed(line, path) for line in whole.splitlines()]


def _json(path: Path) -> dict[str, Any]:
    return _parsed(path.read_text(), path)


def _parsed(text: str, path: Path) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: expected JSON; {error}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a JSON object; found {type(content).__name__}")
    return content
