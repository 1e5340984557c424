"""What dropping ids in training is worth for users and items without a rating, on MovieLens-100k. About a minute.

    python benchmarks/cold.py                                               # for the record: split seeds 10, 11, 12
    python benchmarks/cold.py --parts validation --split-seeds 1 2 3        # to develop

A tenth of the users and a tenth of the items are made cold: no row of theirs is fitted. Errors are the mean squared
ones of held-out rows of cold users (of warm items), of cold items (by warm users) and of neither.
"""

import argparse
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from reeltune.cluster.session.machine import description
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data import Rows
from reeltune.trainables.data.prepared import DataOptions, Prepared, looks, prepare
from reeltune.trainables.fitting.fit import Fit, on_device
from reeltune.trainables.fitting.loop import run
from reeltune.trainables.scoring.metrics import predict

SHARE = 0.1
GROUPS = ("warm", "cold users", "cold items")
FITS: list[tuple[str, str, dict[str, Any], bool]] = [
    ("`bias`", "bias", {}, True),
    ("`pmf`", "pmf", {}, True),
    ("`embedding_nn`", "embedding_nn", {}, True),
    ("`autorec`", "autorec", {}, True),
    ("`svdpp`, ids alone", "svdpp", {}, False),
    ("`svdpp`, ids alone, `id_dropout=0.1`", "svdpp", {"id_dropout": 0.1}, False),
    ("`svdpp`", "svdpp", {}, True),
    ("`svdpp`, `id_dropout=0.1`", "svdpp", {"id_dropout": 0.1}, True),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split-seeds", type=int, nargs="+", default=[10, 11, 12])
    parser.add_argument("--parts", choices=["test", "validation"], default="test")
    parser.add_argument("--seed", type=int, default=42)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"machine: {description()}; {arguments.parts} rows, split seeds {arguments.split_seeds}")
    print(f"| fit | {' | '.join(GROUPS)} |")
    print(f"| --- |{' ---: |' * len(GROUPS)}")
    for label, name, changes, side_tables in FITS:
        errors = [errors_of(name, changes, side_tables, split, arguments) for split in arguments.split_seeds]
        print(f"| {label} | {' | '.join(f'{error:.3f}' for error in np.mean(errors, 0))} |", flush=True)


def errors_of(
    name: str, changes: dict[str, Any], side_tables: bool, split_seed: int, arguments: argparse.Namespace
) -> list[float]:
    """The error in each of the groups."""
    side = None if side_tables else "none"
    prepared = prepare(DataOptions(data="ml-100k", split_seed=split_seed, users=side, items=side))
    fitting, held_out = rows_of(prepared, arguments.parts)
    draw = np.random.default_rng(split_seed)
    users, items = (draw.random(count) < SHARE for count in (prepared.shape.users, prepared.shape.items))
    warm = fitting.take(np.flatnonzero(~users[fitting.users] & ~items[fitting.items]))
    architecture, shape = ARCHITECTURES[name], replace(prepared.shape, rare_items=0)  # they are new, and not rare
    config = architecture.reference(shape).model_copy(update=changes)
    fit = Fit(architecture, config, shape, warm, seed=arguments.seed)
    for _ in run(fit):
        pass
    pairs = on_device(held_out, torch.device("cpu"))
    ratings = predict(fit.model, pairs.users, pairs.items).clamp(shape.scale.low, shape.scale.high).numpy()
    squared = (ratings - held_out.ratings) ** 2
    cold_user, cold_item = users[held_out.users], items[held_out.items]
    groups = (~cold_user & ~cold_item, cold_user & ~cold_item, ~cold_user & cold_item)
    return [float(squared[group].mean()) for group in groups]


def rows_of(prepared: Prepared, parts: str) -> tuple[Rows, Rows]:
    """The rows to fit on, and those to compare with."""
    if parts == "validation":
        return prepared.split.train, prepared.split.validation
    test, _ = prepared.split.test.open(looks(), reason="benchmarks/cold.py")
    return prepared.split.fitting, test


if __name__ == "__main__":
    main()
