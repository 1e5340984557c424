"""How far an unfinished search is: the best of each architecture so far, on validation rows."""

from dataclasses import dataclass

from pydantic import JsonValue

from reeltune.cluster.runs.finished import Run
from reeltune.cluster.runs.folder import Entry


@dataclass(frozen=True, kw_only=True)
class Best:
    """An architecture's best trial so far."""

    name: str
    trial: str
    error: float  # on validation rows
    ended: int  # its trials that are done, stopped or failed
    config: dict[str, JsonValue]


def best_so_far(run: Run) -> list[Best]:
    """The best trial of each architecture, the lowest validation error first; empty where none has one."""
    search = [entry for entry in run.ledger if entry.stage == "search"]
    best: dict[str, Best] = {}
    for entry in sorted(search, key=lambda entry: (entry.value is None, entry.value, entry.trial)):
        if entry.state == "done" and entry.value is not None and entry.architecture not in best:
            best[entry.architecture] = _best(entry, entry.value, search)
    return list(best.values())


def _best(entry: Entry, error: float, search: list[Entry]) -> Best:
    return Best(
        name=entry.architecture,
        trial=entry.trial,
        error=error,
        ended=sum(each.architecture == entry.architecture for each in search),
        config=entry.config,
    )


def standing(run: Run) -> str:
    """The state of a search without a verdict, in a sentence without its full stop."""
    opening, numbers = standing_parts(run)
    return f"{opening}: {numbers}"


def standing_parts(run: Run) -> tuple[str, str]:
    """The sentence's beginning, and its numbers."""
    counts, best = run.counts(), best_so_far(run)
    asked = run.asked.trials * len(run.asked.architectures) * (run.asked.folds or 1)
    states = f"{counts['done']} trials done, {counts['stopped']} stopped early, {counts['failed']} failed"
    ended = f"{states}, of {asked} asked for"
    if not best:
        return "No verdict yet", ended
    first = best[0]
    return (
        f"No verdict yet; best so far is {first.name}",
        f"{run.objective.label} {first.error:.4f} on validation rows ({first.trial}); {ended}",
    )
