"""The contract of every architecture; each test states what holds for all, or what is expected of one."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError

from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.bundle import restored
from reeltune.trainables.data import split
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.fitting import loop
from reeltune.trainables.fitting.fit import Fit, on_device
from reeltune.trainables.scoring.decoders import DECODERS, decode
from reeltune.trainables.scoring.metrics import predict
from tests.worlds import STARS, TRAINED, config_of, rows_of, shape_of, small_config

MOVIELENS_100K = Shape(users=944, items=1665, scale=STARS)
SCALES = {
    "stars": STARS,
    "halves": Scale.of(np.arange(1, 11) / 2),
    "thumbs": Scale.of(np.array([0.0, 1.0])),
    "irregular": Scale.of(np.array([1.0, 2.0, 2.7, 5.0])),
    "percent": Scale.of(np.arange(101.0)),
}
TRAINING = {"learning_rate": 5e-3, "weight_decay": 0.1, "batch_size": 64, "epochs": 5}
WIDTHS = {"user_width": 74, "item_width": 102, "hidden": 100, "dropout": 0}
CLASSES = {"subdivisions": 1, "loss": "cross_entropy", "label_width": 0.5}
HEAD = {"product": False, "head_rate": 1, "head_decay": 0.01}
REFERENCES = {
    "pmf": TRAINING | {"factors": 50, "dropout": 0},
    "embedding_nn": TRAINING | WIDTHS,
    "classifier": TRAINING | WIDTHS | CLASSES | HEAD | {"weight_decay": 0.01},
}
WEIGHTS = {
    "bias": 0,
    "pmf": (944 + 1665) * 51,
    "embedding_nn": 944 * 74 + 1665 * 102 + 176 * 100 + 2 * 100 + 100 + 1,
    "classifier": 944 * 74 + 1665 * 102 + 176 * 100 + 100 + 100 * 5 + 5,
    "svdpp": 2 * (944 + 1665) * 64,
    "svdpp_classifier": 2 * (944 + 1665) * 64 + 3 * 64 * 32 + 32 + (1 + 32) * 33 + 33,
}
SQUASHED = {"pmf", "embedding_nn"}  # into the scale's sigmoid range; others are clipped when they are decoded

EVERY = pytest.mark.parametrize("name", ARCHITECTURES)
EVERY_TRAINED = pytest.mark.parametrize("name", TRAINED)
OF_THE_NOTEBOOK = pytest.mark.parametrize("name", REFERENCES)


def fresh(name, scale=STARS, *, seed=0, **changes):
    """A model that has seen every pair of 9 users and 7 items rated once, and is not trained."""
    torch.manual_seed(seed)
    model = ARCHITECTURES[name].Model(config_of(name, **changes), Shape(users=9, items=7, scale=scale))
    ratings = np.random.default_rng(seed).uniform(scale.low, scale.high, 63)
    model.see(on_device(rows_of(np.arange(9).repeat(7), np.tile(np.arange(7), 9), ratings), torch.device("cpu")))
    return model


def batch(scale=STARS, *, count=32, seed=0):
    draw = np.random.default_rng(seed)
    users, items = torch.from_numpy(draw.integers(0, 9, count)), torch.from_numpy(draw.integers(0, 7, count))
    return users, items, torch.from_numpy(draw.choice(scale.values, count)).float()


@EVERY_TRAINED
def test_learns_a_pattern_that_no_mean_can(name, two_tastes):
    parts, shape = split(two_tastes.rows, seed=1), shape_of(two_tastes)
    config = config_of(name, batch_size=32, epochs=10, learning_rate=2e-2, weight_decay=0.05)
    fit = Fit(ARCHITECTURES[name], config, shape, parts.train, seed=1)
    *_, last = loop.run(fit, validation=parts.validation)
    mean = np.square(parts.validation.ratings - parts.train.ratings.mean()).mean()
    assert mean > 2.3
    assert last.validation.of("argmax") < 0.25 * mean
    assert last.validation.of("mean") < 0.2 * mean
    assert last.validation.accuracy > 0.4  # 1 of 5 classes by chance, 1 of 2 at best: half is noise


@EVERY
def test_the_reference_is_the_notebooks_where_it_has_one(name):
    if name not in REFERENCES:
        assert ARCHITECTURES[name].reference(MOVIELENS_100K) == ARCHITECTURES[name].Config()
        return
    assert ARCHITECTURES[name].reference(MOVIELENS_100K).model_dump() == REFERENCES[name]


@pytest.mark.parametrize("name", WEIGHTS)
def test_the_reference_has_as_many_weights_as_its_formula_says(name):
    architecture = ARCHITECTURES[name]
    model = architecture.Model(architecture.reference(MOVIELENS_100K), MOVIELENS_100K)
    assert sum(weight.numel() for weight in model.parameters()) == WEIGHTS[name]


@EVERY
def test_the_reference_grows_with_the_data_and_stays_valid(name):
    for rows in (2, 10, 10_000_000):
        ARCHITECTURES[name].reference(Shape(users=rows, items=rows, scale=STARS))


@EVERY
@pytest.mark.parametrize(
    "fault",
    [{"momentum": 1}, {"dropout": 1.0}, {"dropout": -0.1}, {"learning_rate": 0}, {"epochs": 0}, {"batch_size": 1}],
)
def test_a_configuration_refuses_what_it_does_not_know_or_cannot_be(name, fault):
    with pytest.raises(ValidationError, match=next(iter(fault))):
        ARCHITECTURES[name].Config(**fault)


@EVERY
def test_every_width_has_a_floor(name):
    fields = ARCHITECTURES[name].Config.model_fields
    widths = [key for key, field in fields.items() if field.description.startswith("width of the ")]
    assert bool(widths) == (name in TRAINED)
    for width in widths:
        with pytest.raises(ValidationError, match=width):
            ARCHITECTURES[name].Config(**{width: 0})


@EVERY
def test_every_field_is_described(name):
    assert all(field.description for field in ARCHITECTURES[name].Config.model_fields.values())


@EVERY
@pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES)
def test_the_output_is_a_rating_or_a_logit_for_each_class(name, scale):
    model = fresh(name, scale)
    users, items, ratings = batch(scale)
    output = model(users, items)
    if model.grid is None:
        assert output.shape == (32,)
    else:
        assert model.grid.tolist() == pytest.approx(scale.grid(model.config.subdivisions).tolist())
        assert output.shape == (32, len(model.grid))
    if name in SQUASHED:
        low, high = scale.sigmoid_range
        assert low < output.min() <= output.max() < high
    assert torch.isfinite(output).all()
    assert torch.isfinite(model.loss(output, ratings))


@EVERY
@pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES)
def test_every_decoded_rating_is_within_the_training_range(name, scale):
    model = fresh(name, scale)
    with torch.no_grad():
        for values in [*model.parameters()] or model.buffers():
            values.mul_(300)
    users, items, _ = batch(scale)
    output = predict(model, users, items)
    for decoder in DECODERS:
        ratings = decode(output, model.grid, scale, decoder=decoder, temperature=1.0)
        assert scale.low <= ratings.min() <= ratings.max() <= scale.high


@EVERY
def test_the_loss_is_the_mean_over_rows(name):
    model = fresh(name).eval()
    users, items, ratings = batch()
    output = model(users, items)
    rows = [model.loss(output[row : row + 1], ratings[row : row + 1]).item() for row in range(len(ratings))]
    assert model.loss(output, ratings).item() == pytest.approx(np.mean(rows), rel=1e-5)


@EVERY
def test_the_loss_is_squared_error_or_cross_entropy(name):
    model = fresh(name, loss="cross_entropy", subdivisions=1).eval()
    users, items, ratings = batch()
    output = model(users, items)
    scalar = model.grid is None
    expected = F.mse_loss(output, ratings) if scalar else F.cross_entropy(output, ratings.long() - 1)
    assert model.loss(output, ratings).item() == pytest.approx(expected.item(), rel=1e-5)


@EVERY
def test_the_same_pair_is_rated_alike_whatever_is_beside_it(name):
    model = fresh(name)
    users, items, _ = batch()
    together = predict(model, users, items)
    apart = torch.cat([predict(model, users[row : row + 1], items[row : row + 1]) for row in range(len(users))])
    assert torch.allclose(together, apart, atol=1e-6)


@EVERY
def test_every_user_and_item_changes_the_prediction(name):
    model = fresh(name)
    every = predict(model, torch.arange(9).repeat_interleave(7), torch.arange(7).repeat(9))
    assert len(every.reshape(63, -1).unique(dim=0)) == 63


@EVERY_TRAINED
def test_dropout_is_for_training_alone(name):
    model = fresh(name, dropout=0.5)
    users, items, _ = batch()
    assert not torch.equal(model(users, items), model(users, items))
    assert torch.equal(predict(model, users, items), predict(model, users, items))


@OF_THE_NOTEBOOK
def test_tables_start_small(name):
    model = fresh(name)
    for table in (model.users.weight, model.items.weight):
        assert table.abs().max() <= 0.02
        assert 0.007 < table.std() < 0.01  # of a normal of 0.01, cut at 2 deviations: 0.0088


@EVERY
def test_the_unknown_pair_is_rated_too(name, two_tastes):
    parts, shape = split(two_tastes.rows, seed=1), shape_of(two_tastes)
    fit = Fit(ARCHITECTURES[name], config_of(name, epochs=3), shape, parts.train, seed=1)
    list(loop.run(fit))
    strangers = on_device(parts.validation.take(np.arange(1)), fit.device)
    output = predict(fit.model, torch.zeros_like(strangers.users), torch.zeros_like(strangers.items))
    rating = decode(output, fit.model.grid, shape.scale, decoder="mean", temperature=1.0)
    assert rating.item() == pytest.approx(3, abs=1.2)


@EVERY
def test_a_served_model_rates_as_the_fitted_one_and_needs_nothing_else(name, small_world, small_shape):
    fit = Fit(ARCHITECTURES[name], small_config(name), small_shape, small_world.rows, seed=1)
    list(loop.run(fit))
    users, items = torch.arange(41).repeat_interleave(31), torch.arange(31).repeat(41)
    expected = fit.model.eval()(users, items)
    weights = fit.model.served().state_dict()
    served = restored(ARCHITECTURES[name], fit.config, small_shape, weights)
    assert torch.equal(served(users, items), expected)
    assert torch.equal(predict(fit.model, users, items), expected)
    assert served.served().state_dict().keys() == weights.keys()
