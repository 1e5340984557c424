"""A trial by itself, without Ray: what it keeps on the way, and how it goes on from that."""

import dataclasses

import pytest

from reeltune.cluster.runs.disk import UNSTORED
from reeltune.cluster.runs.storage import Store
from reeltune.cluster.search.trial import Trial
from reeltune.cluster.search.trial_fit import RUNG, TrialData
from reeltune.trainables.architectures.table import ARCHITECTURES
from tests.worlds import small_config

ENDLESS = 10_000  # steps that no trial here takes


@pytest.fixture
def data(small, tmp_path):
    _, parts, shape = small
    store = Store(str(tmp_path))
    return TrialData(
        train=parts.train, validation=parts.validation, split="random", shape=shape, decoder="argmax", store=store
    )


def begin(data, name="pmf", *, save_every=0.0, limit=None, **settings):
    """A trial in a process of its own, as it were, that keeps its state at each step."""
    trial = Trial.__new__(Trial)
    trial.save_every = save_every
    config = small_config(name, **settings).model_dump()
    order = {"trial": f"{name}-001", "architecture": name, "stage": "search", "config": config, "seed": 3, "fold": 0}
    trial.setup(order, data, limit)
    return trial


def words(trial, most=ENDLESS):
    """What a trial says, step by step, to its end or so many steps."""
    said = []
    while len(said) < most and not (said and said[-1]["done"]):
        said.append(trial.step())
    return said


def points_of(said):
    return [point for word in said for point in word["points"]]


@pytest.fixture
def short_steps(monkeypatch):
    monkeypatch.setattr("reeltune.cluster.search.trial_fit.LONGEST_STEP", 0.0)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_trial_cut_off_anywhere_ends_bit_for_bit_as_an_undisturbed_one(name, data, short_steps):
    whole = words(begin(data, name, save_every=1e9))
    for cut in range(1, len(whole), 2):
        first = words(begin(data, name), cut)
        second = words(begin(data, name))
        data.states.clear()
        assert len(first) + len(second) == len(whole), "nothing is done twice"
        assert points_of(second) == points_of(whole), "the first word repeats all points so far"
        assert {k: second[-1][k] for k in ("value", "metrics", "temperature", "epochs")} == {
            k: whole[-1][k] for k in ("value", "metrics", "temperature", "epochs")
        }


def test_a_trial_cut_off_at_the_rung_goes_on_after_it(data, short_steps):
    first = begin(data)
    while first.step()["progress"] < RUNG:
        pass
    (word,) = words(begin(data), 1)
    assert word["progress"] > RUNG
    assert any(point["progress"] == pytest.approx(RUNG, abs=0.05) for point in word["points"])


def test_a_short_trial_keeps_nothing_and_says_so(data):
    said = words(begin(data, save_every=10.0))
    assert said[-1]["state"] == "done"
    assert not any(word["kept"] for word in said)
    assert data.store.names() == []


def test_seconds_and_the_limit_count_what_a_trial_has_worked_in_all(data, short_steps):
    first = words(begin(data), 3)
    (word,) = words(begin(data), 1)
    assert 0 < word["earlier"] <= first[-1]["seconds"]
    assert word["seconds"] > word["earlier"]
    (last,) = words(begin(data, limit=word["earlier"]), 1)
    assert last["state"] == "failed"
    assert last["error"].endswith("(--trial-timeout)")


def test_the_state_of_another_configuration_is_not_taken(data, short_steps):
    words(begin(data), 3)
    (word,) = words(begin(data, factors=4), 1)
    assert word["earlier"] == 0
    assert len(word["points"]) == 1


def test_a_trial_that_cannot_use_the_storage_says_that_it_has_not_ended(data, tmp_path, short_steps, monkeypatch):
    monkeypatch.setattr("reeltune.cluster.runs.storage.WAITS", ())
    (tmp_path / "file").touch()
    nowhere = dataclasses.replace(data, store=Store(str(tmp_path / "file")))
    (word,) = words(begin(nowhere))
    assert word["state"] == UNSTORED
    assert "states" in word["error"]
