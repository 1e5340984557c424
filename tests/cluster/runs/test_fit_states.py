import hashlib
import io
import pickle

import pytest
import torch

from reeltune.cluster.runs.fit_states import Snapshots
from reeltune.cluster.runs.storage import Store

ORDER = {"architecture": "pmf", "config": {"factors": 3}, "seed": 1}


@pytest.fixture
def snapshots(tmp_path):
    return Snapshots(Store(str(tmp_path)))


def state(step):
    return {"step": step, "model": {"table": torch.full((3, 2), float(step))}, "points": [{"value": 0.5}], "none": None}


def test_the_latest_state_is_the_one_that_is_loaded(snapshots):
    for step in range(5):
        snapshots.save("pmf-001", ORDER, state(step))
    loaded = snapshots.load("pmf-001", ORDER)
    assert loaded["step"] == 4
    assert torch.equal(loaded["model"]["table"], torch.full((3, 2), 4.0))
    assert len(snapshots.store.names()) == 2


def test_another_process_goes_on_from_them(snapshots):
    snapshots.save("pmf-001", ORDER, state(1))
    snapshots.save("pmf-001", ORDER, state(2))
    Snapshots(snapshots.store).save("pmf-001", ORDER, state(3))
    assert Snapshots(snapshots.store).load("pmf-001", ORDER)["step"] == 3


def test_a_file_cut_off_at_any_byte_is_none_and_the_state_before_it_is_taken(snapshots):
    snapshots.save("pmf-001", ORDER, state(1))
    snapshots.save("pmf-001", ORDER, state(2))
    content = snapshots.store.read("pmf-001.state1")
    for length in range(len(content)):
        snapshots.store.write("pmf-001.state1", content[:length])
        assert snapshots.load("pmf-001", ORDER)["step"] == 1
    Snapshots(snapshots.store).save("pmf-001", ORDER, state(3))  # in the place of the broken one
    assert snapshots.load("pmf-001", ORDER)["step"] == 3


def test_the_state_of_another_configuration_or_seed_is_none(snapshots):
    snapshots.save("pmf-001", ORDER, state(1))
    assert snapshots.load("pmf-001", {**ORDER, "seed": 2}) is None
    assert snapshots.load("pmf-002", ORDER) is None


def test_what_is_forgotten_is_gone(snapshots):
    snapshots.save("pmf-001", ORDER, state(1))
    snapshots.forget("pmf-001")
    assert snapshots.load("pmf-001", ORDER) is None
    assert snapshots.store.names() == []


class Planted:
    def __reduce__(self):
        return (exec, ("raise SystemExit('unpickled')",))


@pytest.mark.parametrize("content", [pickle.dumps(Planted()), b"", b"text"])
def test_a_planted_pickle_is_not_loaded(snapshots, content):

    snapshots.store.write("pmf-001.state0", hashlib.sha256(content).digest() + content)
    assert snapshots.load("pmf-001", ORDER) is None


def test_a_pickle_within_a_real_state_file_is_not_loaded(snapshots, tmp_path):

    buffer = io.BytesIO()
    torch.save({"number": 9, "order": "any", "state": Planted()}, buffer)
    snapshots.store.write("pmf-001.state0", hashlib.sha256(buffer.getvalue()).digest() + buffer.getvalue())
    assert snapshots.load("pmf-001", ORDER) is None
