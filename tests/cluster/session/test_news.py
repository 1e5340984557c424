"""What is said of a cluster: of nodes in words, and of CPUs that really are waited for."""

import ray
from ray.util.placement_group import placement_group, remove_placement_group

from reeltune.cluster.session.news import PATIENCE, Waiting, changes, waited_for
from reeltune.cluster.session.ray_private_state import Pending, living_nodes, pending
from tests.heads import until

OTHER = Pending(cpus=2, held={"job reeltune-long": 3, "job python mine.py": 1})
BEFORE = {"a": ("10.0.0.1", 4.0), "b": ("10.0.0.2", 1.0)}


def test_a_node_that_joins_or_is_lost_is_told_with_what_the_cluster_has_then():
    assert changes(BEFORE, BEFORE) == []
    assert changes(BEFORE, {**BEFORE, "c": ("10.0.0.3", 2.0)}) == [
        "node 10.0.0.3 joined with 2 CPUs: the cluster has 7 CPUs"
    ]
    assert changes(BEFORE, {"a": BEFORE["a"]}) == [
        "node 10.0.0.2 is lost with 1 CPU: what ran there goes on elsewhere from its last checkpoint; the cluster has "
        "4 CPUs, so fewer fits run at once"
    ]


def test_cpus_that_others_hold_are_told_once_and_not_at_once():
    waiting = Waiting()
    line = "waiting for 2 CPUs: job reeltune-long holds 3 CPUs, job python mine.py holds 1 CPU"
    assert waiting.lines(OTHER, 0) == []
    assert waiting.lines(OTHER, PATIENCE) == [line]
    assert waiting.lines(OTHER, PATIENCE + 5) == []
    assert waiting.lines(Pending(cpus=0, held=OTHER.held), PATIENCE + 6) == []
    assert waiting.lines(OTHER, PATIENCE + 7) == [], "the next wait is a new one"


def test_what_is_waited_for_without_others_is_told_without_them():
    assert waited_for(Pending(cpus=1, held={})) == "waiting for 1 CPU"
    assert waited_for(Pending(cpus=0, held={"job a": 1})) == ""


def test_a_group_that_finds_no_room_is_pending(resources):
    assert pending() == Pending(cpus=0, held={})
    everything = placement_group([{"CPU": resources.cpus}])
    ray.get(everything.ready(), timeout=60)
    more = placement_group([{"CPU": 1}])
    try:
        until(lambda: pending() == Pending(cpus=1, held={}), seconds=30)
    finally:
        remove_placement_group(more)
        remove_placement_group(everything)
    ((_, cpus),) = living_nodes().values()
    assert cpus == resources.cpus
