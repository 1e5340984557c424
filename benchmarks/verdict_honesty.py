"""Does the verdict keep its word? Many small made-up worlds, in each of which the truth is known.

    python benchmarks/verdict_honesty.py --output worlds.jsonl                 # 500 worlds, resumed if cut off
    python benchmarks/verdict_honesty.py --output worlds.jsonl --worlds 1000   # goes on with those that it lacks

In each world two things are judged: a single pair of final models, and what `tune --no-ensemble --no-asha` does
(without Ray: search over 4 architectures, the best tried again, refits with 3 seeds). The truth is the error of the
same fits on a million fresh ratings of the world. OUTPUT keeps the errors on test rows, a line for each world; the
table is made of them, so that another way to judge needs no fit again.
"""

import argparse
import itertools
import json
import multiprocessing
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from honesty_worlds import KINDS, SEARCHED, judged
from scipy.stats import binomtest

from reeltune.cluster.judging.baseline import KEY, judge_all
from reeltune.cluster.session.machine import description
from reeltune.trainables.scoring.verdict import Verdict

NOTHING = 0.0005  # a true difference below is none
SIZES = (0.0, NOTHING, 0.005, 0.02, 0.05, 10.0)


def finished(output: Path, seed: int) -> list[dict[str, Any]]:
    """The worlds of this seed in the output; a line that was cut off is none."""
    found = []
    for line in filter(None, output.read_text().splitlines() if output.exists() else ()):
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return [world for world in found if world["seed"] == seed]


def run(worlds: int, seed: int, output: Path) -> None:
    done = {world["world"] for world in finished(output, seed)}
    left = [(number, seed) for number in range(worlds) if number not in done]
    processes = min(len(os.sched_getaffinity(0)), len(left))
    if not left:
        return
    # Fresh processes: a forked torch may wait for ever.
    with multiprocessing.get_context("spawn").Pool(processes) as pool, output.open("a") as file:
        file.write("\n")  # after a line that was cut off
        for world in pool.imap_unordered(judged, left):
            file.write(json.dumps(world) + "\n")
            file.flush()


@dataclass(frozen=True, kw_only=True)
class Said:
    """What was said of one predictor in one world, and the truth."""

    world: int
    kind: str
    verdict: Verdict
    truth: float  # the true gain

    @property
    def same(self) -> bool:
        """Whether this is the baseline itself, once more."""
        return self.verdict.comparison.gain == 0 == self.truth

    @property
    def decided(self) -> bool:
        return self.verdict.word != "undecided"

    @property
    def false(self) -> bool:
        towards = {"beats": self.truth, "worse": -self.truth, "undecided": 1.0}[self.verdict.word]
        return towards < NOTHING

    @property
    def covered(self) -> bool:
        assert self.verdict.comparison.ci95 is not None  # a world has 60 users and more
        low, high = self.verdict.comparison.ci95
        return low <= self.truth <= high


def said(world: dict[str, Any], part: str, *, by_row: bool = False) -> Iterable[Said]:
    """The verdicts on a world's pair, or on all of its procedure."""
    found = {name: each for name, each in world[part].items() if name != "kind"}
    baseline = found.pop(KEY)
    errors = {name: np.array(each["errors"]) for name, each in found.items()}
    users = np.arange(len(world["users"])) if by_row else np.array(world["users"])
    verdicts = judge_all(errors, np.array(baseline["errors"]), users)
    for name, each in found.items():
        yield Said(
            world=world["world"],
            kind=world[part].get("kind", "procedure"),
            verdict=verdicts[name],
            truth=baseline["truth"] - each["truth"],
        )


def share(words: list[Said], true: Callable[[Said], bool], *, every: Callable[[list[bool]], float]) -> str:
    """The share of worlds, with the exact 95% interval (Clopper & Pearson 1934) of as many independent ones.

    Of a world with several words `every` gives one number: they are no independent ones.
    """
    worlds: dict[int, list[bool]] = {}
    for each in words:
        worlds.setdefault(each.world, []).append(true(each))
    found = float(np.mean([every(flags) for flags in worlds.values()]))
    interval = binomtest(round(found * len(worlds)), len(worlds)).proportion_ci()
    return f"{found:.1%} ({interval.low:.1%} to {interval.high:.1%})"


def row(label: str, words: list[Said]) -> str:
    if not words:
        return f"| {label} | 0 | | | |"
    false = share(words, lambda each: each.false, every=any)
    # Where the search chose the very baseline there is nothing to cover.
    covered = share([each for each in words if not each.same], lambda each: each.covered, every=np.mean)
    decided = np.mean([each.decided for each in words])
    return f"| {label} | {len({each.world for each in words})} | {false} | {covered} | {decided:.0%} |"


def power(words: list[Said], low: float, high: float) -> str:
    of_size = [each.decided for each in words if low <= abs(each.truth) < high and not each.same]
    return f"{np.mean(of_size):.0%} of {len(of_size)}" if of_size else ""


def print_tables(worlds: list[dict[str, Any]]) -> None:
    pairs = [each for world in worlds for each in said(world, "pair")]
    whole = [each for world in worlds for each in said(world, "procedure")]
    by_row = [each for world in worlds for each in said(world, "pair", by_row=True)]
    print("| judged | worlds | said falsely | true gain inside the 95% interval | decided |")
    print("| --- | ---: | ---: | ---: | ---: |")
    print(row("one pair of final models", pairs))
    for kind, meaning in KINDS.items():
        print(row(f"… {meaning}", [each for each in pairs if each.kind == kind]))
    print(row(f"search over {len(SEARCHED)} architectures, then verdict", whole))
    print(row("one pair, were each row a user of its own", by_row))
    print("\n| true gain or loss | pairs decided | after a search |\n| --- | ---: | ---: |")
    for low, high in itertools.pairwise(SIZES):
        print(f"| {low:g} to {high:g} | {power(pairs, low, high)} | {power(whole, low, high)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("verdict_honesty.jsonl"))
    arguments = parser.parse_args()
    run(arguments.worlds, arguments.seed, arguments.output)
    print(f"machine: {description()}\n")
    print_tables([world for world in finished(arguments.output, arguments.seed) if world["world"] < arguments.worlds])


if __name__ == "__main__":
    main()
