"""Checkpoints of running fits, in one file or in one for each bucket of users."""

import pytest
import torch

from reeltune.cluster.data_parallel.orders import FitOrder
from reeltune.cluster.data_parallel.states import states_of
from reeltune.cluster.runs.fit_states import Snapshots
from reeltune.cluster.runs.storage import Store
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.fitting.fit import Fit
from reeltune.trainables.fitting.sharded import ShardedFit
from tests.worlds import small_config


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path))


@pytest.fixture
def new_fit(small_world, small_shape):
    def start(kind=ShardedFit):
        return kind(ARCHITECTURES["pmf"], small_config("pmf"), small_shape, small_world.rows, seed=1)

    return start


def order(shard="users", seed=1):
    config = small_config("pmf").model_dump()
    return FitOrder(key="pmf", architecture="pmf", config=config, seed=seed, shard=shard)


def states_for(order, store, fit):
    return states_of(order.name, order.content, Snapshots(store), fit)


def kept_at(store, fit, *steps):
    """The states of a fit at these steps are kept."""
    states = states_for(order(), store, fit)
    for step in steps:
        while fit.step < step:
            fit.advance()
        states.save({"fit": fit.state(), "seconds": float(step)})
    return states


def loaded(store, new_fit, **changes):
    """The latest state, which a new process reads."""
    return states_for(order(**changes), store, new_fit()).load()


def test_a_sharded_fit_has_a_file_for_each_bucket_and_one_for_all_else(store, new_fit):
    fit = new_fit()
    kept_at(store, fit, 5)
    assert sorted(store.names()) == sorted(
        [f"{order().name}.state0", *(f"{order().name}.users{b}.state0" for b in range(64))]
    )
    state = loaded(store, new_fit)
    assert (state["fit"]["step"], state["seconds"]) == (5, 5.0)
    resumed = new_fit()
    resumed.load_state(state["fit"])
    assert torch.equal(resumed.model.users.weight[1:], fit.model.users.weight[1:])
    assert torch.equal(resumed.model.items.weight, fit.model.items.weight)


def test_of_several_the_latest_is_loaded_and_two_are_kept(store, new_fit):
    kept_at(store, new_fit(), 1, 2, 3)
    assert loaded(store, new_fit)["fit"]["step"] == 3
    assert len(store.names()) == 2 * 65


def test_a_state_is_whole_only_with_the_file_that_is_written_last(store, new_fit):
    kept_at(store, new_fit(), 1, 2)
    store.remove(f"{order().name}.state1")
    assert loaded(store, new_fit)["fit"]["step"] == 1


def test_a_state_of_which_a_bucket_is_cut_off_is_none_and_the_one_before_is_taken(store, new_fit):
    kept_at(store, new_fit(), 1, 2)
    name = f"{order().name}.users7.state1"
    store.write(name, store.read(name)[:-1])
    assert loaded(store, new_fit)["fit"]["step"] == 1


def test_a_fit_that_goes_on_writes_over_what_was_not_whole(store, new_fit):
    kept_at(store, new_fit(), 1, 2)
    store.remove(f"{order().name}.state1")
    fit = new_fit()
    states = states_for(order(), store, fit)
    fit.load_state(states.load()["fit"])
    for step in (2, 3):
        fit.advance()
        states.save({"fit": fit.state(), "seconds": 0.0})
        assert loaded(store, new_fit)["fit"]["step"] == step


def test_there_is_none_of_another_order(store, new_fit):
    kept_at(store, new_fit(), 1)
    assert loaded(store, new_fit, seed=2) is None


def test_what_is_not_sharded_is_one_file(store, new_fit):
    fit = new_fit(Fit)
    states = states_for(order(shard=None), store, fit)
    states.save({"fit": fit.state(), "seconds": 0.0})
    assert store.names() == [f"{order(shard=None).name}.state0"]
    assert states.load()["fit"]["step"] == 0


def test_a_fit_is_forgotten_with_all_its_buckets_and_another_is_not(store, new_fit):
    fit = new_fit()
    for name in ("pmf-001", "pmf-001-again1"):
        states_of(name, order().content, Snapshots(store), fit).save({"fit": fit.state(), "seconds": 0.0})
    assert len(store.names()) == 2 * 65
    Snapshots(store).forget("pmf-001")
    assert len(store.names()) == 65
    assert all(name.startswith("pmf-001-again1.") for name in store.names())
