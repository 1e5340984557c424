"""What is of SVD++ alone; what it shares with the classifier on the same vectors is in test_trunk.py."""

import pytest
import torch

from reeltune.trainables.architectures import svdpp
from reeltune.trainables.fitting import loop
from reeltune.trainables.fitting.fit import Fit
from tests.worlds import config_of


@pytest.fixture(scope="module")
def fit(small_world, small_shape):
    fit = Fit(svdpp, config_of("svdpp", factors=8, batch_size=64, epochs=3), small_shape, small_world.rows, seed=1)
    list(loop.run(fit))
    return fit


def test_a_rating_is_the_mean_and_the_match_in_quarters_of_the_span(fit, small_world):
    tables = fit.model.trunk.folded()
    users, items = fit.rows.users, fit.rows.items
    p, q = tables.users[users], tables.items[items]
    match = (p[:, :-1] * q[:, :-1]).sum(1) + p[:, -1] + q[:, -1]
    assert fit.model.unit == (fit.shape.scale.high - fit.shape.scale.low) / 4
    expected = small_world.rows.ratings.mean() + fit.model.unit * match
    assert torch.allclose(fit.model.eval()(users, items), expected.float(), atol=1e-5)


def test_it_begins_at_the_mean(small_world, small_shape):
    fit = Fit(svdpp, config_of("svdpp", batch_size=64, initial=0.02), small_shape, small_world.rows, seed=1)
    output = fit.model.eval()(fit.rows.users, fit.rows.items)
    assert torch.allclose(output, fit.rows.ratings.mean(), atol=0.1)


def test_nothing_squashes_a_prediction(fit):
    """Beyond the scale it is clipped when it is decoded: see test_architectures.py."""
    with torch.no_grad():
        fit.model.trunk.table[:, -1] += 3
    assert fit.model.eval()(fit.rows.users, fit.rows.items).min() > fit.shape.scale.high
