"""One worker's part; what several workers add is in test_workers.py."""

import pytest
import torch
from torch import nn

from reeltune.trainables.architectures.parts.batch_norm import BatchNorm


@pytest.fixture
def both():
    """Ours and torch's, on the same values."""
    values = torch.randn(50, 4, generator=torch.Generator().manual_seed(0)) * 3 + 2
    return BatchNorm(4), nn.BatchNorm1d(4), values


def test_one_worker_normalises_as_torch_does(both):
    ours, theirs, values = both
    assert torch.equal(ours(values), theirs(values))
    assert torch.equal(ours.running_mean, theirs.running_mean)
    assert torch.equal(ours.running_var, theirs.running_var)


def test_in_evaluation_the_remembered_statistics_count(both):
    ours, _, values = both
    ours(values)
    ours.eval()
    alone = ours(values[:1])
    assert torch.allclose(alone, ours(values)[:1])
    expected = (values[:1] - ours.running_mean) / (ours.running_var + ours.eps).sqrt()
    assert torch.allclose(alone, expected, atol=1e-6)


def test_its_weights_are_those_of_torchs(both):
    ours, theirs, _ = both
    theirs.load_state_dict(ours.state_dict())
    assert ours.state_dict().keys() == theirs.state_dict().keys()
