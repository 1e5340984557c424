"""Asks every node of a cluster, before any work starts, whether it can use a run's storage, and what machine it is."""

import uuid

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from reeltune.cluster.runs.storage import Store
from reeltune.cluster.session.machine import description
from reeltune.trainables.errors import InputError, StorageFailed

LIMIT = 60.0  # seconds for a node's answer, with the start of a worker process
FOLDER = ".probe"
OWN = "a node reads and writes with its own credentials, of its role or of where Ray was started on it"
ALIKE = ("system", "architecture", "processor", "python")  # facts of a machine that are named, not added up
SHARED = "the nodes of a cluster need a folder that all of them share, or an object store (--storage s3://BUCKET/...)"


def check_storage(store: Store) -> None:
    """Raise InputError if a node cannot write or read the storage, or has a different folder at the same path.

    Nodes that join later are not checked.
    """
    probes = store.below(FOLDER).hasty
    word = uuid.uuid4().hex
    try:
        probes.write(word, b"")
        wrong = _ask(probes, word)
        probes.clear()
    except StorageFailed as error:
        raise InputError(f"--{error}") from None
    if wrong:
        raise InputError(f"--storage {store.where}: {'; '.join(wrong)}")


def machines() -> dict[str, str | int | float | None]:
    """What the living nodes say of their machines, as one: for the run's record."""
    nodes = [node for node in ray.nodes() if node["Alive"]]
    say = ray.remote(num_cpus=0)(description)
    pins = [NodeAffinitySchedulingStrategy(node["NodeID"], soft=True) for node in nodes]
    said = ray.get([say.options(scheduling_strategy=pin).remote() for pin in pins])
    cpus = sum(node["Resources"].get("CPU", 0) for node in nodes)
    memory = sum(float(str(each["memory_gib"])) for each in said)
    return {
        "nodes": f"{len(nodes)} node{'s' if len(nodes) > 1 else ''} of a cluster",
        **{key: ", ".join(dict.fromkeys(str(each[key]) for each in said)) for key in ALIKE},
        "cpus": int(cpus),
        "memory_gib": round(memory, 1),
    }


def _ask(probes: Store, word: str) -> list[str]:
    """A line for each living node that failed the check."""
    nodes = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    prove = ray.remote(num_cpus=0, max_retries=0)(_prove)
    pins = {node: NodeAffinitySchedulingStrategy(node, soft=False) for node in nodes}
    asked = {prove.options(scheduling_strategy=pin).remote(probes, word, node): node for node, pin in pins.items()}
    ray.wait(list(asked), num_returns=len(asked), timeout=LIMIT)
    answers = {node: _answer(reference) for reference, node in asked.items()}
    seen = set(probes.names())
    alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
    wrong = []
    for node, answer in answers.items():
        if answer == "" and node not in seen:
            answer = f"writes where this machine does not see it; {SHARED}"
        if answer and node in alive:
            wrong.append(f"node {nodes[node]} {answer}")
    return wrong


def _answer(reference: ray.ObjectRef) -> str:
    try:
        return ray.get(reference, timeout=0)
    except ray.exceptions.GetTimeoutError:
        ray.cancel(reference, force=True)
        return f"gave no answer within {LIMIT:.0f} s"
    except RayError as error:
        return f"cannot run reeltune: {str(error).strip().splitlines()[-1]}"


def _prove(probes: Store, word: str, node: str) -> str:
    """Runs on a node: read the driver's file and write one. Returns what went wrong, or ""."""
    try:
        if probes.read(word) is None:
            return f"does not see what this machine writes there; {SHARED}"
        probes.write(node, b"")
    except StorageFailed as error:
        return f"cannot use it: {error}{f'; {OWN}' if probes.remote else ''}"
    return ""
