"""The CPUs, GPUs and memory that a cluster has for trials and workers, and the most it may grow to."""

import math
from dataclasses import dataclass, replace
from typing import Any

from reeltune.cluster.session.machine import usable_memory
from reeltune.trainables.errors import InputError

RAY_BYTES = 1 << 30  # what Ray's own processes take
ANY = 1e9  # stands for the limit of a Kubernetes operator, which we cannot read


@dataclass(frozen=True, kw_only=True)
class Node:
    """What one node has for trials and workers."""

    cpus: float = 0
    gpus: float = 0
    memory: float = math.inf  # bytes


@dataclass(frozen=True, kw_only=True)
class Resources:
    """The nodes that are there, and the most that the autoscaler's settings allow in all."""

    nodes: tuple[Node, ...]
    most: Node = Node()
    joined: bool = False  # whether the cluster ran before this command

    @property
    def cpus(self) -> int:
        return int(sum(node.cpus for node in self.nodes))

    @property
    def gpus(self) -> int:
        return int(sum(node.gpus for node in self.nodes))

    @property
    def on_gpus(self) -> bool:
        """Whether workers take GPUs: only if there are any now, as one that the autoscaler brings costs extra money."""
        return self.gpus >= 1

    @property
    def device(self) -> str:
        """What data-parallel workers compute on. In a cluster we do not know on which node."""
        kind = "gpu" if self.on_gpus else "cpu"
        return f"{kind} of a cluster" if self.joined else kind

    @property
    def to_come(self) -> Node:
        """What the autoscaler may add, counted as one node."""
        return Node(cpus=max(0, self.most.cpus - self.cpus), gpus=max(0, self.most.gpus - self.gpus))

    def of(self, kind: str) -> str:
        """How many CPUs or GPUs: `4`, or `4 and may grow to 8`."""
        has, most = (self.gpus, self.most.gpus) if kind == "GPUs" else (self.cpus, self.most.cpus)
        if self.most == Node():
            return f"{has}"
        return f"{has} and may grow {'as its operator allows' if most >= ANY else f'to {max(has, int(most))}'}"


def found(*, joined: bool) -> Resources:
    """The resources of the Ray that this process has started, or has joined: that one may have an autoscaler."""
    import ray  # late: a dry run has no use for it

    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    nodes = tuple(
        Node(cpus=has.get("CPU", 0), gpus=has.get("GPU", 0), memory=has.get("memory", math.inf)) for has in alive
    )
    if joined:
        return Resources(nodes=nodes, most=_most(nodes), joined=True)
    free = max(0, usable_memory() - RAY_BYTES)  # this machine does other work too
    return Resources(nodes=tuple(replace(node, memory=free) for node in nodes))


def _most(nodes: tuple[Node, ...]) -> Node:
    """What the autoscaler's settings allow; nothing if there is no autoscaler.

    In Kubernetes the operator has the limits, and we cannot read them: we take it that there may be any number of CPUs,
    and of GPUs if one node has any.
    """
    import ray

    from reeltune.cluster.session.ray_private import ON_HEAD, autoscaler_settings

    ask = ray.remote(num_cpus=0, resources=ON_HEAD)(autoscaler_settings)
    settings, kubernetes = ray.get(ask.remote(ray.get_runtime_context().gcs_address))
    if kubernetes:
        return Node(cpus=ANY, gpus=ANY if any(node.gpus for node in nodes) else 0)
    if settings is None:
        return Node()
    return Node(cpus=most_of(settings, "CPU"), gpus=most_of(settings, "GPU"))


def most_of(settings: dict[str, Any], kind: str) -> float:
    """The most CPUs or GPUs that the cluster can have: the head's, and those of the richest nodes that may be added."""
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
    """Raise InputError if the cluster can never have a CPU and, if it has GPUs, a GPU for each worker."""
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
    """What to tell the user while the autoscaler starts nodes for these workers; empty if there are enough."""
    kind, has = ("GPUs", resources.gpus) if resources.on_gpus else ("CPUs", resources.cpus)
    if workers <= has:
        return ""
    return f"waiting for {workers} {kind}: the cluster has {resources.of(kind)}"
