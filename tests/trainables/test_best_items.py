"""The best items of each user: those that rating each pair would give, in the same order."""

import numpy as np
import pytest
import torch

from reeltune.trainables import best_items
from reeltune.trainables.architectures import bias, ensemble, pmf, svdpp_classifier
from reeltune.trainables.architectures.parts.trunk import Tables
from reeltune.trainables.bundle import Predictor, describe
from reeltune.trainables.data import Ids
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.model import RatingModel
from tests.worlds import STARS

USERS, ITEMS = 30, 200
SHAPE = Shape(users=USERS + 1, items=ITEMS + 1, scale=STARS)


def predictor_of(module, model, decoder="mean", *, config=None):
    described = describe(
        module.__name__, config or module.Config(), STARS, decoder=decoder, temperature=1.0, seed=0, data="", metrics={}
    )
    users, items = (Ids(np.arange(count).astype(str)) for count in (USERS, ITEMS))
    counts = (np.ones(count + 1, dtype=int) for count in (USERS, ITEMS))
    of_users, of_items = counts
    return Predictor(described, model.eval(), users=users, items=items, user_ratings=of_users, item_ratings=of_items)


def one_by_one(predictor, users, seen, top):
    """(user's place, item's place) in order, by rating each pair."""
    found = []
    for place, user in enumerate(users):
        ratings, finer = predictor.rank_indices(np.full(ITEMS, user), np.arange(1, ITEMS + 1))
        order = [at for at in np.lexsort((-finer, -ratings)) if place * ITEMS + at not in seen]
        found += [(place, at) for at in order[:top]]
    return found


def all_at_once(predictor, users, seen, top):
    parts = list(best_items.best_items(predictor, users, seen=np.array(sorted(seen), dtype=np.int64), top=top))
    return [pair for best in parts for pair in zip(best.users.tolist(), best.items.tolist(), strict=True)]


def made(spread):
    torch.manual_seed(0)
    model = pmf.Model(pmf.Config(factors=8), SHAPE)
    for table in (model.users, model.items):
        torch.nn.init.normal_(table.weight, std=spread)
    return model


@pytest.mark.parametrize("spread", [0.1, 1.0, 30.0], ids=["flat", "usual", "saturated"])
@pytest.mark.parametrize("decoder", ["mean", "rounded"])
def test_lists_are_those_of_pairs_rated_one_by_one_with_ties_too(spread, decoder):
    predictor = predictor_of(pmf, made(spread), decoder)
    users, seen = np.array([3, 0, 7, 30, 3]), {0, 1, 5, 2 * ITEMS + 9, 4 * ITEMS + 199}
    for top in (1, 10, ITEMS):
        assert all_at_once(predictor, users, seen, top) == one_by_one(predictor, users, seen, top)


def made_of_classes(spread):
    torch.manual_seed(0)
    config = svdpp_classifier.Config(factors=8, hidden=6)
    model = svdpp_classifier.Model(config, SHAPE, trunk=Tables.empty(config, SHAPE))
    for weight in (model.trunk.users, model.trunk.items, model.classes.weight):
        torch.nn.init.normal_(weight, std=spread)
    return model


@pytest.mark.parametrize("decoder", ["argmax", "mean", "median", "rounded", "grid"])
@pytest.mark.parametrize("spread", [0.1, 1.0, 3.0], ids=["flat", "usual", "saturated"])
def test_lists_by_classes_are_those_of_pairs_rated_one_by_one(spread, decoder):
    predictor = predictor_of(svdpp_classifier, made_of_classes(spread), decoder)
    users, seen = np.array([3, 0, 7, 30, 3]), {0, 1, 5, 2 * ITEMS + 9, 4 * ITEMS + 199}
    for top in (1, 10, ITEMS):
        assert all_at_once(predictor, users, seen, top) == one_by_one(predictor, users, seen, top)


def alone(model, decoder):
    return predictor_of(svdpp_classifier, model, decoder)


def in_an_ensemble(model, decoder):
    """With the decoder as the member's: an ensemble has a scalar head."""
    member = {"weight": 1.0, "config": model.config.model_dump(), "decoder": decoder, "temperature": 1.0}
    config = ensemble.Config.model_validate({"members": {"svdpp_classifier": member}})
    both = ensemble.Model(config, {"svdpp_classifier": [model]}, STARS)
    return predictor_of(ensemble, both, config=config)


@pytest.mark.parametrize("made_with", [alone, in_an_ensemble])
@pytest.mark.parametrize("decoder", ["argmax", "mean"])
def test_lists_by_classes_do_not_depend_on_how_the_sums_are_rounded(decoder, made_with, monkeypatch):
    """Logits off by more than rounding makes of them, of a model whose two best classes are always as likely."""
    model = made_of_classes(1.0)
    with torch.no_grad():
        model.classes.weight[-2], model.classes.bias[-2] = model.classes.weight[-1], model.classes.bias[-1]
    predictor = made_with(model, decoder)
    users, exact = np.arange(1, USERS + 1), svdpp_classifier.Model.crossed
    expected = one_by_one(predictor, users, set(), 10)
    for seed in range(3):

        def rounded(self, *asked, seed=seed):
            logits = exact(self, *asked)
            noise = torch.rand(logits.shape, generator=torch.Generator().manual_seed(seed)) - 0.5
            return logits + 4e-5 * noise

        monkeypatch.setattr(svdpp_classifier.Model, "crossed", rounded)
        assert all_at_once(predictor, users, set(), 10) == expected


@pytest.mark.parametrize("time", [None, 1_600_000_000])
def test_one_user_has_one_best_item(time):
    predictor, user = predictor_of(pmf, made(0.5)), np.array([7])
    [best] = best_items.best_items(predictor, user, seen=np.array([], dtype=np.int64), top=1, seconds=time)
    assert list(zip(best.users.tolist(), best.items.tolist(), strict=True)) == one_by_one(predictor, user, set(), 1)


def test_items_of_the_same_vector_come_in_the_order_of_the_items():
    model = made(1.0)
    with torch.no_grad():
        model.items.weight[50:] = model.items.weight[50]
        model.items.weight[50:, -1] += 100
    lists = all_at_once(predictor_of(pmf, model), np.array([1, 2]), {50}, 4)
    assert lists == [(0, 49), (0, 51), (0, 52), (0, 53), (1, 49), (1, 50), (1, 51), (1, 52)]


def test_a_model_that_is_no_product_is_rated_pair_by_pair(monkeypatch):
    users = np.arange(USERS)
    factored = all_at_once(predictor_of(pmf, made(1.0)), users, {7}, 5)
    monkeypatch.setattr(pmf.Model, "factored", False)
    monkeypatch.setattr(pmf.Model, "crossed", RatingModel.crossed)
    assert all_at_once(predictor_of(pmf, made(1.0)), users, {7}, 5) == factored


def test_a_model_may_compute_its_product_items_by_users(monkeypatch):
    users = np.arange(USERS)
    expected = all_at_once(predictor_of(pmf, made(1.0)), users, {7}, 5)
    crossed = pmf.Model.crossed
    monkeypatch.setattr(pmf.Model, "crossed", lambda *asked: crossed(*asked).T.contiguous().T)
    assert all_at_once(predictor_of(pmf, made(1.0)), users, {7}, 5) == expected


def test_users_are_counted_as_they_are_done(monkeypatch):
    monkeypatch.setattr(best_items, "PRODUCTS", 7 * ITEMS)
    parts = best_items.best_items(
        predictor_of(bias, bias.Model(bias.Config(), SHAPE)), np.arange(20), seen=np.array([], dtype=int), top=1
    )
    assert [best.done for best in parts] == [7, 14, 20]
