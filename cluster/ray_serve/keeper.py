"""An actor that hands the bundle to replicas, and passes on what they say.

The bundle and the API key travel through it alone, from the memory of one process to that of another: Ray Serve, which
writes down what it is given, has only the actor's name. It ends with the command that has started it.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from prometheus_client import Metric

from reeltune.cluster.serving.holder import name_of
from reeltune.cluster.serving.options import ServeOptions
from reeltune.trainables.architectures.registry import Registry
from reeltune.trainables.bundle import DESCRIPTION

NAME, NAMESPACE = "reeltune-serve", "reeltune-serve"  # of the actor
QUIET = 15.0  # seconds after which a replica that says nothing is taken to be gone


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """The files of a model bundle."""

    name: str
    files: Mapping[str, bytes]

    @classmethod
    def read(cls, folder: Path) -> "Bundle":
        files = {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.is_file()}
        return cls(name=name_of(files.get(DESCRIPTION, b"")), files=files)


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What a replica starts with. The options name no file of anybody's disk."""

    options: ServeOptions
    registry: Registry  # of own architectures: their text
    bundle: ray.ObjectRef


@dataclass(frozen=True, kw_only=True)
class Beat:
    """What a replica says each second."""

    replica: str
    node: str  # its address
    lines: tuple[str, ...]  # what has happened since the last one
    metrics: tuple[Metric, ...]


@dataclass(frozen=True, kw_only=True)
class News:
    """What the command is told."""

    bundle: str | None  # the name of the one that is offered
    replicas: int  # that have been heard of lately
    lines: tuple[str, ...]  # what replicas have said since the last time


class Keeper:
    """Of one service. Its methods are called by the replicas, and by the command.

    Ray starts it again if its process or node dies. It has no bundle then until the command offers it again.
    """

    def __init__(self, options: ServeOptions, registry: Registry) -> None:
        self._options, self._registry = options, registry
        self._name: str | None = None
        self._bundle: ray.ObjectRef | None = None
        self._beats: dict[str, tuple[float, Beat]] = {}
        self._lines: list[str] = []

    def offer(self, bundle: Bundle) -> None:
        """Have the replicas take this bundle."""
        self._name, self._bundle = bundle.name, ray.put(bundle)

    def sent(self) -> Sent | None:
        """What a replica starts with; None while there is no bundle."""
        if self._bundle is None:
            return None
        return Sent(options=self._options, registry=self._registry, bundle=self._bundle)

    def beat(self, beat: Beat) -> str | None:
        """Take what a replica says, and tell it which bundle there is."""
        self._beats[beat.replica] = time.monotonic(), beat
        self._lines += [f"replica {beat.replica} on {beat.node}: {line}" for line in beat.lines]
        return self._name

    def others(self, replica: str) -> list[Beat]:
        """What the other replicas have said last."""
        return [beat for beat in self._heard() if beat.replica != replica]

    def news(self) -> News:
        lines, self._lines = self._lines, []
        return News(bundle=self._name, replicas=len(self._heard()), lines=tuple(lines))

    def _heard(self) -> list[Beat]:
        now = time.monotonic()
        self._beats = {name: (at, beat) for name, (at, beat) in self._beats.items() if now - at < QUIET}
        return [beat for _, beat in self._beats.values()]


def found() -> Any:
    """The handle of the actor. Raises ValueError where there is none."""
    return ray.get_actor(NAME, namespace=NAMESPACE)
