"""`--from RUN`: what an earlier search learnt, for a new one to start from."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from pydantic import JsonValue, ValidationError

from reeltune.cluster.runs.find import find_run
from reeltune.cluster.runs.folder import RUNS, SCHEMA, Entry, RunFolder, entry_of, read_entries, write_json
from reeltune.cluster.runs.record import Asked, AskedToTune, SizeRecord
from reeltune.search_spaces import Size, Space, carried, holds
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.errors import InputError

BEST = 3  # configurations of an architecture that are tried first on other data
# What must be the same for one run's values to stand beside another's; in words, where it is not.
COMPARED = {
    "data_hash": "other data",
    "split": "another split",
    "split_seed": "another split",
    "test_hash": "other test rows",
    "decoder": "another decoder",
}


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """What is taken from an earlier run, in a fixed order.

    Where its data was the same, Optuna knows its trials; and since only a trial of the search itself can be chosen at
    the end, the best of each architecture is tried once more. Where it was another, the best are tried alone.
    """

    run: str = ""
    difference: str | None = None  # between what the two runs were asked; None where their values are comparable
    known: tuple[Entry, ...] = ()
    tried: tuple[Entry, ...] = ()  # right after the reference, best first
    outside: dict[str, int] = field(default_factory=dict)  # by architecture, those that this search's space lacks

    def first(self, name: str) -> list[dict[str, Any]]:
        """The configurations of an architecture to try right after the reference."""
        return [entry.config for entry in self.tried if entry.architecture == name]

    def line(self) -> str:
        known, tried = _counted(self.known), _counted(self.tried)
        said = f"from {self.run} ({self.difference or 'same data'}): "
        said += f"{tried} tried right after the reference" if tried else "nothing to try"
        said += f"; Optuna knows {known} trials" if known else ""
        left_out = ", ".join(f"{count} of {name}" for name, count in self.outside.items() if count)
        return f"{said}; outside of this search's space: {left_out}" if left_out else said


def named(run: str | None) -> str | None:
    """A run as `run.json` records it: by its name where it is below `runs/`, so that a name and its path are one."""
    if run is None:
        return None
    if "://" in run:
        return run
    path = Path(run)
    return path.name if path.parent.resolve() == RUNS.resolve() else str(path)


def source_of(run: str | None, folder: RunFolder, architectures: list[str]) -> RunFolder | None:
    """The run to start from; None where none is asked for, or this run has what it needs of it already.

    Raises InputError where it is no search of one of these architectures that got anywhere.
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
    folder: RunFolder, source: RunFolder | None, spaces: dict[str, Space], shape: Shape, *, say: Callable[[str], None]
) -> Earlier:
    """What a search starts from. It is copied to the search's own folder, and a resumed one reads it from there.

    `spaces` are as they were declared: of steps per epoch and shares of the scale's span.
    """
    record = folder.read_record()
    if source is not None and record is not None and not folder.earlier.exists():
        write_json(folder.earlier, {"schema": SCHEMA, **asdict(learn(source, record.asked, spaces, shape))})
    if not folder.earlier.exists():
        return Earlier()
    earlier = _read(folder.earlier)
    say(earlier.line())
    return earlier


def _read(path: Path) -> Earlier:
    content = json.loads(path.read_text())
    return Earlier(
        run=content["run"],
        difference=content["difference"],
        known=tuple(entry_of(entry) for entry in content["known"]),
        tried=tuple(entry_of(entry) for entry in content["tried"]),
        outside=content["outside"],
    )


def learn(source: RunFolder, asked: Asked, spaces: dict[str, Space], shape: Shape) -> Earlier:
    """What a run holds for a search that is asked this."""
    record, run = source.read_record(), source.path.resolve().name
    assert record is not None
    then = record.asked
    difference = next((words for key, words in COMPARED.items() if getattr(then, key) != getattr(asked, key)), None)
    ledger = [replace(entry, trial=f"{run}/{entry.trial}") for entry in read_entries(source.ledger)]
    # What the run itself began with: a third search knows the trials of the first one too.
    begun = _read(source.earlier).known if source.earlier.exists() else ()
    known: list[Entry] = []
    tried: list[Entry] = []
    outside: dict[str, int] = {}
    for name, space in spaces.items():
        ranked = best(ledger, name)
        if difference is None:
            mine, outside[name] = _same([*begun, *ledger], name, space.on(shape), shape)
            known += mine
            tried += [entry for entry in ranked[:1] if entry in mine]
        elif isinstance(then, AskedToTune) and name in then.space:
            mine, outside[name] = _turned(ranked[:BEST], name, then.space[name], record.size, space, shape)
            tried += mine
    return Earlier(run=run, difference=difference, known=tuple(known), tried=tuple(tried), outside=outside)


def _same(entries: list[Entry], name: str, space: Space, shape: Shape) -> tuple[list[Entry], int]:
    """The trials of an architecture that this space holds, and how many it does not hold."""
    reference = ARCHITECTURES[name].reference(shape).model_dump()  # is run again: not to count twice
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
) -> tuple[list[Entry], int]:
    """Trials with their configurations turned to data of this shape, and how many this space does not hold."""
    try:
        searched = Space.model_validate(searched_space)
    except ValidationError:
        raise InputError(f"--from: the run has a space of {name} that this version does not know") from None
    reference = ARCHITECTURES[name].reference(shape).model_dump()
    was = Size(ratings=size.ratings, span=size.span) if size else Size.of(shape)
    turned = [
        carried(entry.config, searched=searched, space=space, was=was, shape=shape, reference=reference)
        for entry in entries
    ]
    # Two batch sizes there may be one here, and a configuration is tried once.
    first = {repr(c): replace(e, config=c) for e, c in reversed(list(zip(entries, turned, strict=True))) if c}
    first.pop(repr(reference), None)
    return list(reversed(first.values())), turned.count(None)


def _counted(entries: tuple[Entry, ...]) -> str:
    counts = Counter(entry.architecture for entry in entries)
    return ", ".join(f"{count} of {name}" for name, count in counts.items())


def best(entries: list[Entry], architecture: str) -> list[Entry]:
    """The finished trials of an architecture beside its reference, best first: those tried again by their mean."""
    again: dict[str, list[float]] = {}
    for entry in entries:
        if entry.stage == "confirm" and entry.state == "done" and entry.value is not None:
            again.setdefault(entry.trial.rpartition("-")[0], []).append(entry.value)

    def place(entry: Entry) -> tuple[int, float, int]:
        values = again.get(entry.trial, [entry.value or 0.0])
        return -len(again.get(entry.trial, ())), fmean(values), entry.number

    done = [e for e in entries if _ended(e) and e.state == "done" and e.architecture == architecture and e.number > 0]
    return sorted(done, key=place)


def _ended(entry: Entry) -> bool:
    """Whether this is a trial of the search that came to a value."""
    return entry.stage == "search" and entry.state != "failed" and entry.value is not None
