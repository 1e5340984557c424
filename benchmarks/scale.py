"""What a fit costs as ratings grow: 0.1 to 32 million made-up ratings, 100 by each user.

    python benchmarks/scale.py                                      # all architectures
    python benchmarks/scale.py --peers --peers-up-to 32000000 --whole-fits-up-to 100000   # docs/how-it-works.md
    python benchmarks/scale.py --architectures pmf svdpp --ratings 1000000 10000000 --give-back   # glibc as it comes
    python benchmarks/scale.py --architectures svdpp --ratings 10000000 --batches 65536 8192 --steps 12 --whole

An epoch's time is that of its first 4 steps. `bias` has no epochs: its one solution is taken for one. Every line is a
process of its own on one core, so that its peak memory is its own: from the start, with reading the ratings, to the end
of the evaluation. All architectures take the same batches, the default of `svdpp` for 36 steps an epoch unless said
otherwise: where an architecture's own are others, its default fit is not told. Core seconds are those that the process
had a core for, which on a busy machine are fewer than the seconds. A line whose process needs more memory than there is
says so in place of figures.

With `--peers` other libraries fit the same ratings (benchmarks/scale_peers.py), in the environments of
benchmarks/peers.py: up to 10 million, as they take minutes more for 32 million (`--peers-up-to 32000000`). Of up to a
million ratings a twentieth is also held out from whole fits: of architectures at their defaults, and of libraries with
the settings of docs/peers.md.

By what single lines took on a busy machine, all of it takes about a quarter of an hour on a quiet one. A third of that
is whole fits of a million ratings, which `--whole-fits-up-to 100000` leaves out.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from peers import PeerFailed, called
from scale_peers import LIBRARIES, epoch, error_rows, split

from reeltune.cluster.session.machine import description
from reeltune.trainables.architectures.parts import implicit
from reeltune.trainables.architectures.parts.reference import STEPS
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.config import TrainingConfig
from reeltune.trainables.data import Rows, synthetic
from reeltune.trainables.data.movielens import cache_folder
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.fitting.allocator import keep_memory
from reeltune.trainables.fitting.fit import Fit
from reeltune.trainables.model import batch_for
from reeltune.trainables.scoring.metrics import predict

PER_USER, USERS_PER_ITEM = 100, 10 / 3
EVALUATED = 1_000_000
RATINGS = [100_000, 1_000_000, 3_000_000, 10_000_000, 32_000_000]
WHOLE_FITS_UP_TO = 1_000_000  # ratings: a fit of more takes minutes
LIBRARIES_UP_TO = 10_000_000  # ratings
TIMED = 4  # steps
LIMIT = 1800  # seconds of one line
COLUMNS = ["ratings", "set-up, core s", "epoch, s", "epoch, core s", "core µs a rating", "default epochs"]
COLUMNS += ["fit, core s", "1M pairs, core s", "peak GiB"]

Found = dict[str, float]
Summary = dict[str, dict[int, Found]]  # by line and by ratings


def main() -> None:
    arguments = options().parse_args()
    if arguments.one:
        print(json.dumps(measure(**json.loads(arguments.one))))
        return
    if arguments.draw:
        drawn(arguments.ratings[0]).to_parquet(arguments.draw, index=False)
        return
    print(f"machine: {description()}, one thread, memory {'given back' if arguments.give_back else 'kept'}")
    print(f"| fit | batch | {' | '.join(COLUMNS)} |")
    print(f"| --- | {' | '.join(['---:'] * (1 + len(COLUMNS)))} |")
    summary: Summary = {}
    for ratings in arguments.ratings:
        with tempfile.TemporaryDirectory() as folder:
            called(
                [sys.executable, __file__, "--ratings", str(ratings), "--draw", f"{folder}/fit.parquet"], limit=LIMIT
            )
            own_lines(arguments, ratings, Path(folder), summary)
            if arguments.peers and ratings <= arguments.peers_up_to:
                peer_lines(arguments.peers, ratings, Path(folder), summary)
    print_summary(summary, arguments.ratings)
    if arguments.peers:
        print_errors(arguments)


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architectures", nargs="+", choices=ARCHITECTURES, default=list(ARCHITECTURES))
    parser.add_argument("--ratings", type=int, nargs="+", default=RATINGS)
    parser.add_argument("--batches", type=int, nargs="+", help="rows per step, in place of the default")
    parser.add_argument(
        "--steps", type=int, default=TIMED, help="time these first steps alone, and give an epoch's time from them"
    )
    parser.add_argument("--whole", action="store_true", help="also with the whole incidence in every step")
    parser.add_argument("--give-back", action="store_true", help="leave freed memory to glibc, which clears it anew")
    parser.add_argument(
        "--peers",
        type=Path,
        nargs="?",
        const=cache_folder() / "peers",
        metavar="FOLDER",
        help="also other libraries, with their environments in this folder (without one: in the cache folder)",
    )
    parser.add_argument(
        "--peers-up-to", type=int, default=LIBRARIES_UP_TO, help="the other libraries' most ratings: more take minutes"
    )
    parser.add_argument(
        "--whole-fits-up-to", type=int, default=WHOLE_FITS_UP_TO, help="the most ratings to measure errors on"
    )
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--draw", type=Path, help=argparse.SUPPRESS)
    return parser


def own_lines(arguments: argparse.Namespace, ratings: int, folder: Path, summary: Summary) -> None:
    """Print a line for each architecture, batch, and kind of incidence."""
    for name in arguments.architectures:
        for batch in arguments.batches or [batch_for(shape_of(ratings), steps=STEPS)]:
            for whole in [False, True] if arguments.whole and name.startswith("svdpp") else [False]:
                asked = {"name": name, "file": f"{folder}/fit.parquet", "batch": batch, "steps": arguments.steps}
                asked |= {"whole": whole, "keep": not arguments.give_back}
                label = f"`{name}`{', whole incidence' if whole else ''}"
                batched = f", batch {batch:,}" if arguments.batches else ""
                try:
                    found = in_a_process(asked)
                except PeerFailed as error:
                    print(f"| {label} | {batch:,} | {ratings:,} | {error} |{' |' * (len(COLUMNS) - 2)}", flush=True)
                    continue
                summary.setdefault(label + batched, {})[ratings] = found
                print(line(label, f"{batch:,}" if found["trained"] else "-", found), flush=True)


def peer_lines(environments: Path, ratings: int, folder: Path, summary: Summary) -> None:
    """Print a line for each library."""
    for library in LIBRARIES:
        try:
            found = epoch(library, folder, environments)
        except PeerFailed as error:
            print(f"| {library.label} | | {ratings:,} | {error} |{' |' * (len(COLUMNS) - 2)}", flush=True)
            continue
        summary.setdefault(library.label, {})[ratings] = found
        figures = [f"{found['epoch']:.1f}", f"{found['epoch_core']:.1f}", f"{found['epoch_core'] / ratings * 1e6:.2f}"]
        print(f"| {library.label} | | {ratings:,} | | {' | '.join(figures)} | | | | {found['peak']:.2f} |", flush=True)


def in_a_process(asked: dict[str, Any]) -> Found:
    found: Found = json.loads(called([sys.executable, __file__, "--one", json.dumps(asked)], limit=LIMIT))
    return found


def drawn(ratings: int) -> pd.DataFrame:
    """Made-up ratings, as the libraries read them too."""
    rows = synthetic.generate(world_of(ratings)).rows
    columns = {"user": rows.users, "item": rows.items, "rating": rows.ratings.astype("float32")}
    return pd.DataFrame({**columns, "timestamp": rows.timestamps})


def measure(name: str, file: str, batch: int, steps: int, whole: bool, keep: bool) -> Found:
    """One epoch of one fit, or its first steps, and predictions of a million pairs."""
    torch.set_num_threads(1)
    if keep:  # as every worker does
        keep_memory()
    if whole:
        implicit.WHOLE = sys.maxsize
    rows = rows_of(pd.read_parquet(file, columns=["user", "item", "rating"]))
    architecture, shape = ARCHITECTURES[name], shape_of(len(rows))
    reference = architecture.reference(shape)
    config, epochs = reference, 1
    if isinstance(reference, TrainingConfig):
        config = reference.model_copy(update={"batch_size": batch, "epochs": 1})
        epochs = reference.epochs if reference.batch_size == batch else 0
    start, start_wall = time.process_time(), time.perf_counter()
    fit = Fit(architecture, config, shape, rows, seed=1)
    made, made_wall = time.process_time(), time.perf_counter()
    # A fit without epochs is solved by now.
    trained = epoch_of(fit, steps) if fit.optimizer else (made_wall - start_wall, made - start)
    before = time.process_time()
    predict(fit.model, fit.rows.users[:EVALUATED], fit.rows.items[:EVALUATED])
    return {
        "trained": fit.optimizer is not None,
        "ratings": len(rows),
        "set_up": made - start if fit.optimizer else 0.0,
        "epoch": trained[0],
        "epoch_core": trained[1],
        "epochs": epochs,
        "evaluation": time.process_time() - before,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 2**30,
    }


def epoch_of(fit: Fit, steps: int) -> tuple[float, float]:
    """Seconds and core seconds of an epoch, told from its first steps."""
    timed = min(steps, fit.steps)
    made, made_wall = time.process_time(), time.perf_counter()
    fit._batch(0, 0)  # shuffles the epoch's rows, once for all steps
    shuffled, shuffled_wall = time.process_time(), time.perf_counter()
    for _ in range(timed):
        fit.advance()
    share = timed / fit.steps
    wall = shuffled_wall - made_wall + (time.perf_counter() - shuffled_wall) / share
    return wall, shuffled - made + (time.process_time() - shuffled) / share


def rows_of(frame: pd.DataFrame) -> Rows:
    return Rows(
        number=np.arange(len(frame), dtype=np.int32),
        users=frame["user"].to_numpy(),
        items=frame["item"].to_numpy(),
        ratings=frame["rating"].to_numpy(),
        timestamps=frame["timestamp"].to_numpy() if "timestamp" in frame else None,
    )


def world_of(ratings: int) -> synthetic.World:
    users = ratings // PER_USER
    return synthetic.World(users=users, items=round(users / USERS_PER_ITEM), ratings=ratings)


def shape_of(ratings: int) -> Shape:
    stars, world = Scale(values=(1, 2, 3, 4, 5), low=1, high=5, step=1, lattice=True), world_of(ratings)
    return Shape(users=world.users + 1, items=world.items + 1, scale=stars, ratings=ratings)


def line(label: str, batch: str, found: Found) -> str:
    per_rating = found["epoch_core"] / found["ratings"] * 1e6
    figures = [f"{found['ratings']:,}", f"{found['set_up']:.1f}", f"{found['epoch']:.1f}", f"{found['epoch_core']:.1f}"]
    epochs, evaluation = found["epochs"], found["evaluation"]
    whole = [f"{epochs:.0f}", f"{found['set_up'] + epochs * found['epoch_core']:,.0f}"] if epochs else ["-", "-"]
    figures += [f"{per_rating:.2f}", *whole, f"{evaluation:.2f}", f"{found['peak']:.2f}"]
    return f"| {label} | {batch} | {' | '.join(figures)} |"


def print_summary(summary: Summary, sizes: list[int]) -> None:
    """Core µs a rating and peak GiB, a column for each number of ratings."""
    titles = [f"{size:,}: {unit}" for unit in ("µs", "GiB") for size in sizes]
    print(f"\n| fit | {' | '.join(titles)} |")
    print(f"| --- | {' | '.join(['---:'] * 2 * len(sizes))} |")
    for label, by_size in summary.items():
        times = [f"{by_size[size]['epoch_core'] / size * 1e6:.2f}" if size in by_size else "-" for size in sizes]
        peaks = [f"{by_size[size]['peak']:.1f}" if size in by_size else "-" for size in sizes]
        print(f"| {label} | {' | '.join(times + peaks)} |", flush=True)


def print_errors(arguments: argparse.Namespace) -> None:
    """Whole fits of the smaller sizes, in this process."""
    torch.set_num_threads(1)
    keep_memory()
    print("\n| fit | ratings to fit | RMSE | fit, s |")
    print("| --- | ---: | ---: | ---: |")
    for ratings in [size for size in arguments.ratings if size <= arguments.whole_fits_up_to]:
        with tempfile.TemporaryDirectory() as folder:
            data = split(rows_of(drawn(ratings)), shape_of(ratings), Path(folder) / "errors")
            for row in error_rows(arguments.architectures, data, arguments.peers):
                print(row, flush=True)


if __name__ == "__main__":
    main()
