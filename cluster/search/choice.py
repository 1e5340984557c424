"""Which configurations are tried again, and which one is chosen for each architecture."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from reeltune.cluster.runs.folder import Entry, Ledger

FINALISTS = 3  # configurations of each architecture that are tried again
SEEDS = 3  # how often each of them is


def finalists(ledger: Ledger, architecture: str) -> list[Entry]:
    """The best finished trials of an architecture, best first; of equal configurations only the best one.

    The reference, trial 0, is always among them if it finished: whether a configuration is really better than the
    reference is decided on other rows than those it was found by.
    """
    done = [e for e in ledger.of("search", architecture) if e.state == "done" and e.value is not None]
    ranked = sorted(done, key=lambda e: (e.value, e.number))
    distinct = {repr(sorted(e.config.items())): e for e in reversed(ranked)}
    best = sorted(distinct.values(), key=lambda e: (e.value, e.number))
    first = best[:FINALISTS]
    references = [e.config for e in done if e.number == 0]
    reference = [e for e in best[FINALISTS:] if e.config in references]
    return [*first[: FINALISTS - len(reference)], *reference]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The configuration that is chosen for an architecture, and its mean metrics over its confirmations."""

    config: dict[str, Any]  # an architecture's; the ensemble's has its members' in it
    value: float
    metrics: dict[str, float | None]
    temperature: float
    trials: tuple[str, ...] = ()  # names of the confirmations, in order of their folds


def choose(ledger: Ledger, architecture: str) -> Choice | None:
    """The configuration with the lowest mean value over its confirmations; None if none finished."""
    groups: dict[str, list[Entry]] = {}
    for entry in ledger.of("confirm", architecture):
        if entry.state == "done":
            groups.setdefault(entry.trial.rpartition("-")[0], []).append(entry)
    most = max(map(len, groups.values()), default=0)
    # A configuration that failed with some seeds must not win by the others.
    choices = [_mean(entries) for entries in groups.values() if len(entries) == most]
    return min(choices, key=lambda choice: choice.value, default=None)


def _mean(entries: list[Entry]) -> Choice:
    def average(values: list[float | None]) -> float | None:
        numbers = [value for value in values if value is not None]
        return float(np.mean(numbers)) if numbers else None

    entries = sorted(entries, key=lambda entry: entry.fold)
    metrics = [entry.metrics or {} for entry in entries]
    return Choice(
        config=entries[0].config,
        value=float(np.mean([entry.value for entry in entries if entry.value is not None])),
        metrics={name: average([m[name] for m in metrics]) for name in metrics[0]},
        temperature=float(np.exp(np.mean(np.log([entry.temperature for entry in entries])))),
        trials=tuple(entry.trial for entry in entries),
    )
