import math

import pytest
import torch

from reeltune.trainables.model import RatingModel
from reeltune.trainables.scoring import metrics
from reeltune.trainables.scoring.decoders import DECODERS
from reeltune.trainables.scoring.metrics import decoder_errors, from_sums, sums
from tests.worlds import STARS

GRID = torch.tensor([1.0, 2, 3, 4, 5])


def measured(output, ratings, *, grid=None, decoder="argmax", temperature=1.0):
    total = sums(output, torch.tensor(ratings), grid, STARS, decoder=decoder, temperature=temperature)
    return from_sums(total, scalar=grid is None)


def test_a_scalar_head_by_hand():
    found = measured(torch.tensor([2.0, 4.6, 3.5]), [1.0, 5.0, 3.0])
    assert found.of("argmax") == pytest.approx((1 + 0.16 + 0.25) / 3)
    assert found.of("mean") == found.of("argmax")
    assert found.of("rounded") == pytest.approx((1 + 0 + 1) / 3)
    assert found.rmse == pytest.approx(math.sqrt(found.of("argmax")))
    assert found.mae == pytest.approx((1 + 0.4 + 0.5) / 3)
    assert found.accuracy == pytest.approx(1 / 3)
    assert found.mse["median"] is None
    assert found.log_loss is None


def test_metrics_have_in_files_the_keys_that_they_always_had():
    assert list(measured(torch.tensor([2.0]), [1.0]).by_name()) == [
        *("argmax_mse", "mean_mse", "median_mse", "rounded_mse", "grid_mse"),
        *("rmse", "mae", "accuracy", "log_loss", "rps"),
    ]


def test_a_class_head_by_hand():
    output = torch.tensor([[0.4, 0.05, 0.1, 0.25, 0.2], [0.1, 0.1, 0.1, 0.1, 0.6]]).log()
    found = measured(output, [2.0, 5.0], grid=GRID, decoder="mean")
    assert found.of("argmax") == pytest.approx((1 + 0) / 2)
    assert found.of("mean") == pytest.approx((0.8**2 + 1) / 2)
    assert found.of("median") == pytest.approx((1 + 0) / 2)
    assert found.of("rounded") == pytest.approx((1 + 1) / 2)
    assert found.rmse == pytest.approx(math.sqrt(found.of("mean")))
    assert found.mae == pytest.approx((0.8 + 1) / 2)
    assert found.accuracy == 0
    assert found.log_loss == pytest.approx(-(math.log(0.05) + math.log(0.6)) / 2)


def test_the_chosen_decoder_decides_rmse_mae_and_accuracy_alone():
    output = torch.randn(50, 5, generator=torch.Generator().manual_seed(0))
    ratings = [1.0, 3.0, 4.0, 5.0, 2.0] * 10
    by_argmax, by_median = (measured(output, ratings, grid=GRID, decoder=name) for name in ("argmax", "median"))
    assert by_argmax.rmse == pytest.approx(math.sqrt(by_argmax.of("argmax")))
    assert by_median.rmse == pytest.approx(math.sqrt(by_median.of("median")))
    assert (by_argmax.mse, by_argmax.log_loss) == (by_median.mse, by_median.log_loss)


def test_a_test_rating_outside_the_scale_is_scored_as_it_is():
    assert measured(torch.tensor([5.4, 1.0]), [7.0, 0.0]).of("argmax") == (4 + 1) / 2


def test_sums_of_uneven_parts_are_exactly_those_of_the_whole():
    # Eighths: every square and sum is exact in binary, so that equality can be asked for.
    output = torch.randint(8, 41, (101,), generator=torch.Generator().manual_seed(0)) / 8
    ratings = torch.randint(1, 6, (101,), generator=torch.Generator().manual_seed(1)).float()

    def part(start, end):
        return sums(output[start:end], ratings[start:end], None, STARS, decoder="argmax", temperature=1.0)

    whole = from_sums(part(0, 101), scalar=True)
    assert from_sums(part(0, 7) + part(7, 8) + part(8, 101), scalar=True) == whole
    averaged = (from_sums(part(0, 7), scalar=True).of("argmax") + from_sums(part(7, 101), scalar=True).of("argmax")) / 2
    assert averaged != whole.of("argmax")


def test_sums_of_uneven_parts_of_a_class_head_give_the_metrics_of_the_whole():
    output = torch.randn(101, 5, generator=torch.Generator().manual_seed(0))
    ratings = torch.randint(1, 6, (101,), generator=torch.Generator().manual_seed(1)).float()

    def part(rows):
        return sums(output[rows], ratings[rows], GRID, STARS, decoder="median", temperature=1.3)

    whole, parts = part(slice(None)), part(slice(0, None, 3)) + part(slice(1, None, 3)) + part(slice(2, None, 3))
    assert parts.tolist() == pytest.approx(whole.tolist(), rel=1e-6)


def test_a_decoder_that_a_scalar_head_lacks_scores_its_value():
    scalar = measured(torch.tensor([2.0, 4.0]), [1.0, 4.0])
    assert {name: scalar.of(name) for name in ("argmax", "mean", "median", "rounded")} == dict.fromkeys(
        ("argmax", "mean", "median", "rounded"), 0.5
    )


def test_every_decoder_of_a_class_head_has_the_error_that_choosing_it_would_give():
    output = torch.randn(50, 5, generator=torch.Generator().manual_seed(0))
    ratings = [1.0, 3.0, 4.0, 5.0, 2.0] * 10
    found = decoder_errors(output, torch.tensor(ratings), GRID, STARS, temperature=1.3)
    assert list(found) == list(DECODERS)
    for decoder, errors in found.items():
        chosen = measured(output, ratings, grid=GRID, decoder=decoder, temperature=1.3)
        assert (errors.mse, errors.mae) == pytest.approx((chosen.of(decoder), chosen.mae))


def test_a_scalar_head_has_its_value_rounded_and_on_the_grid_and_no_median():
    found = decoder_errors(torch.tensor([2.3, 4.0]), torch.tensor([1.0, 4.0]), None, STARS, temperature=1.0)
    assert {decoder: (errors.mse, errors.mae) for decoder, errors in found.items()} == {
        "argmax": pytest.approx((1.3**2 / 2, 1.3 / 2)),
        "mean": pytest.approx((1.3**2 / 2, 1.3 / 2)),
        "rounded": (0.5, 0.5),
        "grid": pytest.approx((1.25**2 / 2, 1.25 / 2)),
    }


class Echo(RatingModel):
    """Rates by user index; in training mode by something else."""

    def forward(self, users, items):
        return users.float() + (100 if self.training else 0)


def test_predicting_in_chunks_keeps_the_order_and_the_mode(monkeypatch):
    monkeypatch.setattr(metrics, "CHUNK", 7)
    model = Echo()
    users = torch.arange(30)
    assert metrics.predict(model, users, users).tolist() == list(range(30))
    assert model.training
