"""Samplers: what draws the next configuration of a study. To add one: a function, and its line in SAMPLERS."""

import math
import random
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from optuna.samplers import BaseSampler, GPSampler, PartialFixedSampler, RandomSampler, TPESampler

from reeltune.search_spaces.space import Space, Value

STARTUP = 8  # trials drawn at random before a model is fitted to them; chosen on validation parts, see docs/defaults.md
GRID = 3  # values of each range that the grid has: its two ends and the middle
MOST = 10_000  # combinations of a grid that are ever looked at: the shipped spaces have millions


@dataclass(frozen=True, kw_only=True)
class Draw:
    """The trial that a sampler is made for.

    Each trial has a sampler of its own, which keeps nothing: a resumed search, whose studies are rebuilt from the
    ledger, draws what an undisturbed one would have.
    """

    space: Space
    place: int  # which of the study's sampled trials this is, counting from 0
    seed: int  # of this trial
    study_seed: int  # the same for all trials of the study


def tpe(draw: Draw) -> BaseSampler:
    """Tree-structured Parzen estimators (Bergstra et al. 2011). `group` models each branch of a conditional space."""
    return TPESampler(seed=draw.seed, multivariate=True, group=True, n_startup_trials=STARTUP)


def gp(draw: Draw) -> BaseSampler:
    """A Gaussian process and expected improvement. Parameters that not all trials have are drawn at random."""
    return GPSampler(seed=draw.seed, n_startup_trials=STARTUP, warn_independent_sampling=False)


def uniform(draw: Draw) -> BaseSampler:
    return RandomSampler(seed=draw.seed)


def sobol(draw: Draw) -> BaseSampler:
    """The next point of a scrambled Sobol sequence (quasi-Monte Carlo): spread more evenly than random ones.

    Not Optuna's QMCSampler: that draws conditional parameters at random, and keeps its place in the study's journal,
    which `--resume` makes anew.
    """
    parameters = draw.space.parameters
    if not parameters:
        return uniform(draw)
    from scipy.stats import qmc  # takes a second to load

    sequence = qmc.Sobol(len(parameters), seed=draw.study_seed)
    if draw.place:
        sequence.fast_forward(draw.place)
    shares = sequence.random(1)[0]
    point = {name: p.at(float(share)) for (name, p), share in zip(parameters.items(), shares, strict=True)}
    return PartialFixedSampler(point, uniform(draw))


def grid(draw: Draw) -> BaseSampler:
    """The next combination of a coarse grid, in an order drawn by the study's seed; after the last one, random points.

    Not Optuna's GridSampler: that lists every combination at each trial, also those that differ only in parameters
    that do not apply.
    """
    values = {name: parameter.grid(GRID) for name, parameter in draw.space.parameters.items()}
    count = math.prod(map(len, values.values()))
    seen: set[tuple[tuple[str, Value], ...]] = set()
    for number in _some_of(count, random.Random(draw.study_seed)):
        point = _combination(values, number)
        seen.add(tuple((name, point[name]) for name in draw.space.active(point)))
        if len(seen) > draw.place:
            return PartialFixedSampler(point, uniform(draw))
    return uniform(draw)


def _some_of(count: int, order: random.Random) -> Iterable[int]:
    """MOST of the numbers below `count`, or all, each once, in a random order."""
    if count <= sys.maxsize:
        return order.sample(range(count), min(count, MOST))
    # `range` has no length beyond. Of so many numbers two draws are hardly ever the same one.
    return dict.fromkeys(order.randrange(count) for _ in range(MOST))


def _combination(values: dict[str, list[Value]], number: int) -> dict[str, Value]:
    """The combination of this number, as if all of them were counted up like the digits of a number."""
    point = {}
    for name, of_this in values.items():
        number, digit = divmod(number, len(of_this))
        point[name] = of_this[digit]
    return point


MakeSampler = Callable[[Draw], BaseSampler]
SAMPLERS: dict[str, MakeSampler] = {"tpe": tpe, "gp": gp, "random": uniform, "qmc": sobol, "grid": grid}
