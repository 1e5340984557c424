"""What a step costs with users sharded over workers, beside DDP: compute, messages, memory. About 5 minutes; Linux.

    python benchmarks/sharded.py                                                # the table of docs/scale.md
    python benchmarks/sharded.py --architectures pmf --ratings 100000 --batch 64 --steps 200
    python benchmarks/sharded.py --fits sharded streamed                        # with rows in files: `train --stream`

The ratings are made up, 100 by each user; batches are those of 36 steps an epoch. Each worker is a process of one
thread on this machine, with the ratings mapped from a file, as Ray's object store maps them. Seconds are those of a
CPU: of the worker's own thread, and of gloo's, which send. Bytes are those that the kernel has counted for the
worker's connections. Memory is the peak above what the process had before its fit. All are means over workers.

With `streamed` among the fits, a first table is of the command, which reads the ratings as Parquet: at once, or a part
at a time and dealt to files. Its seconds are those of a CPU, its memory the peak above what it had before.
"""

import argparse
import json
import os
import socket
import struct
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing

from reeltune.cluster.runs.storage import Store
from reeltune.cluster.session.machine import description
from reeltune.trainables.architectures.parts.reference import STEPS
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data import Rows, Shares, synthetic
from reeltune.trainables.data.prepared import DataOptions, prepare
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.data.streamed import prepare_streamed
from reeltune.trainables.fitting.allocator import keep_memory
from reeltune.trainables.fitting.buckets import Buckets
from reeltune.trainables.fitting.dealt import Dealt, deal
from reeltune.trainables.fitting.fit import Fit
from reeltune.trainables.fitting.sharded import ShardedFit
from reeltune.trainables.model import batch_for

PER_USER, USERS_PER_ITEM = 100, 10 / 3
WARM_UP = 1  # steps before the first that counts
FITS = {"DDP": Fit, "sharded": ShardedFit, "streamed": ShardedFit}
EVERY = Shares(validation=0, test=0)
COLUMNS = ["rows a worker", "own thread, s", "gloo's, s", "sent, MB", "peak, GB"]
BYTES_SENT = 200  # where Linux's tcp_info has tcpi_bytes_sent


@dataclass(frozen=True, kw_only=True)
class Asked:
    architecture: str
    kind: str
    ratings: int
    workers: int
    steps: int
    batch: int | None  # rows of a step; None: as many as make 36 steps an epoch
    folder: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architectures", nargs="+", default=["pmf", "svdpp"])
    parser.add_argument("--ratings", type=int, default=4_000_000)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--fits", nargs="+", choices=FITS, default=["DDP", "sharded"])
    parser.add_argument("--batch", type=int, help="rows of a step [default: as many as make 36 steps an epoch]")
    given = parser.parse_args()
    print(f"machine: {description()}; {given.ratings:,} ratings, means over {given.steps} steps")
    with tempfile.TemporaryDirectory() as folder:
        keep_rows(given.ratings, Path(folder))
        if "streamed" in given.fits:
            print_reading(Path(folder))
        print_fits(given, folder)


def print_reading(folder: Path) -> None:
    """What reading costs; and leave the rows in files, by bucket."""
    print("| read | CPU, s | peak, GB |")
    print("| --- | ---: | ---: |")
    for way in (read_whole, read_streamed):
        multiprocessing.spawn(measured_reading, args=(way, folder), nprocs=1)
        seconds, gigabytes = json.loads((folder / "reading.json").read_text())
        print(f"| {(way.__doc__ or '').strip('.')} | {seconds:.3g} | {gigabytes:.2f} |", flush=True)
    print()


def measured_reading(rank: int, way: Callable[[Path], None], folder: Path) -> None:
    torch.set_num_threads(1)
    before, start = peak(forget=True), time.process_time()
    way(folder)
    (folder / "reading.json").write_text(json.dumps([time.process_time() - start, (peak() - before) / 1e9]))


def read_whole(folder: Path) -> None:
    """at once"""
    prepare(DataOptions(data=str(folder / "ratings.parquet"), duplicates="keep", shares=EVERY))


def read_streamed(folder: Path) -> None:
    """a part at a time, and dealt"""
    spool, files = folder / "spool", folder / "dealt"
    spool.mkdir()
    files.mkdir()
    asked = DataOptions(data=str(folder / "ratings.parquet"), duplicates="keep", shares=EVERY)
    data = prepare_streamed(asked, spool)
    buckets = Buckets.of_counts(data.counts.users)
    deal(data.split, buckets, files)
    np.save(folder / "buckets.npy", buckets.of_users)
    np.save(folder / "sizes.npy", buckets.sizes)


def print_fits(given: argparse.Namespace, folder: str) -> None:
    print(f"| architecture | fit | workers | {' | '.join(COLUMNS)} |")
    print(f"| --- | --- | ---: | {' | '.join(['---:'] * len(COLUMNS))} |")
    for name in given.architectures:
        for kind in given.fits:
            for workers in given.workers:
                asked = Asked(
                    architecture=name,
                    kind=kind,
                    ratings=given.ratings,
                    workers=workers,
                    steps=given.steps,
                    batch=given.batch,
                    folder=folder,
                )
                print(line(asked, measured(asked)), flush=True)


def world_of(ratings: int) -> synthetic.World:
    users = ratings // PER_USER
    return synthetic.World(users=users, items=round(users / USERS_PER_ITEM), ratings=ratings)


def keep_rows(ratings: int, folder: Path) -> None:
    rows = synthetic.generate(world_of(ratings)).rows
    columns = {"users": rows.users.astype(np.int32), "items": rows.items.astype(np.int32), "ratings": rows.ratings}
    for name, column in columns.items():
        np.save(folder / f"{name}.npy", column)
    named = {"user": columns["users"], "item": columns["items"], "rating": columns["ratings"]}
    pq.write_table(pa.table(named), folder / "ratings.parquet")


def measured(asked: Asked) -> list[float]:
    """The means over workers of what COLUMNS names."""
    meeting = f"{asked.folder}/meeting-{uuid.uuid4().hex}"
    multiprocessing.spawn(work, args=(meeting, asked), nprocs=asked.workers)
    found = [json.loads((Path(asked.folder) / f"{rank}.json").read_text()) for rank in range(asked.workers)]
    return np.mean(found, axis=0).tolist()


def work(rank: int, meeting: str, asked: Asked) -> None:
    torch.set_num_threads(1)
    keep_memory()
    if asked.workers > 1:
        dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=asked.workers)
    world = world_of(asked.ratings)
    stars = Scale(values=(1, 2, 3, 4, 5), low=1, high=5, step=1, lattice=True)
    shape = Shape(users=world.users + 1, items=world.items + 1, scale=stars, ratings=asked.ratings)
    architecture = ARCHITECTURES[asked.architecture]
    batch = asked.batch or batch_for(shape, steps=STEPS)
    config = architecture.reference(shape).model_copy(update={"batch_size": batch})
    before = peak(forget=True)
    fit = FITS[asked.kind](architecture, config, shape, rows_of(asked), seed=1)
    for _ in range(WARM_UP):
        fit.advance()
    own, all_threads, bytes_before = time.thread_time(), time.process_time(), sent()
    for _ in range(asked.steps):
        fit.advance()
    own, all_threads = time.thread_time() - own, time.process_time() - all_threads
    a_step = np.array([own, all_threads - own, (sent() - bytes_before) / 1e6]) / asked.steps
    found = [len(fit.rows), *a_step.tolist(), (peak() - before) / 1e9]
    (Path(asked.folder) / f"{rank}.json").write_text(json.dumps(found))


def rows_of(asked: Asked) -> Rows | Dealt:
    """All rows, mapped from files, or those that are dealt."""
    folder = Path(asked.folder)
    if asked.kind == "streamed":
        buckets = Buckets(of_users=np.load(folder / "buckets.npy"), sizes=np.load(folder / "sizes.npy"))
        read = Store(str(folder / "dealt")).read
        return Dealt(part="train", rows=asked.ratings, buckets=buckets, read=read)
    columns = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("users", "items", "ratings")}
    return Rows(number=np.arange(asked.ratings), **columns)


def peak(*, forget: bool = False) -> int:
    """The most bytes that this process has had. `forget`: from now on."""
    if forget:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def sent() -> int:
    """Bytes that the kernel has sent for this process's TCP connections."""
    total = 0
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            with socket.socket(fileno=os.dup(int(descriptor))) as connection:
                info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
            total += struct.unpack_from("Q", info, BYTES_SENT)[0]
        except (OSError, struct.error):  # no socket, or none of TCP
            continue
    return total


def line(asked: Asked, found: list[float]) -> str:
    rows, own, gloo, megabytes, gigabytes = found
    figures = f"{rows:,.0f} | {own:.3g} | {max(0, gloo):.3g} | {megabytes:.3g} | {gigabytes:.2f}"
    return f"| `{asked.architecture}` | {asked.kind} | {asked.workers} | {figures} |"


if __name__ == "__main__":
    main()
