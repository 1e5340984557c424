"""What dropping finalists after their first confirmation saves, and whether it changes what is chosen.

    python benchmarks/confirmations.py RUN ...     # a moment: finished runs
    python benchmarks/confirmations.py RUN ... --sampled   # as if their trials had been on a sample of users
    python benchmarks/confirmations.py --made-up   # a minute: made-up errors; the same with --sampled

Of runs it reads the ledgers alone, which hold errors on validation rows and none on test rows. It takes the
architectures whose finalists have every confirmation, as those of a run of before the rules of cluster/search/choice.py
have. It says how many of the finalists would have been dropped, and how many architectures on a sample would have been
decided after one confirmation, as one was left, or after two, as these agreed; which share of the confirmations'
seconds all of that saves, and which of it the early decisions; for how many architectures another configuration would
have been chosen, and by which share its mean over all confirmations is at most higher.

Made up: 20 configurations of normally distributed true errors, of which the first is the reference; trials and
confirmations see them with noise, whose standard deviation is the unit. It prints how many of nine confirmations are
made, how often dropping changes what is chosen, and how much higher the true error of the choice is then, on average
over all worlds. With `--sampled` too the noise is a share of the errors, and what trials see is also off by what their
sample does to each configuration.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from reeltune.cluster.runs.find import find_run
from reeltune.cluster.runs.folder import Entries, Entry, Stage, read_entries
from reeltune.cluster.search.choice import EARLY, SEEDS, Choice, choose, confirmed, dropped, finalists, often

TRIALS, WORLDS = 20, 4000
SPREADS, REFERENCES = (0.5, 2.0), (0.0, 2.0, 6.0, 20.0)
NOISES = (0.001, 0.003, 0.01)  # of a sampled search, as shares of errors
SHIFT = 3.0  # what the sample does to a configuration, in units of the noise


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*")
    parser.add_argument("--sampled", action="store_true")
    parser.add_argument("--made-up", action="store_true")
    arguments = parser.parse_args()
    if arguments.runs:
        counts = "architectures | finalists dropped | of | decided after 1 | after 2"
        print(f"| run | {counts} | core s of confirmations | saved | by that | chosen otherwise | loss |")
        print(f"| ---{' | ---:' * 10} |")
    for name in arguments.runs:
        entries = list(read_entries(find_run(name).ledger))
        print(replayed(name, [as_sampled(entry) for entry in entries] if arguments.sampled else entries))
    if arguments.made_up and arguments.sampled:
        print("| noise | spread of true errors | finalists dropped | confirmations | chosen otherwise | loss |")
        print("| ---: | ---: | ---: | ---: | ---: | ---: |")
        for noise in NOISES:
            for spread in (2.0, 6.0, 20.0):
                cells = made_up(spread, 0.0, level=1 / noise, shift=SHIFT).split("|")
                print(f"| {noise:.1%} |{'|'.join([cells[1], *cells[3:]])}")
    elif arguments.made_up:
        columns = "finalists dropped | confirmations | chosen otherwise | loss of true error"
        print(f"| spread of true errors | the reference's | {columns} |")
        print("| ---: | ---: | ---: | ---: | ---: | ---: |")
        for spread in SPREADS:
            for reference in REFERENCES:
                print(made_up(spread, reference))


def as_sampled(entry: Entry) -> Entry:
    """The entry, of a search trial as if it had fit on a sample."""
    return replace(entry, on_sample=entry.config) if entry.stage == "search" else entry


def with_dropping(whole: Entries, architecture: str) -> tuple[Entries, Entries]:
    """The entries as they would have been with the rules, and those if nobody that is left were tried less often."""
    first = Entries(entry for entry in whole.entries if entry.fold <= 1)
    names = {entry.trial for entry in dropped(first, architecture)}
    kept = Entries(entry for entry in whole.entries if entry.fold <= 1 or confirmed(entry) not in names)
    for times in range(1, SEEDS):
        less = Entries(entry for entry in kept.entries if entry.fold <= times)
        if often(less, architecture) == times:
            return less, kept
    return kept, kept


def replayed(run: str, entries: list[Entry]) -> str:
    """The row of a run."""
    whole = Entries(entries)
    architectures = [name for name in dict.fromkeys(entry.architecture for entry in entries) if complete(whole, name)]
    all_seconds = saved = early = loss = 0.0
    count = out = otherwise = 0
    times = []
    for name in architectures:
        less, kept = with_dropping(whole, name)
        took, undecided, least = (sum(e.seconds for e in each.of("confirm", name)) for each in (whole, kept, less))
        all_seconds, saved = all_seconds + took, saved + took - least
        early += undecided - least
        count += len(finalists(whole, name))
        out += len(dropped(less, name))
        times.append(often(less, name))
        before, after = chosen(whole, name), chosen(less, name)
        otherwise += after.config != before.config
        loss = max(loss, mean_of(after, whole) / before.value - 1)
    shares = (f"{each / max(all_seconds, 1e-9):.0%}" for each in (saved, early))
    counts = (len(architectures), out, count, times.count(1), times.count(EARLY))
    cells = (Path(run).name, *counts, f"{all_seconds:.0f}", *shares, otherwise)
    return f"| {' | '.join(map(str, cells))} | {loss:.2%} |"


def chosen(ledger: Entries, architecture: str) -> Choice:
    choice = choose(ledger, architecture)
    assert choice is not None, "every first confirmation is done"
    return choice


def mean_of(choice: Choice, whole: Entries) -> float:
    """The mean error of a choice's configuration over every confirmation that it has."""
    every = [entry for entry in whole.entries if entry.stage == "confirm" and entry.config == choice.config]
    return float(np.mean([entry.value for entry in every if entry.value is not None]))


def complete(ledger: Entries, architecture: str) -> bool:
    """Whether each finalist has all of its confirmations."""
    done = [confirmed(entry) for entry in ledger.of("confirm", architecture) if entry.state == "done"]
    return all(done.count(entry.trial) == SEEDS for entry in finalists(ledger, architecture))


def made_up(spread: float, reference: float, *, level: float = 0.0, shift: float = 0.0) -> str:
    """The row of worlds in which the true errors have this spread, and the reference this error.

    With a `level` errors are that much higher, and trials are of a sample, which shifts each by a number of deviation
    `shift`.
    """
    draw, out, made, otherwise, loss = np.random.default_rng(0), 0, 0, 0, 0.0
    for _ in range(WORLDS):
        truth = draw.normal(0, spread, TRIALS)
        truth[0] = reference
        truth += level
        whole = Entries(world(truth, draw, shift))
        less, _ = with_dropping(whole, "made up")
        before, after = chosen(whole, "made up"), chosen(less, "made up")
        out += len(dropped(less, "made up"))
        made += len(less.of("confirm", "made up"))
        otherwise += before.config != after.config
        loss += truth[after.config["number"]] - truth[before.config["number"]]
    counts = f"{out / WORLDS:.2f} of 3 | {made / WORLDS:.2f} of 9"
    return f"| {spread:g} | {reference:g} | {counts} | {otherwise / WORLDS:.1%} | {loss / WORLDS:+.4f} |"


def world(truth: np.ndarray, draw: np.random.Generator, shift: float = 0.0) -> Iterator[Entry]:
    """The trials of these true errors, and every confirmation of the finalists."""
    shifts = draw.normal(0, shift, len(truth)) if shift else np.zeros(len(truth))
    trials = [seen(f"{n:03}", n, error + by, draw) for n, (error, by) in enumerate(zip(truth, shifts, strict=True))]
    if shift:
        trials = [as_sampled(entry) for entry in trials]
    yield from trials
    for entry in finalists(Entries(trials), "made up"):
        for number in range(1, 1 + SEEDS):
            yield seen(f"{entry.trial}-again{number}", entry.number, truth[entry.number], draw, fold=number)


def seen(trial: str, number: int, error: float, draw: np.random.Generator, *, fold: int = 0) -> Entry:
    stage: Stage = "confirm" if fold else "search"
    return Entry(
        trial=trial,
        architecture="made up",
        number=number,
        stage=stage,
        state="done",
        config={"number": number},
        value=error + float(draw.normal()),
        metrics=None,
        temperature=1.0,
        curve={},
        epochs=1,
        seconds=1.0,
        seed=0,
        error=None,
        fold=fold,
    )


if __name__ == "__main__":
    main()
