"""What dropping finalists after their first confirmation saves, and whether it changes what is chosen.

    python benchmarks/confirmations.py RUN ...     # a moment: finished runs
    python benchmarks/confirmations.py RUN ... --sampled   # as if their trials had been on a sample of users
    python benchmarks/confirmations.py --made-up   # a minute: made-up errors; the same with --sampled

Of runs it reads the ledgers alone, which hold errors on validation rows and none on test rows. It takes the
architectures whose finalists have every confirmation, as those of a run of before the rule of cluster/search/choice.py
have, and says how many of the finalists the rule would have dropped, which share of the confirmations' seconds that
saves, for how many architectures another configuration would have been chosen, and by which share its mean over all
confirmations is at most higher.

Made up: 20 configurations of normally distributed true errors, of which the first is the reference; trials and
confirmations see them with noise, whose standard deviation is the unit. It prints how often dropping changes what is
chosen, and how much higher the true error of the choice is then, on average over all worlds. With `--sampled` too the
noise is a share of the errors, and what trials see is also off by what their sample does to each configuration.
"""

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from reeltune.cluster.runs.find import find_run
from reeltune.cluster.runs.folder import Entry, Ledger, Stage, read_entries
from reeltune.cluster.search.choice import SEEDS, choose, confirmed, dropped, finalists

NOWHERE = Path("/nonexistent/trials.jsonl")  # of ledgers that are only in memory
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
        columns = "architectures | finalists dropped | of | core s of confirmations | saved | chosen otherwise | loss"
        print(f"| run | {columns} |")
        print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name in arguments.runs:
        entries = list(read_entries(find_run(name).ledger))
        print(replayed(name, [as_sampled(entry) for entry in entries] if arguments.sampled else entries))
    if arguments.made_up and arguments.sampled:
        print("| noise | spread of true errors | finalists dropped | chosen otherwise | loss of true error |")
        print("| ---: | ---: | ---: | ---: | ---: |")
        for noise in NOISES:
            for spread in (2.0, 6.0, 20.0):
                cells = made_up(spread, 0.0, level=1 / noise, shift=SHIFT).split("|")
                print(f"| {noise:.1%} |{'|'.join([cells[1], *cells[3:]])}")
    elif arguments.made_up:
        print("| spread of true errors | the reference's | finalists dropped | chosen otherwise | loss of true error |")
        print("| ---: | ---: | ---: | ---: | ---: |")
        for spread in SPREADS:
            for reference in REFERENCES:
                print(made_up(spread, reference))


def of(entries: Iterable[Entry]) -> Ledger:
    ledger = Ledger(NOWHERE)
    ledger.entries = list(entries)
    return ledger


def as_sampled(entry: Entry) -> Entry:
    """The entry, of a search trial as if it had fit on a sample."""
    return replace(entry, on_sample=entry.config) if entry.stage == "search" else entry


def with_dropping(whole: Ledger, architecture: str) -> tuple[Ledger, set[str]]:
    """The ledger as it would have been with the rule, and the names of the trials that it would have dropped."""
    first = of(entry for entry in whole.entries if entry.fold <= 1)
    names = {entry.trial for entry in dropped(first, architecture)}
    return of(entry for entry in whole.entries if entry.fold <= 1 or confirmed(entry) not in names), names


def replayed(run: str, entries: list[Entry]) -> str:
    """The row of a run."""
    whole = of(entries)
    seconds = saved = count = out = otherwise = loss = 0.0
    architectures = [name for name in dict.fromkeys(entry.architecture for entry in entries) if complete(whole, name)]
    for name in architectures:
        less, names = with_dropping(whole, name)
        all_seconds, fewer = (sum(e.seconds for e in ledger.of("confirm", name)) for ledger in (whole, less))
        seconds, saved = seconds + all_seconds, saved + all_seconds - fewer
        count, out = count + len(finalists(whole, name)), out + len(names)
        before, after = choose(whole, name), choose(less, name)
        assert before is not None, "every confirmation is done"
        assert after is not None, "every confirmation is done"
        otherwise += after != before
        loss = max(loss, after.value / before.value - 1)
    share = saved / seconds if seconds else 0.0
    cells = (Path(run).name, len(architectures), f"{out:.0f}", f"{count:.0f}", f"{seconds:.0f}", f"{share:.0%}")
    return f"| {' | '.join(map(str, cells))} | {otherwise:.0f} | {loss:.2%} |"


def complete(ledger: Ledger, architecture: str) -> bool:
    """Whether each finalist has all of its confirmations."""
    done = [confirmed(entry) for entry in ledger.of("confirm", architecture) if entry.state == "done"]
    return all(done.count(entry.trial) == SEEDS for entry in finalists(ledger, architecture))


def made_up(spread: float, reference: float, *, level: float = 0.0, shift: float = 0.0) -> str:
    """The row of worlds in which the true errors have this spread, and the reference this error.

    With a `level` errors are that much higher, and trials are of a sample, which shifts each by a number of deviation
    `shift`.
    """
    draw, out, otherwise, loss = np.random.default_rng(0), 0, 0, 0.0
    for _ in range(WORLDS):
        truth = draw.normal(0, spread, TRIALS)
        truth[0] = reference
        truth += level
        whole = of(world(truth, draw, shift))
        less, names = with_dropping(whole, "made up")
        before, after = choose(whole, "made up"), choose(less, "made up")
        assert before is not None, "every confirmation is done"
        assert after is not None, "every confirmation is done"
        out += len(names)
        otherwise += before.config != after.config
        loss += truth[after.config["number"]] - truth[before.config["number"]]
    return f"| {spread:g} | {reference:g} | {out / WORLDS:.2f} of 3 | {otherwise / WORLDS:.1%} | {loss / WORLDS:+.4f} |"


def world(truth: np.ndarray, draw: np.random.Generator, shift: float = 0.0) -> Iterator[Entry]:
    """The trials of these true errors, and every confirmation of the finalists."""
    shifts = draw.normal(0, shift, len(truth)) if shift else np.zeros(len(truth))
    trials = [seen(f"{n:03}", n, error + by, draw) for n, (error, by) in enumerate(zip(truth, shifts, strict=True))]
    if shift:
        trials = [as_sampled(entry) for entry in trials]
    yield from trials
    for entry in finalists(of(trials), "made up"):
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
