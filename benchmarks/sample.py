"""Whether the best configurations of a search on a sample of users are the best on all rows.

    python benchmarks/sample.py DATA --rows 100000 --architectures pmf svdpp svdpp_ordinal

Fits the reference and some configurations that are spread over each architecture's space, on a sample of users as
`reeltune tune --sample` draws it, and on all training rows. Errors are argmax-MSE on validation rows; the test rows
are not looked at. Printed: Spearman's rank correlation of the two errors; by how much the best of all errs less, on
all rows, than the best of the FINALISTS that the sample would have confirmed there; and the seconds of the fits.
"""

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial

import torch
from scipy.stats import spearmanr

from reeltune.cluster.commands.probe import spread
from reeltune.cluster.search.choice import FINALISTS
from reeltune.cluster.search.on_sample import adapter
from reeltune.cluster.session.machine import description
from reeltune.search_spaces import declared
from reeltune.trainables.architectures.registry import SHIPPED
from reeltune.trainables.data.prepared import DataOptions, FitData, prepare
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.data.user_sample import user_sample
from reeltune.trainables.fitting.fit import Fit, on_device
from reeltune.trainables.fitting.loop import calibrate, evaluate, run

Config = dict[str, str | int | float | bool]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One configuration's errors and seconds."""

    sample: float
    every: float
    sample_seconds: float
    every_seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--architectures", nargs="+", default=["pmf", "svdpp", "svdpp_ordinal"])
    parser.add_argument("--configurations", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    given = asked.data, asked.rows, asked.seed
    every, sample = read(*given)
    print(f"machine: {description()}; {len(sample):,} of {len(every):,} ratings, {sample.shape.users - 1:,} users")
    print("| architecture | configurations | rank correlation | given away | seconds, sample | seconds, all |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    with ProcessPoolExecutor(asked.processes) as pool:
        for name in asked.architectures:
            configs = drawn(name, every.shape, asked.configurations)
            print(line(name, list(pool.map(partial(pair, name, given), configs))), flush=True)


@cache  # once in each process
def read(data: str, rows: int, seed: int) -> tuple[FitData, FitData]:
    """All rows that fits may see, and a sample of them."""
    torch.set_num_threads(1)
    every = prepare(DataOptions(data=data)).seen
    return every, user_sample(every, rows, seed=seed)


def drawn(name: str, shape: Shape, count: int) -> list[Config]:
    """The reference, and configurations that are spread over the space for data of this shape."""
    reference = SHIPPED[name].reference(shape).model_dump()
    space = declared(SHIPPED, [name])[name].on(shape, SHIPPED[name])
    return [reference, *({**reference, **point} for point in spread(space, count - 1))]


def line(name: str, pairs: list[Pair]) -> str:
    rank = spearmanr([pair.sample for pair in pairs], [pair.every for pair in pairs]).statistic
    finalists = sorted(pairs[1:], key=lambda pair: pair.sample)[: FINALISTS - 1]  # the reference is always one
    best = min(pair.every for pair in (pairs[0], *finalists))
    given_away = best - min(pair.every for pair in pairs)
    seconds = [sum(pair.sample_seconds for pair in pairs), sum(pair.every_seconds for pair in pairs)]
    return f"| {name} | {len(pairs)} | {rank:+.2f} | {given_away:.4f} | {seconds[0]:.0f} | {seconds[1]:.0f} |"


def pair(name: str, given: tuple[str, int, int], config: Config) -> Pair:
    every, sample = read(*given)
    adapt = adapter(declared(SHIPPED, [name]), SHIPPED, whole=every.shape, sample=sample.shape)
    on_sample, sample_seconds = _error(name, adapt(name, config), sample)
    on_every, every_seconds = _error(name, config, every)
    return Pair(sample=on_sample, every=on_every, sample_seconds=sample_seconds, every_seconds=every_seconds)


def _error(name: str, config: Config, seen: FitData) -> tuple[float, float]:
    start = time.thread_time()
    fit = Fit(SHIPPED[name], SHIPPED[name].Config.model_validate(config), seen.shape, seen.train, seed=0)
    for _ in run(fit):
        pass
    rows = on_device(seen.validation, fit.device)
    error = evaluate(fit, rows, decoder="argmax", temperature=calibrate(fit, rows)).of("argmax")
    return error, time.thread_time() - start


if __name__ == "__main__":
    main()
