import numpy as np
import pytest

from reeltune.trainables.scoring.gains import gains
from tests.trainables.scoring.made import alike, uneven, world


def test_gains_are_added_up_by_user():
    baseline, other = np.array([1.0, 2.0, 4.0, 3.0, 5.0]), np.array([0.5, 1.0, 1.0, 3.5, 5.0])
    found = gains(baseline, other, np.array([0, 1, 0, 1, 2]), np.array([2, 2, 1]))
    assert found.totals.tolist() == [3.5, 0.5, 0.0]
    assert (found.mean, found.rows, found.users, found.differ, found.error) == (0.8, 5, 3, 2, 3.0)
    assert found.off.tolist() == pytest.approx([1.9, -1.1, -0.8])
    # Squared deviations of rows from their user's mean: 2 · 1.25² and 2 · 0.75², of five rows less three means.
    assert found.within == pytest.approx((2 * 1.25**2 + 2 * 0.75**2) / 2)


def test_where_each_user_has_one_row_nothing_varies_within_users():
    found = gains(np.arange(4.0), np.zeros(4), np.arange(4), np.ones(4, dtype=int))
    assert found.within == 0


def cr2(gains_of_rows, users):
    """Bell & McCaffrey's standard error of a mean by its matrices: residuals times (I − H)^(−1/2), user by user."""
    rows = len(gains_of_rows)
    residuals, variance = gains_of_rows - gains_of_rows.mean(), 0.0
    for user in np.unique(users):
        mine = users == user
        values, vectors = np.linalg.eigh(np.eye(mine.sum()) - 1 / rows)
        adjusted = vectors @ np.diag(values**-0.5) @ vectors.T @ residuals[mine]
        variance += (adjusted.sum() / rows) ** 2
    return variance**0.5


def test_the_standard_error_is_that_of_cr2s_matrices():
    draw = np.random.default_rng(2)
    users = np.repeat(np.arange(5), [1, 3, 2, 7, 4])
    baseline, other = draw.exponential(1, len(users)), draw.exponential(1, len(users))
    found = gains(baseline, other, users, np.bincount(users))
    assert found.standard_error == pytest.approx(cr2(baseline - other, users), rel=1e-12)


def test_of_users_with_equally_many_rows_it_is_the_deviation_of_their_means_over_the_root_of_their_number():
    effects = np.random.default_rng(3).normal(0.1, 1, 17)
    assert alike(effects).standard_error == pytest.approx(effects.std(ddof=1) / 17**0.5)


def test_the_standard_error_is_the_spread_of_the_gain_over_worlds():
    found = []
    for seed in range(300):
        baseline, other, users = world(seed, gain=0.1, users=80)
        # Users of uneven numbers of rows, whose rows hang together.
        kept = np.random.default_rng(seed).random(len(users)) < np.linspace(0.1, 1, 80)[users]
        _, member, counts = np.unique(users[kept], return_inverse=True, return_counts=True)
        found.append(gains(baseline[kept], other[kept], member, counts))
    spread = np.std([each.mean for each in found], ddof=1)
    assert np.mean([each.standard_error for each in found]) == pytest.approx(spread, rel=0.1)


def test_what_is_rounding_alone_is_no_standard_error():
    assert alike([0.1 + 0.2, 0.3, 0.3]).standard_error == 0
    assert uneven(1).standard_error > 0


def repeated(values, often):
    return np.repeat(values, often)


def test_a_row_of_weight_2_is_two_rows_of_its_user():
    baseline, other, users = world(3, users=12, rows=5)
    often = np.random.default_rng(0).integers(1, 4, len(users))
    found = gains(baseline, other, users, np.bincount(users), often.astype(float))
    rows = [repeated(values, often) for values in (baseline, other, users)]
    twice = gains(*rows, np.bincount(rows[-1]))
    for name in ("totals", "counts", "shares", "off", "influence"):
        assert getattr(found, name) == pytest.approx(getattr(twice, name), rel=1e-9), name
    for name in ("mean", "error", "standard_error", "rows"):
        assert getattr(found, name) == pytest.approx(getattr(twice, name), rel=1e-9), name
    assert (found.ratings, twice.ratings) == (len(users), often.sum())


def test_weights_of_1_are_none():
    baseline, other, users = world(4, users=12, rows=5)
    counts = np.bincount(users)
    plain, ones = gains(baseline, other, users, counts), gains(baseline, other, users, counts, np.ones(len(users)))
    assert (plain.mean, plain.within, plain.error, plain.standard_error, plain.ratings) == (
        (ones.mean, ones.within, ones.error, ones.standard_error, ones.ratings)
    )


def test_the_variance_within_users_is_unbiased_whatever_the_weights():
    draw = np.random.default_rng(5)
    users = np.repeat(np.arange(30), 4)
    weights = draw.exponential(1, len(users)) ** 2 + 0.01
    found = [
        gains(draw.normal(0, 1, len(users)), np.zeros(len(users)), users, np.bincount(users), weights).within
        for _ in range(2000)
    ]
    assert np.mean(found) == pytest.approx(1, abs=4 * np.std(found) / len(found) ** 0.5)


def test_where_each_user_has_one_row_of_any_weight_nothing_varies_within_users():
    weights = np.array([0.1, 0.3, 0.7, 2.0])
    found = gains(np.arange(4.0), np.zeros(4), np.arange(4), np.ones(4, dtype=int), weights)
    assert found.within == 0
    assert found.mean == pytest.approx(np.average(np.arange(4.0), weights=weights))
