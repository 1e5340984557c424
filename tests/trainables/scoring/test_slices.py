import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reeltune.trainables.data.scale import Scale
from reeltune.trainables.scoring.slices import FEWEST, Groups, by_cold, by_number, by_rating, slices
from tests.worlds import STARS, rows_of

numbers = st.lists(st.integers(0, 300), min_size=1, max_size=400).map(np.array)


def found(groups, errors=None):
    squared = np.ones(len(groups.member)) if errors is None else np.asarray(errors, dtype=float)
    return [(group["label"], group["count"], group["mse"]) for group in groups.errors(squared)]


def test_each_star_is_a_group_with_its_own_error():
    stars = np.repeat([1.0, 2, 3, 4, 5], 40)
    assert found(by_rating(stars, STARS), stars**2) == [
        *[("1", 40, 1), ("2", 40, 4), ("3", 40, 9), ("4", 40, 16), ("5", 40, 25)],
    ]


def test_a_rare_star_is_merged_with_the_next_and_a_rare_last_one_with_the_one_before():
    stars = np.repeat([1.0, 2, 3, 4, 5], [5, 40, 40, 40, 5])
    assert found(by_rating(stars, STARS)) == [("1 to 2", 45, 1), ("3", 40, 1), ("4 to 5", 45, 1)]


def test_a_rating_outside_the_scale_is_with_the_nearest_star():
    assert found(by_rating(np.repeat([0.0, 5.0, 7.0], 40), STARS)) == [("1", 40, 1), ("5", 80, 1)]


def test_many_rating_values_are_fifths():
    ratings = np.arange(1.0, 101)
    groups = by_rating(np.tile(ratings, 10), Scale.of(ratings))
    assert [label for label, _, _ in found(groups)] == ["1 to 20", "21 to 40", "41 to 60", "61 to 80", "81 to 100"]
    assert {count for _, count, _ in found(groups)} == {200}


def test_activity_is_in_fifths_of_the_rows_and_those_without_a_rating_apart():
    numbers = np.concatenate([np.zeros(50, dtype=int), np.arange(1, 501)])
    assert found(by_number(numbers)) == [
        ("0 ratings", 50, 1),
        *[(f"{low} to {low + 99} ratings", 100, 1) for low in (1, 101, 201, 301, 401)],
    ]


def test_one_rating_is_no_plural():
    assert [label for label, _, _ in found(by_number(np.repeat([1, 2], 100)))] == ["1 rating", "2 ratings"]


@pytest.mark.parametrize("rows", [1, FEWEST - 1])
def test_too_few_rows_for_any_group_are_one(rows):
    assert found(by_number(np.arange(rows) + 3)) == [(f"3 to {rows + 2} ratings" if rows > 1 else "3 ratings", rows, 1)]


@given(numbers)
def test_groups_by_number_are_in_order_hold_every_row_and_are_not_small(numbers):
    groups = by_number(numbers)
    counts = np.bincount(groups.member, minlength=len(groups.labels))
    assert counts.sum() == len(numbers)
    assert len(counts) == len(groups.labels) == len(set(groups.labels))
    assert counts.min() >= min(FEWEST, len(numbers))
    assert (np.diff(groups.member[np.argsort(numbers, kind="stable")]) >= 0).all()


@given(numbers, st.integers(0, 2**32 - 1))
def test_the_groups_errors_weighted_by_their_counts_are_the_error_of_all_rows(numbers, seed):
    squared = np.random.default_rng(seed).exponential(size=len(numbers))
    rows = rows_of(numbers % 7, numbers % 11, 1 + numbers % 5)
    fitting = rows_of([1, 1, 2, 6], [1, 2, 3, 10], [1, 2, 3, 4])
    for groups in slices(rows, fitting, STARS).values():
        each = groups.errors(squared)
        assert sum(group["count"] for group in each) == len(rows)
        total = sum(group["count"] * group["mse"] for group in each if group["count"])
        assert total / len(rows) == pytest.approx(squared.mean())


def test_cold_is_without_a_fitting_row_and_unknown_ids_are():
    fitting = rows_of([1, 1, 2], [1, 2, 2], [3.0, 4, 5])
    rows = rows_of([1, 3, 0, 2, 3], [2, 2, 1, 0, 3], [3.0, 4, 5, 1, 2])
    assert found(slices(rows, fitting, STARS)["cold"], [1, 2, 4, 8, 16]) == [
        ("warm user and item", 1, 1),
        ("cold user, warm item", 2, 3),
        ("warm user, cold item", 1, 8),
        ("cold user and item", 1, 16),
    ]


def test_a_kind_of_which_there_is_no_row_has_no_error():
    assert found(by_cold(np.array([False]), np.array([False])))[1:] == [
        ("cold user, warm item", 0, None),
        ("warm user, cold item", 0, None),
        ("cold user and item", 0, None),
    ]


def test_activity_and_popularity_count_the_fitting_rows_alone():
    fitting = rows_of([1] * 10 + [2] * 20, [1] * 30, [3.0, 4] * 15)
    rows = rows_of([1] * 40 + [2] * 40, [1] * 40 + [2] * 40, [3.0, 4] * 40)
    groups = slices(rows, fitting, STARS)
    assert groups["user_activity"].labels == ("10 ratings", "20 ratings")
    assert groups["item_popularity"].labels == ("0 ratings", "30 ratings")


def test_means_are_by_weights_and_counts_of_rows():
    groups = Groups(labels=("a", "b", "c"), member=np.array([0, 0, 1]))
    found = groups.errors(np.array([1.0, 4.0, 9.0]), np.array([1.0, 3.0, 0.5]))
    assert [(each["count"], each["mse"]) for each in found] == [(2, 13 / 4), (1, 9.0), (0, None)]
