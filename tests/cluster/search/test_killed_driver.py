"""The driver dies, is told to end, or loses its cluster: what it has done stays, and it goes on."""

import dataclasses
import signal
import subprocess
import sys
from contextlib import contextmanager

import psutil
import pytest

from reeltune.cluster.runs.folder import Ledger
from reeltune.cluster.search import experiment, lane_trial
from reeltune.cluster.session.slots import Slots
from tests import driver
from tests.driver import SPACE, TRIALS
from tests.heads import until
from tests.nodes import cluster, environment
from tests.searches import searched

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
PATIENCE = 300  # seconds, on a busy machine


@contextmanager
def search(folder, *words, **variables):
    """A search in a process of its own."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "tests.driver", str(folder), *words]
    with subprocess.Popen(command, env=environment(**variables), stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def entries(folder):
    return [dataclasses.replace(entry, seconds=0) for entry in Ledger(folder / "trials.jsonl").entries]


def to_the_end(folder, address):
    with search(folder, address) as process:
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    return ended(folder)


def ended(folder):
    """What the search has come to, of which nothing half done is left."""
    assert not (folder / "states").exists()
    assert not (folder / "unfinished.json").exists()
    return entries(folder)


def until_it_keeps_a_state(folder, process):
    """Wait until a trial has kept one more; its name."""
    before = states(folder)
    until(lambda: states(folder).items() - before.items(), process, PATIENCE)
    ((name, _), *_) = states(folder).items() - before.items()
    return name.partition(".")[0]


def states(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("states/pmf*")}


def tries(folder, trial):
    """The steps at which the tries of a trial began."""
    return [int(step) for step in (folder / trial).read_text().split()]


@pytest.fixture(scope="module")
def undisturbed(resources, small, tmp_path_factory):
    """What the search comes to, in this process."""
    folder = tmp_path_factory.mktemp("whole")
    searched(small, folder, space=SPACE, trials=TRIALS, taken=Slots(count=1))
    return entries(folder)


@pytest.mark.parametrize("where", [{}, {"REELTUNE_LANES": "1"}], ids=["in process", "in a lane"])
def test_a_driver_killed_twice_goes_on_and_ends_as_an_undisturbed_one(
    undisturbed, resources, small, tmp_path, monkeypatch, where
):
    """The third driver is this process."""
    for _ in range(2):
        with search(tmp_path, REELTUNE_SLOWLY="1", **where) as process:
            trial = until_it_keeps_a_state(tmp_path, process)
            process.kill()
    in_process, in_lane = driver.kept_often(driver.noted(tmp_path))
    monkeypatch.setattr(experiment, "Trial", in_process)
    monkeypatch.setattr(lane_trial, "LaneFit", in_lane)
    one = Slots(count=1)
    searched(small, tmp_path, space=SPACE, trials=TRIALS, taken=one, lanes=resources if where else None)
    assert ended(tmp_path) == undisturbed
    assert len(tries(tmp_path, trial)) > 1
    assert tries(tmp_path, trial)[-1] > 0


def test_a_driver_told_to_end_while_a_trial_hangs_ends_at_once_and_says_how_to_go_on(tmp_path):
    with search(tmp_path, REELTUNE_HANGS="pmf-001") as process:
        until((tmp_path / "begun").exists, process, PATIENCE)
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 143, errors
    assert "everything so far is kept; go on with: reeltune" in errors.splitlines()[-1]
    assert [entry.trial for entry in entries(tmp_path)] == ["pmf-000"]
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive


def test_a_search_outlives_a_node_and_goes_on_in_another_cluster_when_its_head_is_lost(undisturbed, tmp_path):
    with cluster(nodes=2) as first, search(tmp_path, first.address, REELTUNE_SLOWLY="1") as process:
        trial = until_it_keeps_a_state(tmp_path, process)
        # Between two steps of its trial, a node does not look as if it worked.
        node, *_ = until(lambda: [node for node in first.nodes if node.works()], process, PATIENCE)
        node.kill()
        until(lambda: len(tries(tmp_path, trial)) == 2, process, PATIENCE)
        assert tries(tmp_path, trial)[1] > 0, "it has moved, and goes on from its state"
        until(lambda: entries(tmp_path), process, PATIENCE)
        first.head.kill()
        _, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 1, errors
        assert "error: Ray is gone" in errors.splitlines()[-1]
        assert "--resume" in errors.splitlines()[-1]
    with cluster(nodes=1) as second:
        assert to_the_end(tmp_path, second.address) == undisturbed
