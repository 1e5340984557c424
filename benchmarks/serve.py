"""How fast `reeltune serve` answers, beside Surprise's model in the same FastAPI shell. About 4 minutes on 2 cores.

    python benchmarks/serve.py
    python benchmarks/serve.py --seconds 2 --only reeltune

The service has one core and the clients another one, where the system can say so. A client sends its next request when
the answer is there, on a connection that stays open. "pair" is one pair, "top 10" a list over all items. Ratings are
made up, of MovieLens-100k's size. Core µs are user and system time of the service for one request: what a core to
itself could do is their inverse, whatever else runs on the machine. Surprise gets an environment as in
benchmarks/peers.py.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import psutil
from peers import PeerFailed, environment

from reeltune.cluster.session.machine import description
from reeltune.trainables import bundle
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data import Ratings, load_data
from reeltune.trainables.data.movielens import cache_folder
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.fitting.fit import Fit
from reeltune.trainables.fitting.loop import run

USERS, ITEMS, RATINGS = 943, 1682, 100_000
CLIENTS = (1, 8, 64)
OWN = ("pmf", "svdpp", "svdpp_classifier")
WARM_UP = 1.0  # seconds
COLUMNS = ["service", "request", "clients", "a second", "p50, ms", "p99, ms", "core µs", "a core second"]


@dataclass(frozen=True, kw_only=True)
class Measured:
    requests: int
    seconds: float
    p50: float  # milliseconds
    p99: float
    core: float  # seconds of the service


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--only", nargs="+", choices=["reeltune", "surprise"], default=["reeltune", "surprise"])
    parser.add_argument("--environments", type=Path, default=cache_folder() / "peers")
    parser.add_argument("--client", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.client:
        asyncio.run(clients(**json.loads(asked.client)))
        return
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    print(f"machine: {description()}; load before: {load}; {USERS:,} users of {ITEMS:,} items")
    print(f"| {' | '.join(COLUMNS)} |\n| --- | --- |{' ---: |' * (len(COLUMNS) - 2)}", flush=True)
    data = load_data(f"synthetic:users={USERS},items={ITEMS},ratings={RATINGS}")
    with tempfile.TemporaryDirectory() as place:
        if "reeltune" in asked.only:
            for name in OWN:
                fitted(name, data, Path(place) / name)
                command = [str(Path(sys.executable).parent / "reeltune"), "serve", f"{place}/{name}", "--port", "0"]
                measure(f"reeltune, `{name}`", command, asked.seconds)
        if "surprise" in asked.only:
            surprise(data, Path(place), asked.environments, asked.seconds)


def fitted(name: str, data: Ratings, place: Path) -> None:
    """Save the bundle of a short fit: how long a rating takes does not depend on how good it is."""
    shape = Shape(users=data.users.rows, items=data.items.rows, scale=Scale.of(data.rows.ratings))
    config = ARCHITECTURES[name].reference(shape).model_copy(update={"epochs": 1})
    fit = Fit(ARCHITECTURES[name], config, shape, data.rows, seed=0)
    list(run(fit))
    about = bundle.describe(
        name, config, shape.scale, decoder="argmax", temperature=1.0, seed=0, data="made up", metrics={}
    )
    bundle.save(place, about, bundle.served_weights(fit.model), data.users, data.items, fitted=data.rows)


def surprise(data: Ratings, place: Path, environments: Path, seconds: float) -> None:
    rows = {"user": data.users.text[data.rows.users - 1], "item": data.items.text[data.rows.items - 1]}
    pd.DataFrame({**rows, "rating": data.rows.ratings}).to_parquet(place / "fit.parquet", index=False)
    try:
        python = environment("serve_surprise", environments / "serve_surprise")
    except PeerFailed as error:
        print(f"| Surprise, `SVD` | not installed: {error} |{' |' * (len(COLUMNS) - 2)}", flush=True)
        return
    script = Path(__file__).parent / "peers" / "serve_surprise.py"
    measure("Surprise, `SVD`", [str(python), str(script), str(place)], seconds)


def measure(label: str, command: list[str], seconds: float) -> None:
    """Print a row for each kind of request and number of clients."""
    with service(command) as (process, url):
        for kind in ("pair", "top 10"):
            for number in CLIENTS:
                found = asked_by(process, url, kind, number, seconds)
                core = found.core / found.requests * 1e6
                cells = [f"{found.requests / found.seconds:,.0f}", f"{found.p50:.1f}", f"{found.p99:.1f}"]
                cells += [f"{core:,.0f}", f"{1e6 / core:,.0f}"]
                print(f"| {label} | {kind} | {number} | {' | '.join(cells)} |", flush=True)


@contextmanager
def service(command: list[str]) -> Iterator[tuple[psutil.Process, str]]:
    """A service on one core, and its address, which its first line has."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split(": ")[0]
            if not url:
                raise SystemExit(f"did not start: {' '.join(command)}")
            found = psutil.Process(process.pid)
            on_core(found.pid, 0)
            yield found, url
        finally:
            process.terminate()


def on_core(process: int, which: int) -> None:
    """Keep a process and its threads on one of the cores, where there are two."""
    if hasattr(os, "sched_setaffinity") and len(cores := sorted(os.sched_getaffinity(0))) > 1:
        for thread in psutil.Process(process).threads():
            os.sched_setaffinity(thread.id, {cores[which]})


def asked_by(process: psutil.Process, url: str, kind: str, number: int, seconds: float) -> Measured:
    """Let clients in a process of their own ask for that long."""
    words = json.dumps({"url": url, "kind": kind, "number": number, "seconds": seconds})
    command = [sys.executable, __file__, "--client", words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as asking:
        assert asking.stdin is not None
        assert asking.stdout is not None
        on_core(asking.pid, 1)
        asking.stdout.readline()  # warmed up
        before = sum(process.cpu_times()[:2])
        found = json.loads(asking.stdout.readline())
        core = sum(process.cpu_times()[:2]) - before
    return Measured(**found, core=core)


class Client(asyncio.Protocol):
    """Sends a request, and the next one when its answer is there."""

    def __init__(self, requests: Iterator[bytes]) -> None:
        self.requests, self.taken, self._got = requests, list[float](), b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._ask()

    def _ask(self) -> None:
        self._start = time.perf_counter()
        self.transport.write(next(self.requests))

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, end, body = self._got.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if not end or len(body) < int(length):
            return
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(self._got.decode())
        self._got = b""
        self.taken.append(time.perf_counter() - self._start)
        self._ask()


def requests(netloc: str, kind: str, seed: int) -> Iterator[bytes]:
    draw = np.random.default_rng(seed)
    path = "/predict" if kind == "pair" else "/recommend"
    while True:
        user, item = f"u{draw.integers(USERS)}", f"i{draw.integers(ITEMS)}"
        asked = {"pairs": [{"user": user, "item": item}]} if kind == "pair" else {"users": [user], "n": 10}
        body = json.dumps(asked).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {netloc}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        )
        yield f"{head}\r\n\r\n".encode() + body


async def clients(url: str, kind: str, number: int, seconds: float) -> None:
    """Print a line after the warm-up, and then what was measured."""
    where, loop = urlsplit(url), asyncio.get_running_loop()
    every = [Client(requests(where.netloc, kind, seed)) for seed in range(number)]
    for client in every:
        await loop.create_connection(lambda client=client: client, where.hostname, where.port)
    await asyncio.sleep(WARM_UP)
    for client in every:
        client.taken.clear()
    print("warm", flush=True)
    start = time.perf_counter()
    await asyncio.sleep(seconds)
    elapsed = time.perf_counter() - start
    taken = np.concatenate([client.taken for client in every]) * 1e3
    p50, p99 = np.percentile(taken, [50, 99])
    print(json.dumps({"requests": len(taken), "seconds": elapsed, "p50": p50, "p99": p99}), flush=True)
    for client in every:
        client.transport.abort()


if __name__ == "__main__":
    main()
