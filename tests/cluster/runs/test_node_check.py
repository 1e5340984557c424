"""Real nodes of a real Ray, each with a place of its own for what only it sees."""

import os

import psutil
import pytest
import ray
from ray.cluster_utils import Cluster

from reeltune.cluster.runs import node_check as nodes
from reeltune.cluster.runs.node_check import check_storage, machines
from reeltune.cluster.runs.storage import Store
from reeltune.cluster.session.machine import description
from reeltune.trainables.errors import InputError
from tests import s3

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster(s3_port, one_ray):
    """Three nodes on this machine; the driver has joined."""
    one_ray.end()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1)
        ray.init(address=cluster.address, log_to_driver=False)
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


def test_a_folder_that_all_nodes_see_is_taken_and_left_clean(cluster, tmp_path):
    check_storage(Store(str(tmp_path / "runs")))
    assert list((tmp_path / "runs").iterdir()) == []


def test_what_the_nodes_say_of_their_machines_is_one_machine(cluster):
    found, here = machines(), description()
    assert (found["nodes"], found["cpus"]) == ("3 nodes of a cluster", 3)
    assert found["processor"] == here["processor"], "alike nodes are named once"
    assert found["memory_gib"] == pytest.approx(3 * here["memory_gib"], abs=0.2)


def test_an_object_store_is_taken_and_left_clean(cluster, s3_port, bucket):
    check_storage(store := s3.store(s3_port, bucket))
    assert store.names() == []


def test_a_folder_that_is_another_one_on_each_node_is_refused_with_the_node_named(cluster, tmp_path):
    os.chdir(tmp_path)
    # The working folder of a process is its own: a path that is the same in words, and not in fact.
    unseen = r"--storage /proc/self/cwd/runs: node \S+ does not see what this machine writes there; the nodes of a"
    with pytest.raises(InputError, match=unseen):
        check_storage(Store("/proc/self/cwd/runs"))


def test_a_node_that_does_not_answer_is_named(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(nodes, "LIMIT", 5.0)
    silent = cluster.add_node(num_cpus=1)
    (raylet,) = (psutil.Process(info.process.pid) for info in silent.all_processes["raylet"])
    raylet.suspend()
    try:
        with pytest.raises(InputError, match=r"node \S+ gave no answer within 5 s"):
            check_storage(Store(str(tmp_path)))
    finally:
        raylet.resume()
        cluster.remove_node(silent, allow_graceful=False)


def test_a_store_that_nodes_may_not_write_to_is_refused_before_anything_starts(cluster, s3_port, bucket):
    with s3.proxied(s3_port) as proxy:
        store = s3.store(proxy.port, bucket)
        proxy.fault = "read-only"
        with pytest.raises(InputError, match=r"--storage .*ACCESS_DENIED"):
            check_storage(store)
