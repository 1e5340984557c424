"""A search whose processes are killed at random, every so many seconds: is every trial there at the end, once?

    python -m benchmarks.soak                             # 200 trials; a kill every 20 s for 15 minutes
    python -m benchmarks.soak --trials 40 --minutes 3

A head and two nodes of a CPU each run on this machine. What is killed with kill -9 is the process of a trial (or of a
refit), a node with all of its processes, or the driver. Another node takes the place of a dead one, and the driver is
started again with --resume. The kills stop after the minutes, or with the search; it then runs to its verdict.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import optuna
import psutil

from reeltune.cluster.runs.folder import Ledger, RunFolder
from reeltune.cluster.session.machine import description
from reeltune.search_spaces.study import STATES, journal
from tests.nodes import Cluster, cluster, environment

NAMES = ("pmf", "svdpp")
SPACE = "".join(
    f"""
[{name}]
only = true
[{name}.epochs]
low = 10
high = 150
[{name}.learning_rate]
low = 1e-3
high = 1e-2
"""
    for name in NAMES
)
KINDS = ("trial", "node", "driver")


class Search:
    """The driver, started again with --resume whenever it has ended otherwise than with its answer."""

    def __init__(self, home: Path, address: str, *, trials: int, data: str) -> None:
        (home / "space.toml").write_text(SPACE)
        words = ["tune", *NAMES, "--data", data, "--trials", str(trials // len(NAMES)), "--space", "space.toml"]
        words += ["--name", "soak", "--address", address, "--no-ensemble", "--json"]
        self.command, self.home = [sys.executable, "-m", "reeltune", *words], home
        self.log = (home / "driver.log").open("w")
        self.starts, self.by_itself = 0, Counter[int]()
        self.start()

    def start(self) -> None:
        again = ["--resume"] if (self.home / "runs/soak/run.json").exists() else []
        self.process = subprocess.Popen(
            [*self.command, *again],
            cwd=self.home,
            env=environment(REELTUNE_CACHE=str(self.home / "cache")),
            stdout=subprocess.PIPE,
            stderr=self.log,
        )
        self.starts += 1

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.start()

    def answered(self) -> bool:
        """Whether the run is finished, and only the process has still to end."""
        record = self.home / "runs/soak/run.json"
        return record.exists() and json.loads(record.read_text())["finished"] is not None

    def ended(self) -> bool:
        """Whether it has its answer; one that ended without is started again."""
        code = self.process.poll()
        if code in (0, 3) or self.answered():
            self.process.wait()
            return True
        if code is not None:
            self.by_itself[code] += 1
            self.start()
        return False


def victims(nodes: Cluster) -> list[psutil.Process]:
    """The processes in which fits run."""
    found = [process for node in nodes.nodes for process in node.processes()]
    with suppress(psutil.NoSuchProcess):
        return [one for one in found if one.name().endswith(".train") or "TrainWorker" in one.name()]
    return []


def kill(kind: str, search: Search, nodes: Cluster, draw: random.Random) -> str:
    """Kill one of a kind, or the driver where there is none; which it was."""
    fits = victims(nodes)
    if kind == "trial" and fits:
        with suppress(psutil.NoSuchProcess):
            draw.choice(fits).kill()
        return kind
    if kind == "node":
        node = draw.choice(nodes.nodes)
        node.kill()
        nodes.nodes.remove(node)
        _replace(nodes)
        return kind
    search.kill()
    return "driver"


def _replace(nodes: Cluster) -> None:
    """Add a node; one that does not come up, as on a busy machine, is asked for again."""
    for _ in range(5):
        with suppress(AssertionError):
            return nodes.add()
    raise SystemExit("no node of Ray starts on this machine")


def soak(search: Search, nodes: Cluster, *, minutes: float, every: float, seed: int) -> Counter[str]:
    """Kill until the minutes are over, then wait for the answer; how many of each kind were killed."""
    draw, killed, end = random.Random(seed), Counter[str](), time.monotonic() + 60 * minutes
    following = time.monotonic() + every
    while not search.ended():
        time.sleep(0.5)
        if following < time.monotonic() < end:
            kind = kill(draw.choice(KINDS), search, nodes, draw)
            killed[kind] += 1
            print(f"{killed.total()}: {kind} killed", file=sys.stderr, flush=True)
            following = max(following + every, time.monotonic())
    return killed


def check(folder: RunFolder, *, trials: int) -> list[str]:
    """What is wrong with what a search has left."""
    entries = Ledger(folder.ledger).entries
    search = [entry for entry in entries if entry.stage == "search"]
    wrong = [f"{trial} is in the ledger {n} times" for trial, n in Counter(e.trial for e in entries).items() if n > 1]
    for name in NAMES:
        numbers = {entry.number for entry in search if entry.architecture == name}
        wrong += [f"{name}-{number:03} is lost" for number in set(range(trials // len(NAMES))) - numbers]
        study = optuna.load_study(study_name=name, storage=journal(str(folder.journal)))
        told = {trial.user_attrs["trial"]: trial.state for trial in study.trials}
        kept = {entry.trial: STATES[entry.state] for entry in search if entry.architecture == name}
        wrong += [] if told == kept else [f"Optuna's study of {name} is not what the ledger says"]
    wrong += ["states are left"] if (folder.path / "states").exists() else []
    return wrong + [f"{entry.trial} failed: {entry.error}" for entry in entries if entry.state == "failed"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--every", type=float, default=20, help="seconds between two kills")
    parser.add_argument("--data", default="synthetic:users=300,items=200,ratings=30000")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    home, start = Path(tempfile.mkdtemp(prefix="soak-")), time.monotonic()
    with cluster(nodes=2) as nodes:
        search = Search(home, nodes.address, trials=given.trials, data=given.data)
        try:
            killed = soak(search, nodes, minutes=given.minutes, every=given.every, seed=given.seed)
        finally:
            search.process.kill()
    folder = RunFolder(home / "runs/soak")
    found = Counter(entry.stage for entry in Ledger(folder.ledger).entries)
    wrong = check(folder, trials=given.trials)
    print(f"machine: {description()}; the run is in {folder.path}\n")
    print("| killed | trials' processes | nodes | drivers | started again | seconds | trials in the ledger | again |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    counts = [killed.total(), *(killed[kind] for kind in KINDS), search.starts - 1, round(time.monotonic() - start)]
    print("| " + " | ".join(map(str, [*counts, found["search"], found["confirm"]])) + " |")
    print(f"\nended by itself without an answer, by exit code: {json.dumps(search.by_itself)}")
    print("\n".join(["wrong:", *wrong]) if wrong else "each trial is in the ledger once, and Optuna's studies agree")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
