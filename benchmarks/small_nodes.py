"""Data that no node can hold: fits whose rows are more than a node's memory, under hard limits. About 20 minutes.

    python -m benchmarks.small_nodes                                                    # both make the table of
    python -m benchmarks.small_nodes --fits several free --workers 4 --limit 1.35       # docs/scale.md

Made-up ratings in a folder of Parquet, 160 by each user. A real Ray cluster on this machine has a head without CPUs for
fits, and a node of one CPU for each worker. The head, each node and the command are in groups of processes with a hard
limit of memory each, as containers are, and what needs more is killed. Fits are of one epoch, with test rows scored:

- `free`: all users on one worker with `--stream`, without limits: what all rows take
- `one`: the same under the limits
- `whole`: `--shard users` on two workers without `--stream`
- `several`: `--shard users --stream`, on as many workers as `--workers` says; then `reeltune predict` with the bundle

`held` is the peak of what a group's processes have without the kernel's copies of files, which it drops where memory is
short; `with files` is the peak with them. The node is the one that has most. `killed` counts what the kernel has
killed for the limit; Ray's own memory monitor may be the first. Linux, as root.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from reeltune.cluster.session.machine import description
from tests.limited import Group, limited, why_not
from tests.nodes import Cluster, environment

FILES, PER_USER, ITEMS = 8, 160, 20_000
PAIRS = 1_000_000  # that are predicted
GB = 1_000_000_000
FREE = 1 << 50  # bytes: no limit
FITS = ("free", "one", "whole", "several")
OPTIONS = ["--shard", "users", "--set", "epochs=1", "--duplicates", "keep", "--test-share", "0.05", "--score-test"]
COLUMNS = ["command", "nodes", "node: limit, GB", "held", "with files", "command: limit, GB", "held", "with files"]


@dataclass(frozen=True, kw_only=True)
class Place:
    """A cluster, and the groups of its nodes, of its head and of the commands that are given."""

    cluster: Cluster
    nodes: list[Group]
    head: Group
    commands: Group
    home: Path

    def run(self, *words: str) -> None:
        """Run a command, and print a line of the table and what the command said last, if it failed."""
        for group in (*self.nodes, self.head, self.commands):
            group.forget()
        start = time.monotonic()
        done = subprocess.run(
            self.commands.command(sys.executable, "-m", "reeltune", *words),
            cwd=self.home,
            env=environment(REELTUNE_CACHE=str(self.home / "cache"), TMPDIR=str(self.home)),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.monotonic() - start
        node = max(self.nodes, key=lambda group: group.most)
        figures = [cell for group in (node, self.commands) for cell in cells(group)]
        killed = sum(group.kills for group in (*self.nodes, self.head, self.commands))
        told = " ".join(word for word in words if word in ("train", "predict", "--stream"))
        print(f"| {told} | {len(self.nodes)} | {' | '.join(figures)} | {killed} | {seconds:.0f} |", flush=True)
        if done.returncode:
            last = (done.stderr.strip() or "nothing").splitlines()[-1]
            print(f"  exit code {done.returncode}: {last}", flush=True)


def cells(group: Group) -> list[str]:
    limit = "none" if group.limit == FREE else f"{group.limit / GB:g}"
    return [limit, f"{group.most / GB:.2f}", f"{group.peak / GB:.2f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=12_000_000)
    parser.add_argument("--fits", nargs="+", choices=FITS, default=["one", "whole", "several"])
    parser.add_argument("--workers", type=int, nargs="+", default=[2], help="of `several`")
    parser.add_argument("--limit", type=float, default=1.6, help="GB of each node, and of the head")
    parser.add_argument("--command-limit", type=float, default=1.2, help="GB of the command")
    parser.add_argument("--architecture", default="svdpp")
    parser.add_argument("--batch", type=int, default=65_536, help="rows of a step")
    given = parser.parse_args()
    if why := why_not():
        raise SystemExit(why)
    print(f"machine: {description()}; {given.rows:,} ratings")
    print(f"| {' | '.join(COLUMNS)} | killed | seconds |")
    print(f"| --- | {' | '.join(['---:'] * (len(COLUMNS) + 1))} |")
    with tempfile.TemporaryDirectory() as home:
        write_ratings(Path(home), given.rows)
        for fit in given.fits:
            for workers in {"whole": [2], "several": given.workers}.get(fit, [1]):
                run_fit(fit, workers, Path(home), given)


def run_fit(fit: str, workers: int, home: Path, given: argparse.Namespace) -> None:
    limits = (FREE, FREE) if fit == "free" else (round(given.limit * GB), round(given.command_limit * GB))
    name = f"{fit}-{workers}"
    words = ["train", given.architecture, "--data", "ratings", *OPTIONS, "--set", f"batch_size={given.batch}"]
    words += [] if fit == "whole" else ["--stream"]
    with place(home, workers, *limits) as made:
        made.run(*words, "--workers", str(workers), "--name", name, "--address", made.cluster.address)
        if fit == "several":
            made.run("predict", f"runs/{name}/models/{given.architecture}", "pairs.parquet", "-o", "rated.parquet")


@contextmanager
def place(home: Path, nodes: int, limit: int, of_command: int) -> Iterator[Place]:
    with ExitStack() as stack:
        groups = [stack.enter_context(limited(limit)) for _ in range(nodes)]
        head, commands = stack.enter_context(limited(limit)), stack.enter_context(limited(of_command))
        cluster = Cluster(head)
        stack.callback(cluster.kill)
        for group in groups:
            cluster.add(group)
        yield Place(cluster=cluster, nodes=groups, head=head, commands=commands, home=home)


def write_ratings(home: Path, rows: int) -> None:
    """So many ratings in a folder of files, and a file of pairs."""
    (home / "ratings").mkdir()
    draw = np.random.default_rng(0)
    of_users, of_items = draw.normal(0, 0.4, rows // PER_USER), draw.normal(0, 0.4, ITEMS)
    for number in range(FILES):
        count = rows // FILES
        user = draw.integers(0, len(of_users), count, dtype=np.int32)
        item = (draw.random(count, dtype=np.float32) ** 2 * ITEMS).astype(np.int32)
        mean = 3.5 + of_users[user] + of_items[item] + draw.normal(0, 0.5, count)
        rating = np.clip(np.round(mean), 1, 5).astype(np.int32)
        table = pa.table({"user": user, "item": item, "rating": rating})
        pq.write_table(table, home / "ratings" / f"part-{number}.parquet")
        if number == 0:
            pq.write_table(table.select(["user", "item"]).slice(0, PAIRS), home / "pairs.parquet")


if __name__ == "__main__":
    main()
