import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import skew, t

from reeltune.trainables.scoring.satterthwaite import StudentT, student
from reeltune.trainables.scoring.skewness import Hall, cubed, hall, uncubed
from tests.trainables.scoring.made import alike


def test_the_third_moment_is_the_unbiased_skewness_over_the_root_of_the_users():
    effects = np.random.default_rng(1).gamma(4, 1, 50)
    gains = alike(effects)
    assert hall(gains, student(gains), level=0.05).skewness == pytest.approx(skew(effects, bias=False) / 50**0.5)


def test_a_skewness_is_bounded_where_the_interval_would_run_away():
    gains = alike([0.0] * 29 + [5.0])
    by_spread = student(gains)
    found = hall(gains, by_spread, level=0.05)
    assert found.skewness == pytest.approx(0.9 / t.ppf(0.975, by_spread.freedom))
    assert found.reach(0.05, 1) < 6 * by_spread.reach(0.05, 1)


def test_two_users_have_no_skewness():
    gains = alike([0.1, 0.5])
    assert hall(gains, student(gains), level=0.05).skewness == 0


def test_the_transformation_by_hand():
    assert cubed(2.0, 0.3) == pytest.approx(2 + 0.3 * 4 / 3 + 0.09 * 8 / 27 + 0.05)
    assert cubed(-2.0, 0.3) == pytest.approx(-2 + 0.4 - 0.72 / 27 + 0.05)


@given(st.floats(-4, 4), st.floats(-0.4, 0.4))
def test_its_inverse_takes_it_back(x, k):
    assert uncubed(cubed(x, k), k) == pytest.approx(x, abs=1e-6)


def test_without_skewness_it_is_students_t():
    by_spread = StudentT(standard_error=0.2, freedom=15)
    found = Hall(student=by_spread, skewness=0.0)
    for side in (-1, 1):
        assert found.reach(0.05, side) == pytest.approx(by_spread.reach(0.05, side))
        assert found.p(0.3, side) == pytest.approx(by_spread.p(0.3, side))


def test_the_interval_leans_to_the_longer_tail():
    """Where large gains are rare a sample has seen too few of them: the true gain is rather above the mean."""
    found = Hall(student=StudentT(standard_error=0.1, freedom=30), skewness=0.3)
    assert found.reach(0.05, 1) > found.student.reach(0.05, 1) > found.reach(0.05, -1)
    assert found.p(0.2, 1) > found.student.p(0.2, 1) > found.p(0.2, -1)


@given(st.floats(-0.3, 0.3), st.sampled_from([-1, 1]), st.floats(0.001, 0.5))
def test_p_is_the_level_at_which_the_limit_is_reached(k, side, level):
    found = Hall(student=StudentT(standard_error=0.1, freedom=30), skewness=k)
    assert found.p(found.reach(level, side), side) == pytest.approx(level, rel=1e-3)


def test_the_upper_limit_for_exponential_gains_holds_more_often_than_students():
    """True mean 1, 25 users: samples without the long tail have a small mean and a small spread at once."""
    held = {"hall": 0, "student": 0}
    for seed in range(500):
        gains = alike(np.random.default_rng(seed).exponential(1, 25))
        by_spread = StudentT(standard_error=gains.standard_error, freedom=24)
        held["student"] += gains.mean + by_spread.reach(0.05, 1) >= 1
        held["hall"] += gains.mean + hall(gains, by_spread, level=0.05).reach(0.05, 1) >= 1
    assert held["student"] < 0.94 * 500 < held["hall"]
