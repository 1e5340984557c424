import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reeltune.trainables.architectures.parts.labels import shared_labels, spread_labels, spread_log_labels

STARS = torch.tensor([1.0, 2, 3, 4, 5])


def test_a_rating_on_the_grid_is_one_class():
    labels = shared_labels(torch.tensor([1.0, 3.0, 5.0]), STARS)
    assert labels.tolist() == [[1, 0, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 1]]


def test_a_rating_between_two_classes_is_shared_by_nearness():
    labels = shared_labels(torch.tensor([2.25]), STARS)
    assert labels.tolist() == [[0, 0.75, 0.25, 0, 0]]


@given(ratings=st.lists(st.floats(0, 10, width=32), min_size=1, max_size=20))
def test_shared_labels_sum_to_one_and_have_the_rating_as_their_mean(ratings):
    grid, wanted = torch.linspace(0, 10, 33), torch.tensor(ratings)
    labels = shared_labels(wanted, grid)
    assert labels.min() >= 0
    assert labels.sum(1).tolist() == pytest.approx([1.0] * len(ratings), abs=1e-5)
    assert (labels @ grid).tolist() == pytest.approx(ratings, abs=1e-4)
    assert (labels > 0).sum(1).max() <= 2


@given(rating=st.floats(1, 5, width=32), width=st.floats(0.05, 10))
def test_spread_labels_sum_to_one_and_are_highest_at_the_nearest_class(rating, width):
    labels = spread_labels(torch.tensor([rating]), STARS, width=width)[0]
    assert float(labels.sum()) == pytest.approx(1, abs=1e-5)
    distance = (STARS - rating).abs()
    assert labels[distance.argmin()] == labels.max()


def test_the_width_is_a_deviation_in_rating_units():
    fine = torch.linspace(-50, 50, 10_001)
    labels = spread_labels(torch.tensor([3.0]), fine, width=0.7)[0]
    mean = float(labels @ fine)
    assert mean == pytest.approx(3, abs=1e-3)
    assert float(labels @ (fine - mean).square()) == pytest.approx(0.49, abs=1e-3)


def test_the_logarithm_of_a_label_is_finite_where_the_label_is_none():
    labels, logs = (of(torch.tensor([1.0]), STARS, width=0.1) for of in (spread_labels, spread_log_labels))
    assert labels[0, 4] == 0
    assert float(logs[0, 4] - logs[0, 0]) == pytest.approx(-(4**2) / (2 * 0.1**2))
