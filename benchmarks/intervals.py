"""How many ratings lie within the intervals of `predict --intervals`. About a minute a file on one core.

    python benchmarks/intervals.py MovieLens=ml-100k FilmTrust=filmtrust/train.parquet

Of each file a tenth is cut off at random for the count and another for the intervals; the defaults are fitted once on
the rest. Of a larger file some users are taken, with all their ratings. Shares are means over two such cuts, with the
one that is furthest from 80%, or 95%; widths are means too.
"""

import argparse

import numpy as np
import torch

from reeltune.cluster.session.machine import description
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data import Ratings, Rows, load_data
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.fitting.fit import Fit
from reeltune.trainables.fitting.loop import run
from reeltune.trainables.scoring.decoders import decode, fit_temperature
from reeltune.trainables.scoring.metrics import predict
from reeltune.trainables.scoring.spread import LEVELS, Spread, known_of

CUTS = (1, 2)
NAMES = ("bias", "pmf", "svdpp", "svdpp_classifier", "svdpp_ordinal")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", metavar="NAME=DATA")
    parser.add_argument("--most", type=int, default=60_000, help="ratings of a file")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print(f"machine: {description()}")
    print("| data | fit | 80% | worst | width | 95% | worst | width |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for word in asked.data:
        title, _, source = word.partition("=")
        ratings = load_data(source)
        for name in NAMES:
            cells = line(np.stack([measured(name, *cut(ratings, asked.most, seed)) for seed in CUTS]))
            print(f"| {title} | `{name}` | {cells} |", flush=True)


def cut(ratings: Ratings, most: int, seed: int) -> tuple[Shape, Rows, Rows, Rows]:
    """The data's shape, and rows to fit on, for the intervals and for the count."""
    rows = ratings.rows
    if len(rows) > most:
        users = np.random.default_rng(0).permutation(np.unique(rows.users))
        rows = rows.take(np.flatnonzero(np.isin(rows.users, users[: round(len(users) * most / len(rows))])))
    order, tenth = np.random.default_rng(seed).permutation(len(rows)), len(rows) // 10
    test, validation, train = (rows.take(order[part]) for part in np.split(np.arange(len(rows)), [tenth, 2 * tenth]))
    scale = Scale.of(train.ratings)
    shape = Shape(users=ratings.users.rows, items=ratings.items.rows, scale=scale, ratings=len(train))
    return shape, train, validation, test


def measured(name: str, shape: Shape, train: Rows, validation: Rows, test: Rows) -> np.ndarray:
    """For both levels the share of ratings within and the mean width, shape (2, 2)."""
    architecture = ARCHITECTURES[name]
    fit = Fit(architecture, architecture.reference(shape), shape, train, seed=1)
    list(run(fit))
    grid, temperature = fit.model.grid, 1.0
    outputs = [predict(fit.model, *map(torch.from_numpy, (rows.users, rows.items))) for rows in (validation, test)]
    if grid is not None:
        temperature = fit_temperature(outputs[0], torch.tensor(validation.ratings), grid, shape.scale)
    found = [decode(each, grid, shape.scale, decoder="mean", temperature=temperature).numpy() for each in outputs]
    spread = Spread.of(validation.ratings, found[0], known_of(train, validation, shape))
    assert spread is not None
    ends = spread.intervals(found[1], known_of(train, test, shape), shape.scale).reshape(len(test), len(LEVELS), 2)
    truth = test.ratings[:, None]
    return np.stack([((ends[..., 0] <= truth) & (truth <= ends[..., 1])).mean(0), np.ptp(ends, 2).mean(0)], 1)


def line(found: np.ndarray) -> str:
    """Of measures of shape (cuts, levels, 2)."""
    shares, widths = found[..., 0], found[..., 1].mean(0)
    worst = [shares[np.abs(shares[:, at] - level).argmax(), at] for at, level in enumerate(LEVELS)]
    each = zip(shares.mean(0), worst, widths, strict=True)
    return " | ".join(f"{share:.1%} | {far:.1%} | {width:.2f}" for share, far, width in each)


if __name__ == "__main__":
    main()
