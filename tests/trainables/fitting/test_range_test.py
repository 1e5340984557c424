import numpy as np
import pytest
import torch

from reeltune.trainables.architectures import bias, pmf
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data import load_data, split
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.errors import InputError
from reeltune.trainables.fitting.range_test import range_test, valley
from tests.models import MODELS, TRAINED
from tests.worlds import shape_of

RATES = np.geomspace(1e-7, 10, 100)


@pytest.fixture(scope="module", params=TRAINED)
def found(request, two_tastes):
    architecture = MODELS[request.param]
    return range_test(architecture, architecture.Config(batch_size=64), shape_of(two_tastes), two_tastes.rows, seed=1)


def test_rates_grow_from_the_eleventh_of_a_hundred_on(found):
    assert found.rates.tolist() == RATES[10 : 10 + len(found.rates)].tolist()
    assert found.rates.shape == found.losses.shape


def test_losses_are_finite_and_fall_until_they_rise_or_run_away(found):
    assert np.isfinite(found.losses).all()
    lowest = found.losses.argmin()
    ran_away = found.rates[-1] < 1  # at once, with weight decay: the last steps, which are left out, were above
    assert 10 < lowest < len(found.losses) - (0 if ran_away else 1)
    assert found.losses[lowest] < 0.98 * found.losses[0]  # the classifier's: 0.965 to 0.973, by seed and torch


def test_what_is_solved_has_no_rate_to_find(two_tastes):
    with pytest.raises(InputError, match="bias is solved, not trained: it has no learning rate"):
        range_test(bias, bias.Config(), shape_of(two_tastes), two_tastes.rows, seed=1)


def test_the_test_ends_where_the_loss_runs_away(two_tastes, monkeypatch):
    monkeypatch.setattr("reeltune.trainables.fitting.range_test.DIVERGED", 1.1)
    architecture = ARCHITECTURES["pmf"]
    found = range_test(architecture, architecture.Config(batch_size=64), shape_of(two_tastes), two_tastes.rows, seed=1)
    assert len(found.rates) < 85
    assert found.rates.max() > 0.1


def test_the_suggested_rate_trains(found):
    assert 1e-4 < found.valley < 1


def test_the_same_seed_finds_the_same_curve(two_tastes):
    architecture = ARCHITECTURES["pmf"]
    first, again, other = (
        range_test(architecture, architecture.Config(), shape_of(two_tastes), two_tastes.rows, seed=seed)
        for seed in (1, 1, 2)
    )
    assert first.losses.tolist() == again.losses.tolist()
    assert first.losses.tolist() != other.losses.tolist()


def test_more_rows_than_a_hundred_steps_need_are_no_second_epoch(two_tastes):
    """A batch of 2 has 800 steps in an epoch: the test ends at its hundredth."""
    architecture = ARCHITECTURES["classifier"]
    found = range_test(architecture, architecture.Config(batch_size=2), shape_of(two_tastes), two_tastes.rows, seed=0)
    assert len(found.rates) <= 85


def test_the_valley_is_half_way_down_the_longest_fall():
    # Up, then 12 steps down, then up: a third and a sixth of the way down.
    losses = np.array([5.0, 6, 7, *np.linspace(8, 2, 12), 3, 4, 5])
    rates = np.arange(len(losses), dtype=float)
    # The run of 12 ends at position 14; its start counts as 14 − 12 = 2, so that 2 + 4 + 2.
    assert valley(rates, losses) == 8


def test_a_bump_does_not_end_a_valley():
    smooth = np.linspace(9, 1, 30)
    bumpy = smooth.copy()
    bumpy[[7, 21]] += 3
    rates = np.arange(30.0)
    assert valley(rates, bumpy) == pytest.approx(valley(rates, smooth), abs=1)


def test_a_loss_that_only_rises_suggests_the_lowest_rate():
    assert valley(np.arange(1.0, 11), np.arange(10.0)) == 1


def test_the_callers_random_numbers_are_not_what_decides(two_tastes):
    architecture = ARCHITECTURES["embedding_nn"]
    curves = []
    for noise in (0, 99):
        torch.manual_seed(noise)
        found = range_test(architecture, architecture.Config(), shape_of(two_tastes), two_tastes.rows, seed=4)
        curves.append(found.losses.tolist())
    assert curves[0] == curves[1]


@pytest.mark.parametrize("seed", range(12))
def test_an_early_jump_of_the_loss_does_not_end_it(seed):
    ratings = load_data("synthetic")
    parts = split(ratings.rows, seed=seed)
    shape = Shape(users=ratings.users.rows, items=ratings.items.rows, scale=Scale.of(parts.fitting.ratings))
    found = range_test(pmf, pmf.Config(batch_size=2), shape, parts.train, seed=seed)
    assert found.rates[0] <= found.valley <= found.rates[-1]
