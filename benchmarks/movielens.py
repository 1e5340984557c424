"""The figures of the README on MovieLens-100k: single fits at their defaults, on given splits, and their gains.

    python benchmarks/movielens.py                        # for the record: split seeds 10, 11, 12
    python benchmarks/movielens.py --parts validation --split-seeds 1 2 3    # to develop
    python benchmarks/movielens.py --split time --split-seeds 0              # the latest rows are the test

Each fit trains on training and validation rows (on training rows alone with `--parts validation`), one core. The gain
is `pmf`'s error at the reference settings, on the same rows, less the fit's.
For searched models: `python benchmarks/searched.py`.
"""

import argparse
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from cluster.machine import description
from cluster.prepared import looks
from trainables.architectures import ARCHITECTURES
from trainables.data import Ratings, load_data, split
from trainables.fit import Fit, on_device
from trainables.loop import calibrate, evaluate, run
from trainables.metrics import Metrics
from trainables.model import Shape
from trainables.scale import Scale

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
    Row(label="svdpp, WITH TIME: day", architecture="svdpp", changes={"time": "day"}),
    Row(label="svdpp, WITH TIME: residual", architecture="svdpp", changes={"time": "residual"}),
]
COLUMNS = ("argmax-MSE", "gain", "mean-MSE", "on 33 classes", "seconds")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split-seeds", type=int, nargs="+", default=[10, 11, 12])
    parser.add_argument("--split", choices=["random", "user", "time"], default="random")
    parser.add_argument("--parts", choices=["test", "validation"], default="test")
    parser.add_argument("--only", nargs="+", default=[], help="labels that start with one of these")
    parser.add_argument("--seed", type=int, default=42)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(
        f"machine: {description()}; {arguments.parts} rows of {arguments.split} splits, seeds {arguments.split_seeds}"
    )
    print(f"| {'fit':26} | {' | '.join(COLUMNS)} |")
    print(f"| {'-' * 26} |{' ---: |' * len(COLUMNS)}")
    data = {True: load_data("ml-100k"), False: load_data("ml-100k", users="none", items="none")}
    base = 0.0
    for row in ROWS:
        if row is not BASELINE and arguments.only and not row.label.startswith(tuple(arguments.only)):
            continue
        each = [measure(row, data[row.side_tables], seed, arguments) for seed in arguments.split_seeds]
        argmax, mean, grid = (
            float(np.mean([getattr(metrics, name) for metrics, _ in each]))
            for name in ("argmax_mse", "mean_mse", "grid_mse")
        )
        base = argmax if row is BASELINE else base
        seconds = np.mean([seconds for _, seconds in each])
        print(
            f"| {row.label:26} | {argmax:.4f} | {base - argmax:+.4f} | {mean:.4f} | {grid:.4f} | {seconds:.2f} |",
            flush=True,
        )


def measure(row: Row, ratings: Ratings, split_seed: int, arguments: argparse.Namespace) -> tuple[Metrics, float]:
    """The metrics of one fit, and its seconds."""
    parts = split(ratings.rows, kind=arguments.split, seed=split_seed)
    shape = Shape(
        users=ratings.users.rows,
        items=ratings.items.rows,
        scale=Scale.of(parts.fitting.ratings),
        ratings=len(parts.train),
        user_features=ratings.user_features,
        item_features=ratings.item_features,
    )
    architecture = ARCHITECTURES[row.architecture]
    config = architecture.Config.model_validate({**architecture.reference(shape).model_dump(), **row.changes})
    rows = parts.train if arguments.parts == "validation" else parts.fitting
    fit = Fit(architecture, config, shape, rows, seed=arguments.seed)
    start = time.perf_counter()
    for _ in run(fit):
        pass
    seconds = time.perf_counter() - start
    # The mean of a class head needs its temperature; a fit on all rows has none to find it on but its own.
    temperature = calibrate(fit, on_device(parts.validation, fit.device))
    if arguments.parts == "validation":
        held_out = parts.validation
    else:
        held_out, _ = parts.test.open(looks(), reason="benchmarks/movielens.py")
    return evaluate(fit, on_device(held_out, fit.device), decoder="argmax", temperature=temperature), seconds


if __name__ == "__main__":
    main()
