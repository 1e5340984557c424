"""The figures of the README on MovieLens-100k: single fits at their defaults, on given splits, and their gains.

    python benchmarks/movielens.py                        # for the record: split seeds 10, 11, 12
    python benchmarks/movielens.py --parts validation --split-seeds 1 2 3    # to develop
    python benchmarks/movielens.py --parts fresh          # test rows that development never validated on
    python benchmarks/movielens.py --split time --split-seeds 0              # the latest rows are the test

Each fit trains on training and validation rows (on training rows alone with `--parts validation`), one core. The gain
is `pmf`'s error at the reference settings, on the same rows, less the fit's.
For searched models: `python benchmarks/searched.py`.
"""

import argparse
import time
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch

from reeltune.cluster.session.machine import description
from reeltune.trainables.architectures import ensemble
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data import Rows, Split
from reeltune.trainables.data.prepared import DataOptions, looks, prepare
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.fitting.fit import Fit, on_device
from reeltune.trainables.fitting.loop import calibrate, evaluate, run
from reeltune.trainables.scoring.decoders import decode
from reeltune.trainables.scoring.metrics import Metrics, from_sums, predict, sums

LARGE_BATCH = {"batch_size": 512, "weight_decay": 0.25, "factors": 47, "epochs": 6}
QUICK = {"factors": 47, "epochs": 4, "learning_rate": 0.022}


@dataclass(frozen=True, kw_only=True)
class Row:
    label: str
    architecture: str
    changes: dict[str, Any]
    side_tables: bool = True


BASELINE = Row(label="pmf, reference", architecture="pmf", changes={})
ROWS = [
    BASELINE,
    Row(label="pmf, large batch", architecture="pmf", changes=LARGE_BATCH),
    Row(label="bias", architecture="bias", changes={}),
    Row(label="embedding_nn, reference", architecture="embedding_nn", changes={}),
    Row(label="classifier, reference", architecture="classifier", changes={}),
    Row(label="autorec", architecture="autorec", changes={}),
    Row(label="svdpp, quick", architecture="svdpp", changes=QUICK),
    Row(label="svdpp, ids only", architecture="svdpp", changes={}, side_tables=False),
    Row(label="svdpp", architecture="svdpp", changes={}),
    Row(label="svdpp_classifier", architecture="svdpp_classifier", changes={}),
    Row(label="svdpp_ordinal", architecture="svdpp_ordinal", changes={}),
    Row(label="svdpp, WITH TIME: day", architecture="svdpp", changes={"time": "day"}),
    Row(label="svdpp, WITH TIME: residual", architecture="svdpp", changes={"time": "residual"}),
    Row(label="svdpp_ordinal, WITH TIME: residual", architecture="svdpp_ordinal", changes={"time": "residual"}),
]
DEVELOPED_ON = (1, 2, 3)  # split seeds whose validation parts the defaults were chosen on
MEMBERS = ("pmf", "autorec", "svdpp", "svdpp_classifier")
SEEDS = 3  # fits of each member that the ensemble averages
COLUMNS = ("argmax-MSE", "gain", "mean-MSE", "on 33 classes", "seconds")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split-seeds", type=int, nargs="+", default=[10, 11, 12])
    parser.add_argument("--split", choices=["random", "user", "time"], default="random")
    parser.add_argument("--parts", choices=["test", "fresh", "validation"], default="test")
    parser.add_argument("--only", nargs="+", default=[], help="labels that start with one of these")
    parser.add_argument("--seed", type=int, default=42)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(
        f"machine: {description()}; {arguments.parts} rows of {arguments.split} splits, seeds {arguments.split_seeds}"
    )
    print(f"| {'fit':26} | {' | '.join(COLUMNS)} |")
    print(f"| {'-' * 26} |{' ---: |' * len(COLUMNS)}")
    base = 0.0
    for row in ROWS:
        if row is not BASELINE and arguments.only and not row.label.startswith(tuple(arguments.only)):
            continue
        each = [measure(row, seed, arguments) for seed in arguments.split_seeds]
        base = show(row.label, each, base)
    if not arguments.only or "ensemble" in arguments.only:
        show("ensemble of defaults", [ensembled(seed, arguments) for seed in arguments.split_seeds], base)


def show(label: str, each: list[tuple[Metrics, float]], base: float) -> float:
    """Print the means over splits; the argmax-MSE where there is none to compare with yet."""
    argmax, mean, grid = (
        float(np.mean([metrics.of(decoder) for metrics, _ in each])) for decoder in ("argmax", "mean", "grid")
    )
    seconds, base = np.mean([seconds for _, seconds in each]), base or argmax
    print(f"| {label:26} | {argmax:.4f} | {base - argmax:+.4f} | {mean:.4f} | {grid:.4f} | {seconds:.2f} |", flush=True)
    return base


@dataclass(frozen=True, kw_only=True)
class World:
    """One split of the data."""

    parts: Split
    shape: Shape

    def held_out(self, parts: str) -> Rows:
        if parts == "validation":
            return self.parts.validation
        rows = self.parts.test.open(looks(), reason="benchmarks/movielens.py")[0]
        return rows.take(np.flatnonzero(~np.isin(rows.number, developed_on()))) if parts == "fresh" else rows

    def fitting(self, parts: str) -> Rows:
        return self.parts.train if parts == "validation" else self.parts.fitting


@cache
def developed_on() -> np.ndarray:
    """The numbers of the rows that the defaults were chosen on: validation rows of random splits."""
    options = [DataOptions(data="ml-100k", split_seed=seed, users="none", items="none") for seed in DEVELOPED_ON]
    return np.concatenate([prepare(each).split.validation.number for each in options])


def world(split_seed: int, arguments: argparse.Namespace, *, side_tables: bool = True) -> World:
    kept = None if side_tables else "none"
    options = DataOptions(data="ml-100k", split=arguments.split, split_seed=split_seed, users=kept, items=kept)
    prepared = prepare(options)
    return World(parts=prepared.split, shape=prepared.shape)


def fitted(row: Row, shape: Shape, rows: Rows, seed: int) -> tuple[Fit, float]:
    """A fit, and its seconds."""
    architecture = ARCHITECTURES[row.architecture]
    config = architecture.Config.model_validate({**architecture.reference(shape).model_dump(), **row.changes})
    fit = Fit(architecture, config, shape, rows, seed=seed)
    start = time.perf_counter()
    for _ in run(fit):
        pass
    return fit, time.perf_counter() - start


def measure(row: Row, split_seed: int, arguments: argparse.Namespace) -> tuple[Metrics, float]:
    """The metrics of one fit, and its seconds."""
    given = world(split_seed, arguments, side_tables=row.side_tables)
    fit, seconds = fitted(row, given.shape, given.fitting(arguments.parts), arguments.seed)
    # The mean of a class head needs its temperature; a fit on all rows has none to find it on but its own.
    temperature = calibrate(fit, on_device(given.parts.validation, fit.device))
    held_out = on_device(given.held_out(arguments.parts), fit.device)
    return evaluate(fit, held_out, decoder="argmax", temperature=temperature), seconds


def ensembled(split_seed: int, arguments: argparse.Namespace) -> tuple[Metrics, float]:
    """Some architectures at their defaults: weights by fits on training rows, then three fits of each averaged.

    With `--parts validation` the weights have seen the rows that they are judged on.
    """
    given, seconds = world(split_seed, arguments), 0.0
    fitting, held_out = given.fitting(arguments.parts), given.held_out(arguments.parts)
    known, wanted = [], []
    for name in MEMBERS:
        row = Row(label=name, architecture=name, changes={})
        fits = [fitted(row, given.shape, fitting, arguments.seed + place) for place in range(SEEDS)]
        alone, spent = fitted(row, given.shape, given.parts.train, arguments.seed)
        seconds += spent + sum(each for _, each in fits)
        known.append(ratings_of(alone, given.parts.validation))
        wanted.append(np.mean([ratings_of(fit, held_out) for fit, _ in fits], axis=0))
    values = ensemble.weights(np.stack(known), given.parts.validation.ratings) @ np.stack(wanted)
    total = sums(
        torch.tensor(values),
        torch.tensor(held_out.ratings),
        None,
        given.shape.scale,
        decoder="argmax",
        temperature=1.0,
    )
    return from_sums(total, scalar=True), seconds


def ratings_of(fit: Fit, rows: Rows) -> np.ndarray:
    """The argmax of a class head, the value of a scalar one."""
    pairs = on_device(rows, fit.device)
    output = predict(fit.model, pairs.users, pairs.items, pairs.times)
    return decode(output, fit.model.grid, fit.shape.scale, decoder="argmax", temperature=1.0).double().numpy()


if __name__ == "__main__":
    main()
