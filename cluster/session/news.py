"""Says what happens to a cluster while a command works there: nodes that come and go, and what is waited for."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ray.exceptions import RayError, RpcError

from reeltune.cluster.session.ray_private_state import Pending, living_nodes, pending

EVERY = 2.0  # seconds between two looks
PATIENCE = 6.0  # seconds to wait for CPUs before that is said: a trial's may be given back any moment
Nodes = dict[str, tuple[str, float]]


@contextmanager
def news(say: Callable[[str], None]) -> Iterator[None]:
    """Say it as long as the body runs."""
    left = threading.Event()
    watcher = threading.Thread(target=_watch, args=(say, left), daemon=True)  # it may wait for a lost cluster
    watcher.start()
    try:
        yield
    finally:
        left.set()
        watcher.join(EVERY)


def _watch(say: Callable[[str], None], left: threading.Event) -> None:
    before: Nodes = {}
    waiting = Waiting()
    while not left.wait(EVERY):
        try:
            now = living_nodes()
            for line in [*(changes(before, now) if before else []), *waiting.lines(pending(), time.monotonic())]:
                say(line)
        except (RayError, RpcError, RuntimeError, OSError):
            continue  # the watchdog tells of a cluster that is lost
        before = now


def changes(before: Nodes, now: Nodes) -> list[str]:
    """A line for each node that has come or gone."""
    total = sum(cpus for _, cpus in now.values())
    came = [now[node] for node in now.keys() - before.keys()]
    gone = [before[node] for node in before.keys() - now.keys()]
    return [
        *(f"node {address} joined with {cpus_of(cpus)}: the cluster has {cpus_of(total)}" for address, cpus in came),
        *(
            f"node {address} is lost with {cpus_of(cpus)}: what ran there goes on elsewhere from its last checkpoint; "
            f"the cluster has {cpus_of(total)}, so fewer fits run at once"
            for address, cpus in gone
        ),
    ]


class Waiting:
    """Says it once when CPUs are waited for that others hold, and again when those are others."""

    def __init__(self) -> None:
        self.since: float | None = None
        self.said = ""

    def lines(self, found: Pending, now: float) -> list[str]:
        if not (found.cpus and found.held):
            self.since, self.said = None, ""
            return []
        self.since = now if self.since is None else self.since
        line = waited_for(found)
        if now - self.since < PATIENCE or line == self.said:
            return []
        self.said = line
        return [line]


def waited_for(found: Pending) -> str:
    """What is waited for, in words; empty if nothing is."""
    if not found.cpus:
        return ""
    holders = ", ".join(f"{name} holds {cpus_of(cpus)}" for name, cpus in found.held.items())
    return f"waiting for {cpus_of(found.cpus)}{f': {holders}' if holders else ''}"


def cpus_of(count: float) -> str:
    return f"{count:g} CPU{'' if count == 1 else 's'}"
