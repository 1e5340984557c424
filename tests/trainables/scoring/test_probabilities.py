import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss

from reeltune.trainables.data.scale import Scale
from reeltune.trainables.scoring.probabilities import BINS, judge_probabilities, ranked_probability_scores, reliability
from tests.worlds import STARS

GRID = torch.tensor([1.0, 2, 3, 4, 5])

shares = st.lists(st.lists(st.floats(-12, 12, width=32), min_size=5, max_size=5), min_size=1, max_size=20).map(
    lambda rows: torch.softmax(torch.tensor(rows).double(), 1)
)


def judged(probabilities, ratings, *, grid=GRID, scale=STARS, temperature=1.0):
    logits = torch.as_tensor(probabilities).log()
    return judge_probabilities(logits, torch.tensor(ratings), grid, scale, temperature=temperature)


def drawn(rows=20_000, *, sharper=1.0, seed=0):
    """Logits, and ratings drawn from the probabilities of `sharper` times these."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(rows, 5, generator=generator) * 2
    classes = torch.multinomial(torch.softmax(logits * sharper, 1), 1, generator=generator)[:, 0]
    return logits, GRID[classes]


def test_a_forecast_by_hand():
    found = judged([[0.1, 0.2, 0.4, 0.2, 0.1], [0.7, 0.1, 0.1, 0.1, 0.0]], [4.0, 1.0])
    assert found.log_loss == pytest.approx(-(math.log(0.2) + math.log(0.7)) / 2)
    first = 0.1**2 + 0.3**2 + 0.7**2 + 0.1**2
    second = 0.3**2 + 0.2**2 + 0.1**2
    assert found.rps == pytest.approx((first + second) / 2 / 4)
    assert [(bin.count, bin.frequency) for bin in found.reliability] == [(1, 0), (1, 1)]
    assert found.ece == pytest.approx((0.4 + 0.3) / 2)


@pytest.mark.parametrize(("rating", "rps"), [(5.0, 0), (4.0, 1 / 4), (1.0, 1)])
def test_the_rps_of_a_sure_forecast_is_its_distance_as_a_share_of_the_scale(rating, rps):
    assert judged([[0.0, 0, 0, 0, 1]], [rating]).rps == pytest.approx(rps, abs=1e-10)


def test_the_rps_tells_near_misses_from_far_ones_and_the_log_loss_does_not():
    near, far = judged([[0.0, 0.1, 0.9, 0, 0]], [2.0]), judged([[0.0, 0.1, 0, 0, 0.9]], [2.0])
    assert near.rps < far.rps
    assert near.log_loss == pytest.approx(far.log_loss)


def test_the_rps_of_two_values_is_the_brier_score():
    probabilities = torch.tensor([[0.3, 0.7], [0.9, 0.1]])
    found = ranked_probability_scores(probabilities, torch.tensor([1, 1]))
    assert found.tolist() == pytest.approx([0.3**2, 0.9**2])


@given(shares, st.integers(0, 4))
def test_the_rps_lies_between_0_and_1_and_is_the_same_upside_down(probabilities, value):
    truth = torch.full((len(probabilities),), value)
    found = ranked_probability_scores(probabilities, truth)
    assert bool(((found >= 0) & (found <= 1)).all())
    turned = ranked_probability_scores(probabilities.flip(1), 4 - truth)
    torch.testing.assert_close(turned, found, rtol=0, atol=1e-12)


@given(shares)
def test_no_forecast_expects_a_better_rps_or_log_loss_than_the_true_shares(probabilities):
    """Both scores are proper (Gneiting & Raftery 2007)."""
    row, other = probabilities[:1], probabilities[-1:]
    each = torch.arange(5)

    def expected(shares):
        rps = torch.cat([ranked_probability_scores(shares, value[None]) for value in each])
        return float(row[0] @ rps), float(row[0] @ -shares[0].log())

    honest, said = expected(row), expected(other)
    assert honest[0] <= said[0] + 1e-6
    assert honest[1] <= said[1] + 1e-6


def test_ratings_drawn_from_the_forecasts_are_calibrated():
    logits, ratings = drawn()
    found = judge_probabilities(logits, ratings, GRID, STARS, temperature=1.0)
    assert found.ece < 0.015
    assert all(abs(bin.frequency - bin.confidence) < 0.1 for bin in found.reliability if bin.count > 500)


def test_forecasts_that_are_too_sure_are_put_right_by_their_temperature():
    logits, ratings = drawn(sharper=0.4)
    sure = judge_probabilities(logits, ratings, GRID, STARS, temperature=1.0)
    tempered = judge_probabilities(logits, ratings, GRID, STARS, temperature=2.5)
    assert all(bin.frequency < bin.confidence for bin in sure.reliability if bin.count > 500)
    assert sure.ece > 0.2
    assert tempered.ece < 0.015
    assert tempered.log_loss < sure.log_loss
    assert tempered.rps < sure.rps
    assert tempered.temperature == 2.5


def test_the_log_loss_is_scikit_learns_and_so_is_the_reliability_curve():
    logits, ratings = drawn(2000, sharper=0.6)
    found = judge_probabilities(logits, ratings, GRID, STARS, temperature=1.0)
    probabilities = torch.softmax(logits.double(), 1).numpy()
    assert found.log_loss == pytest.approx(log_loss(ratings, probabilities), rel=1e-5)
    confidence, guess = probabilities.max(1), GRID.numpy()[probabilities.argmax(1)]
    frequency, mean = calibration_curve(guess == ratings.numpy(), confidence, n_bins=BINS)
    assert [bin.frequency for bin in found.reliability] == pytest.approx(frequency.tolist())
    assert [bin.confidence for bin in found.reliability] == pytest.approx(mean.tolist(), rel=1e-5)


def test_the_mass_of_a_fine_grid_is_judged_on_the_observed_values():
    scale = Scale.of(np.array([1.0, 2.0, 3.0]))
    grid = torch.from_numpy(scale.grid(2)).float()  # 1, 1.5, 2, 2.5, 3: folded to 0.1, 0.5, 0.4
    found = judged([[0.1, 0.2, 0.3, 0.0, 0.4]], [2.0], grid=grid, scale=scale)
    assert found.log_loss == pytest.approx(-math.log(0.5))
    assert found.rps == pytest.approx((0.1**2 + 0.4**2) / 2)
    # The class of largest probability is 3; the observed value of the largest share is 2.
    assert found.reliability[0].confidence == pytest.approx(0.5)
    assert found.reliability[0].frequency == 1


@given(st.lists(st.tuples(st.floats(1e-9, 1), st.booleans()), min_size=1, max_size=60))
def test_every_row_is_in_one_bin_of_the_curve(rows):
    confidence, right = (np.array(column) for column in zip(*rows, strict=True))
    bins = reliability(confidence, right)
    assert sum(bin.count for bin in bins) == len(rows)
    assert sum(bin.count * bin.frequency for bin in bins) == pytest.approx(right.sum())
    assert sum(bin.count * bin.confidence for bin in bins) == pytest.approx(confidence.sum())
    assert all(bin.low - 1e-12 <= bin.confidence <= bin.high + 1e-12 for bin in bins)


@pytest.mark.parametrize("classes", [True, False])
def test_a_row_of_weight_2_is_the_row_twice(classes):
    draw = torch.Generator().manual_seed(0)
    ratings, often = torch.randint(1, 6, (90,), generator=draw).double(), torch.randint(1, 4, (90,), generator=draw)
    output = torch.randn(90, 5, generator=draw) if classes else ratings + torch.randn(90, generator=draw)
    grid = torch.tensor([1.0, 2, 3, 4, 5]) if classes else None
    found = judge_probabilities(output, ratings, grid, STARS, temperature=1.2, weights=often.double())
    rows = output.repeat_interleave(often, 0), ratings.repeat_interleave(often)
    twice = judge_probabilities(*rows, grid, STARS, temperature=1.2)
    for name in ("log_loss", "rps", "ece"):
        assert getattr(found, name) == pytest.approx(getattr(twice, name), rel=1e-6), name
    assert [each.weight for each in found.reliability] == pytest.approx([each.weight for each in twice.reliability])
    assert sum(each.count for each in found.reliability) == 90
