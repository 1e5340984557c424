import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reeltune.trainables.data.scale import Scale
from reeltune.trainables.errors import InputError

WHOLE = np.array([1.0, 2, 3, 4, 5])
HALVES = np.arange(1, 11) / 2
TEN = np.arange(1.0, 11)
TENTHS = np.arange(10, 51) / 10


@pytest.mark.parametrize(
    ("ratings", "step", "sigmoid_range"),
    [
        (WHOLE, 1.0, (0.0, 5.5)),
        (HALVES, 0.5, (0.0, 5.25)),
        (TEN, 1.0, (0.0, 10.5)),
        (TENTHS, 0.1, (0.9, 5.05)),
        (np.array([0.0, 1.0]), 1.0, (-1.0, 1.5)),
    ],
)
def test_the_step_is_the_smallest_gap_and_the_range_reaches_beyond_the_ends(ratings, step, sigmoid_range):
    scale = Scale.of(ratings)
    assert scale.step == pytest.approx(step)
    assert scale.sigmoid_range == pytest.approx(sigmoid_range)


@pytest.mark.parametrize(
    ("ratings", "classes"),
    [(WHOLE, [5, 9, 17, 33]), (HALVES, [10, 19, 37, 73]), (TEN, [10, 19, 37, 73]), (TENTHS, [41, 81, 161, 321])],
)
def test_each_subdivision_halves_the_classes_and_keeps_every_observed_value(ratings, classes):
    scale = Scale.of(ratings)
    assert scale.lattice
    for subdivisions, count in zip((1, 2, 4, 8), classes, strict=True):
        grid = scale.grid(subdivisions)
        assert len(grid) == count
        assert np.abs(grid[:, None] - ratings).min(0).max() < 1e-9


def test_a_value_nobody_gave_is_still_a_class_but_no_observed_value():
    scale = Scale.of(np.array([1.0, 2.0, 5.0]))
    assert scale.values == (1.0, 2.0, 5.0)
    assert scale.grid(1).tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]


@pytest.mark.parametrize("ratings", [np.array([1.0, 2.0, 2.7, 5.0]), np.array([0.0, 0.01, 5.0])])
def test_values_that_are_no_lattice_get_33_even_points_and_stay_the_observed_values(ratings):
    scale = Scale.of(ratings)
    assert not scale.lattice
    assert scale.values == tuple(ratings)
    for subdivisions in (1, 8):
        assert scale.grid(subdivisions).tolist() == pytest.approx(np.linspace(ratings[0], ratings[-1], 33).tolist())
    assert scale.step == pytest.approx((ratings[-1] - ratings[0]) / 32)


def test_more_than_50_values_are_33_even_points():
    fifty, fifty_one = Scale.of(np.arange(50.0)), Scale.of(np.arange(51.0))
    assert fifty.lattice
    assert len(fifty.values) == 50
    assert not fifty_one.lattice
    assert fifty_one.values == tuple(np.linspace(0, 50, 33))


def test_tenths_stored_in_32_bits_are_tenths():
    scale = Scale.of(TENTHS.astype(np.float32))
    assert scale.lattice
    assert len(scale.grid(1)) == 41


@pytest.mark.parametrize("noisy", [3.0000000001, 2.9999999, 1.0000000001, 0.9999999999, 5.000001])
def test_one_rating_that_is_off_by_rounding_changes_nothing(noisy):
    ratings = np.append(np.tile(WHOLE, 16_000), noisy)
    assert Scale.of(ratings) == Scale.of(WHOLE)
    assert Scale.of(ratings * 1e-6).values == pytest.approx(WHOLE * 1e-6)


def test_values_a_little_more_than_rounding_apart_are_two():
    assert len(Scale.of(np.append(WHOLE, 3.0001)).values) == 6


@pytest.mark.parametrize("noise", [0, 1e-9])
def test_tenths_read_from_32_bits_are_the_scale_of_tenths(noise):
    stored = np.tile(TENTHS.astype(np.float32).astype(np.float64), 9)
    stored += np.random.default_rng(0).normal(0, 1, len(stored)) * noise
    assert Scale.of(stored) == Scale.of(TENTHS)
    assert Scale.of(np.append(stored, 3.6)) == Scale.of(TENTHS)
    assert not Scale.of(stored).outside(stored).any()


def test_ratings_side_by_side_are_not_taken_for_one():
    scale = Scale.of(np.random.default_rng(0).uniform(0, 1, 3_000_000))
    assert not scale.lattice
    assert (scale.low, scale.high) == pytest.approx((0, 1), abs=1e-4)
    assert len(scale.values) == 33


@pytest.mark.parametrize(
    ("seen", "step"), [([-3, 0, 2, 4, 7, 10, 12], 1), ([0, 2, 5], 1), ([1, 2.5, 4.5], 0.5), ([1, 3, 5], 2)]
)
def test_a_lattice_is_found_though_rare_values_are_missing(seen, step):
    scale = Scale.of(np.array(seen, dtype=float))
    assert scale.lattice
    assert scale.step == step
    assert scale.values == tuple(seen)


def test_a_rating_off_the_scale_is_outside_and_one_off_by_rounding_is_not():
    found = Scale.of(WHOLE).outside(np.array([0.9, 1 - 1e-7, 1, 5 + 1e-7, 5.1]))
    assert found.tolist() == [True, False, False, False, True]


@pytest.mark.parametrize(
    ("ratings", "said"),
    [
        (WHOLE, "1 to 5 in steps of 1, 5 values"),
        (HALVES, "0.5 to 5 in steps of 0.5, 10 values"),
        ([-3, 0, 2, 4, 7, 10], "-3 to 10, 6 values: -3, 0, 2, 4, 7, 10"),
        ([1, 2, 2.7, 5], "1 to 5, 4 values: 1, 2, 2.7, 5"),
        (np.arange(101), "0 to 100, shown at 33 even points: its values are too many, or on no even steps"),
    ],
)
def test_gaps_in_a_scale_are_shown_as_values(ratings, said):
    assert Scale.of(np.array(ratings, dtype=float)).described() == said


@pytest.mark.parametrize(("ratings", "decimals"), [(WHOLE, 5), (TEN, 5), ([0, 1e5], 5), ([0, 0.5], 6), ([0, 4e-6], 11)])
def test_ratings_are_written_with_five_digits_of_the_span(ratings, decimals):
    assert Scale.of(np.array(ratings, dtype=float)).decimals == decimals


@pytest.mark.parametrize(("ratings", "found"), [([3.0, 3.0], "only 3"), ([], "only none")])
def test_one_value_is_no_scale(ratings, found):
    with pytest.raises(InputError, match=found):
        Scale.of(np.array(ratings))


def test_nearest_takes_the_higher_of_two():
    scale = Scale.of(WHOLE)
    assert scale.nearest(np.array([0.2, 1.49, 1.5, 4.9, 9.0])).tolist() == [0, 0, 1, 4, 4]


@given(
    low=st.integers(-20, 20),
    step=st.sampled_from([0.1, 0.25, 0.5, 1.0, 5.0, 10.0]),
    chosen=st.sets(st.integers(0, 49), min_size=2),
    subdivisions=st.sampled_from([1, 2, 4, 8]),
)
def test_any_lattice_has_even_classes_from_end_to_end_with_every_value_among_them(low, step, chosen, subdivisions):
    values = low + np.array(sorted(chosen)) * step
    scale = Scale.of(values)
    grid = scale.grid(subdivisions)
    assert (grid[0], grid[-1]) == pytest.approx((values[0], values[-1]))
    assert np.diff(grid) == pytest.approx(np.diff(grid)[0])
    if scale.lattice:
        assert np.abs(grid[:, None] - values).min(0).max() < 1e-6
    below, above = scale.sigmoid_range
    assert below < values[0] < values[-1] < above
