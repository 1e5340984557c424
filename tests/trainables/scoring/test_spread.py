"""Intervals of single ratings, on made-up errors whose deviation is known."""

import numpy as np
import pytest

from reeltune.trainables.data.scale import Scale
from reeltune.trainables.scoring.spread import COLUMNS, FEWEST, LEVELS, Spread, conformal_quantile, known_of
from tests.worlds import STARS, rows_of, shape_of, two_tastes

WIDE = Scale(values=(-50.0, 50.0), low=-50.0, high=50.0, step=100.0, lattice=True)


def drawn(rows, seed):
    """Ratings, their means, and how many ratings their ids have: s² = 0.5 + 4 / (1 + n_u) + 1 / (1 + n_i)."""
    draw = np.random.default_rng(seed)
    known = draw.integers(0, 40, rows), draw.integers(0, 40, rows)
    means = draw.normal(0, 1, rows)
    return means + draw.normal(0, np.sqrt(0.5 + 4 / (1 + known[0]) + 1 / (1 + known[1]))), means, known


def covered(spread, ratings, means, known):
    """Which ratings are within each of the two intervals, shape (rows, 2)."""
    ends = spread.intervals(means, known, WIDE)
    return np.stack([(ends[:, 2 * of] <= ratings) & (ratings <= ends[:, 2 * of + 1]) for of in range(2)], 1)


def test_so_many_of_other_rows_are_within_as_the_levels_say():
    found = covered(Spread.of(*drawn(4000, 1)), *drawn(20_000, 2)).mean(0)
    np.testing.assert_allclose(found, LEVELS, atol=0.015)


def test_the_terms_of_the_deviation_are_found():
    spread = Spread.of(*drawn(200_000, 1))
    np.testing.assert_allclose([spread.noise, spread.user, spread.item], [0.5, 4, 1], rtol=0.15)


def test_intervals_hold_for_little_known_users_as_for_well_known_ones():
    spread, (ratings, means, known) = Spread.of(*drawn(4000, 1)), drawn(40_000, 2)
    within = covered(spread, ratings, means, known)
    for some in (known[0] < 2, known[0] > 20):
        np.testing.assert_allclose(within[some].mean(0), LEVELS, atol=0.03)
    ends = spread.intervals(np.zeros(2), (np.array([0, 30]), np.array([10, 10])), WIDE)
    assert ends[0, 1] - ends[0, 0] > 1.5 * (ends[1, 1] - ends[1, 0])


def test_ends_are_in_order_and_within_the_scale():
    ends = Spread.of(*drawn(1000, 1)).intervals(np.array([1.0, 3.0, 5.0]), (np.zeros(3), np.zeros(3)), STARS)
    assert ends.shape == (3, len(COLUMNS))
    assert COLUMNS == ("low_80", "high_80", "low_95", "high_95")
    assert ((ends >= 1) & (ends <= 5)).all()
    assert (np.diff(ends[:, [2, 0, 1, 3]]) >= 0).all()


def test_too_few_rows_give_none_and_perfect_predictions_no_width():
    ratings, means, known = drawn(FEWEST - 1, 1)
    exact = np.linspace(1, 5, FEWEST)
    assert Spread.of(ratings, means, known) is None
    assert Spread.of(exact, np.full(FEWEST, np.nan), (np.ones(FEWEST), np.ones(FEWEST))) is None
    ends = Spread.of(exact, exact, (np.ones(FEWEST), np.ones(FEWEST))).intervals(exact, (exact, exact), STARS)
    assert ends == pytest.approx(np.repeat(exact[:, None], 4, 1), abs=1e-6)


def test_known_ratings_are_those_that_were_fitted():
    data = two_tastes(side=3)
    fitted, rows = rows_of([1, 1, 2], [1, 2, 2], [1, 2, 3]), rows_of([1, 2, 3], [2, 1, 3], [1, 2, 3])
    users, items = known_of(fitted, rows, shape_of(data))
    assert (users.tolist(), items.tolist()) == ([2, 1, 0], [2, 1, 0])


@pytest.mark.parametrize(("rows", "level", "place"), [(200, 0.95, 191), (200, 0.8, 161), (19, 0.95, 19), (9, 0.95, 9)])
def test_the_quantile_is_the_smallest_error_that_covers_one_row_more_so_often(rows, level, place):
    errors = np.random.default_rng(0).permutation(np.arange(1.0, rows + 1))
    assert conformal_quantile(errors, level) == place
