"""What refits say of themselves, and the results that they wrote."""

import threading

import pytest
import torch

from reeltune.cluster.data_parallel import updates
from reeltune.cluster.data_parallel.orders import FitOrder, Fitted, Lost, keep
from reeltune.cluster.data_parallel.updates import notes, result_of
from reeltune.cluster.runs.storage import Store
from reeltune.trainables.errors import StorageFailed


def order(seed):
    return FitOrder(key=f"svdpp seed {seed}", architecture="svdpp", config={}, seed=seed)


def fitted(key, *said):
    weights = {"w": torch.zeros(1)}
    kept = {"seconds": 1.0, "epochs": 1, "train_loss": 0.5, "metrics": None, "temperature": 1.0}
    return Fitted(key=key, weights=weights, notes=list(said), **kept)


def test_what_models_say_of_their_fits_is_said_once():
    orders = [order(seed) for seed in range(4)]
    keys = [one.key for one in orders]
    came = {
        keys[0]: fitted(keys[0], "time corrects nothing"),
        keys[1]: fitted(keys[1], "time corrects nothing"),
        keys[2]: fitted(keys[2]),
        keys[3]: Lost(key=keys[3], reason="died"),
    }
    assert notes(orders, came) == ["note: svdpp: time corrects nothing"]


def test_a_result_that_a_store_shows_a_moment_late_is_waited_for(tmp_path):
    store, asked = Store(str(tmp_path)), order(1)
    keep(store, asked, fitted(asked.key))
    store.write(f"{asked.name}.json", b"")
    threading.Timer(0.3, keep, (store, asked, fitted(asked.key))).start()
    assert result_of(asked, store).key == asked.key


def test_a_result_that_never_comes_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(updates, "READ_AGAIN", (0.01,))
    with pytest.raises(StorageFailed, match=rf"{order(1).name}\.json was written, and is missing or cannot be read"):
        result_of(order(1), Store(str(tmp_path)))
