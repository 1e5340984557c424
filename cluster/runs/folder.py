"""A run's folder: the paths of its files, and the ledger of finished trials."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from reeltune.cluster.runs.record import RunRecord
from reeltune.cluster.runs.storage import Store, inside, replace
from reeltune.trainables.config import Configuration
from reeltune.trainables.errors import InputError

SCHEMA = 1
RUNS = Path("runs")
FOLD = "fold-"  # what the folder's name of a fold's run begins with
Stage = Literal["search", "confirm"]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A line of the ledger: a finished, stopped or failed fit of the search. Lines are in the order of their ends."""

    trial: str
    architecture: str
    number: int  # from 0, within its architecture and stage
    stage: Stage  # "confirm": one of the best configurations, fitted again on other rows
    state: Literal["done", "stopped", "failed"]
    config: Configuration
    value: float | None  # the error on validation rows that the search minimises
    metrics: dict[str, float | None] | None
    temperature: float
    curve: dict[int, float]  # value by percent of the fit's schedule
    epochs: int
    seconds: float
    seed: int
    error: str | None
    fold: int = 0  # the rows it was validated on: 0 the validation part, else that part of the training rows
    on_sample: Configuration | None = None  # as it was fitted on a sample of users; None: `config`, on all rows
    workers: int | None = None  # that did it; None: as many as `run.json` says, by an earlier version
    schema: int = SCHEMA

    def core_seconds(self, workers: int) -> float:
        """Its seconds, times its workers: those of the run, where it does not say."""
        return (self.workers or workers) * self.seconds


class Entries:
    """Fits of a search that ended, in the order of their ends."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = list(entries)

    def of(self, stage: Stage, architecture: str) -> list[Entry]:
        return [e for e in self.entries if e.stage == stage and e.architecture == architecture]


class Ledger(Entries):
    """`trials.jsonl`: appends and flushes one line for each fit that ended."""

    def __init__(self, path: Path) -> None:
        self.path = path
        _cut(path)
        super().__init__(read_entries(path))

    def append(self, entry: Entry) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps(asdict(entry), allow_nan=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.entries.append(entry)


def _cut(path: Path) -> None:
    """Cut off a half-written last line (a full disk, a killed driver)."""
    content = path.read_bytes() if path.exists() else b""
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with path.open("r+b") as file:
            file.truncate(whole)


def read_entries(path: Path) -> Iterator[Entry]:
    """The whole lines of a ledger. The file is not changed: another process may be writing to it."""
    content = path.read_bytes() if path.exists() else b""
    for line in content[: content.rfind(b"\n") + 1].splitlines():
        entry = entry_of(json.loads(line))
        if "/" in inside(entry.trial, of=str(path)):  # a file name, and the ledger may come from someone else
            raise InputError(f"{path}: {entry.trial!r} is no name of a trial")
        yield entry


def entry_of(values: dict[str, Any]) -> Entry:
    """An entry from its JSON; fields that this version does not know are ignored."""
    names = {field.name for field in fields(Entry)}
    curve = {int(percent): value for percent, value in values["curve"].items()}
    return Entry(**{name: value for name, value in {**values, "curve": curve}.items() if name in names})


@dataclass(frozen=True)
class RunFolder:
    """The files of one run on this machine's disk. `home` is the object store to which they are mirrored, if any."""

    path: Path
    home: Store | None = None
    whole: str | None = None  # the name of the run whose fold this is

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def title(self) -> str:
        """The run's name among all runs: a fold's has that of the whole run before its own."""
        return self.name if self.whole is None else f"{self.whole}-{self.name}"

    def fold(self, number: int) -> "RunFolder":
        """The run of a fold, by number from 1, below this one's folder and home."""
        name = f"{FOLD}{number}"
        return RunFolder(self.path / name, self.home and self.home.below(name), whole=self.name)

    @property
    def record(self) -> Path:
        return self.path / "run.json"

    @property
    def lock(self) -> Path:
        """The file that the process working on the run holds locked."""
        return self.path / ".lock"

    @property
    def ledger(self) -> Path:
        return self.path / "trials.jsonl"

    @property
    def earlier(self) -> Path:
        return self.path / "earlier.json"

    @property
    def journal(self) -> Path:
        return self.path / "study.journal"

    @property
    def unfinished(self) -> Path:
        return self.path / "unfinished.json"

    @property
    def store(self) -> Store:
        """Where workers on any node write: the home if there is one, else the folder."""
        return self.home or Store(str(self.path.absolute()))

    @property
    def place(self) -> str:
        """The run's path or URI, as used on the command line."""
        return self.place_of("")

    def place_of(self, name: str) -> str:
        """The path or URI of a file or folder of the run."""
        if self.home is None:
            return str(self.path / name)
        return self.home.below(name).where if name else self.home.where

    def has(self, name: str) -> bool:
        """Whether the folder or the run's home has a file of this name."""
        return self.text(name) is not None

    def text(self, name: str) -> bytes | None:
        """The content of a file of the run, on this machine's disk or in its home; None if neither has it."""
        path = self.path / name
        if path.exists():
            return path.read_bytes()
        return None if self.home is None else self.home.read(name)

    def publish(self, path: Path) -> str:
        """Copy a rewritten file to the run's home, and return its path or URI. Raises StorageFailed."""
        name = path.relative_to(self.path).as_posix()
        if self.home is not None:
            self.home.write(name, path.read_bytes())
        return self.place_of(name)

    @property
    def tune(self) -> Path:
        return self.path / "tune"

    @property
    def fits(self) -> Store:
        """Where data-parallel fits keep results and checkpoints until the verdict, or the model, is written."""
        return self.store.below("fits")

    @property
    def tensorboard(self) -> Path:
        return self.path / "tensorboard"

    @property
    def verdict(self) -> Path:
        return self.path / "verdict.json"

    @property
    def report(self) -> Path:
        return self.path / "report.md"

    @property
    def predictions(self) -> Path:
        return self.path / "predictions.parquet"

    @property
    def ranking(self) -> Path:
        return self.path / "ranking.parquet"

    def source(self, architecture: str) -> Path:
        """The copy of an own architecture's source. Nothing runs it unless it is named."""
        return self.path / "sources" / f"{architecture}.py"

    def model(self, architecture: str) -> Path:
        return self.path / "models" / architecture

    def read_record(self) -> RunRecord | None:
        """The content of `run.json`; None if there is no file. Raises InputError if it is malformed."""
        return RunRecord.read(self.record) if self.record.exists() else None


def write_text(path: Path, text: str) -> None:
    """Write a file whole; if that fails, the file stays as it was."""
    replace(path, text.encode())


def write_json(path: Path, content: Mapping[str, object]) -> None:
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")
