"""What is of AutoRec alone; what it shares with all architectures is in test_architectures.py."""

import pytest
import torch

from reeltune.trainables.architectures import autorec
from reeltune.trainables.architectures.parts import sparse
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.fitting import loop
from reeltune.trainables.fitting.fit import Fit
from tests.worlds import STARS, config_of, rows_of

ROWS = rows_of([1, 2, 1, 3, 2], [1, 1, 2, 2, 3], [5, 1, 4, 2, 3])
SHAPE = Shape(users=4, items=5, scale=STARS, ratings=5)


def seen(**changes):
    return Fit(autorec, config_of("autorec", hidden=3, batch_size=2, **changes), SHAPE, ROWS, seed=1)


@pytest.mark.parametrize("activation", ["sigmoid", "identity"])
def test_a_rating_is_its_formula(activation):
    model = seen(activation=activation, exponent=0.5, initial=0.5).model.eval()
    ratings, shape = torch.zeros(5, 4), (5, 4)
    for user, item, rating in zip(ROWS.users, ROWS.items, ROWS.ratings, strict=True):
        ratings[item, user] = rating - 3  # the mean is 3, a quarter of the span 1
    counts = torch.tensor([1, 2, 2, 1, 1])  # nobody rated items 0 and 4: 1 in place of 0
    code = (ratings * counts[:, None] ** -0.5) @ model.encoder + model.hidden_bias
    code = torch.sigmoid(code) if activation == "sigmoid" else code
    code[[0, 4]] = (2 * code[1] + 2 * code[2] + code[3]) / 5  # the mean, weighted by ratings
    expected = 3 + code @ model.decoder.T + model.user_bias + model.item_bias[:, None]
    items, users = torch.meshgrid(torch.arange(5), torch.arange(4), indexing="ij")
    found = model(users.ravel(), items.ravel()).reshape(shape)
    assert torch.allclose(found, expected, atol=1e-5)


def test_what_is_served_is_codes_in_place_of_what_makes_them():
    fit = seen()
    list(loop.run(fit))
    kept = fit.model.served().state_dict()
    assert {"codes", "decoder", "user_bias", "item_bias", "mean"} == kept.keys()
    assert kept["codes"].shape == (5, 3)
    served = fit.model.served()
    assert served.served() is served
    assert torch.allclose(
        served.eval()(torch.tensor([1, 3]), torch.tensor([2, 3])),
        fit.model.eval()(torch.tensor([1, 3]), torch.tensor([2, 3])),
    )


def test_serving_does_not_disturb_the_fit():
    fit = seen()
    fit.advance()
    fit.model.served()
    assert "encoder" in dict(fit.model.named_parameters())
    assert fit.model.codes is None
    fit.advance()


def test_a_fit_of_many_users_multiplies_by_blocks_of_them_and_ends_as_one_that_does_not(
    small_world, small_shape, monkeypatch
):
    ends = []
    for block in (sparse.BLOCK, 5):
        monkeypatch.setattr(sparse, "BLOCK", block)
        monkeypatch.setattr(sparse, "WORTH", 1)
        fit = Fit(autorec, config_of("autorec", hidden=4), small_shape, small_world.rows, seed=1)
        list(loop.run(fit))
        ends.append(fit.model.encoder.detach())
    assert (len(fit.model.by_item.blocks), len(fit.model.by_user.blocks)) == (8, 6)
    assert torch.allclose(*ends, atol=1e-4)


def test_an_exponent_of_0_takes_ratings_as_they_are():
    model = seen(exponent=0.0).model
    assert sorted(model.by_item.weights.tolist()) == [-2, -1, 0, 1, 2]


@pytest.mark.parametrize(("ratings", "decay"), [(1_450, 2.4), (5_800, 1.2), (23_200, 1.2)])
def test_the_reference_decays_more_where_ids_have_few_ratings(ratings, decay):
    shape = Shape(users=101, items=101, scale=STARS, ratings=ratings)
    assert autorec.reference(shape).weight_decay == decay
