"""What Ray says of a process that has died, in words, and whether more memory might have helped."""

import pytest
from ray.train import WorkerGroupError

from reeltune.cluster.data_parallel.lanes import reason
from reeltune.cluster.session.deaths import cause, may_be_memory

MONITOR = (
    "Task was killed due to the node running low on memory.\nMemory on the node (IP: 10.0.0.2) was 1.43GB used / "
    "1.50GB limit (0.95), which exceeds the threshold"
)
KERNEL = "The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR Worker exit detail: ..."


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (MONITOR, "its machine ran out of memory (1.43GB of 1.50GB used)"),
        (KERNEL, "it was killed, for memory perhaps, or crashed"),
    ],
)
def test_a_death_that_memory_may_have_caused_is_told(text, said):
    assert cause(text) == said
    assert may_be_memory(said)


def test_another_error_is_no_such_death():
    assert cause("ValueError: as told") is None
    assert not may_be_memory("ValueError: as told")


def test_the_death_of_one_worker_is_why_a_group_ended_and_not_the_broken_connections_of_the_others():
    broken = RuntimeError("Traceback\nConnection reset by peer")
    ended = WorkerGroupError("two", {0: broken, 1: RuntimeError(KERNEL)})
    assert reason(ended) == "one was killed, for memory perhaps, or crashed"
    assert reason(WorkerGroupError("one", {0: broken})) == "Connection reset by peer"
