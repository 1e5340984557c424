import math

import numpy as np
import pytest
from scipy.stats import t, ttest_1samp

from reeltune.trainables.scoring.gains import Gains
from reeltune.trainables.scoring.satterthwaite import StudentT, by_gains, by_sizes, student
from tests.trainables.scoring.made import alike, uneven


def explicit(gains, within, effect):
    """(tr P)² / tr P² with the matrices written out, for these variances of rows and of users."""
    shares, counts = gains.counts / gains.counts.sum(), gains.counts.astype(float)
    out = np.eye(len(counts)) - np.outer(shares, np.ones(len(counts)))
    scale = np.diag(1 / (counts.sum() * np.sqrt(1 - shares)))
    covariance = scale @ out @ np.diag(counts * within + counts**2 * effect) @ out.T @ scale
    return np.trace(covariance) ** 2 / np.trace(covariance @ covariance)


def between(gains):
    """The variance of users' effects, by the analysis of variance of their means."""
    counts = gains.counts
    squares = (counts * (gains.totals / counts - gains.totals.sum() / counts.sum()) ** 2).sum()
    users = len(counts)
    return (squares / (users - 1) - gains.within) * (users - 1) / (counts.sum() - (counts**2).sum() / counts.sum())


@pytest.mark.parametrize("users", [2, 5, 30])
@pytest.mark.parametrize("seed", [1, 2])
def test_the_freedom_that_sizes_leave_is_that_of_the_matrices(users, seed):
    gains = uneven(seed, users=users, between=3.0)
    assert between(gains) > 0
    assert by_sizes(gains) == pytest.approx(explicit(gains, gains.within, between(gains)), rel=1e-10)


def test_where_users_vary_no_more_than_their_rows_do_they_have_no_variance_of_their_own():
    gains = uneven(3, users=12, within=50.0, between=0.0)
    gains = Gains(totals=gains.totals / 10, counts=gains.counts, within=50.0, error=1.0)
    assert between(gains) < 0
    assert by_sizes(gains) == pytest.approx(explicit(gains, 50.0, 0.0), rel=1e-10)


@pytest.mark.parametrize("users", [3, 20, 200])
def test_users_with_equally_many_rows_leave_all_but_one(users):
    assert by_sizes(alike(np.random.default_rng(4).normal(0, 1, users), within=0.3)) == pytest.approx(users - 1)


def test_a_user_with_half_of_the_rows_leaves_about_one():
    counts = np.array([400, *[8] * 50])
    effects = np.resize([0.1, -0.1], 51)
    gains = Gains(totals=counts * effects, counts=counts, within=0.0, error=0.8)
    assert by_sizes(gains) == pytest.approx(1, abs=0.1)


def test_the_freedom_that_gains_leave_is_twice_the_squared_mean_over_the_variance_of_their_squares():
    gains = uneven(6)
    squares = gains.influence**2
    assert by_gains(gains) == pytest.approx(2 * squares.sum() ** 2 / (30 * squares.var()))


def test_a_few_users_of_huge_gains_leave_about_as_much_as_they_are():
    assert by_gains(alike([1.0, -1.0, *[0.0] * 200])) == pytest.approx(2 * 2, rel=0.05)
    assert by_gains(alike([1.0, -1.0] * 10)) == math.inf


def test_users_that_do_not_differ_leave_nothing():
    assert student(alike([0.1, 0.11, 0.09, 0.1, *[0.0] * 50])).freedom <= 3
    assert student(alike([0.1, 0.0])).freedom == 1


def test_of_equal_users_it_is_the_common_t_test():
    effects = np.random.default_rng(7).normal(0.5, 1, 40)
    expected = ttest_1samp(effects, 0.0)
    found = StudentT(standard_error=alike(effects).standard_error, freedom=39)
    assert found.p(effects.mean(), -1) == pytest.approx(expected.pvalue)
    low, high = expected.confidence_interval()
    assert (effects.mean() - found.reach(0.05, -1), effects.mean() + found.reach(0.05, 1)) == pytest.approx((low, high))


def test_with_four_times_the_users_the_limit_is_half_as_far_and_t_nearer_to_the_normal():
    found = StudentT(standard_error=0.1, freedom=10)
    assert found.reach(0.05, -1, times=4) == pytest.approx(0.05 * t.ppf(0.975, 40))


def test_without_spread_a_gain_is_sure_as_far_as_users_were_seen():
    found = student(alike([0.5] * 20))
    assert (found.p(0.5, -1), found.reach(0.05, -1)) == (0, 0)
