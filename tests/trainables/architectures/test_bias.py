"""Damped means: known numbers of a world of three users and three items, and what no mean can learn."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from reeltune.trainables.architectures import bias
from reeltune.trainables.data import split
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.fitting import loop
from reeltune.trainables.fitting.fit import Fit, on_device
from tests.worlds import STARS, rows_of, shape_of

SHAPE = Shape(users=4, items=4, scale=STARS)
NINE = np.arange(1, 4).repeat(3), np.tile(np.arange(1, 4), 3)
SUMS = NINE[0] + NINE[1] - 1.0  # 1 to 5: the mean is 3, and users and items add -1, 0 or 1 to it


def solved(users, items, ratings, **config):
    model = bias.Model(bias.Config(**config), SHAPE)
    model.see(on_device(rows_of(users, items, ratings), torch.device("cpu")))
    return model


def rated(model, users, items):
    return model(torch.as_tensor(users), torch.as_tensor(items)).tolist()


def test_without_damping_sums_of_biases_are_found_exactly():
    model = solved(*NINE, SUMS, user_damping=0, item_damping=0)
    assert model.mean == 3
    assert rated(model, *NINE) == pytest.approx(SUMS.tolist())


def test_a_damping_of_n_ratings_halves_the_bias_of_n_ratings():
    model = solved(*NINE, SUMS, user_damping=3, item_damping=3)
    assert model.items.tolist() == pytest.approx([0, -0.5, 0, 0.5])
    assert model.users.tolist() == pytest.approx([0, -0.5, 0, 0.5])
    assert rated(model, [1, 3], [1, 1]) == pytest.approx([2, 3])


def test_items_come_first_and_users_have_what_is_left():
    """Of ratings 5 and 3 by user 1, 4 by user 2 and 1 by user 3; the mean is 3.25."""
    model = solved([1, 1, 2, 3], [1, 2, 1, 3], [5, 3, 4, 1], item_damping=1, user_damping=2)
    items = [0, 2.5 / 3, -0.25 / 2, -2.25 / 2]
    assert model.items.tolist() == pytest.approx(items)
    users = [0, (1.75 - items[1] - 0.25 - items[2]) / 4, (0.75 - items[1]) / 3, (-2.25 - items[3]) / 3]
    assert model.users.tolist() == pytest.approx(users)
    assert rated(model, [1], [3]) == pytest.approx([3.25 + users[1] + items[3]])


def test_an_id_without_a_rating_adds_nothing():
    model = solved([1, 1, 2], [1, 2, 1], [5, 3, 1], user_damping=0, item_damping=0)
    assert rated(model, [0, 3], [0, 3]) == pytest.approx([3, 3])
    assert rated(model, [0], [2]) == pytest.approx([3])
    assert rated(model, [3], [1]) == pytest.approx([3])


def test_a_pair_rated_twice_counts_twice():
    model = solved([1, 1, 2], [1, 1, 2], [5, 5, 2], user_damping=1, item_damping=0)
    assert model.items.tolist() == pytest.approx([0, 1, -2, 0])


def test_boundless_damping_leaves_the_mean():
    model = solved(*NINE, SUMS, user_damping=1e6, item_damping=1e6)
    assert rated(model, *NINE) == pytest.approx([3] * 9, abs=1e-4)


def test_it_learns_a_world_of_biases():
    draw = np.random.default_rng(0)
    users, items = np.arange(1, 31).repeat(30), np.tile(np.arange(1, 31), 30)
    exact = 3 + draw.normal(0, 0.7, 31)[users] + draw.normal(0, 0.7, 31)[items]
    parts = split(rows_of(users, items, exact + draw.normal(0, 0.1, 900)), seed=1)
    shape = Shape(users=31, items=31, scale=Scale.of(parts.fitting.ratings))
    fit = Fit(bias, bias.Config(user_damping=0.1, item_damping=0.1), shape, parts.train, seed=1)
    (report,) = loop.run(fit, validation=parts.validation)
    assert parts.validation.ratings.var() > 0.7
    assert report.validation.of("mean") < 0.03


def test_it_does_not_learn_a_pattern_that_no_mean_can(two_tastes):
    parts = split(two_tastes.rows, seed=1)
    fit = Fit(bias, bias.Config(), shape_of(two_tastes), parts.train, seed=1)
    (report,) = loop.run(fit, validation=parts.validation)
    assert report.validation.of("mean") > 0.95 * parts.validation.ratings.var()


@pytest.mark.parametrize("fault", [{"user_damping": -1}, {"item_damping": float("nan")}, {"damping": 5}])
def test_a_damping_is_a_number_of_ratings(fault):
    with pytest.raises(ValidationError, match=next(iter(fault))):
        bias.Config(**fault)


def test_it_has_no_weights_to_train():
    assert not list(bias.Model(bias.Config(), SHAPE).parameters())
