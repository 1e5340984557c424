"""The figures of the README on MovieLens-100k: reference fits and one large-batch fit, on given splits.

    python benchmarks/movielens.py                        # for the record: split seeds 10, 11, 12
    python benchmarks/movielens.py --parts validation --split-seeds 1 2    # to develop

Each fit trains on training and validation rows (on training rows alone with `--parts validation`), one core.
For the searched classifier: `python benchmarks/searched.py`.
"""

import argparse
import time

import numpy as np
import torch

from cluster.machine import description
from cluster.prepared import looks
from trainables.architectures import ARCHITECTURES
from trainables.data import load_data, split
from trainables.fit import Fit, on_device
from trainables.loop import evaluate, run
from trainables.model import Shape
from trainables.scale import Scale

LARGE_BATCH = {"batch_size": 512, "weight_decay": 0.25, "factors": 47, "epochs": 6}
ROWS = [
    ("pmf, reference", "pmf", {}),
    ("pmf, large batch", "pmf", LARGE_BATCH),
    ("embedding_nn, reference", "embedding_nn", {}),
    ("classifier, reference", "classifier", {}),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split-seeds", type=int, nargs="+", default=[10, 11, 12])
    parser.add_argument("--parts", choices=["test", "validation"], default="test")
    parser.add_argument("--seed", type=int, default=42)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"machine: {description()}; {arguments.parts} rows of split seeds {arguments.split_seeds}")
    print(f"| {'fit':24} | argmax-MSE | mean-MSE | seconds |")
    print(f"| {'-' * 24} | ---------: | -------: | ------: |")
    for label, name, changes in ROWS:
        measured = np.mean([measure(name, changes, seed, arguments) for seed in arguments.split_seeds], axis=0)
        print(f"| {label:24} | {measured[0]:10.4f} | {measured[1]:8.4f} | {measured[2]:7.2f} |")


def measure(name: str, changes: dict[str, float], split_seed: int, arguments: argparse.Namespace) -> list[float]:
    """Argmax-MSE, mean-MSE and seconds of one fit."""
    ratings = load_data("ml-100k")
    parts = split(ratings.rows, seed=split_seed)
    shape = Shape(users=ratings.users.rows, items=ratings.items.rows, scale=Scale.of(parts.fitting.ratings))
    architecture = ARCHITECTURES[name]
    config = architecture.reference(shape).model_copy(update=changes)
    rows = parts.train if arguments.parts == "validation" else parts.fitting
    fit = Fit(architecture, config, shape, rows, seed=arguments.seed)
    start = time.perf_counter()
    for _ in run(fit):
        pass
    seconds = time.perf_counter() - start
    if arguments.parts == "validation":
        held_out = parts.validation
    else:
        held_out, _ = parts.test.open(looks(), reason="benchmarks/movielens.py")
    metrics = evaluate(fit, on_device(held_out, fit.device), decoder="argmax")
    return [metrics.argmax_mse, metrics.mean_mse, seconds]


if __name__ == "__main__":
    main()
