import math

import pytest
from pydantic import ValidationError

from reeltune.trainables.config import Recipe, TrainingConfig
from reeltune.trainables.fitting.schedule import one_cycle

MOMENTA = Recipe().momenta


@pytest.mark.parametrize(
    ("done", "rate", "momentum"),
    [
        (0.0, 5e-3 / 25, 0.95),
        (0.125, (5e-3 / 25 + 5e-3) / 2, 0.90),
        (0.25, 5e-3, 0.85),
        (0.625, (5e-3 + 5e-8) / 2, 0.90),
        (1.0, 5e-3 / 1e5, 0.95),
    ],
)
def test_one_cycle_rises_for_a_quarter_and_falls_to_almost_nothing(done, rate, momentum):
    assert one_cycle(done, 5e-3, momenta=MOMENTA) == pytest.approx((rate, momentum))


@pytest.mark.parametrize("done", [0.0, 0.1, 0.25, 0.7, 1.0])
def test_equal_momenta_stay_as_they_are(done):
    rate, momentum = one_cycle(done, 5e-3, momenta=(0.9, 0.9))
    assert momentum == pytest.approx(0.9)
    assert rate == one_cycle(done, 5e-3, momenta=MOMENTA)[0]


def test_one_cycle_is_a_cosine_on_both_sides():
    rate, _ = one_cycle(0.25 + 0.75 / 3, 1.0, momenta=MOMENTA)
    assert rate == pytest.approx(1 + (1e-5 - 1) * (1 - math.cos(math.pi / 3)) / 2)


def test_the_rate_has_one_peak():
    rates = [one_cycle(step / 99, 1.0, momenta=MOMENTA)[0] for step in range(100)]
    peak = rates.index(max(rates))
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert peak in (24, 25)


@pytest.mark.parametrize(
    "fault",
    [
        {"learning_rate": 0},
        {"learning_rate": float("nan")},
        {"learning_rate": 11},
        {"weight_decay": -0.1},
        {"batch_size": 1},
        {"epochs": 0},
        {"epochs": 2.5},
        {"momentum": 0.9},
    ],
)
def test_what_cannot_be_trained_is_refused(fault):
    with pytest.raises(ValidationError, match=next(iter(fault))):
        TrainingConfig(**fault)


def test_a_configuration_does_not_change():
    with pytest.raises(ValidationError, match="frozen"):
        TrainingConfig().epochs = 3
