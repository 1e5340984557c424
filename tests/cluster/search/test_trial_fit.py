"""A trial by itself, without Ray: what it keeps on the way, and how it goes on from that."""

import dataclasses
import gc
import math
import weakref

import pytest

from reeltune.cluster.runs.disk import UNSTORED
from reeltune.cluster.runs.storage import Store
from reeltune.cluster.search.messages import Limits, Order, tune_config, update_of
from reeltune.cluster.search.trial import Trial
from reeltune.cluster.search.trial_fit import RUNG, TrialData, TrialFit
from reeltune.cluster.session import garbage
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data.prepared import FitData
from reeltune.trainables.data.user_sample import user_sample
from tests.worlds import small_config

ENDLESS = 10_000  # steps that no trial here takes


@pytest.fixture
def data(small, tmp_path):
    _, parts, shape = small
    store = Store(str(tmp_path))
    return TrialData(
        train=parts.train, validation=parts.validation, split="random", shape=shape, decoder="argmax", store=store
    )


@pytest.fixture(autouse=True)
def no_gpus(monkeypatch):
    """Asked for a trial's GPUs in a process that has no Ray, Ray would start one."""
    monkeypatch.setattr("ray.get_gpu_ids", list)


def begin(data, name="pmf", *, save_every=0.0, limit=None, **settings):
    """A trial in a process of its own, as it were, that keeps its state at each step."""
    trial = Trial.__new__(Trial)
    trial.save_every = save_every
    config = small_config(name, **settings).model_dump()
    order = Order(trial=f"{name}-001", architecture=name, number=1, stage="search", config=config, seed=3)
    trial.setup(tune_config(order), data, Limits(search=limit))
    return trial


def updates(trial, most=ENDLESS):
    """What a trial reports, step by step, to its end or so many steps."""
    reported = []
    while len(reported) < most and not (reported and reported[-1].done):
        reported.append(update_of(trial.step()))
    return reported


def points_of(reported):
    return [point for update in reported for point in update.points]


def test_a_trial_computes_in_bfloat16_where_the_search_does(data):
    [update] = updates(begin(dataclasses.replace(data, bfloat16=True)))
    assert update.state == "failed"
    assert "bfloat16 needs a GPU, and this fit is on cpu" in update.error


def test_a_trial_looks_for_garbage_as_usual(data, monkeypatch):
    before = gc.get_threshold()
    monkeypatch.setattr(garbage, "USUAL", (700, 10, 10))
    garbage.look_rarely()
    begin(data)
    assert gc.get_threshold() == (700, 10, 10)
    gc.set_threshold(*before)


def final(update):
    return update.value, update.metrics, update.temperature, update.epochs


def test_a_search_trial_fits_on_the_sample_and_a_confirmation_on_all_rows(data, small):
    _, parts, shape = small
    seen = FitData(train=parts.train, validation=parts.validation, shape=shape)
    sample = user_sample(seen, len(seen) // 3, seed=1)
    data = dataclasses.replace(data, sample=sample)
    config, on_sample = (small_config("pmf", factors=factors).model_dump() for factors in (4, 3))
    order = Order(trial="pmf-001", architecture="pmf", number=1, stage="search", config=config, seed=3)
    for ordered, factors, rows in (
        (dataclasses.replace(order, on_sample=on_sample), 3, sample),
        (dataclasses.replace(order, stage="confirm", fold=1), 4, seen),
    ):
        fit = TrialFit()
        fit.assign(ordered, data, "cpu")
        fit.advance()
        sizes = {tuple(weight.shape) for weight in fit.fit.model.state_dict().values()}
        assert (rows.shape.users, factors + 1) in sizes, "a bias stands beside the factors"
        assert len(fit.validation) <= len(rows.validation) + 1


@pytest.fixture
def short_steps(monkeypatch):
    monkeypatch.setattr("reeltune.cluster.search.trial_fit.LONGEST_STEP", 0.0)
    monkeypatch.setattr("reeltune.cluster.runs.fit_states.SAVING", math.inf)


@pytest.mark.parametrize(("name", "shard"), [*((name, None) for name in ARCHITECTURES), ("svdpp", "users")])
def test_a_trial_cut_off_anywhere_ends_bit_for_bit_as_an_undisturbed_one(name, shard, data, short_steps):
    data = dataclasses.replace(data, shard=shard)
    whole = updates(begin(data, name, save_every=1e9))
    for cut in range(1, len(whole), 2):
        first = updates(begin(data, name), cut)
        second = updates(begin(data, name))
        data.states.clear()
        assert len(first) + len(second) == len(whole), "nothing is done twice"
        assert points_of(second) == points_of(whole), "the first update repeats all points so far"
        assert final(second[-1]) == final(whole[-1])


def test_a_trial_cut_off_at_the_rung_goes_on_after_it(data, short_steps):
    first = begin(data)
    while update_of(first.step()).progress < RUNG:
        pass
    (update,) = updates(begin(data), 1)
    assert update.progress > RUNG
    assert any(point.progress == pytest.approx(RUNG, abs=0.05) for point in update.points)


def test_a_short_trial_keeps_nothing_and_says_so(data):
    reported = updates(begin(data, save_every=10.0))
    assert reported[-1].state == "done"
    assert not any(update.kept for update in reported)
    assert data.store.names() == []


def test_nothing_of_a_fit_is_left_when_the_next_one_begins(data):
    trial = begin(data)
    updates(trial)
    before = weakref.ref(trial.fit)
    trial.reset_config(tune_config(dataclasses.replace(trial.order, number=2)))
    gc.collect()
    assert before() is None


def test_states_that_take_long_to_write_are_kept_less_often(data, short_steps, monkeypatch):
    updates(begin(data), 4)
    assert data.states.store.names() == ["pmf-001.state0", "pmf-001.state1"]
    data.states.clear()
    monkeypatch.setattr("reeltune.cluster.runs.fit_states.SAVING", 1e-9)
    updates(begin(data), 4)
    assert data.states.store.names() == ["pmf-001.state0"]


def test_seconds_and_the_limit_count_what_a_trial_has_worked_in_all(data, short_steps):
    first = updates(begin(data), 3)
    (update,) = updates(begin(data), 1)
    assert 0 < update.earlier <= first[-1].seconds
    assert update.seconds > update.earlier
    (last,) = updates(begin(data, limit=update.earlier), 1)
    assert last.state == "failed"
    assert last.error.endswith("(--trial-timeout)")


def test_the_state_of_another_configuration_is_not_taken(data, short_steps):
    updates(begin(data), 3)
    (update,) = updates(begin(data, factors=4), 1)
    assert update.earlier == 0
    assert len(update.points) == 1


def test_a_trial_that_cannot_use_the_storage_says_that_it_has_not_ended(data, tmp_path, short_steps, monkeypatch):
    monkeypatch.setattr("reeltune.cluster.runs.storage.WAITS", ())
    (tmp_path / "file").touch()
    nowhere = dataclasses.replace(data, store=Store(str(tmp_path / "file")))
    (update,) = updates(begin(nowhere))
    assert update.state == UNSTORED
    assert "states" in update.error
