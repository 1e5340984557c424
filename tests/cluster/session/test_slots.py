from dataclasses import replace

import pytest

from reeltune.cluster.session.resources import ANY, Node, Resources, check, most_of, waiting
from reeltune.cluster.session.slots import GROW, TRIAL_BYTES, at_once, slots
from reeltune.trainables.errors import InputError

EIGHT = Resources(nodes=(Node(cpus=8),))
MIXED = Resources(nodes=(Node(cpus=16), Node(cpus=8, gpus=2), Node(cpus=8, gpus=2)))


def test_slots_are_bounded_by_cpus_by_memory_and_by_what_is_asked():
    assert slots(EIGHT).count == 8
    assert slots(Resources(nodes=(Node(cpus=8, memory=3.5 * TRIAL_BYTES),))).count == 3
    assert slots(EIGHT, concurrent=2).count == 2
    assert slots(EIGHT, concurrent=50).count == 8
    assert slots(Resources(nodes=(Node(cpus=8, memory=1),))).count == 1


def test_large_data_takes_the_memory_of_several_trials():
    node = Node(cpus=8, memory=8 * TRIAL_BYTES)
    assert slots(Resources(nodes=(node,)), data_bytes=TRIAL_BYTES).count == 2
    assert slots(Resources(nodes=(node,)), data_bytes=TRIAL_BYTES, concurrent=8).count == 8


@pytest.mark.parametrize(
    ("concurrent", "asked", "count", "gpus"),
    [
        (None, None, 16, 0.25),  # the GPU nodes have 16 CPUs for 4 GPUs
        (4, None, 4, 1),
        (6, None, 6, 0.5),
        (None, 1, 4, 1),
        (None, 0.3, 12, 0.3),  # three on each GPU
        (None, 0, 32, 0),  # on every node, without a GPU
    ],
)
def test_trials_of_one_worker_share_the_gpus_of_a_mixed_cluster(concurrent, asked, count, gpus):
    taken = slots(MIXED, concurrent=concurrent, gpus_per_trial=asked)
    assert (taken.count, taken.gpus) == (count, gpus)


def test_trials_of_several_workers_take_a_gpu_for_each():
    assert (slots(EIGHT, workers=3).count, slots(EIGHT, workers=3).workers) == (2, 3)
    assert (slots(MIXED, workers=2).count, slots(MIXED, workers=2).gpus) == (2, 1)
    with pytest.raises(InputError, match="5 workers need 5 GPUs and the cluster has 4: lower --workers-per-trial"):
        slots(MIXED, workers=5)


def test_fits_of_several_workers_run_at_once_as_far_as_there_is_room_for_now():
    assert at_once(EIGHT, workers=3) == 2
    assert at_once(MIXED, workers=2) == 2
    assert at_once(Resources(nodes=(Node(cpus=2),), most=Node(cpus=400)), workers=5) == 1
    small = Resources(nodes=(Node(cpus=8, memory=2 * TRIAL_BYTES),))
    assert at_once(small, workers=1) == 2


def test_a_share_of_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(InputError, match=r"--gpus-per-trial 0.5: the cluster has no GPU"):
        slots(EIGHT, gpus_per_trial=0.5)


def test_a_cluster_grows_for_a_few_trials_of_each_architecture_or_for_as_many_as_are_asked_for():
    empty = Resources(nodes=(Node(),), most=Node(cpus=400))
    assert slots(empty, architectures=3).count == 3 * GROW
    assert slots(empty, architectures=3).growing == 3 * GROW
    assert slots(empty, architectures=3, concurrent=40).growing == 40
    half = Resources(nodes=(Node(cpus=10),), most=Node(cpus=20))
    assert (slots(half, concurrent=16).count, slots(half, concurrent=16).growing) == (16, 6)
    boundless = Resources(nodes=(Node(),), most=Node(cpus=ANY))
    assert slots(boundless, architectures=2).count == 2 * GROW


def test_gpus_that_may_come_are_used_if_there_is_one_already_or_they_are_asked_for():
    grows = Resources(nodes=(Node(cpus=2),), most=Node(cpus=34, gpus=4))
    assert slots(grows, architectures=9).gpus == 0
    asked = slots(grows, architectures=9, gpus_per_trial=0.125)
    assert (asked.count, asked.gpus) == (32, 0.125)
    one = Resources(nodes=(Node(cpus=2), Node(cpus=8, gpus=1)), most=Node(cpus=34, gpus=4))
    assert (slots(one, architectures=9).gpus, slots(one, architectures=9).growing) == (0.125, 24)


def test_of_a_cluster_that_ran_already_it_is_not_known_which_node_computed():
    here = Resources(nodes=(Node(cpus=2),))
    assert (here.device, replace(here, joined=True).device) == ("cpu", "cpu of a cluster")
    assert Resources(nodes=(Node(cpus=2, gpus=1),)).device == "gpu"


def test_more_workers_than_the_cluster_can_ever_have_are_refused_with_the_arithmetic():
    four = Resources(nodes=(Node(cpus=64, gpus=4),))
    with pytest.raises(InputError, match="8 workers need 8 GPUs and the cluster has 4: lower --workers, or add nodes"):
        check(8, four)
    grows = Resources(nodes=four.nodes, most=Node(cpus=64, gpus=6))
    with pytest.raises(InputError, match="8 workers need 8 GPUs and the cluster has 4 and may grow to 6: lower"):
        check(8, grows)
    check(6, grows)
    assert waiting(6, grows) == "waiting for 6 GPUs: the cluster has 4 and may grow to 6"
    assert waiting(4, grows) == ""


def test_what_a_cluster_may_grow_to_counts_the_richest_nodes_within_all_limits():
    settings = {
        "available_node_types": {
            "head": {"resources": {"CPU": 4}, "max_workers": 0},
            "small": {"resources": {"CPU": 8}, "max_workers": 10},
            "large": {"resources": {"CPU": 32, "GPU": 4}, "max_workers": 2},
        },
        "head_node_type": "head",
        "max_workers": 5,
    }
    assert most_of(settings, "CPU") == 4 + 2 * 32 + 3 * 8
    assert most_of(settings, "GPU") == 8
