"""Trials in lanes, in a real search: they come to what they come to in process, and their faults stay their own."""

from dataclasses import asdict

import numpy as np
import pytest

from reeltune.cluster.search.lane_trial import LaneFit, LaneTrial
from reeltune.cluster.search.reasons import too_long
from reeltune.cluster.session.slots import Slots
from tests import faulty
from tests.leftovers import eventually_gone
from tests.searches import searched

SPACE = """
[pmf]
only = true
batch_size = 64
[pmf.epochs]
low = 3
high = 9

[classifier]
only = true
batch_size = 64
epochs = 3
[classifier.learning_rate]
low = 1e-3
high = 1e-1
"""


@pytest.mark.slow
def test_a_search_in_a_lane_of_one_worker_is_the_search_in_process(resources, small, tmp_path):
    (tmp_path / "process").mkdir()
    (tmp_path / "lane").mkdir()
    options = {"space": SPACE, "trials": 6}
    process = searched(small, tmp_path / "process", taken=Slots(count=1), **options)
    taken = Slots(count=1)
    lane = searched(small, tmp_path / "lane", taken=taken, lanes=resources, **options)
    assert [asdict(e) | {"seconds": None} for e in lane.entries] == [
        asdict(e) | {"seconds": None} for e in process.entries
    ]
    assert "stopped" in {entry.state for entry in lane.entries}
    kept = {path.name: path.read_bytes() for path in (tmp_path / "process").glob("held_out/*")}
    assert kept
    assert {path.name: path.read_bytes() for path in (tmp_path / "lane").glob("held_out/*")} == kept


@pytest.mark.slow
def test_a_search_with_sharded_users_finds_the_same_in_lanes_of_two_workers_and_in_process(resources, small, tmp_path):
    space = """
[pmf]
only = true
batch_size = 64
dropout = 0.0
[pmf.epochs]
low = 3
high = 9
"""
    entries, kept = {}, {}
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        folder.mkdir()
        taken, lanes = Slots(count=1, workers=workers), resources if workers > 1 else None
        ledger = searched(small, folder, space=space, trials=3, taken=taken, lanes=lanes, shard="users")
        entries[workers] = {entry.trial: entry for entry in ledger.entries}
        kept[workers] = {path.name: np.load(path) for path in folder.glob("held_out/*")}
        assert {entry.workers for entry in ledger.entries} == {workers}
        assert not list((folder / "states").glob("*")), "no state is left"
    assert {name: entry.config for name, entry in entries[1].items()} == {
        name: entry.config for name, entry in entries[2].items()
    }
    for name, entry in entries[1].items():
        assert entries[2][name].value == pytest.approx(entry.value, rel=1e-5)
    assert kept[1]
    assert kept[1].keys() == kept[2].keys()
    assert all(np.abs(kept[1][name] - kept[2][name]).max() < 5e-6 for name in kept[1])


@pytest.mark.slow
def test_with_room_for_one_lane_of_two_the_trials_take_turns(resources, small, tmp_path):
    """The actor of one trial does the next ones, and may be kept without any."""
    ledger = searched(small, tmp_path, space=SPACE, trials=2, taken=Slots(count=2, workers=2), lanes=resources)
    assert {entry.state for entry in ledger.entries} == {"done"}
    assert {len(ledger.of("search", name)) for name in ("pmf", "classifier")} == {2}
    eventually_gone()


@pytest.mark.slow
@pytest.mark.usefixtures("no_search_for_garbage")
def test_trials_of_two_workers_that_go_wrong_leave_the_others_alone(resources, small, tmp_path, monkeypatch):
    begun, died = tmp_path / "begun", tmp_path / "died"
    faults = {"pmf-001": faulty.lost, "pmf-002": faulty.hanging(begun)}
    monkeypatch.setattr("reeltune.cluster.search.lane_trial.LaneFit", faulty.faulty(faults, of=LaneFit))
    monkeypatch.setattr(
        "reeltune.cluster.search.experiment.LaneTrial", faulty.dying_within("pmf-003", died, of=LaneTrial)
    )
    space = SPACE.split("[classifier]")[0]
    taken = Slots(count=1, workers=2)
    ledger = searched(small, tmp_path, space=space, trials=4, taken=taken, lanes=resources, limit=15.0)
    ended = {entry.trial: entry for entry in ledger.entries}
    assert len(ended) == len(ledger.entries)
    assert len(ledger.of("search", "pmf")) == 4
    assert "FitFailed: the training loss is nan" in ended["pmf-001"].error
    assert ended["pmf-002"].error == too_long(15.0)
    assert died.exists()
    assert {entry.state for name, entry in ended.items() if name not in faults} == {"done"}
    assert max(ended["pmf-003"].curve) == 100
    assert len(ended["pmf-003"].curve) >= ended["pmf-003"].epochs, "no point was lost with the process"
    assert not list((tmp_path / "states").glob("*")), "no state is left"
    eventually_gone()
