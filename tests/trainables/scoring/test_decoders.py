import json
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reeltune.trainables.data.scale import Scale
from reeltune.trainables.scoring.decoders import (
    DECODERS,
    FINEST,
    decode,
    fit_temperature,
    median,
    observed_log_probabilities,
    order,
    round_to_scale,
)
from tests.worlds import STARS

GRID = torch.tensor([1.0, 2, 3, 4, 5])

logits = st.lists(st.lists(st.floats(-20, 20, width=32), min_size=5, max_size=5), min_size=1, max_size=8).map(
    torch.tensor
)


def decoded(output, decoder, *, temperature=1.0, grid=GRID, scale=STARS):
    return decode(output, grid, scale, decoder=decoder, temperature=temperature)


def log(probabilities):
    return torch.tensor(probabilities).log()


def test_each_decoder_reads_its_own_rating_off_the_same_probabilities():
    output = log([[0.4, 0.05, 0.1, 0.25, 0.2]])
    found = {decoder: decoded(output, decoder).item() for decoder in DECODERS}
    assert found == pytest.approx({"argmax": 1, "mean": 2.8, "median": 3, "rounded": 3, "grid": 2.75})


def test_the_median_is_the_lowest_class_at_which_half_is_reached():
    probabilities = torch.tensor([[0.5, 0.0, 0.0, 0.0, 0.5], [0.49, 0.0, 0.02, 0.0, 0.49], [0.1, 0.1, 0.1, 0.1, 0.6]])
    assert median(probabilities, GRID).tolist() == [1, 3, 5]


def test_a_half_that_32_bits_fall_short_of_is_a_half():
    probabilities = torch.tensor([[0.01, 0.02, 0.08, 0.39, 0.5]])
    assert probabilities.cumsum(1)[0, 3] < 0.5
    assert median(probabilities, GRID).item() == 4


@given(logits)
def test_every_decoder_stays_within_the_scale(output):
    for decoder in DECODERS:
        ratings = decoded(output, decoder)
        assert ratings.min() >= 1
        assert ratings.max() <= 5


@given(logits, st.floats(0.05, 20))
def test_temperature_moves_no_argmax(output, temperature):
    probabilities = torch.softmax(output, 1).sort(1).values
    clear = probabilities[:, -1] - probabilities[:, -2] > 1e-4
    cool, hot = decoded(output, "argmax"), decoded(output, "argmax", temperature=temperature)
    assert torch.equal(cool[clear], hot[clear])


@given(logits)
def test_the_median_splits_the_probability_in_halves(output):
    probabilities = torch.softmax(output, 1)
    for row, middle in zip(probabilities, decoded(output, "median"), strict=True):
        assert row[middle <= GRID].sum() >= 0.5 - 1e-5
        assert row[middle >= GRID].sum() >= 0.5 - 1e-5


def test_a_scalar_head_has_one_value_that_only_rounding_and_the_grid_change():
    output = torch.tensor([2.4, 3.5])
    assert [decoded(output, decoder, grid=None).tolist() for decoder in DECODERS] == [
        pytest.approx([2.4, 3.5]),
        pytest.approx([2.4, 3.5]),
        pytest.approx([2.4, 3.5]),
        [2, 4],
        [2.375, 3.5],
    ]


@given(logits)
def test_the_grid_is_the_argmax_of_distances_to_the_value(output):
    values, fine = decoded(output, "mean"), torch.from_numpy(STARS.grid(FINEST)).float()
    distances = -((values[:, None] - fine) ** 2)
    best = distances.max(1).values
    at = (decoded(output, "grid")[:, None] == fine).float()
    assert torch.allclose((distances * at).sum(1), best, atol=1e-6)


def test_predictions_are_clipped_to_the_training_range():
    output = torch.tensor([0.2, 5.4])
    for decoder in DECODERS:
        assert decoded(output, decoder, grid=None).tolist() == [1, 5]


def test_rounding_knows_only_observed_values():
    gaps = Scale.of(np.array([1.0, 2.0, 5.0]))
    assert round_to_scale(torch.tensor([3.0, 3.4, 3.5, 4.0]), gaps).tolist() == [2, 2, 5, 5]


def test_the_mass_of_a_fine_grid_folds_onto_the_nearest_star():
    scale = Scale.of(np.array([1.0, 2.0, 3.0]))
    grid = torch.from_numpy(scale.grid(2)).float()  # 1, 1.5, 2, 2.5, 3
    folded = observed_log_probabilities(log([[0.1, 0.2, 0.3, 0.15, 0.25]]), grid, scale, temperature=1.0).exp()
    assert folded[0].tolist() == pytest.approx([0.1, 0.5, 0.4])


def test_folded_probabilities_are_never_zero():
    logs = observed_log_probabilities(torch.tensor([[900.0, 0, 0, 0, 0]]), GRID, STARS, temperature=1.0)
    assert torch.isfinite(logs).all()


@pytest.mark.parametrize("known", [0.5, 1.0, 3.0])
def test_the_fitted_temperature_is_the_one_that_the_ratings_were_drawn_at(known):
    generator = torch.Generator().manual_seed(1)
    output = torch.randn(20_000, 5, generator=generator) * 3
    classes = torch.multinomial(torch.softmax(output / known, 1), 1, generator=generator)[:, 0]
    assert fit_temperature(output, GRID[classes], GRID, STARS) == pytest.approx(known, rel=0.05)


@pytest.mark.parametrize("known", [0.3, 1.0])
@pytest.mark.parametrize("unit", [1.0, 20.0])
def test_the_fitted_noise_of_a_scalar_head_is_the_one_that_its_ratings_have_on_any_scale(known, unit):
    generator = torch.Generator().manual_seed(1)
    scale = Scale.of(unit * np.arange(1.0, 6.0))
    output = unit * (1 + 4 * torch.rand(20_000, generator=generator))
    noisy = output + unit * known * torch.randn(20_000, generator=generator)
    ratings = (noisy / unit).round().clamp(1, 5) * unit
    assert fit_temperature(output, ratings, None, scale) == pytest.approx(unit * known, rel=0.05)


def test_logits_that_know_nothing_get_a_temperature_within_bounds():
    generator = torch.Generator().manual_seed(1)
    output = torch.randn(500, 5, generator=generator) * 200
    ratings = GRID[torch.randint(0, 5, (500,), generator=generator)]
    fitted = fit_temperature(output, ratings, GRID, STARS)
    assert 15 < fitted <= 20.0001
    assert math.isfinite(fitted)


ADDED = """if True:
    import json, sys
    from reeltune.trainables.scoring.decoder_table import DECODERS, Rule
    assert "torch" not in sys.modules, "the command line names decoders"
    DECODERS["lowest"] = Rule(read=lambda probabilities, grid: grid[:1].expand(len(probabilities)))
    import torch
    from reeltune.cluster.api import checks
    from reeltune.cluster.report import results
    from reeltune.trainables.scoring.metrics import from_sums, sums
    from tests.worlds import STARS
    ratings = torch.tensor([1.0, 3.0])
    total = sums(torch.zeros(2, 5), ratings, torch.arange(1.0, 6.0), STARS, decoder="lowest", temperature=1.0)
    found = from_sums(total, scalar=False).by_name()
    print(json.dumps([found, checks.one_of("--decoder", "lowest", checks.DECODERS), results.HEADINGS]))
"""


def test_a_decoder_more_in_the_table_is_an_option_a_metric_and_a_column_of_the_report():
    done = subprocess.run([sys.executable, "-c", ADDED], capture_output=True, text=True, check=True)
    found, option, headings = json.loads(done.stdout)
    assert found["lowest_mse"] == (0 + 4) / 2
    assert found["rmse"] == pytest.approx(math.sqrt(2))
    assert option == "lowest"
    assert "lowest" in headings


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("subdivisions", [1, 8])
def test_a_list_is_in_the_order_of_the_ratings_and_ties_in_that_of_the_means(decoder, subdivisions):
    grid = torch.tensor(STARS.grid(subdivisions)).float()
    logits = torch.randn(400, len(grid), generator=torch.Generator().manual_seed(1))
    ratings, finer = (decode(logits, grid, STARS, decoder=by, temperature=1.5) for by in (decoder, "mean"))
    best = order(logits, grid, STARS, decoder=decoder, temperature=1.5).argsort(descending=True, stable=True)
    assert best.tolist() == np.lexsort((-finer.numpy(), -ratings.numpy())).tolist()


def test_a_scalar_heads_list_is_in_the_order_of_its_values_before_they_are_clipped():
    values = torch.tensor([5.5, 7.0, 4.4, 4.3])
    assert order(values, None, STARS, decoder="rounded", temperature=1.0).argsort(descending=True).tolist() == [
        1,
        0,
        2,
        3,
    ]
