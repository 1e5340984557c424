"""What we ask of a cluster's state, for which Ray's public ways need a dashboard or do not say who holds what.

As `ray_private.py`, which see.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import ray
from ray._private.state import state
from ray._raylet import GcsClient  # type: ignore[attr-defined]
from ray.core.generated.gcs_pb2 import (  # type: ignore[attr-defined]
    GcsNodeInfo,
    JobTableData,
    PlacementGroupTableData,
)
from ray.util.placement_group import PlacementGroup, PlacementGroupID, remove_placement_group

SUBMISSION = "job_submission_id"  # of a driver's metadata: the job that it runs in
ANSWER = 2.0  # seconds
Groups = PlacementGroupTableData


@dataclass(frozen=True, kw_only=True)
class Pending:
    """CPUs that this command waits for, and those that each other driver on the cluster holds."""

    cpus: float
    held: dict[str, float]


def living_nodes() -> dict[str, tuple[str, float]]:
    """The address and the CPUs of each node, by its id. `ray.nodes` waits for ever for a head that is gone.

    Raises RpcError if there is no answer.
    """
    client = GcsClient(address=ray.get_runtime_context().gcs_address)
    alive = client.get_all_node_info(timeout=ANSWER, state_filter=GcsNodeInfo.GcsNodeState.ALIVE)
    return {
        node.hex(): (info.node_manager_address, info.resources_total.get("CPU", 0.0)) for node, info in alive.items()
    }


def pending() -> Pending:
    """What this command's placement groups wait for: those of trials, and of Ray Train's workers."""
    own, wanted = ray.get_runtime_context().get_job_id(), 0.0
    held: dict[str, float] = {}
    for group in _groups():
        cpus = sum(bundle.unit_resources.get("CPU", 0.0) for bundle in group.bundles)
        job = group.creator_job_id.hex()
        if job == own:
            wanted += cpus if group.state == Groups.PENDING else 0.0
        elif group.state == Groups.CREATED:
            held[job] = held.get(job, 0.0) + cpus
    names = _drivers() if wanted and held else {}
    return Pending(cpus=wanted, held={names.get(job, job): cpus for job, cpus in held.items()})


def remove_orphans() -> None:
    """Remove the placement groups whose actor was killed: Ray keeps their CPUs until the driver ends (#65881).

    Such an actor is Ray Train's controller. The public `placement_group_table` does not say who made a group.
    """
    remove_groups({group.placement_group_id for group in _own_groups() if group.creator_actor_dead})


def placement_groups() -> set[bytes]:
    """The ids of the placement groups that this process or its actors have made, and that are there."""
    return {group.placement_group_id for group in _own_groups()}


def remove_groups(ids: set[bytes]) -> None:
    """Remove placement groups, which ends the actors in them. `ray.util` can do so only for one who has the objects."""
    for group in ids:
        remove_placement_group(PlacementGroup(PlacementGroupID(group)))


def _own_groups() -> list[PlacementGroupTableData]:
    own = ray.get_runtime_context().get_job_id()
    return [group for group in _groups() if group.creator_job_id.hex() == own and group.state != Groups.REMOVED]


def _groups() -> Iterator[PlacementGroupTableData]:
    for content in state._connect_and_get_accessor().get_placement_group_table():
        yield Groups.FromString(content)


def _drivers() -> dict[str, str]:
    """What each driver is called: the job that it runs in, else its command."""
    jobs = state._connect_and_get_accessor().get_job_table(
        skip_submission_job_info_field=True, skip_is_running_tasks_field=True
    )
    known = [JobTableData.FromString(content) for content in jobs]
    return {job.job_id.hex(): f"job {job.config.metadata.get(SUBMISSION) or job.entrypoint}" for job in known}
