"""What it costs to recommend for all users of a large model: 200,000 users of 80,000 items. About 5 minutes on 2 cores.

    python benchmarks/large_recommend.py
    python benchmarks/large_recommend.py --users 10000 --some 50    # the figures of docs/how-it-works.md

Models have made-up weights of the size that fits have, and are bundles on disk. "Whole" is the list of 10 for every
user, written to a Parquet file. "By pairs" rates some users' pairs one by one, as a model does that is not `factored`,
and is scaled to all of them. Core seconds are user and system time of the process, the peak is its own.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reeltune.cluster.commands.output_file import TableFile
from reeltune.cluster.commands.recommend import RecommendOptions, recommended
from reeltune.cluster.session.machine import description
from reeltune.trainables import bundle
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data import Ids, Reading, Rows
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.model import RatingModel

STARS = Scale(values=(1, 2, 3, 4, 5), low=1, high=5, step=1, lattice=True)
SPREAD = 0.15  # standard deviation of the vectors' and biases' numbers
COLUMNS = ["seconds", "core s", "peak GiB", "core µs a pair", "by pairs, core µs a pair", "ratio"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architectures", nargs="+", default=["pmf", "svdpp", "svdpp_ordinal"])
    parser.add_argument("--users", type=int, default=200_000)
    parser.add_argument("--items", type=int, default=80_000)
    parser.add_argument("--some", type=int, default=100, help="users whose pairs are rated one by one")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(measured(**json.loads(asked.one))))
        return
    threads = torch.get_num_threads()
    print(f"machine: {description()}, {threads} threads; {asked.users:,} users of {asked.items:,} items")
    print(f"| architecture | {' | '.join(COLUMNS)} |\n| --- |{' ---: |' * len(COLUMNS)}")
    for name in asked.architectures:
        with tempfile.TemporaryDirectory() as place:
            made(name, Path(place), asked.users, asked.items)
            whole = in_a_process(place=place, some=None)
            few = in_a_process(place=place, some=asked.some)
        pairs, by_pairs = (found["core"] / found["pairs"] * 1e6 for found in (whole, few))
        cells = [f"{whole['seconds']:.0f}", f"{whole['core']:.0f}", f"{whole['peak']:.2f}"]
        cells += [f"{pairs:.4f}", f"{by_pairs:.3f}", f"{by_pairs / pairs:.0f}"]
        print(f"| `{name}` | {' | '.join(cells)} |", flush=True)


def made(name: str, place: Path, users: int, items: int) -> None:
    """Save a bundle with made-up weights."""
    shape = Shape(users=users + 1, items=items + 1, scale=STARS)
    config = ARCHITECTURES[name].reference(shape)
    model = ARCHITECTURES[name].Model.serving(config, shape, {})
    torch.manual_seed(0)
    weights = {key: drawn(key, value) for key, value in model.state_dict().items()}
    described = bundle.describe(
        name, config, STARS, decoder="argmax", temperature=1.0, seed=0, data="made up", metrics={}
    )
    of_users, of_items = (Ids(np.array([f"{kind}{at}" for at in range(n)])) for kind, n in (("u", users), ("i", items)))
    rated = Rows(number=np.arange(1), users=np.ones(1, np.int32), items=np.ones(1, np.int32), ratings=np.ones(1))
    bundle.save(place / "model", described, weights, of_users, of_items, fitted=rated)


def drawn(key: str, value: torch.Tensor) -> torch.Tensor:
    """Tables of vectors at random, the mean rating, and any other weight as a fit starts with it."""
    if key == "mean":
        return torch.tensor(3.5)
    return torch.randn_like(value) * SPREAD if len(value.shape) == 2 or key in ("users", "items") else value


def in_a_process(**asked: Any) -> dict[str, float]:
    command = [sys.executable, __file__, "--one", json.dumps(asked)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def measured(place: str, some: int | None) -> dict[str, float]:
    """What the lists of all users cost, or of `some`, whose pairs are rated one by one."""
    path = Path(place)
    predictor = bundle.load(path / "model")
    wanted = None
    if some is not None:
        wanted = predictor.users.text[:some].tolist()
        model = predictor.model
        model.__class__ = type("Plain", (type(model),), {"factored": False, "crossed": RatingModel.crossed})
    options = RecommendOptions(users=wanted, seen="none", top=10, at=None, reading=Reading())
    start, wall = time.process_time(), time.perf_counter()
    with TableFile(path / "best.parquet") as file:
        done = recommended(predictor, options, write=file.write)
    return {
        "pairs": done.users * len(predictor.items.text),
        "core": time.process_time() - start,
        "seconds": time.perf_counter() - wall,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 2**30,
    }


if __name__ == "__main__":
    main()
