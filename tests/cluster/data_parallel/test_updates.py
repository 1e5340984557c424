"""What refits say of themselves."""

import torch

from reeltune.cluster.data_parallel.orders import FitOrder, Fitted, Lost
from reeltune.cluster.data_parallel.updates import notes


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
