"""What a fit costs as ratings grow: 0.1 to 32 million made-up ratings, 100 by each user.

    python benchmarks/scale.py                                      # the table of docs/how-it-works.md
    python benchmarks/scale.py --ratings 1000000 10000000 --give-back   # with glibc as it comes
    python benchmarks/scale.py --architectures svdpp --ratings 10000000 --batches 65536 8192 --steps 12 --whole

An epoch's time is that of its first 4 steps. Of the table's rows, those of 0.1 and 1 million take seconds, those of 3
and 10 million up to half a minute, and those of 32 million a minute each, most of it for drawing the ratings; and as
much longer as the machine is busy. Every line is a process of its own on one core, so that its peak memory is its own:
from the start, with the drawing of the ratings, to the end of the evaluation. Both architectures take the same batches,
the default for 36 steps an epoch unless said otherwise: `pmf`'s own are smaller, and so its default fit is not told.
Core seconds are those that the process had a core for, which on a busy machine are fewer than the seconds.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from typing import Any

import torch

from reeltune.cluster.session.machine import description
from reeltune.trainables.architectures.parts import implicit
from reeltune.trainables.architectures.parts.reference import STEPS
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data import synthetic
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.fitting.allocator import keep_memory
from reeltune.trainables.fitting.fit import Fit
from reeltune.trainables.model import batch_for
from reeltune.trainables.scoring.metrics import predict

PER_USER, USERS_PER_ITEM = 100, 10 / 3
EVALUATED = 1_000_000
RATINGS = [100_000, 1_000_000, 3_000_000, 10_000_000, 32_000_000]
TIMED = 4  # steps
COLUMNS = ["ratings", "set-up, core s", "epoch, s", "epoch, core s", "core µs a rating", "default epochs"]
COLUMNS += ["fit, core s", "1M pairs, core s", "peak GiB"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architectures", nargs="+", default=["pmf", "svdpp"])
    parser.add_argument("--ratings", type=int, nargs="+", default=RATINGS)
    parser.add_argument("--batches", type=int, nargs="+", help="rows per step, in place of the default")
    parser.add_argument(
        "--steps", type=int, default=TIMED, help="time these first steps alone, and give an epoch's time from them"
    )
    parser.add_argument("--whole", action="store_true", help="also with the whole incidence in every step")
    parser.add_argument("--give-back", action="store_true", help="leave freed memory to glibc, which clears it anew")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(**json.loads(arguments.one))))
        return
    print(f"machine: {description()}, one thread, memory {'given back' if arguments.give_back else 'kept'}")
    print(f"| architecture | batch | {' | '.join(COLUMNS)} |")
    print(f"| --- | {' | '.join(['---:'] * (1 + len(COLUMNS)))} |")
    for name in arguments.architectures:
        for ratings in arguments.ratings:
            for batch in arguments.batches or [batch_for(shape_of(synthetic.World(), ratings), steps=STEPS)]:
                for whole in [False, True] if arguments.whole and name != "pmf" else [False]:
                    asked = {"name": name, "ratings": ratings, "batch": batch, "steps": arguments.steps}
                    asked |= {"whole": whole, "keep": not arguments.give_back}
                    label = f"`{name}`{', whole incidence' if whole else ''}"
                    print(line(label, batch, in_a_process(asked)), flush=True)


def own_batch(ratings: int) -> int:
    """The batch that `svdpp` takes by itself."""
    return ARCHITECTURES["svdpp"].reference(shape_of(synthetic.World(), ratings)).batch_size


def in_a_process(asked: dict[str, Any]) -> dict[str, float]:
    command = [sys.executable, __file__, "--one", json.dumps(asked)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def measure(name: str, ratings: int, batch: int, steps: int, whole: bool, keep: bool) -> dict[str, float]:
    """One epoch of one fit, or its first steps, and predictions of a million pairs."""
    torch.set_num_threads(1)
    if keep:  # as every worker does
        keep_memory()
    if whole:
        implicit.WHOLE = sys.maxsize
    users = ratings // PER_USER
    world = synthetic.World(users=users, items=round(users / USERS_PER_ITEM), ratings=ratings)
    rows = synthetic.generate(world).rows
    architecture, shape = ARCHITECTURES[name], shape_of(world, ratings)
    reference = architecture.reference(shape)
    config = reference.model_copy(update={"batch_size": batch, "epochs": 1})
    start = time.process_time()
    fit = Fit(architecture, config, shape, rows, seed=1)
    made, wall = time.process_time(), time.perf_counter()
    timed = min(steps, fit.steps)
    fit._batch(0, 0)  # shuffles the epoch's rows, once for all steps
    shuffled, shuffled_wall = time.process_time(), time.perf_counter()
    for _ in range(timed):
        fit.advance()
    trained, share = time.process_time(), timed / fit.steps
    seconds = shuffled_wall - wall + (time.perf_counter() - shuffled_wall) / share
    predict(fit.model, fit.rows.users[:EVALUATED], fit.rows.items[:EVALUATED])
    return {
        "ratings": ratings,
        "set_up": made - start,
        "epoch": seconds,
        "epoch_core": shuffled - made + (trained - shuffled) / share,
        "epochs": reference.epochs if reference.batch_size == batch else 0,
        "evaluation": time.process_time() - trained,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 2**30,
    }


def shape_of(world: synthetic.World, ratings: int) -> Shape:
    stars = Scale(values=(1, 2, 3, 4, 5), low=1, high=5, step=1, lattice=True)
    return Shape(users=world.users + 1, items=world.items + 1, scale=stars, ratings=ratings)


def line(label: str, batch: int, found: dict[str, float]) -> str:
    per_rating = found["epoch_core"] / found["ratings"] * 1e6
    figures = [f"{found['ratings']:,}", f"{found['set_up']:.1f}", f"{found['epoch']:.1f}", f"{found['epoch_core']:.1f}"]
    epochs, evaluation = found["epochs"], found["evaluation"]
    whole = [f"{epochs:.0f}", f"{found['set_up'] + epochs * found['epoch_core']:,.0f}"] if epochs else ["-", "-"]
    figures += [f"{per_rating:.2f}", *whole, f"{evaluation:.2f}", f"{found['peak']:.2f}"]
    return f"| {label} | {batch:,} | {' | '.join(figures)} |"


if __name__ == "__main__":
    main()
