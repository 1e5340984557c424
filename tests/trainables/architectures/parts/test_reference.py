"""The defaults on the trunk, sized for the data: steps an epoch, and decays by the ratings per id."""

import pytest

from reeltune.trainables.architectures.parts.trunk import TrunkModel
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.model import batch_for
from tests.worlds import STARS

NAMES = [name for name, architecture in ARCHITECTURES.items() if issubclass(architecture.Model, TrunkModel)]
EVERY = pytest.mark.parametrize("name", NAMES)


def decays(name, **shape):
    """The decays of an architecture's reference on stars."""
    config = ARCHITECTURES[name].reference(Shape(scale=STARS, **shape))
    return [config.weight_decay, config.implicit_decay, config.side_decay, config.bias_decay]


@pytest.mark.parametrize("ratings", [2, 1500, 72_000, 20_000_000])
def test_the_reference_makes_about_36_steps_an_epoch(ratings):
    shape = Shape(users=9, items=9, scale=STARS, ratings=ratings)
    assert all(ARCHITECTURES[name].reference(shape).batch_size == batch_for(shape, steps=36) for name in NAMES)


@EVERY
def test_four_times_the_ratings_per_id_halve_the_decays(name):
    assert decays(name, users=101, items=101, ratings=5_800) == [3.4, 1.6, 4.0, 0.25]
    assert decays(name, users=101, items=101, ratings=4 * 5_800) == [1.7, 0.8, 2.0, 0.12]
    assert decays(name, users=401, items=401, ratings=5_800) == [6.8, 3.2, 8.0, 0.5]


@EVERY
def test_users_and_items_count_by_their_geometric_mean(name):
    assert decays(name, users=51, items=201, ratings=5_800) == decays(name, users=101, items=101, ratings=5_800)


@EVERY
def test_ids_without_a_training_row_do_not_count(name):
    padded = decays(name, users=9_001, items=101, rated_users=100, rated_items=100, ratings=5_800)
    assert padded == decays(name, users=101, items=101, ratings=5_800)


@EVERY
@pytest.mark.parametrize(("rated", "split_seed"), [(1606, 2), (1614, 10), (1622, 42), (1634, "u1")])
def test_every_random_split_of_movielens_100k_has_the_defaults_themselves(name, rated, split_seed):
    shape = Shape(users=944, items=1665, scale=STARS, ratings=72_000, rated_users=943, rated_items=rated)
    assert ARCHITECTURES[name].reference(shape) == ARCHITECTURES[name].Config()


@EVERY
def test_no_step_takes_more_than_nine_tenths_of_a_weight(name):
    rate = ARCHITECTURES[name].Config().learning_rate
    assert max(decays(name, users=10_001, items=10_001, ratings=500)) * rate == pytest.approx(0.9)
