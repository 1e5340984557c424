"""Rows with weights: a row of weight 2 counts in a fit as the same row twice, and what cannot weigh rows is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from reeltune.trainables.architectures import bias, pmf, svdpp
from reeltune.trainables.architectures.parts.damped import best_dampings, damped_means
from reeltune.trainables.architectures.registry import SHIPPED
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data import Columns
from reeltune.trainables.data.prepared import DataOptions, prepare
from reeltune.trainables.data.tensors import on_device
from reeltune.trainables.errors import InputError
from reeltune.trainables.fitting import loop
from reeltune.trainables.fitting.fit import Fit
from reeltune.trainables.fitting.weighted import check_weights
from reeltune.trainables.model import RatingModel, has_row_losses
from tests import two_towers
from tests.models import MODELS, SOLVED, TRAINED
from tests.worlds import config_of, shape_of, small_config, two_tastes

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def world():
    """Ratings of two tastes, weights of 1, 2 or 3, and the rows as often as their weights say."""
    data = two_tastes(side=24)
    often = np.random.default_rng(0).integers(1, 4, len(data.rows))
    return (
        shape_of(data),
        replace(data.rows, weights=often.astype(np.float64)),
        data.rows.take(np.repeat(np.arange(len(data.rows)), often)),
    )


def first_loss(name, shape, rows):
    """The training loss of one step on all rows, from the start."""
    settings = {} if name in SOLVED else {"batch_size": len(rows), "epochs": 1, "learning_rate": 1e-3}
    fit = Fit(MODELS[name], config_of(name, **settings), shape, rows, seed=3)
    fit.model.eval()  # nothing is dropped
    return float(fit.advance())


@pytest.mark.parametrize("name", ["bias", "pmf", "classifier"])
def test_the_loss_is_that_of_the_rows_repeated(world, name):
    shape, weighted, repeated = world
    assert first_loss(name, shape, weighted) == pytest.approx(first_loss(name, shape, repeated), rel=1e-5)


def test_damped_means_are_those_of_the_rows_repeated(world):
    shape, weighted, repeated = world
    models = [bias.Model(bias.Config(), shape) for _ in range(2)]
    for model, rows in zip(models, (weighted, repeated), strict=True):
        model.see(on_device(rows, CPU))
    for name, tensor in models[0].state_dict().items():
        assert torch.allclose(tensor, models[1].state_dict()[name], atol=1e-5), name


def test_damped_means_that_biases_are_pulled_to_are_those_of_the_rows_repeated(world):
    shape, weighted, repeated = world
    sizes = shape.users, shape.items
    seen = [on_device(rows, CPU) for rows in (weighted, repeated)]
    found = [damped_means((rows.users, rows.items, rows.ratings - 3), sizes, (2, 4), rows.weights) for rows in seen]
    for ours, theirs in zip(*found, strict=True):
        assert torch.allclose(ours.float(), theirs, atol=1e-5)


def test_dampings_are_judged_by_the_weights():
    """Where users alone tell something by weight, users are damped least: most rows, of little weight, are noise."""
    draw = torch.Generator().manual_seed(0)
    users, items = torch.arange(60).repeat_interleave(40), torch.arange(40).repeat(60)
    kind = 10 * torch.randn(60, generator=draw)
    loud = torch.arange(len(users)) % 2 == 0
    ratings = torch.where(loud, kind[users], 100 * torch.randn(len(users), generator=draw))
    heavy = torch.where(loud, 1.0, 1e-9).double()
    alone = best_dampings((users[loud], items[loud], ratings[loud]), (60, 40))
    assert best_dampings((users, items, ratings), (60, 40), heavy)[0] == alone[0]


def test_metrics_and_the_temperature_are_those_of_the_rows_repeated(world):
    shape, weighted, repeated = world
    fit = Fit(ARCHITECTURES["classifier"], small_config("classifier"), shape, weighted, seed=1)
    for _ in range(20):
        fit.advance()
    rows = [on_device(each, CPU) for each in (weighted, repeated)]
    temperatures = [loop.calibrate(fit, each) for each in rows]
    assert temperatures[0] == pytest.approx(temperatures[1], rel=1e-3)
    ours, theirs = (loop.evaluate(fit, each, decoder="argmax", temperature=1.3).by_name() for each in rows)
    assert ours == pytest.approx(theirs, rel=1e-9)


def test_only_the_ratios_of_weights_count_in_a_trained_model(world):
    shape, weighted, _ = world
    larger = replace(weighted, weights=8 * weighted.weights)
    fits = [Fit(pmf, small_config("pmf", epochs=2), shape, rows, seed=1) for rows in (weighted, larger)]
    losses = [[float(fit.advance()) for _ in range(fit.steps)] for fit in fits]
    assert losses[0] == losses[1]


def test_weights_change_what_is_fitted_towards_the_heavy_rows(world):
    shape, weighted, _ = world
    high = weighted.ratings > 3
    rows = replace(weighted, weights=np.where(high, 9.0, 1.0))
    for name in TRAINED:
        if not has_row_losses(MODELS[name].Model):
            continue
        found = []
        for each in (replace(weighted, weights=None), rows):
            fit = Fit(MODELS[name], small_config(name), shape, each, seed=1)
            while fit.step < fit.steps:
                fit.advance()
            found.append(loop.evaluate(fit, on_device(weighted.take(np.flatnonzero(high)), CPU), decoder="argmax"))
        assert found[1].of("mean") < found[0].of("mean"), name


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A file with weights, prepared with them and without."""
    file = tmp_path_factory.mktemp("data") / "r.csv"
    rows = [f"u{n % 7},i{n % 5},{n % 3 + 1},{n % 4 + 1},{n}" for n in range(60)]
    file.write_text("user,item,rating,often,timestamp\n" + "\n".join(rows))
    return [
        prepare(DataOptions(data=str(file), columns=columns, duplicates="keep"))
        for columns in (None, Columns(weight="often"))
    ]


def test_every_architecture_of_ours_takes_weights(prepared):
    _, weighted = prepared
    check_weights(((SHIPPED[n], SHIPPED[n].reference(weighted.shape)) for n in ARCHITECTURES), weighted)


def test_a_model_with_the_loss_of_a_batch_alone_is_refused_with_weights_only(prepared):
    plain, weighted = prepared
    check_weights([(two_towers, two_towers.Config())], plain)
    with pytest.raises(InputError, match=r"--weight-column often: two_towers has the mean loss of a batch alone; give"):
        check_weights([(pmf, pmf.Config()), (two_towers, two_towers.Config())], weighted)


def test_what_is_learnt_from_residuals_is_refused_with_weights_only(prepared):
    plain, weighted = prepared
    check_weights([(svdpp, svdpp.Config(time="residual"))], plain)
    check_weights([(svdpp, svdpp.Config(time="day"))], weighted)
    with pytest.raises(InputError, match="--weight-column often: time = 'residual' takes no weights; leave one of the"):
        check_weights([(svdpp, svdpp.Config(time="residual"))], weighted)


class Inherits(pmf.Model):
    def loss(self, output, ratings):
        return (output - ratings).abs().mean()


class Both(Inherits):
    def row_losses(self, output, ratings):
        return (output - ratings).abs()


class Neither(RatingModel):
    pass


def test_a_loss_that_is_replaced_has_not_the_row_losses_that_it_inherits():
    assert [has_row_losses(each) for each in (pmf.Model, Inherits, Both, Neither, RatingModel)] == [
        True,
        False,
        True,
        False,
        False,
    ]
