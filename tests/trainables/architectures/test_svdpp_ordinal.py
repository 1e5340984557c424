"""`svdpp` with an ordinal head; the vectors are in parts/test_trunk.py, the head in parts/test_ordinal.py."""

import numpy as np
import pytest
import torch

from reeltune.trainables.architectures import svdpp, svdpp_ordinal
from reeltune.trainables.bundle import restored
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.fitting import loop
from reeltune.trainables.fitting.fit import Fit
from tests.worlds import STARS, rows_of, small_config


@pytest.fixture
def polite():
    """Ratings of one latent scale: from 2.2 to 4.8 everything is a 4, and 2 and 3 stars are narrow steps."""
    draw = np.random.default_rng(0)
    users, items = draw.integers(1, 41, 4000), draw.integers(1, 41, 4000)
    latent = 3.5 + draw.normal(size=41)[users] + draw.normal(size=41)[items] + 0.3 * draw.normal(size=4000)
    ratings = np.digitize(latent, [1.5, 1.8, 2.2, 4.8]) + 1.0
    return rows_of(users, items, ratings), Shape(users=41, items=41, ratings=3000, scale=STARS)


def test_where_steps_differ_in_length_it_errs_less_than_svdpp(polite):
    rows, shape = polite
    train, rest = rows.take(np.arange(3000)), rows.take(np.arange(3000, 4000))
    changes = {"factors": 1, "weight_decay": 2.0, "bias_decay": 0.02, "batch_size": 128, "epochs": 15}
    errors = []
    for config in (svdpp.Config(**changes), svdpp_ordinal.Config(**changes, head_rate=1.0)):
        architecture = svdpp if type(config) is svdpp.Config else svdpp_ordinal
        *_, last = loop.run(Fit(architecture, config, shape, train, seed=1), validation=rest)
        errors.append(last.validation.of("mean"))
    assert errors[1] < 0.85 * errors[0]


def test_in_training_it_gives_what_the_loss_takes_and_otherwise_ratings(small_world, small_shape):
    fit = Fit(svdpp_ordinal, small_config("svdpp_ordinal"), small_shape, small_world.rows, seed=1)
    users, items = fit.rows.users, fit.rows.items
    match, ratings = fit.model.train()(users, items), fit.model.eval()(users, items)
    assert not torch.equal(match, ratings)
    assert ratings.min() >= STARS.low
    assert ratings.max() <= STARS.high


@pytest.mark.parametrize("share", [0.1, 1.0])
def test_the_head_learns_at_its_share_of_the_vectors_rate_and_does_not_decay(small_world, small_shape, share):
    config = small_config("svdpp_ordinal", head_rate=share, weight_decay=5.0, bias_decay=2.0)
    fit = Fit(svdpp_ordinal, config, small_shape, small_world.rows, seed=1)
    head = {id(p) for p in fit.model.head.parameters()}
    fit.advance(rate=0.01)
    groups = [group for group in fit.optimizer.param_groups if head & {id(p) for p in group["params"]}]
    assert [(group["lr"], group["weight_decay"]) for group in groups] == [(pytest.approx(0.01 * share), 0.0)]


def test_a_bundle_keeps_what_the_head_has_learnt(small_world, small_shape):
    fit = Fit(svdpp_ordinal, small_config("svdpp_ordinal"), small_shape, small_world.rows, seed=1)
    start = fit.model.head.first.detach().clone()
    list(loop.run(fit))
    again = restored(svdpp_ordinal, fit.config, small_shape, fit.model.eval().served().state_dict())
    users, items = fit.rows.users, fit.rows.items
    assert torch.equal(again(users, items), fit.model(users, items))
    assert not torch.equal(again.head.first, start)
