"""How many trials run at once, and the CPUs and GPUs that each of them takes."""

import math
from dataclasses import dataclass

from reeltune.cluster.session.resources import Node, Resources, check
from reeltune.trainables.errors import InputError

TRIAL_BYTES = 500 << 20  # a process with torch in it
# Trials of each architecture at once for which a cluster is made to grow. Optuna proposes those that run at the same
# time without knowing each other's results.
GROW = 4


@dataclass(frozen=True, kw_only=True)
class Slots:
    """How many trials run at once, what each of their workers takes, and how many of the trials wait for new nodes."""

    count: int
    cpus: float = 1
    gpus: float = 0
    growing: int = 0
    workers: int = 1  # of a trial


def slots(
    resources: Resources,
    *,
    concurrent: int | None = None,
    data_bytes: int = 0,
    workers: int = 1,
    gpus_per_trial: float | None = None,
    architectures: int = 1,
) -> Slots:
    """How many trials run at once: each worker of a trial takes a CPU and, if there are GPUs, an equal share of them.

    As many as there is room for. If memory is short, fewer, unless `concurrent` says how many. A cluster that can grow
    does so for `concurrent` trials, or for GROW of each architecture. Raises InputError if the cluster can never hold
    one trial.
    """
    gpus = _share(resources, concurrent, gpus_per_trial) if workers == 1 else float(resources.on_gpus)
    if workers > 1 or gpus == 0:
        check(workers, resources, option="--workers-per-trial", gpus=gpus > 0)
    each = TRIAL_BYTES + 3 * data_bytes if concurrent is None else 0
    ready = sum(_room(node, gpus, each) for node in resources.nodes)
    most = (ready + _room(resources.to_come, gpus, each)) // workers
    if most < 1:
        raise InputError(f"a trial needs {workers} CPU and {gpus:g} GPU on one node, and no node has both")
    ready = int(ready // workers)
    wanted = concurrent or max(ready, min(most, GROW * architectures), 1)
    count = int(max(1, min(wanted, most)))
    return Slots(count=count, gpus=gpus, growing=max(0, count - ready), workers=workers)


def at_once(resources: Resources, *, workers: int, data_bytes: int = 0) -> int:
    """How many fits of `workers` workers run at once, each worker with a CPU and, if there are GPUs, a whole GPU."""
    gpus = float(resources.on_gpus)
    room = sum(_room(node, gpus, TRIAL_BYTES + 3 * data_bytes) for node in resources.nodes)
    return max(1, int(room // workers))


def _share(resources: Resources, concurrent: int | None, asked: float | None) -> float:
    """The share of a GPU for each trial of one worker: such that a trial runs on each CPU of the nodes with GPUs."""
    if asked is not None:
        if asked and not max(resources.gpus, resources.most.gpus):
            raise InputError(f"--gpus-per-trial {asked:g}: the cluster has no GPU; leave it out, or add one")
        return asked
    nodes = [node for node in resources.nodes if node.gpus]
    gpus = sum(node.gpus for node in nodes)
    cpus = sum(node.cpus for node in nodes)
    if not gpus:
        return 0.0
    at_once = min(concurrent or cpus, cpus)
    return 1 / max(1, math.ceil(at_once / gpus))


def _room(node: Node, gpus: float, memory: int) -> float:
    """How many workers fit on a node."""
    room = node.cpus // 1
    if gpus:
        room = min(room, node.gpus // 1 * math.floor(1 / gpus + 1e-9))
    if room and memory and math.isfinite(node.memory):
        room = min(room, max(1, node.memory // memory))
    return room
