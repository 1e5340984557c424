"""What a loaded model costs on one core: a million pairs by index and by id, and ten items for each of 943 users.

    python benchmarks/predict.py
    python benchmarks/predict.py --architectures pmf --pairs 100000

The models have made-up weights for MovieLens-100k's 943 users and 1,682 items; pairs are drawn at random from these. A
figure is the least of three calls. Core seconds are user and system time of the process: what a core of its own takes,
however busy the machine is. benchmarks/large_predict.py measures files, benchmarks/large_recommend.py large models.
"""

import argparse
import io
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path

import numpy as np
import torch
from large_recommend import made

import reeltune as rt
from reeltune.cluster.commands.recommend import RecommendOptions, recommended
from reeltune.cluster.session.machine import description
from reeltune.trainables.data import Reading

USERS, ITEMS, TOP = 943, 1_682, 10
TIMES = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architectures", nargs="+", default=["pmf", "svdpp", "svdpp_ordinal", "svdpp_classifier"])
    parser.add_argument("--pairs", type=int, default=1_000_000)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print(f"machine: {description()}; one thread")
    print("| architecture | what | seconds | core s |\n| --- | --- | ---: | ---: |")
    for name in asked.architectures:
        with tempfile.TemporaryDirectory() as place:
            made(name, Path(place), USERS, ITEMS)
            for what, call in calls(rt.load(Path(place) / "model"), asked.pairs):
                seconds, core = least(call)
                print(f"| `{name}` | {what} | {seconds:.2f} | {core:.2f} |", flush=True)


def calls(model: rt.Model, pairs: int) -> list[tuple[str, Callable[[], object]]]:
    """What is measured, by its name in the table."""
    random = np.random.default_rng(0)
    users, items = random.integers(1, USERS + 1, pairs), random.integers(1, ITEMS + 1, pairs)
    of_users, of_items = model.users.text[users - 1], model.items.text[items - 1]
    options = RecommendOptions(users=None, seen="none", top=TOP, at=None, reading=Reading())
    return [
        (f"{pairs:,} pairs by index", lambda: model.predict_indices(users, items)),
        (f"{pairs:,} pairs by id", lambda: model.predict(of_users, of_items)),
        (f"top {TOP} for {USERS} users", lambda: recommended(model, options)),
    ]


def least(call: Callable[[], object]) -> tuple[float, float]:
    """The least seconds and core seconds of some calls."""
    took = []
    for _ in range(TIMES):
        start, core = time.perf_counter(), time.process_time()
        with redirect_stderr(io.StringIO()):  # how many ids the made-up models know no rating of
            call()
        took.append((time.perf_counter() - start, time.process_time() - core))
    seconds, cores = zip(*took, strict=True)
    return min(seconds), min(cores)


if __name__ == "__main__":
    main()
