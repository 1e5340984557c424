from dataclasses import replace

import pytest
import torch

from reeltune.cluster.data_parallel.orders import FitOrder, Fitted, keep, kept
from reeltune.cluster.runs.storage import Store

ORDER = FitOrder(key="pmf, seed 1", architecture="pmf", config={"epochs": 2}, seed=1)
DONE = Fitted(
    key="pmf, seed 1",
    weights={"w": torch.tensor([1.0, 2.0])},
    seconds=1.5,
    epochs=2,
    train_loss=0.5,
    metrics={"mean_mse": 0.5, "median_mse": None},
    temperature=1.0,
)


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path))


def test_what_came_of_a_fit_is_read_as_it_was_written(store):
    keep(store, ORDER, DONE)
    read = kept(store, ORDER)
    assert replace(read, weights={}) == replace(DONE, weights={})
    assert torch.equal(read.weights["w"], DONE.weights["w"])


@pytest.mark.parametrize("change", [{"config": {"epochs": 3}}, {"seed": 2}, {"rows": "fitting"}, {"key": "other"}])
def test_a_fit_that_was_ordered_otherwise_is_another_one(store, change):
    keep(store, ORDER, DONE)
    assert kept(store, replace(ORDER, **change)) is None


def test_weights_without_the_rest_are_no_result(store):
    keep(store, ORDER, DONE)
    store.remove(f"{ORDER.name}.json")
    assert kept(store, ORDER) is None
