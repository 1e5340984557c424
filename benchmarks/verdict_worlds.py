"""Does the verdict keep its word with few effective users? Worlds without a true gain.

    python benchmarks/verdict_worlds.py                       # 1,000 worlds of each kind, about 1 minute
    python benchmarks/verdict_worlds.py --only "51" "100 users, 2%" --worlds 10000
    python benchmarks/verdict_worlds.py --against bca         # beside users resampled (scipy's BCa): 20 minutes, shared

Columns: how often a false "beats" or "worse" is said; how often the 95% interval holds the true gain; how often "beats"
is said if each row gains as much more as stands after "+"; the same three of another method in the same worlds; and the
median ratio of the two intervals' widths. The other method is the interval that is common for clustered rows (standard
error of Liang & Zeger 1986, Student's t with users − 1 degrees of freedom), or BCa.

A user's rows gain what the user's own effect says, and noise. The baseline's mean error is 0.8. In the worlds of
MovieLens-100k, users are drawn with replacement from those of a split, with their gains by `svdpp` and `autorec` over
`pmf` less the mean gain. The last three worlds are beyond what the verdict promises: see docs/verdict.md.
"""

import argparse
import functools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from movielens import Row, fitted, ratings_of, world
from scipy.stats import bootstrap, t

from reeltune.cluster.session.machine import description
from reeltune.trainables.scoring.comparison import comparison
from reeltune.trainables.scoring.gains import Gains, gains
from reeltune.trainables.scoring.levels import LEVEL

Draw = np.random.Generator
ERROR = 0.8
SPLIT_SEED = 101  # of no published figure
RESAMPLES = 2000


@dataclass(frozen=True, kw_only=True)
class World:
    """A kind of world, whose true gain is 0."""

    name: str
    gain: float  # to add, for power
    made: Callable[[Draw], Gains]


def made(
    sizes: Callable[[Draw], np.ndarray], effects: Callable[[Draw, int], np.ndarray], noise: float
) -> Callable[[Draw], Gains]:
    """Users of these sizes and effects, whose rows have this deviation."""

    def one(draw: Draw) -> Gains:
        counts = sizes(draw)
        spare = max(1, int(counts.sum()) - len(counts))
        totals = counts * effects(draw, len(counts)) + np.sqrt(counts) * draw.normal(0, noise, len(counts))
        return Gains(totals=totals, counts=counts, within=noise**2 * draw.chisquare(spare) / spare, error=ERROR)

    return one


def groups(*sizes: tuple[int, int]) -> Callable[[Draw], np.ndarray]:
    """So many users of so many rows each."""
    counts = np.repeat([rows for _, rows in sizes], [users for users, _ in sizes])
    return lambda draw: counts


def pareto(users: int, shape: float) -> Callable[[Draw], np.ndarray]:
    return lambda draw: np.minimum(5 * (draw.pareto(shape, users) + 1), 1e5).astype(int)


def lognormal(users: int) -> Callable[[Draw], np.ndarray]:
    return lambda draw: np.maximum(1, draw.lognormal(2.6, 1, users)).astype(int)


def normal(draw: Draw, users: int) -> np.ndarray:
    return draw.normal(0, 0.1, users)


def skewed(shape: float, scale: float) -> Callable[[Draw, int], np.ndarray]:
    """Lognormal effects less their mean: most lose a little, few gain much."""
    return lambda draw, users: scale * (draw.lognormal(0, shape, users) - np.exp(shape**2 / 2))


def rare(share: float, loss: float = 1.0) -> Callable[[Draw, int], np.ndarray]:
    """A small share of the users loses much; the others gain a little, all the same."""
    return lambda draw, users: np.where(draw.random(users) < share, -loss, loss * share / (1 - share))


@functools.cache
def errors_of(architecture: str) -> tuple[np.ndarray, np.ndarray]:
    """The squared errors of a fit at its defaults on the test rows of MovieLens-100k, and the rows' users."""
    arguments = argparse.Namespace(split="random", parts="test")
    given = world(SPLIT_SEED, arguments)
    held_out = given.held_out("test")
    fit, _ = fitted(Row(label="", architecture=architecture, changes={}), given.shape, given.fitting("test"), 42)
    return (ratings_of(fit, held_out) - held_out.ratings) ** 2, held_out.users


def movielens(architecture: str) -> Callable[[Draw], Gains]:
    """Users of MovieLens-100k, drawn with replacement, with their gains over `pmf` less the mean gain."""

    @functools.cache
    def whole() -> tuple[Gains, np.ndarray]:
        (baseline, users), (other, _) = errors_of("pmf"), errors_of(architecture)
        _, member, counts = np.unique(users, return_inverse=True, return_counts=True)
        found, each = gains(baseline, other, member, counts), baseline - other
        squares = np.bincount(member, weights=(each - (found.totals / counts)[member]) ** 2)
        return found, squares

    def one(draw: Draw) -> Gains:
        found, squares = whole()
        who = draw.integers(0, found.users, found.users)
        counts = found.counts[who]
        within = float(squares[who].sum() / (counts.sum() - len(counts)))
        return Gains(totals=found.off[who], counts=counts, within=within, error=found.error)

    return one


WORLDS = (
    World(name="21 users, one has 90% of the rows", gain=0.1, made=made(groups((1, 1800), (20, 10)), normal, 0.3)),
    World(name="41 users, one has 80%", gain=0.1, made=made(groups((1, 1600), (40, 10)), normal, 0.3)),
    World(name="51 users, one has 50%", gain=0.1, made=made(groups((1, 400), (50, 8)), normal, 0.3)),
    World(name="52 users, two have 40% each", gain=0.1, made=made(groups((2, 500), (50, 5)), normal, 0.3)),
    World(name="90 users, sizes Pareto(1.1)", gain=0.1, made=made(pareto(90, 1.1), normal, 0.3)),
    World(name="100 users, sizes Pareto(1.2)", gain=0.1, made=made(pareto(100, 1.2), normal, 0.3)),
    World(
        name="200 users, Pareto(1.2), skewed effects",
        gain=0.1,
        made=made(pareto(200, 1.2), skewed(1.0, 0.1), 0.3),
    ),
    World(name="25 users, effects lognormal(1.2)", gain=0.1, made=made(groups((25, 20)), skewed(1.2, 0.05), 0.1)),
    World(name="30 users, effects lognormal(1)", gain=0.1, made=made(groups((30, 20)), skewed(1.0, 0.1), 0.3)),
    World(name="30 users, effects lognormal(1), tenfold", gain=2.0, made=made(groups((30, 20)), skewed(1.0, 1.0), 0.3)),
    World(name="100 users, effects lognormal(1.2)", gain=0.1, made=made(groups((100, 20)), skewed(1.2, 0.05), 0.1)),
    World(name="100 users, 2% lose 1", gain=0.1, made=made(groups((100, 10)), rare(0.02), 0.05)),
    World(name="300 users, 1% lose 1", gain=0.1, made=made(groups((300, 10)), rare(0.01), 0.05)),
    World(name="20 users of 20 rows", gain=0.15, made=made(groups((20, 20)), normal, 0.3)),
    World(name="60 users of 12 rows", gain=0.06, made=made(groups((60, 12)), normal, 0.3)),
    World(name="150 users of 5 rows", gain=0.05, made=made(groups((150, 5)), normal, 0.3)),
    World(name="943 users, sizes lognormal", gain=0.015, made=made(lognormal(943), normal, 0.6)),
    World(name="MovieLens-100k's users, svdpp", gain=0.05, made=movielens("svdpp")),
    World(name="MovieLens-100k's users, autorec", gain=0.01, made=movielens("autorec")),
    World(name="beyond: 100 users, 2% lose 2", gain=0.1, made=made(groups((100, 10)), rare(0.02, 2.0), 0.05)),
    World(
        name="beyond: 30 users, huge lognormal(1.2)",
        gain=0.1,
        made=made(groups((30, 20)), skewed(1.2, 0.4), 0.1),
    ),
    World(name="beyond: 100 users, 2% lose 1, noise", gain=0.1, made=made(groups((100, 10)), rare(0.02), 0.2)),
)


def common(found: Gains) -> tuple[float, float]:
    """Liang & Zeger's standard error, and Student's t with users − 1 degrees of freedom."""
    error = np.sqrt(found.users / (found.users - 1) * (found.off**2).sum()) / found.rows
    half = float(t.ppf(1 - LEVEL / 2, found.users - 1) * error)
    return found.mean - half, found.mean + half


def resampled(found: Gains) -> tuple[float, float]:
    """Users resampled, with all of their rows: scipy's BCa."""

    def mean(totals: np.ndarray, counts: np.ndarray, axis: int = -1) -> np.ndarray:
        return totals.sum(axis) / counts.sum(axis)

    pairs = (found.totals, found.counts)
    done = bootstrap(pairs, mean, paired=True, method="BCa", n_resamples=RESAMPLES, rng=np.random.default_rng(1))
    return tuple(done.confidence_interval)


METHODS = {"t": common, "bca": resampled}


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What was said in one world, by the verdict and by the other method."""

    false: bool
    covered: bool
    shown: bool  # the gain that was added
    other_false: bool
    other_covered: bool
    other_shown: bool
    ratio: float  # of the intervals' widths


def seen(kind: World, draw: Draw, other: Callable[[Gains], tuple[float, float]]) -> Seen:
    found = kind.made(draw)
    said = comparison(found)
    low, high = said.ci95 or (-np.inf, np.inf)  # none: one user has nearly all rows, and nothing is said
    other_low, other_high = other(found)
    better = comparison(replace(found, totals=found.totals + found.counts * kind.gain))
    return Seen(
        false=said.p < LEVEL,
        covered=low <= 0 <= high,
        shown=better.p < LEVEL and better.gain > 0,
        other_false=other_low > said.nothing or other_high < -said.nothing,
        other_covered=other_low <= 0 <= other_high,
        other_shown=other_low + kind.gain > better.nothing,
        ratio=(high - low) / (other_high - other_low),
    )


def row(kind: World, each: list[Seen]) -> str:
    def share(name: str) -> str:
        return f"{np.mean([getattr(one, name) for one in each]):.1%}"

    names = ("false", "covered", "shown", "other_false", "other_covered", "other_shown")
    ratio = np.median([one.ratio for one in each])
    return f"| {kind.name} (+{kind.gain:g}) | {' | '.join(map(share, names))} | {ratio:.1f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=1000, help="of each kind")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", nargs="+", default=[""], help="names that start with one of these")
    parser.add_argument("--against", choices=METHODS, default="t")
    arguments = parser.parse_args()
    print(f"machine: {description()}; {arguments.worlds} worlds of each kind, seed {arguments.seed}")
    other = METHODS[arguments.against]
    print(f"| world | false words | covered | beats | {arguments.against}: false | covered | beats | width ratio |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for place, kind in enumerate(WORLDS):
        if kind.name.startswith(tuple(arguments.only)):
            draw = np.random.default_rng((arguments.seed, place))
            print(row(kind, [seen(kind, draw, other) for _ in range(arguments.worlds)]), flush=True)


if __name__ == "__main__":
    main()
