"""`--from RUN`: a search reaches beyond the bounds on which an earlier one's choice lay."""

from collections.abc import Mapping
from typing import cast

from pydantic import ValidationError

from reeltune.cluster.runs.answer import Answer
from reeltune.cluster.runs.folder import RunFolder, read_entries
from reeltune.cluster.runs.record import AskedToTune, RunRecord
from reeltune.cluster.search.warm_start import Bounds, best
from reeltune.search_spaces import Chosen, Space, Value, declared, widened
from reeltune.trainables.architectures.registry import SHIPPED, Registry


def wider_bounds(source: RunFolder, spaces: Mapping[str, Space], registry: Registry = SHIPPED) -> dict[str, Bounds]:
    """The bounds that move, by architecture and hyperparameter, of ranges that the architecture comes with.

    Ranges of `--space` stay what they are.

    `spaces` are as declared, in steps per epoch and shares of the scale's span, and so are the bounds.
    """
    record = source.read_record()
    found: dict[str, Bounds] = {}
    for name, space in spaces.items():
        chosen = _chosen(source, record, name)
        if chosen is None:
            continue
        own, wide = declared(registry, [name])[name].parameters, widened(space, chosen, registry[name])
        moved = [key for key, p in space.parameters.items() if p == own.get(key) and p != wide.parameters[key]]
        found |= {name: {key: _bounds(wide, key) for key in moved}} if moved else {}
    return found


def with_bounds(spaces: Mapping[str, Space], wider: Mapping[str, Bounds]) -> dict[str, Space]:
    """The spaces with these bounds in place of theirs."""
    return {name: _with(space, wider.get(name, {})) for name, space in spaces.items()}


def lines(run: str | None, before: Mapping[str, Space], wider: Mapping[str, Bounds]) -> list[str]:
    """What is searched more widely, a line for each architecture, with the bounds as declared before."""
    return [
        f"from {run}: {name} is searched beyond the bounds on which its choice lay: {_changes(before[name], moved)}"
        for name, moved in wider.items()
    ]


def _changes(before: Space, moved: Bounds) -> str:
    changed = (f"{key} {_range(bounds)} (was {_range(_bounds(before, key))})" for key, bounds in moved.items())
    return ", ".join(changed)


def _chosen(source: RunFolder, record: RunRecord | None, name: str) -> Chosen | None:
    """What the run chose for an architecture; before its verdict, the best so far. None if it searched it not."""
    if record is None or record.size is None or not isinstance(record.asked, AskedToTune):
        return None
    answer = Answer.read(source.verdict) if source.verdict.exists() else None
    config = answer.architectures[name].config if answer and name in answer.architectures else None
    if config is None:
        config = next((entry.config for entry in best(list(read_entries(source.ledger)), name)), None)
    try:
        space = Space.model_validate(record.asked.space.get(name))
    except ValidationError:  # of another version, whose ranges say nothing here
        return None
    if config is None or not config.keys() >= space.parameters.keys():
        return None
    return Chosen(config=cast(dict[str, Value], config), space=space, span=record.size.span)


def _with(space: Space, bounds: Bounds) -> Space:
    moved = {
        key: space.parameters[key].model_copy(update={"low": low, "high": high})
        for key, (low, high) in bounds.items()
        if key in space.parameters
    }
    return space.model_copy(update={"parameters": {**space.parameters, **moved}})


def _bounds(space: Space, key: str) -> tuple[float, float]:
    low, high = space.parameters[key].low, space.parameters[key].high
    assert low is not None
    assert high is not None
    return low, high


def _range(bounds: tuple[float, float]) -> str:
    return f"{bounds[0]:g} to {bounds[1]:g}"
