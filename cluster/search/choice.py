"""What a search chooses: each architecture's configuration, by the trials and their confirmations."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from reeltune.cluster.runs.folder import Entry, Ledger

FINALISTS = 3
SEEDS = 3


def finalists(ledger: Ledger, architecture: str) -> list[Entry]:
    """The best finished trials of an architecture, best first; of the same configuration the first only.

    The reference, which is trial 0, is one of them if it came to its end: a configuration that only seemed better
    is then told from it by more rows than it was found by.
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
    """An architecture's configuration for the end, and its mean validation metrics over the seeds."""

    config: dict[str, Any]
    value: float
    metrics: dict[str, float | None]
    temperature: float
    trials: tuple[str, ...] = ()  # the confirmations, by fold


def choose(ledger: Ledger, architecture: str) -> Choice | None:
    """The configuration of the lowest mean value over its confirmations; None where nothing finished."""
    groups: dict[str, list[Entry]] = {}
    for entry in ledger.of("confirm", architecture):
        if entry.state == "done":
            groups.setdefault(entry.trial.rpartition("-")[0], []).append(entry)
    most = max(map(len, groups.values()), default=0)
    # One that fails with some seeds is not to win by the others.
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
