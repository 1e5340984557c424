"""`--from RUN`: a search starts from the trials of an earlier one."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import fmean

from pydantic import JsonValue, ValidationError

from reeltune.cluster.runs.find import find_run
from reeltune.cluster.runs.folder import RUNS, SCHEMA, Entries, Entry, RunFolder, entry_of, read_entries, write_json
from reeltune.cluster.runs.record import Asked, AskedToTune, SizeRecord
from reeltune.cluster.search.choice import SEEDS, confirmed, dropped, often
from reeltune.cluster.search.messages import Config
from reeltune.search_spaces import Size, Space, carried, holds
from reeltune.trainables.architectures.registry import SHIPPED, Registry
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.errors import InputError
from reeltune.trainables.model import Architecture

Bounds = dict[str, tuple[float, float]]  # low and high of a range, by hyperparameter
BEST = 3  # on other data, so many configurations of each architecture are tried first
# Two runs' values can be compared only where these are the same; the text says which one is not.
COMPARED = {
    "data_hash": "other data",
    "split": "another split",
    "split_seed": "another split",
    "validation": "another split",
    "test_hash": "other test rows",
    "decoder": "another decoder",
    "metric": "another metric",
    "sample": "another sample",
}


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """What a search takes from an earlier run.

    If both have the same data, the earlier trials are added to Optuna's studies, and the best of each architecture is
    run once more: only a trial of the search itself can be chosen at the end. If the data differs, values cannot be
    compared, and the best configurations are only run first.
    """

    run: str = ""
    difference: str | None = None  # why the two runs' values cannot be compared; None where they can
    known: tuple[Entry, ...] = ()  # added to Optuna's studies
    tried: tuple[Entry, ...] = ()  # run right after the reference, best first
    outside: dict[str, int] = field(
        default_factory=dict
    )  # by architecture, how many trials are not in this search's space
    wider: dict[str, Bounds] = field(default_factory=dict)  # ranges that reach beyond the declared ones
    saw_test_rows: bool = False  # that search, or one that it came from, saw rows that are test rows now

    def first(self, name: str) -> list[Config]:
        """The configurations of an architecture to run right after the reference."""
        return [entry.config for entry in self.tried if entry.architecture == name]

    def line(self) -> str:
        """What was taken, in one line for the user."""
        known, tried = _counted(self.known), _counted(self.tried)
        line = f"from {self.run} ({self.difference or 'same data'}): "
        line += f"{tried} tried right after the reference" if tried else "nothing to try"
        line += f"; Optuna knows {known} trials" if known else ""
        left_out = ", ".join(f"{count} of {name}" for name, count in self.outside.items() if count)
        line += f"; outside of this search's space: {left_out}" if left_out else ""
        seen = "that search saw rows that are test rows now, so the verdict may be too good"
        return f"{line}; {seen}: give the same split and seed" if self.saw_test_rows else line


def named(run: str | None) -> str | None:
    """A run as `run.json` records it. One below `runs/` by its name, so that `mine` and `runs/mine` are the same."""
    if run is None:
        return None
    if "://" in run:
        return run
    path = Path(run)
    return path.name if path.parent.resolve() == RUNS.resolve() else str(path)


def source_of(run: str | None, folder: RunFolder, architectures: list[str]) -> RunFolder | None:
    """The run to start from; None if none is asked for, or this run has copied what it needs already.

    Raises InputError unless it is a run of `tune` with a finished trial of one of these architectures.
    """
    if run is None or folder.has(folder.earlier.name):
        return None
    try:
        source = find_run(run)
    except InputError as error:
        raise InputError(f"--from {error}") from None
    if source.place == folder.place or source.path.resolve() == folder.path.resolve():
        raise InputError(f"--from {run}: a search cannot start from itself; more --trials with --resume extend it")
    record = source.read_record()
    if record is None or not isinstance(record.asked, AskedToTune):
        verb = record.asked.verb if record else None
        raise InputError(f"--from {run}: expected a run of `reeltune tune`; found one of `reeltune {verb}`")
    if not any(_ended(entry) and entry.architecture in architectures for entry in read_entries(source.ledger)):
        raise InputError(f"--from {run}: has no finished trial of {', '.join(architectures)}")
    return source


def begin(
    folder: RunFolder,
    source: RunFolder | None,
    spaces: dict[str, Space],
    shape: Shape,
    *,
    wider: dict[str, Bounds],
    registry: Registry = SHIPPED,
    say: Callable[[str], None],
) -> Earlier:
    """What a search starts from. It is copied to the search's own folder, from which a resumed search reads it.

    `spaces` are as declared, in steps per epoch and shares of the scale's span; `wider` are bounds that moved.
    """
    record = folder.read_record()
    if source is not None and record is not None and not folder.earlier.exists():
        learnt = replace(learn(source, record.asked, spaces, shape, registry), wider=wider)
        write_json(folder.earlier, {"schema": SCHEMA, **asdict(learnt)})
    if not folder.earlier.exists():
        return Earlier()
    earlier = _read(folder.earlier)
    say(earlier.line())
    return earlier


def wider_as_begun(folder: RunFolder) -> dict[str, Bounds]:
    """The ranges with which a search began; a resumed one has the same, even if the run that it came from is gone."""
    content = folder.text(folder.earlier.name)
    return {} if content is None else _earlier(content).wider


def _read(path: Path) -> Earlier:
    return _earlier(path.read_bytes())


def _earlier(text: bytes) -> Earlier:
    content = json.loads(text)
    return Earlier(
        run=content["run"],
        difference=content["difference"],
        known=tuple(entry_of(entry) for entry in content["known"]),
        tried=tuple(entry_of(entry) for entry in content["tried"]),
        outside=content["outside"],
        wider={
            name: {key: (low, high) for key, (low, high) in moved.items()}
            for name, moved in content.get("wider", {}).items()
        },
        saw_test_rows=content.get("saw_test_rows", False),
    )


def learn(
    source: RunFolder, asked: Asked, spaces: dict[str, Space], shape: Shape, registry: Registry = SHIPPED
) -> Earlier:
    """Take from the run `source` what a search of these settings can use."""
    record, run = source.read_record(), source.path.resolve().name
    assert record is not None
    then = record.asked
    difference = next((words for key, words in COMPARED.items() if getattr(then, key) != getattr(asked, key)), None)
    ledger = [replace(entry, trial=f"{run}/{entry.trial}") for entry in read_entries(source.ledger)]
    # The run may have started from another one: a third search gets the trials of the first too.
    before = _read(source.earlier) if source.earlier.exists() else Earlier()
    known: list[Entry] = []
    tried: list[Entry] = []
    outside: dict[str, int] = {}
    for name, space in spaces.items():
        ranked, architecture = best(ledger, name), registry[name]
        if difference is None and then.sources.get(name) == asked.sources.get(name):
            reference = architecture.reference(shape).as_json()
            mine, outside[name] = _same([*before.known, *ledger], name, space.on(shape, architecture), reference)
            known += mine
            tried += [entry for entry in ranked[:1] if entry in mine]
        elif isinstance(then, AskedToTune) and name in then.space:
            mine, outside[name] = _turned(
                ranked[:BEST], name, then.space[name], record.size, space, shape, architecture
            )
            tried += mine
    return Earlier(
        run=run,
        difference=difference,
        known=tuple(known),
        tried=tuple(tried),
        outside=outside,
        saw_test_rows=before.saw_test_rows or _saw_test_rows(then, asked),
    )


def _saw_test_rows(then: Asked, asked: Asked) -> bool:
    """Whether a search of `then` saw rows that are test rows of `asked`: both split the same data, each otherwise."""
    return asked.test is None and then.data_hash == asked.data_hash and then.test_hash != asked.test_hash


def _same(entries: list[Entry], name: str, space: Space, reference: Config) -> tuple[list[Entry], int]:
    """The trials of an architecture that are in this space, and how many are not.

    Those of the reference are left out: this search runs it too, and it would count twice.
    """
    ended = [e for e in entries if _ended(e) and e.architecture == name and e.config != reference]
    held = [entry for entry in ended if holds(space, entry.config, reference)]
    return held, len(ended) - len(held)


def _turned(
    entries: list[Entry],
    name: str,
    searched_space: dict[str, JsonValue],
    size: SizeRecord | None,
    space: Space,
    shape: Shape,
    architecture: Architecture,
) -> tuple[list[Entry], int]:
    """Trials with their configurations adapted to data of this shape, and how many are not in this space."""
    try:
        searched = Space.model_validate(searched_space)
    except ValidationError:
        raise InputError(f"--from: the run has a space of {name} that this version does not know") from None
    was = Size(ratings=size.ratings, span=size.span) if size else Size.of(shape)
    turned = [
        carried(entry.config, searched=searched, space=space, was=was, shape=shape, architecture=architecture)
        for entry in entries
    ]
    # Two batch sizes of the earlier data may become one here: keep one of equal configurations, the better one.
    first = {repr(c): replace(e, config=c) for e, c in reversed(list(zip(entries, turned, strict=True))) if c}
    first.pop(repr(architecture.reference(shape).as_json()), None)
    return list(reversed(first.values())), turned.count(None)


def _counted(entries: tuple[Entry, ...]) -> str:
    counts = Counter(entry.architecture for entry in entries)
    return ", ".join(f"{count} of {name}" for name, count in counts.items())


def best(entries: list[Entry], architecture: str) -> list[Entry]:
    """The finished trials of an architecture without its reference, best first: those tried again, by their mean.

    Those that were dropped after their first confirmation come last.
    """
    again: dict[str, list[float]] = {}
    for entry in entries:
        if entry.stage == "confirm" and entry.state == "done" and entry.value is not None:
            again.setdefault(confirmed(entry), []).append(entry.value)

    ended = Entries(entries)
    if often(ended, architecture) < SEEDS:  # those that are left may have as few
        out = {entry.trial for entry in dropped(ended, architecture)}
    elif any(len(values) == SEEDS for values in again.values()):
        out = {trial for trial, values in again.items() if len(values) == 1}
    else:
        out = set()

    def place(entry: Entry) -> tuple[int, float, int]:
        values = again.get(entry.trial, [])
        return 1 if entry.trial in out else -len(values), fmean(values or [entry.value or 0.0]), entry.number

    done = [e for e in entries if _ended(e) and e.state == "done" and e.architecture == architecture and e.number > 0]
    return sorted(done, key=place)


def _ended(entry: Entry) -> bool:
    """Whether this is a search trial that has a value."""
    return entry.stage == "search" and entry.state != "failed" and entry.value is not None
