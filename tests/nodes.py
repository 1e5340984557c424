"""Nodes of a real Ray cluster on this machine, each a `ray start` of its own that can be killed like a machine."""

import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests import heads

ROOT = Path(__file__).parent.parent
HEADS_ALONE = ("--port", "--dashboard-port", "--ray-client-server-port")


@dataclass(frozen=True)
class Node:
    """One `ray start`, with all of its processes."""

    process: subprocess.Popen
    log: Path

    def has_started(self):
        return "Ray runtime started" in self.log.read_text()

    def processes(self):
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self.process.pid).children(recursive=True)
        return []

    def works(self):
        """Whether a trial is at work on it."""
        return any(one.name().endswith(".train") for one in self.processes())

    def kill(self):
        """End it at once, as a power cut would."""
        heads.kill(self.process)


class Cluster:
    """A head that takes no trials, and nodes that do, with ports and a temporary folder of their own.

    Each may be in a group of `tests.limited`, and an object store then has the size that Ray gives it there.
    """

    def __init__(self, within=None):
        self.temporary = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
        self.nodes = []
        ports = heads.free_ports(len(HEADS_ALONE))
        self.address = f"127.0.0.1:{ports[0]}"
        words = [word for option, port in zip(HEADS_ALONE, ports, strict=True) for word in (option, str(port))]
        self.head = self._start(within, "--head", *words, "--include-dashboard=false", "--num-cpus", "0")

    def add(self, within=None):
        self.nodes.append(self._start(within, "--address", self.address, "--num-cpus", "1"))

    def kill(self):
        for node in [*self.nodes, self.head]:
            node.kill()
        shutil.rmtree(self.temporary, ignore_errors=True)

    def _start(self, within, *words):
        node = self._starting(within, *words)
        try:
            heads.until(node.has_started, node.process, log=node.log)
        except AssertionError:
            if node.process.poll() is None:
                raise
            # Ray's own start may fail on a loaded machine, and is not what is tested. If it does so twice, see its log.
            node = self._starting(within, *words)
            heads.until(node.has_started, node.process, log=node.log)
        return node

    def _starting(self, within, *words):
        options = [option for option in heads.PORTS if option not in HEADS_ALONE]
        ports = zip(options, heads.free_ports(len(options)), strict=True)
        own = [word for option, port in ports for word in (option, str(port))]
        own += ["--min-worker-port", "0", "--max-worker-port", "0", "--node-ip-address", "127.0.0.1"]
        own += [] if within else ["--object-store-memory", str(100 << 20)]
        own += ["--temp-dir", self.temporary, "--disable-usage-stats"]
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", *words, *own, "--block"]
        command = within.command(*command) if within else command
        path = Path(self.temporary, f"{time.monotonic_ns()}.log")
        with path.open("w") as log:
            return Node(subprocess.Popen(command, env=environment(), stdout=log, stderr=log), path)


def environment(**more):
    """With the token of these clusters, and with this checkout on the path."""
    return heads.environment(PYTHONPATH=str(ROOT), **more)


@contextmanager
def cluster(nodes):
    """A cluster of a head and so many nodes of a CPU each."""
    made = Cluster()
    try:
        for _ in range(nodes):
            made.add()
        yield made
    finally:
        made.kill()
