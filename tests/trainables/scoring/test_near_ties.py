"""Which ratings the rounding of logits leaves open, and that none outside of these is read off logits near them."""

import pytest
import torch

from reeltune.trainables.scoring.decoders import DECODERS, decode, order
from reeltune.trainables.scoring.near_ties import ROUNDING, NearTies, near_ties_known
from tests.worlds import STARS

GRID = torch.tensor([1.0, 2, 3, 4, 5])


def near(decoder, temperature=1.0):
    return NearTies(grid=GRID, scale=STARS, decoder=decoder, temperature=temperature)


def test_two_logits_that_are_nearly_equal_leave_the_ratings_of_both_open():
    logits = torch.tensor([[3, 0, 3 + 1e-5, 0, 0], [0, 0, 0, 2, 2.1], [7.0, 7, 7, 7, 7]])
    least, most = near("argmax").ratings(logits)
    assert least.tolist() == [1, 5, 1]
    assert most.tolist() == [3, 5, 5]


def test_a_mean_is_open_by_more_where_a_low_temperature_makes_more_of_logits():
    logits = torch.tensor([[0.0, 0, 1, 0, 0]])
    for temperature, slack in ((1.0, ROUNDING), (0.1, 10 * ROUNDING)):
        least, most = near("mean", temperature).ratings(logits)
        assert (most - least).item() == pytest.approx(2 * slack, rel=1e-2)


def test_of_a_median_nothing_is_known():
    assert [name for name in DECODERS if not near_ties_known(name)] == ["median"]


@pytest.mark.parametrize("temperature", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("decoder", [name for name in DECODERS if near_ties_known(name)])
def test_what_is_read_off_logits_near_these_is_within_what_is_open(decoder, temperature):
    torch.manual_seed(0)
    logits = torch.randn(2000, 5)
    logits[:500, 3] = logits[:500, 1]  # ties, which rounding can resolve to either side
    ties, asked = near(decoder, temperature), {"decoder": decoder, "temperature": temperature}
    least, most = ties.ratings(logits)
    for _ in range(5):
        moved = logits + 1e-5 * torch.randn(logits.shape)
        if ties.by_mean:
            means = decode(moved, GRID, STARS, decoder="mean", temperature=temperature)
            assert ((least <= means) & (means <= most)).all()
            continue
        ratings = decode(moved, GRID, STARS, **asked)
        assert ((least <= ratings) & (ratings <= most)).all()
        low, high = ties.ranks(logits, (least, most))
        ranks = order(moved, GRID, STARS, **asked)
        assert ((low <= ranks) & (ranks <= high)).all()
