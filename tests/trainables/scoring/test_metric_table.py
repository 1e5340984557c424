import math

import pytest
import torch

from reeltune.trainables.data.scale import Scale
from reeltune.trainables.scoring.metric_table import METRICS, Objective
from reeltune.trainables.scoring.metrics import errors_of_rows, from_sums, sums
from tests.worlds import STARS

GRID = torch.tensor([1.0, 2, 3, 4, 5])
# Two rows; the first is rated 2 and the second 5.
SHARES = torch.tensor([[0.4, 0.05, 0.1, 0.25, 0.2], [0.1, 0.1, 0.1, 0.1, 0.6]])
RATINGS = torch.tensor([2.0, 5.0])
BY_HAND = {  # of the mean, which is 2.8 for the first row and 4 for the second
    "mse": (0.8**2 + 1) / 2,
    "mae": (0.8 + 1) / 2,
    "log_loss": -(math.log(0.05) + math.log(0.6)) / 2,
    # Epstein 1969: of the first row the shares up to 1, 2, 3 and 4 stars are 0.4, 0.45, 0.55 and 0.8.
    "rps": (0.4**2 + 0.55**2 + 0.45**2 + 0.2**2 + 0.1**2 + 0.2**2 + 0.3**2 + 0.4**2) / 2 / 4,
}


def measured(output, ratings, grid, metric, *, scale=STARS, temperature=1.0):
    """The metric of all rows, and of each."""
    about = {"decoder": "mean", "temperature": temperature}
    total = sums(output, ratings, grid, scale, noisy=METRICS[metric].probabilities, **about)
    found = from_sums(total, scalar=grid is None, noisy=METRICS[metric].probabilities)
    each = errors_of_rows(output, ratings, grid, scale, metric=metric, **about)
    return Objective(decoder="mean", metric=metric).of(found.by_name()), each


@pytest.mark.parametrize("metric", METRICS)
def test_each_metric_by_hand(metric):
    whole, each = measured(SHARES.log(), RATINGS, GRID, metric)
    assert whole == pytest.approx(BY_HAND[metric])
    assert each.shape == (2,)
    assert float(each.mean()) == pytest.approx(BY_HAND[metric])


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("scalar", [True, False])
def test_the_rows_errors_have_the_metric_as_their_mean(metric, scalar):
    generator = torch.Generator().manual_seed(0)
    output = 1 + 4 * torch.rand(200, generator=generator) if scalar else torch.randn(200, 5, generator=generator)
    ratings = torch.randint(1, 6, (200,), generator=generator).double()
    whole, each = measured(output, ratings, None if scalar else GRID, metric, temperature=0.8)
    assert float(each.mean()) == pytest.approx(whole, rel=1e-6)
    assert (each >= 0).all()


def test_a_rating_with_noise_by_hand():
    """A rating of 3 with a standard deviation of 1: the thresholds between the stars are 0.5 and 1.5 away."""
    near, far = 0.5 * (1 + math.erf(0.5 / math.sqrt(2))), 0.5 * (1 + math.erf(1.5 / math.sqrt(2)))
    logs, _ = measured(torch.tensor([3.0]), torch.tensor([3.0]), None, "log_loss")
    assert logs == pytest.approx(-math.log(2 * near - 1), rel=1e-6)
    rps, _ = measured(torch.tensor([3.0]), torch.tensor([5.0]), None, "rps")
    assert rps == pytest.approx(((1 - far) ** 2 + (1 - near) ** 2 + near**2 + far**2) / 4, rel=1e-6)


def test_the_ends_of_the_scale_have_the_tails_so_that_probabilities_sum_to_one():
    ratings = torch.tensor([1.0, 2, 3, 4, 5])
    output = torch.full((5,), 4.9)
    _, each = measured(output, ratings, None, "log_loss", temperature=2.0)
    assert float((-each).exp().sum()) == pytest.approx(1)


def test_of_two_values_noise_gives_a_probit():
    likes = Scale(values=(0.0, 1.0), low=0.0, high=1.0, step=1.0, lattice=True)
    _, each = measured(torch.tensor([0.8]), torch.tensor([1.0]), None, "log_loss", scale=likes, temperature=0.3)
    assert float(each[0]) == pytest.approx(-math.log(0.5 * (1 + math.erf(1 / math.sqrt(2)))), rel=1e-5)


@pytest.mark.parametrize(
    ("metric", "label", "title"),
    [
        ("mse", "median-MSE", "MSE of the median decoder"),
        ("mae", "median-MAE", "MAE of the median decoder"),
        ("log_loss", "log-loss", "log-loss of the probabilities"),
        ("rps", "RPS", "RPS of the probabilities"),
    ],
)
def test_probabilities_are_of_no_decoder(metric, label, title):
    objective = Objective(decoder="median", metric=metric)
    assert (objective.label, objective.title) == (label, title)


def test_the_squared_error_of_a_decoder_that_a_scalar_head_lacks_is_that_of_its_value():
    assert Objective(decoder="median").of({"median_mse": None, "mean_mse": 0.5}) == 0.5
