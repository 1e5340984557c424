"""What a cluster has for trials and workers, and what it may grow to."""

import math
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import ray
import yaml

from reeltune.cluster.session.machine import usable_memory
from reeltune.trainables.errors import InputError

RAY_BYTES = 1 << 30
ANY = 1e9  # as many as the operator of a Kubernetes cluster allows: nobody here knows
SETTINGS = ("available_node_types", "head_node_type", "max_workers")


@dataclass(frozen=True, kw_only=True)
class Node:
    """What one node has for trials and workers."""

    cpus: float = 0
    gpus: float = 0
    memory: float = math.inf  # bytes


@dataclass(frozen=True, kw_only=True)
class Resources:
    """The nodes that are there, and what an autoscaler's settings allow in all."""

    nodes: tuple[Node, ...]
    most: Node = Node()
    joined: bool = False  # a cluster that ran already

    @property
    def cpus(self) -> int:
        return int(sum(node.cpus for node in self.nodes))

    @property
    def gpus(self) -> int:
        return int(sum(node.gpus for node in self.nodes))

    @property
    def on_gpus(self) -> bool:
        """Whether workers take GPUs: where there are any. Those that may come cost what nobody asked for."""
        return self.gpus >= 1

    @property
    def device(self) -> str:
        """What data-parallel workers compute on: of a cluster it is not known which node that is."""
        kind = "gpu" if self.on_gpus else "cpu"
        return f"{kind} of a cluster" if self.joined else kind

    @property
    def to_come(self) -> Node:
        """What the autoscaler may add, as if it were one node."""
        return Node(cpus=max(0, self.most.cpus - self.cpus), gpus=max(0, self.most.gpus - self.gpus))

    def of(self, kind: str) -> str:
        """`4`, or `4 and may grow to 8`: GPUs or CPUs in words."""
        has, most = (self.gpus, self.most.gpus) if kind == "GPUs" else (self.cpus, self.most.cpus)
        if self.most == Node():
            return f"{has}"
        return f"{has} and may grow {'as its operator allows' if most >= ANY else f'to {max(has, int(most))}'}"


def found(*, joined: bool) -> Resources:
    """Those of the Ray that this process has started, or has joined and which may have an autoscaler."""
    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    nodes = tuple(
        Node(cpus=has.get("CPU", 0), gpus=has.get("GPU", 0), memory=has.get("memory", math.inf)) for has in alive
    )
    if joined:
        return Resources(nodes=nodes, most=_most(nodes), joined=True)
    free = max(0, usable_memory() - RAY_BYTES)  # of this machine, which does other work too
    return Resources(nodes=tuple(replace(node, memory=free) for node in nodes))


def _most(nodes: tuple[Node, ...]) -> Node:
    """What the autoscaler's settings allow; nothing where there is no autoscaler.

    They are on the head node alone, in the file that its autoscaler was started with. In Kubernetes they are the
    operator's: a kind of worker that is there may come in any number.
    """
    ask = ray.remote(num_cpus=0, resources={"node:__internal_head__": 0.001})(_settings_of)
    settings, kubernetes = ray.get(ask.remote(ray.get_runtime_context().gcs_address))
    if kubernetes:
        return Node(cpus=ANY, gpus=ANY if any(node.gpus for node in nodes) else 0)
    if settings is None:
        return Node()
    return Node(cpus=most_of(settings, "CPU"), gpus=most_of(settings, "GPU"))


def _settings_of(gcs_address: str) -> tuple[dict[str, Any] | None, bool]:
    """The node types and limits of this cluster's autoscaler, and whether it is in Kubernetes. Runs on the head."""
    kubernetes = os.environ.get("RAY_USAGE_STATS_KUBERAY_IN_USE") == "1"  # set by KubeRay
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        files = [word.partition("=")[2] for word in words if word.startswith("--autoscaling-config=")]
        if files and f"--gcs-address={gcs_address}" in words:
            settings = yaml.safe_load(Path(files[0]).expanduser().read_text())
            return {name: settings.get(name) for name in SETTINGS}, kubernetes
    return None, kubernetes


def most_of(settings: dict[str, Any], kind: str) -> float:
    """How much of a resource the cluster can come to: the head, and as many workers of the richest types as may be."""
    types = settings["available_node_types"]
    head = types[settings["head_node_type"]].get("resources", {}).get(kind, 0)
    left = settings["max_workers"]
    total = head
    for node_type in sorted(types.values(), key=lambda each: -each.get("resources", {}).get(kind, 0)):
        count = min(left, node_type.get("max_workers", settings["max_workers"]))
        total += count * node_type.get("resources", {}).get(kind, 0)
        left -= count
    return total


def check(
    workers: int, resources: Resources, *, option: str = "--workers", gpus: bool = True, bfloat16: bool = False
) -> None:
    """Refuse more workers than the cluster can ever have CPUs for and, where it has any, GPUs. Raises InputError."""
    if bfloat16 and not resources.on_gpus:
        raise InputError("--bf16 needs a GPU, and the cluster has none; leave it out")
    for kind in ("GPUs", "CPUs") if gpus and resources.on_gpus else ("CPUs",):
        most = max(resources.gpus, resources.most.gpus) if kind == "GPUs" else max(resources.cpus, resources.most.cpus)
        if workers > most:
            raise InputError(
                f"{workers} workers need {workers} {kind} and the cluster has {resources.of(kind)}: "
                f"lower {option}, or add nodes"
            )


def waiting(workers: int, resources: Resources) -> str:
    """What an autoscaler has to bring before so many workers can start; nothing if all is there."""
    kind, has = ("GPUs", resources.gpus) if resources.on_gpus else ("CPUs", resources.cpus)
    if workers <= has:
        return ""
    return f"waiting for {workers} {kind}: the cluster has {resources.of(kind)}"
