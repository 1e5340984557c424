import numpy as np
import pytest
import torch
from scipy.special import expit

from reeltune.trainables.architectures.parts.ordinal import OrdinalHead
from reeltune.trainables.data.scale import Scale
from tests.worlds import STARS

SCALES = {
    "stars": STARS,
    "thumbs": Scale.of(np.array([0.0, 1.0])),
    "irregular": Scale.of(np.array([1.0, 2.0, 2.7, 5.0])),
    "percent": Scale.of(np.arange(101.0)),
}
EVERY_SCALE = pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES)


def head_of(scale, noise=0.5):
    return OrdinalHead(torch.from_numpy(scale.grid(1)).float(), noise=noise)


def in_rating_units(head):
    return head.middle + head.unit * head.thresholds().detach()


@EVERY_SCALE
def test_at_first_the_thresholds_lie_halfway_between_the_values(scale):
    head = head_of(scale)
    assert torch.allclose(in_rating_units(head), (head.values[1:] + head.values[:-1]) / 2, atol=1e-4)


@EVERY_SCALE
def test_a_pair_has_the_expected_value_and_the_loss_is_its_values_log_probability(scale):
    head = head_of(scale, noise=0.4)
    with torch.no_grad():
        head.first += 0.1
        head.distances += torch.linspace(-0.5, 0.5, len(head.distances))
        head.log_noise += 0.2
    match = torch.linspace(scale.low, scale.high, 40)
    s = head.unit * 0.4 * np.exp(0.2)
    below = expit((in_rating_units(head).double().numpy() - match.double().numpy()[:, None]) / s)
    probabilities = np.diff(np.hstack([np.zeros((40, 1)), below, np.ones((40, 1))]), axis=1)
    values = head.values.numpy()
    assert np.allclose(head(match).detach(), probabilities @ values, atol=2e-4 * head.unit)
    drawn = np.random.default_rng(0).integers(0, len(values), 40)
    expected = -np.log(probabilities[np.arange(40), drawn]).mean()
    assert head.loss(match, torch.from_numpy(values[drawn])).item() == pytest.approx(expected, rel=1e-3)


def test_however_far_a_pair_is_from_a_threshold_loss_and_gradients_are_numbers():
    head = head_of(STARS)
    match = torch.tensor([-1e3, 1e3, 3.0], requires_grad=True)
    loss = head.loss(match, torch.tensor([5.0, 1.0, 3.0]))
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(each.grad).all() for each in (match, *head.parameters()))
    assert match.grad[0] < 0 < match.grad[1]  # towards the values that were observed


def test_a_rating_between_two_values_counts_as_the_nearer_one():
    head, match = head_of(STARS), torch.tensor([2.5, 2.5])
    between = head.loss(match, torch.tensor([2.2, 3.9]))
    assert between.item() == head.loss(match, torch.tensor([2.0, 4.0])).item()


def test_it_learns_steps_of_unlike_length():
    """Of latent values with logistic noise and known thresholds, it finds the thresholds."""
    draw = np.random.default_rng(0)
    latent = draw.uniform(0, 6, 20_000)
    known = np.array([1.0, 1.6, 2.4, 4.6])
    ratings = np.digitize(latent + draw.logistic(scale=0.3, size=20_000), known) + 1.0
    head = head_of(STARS)
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=50)
    match, ratings = torch.from_numpy(latent).float(), torch.from_numpy(ratings).float()

    def closure():
        optimizer.zero_grad()
        loss = head.loss(match, ratings)
        loss.backward()
        return loss

    optimizer.step(closure)
    assert in_rating_units(head).numpy() == pytest.approx(known, abs=0.05)
    assert head.log_noise.exp().item() * head.unit == pytest.approx(0.3, abs=0.03)
