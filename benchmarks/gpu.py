"""What one GPU does: epochs of every architecture, workers of Ray Train, and several trials at once. About 10 minutes.

    python benchmarks/gpu.py                                      # needs a GPU
    python benchmarks/gpu.py --device cpu --ratings 20000         # to see that the script runs: a CPU's figures

Three parts, each a table; `--parts` picks some.

- epochs: made-up ratings, 100 by each user, at each architecture's own reference. Seconds of an epoch in float32 and in
  bfloat16, of the first SECONDS of it where it takes longer, and the most memory that torch held on the GPU.
- workers: `reeltune train` with one Ray Train worker, which on a GPU speaks NCCL, in float32 and in bfloat16.
- search: `reeltune tune` with 1, 1/2, 1/4 and 1/8 of the GPU for a trial.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

import torch

from reeltune.cluster.session.machine import description
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.config import TrainingConfig
from reeltune.trainables.data import Rows, synthetic
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.fitting.fit import Fit

PER_USER, USERS_PER_ITEM = 100, 10 / 3
WARM = 5  # steps before the clock starts: kernels load, and memory is taken
SECONDS = 4.0  # of an epoch's steps that are timed
SHARES = (1.0, 0.5, 0.25, 0.125)
PARTS = ("epochs", "workers", "search")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--ratings", type=int, nargs="+", default=[100_000, 1_000_000, 10_000_000, 32_000_000])
    parser.add_argument("--architectures", nargs="+", choices=list(ARCHITECTURES), default=list(ARCHITECTURES))
    parser.add_argument("--trials", type=int, default=32)
    asked = parser.parse_args()
    if asked.device == "cuda" and not torch.cuda.is_available():
        parser.error("no GPU here: run it on a machine with one, or take --device cpu")
    gpu = torch.cuda.get_device_name() if asked.device == "cuda" else "none"
    print(f"machine: {description()}, torch {torch.__version__}, GPU: {gpu}")
    if "epochs" in asked.parts:
        epochs(asked)
    if "workers" in asked.parts:
        workers(asked)
    if "search" in asked.parts:
        search(asked)


def epochs(asked: argparse.Namespace) -> None:
    print("| architecture | ratings | batch | epoch, s | in bfloat16, s | µs a rating | peak on the GPU, GiB |")
    print(f"| --- |{' ---: |' * 6}")
    for ratings in asked.ratings:
        world = world_of(ratings)
        rows = synthetic.generate(world).rows
        for name in asked.architectures:
            print(epoch_line(name, rows, shape_of(world), asked.device), flush=True)


def world_of(ratings: int) -> synthetic.World:
    users = max(2, ratings // PER_USER)
    return synthetic.World(users=users, items=max(2, round(users / USERS_PER_ITEM)), ratings=ratings)


def shape_of(world: synthetic.World) -> Shape:
    stars = Scale(values=(1, 2, 3, 4, 5), low=1, high=5, step=1, lattice=True)
    return Shape(users=world.users + 1, items=world.items + 1, scale=stars, ratings=world.ratings)


def epoch_line(name: str, rows: Rows, shape: Shape, device: str) -> str:
    batch = getattr(ARCHITECTURES[name].reference(shape), "batch_size", len(rows))
    try:
        plain = epoch(name, rows, shape, device, bfloat16=False)
        half = epoch(name, rows, shape, device, bfloat16=True) if device == "cuda" else None
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
        return f"| `{name}` | {len(rows):,} | {batch:,} | out of memory | | | |"
    cells = [f"{plain.seconds:.2f}", f"{half.seconds:.2f}" if half else ""]
    cells += [f"{plain.seconds / len(rows) * 1e6:.2f}", f"{plain.gib:.2f}" if device == "cuda" else ""]
    return f"| `{name}` | {len(rows):,} | {batch:,} | {' | '.join(cells)} |"


@dataclass(frozen=True, kw_only=True)
class Epoch:
    seconds: float
    gib: float  # the most that torch held on the GPU


def epoch(name: str, rows: Rows, shape: Shape, device: str, *, bfloat16: bool) -> Epoch:
    """One epoch, from as many of its steps as SECONDS allow."""
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    architecture = ARCHITECTURES[name]
    fit = Fit(architecture, architecture.reference(shape), shape, rows, seed=1, device=device, bfloat16=bfloat16)
    if isinstance(fit.config, TrainingConfig):
        for _ in range(min(WARM, fit.steps_per_epoch // 2)):
            fit.advance()
    finished(device)
    start, first = time.perf_counter(), fit.step
    while fit.step < fit.steps_per_epoch and time.perf_counter() - start < SECONDS:
        fit.advance()
        finished(device)
    seconds = (time.perf_counter() - start) / (fit.step - first) * fit.steps_per_epoch
    return Epoch(seconds=seconds, gib=torch.cuda.max_memory_allocated() / 2**30 if device == "cuda" else 0.0)


def finished(device: str) -> None:
    """Wait until the GPU has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def workers(asked: argparse.Namespace) -> None:
    print("| `reeltune train svdpp`, one worker | seconds of the command |")
    print("| --- | ---: |")
    data = data_of(min(asked.ratings[-1], 1_000_000))
    for label, more in (("float32", []), ("bfloat16", ["--bf16"])):
        if more and asked.device == "cpu":
            continue
        print(f"| {label} | {seconds_of('train', 'svdpp', '--data', data, *more):.1f} |", flush=True)


def search(asked: argparse.Namespace) -> None:
    print("| GPU for a trial | trials | seconds of the command | trials a second |")
    print("| ---: | ---: | ---: | ---: |")
    data = data_of(min(asked.ratings[0], 100_000))
    for share in SHARES if asked.device == "cuda" else (None,):
        more = [] if share is None else ["--gpus-per-trial", str(share)]
        words = ["tune", "svdpp", "--data", data, "--trials", str(asked.trials), "--no-asha", "--no-ensemble", *more]
        seconds = seconds_of(*words)
        print(f"| {share or ''} | {asked.trials} | {seconds:.1f} | {asked.trials / seconds:.2f} |", flush=True)


def data_of(ratings: int) -> str:
    world = world_of(ratings)
    return f"synthetic:users={world.users},items={world.items},ratings={world.ratings}"


def seconds_of(*words: str) -> float:
    """Seconds of a command of the command line, in a folder of its own."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "reeltune", *words, "--json"]
        subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
