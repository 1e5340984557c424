"""Asks Ray what nodes it has, and the most that its autoscaler may add."""

import math
from dataclasses import replace

import ray

from reeltune.cluster.session.machine import usable_memory
from reeltune.cluster.session.ray_private import ON_HEAD, autoscaler_settings
from reeltune.cluster.session.resources import ANY, RAY_BYTES, Node, Resources, most_of


def found(*, joined: bool) -> Resources:
    """The resources of the Ray that this process has started, or has joined: that one may have an autoscaler."""
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
    ask = ray.remote(num_cpus=0, resources=ON_HEAD)(autoscaler_settings)
    settings, kubernetes = ray.get(ask.remote(ray.get_runtime_context().gcs_address))
    if kubernetes:
        return Node(cpus=ANY, gpus=ANY if any(node.gpus for node in nodes) else 0)
    if settings is None:
        return Node()
    return Node(cpus=most_of(settings, "CPU"), gpus=most_of(settings, "GPU"))
