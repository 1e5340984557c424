"""What each loss of a class head tends to: on free logits, whose optimum is known, and on ratings with two peaks."""

from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reeltune.trainables.architectures.parts.labels import spread_labels
from reeltune.trainables.architectures.parts.losses import LOSSES, Loss, class_loss, class_row_losses

STARS = torch.linspace(1, 5, 5)
EVERY = pytest.mark.parametrize("name", LOSSES)
SCALES = {
    "stars": STARS,
    "halves": torch.linspace(0.5, 5, 10),
    "thumbs": torch.linspace(0, 1, 2),
    "percent": torch.linspace(0, 100, 101),
    "around zero": torch.linspace(-1e-3, 1e-3, 33),
}


def minimum(name, ratings, grid, *, width=1.0):
    """The logits of least loss where all ratings are of one user and item, in float64."""
    ratings, grid = torch.tensor(ratings, dtype=torch.float64), grid.double()
    logits = torch.zeros(1, len(grid), dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS([logits], max_iter=1000, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

    def closure():
        solver.zero_grad()
        value = class_loss(name, logits.expand(len(ratings), -1), ratings, grid, width=width)
        value.backward()
        return value

    solver.step(closure)
    return logits.detach()[0]


def squared_error(name, ratings, *, width):
    """Of the class of highest logit."""
    guess = STARS[minimum(name, ratings, STARS, width=width).argmax()]
    return float((torch.tensor(ratings) - guess).square().mean())


def test_the_table_holds_every_loss():
    assert tuple(LOSSES) == get_args(Loss)


# Half of the ratings are 1 and half are 5: no rating is 3, the mean and the best guess, whose squared error is 4.
# At a peak it is 16 for half of the rows, which makes 8.
@pytest.mark.parametrize(
    ("name", "width", "error"),
    [
        ("cross_entropy", 1.0, 8.0),
        ("spread_cross_entropy", 0.5, 8.0),
        ("spread_cross_entropy", 3.0, 4.0),
        ("cost_regression", 1.0, 4.0),
        ("reverse_kl", 0.5, 4.0),
        ("reverse_kl", 3.0, 4.0),
    ],
)
def test_two_peaked_ratings_are_best_guessed_between_the_peaks(name, width, error):
    assert squared_error(name, [1.0, 1, 5, 5], width=width) == pytest.approx(error)


@given(
    ratings=st.lists(st.integers(1, 5), min_size=1, max_size=12),
    name=st.sampled_from(["cost_regression", "reverse_kl"]),
    width=st.floats(0.5, 4),
)
@settings(deadline=None, max_examples=30)
def test_the_argmax_of_least_squared_error_is_found_whatever_the_ratings(ratings, name, width):
    wanted = torch.tensor(ratings, dtype=torch.float64)
    errors = (wanted[:, None] - STARS).square().mean(0)
    guess = minimum(name, ratings, STARS, width=width).argmax()
    assert errors[guess].item() == pytest.approx(errors.min().item(), abs=1e-4)


def test_cross_entropy_learns_the_share_of_each_class():
    logits = minimum("cross_entropy", [1.0, 1, 2, 3, 3.5, 4, 5, 5], STARS)
    assert logits.softmax(0).tolist() == pytest.approx([0.25, 0.125, 0.1875, 0.1875, 0.25], abs=1e-4)


def test_spread_cross_entropy_learns_the_mean_label():
    ratings = [1.0, 1, 2, 4.4]
    logits = minimum("spread_cross_entropy", ratings, STARS, width=0.8)
    expected = spread_labels(torch.tensor(ratings), STARS, width=0.8).mean(0)
    assert logits.softmax(0).tolist() == pytest.approx(expected.tolist(), abs=1e-4)


def test_cost_regression_learns_minus_the_expected_squared_cost():
    ratings = torch.tensor([1.0, 1, 2, 5])
    logits = minimum("cost_regression", ratings.tolist(), STARS)
    costs = (ratings[:, None] - STARS).square().mean(0)
    known_in_advance = (ratings - 3).square().mean()  # the same for all classes
    assert logits.tolist() == pytest.approx((known_in_advance - costs).tolist(), abs=1e-4)


@pytest.mark.parametrize("width", [0.5, 1.3])
def test_reverse_kl_learns_a_gaussian_around_the_mean(width):
    logits = minimum("reverse_kl", [1.0, 1, 2, 5, 4], STARS, width=width)
    expected = torch.softmax(-((STARS - 2.6) ** 2) / (2 * width**2), 0)
    assert logits.softmax(0).tolist() == pytest.approx(expected.tolist(), abs=1e-3)


def test_reverse_kl_is_the_expected_cost_less_the_entropy():
    torch.manual_seed(0)
    logits, ratings, width = torch.randn(6, 5), torch.tensor([1.0, 2, 2.5, 3, 4, 5]), 0.7
    p = logits.softmax(1)
    costs = (STARS - ratings[:, None]).square()
    objective = (p * (costs / (2 * width**2) + p.log())).sum(1)
    constant = torch.logsumexp(-costs / (2 * width**2), 1)
    expected = (objective + constant).mean().item()
    assert class_loss("reverse_kl", logits, ratings, STARS, width=width).item() == pytest.approx(expected, rel=1e-5)


@EVERY
def test_it_is_the_mean_over_rows(name):
    torch.manual_seed(0)
    logits, ratings = torch.randn(8, 5), torch.rand(8) * 4 + 1
    rows = [class_loss(name, logits[row : row + 1], ratings[row : row + 1], STARS, width=0.7) for row in range(8)]
    whole = class_loss(name, logits, ratings, STARS, width=0.7)
    assert class_row_losses(name, logits, ratings, STARS, width=0.7).tolist() == pytest.approx(
        [row.item() for row in rows], rel=1e-5
    )
    assert whole.item() == pytest.approx(torch.stack(rows).mean().item(), rel=1e-5)


@EVERY
@pytest.mark.parametrize("grid", SCALES.values(), ids=SCALES)
def test_loss_and_gradient_are_finite_on_every_scale(name, grid):
    for width in (0.01, 1.0):  # in spans
        logits = (30 * torch.randn(40, len(grid), generator=torch.manual_seed(1))).requires_grad_()
        ratings = torch.linspace(float(grid[0]), float(grid[-1]), 40)
        value = class_loss(name, logits, ratings, grid, width=width * float(grid[-1] - grid[0]))
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(logits.grad).all()


@EVERY
@given(low=st.floats(-10, 10), span=st.floats(0.1, 100))
@settings(deadline=None, max_examples=20)
def test_it_is_the_same_in_any_unit_of_ratings(name, low, span):
    logits = torch.randn(20, 9, generator=torch.manual_seed(1), dtype=torch.float64)
    grid, ratings = torch.linspace(0, 1, 9, dtype=torch.float64), torch.linspace(0, 1, 20, dtype=torch.float64)
    here = class_loss(name, logits, ratings, grid, width=0.3)
    there = class_loss(name, logits, low + span * ratings, low + span * grid, width=0.3 * span)
    assert there.item() == pytest.approx(here.item(), rel=1e-6)
