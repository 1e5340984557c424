"""Ray's memory monitor kills a trial that takes all memory, and Tune, left alone, would end the search with it."""

import psutil
import pytest

from reeltune.cluster.session.session import session
from tests import faulty
from tests.searches import searched

LEFT = 2 << 30  # bytes that there are until the monitor kills


@pytest.fixture
def little_memory(one_ray, monkeypatch, pytestconfig):
    one_ray.end()
    memory = psutil.virtual_memory()
    if memory.available < 3 * LEFT:
        pytest.skip(f"needs {3 * LEFT >> 30} GiB of memory; there are {memory.available >> 30}")
    used = memory.total - memory.available + LEFT
    monkeypatch.setenv("RAY_memory_usage_threshold", str(used / memory.total))
    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "100")
    monkeypatch.setenv("PYTHONPATH", str(pytestconfig.rootpath))  # the trials' class is one of the tests' own
    with session(None):
        yield


@pytest.mark.slow
def test_a_trial_that_takes_all_memory_fails_with_that_reason_and_the_others_go_on(
    little_memory, small, tmp_path, monkeypatch
):
    monkeypatch.setattr("reeltune.cluster.search.experiment.Trial", faulty.faulty({"pmf-001": faulty.hungry}))
    space = "[pmf]\nonly = true\nbatch_size = 32\n[pmf.epochs]\nlow = 3\nhigh = 4"
    ledger = searched(small, tmp_path, space=space, trials=2)
    states = {entry.trial: entry.state for entry in ledger.of("search", "pmf")}
    assert states == {"pmf-000": "done", "pmf-001": "failed"}
    (error,) = (entry.error for entry in ledger.entries if entry.state == "failed")
    assert error.startswith("the trial's process died 3 times: its machine ran out of memory (")
