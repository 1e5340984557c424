"""Which configurations are tried again, which of them are dropped on the way, and which one is chosen."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from reeltune.cluster.runs.folder import Entries, Entry
from reeltune.trainables.config import Configuration

FINALISTS = 3  # configurations of each architecture that are tried again
SEEDS = 3  # how often each of them is, if it is not dropped or the only one left
# So many spreads the first confirmation may lie behind the best one's: `benchmarks/confirmations.py` has the figures.
MARGIN = 4.0
# In a sampled search: a share of the best one's first confirmation. There the spread also holds what more rows do.
CLOSE = 0.01
FEWEST = 3  # finalists of which a spread can be told
EARLY = 2  # confirmations after which a search on a sample may stop: see `agreed`


def finalists(ledger: Entries, architecture: str) -> list[Entry]:
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


def dropped(ledger: Entries, architecture: str) -> list[Entry]:
    """The finalists that their first confirmation rules out, which are not tried again with the other seeds.

    Such a one is behind the best by over MARGIN times the spread: the standard deviation, over the finalists, of how
    an error changed from the search to the first confirmation. Its rows are the same for all of them, so that rows
    which are harder for all are no spread. Where search trials fit on a sample of users, a finalist is also ruled out
    if it is behind by over CLOSE of the best one's error. Nobody is dropped before the first confirmation of each
    finalist has ended, or if one of them failed, so that it makes no difference in which order they end.
    """
    found = finalists(ledger, architecture)
    ended = [entry for entry in ledger.of("confirm", architecture) if entry.state == "done"]
    first = {confirmed(entry): entry.value for entry in ended if entry.fold == 1}
    if len(found) < FEWEST or any(first.get(entry.trial) is None for entry in found):
        return []
    again = np.array([first[entry.trial] for entry in found], dtype=float)
    searched = np.array([entry.value for entry in found], dtype=float)
    margin = MARGIN * np.std(again - searched, ddof=1)
    if on_sample(found):
        margin = min(margin, CLOSE * again.min())
    counts = Counter(map(confirmed, ended))  # an older version of reeltune dropped nobody
    behind = zip(found, again - again.min(), strict=True)
    return [entry for entry, by in behind if 0 < margin < by and counts[entry.trial] < SEEDS]


def one_left(ledger: Entries, architecture: str) -> bool:
    """Whether all finalists but one of a search on a sample are dropped. That one is not tried again.

    It is chosen whatever further confirmations say, and each of these is a fit on all rows. Only where there are
    earlier finalists near it, or any that were confirmed more than once, the one left is too: they are compared.
    """
    found = finalists(ledger, architecture)
    names, out = {entry.trial for entry in found}, dropped(ledger, architecture)
    if not out or len(out) < len(found) - 1 or not on_sample(found) or earlier_finalists(ledger, architecture):
        return False
    ended = [entry for entry in ledger.of("confirm", architecture) if entry.state == "done"]
    return all(count == 1 for trial, count in Counter(map(confirmed, ended)).items() if trial not in names)


def agreed(ledger: Entries, architecture: str) -> bool:
    """Whether, in a search on a sample, the first two confirmations of all that are left have the same best one.

    Then there is no third: each is a fit on all rows, and `benchmarks/confirmations.py` says how seldom it would choose
    another. Not where one has had more, in an earlier search perhaps: those with the most are compared.
    """
    found = finalists(ledger, architecture)
    if not on_sample(found):
        return False
    out = {entry.trial for entry in dropped(ledger, architecture)}
    again: dict[str, dict[int, float | None]] = {}
    for entry in ledger.of("confirm", architecture):
        if entry.state == "done" and confirmed(entry) not in out:
            again.setdefault(confirmed(entry), {})[entry.fold] = entry.value
    left = [e.trial for e in [*found, *earlier_finalists(ledger, architecture)] if e.trial not in out]
    if any(len(by_fold) > EARLY for by_fold in again.values()):
        return False
    if any(again.get(trial, {}).get(fold) is None for trial in left for fold in range(1, 1 + EARLY)):
        return False
    best = {min(left, key=lambda trial: again[trial][fold] or 0.0) for fold in range(1, 1 + EARLY)}
    return len(best) == 1


def often(ledger: Entries, architecture: str) -> int:
    """How often those that are not dropped are tried again, as far as that is known: SEEDS times at the most."""
    if one_left(ledger, architecture):
        return 1
    return EARLY if agreed(ledger, architecture) else SEEDS


def earlier_finalists(ledger: Entries, architecture: str) -> list[Entry]:
    """Of a search on a sample: those of before `--resume` with more trials that are still in question, best first.

    Such a one was perhaps left alone then, and so has one confirmation. It gets the others if it is not behind the best
    finalist's first confirmation by over CLOSE: what was chosen before must not lose by having fewer.
    """
    found = finalists(ledger, architecture)
    ended = [entry for entry in ledger.of("confirm", architecture) if entry.state == "done"]
    first = {confirmed(entry): entry.value for entry in ended if entry.fold == 1 and entry.value is not None}
    if not found or not on_sample(found) or any(entry.trial not in first for entry in found):
        return []
    most = (1 + CLOSE) * min(first[entry.trial] for entry in found)
    names = {entry.trial for entry in found}
    near = [
        e for e in ledger.of("search", architecture) if e.trial not in names and first.get(e.trial, most + 1) <= most
    ]
    return sorted(near, key=lambda entry: first[entry.trial])


def on_sample(trials: list[Entry]) -> bool:
    """Whether these trials of a search fit on a sample of users."""
    return any(entry.on_sample is not None for entry in trials)


def confirmed(confirmation: Entry) -> str:
    """The name of the trial whose configuration this is a confirmation of."""
    return confirmation.trial.rpartition("-")[0]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The configuration that is chosen for an architecture, and its mean metrics over its confirmations."""

    config: Configuration  # an architecture's; the ensemble's has its members' in it
    value: float
    metrics: dict[str, float | None]
    temperature: float
    trials: tuple[str, ...] = ()  # names of the confirmations, in order of their folds
    by_fold: Mapping[int, float] = field(default_factory=dict)  # the value on each fold; `value` is their mean


def choose(ledger: Entries, architecture: str) -> Choice | None:
    """The configuration with the lowest mean value over its confirmations; None if none finished.

    One that was dropped is out of the question, and another than the reference is chosen only if it is better.
    If some were lost, configurations are compared on the folds that all of them finished (see `comparable`).
    """
    out = {entry.trial for entry in dropped(ledger, architecture)}
    groups: dict[str, list[Entry]] = {}
    for entry in ledger.of("confirm", architecture):
        if entry.state == "done" and confirmed(entry) not in out:
            groups.setdefault(confirmed(entry), []).append(entry)
    most = max(map(len, groups.values()), default=0)
    # A configuration that failed with some seeds must not win by the others.
    choices = {trial: _mean(entries) for trial, entries in groups.items() if len(entries) == most}
    values = comparable({trial: choice.by_fold for trial, choice in choices.items()})
    references = _references(ledger, architecture)
    best = min(values, key=lambda trial: (values[trial], choices[trial].config not in references), default=None)
    return None if best is None else choices[best]


def _references(ledger: Entries, architecture: str) -> list[Configuration]:
    """The configuration of an architecture's trial 0, if that has ended."""
    return [entry.config for entry in ledger.of("search", architecture) if entry.number == 0]


def comparable(by_fold: Mapping[str, Mapping[int, float]]) -> dict[str, float]:
    """Mean values by name, from values by fold, over the folds that all of them have: other rows, other difficulty.

    If no fold is common to all, those with the fewest are left out until there is one.
    """
    names = sorted(by_fold, key=lambda name: -len(by_fold[name]))
    while names:
        common = set.intersection(*(set(by_fold[name]) for name in names))
        if common:
            # In the order that was given, so that of equal ones the first is the first.
            return {
                name: float(np.mean([by_fold[name][f] for f in sorted(common)])) for name in by_fold if name in names
            }
        names.pop()
    return {}


def unlike_folds(choices: Mapping[str, Choice], *, fewer: Collection[str] = ()) -> str:
    """Says which architectures lack a fold that others have, and what that means; "" if none does.

    Those that were confirmed `fewer` times by design are not named (see `decided_early`).
    """
    every = {fold for choice in choices.values() for fold in choice.by_fold}
    lacking = {name: every - set(choice.by_fold) for name, choice in choices.items() if name not in fewer}
    said = [f"{name} lacks {_listed(folds)}" for name, folds in lacking.items() if folds]
    return f"note: architectures are compared on the folds that all of them finished: {', '.join(said)}" if said else ""


def decided_early(choices: Mapping[str, Choice], times: Mapping[str, int]) -> str:
    """Says which architectures were confirmed less because that was enough, and what it means; "" if none was.

    `times` are those of `often`, by architecture. A run that an earlier version began may have more of these too.
    """
    less = {name: times[name] for name in choices if len(choices[name].by_fold) <= times[name] < SEEDS}
    alone = [name for name, wanted in less.items() if wanted == 1]
    twice = [name for name, wanted in less.items() if wanted == EARLY]
    said = []
    if alone:
        why = "all configurations but one were dropped after 1 confirmation, so the one left was not confirmed further"
        said.append(f"{why}: {', '.join(alone)}")
    if twice:
        said.append(
            f"{EARLY} confirmations have the same best configuration, so there was no third: {', '.join(twice)}"
        )
    if not said:
        return ""
    common = set.intersection(*(set(choice.by_fold) for choice in choices.values()))
    if common and len(choices) > 1:
        said.append(f"architectures are compared on {_listed(common)}")
    return f"note: {'; '.join(said)}"


def without_reference(ledger: Entries, choices: Mapping[str, Choice]) -> str:
    """Says which architectures' choices were not compared with the reference, which was cut off or failed; "" if none.

    A reference that was dropped after its first confirmation was compared.
    """
    names = [name for name, choice in choices.items() if not _compared_with_reference(ledger, name, choice)]
    said = "note: the defaults did not come to their end, so nothing says that what was chosen is better than they are"
    return f"{said}: {', '.join(names)}" if names else ""


def _compared_with_reference(ledger: Entries, architecture: str, choice: Choice) -> bool:
    references = _references(ledger, architecture)
    again = [e for e in ledger.of("confirm", architecture) if e.state == "done" and e.config in references]
    return len(again) >= len(choice.by_fold) or any(e.config in references for e in dropped(ledger, architecture))


def _listed(folds: set[int]) -> str:
    return f"fold{'s' if len(folds) > 1 else ''} {' and '.join(map(str, sorted(folds)))}"


def _mean(entries: list[Entry]) -> Choice:
    def average(values: list[float | None]) -> float | None:
        numbers = [value for value in values if value is not None]
        return float(np.mean(numbers)) if numbers else None

    entries = sorted(entries, key=lambda entry: entry.fold)
    metrics = [entry.metrics or {} for entry in entries]
    by_fold = {entry.fold: entry.value for entry in entries if entry.value is not None}
    return Choice(
        config=entries[0].config,
        value=float(np.mean(list(by_fold.values()))),
        metrics={name: average([m.get(name) for m in metrics]) for name in metrics[0]},
        temperature=float(np.exp(np.mean(np.log([entry.temperature for entry in entries])))),
        trials=tuple(entry.trial for entry in entries),
        by_fold=by_fold,
    )
