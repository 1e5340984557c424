"""Architectures with a layer on both vectors: many pairs are rated as few are, whose vectors are put side by side."""

import pytest
import torch
from torch import nn

from reeltune.trainables.architectures import classifier, embedding_nn, svdpp_classifier
from reeltune.trainables.architectures.parts.paired import worth_it
from reeltune.trainables.architectures.parts.trunk import Tables
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data.shape import Shape
from tests.worlds import STARS

SHAPE = Shape(users=6, items=5, scale=STARS)
USERS, ITEMS = torch.arange(6).repeat_interleave(5), torch.arange(5).repeat(6)  # all pairs, more than there are ids


@pytest.mark.parametrize(
    ("name", "changes"),
    [("embedding_nn", {}), ("classifier", {}), ("classifier", {"product": True})],
    ids=["embedding_nn", "classifier", "classifier with the product"],
)
def test_many_pairs_are_rated_as_few_are(name, changes):
    torch.manual_seed(0)
    model = ARCHITECTURES[name].Model(ARCHITECTURES[name].Config(**changes), SHAPE).eval()
    with torch.no_grad():
        for weight in model.parameters():
            torch.nn.init.normal_(weight, std=0.3)
        assert worth_it(model, type(model), USERS, model.id_rows())
        assert not worth_it(model, type(model), USERS[:10], model.id_rows())
        few = torch.cat([model(u, i) for u, i in zip(USERS.split(10), ITEMS.split(10), strict=True)])
        assert few.std() > 0.01
        assert torch.allclose(model(USERS, ITEMS), few, atol=1e-5)


def halved(module):
    class Model(module.Model):
        def rate_rows(self, users, items):
            return super().rate_rows(users, items) / 2

    return Model


def with_other_layers(module):
    class Model(module.Model):
        def __init__(self, *given, **trunk):
            super().__init__(*given, **trunk)
            linear = [layer for layer in self.layers if isinstance(layer, nn.Linear)]
            ends = linear[0].in_features, linear[-1].out_features
            self.layers = nn.Sequential(nn.Linear(ends[0], 7), nn.Tanh(), nn.Linear(7, ends[1]))

    return Model


def made(derived, module):
    torch.manual_seed(0)
    config = module.Config()
    trunk = {"trunk": Tables.empty(config, SHAPE)} if module is svdpp_classifier else {}
    model = derived(module)(config, SHAPE, **trunk).eval()
    for weight in model.state_dict().values():
        if weight.dim() == 2:
            torch.nn.init.normal_(weight, std=0.3)
    return model


def rows_of_all_pairs(model):
    users, items = model.id_rows()
    return users[USERS], items[ITEMS]


@pytest.mark.parametrize("derived", [halved, with_other_layers])
@pytest.mark.parametrize("module", [classifier, embedding_nn, svdpp_classifier], ids=lambda module: module.__name__)
@torch.no_grad()
def test_a_model_that_derives_from_one_rates_many_pairs_its_own_way_too(module, derived):
    model = made(derived, module)
    many, few = model(USERS, ITEMS), model(USERS[:10], ITEMS[:10])
    assert few.std() > 0.01
    assert torch.allclose(many[:10], few, atol=1e-5)
    assert torch.allclose(many, model.rate_rows(*rows_of_all_pairs(model)), atol=1e-5)
    assert torch.allclose(many, model.crossed(torch.arange(6), torch.arange(5), None).flatten(0, 1), atol=1e-5)
    assert not model.factored


@torch.no_grad()
def test_other_layers_rate_as_they_do_in_training():
    model = made(with_other_layers, svdpp_classifier)
    found = model(USERS, ITEMS)
    assert torch.allclose(found, model.train().rate_rows(*rows_of_all_pairs(model)), atol=1e-5)
