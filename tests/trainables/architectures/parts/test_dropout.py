import numpy as np
import pytest
import torch

from reeltune.trainables.architectures.parts.dropout import Dropout, dropout

COUNT = 1_000_003  # no multiple of four


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(1)


@pytest.mark.parametrize("share", [0.001, 0.2, 0.5, 0.9, 0.999])
def test_so_large_a_share_is_dropped_and_the_mean_stays(share):
    values = dropout(torch.ones(COUNT), share, True)
    dropped = float((values == 0).double().mean())
    assert dropped == pytest.approx(share, abs=5 * (share * (1 - share) / COUNT) ** 0.5)
    assert values[values > 0].unique().tolist() == [pytest.approx(1 / (1 - share))]


def test_values_are_dropped_independently_of_those_before_them():
    dropped = (dropout(torch.ones(COUNT), 0.4, True) == 0).double().numpy()
    for distance in (1, 2, 3, 4, 8):
        assert abs(np.corrcoef(dropped[:-distance], dropped[distance:])[0, 1]) < 5 / COUNT**0.5


def test_nothing_is_dropped_in_evaluation_or_of_a_share_of_0():
    values, layer = torch.randn(3, 5), Dropout(0.5).eval()
    assert layer(values) is values
    assert dropout(values, 0.0, True) is values


def test_a_share_next_to_1_drops_all_but_a_few():
    assert (dropout(torch.ones(COUNT), 1 - 1e-9, True) != 0).sum() < 100


def test_a_seed_gives_the_same_mask_and_the_next_draw_another():
    values = torch.randn(50, 7)
    torch.manual_seed(3)
    first, second = (dropout(values, 0.3, True) for _ in range(2))
    torch.manual_seed(3)
    assert torch.equal(dropout(values, 0.3, True), first)
    assert not torch.equal(second, first)


def test_the_gradient_passes_where_the_value_does():
    values = torch.randn(100, 8, requires_grad=True)
    kept = dropout(values, 0.25, True)
    kept.sum().backward()
    assert torch.equal(values.grad != 0, kept != 0)
    assert kept.shape == values.shape


def test_it_keeps_the_type():
    assert dropout(torch.ones(8, dtype=torch.bfloat16), 0.5, True).dtype == torch.bfloat16
