"""Joins the cluster, stays in the foreground, and knows what to take down."""

import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

from reeltune.cluster.jobs.package import stage
from reeltune.cluster.ray_serve.application import NAME, State, deploy, is_to_start, state, take_down
from reeltune.cluster.ray_serve.ending import Say, until_a_signal
from reeltune.cluster.ray_serve.keeper import NAME as KEEPER
from reeltune.cluster.ray_serve.keeper import NAMESPACE, Bundle, Keeper, found
from reeltune.cluster.ray_serve.options import ClusterOptions
from reeltune.cluster.runs.find import model_folder
from reeltune.cluster.serving.greeting import greeting
from reeltune.cluster.serving.holder import Holder
from reeltune.cluster.serving.options import ServeOptions
from reeltune.cluster.session.address import check_address, joining
from reeltune.cluster.session.interrupt import interruptible
from reeltune.cluster.session.ray_private import set_environment, silence
from reeltune.cluster.session.ray_private_serve import silence_serve
from reeltune.cluster.session.session import join
from reeltune.cluster.session.watchdog import GONE, ClusterLost, lifeline
from reeltune.cluster.session.ways_in import CLIENT
from reeltune.trainables.architectures.kept_source import NO_SOURCE
from reeltune.trainables.architectures.registry import Registry, resolve
from reeltune.trainables.errors import InputError

LOOK = 0.5  # seconds between two looks at the replicas
SOON = 10.0  # seconds in which replicas start where there is room for them
ENDING = 60.0  # seconds in which the application ends once its requests are answered


def serve_on(cluster: ClusterOptions, options: ServeOptions, say: Say) -> int:
    """Serve on the cluster until SIGTERM or SIGINT, and return the exit code; what happens meanwhile goes to `say`.

    Raises InputError where the bundle cannot be used, no cluster is at the address, and where a service of reeltune is
    there already.
    """
    check_address(cluster.address)
    holder = Holder(options, say, taken="goes to the replicas")
    bundle = read(options, holder)
    say(joining(cluster.address))
    with _joined(cluster.address):
        driver = Driver(cluster, options, holder, bundle, say)
        with interruptible():
            try:
                return until_a_signal(driver, say, drain=options.drain)
            except (ClusterLost, ConnectionError):
                print(f"error: {GONE}; the replicas that are left answer on", file=sys.stderr)
                return 1


def read(options: ServeOptions, holder: Holder) -> Bundle:
    """The files of the bundle that the holder has. Raises InputError where another one is there by now."""
    bundle = Bundle.read(model_folder(options.model).resolve())
    if bundle.name != holder.answers.name:
        raise InputError(f"{options.model}: changed while it was read; start again once it is whole")
    return bundle


@contextmanager
def _joined(address: str) -> Iterator[None]:
    """In the cluster, with this reeltune on every node where Ray's client allows it: its nodes may have none."""
    set_environment()
    silence()
    silence_serve()
    client = address.startswith(CLIENT)
    with tempfile.TemporaryDirectory() as folder:
        join(address, runtime_env={"py_modules": stage(Path(folder), ())} if client else None)
    try:
        with nullcontext() if client else lifeline("the replicas that are left answer on"):
            yield
    finally:
        ray.shutdown()


class Driver:
    """The foreground process of one service."""

    def __init__(
        self, cluster: ClusterOptions, options: ServeOptions, holder: Holder, bundle: Bundle, say: Say
    ) -> None:
        self._cluster, self._options, self._holder, self._say = cluster, options, holder, say
        self._bundle = bundle
        self._keeper: Any = None
        self._registry: Registry = resolve(options.own.files)[1]
        self._asked = threading.Event()  # by SIGHUP
        self._up = 0
        self._last = State(there=True)
        self.started: bool | None = None  # whether Ray Serve was started here; None: nothing is to be taken down

    def run(self) -> int:
        """Raises InputError, and Interrupted at a signal to end."""
        signal.signal(signal.SIGHUP, lambda number, frame: self._asked.set())
        orphan = self._takes_over()
        starts = is_to_start(self._options) or orphan  # it was started by the command that has gone
        self._check_room()
        self._keeper = self._new_keeper()
        self.started = starts  # from here on there is something to take down
        self._tell()
        deploy(self._options, self._cluster)
        self._until_up()
        self._greet()
        return self._watch()

    def forget(self) -> None:
        """Leave what is on the cluster as it is."""
        self.started = self._keeper = None

    def end(self) -> None:
        """Take down what this command has started."""
        if self.started is not None:
            take_down(started=self.started, within=self._options.drain + ENDING)
            self._tell()
        if self._keeper is not None:
            ray.kill(self._keeper)

    def _takes_over(self) -> bool:
        """Whether a service of reeltune is there whose command has gone. Raises InputError where that is alive."""
        try:
            keeper = found()
        except ValueError:
            orphan = state().there
            if orphan:
                self._say("a service of reeltune is there whose command has gone: it is taken over")
            return orphan
        news = ray.get(keeper.news.remote())
        raise InputError(
            f"--address {self._cluster.address}: `reeltune serve` runs on this cluster ({news.replicas} replicas); "
            "end that command first, or give it the other bundle by SIGHUP"
        )

    def _check_room(self) -> None:
        has = [node["Resources"].get("CPU", 0.0) for node in ray.nodes() if node["Alive"]]
        room = sum(int(cpus / self._cluster.cpus) for cpus in has)
        if room < self._cluster.replicas:
            self._say(
                f"{self._cluster.replicas} replicas of {self._cluster.cpus:g} CPU are asked for, and the nodes have "
                f"room for {room}: the others start when nodes are added"
            )

    def _new_keeper(self) -> Any:
        sent = replace(self._options, model="", own=NO_SOURCE)
        actor = ray.remote(num_cpus=0, max_restarts=-1)(Keeper).options(name=KEEPER, namespace=NAMESPACE)
        return actor.remote(sent, self._registry)

    def _until_up(self) -> None:
        """Wait for the first replica. Raises InputError where none can start."""
        patience: float | None = time.monotonic() + SOON
        while (now := self._state()).up == 0:
            if now.broken is not None:
                raise InputError(f"--address {self._cluster.address}: no replica can start there: {now.broken}")
            if patience is not None and time.monotonic() > patience:
                self._say(f"waiting for the first replica, which needs {self._cluster.cpus:g} CPU of one node")
                patience = None
            time.sleep(LOOK)

    def _greet(self) -> None:
        host = "127.0.0.1" if self._options.here_alone else ray.util.get_node_ip_address()
        where, *lines = greeting(self._holder, self._options, host, self._options.port)
        print(where, *lines, sep="\n", flush=True)
        self._say(f"on each node with a replica; kill -HUP {os.getpid()} sends the bundle again; Ctrl-C takes it down")

    def _watch(self) -> int:
        """Say what happens, for ever; return 1 if somebody else takes the service down."""
        every = self._options.reload_every
        due = time.monotonic() + (every or 0)
        while True:
            asked = self._asked.wait(LOOK)
            self._asked.clear()
            if asked or (every is not None and time.monotonic() > due):
                self._reload(ask=asked)
                due = time.monotonic() + (every or 0)
            self._tell()
            now = self._state()
            if not now.there:
                self._say(f"error: the application {NAME} is no longer on the cluster: somebody has taken it down")
                self.forget()
                return 1
            if now.up != self._up:
                self._say(f"{now.up} of {self._cluster.replicas} replicas answer")
                self._up = now.up

    def _state(self) -> State:
        """As it was before while Ray Serve's controller starts again, which the replicas do not notice."""
        with suppress(RayError):
            self._last = state()
        return self._last

    def _reload(self, *, ask: bool) -> None:
        """Take the bundle that is there now, if it can be used; `_tell` offers it."""
        self._holder.look(ask=ask)
        if self._holder.answers.name != self._bundle.name:
            try:
                self._bundle = read(self._options, self._holder)
            except (InputError, OSError) as error:
                self._say(f"reload: failed, and the bundle {self._bundle.name} still answers: {error}")

    def _tell(self) -> None:
        """Say what the replicas have said, and offer them the bundle unless the keeper has it."""
        with suppress(RayError):  # while the keeper starts again
            news = ray.get(self._keeper.news.remote())
            for line in news.lines:
                self._say(line)
            if news.bundle != self._bundle.name:
                ray.get(self._keeper.offer.remote(self._bundle))
