import json
from dataclasses import replace

import pytest
import torch

from reeltune.cluster.data_parallel.orders import FitOrder, Fitted, has_ended, keep, kept
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


def without_weights(fitted):
    return fitted.model_copy(update={"weights": {}})


def test_what_came_of_a_fit_is_read_as_it_was_written(store):
    keep(store, ORDER, DONE)
    read = kept(store, ORDER)
    assert has_ended(store, ORDER)
    assert not has_ended(store, replace(ORDER, seed=2))
    assert without_weights(read) == without_weights(DONE)
    assert torch.equal(read.weights["w"], DONE.weights["w"])


def test_a_result_of_an_earlier_version_whose_files_had_no_number_is_read(store):
    keep(store, ORDER, DONE)
    file = f"{ORDER.name}.json"
    content = json.loads(store.read(file))
    assert content.pop("schema") == 2
    store.write(file, json.dumps(content).encode())
    assert without_weights(kept(store, ORDER)) == without_weights(DONE)


@pytest.mark.parametrize("content", [b"", b'{"key": "pm', b"[]", b'{"key": "pmf, seed 1"}'])
def test_a_result_whose_upload_was_cut_off_is_none_and_that_is_logged(store, caplog, content):
    keep(store, ORDER, DONE)
    store.write(f"{ORDER.name}.json", content)
    assert kept(store, ORDER) is None
    assert f"no result: {ORDER.name}.json: " in caplog.text
    assert f"({len(content)} bytes)" in caplog.text


def test_the_file_of_an_order_keeps_the_name_that_earlier_versions_gave_it():
    assert ORDER.name == "22b558a1921461f6"


@pytest.mark.parametrize("change", [{"config": {"epochs": 3}}, {"seed": 2}, {"rows": "fitting"}, {"key": "other"}])
def test_a_fit_that_was_ordered_otherwise_is_another_one(store, change):
    keep(store, ORDER, DONE)
    assert kept(store, replace(ORDER, **change)) is None


def test_weights_without_the_rest_are_no_result(store):
    keep(store, ORDER, DONE)
    store.remove(f"{ORDER.name}.json")
    assert kept(store, ORDER) is None


def test_the_files_of_an_order_that_is_not_sharded_have_the_names_that_earlier_versions_gave_them():
    assert ORDER.name == "22b558a1921461f6"
    assert replace(ORDER, shard="users").name != ORDER.name
