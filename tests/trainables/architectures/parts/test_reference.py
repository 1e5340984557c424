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
    weight_decay, _, _, bias_decay = decays(name, users=101, items=101, ratings=4 * 5_800)
    assert [weight_decay, bias_decay] == [1.7, 0.12]


def test_a_quarter_of_the_ratings_per_id_doubles_the_decays():
    weight_decay, _, side_decay, _ = decays("svdpp", users=401, items=401, ratings=5_800)
    assert [weight_decay, side_decay] == [6.8, 8.0]


def test_under_a_class_head_vectors_decay_by_the_fourth_root_on_sparse_data():
    found = decays("svdpp_classifier", users=1_601, items=1_601, ratings=5_800)
    assert found == [6.8, 3.2, 16.0, 4.0]  # a sixteenth of the ratings per id; the bias is pulled


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


def test_implicit_feedback_decays_by_the_ratings_per_id_where_these_are_few():
    at_twenty, at_five = (decays("svdpp", users=101, items=101, ratings=ratings)[1] for ratings in (2_000, 500))
    assert at_twenty == pytest.approx(1.6 * (58 / 20) ** 0.5, rel=0.02)
    assert at_five == pytest.approx(4 * at_twenty, rel=0.02)


@EVERY
@pytest.mark.parametrize(("times", "epochs"), [(0.1, 8), (1, 8), (1.5625, 10), (2.25, 12), (100, 12)])
def test_epochs_grow_with_the_root_of_the_ratings_per_id_by_half_at_most(name, times, epochs):
    shape = Shape(users=101, items=101, scale=STARS, ratings=int(5_800 * times))
    assert ARCHITECTURES[name].reference(shape).epochs == epochs


@EVERY
def test_on_denser_data_implicit_feedback_decays_no_less_and_features_decay_more(name):
    found = [decays(name, users=101, items=101, ratings=5_800 * times)[1:3] for times in (1, 2.25, 4)]
    assert found == [[1.6, 4.0], [1.6, 6.0], [1.6, 8.0]]


@EVERY
@pytest.mark.parametrize(("ratings", "pull"), [(500, 1), (1_200, 1), (2_400, 0.5), (3_900, 0.31), (4_100, 0)])
def test_biases_are_pulled_to_damped_means_where_ratings_are_rare(name, ratings, pull):
    config = ARCHITECTURES[name].reference(Shape(users=101, items=101, scale=STARS, ratings=ratings))
    assert config.bias_pull == pull
    strength = 4 if pull else 1
    assert config.bias_decay == pytest.approx(0.25 * strength * (5_800 / ratings) ** 0.5, rel=0.03)


@EVERY
@pytest.mark.parametrize(
    ("users", "items", "ratings", "factors"),
    [
        (943, 1622, 100_000, 63),
        (6040, 3700, 900_000, 94),
        (1250, 3400, 200_000, 79),
        (24_000, 100, 1_500_000, 63),  # a matrix of 100 items has no room for more
        (3000, 3000, 25_000, 63),  # nor have few ratings
    ],
)
def test_dense_data_of_many_users_and_many_items_has_more_factors(name, users, items, ratings, factors):
    shape = Shape(users=users + 1, items=items + 1, scale=STARS, ratings=ratings)
    assert ARCHITECTURES[name].reference(shape).factors == factors


@EVERY
def test_beyond_what_the_rule_was_measured_on_decays_stay(name):
    """Of a few items that everybody rates, ratings per id are many, though a user has no more than on other data."""
    at_most = decays(name, users=101, items=101, ratings=26_400)
    assert decays(name, users=101, items=101, ratings=92_800) == at_most
    assert at_most[0] == 1.6
