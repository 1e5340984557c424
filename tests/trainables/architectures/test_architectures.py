"""The contract of every architecture: what `RatingModel` and `Architecture` say of all, and EXPECTED of one.

One of the models is a stranger (tests/two_towers.py), so that nothing is asked for that the contract does not say.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError

from reeltune.trainables.architectures.parts.losses import class_loss
from reeltune.trainables.architectures.registry import resolve
from reeltune.trainables.contract.subject import Subject
from reeltune.trainables.contract.suite import CLAUSES, in_words
from reeltune.trainables.contract.workers import two_workers_fit_what_one_fits
from reeltune.trainables.contract.worlds import SCALES
from reeltune.trainables.data import split
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.fitting import loop
from reeltune.trainables.fitting.fit import Fit, on_device
from reeltune.trainables.scoring.decoders import DECODERS, decode
from reeltune.trainables.scoring.metrics import predict
from tests import two_towers
from tests.models import EXPECTED, MODELS, TRAINED, dropping
from tests.worlds import STARS, config_of, rows_of, shape_of

MOVIELENS_100K = Shape(users=944, items=1665, scale=STARS)
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
    "svdpp_ordinal": 2 * (944 + 1665) * 64 + 4 + 1,
}
WIDER, LONGER = {"user_width", "item_width"}, {"batch_size"}  # what grows: with the ids, and with the ratings
GROWING = {
    "bias": set(),
    "pmf": LONGER,
    "embedding_nn": WIDER | LONGER,
    "classifier": WIDER | LONGER,
    "autorec": LONGER,
    "svdpp": LONGER,
    "svdpp_classifier": LONGER,
    "svdpp_ordinal": LONGER,
}
DEFAULTS = ("bias", "autorec", "svdpp", "svdpp_classifier", "svdpp_ordinal")  # which docs/defaults.md tells of
SQUARED, CROSS_ENTROPY = ("bias", "pmf", "embedding_nn", "autorec", "svdpp"), ("classifier", "svdpp_classifier")
WIDTHS_OF = {
    "pmf": ["factors"],
    "embedding_nn": ["user_width", "item_width", "hidden"],
    "classifier": ["user_width", "item_width", "hidden"],
    "autorec": ["hidden"],
    "svdpp": ["factors"],
    "svdpp_classifier": ["factors", "hidden"],
    "svdpp_ordinal": ["factors"],
}
SQUASHED = ("pmf", "embedding_nn")  # into the scale's sigmoid range; others are clipped when they are decoded

STRANGER = resolve([two_towers.__file__])[1]  # as a file of somebody's own
SUBJECTS = {name: Subject(registry=STRANGER, name=name) for name in MODELS}
ALONE = [clause for clause in CLAUSES if clause is not two_workers_fit_what_one_fits]

PAIRS = torch.arange(9).repeat_interleave(7), torch.arange(7).repeat(9)

EVERY = pytest.mark.parametrize("name", MODELS)
EVERY_TRAINED = pytest.mark.parametrize("name", TRAINED)
DROPPING = pytest.mark.parametrize("name", [name for name in MODELS if EXPECTED[name].drops])
OF_THE_NOTEBOOK = pytest.mark.parametrize("name", REFERENCES)


def fresh(name, scale=STARS, *, seed=0, **changes):
    """A model that has seen every pair of 9 users and 7 items rated once, and is not trained."""
    torch.manual_seed(seed)
    model = MODELS[name].Model(config_of(name, **changes), Shape(users=9, items=7, scale=scale))
    ratings = np.random.default_rng(seed).uniform(scale.low, scale.high, 63)
    model.see(on_device(rows_of(np.arange(9).repeat(7), np.tile(np.arange(7), 9), ratings), torch.device("cpu")))
    return model


def briefly_fitted(name, **changes):
    """A model of a few steps on every pair of 9 users and 7 items."""
    rows = rows_of(*(index.numpy() for index in PAIRS), np.random.default_rng(0).uniform(1, 5, 63))
    config = config_of(name, **{"batch_size": 16, "epochs": 3, **changes})
    fit = Fit(MODELS[name], config, Shape(users=9, items=7, scale=STARS), rows, seed=1)
    list(loop.run(fit))
    return fit.model


def batch(scale=STARS, *, count=32, seed=0):
    draw = np.random.default_rng(seed)
    users, items = torch.from_numpy(draw.integers(0, 9, count)), torch.from_numpy(draw.integers(0, 7, count))
    return users, items, torch.from_numpy(draw.choice(scale.values, count)).float()


def learnt(name, data):
    """The last report of a fit with more epochs and a higher rate than a small one has."""
    parts = split(data.rows, seed=1)
    config = config_of(name, batch_size=32, epochs=10, learning_rate=2e-2, weight_decay=0.05)
    *_, last = loop.run(Fit(MODELS[name], config, shape_of(data), parts.train, seed=1), validation=parts.validation)
    mean = np.square(parts.validation.ratings - parts.train.ratings.mean()).mean()
    assert mean > 2.3
    return last.validation, mean


@pytest.mark.parametrize("clause", ALONE, ids=in_words)
@EVERY
def test_the_contract_holds(name, clause):
    """What `reeltune check` checks of somebody's own, clause by clause; two workers: `fitting/test_workers.py`."""
    clause(SUBJECTS[name])


@EVERY
def test_its_error_on_a_pattern_that_no_mean_can_learn_is_the_expected_one(name, two_tastes):
    found, _ = learnt(name, two_tastes)
    assert found.of("mean") == pytest.approx(EXPECTED[name].error, rel=0.2)


@OF_THE_NOTEBOOK
def test_the_reference_is_the_notebooks_where_it_has_one(name):
    assert MODELS[name].reference(MOVIELENS_100K).model_dump() == REFERENCES[name]


@pytest.mark.parametrize("name", DEFAULTS)
def test_the_defaults_of_ours_are_the_reference_on_movielens_100k(name):
    assert MODELS[name].reference(MOVIELENS_100K) == MODELS[name].Config()


@pytest.mark.parametrize("name", WEIGHTS)
def test_the_reference_has_as_many_weights_as_its_formula_says(name):
    architecture = MODELS[name]
    model = architecture.Model(architecture.reference(MOVIELENS_100K), MOVIELENS_100K)
    assert sum(weight.numel() for weight in model.parameters()) == WEIGHTS[name]


@pytest.mark.parametrize("name", GROWING)
def test_of_the_reference_of_ours_grows_with_the_data_what_should_and_nothing_else(name):
    small, middle, large = (
        MODELS[name].reference(Shape(users=rows + 1, items=rows + 1, ratings=20 * rows, scale=STARS)).model_dump()
        for rows in (2, 1_000, 10_000_000)
    )
    assert {key for key in small if small[key] != large[key]} == GROWING[name]
    assert all(small[key] <= middle[key] < large[key] for key in GROWING[name])


@pytest.mark.parametrize("name", [name for name in MODELS if EXPECTED[name].steps])
def test_the_references_batch_grows_with_the_ratings_so_that_an_epoch_keeps_its_steps(name):
    counts = (72_000, 720_000, 7_200_000)
    batches = [MODELS[name].reference(replace(MOVIELENS_100K, ratings=count)).batch_size for count in counts]
    assert batches[0] < batches[1] < batches[2]
    for count, size in zip(counts, batches, strict=True):  # batches are powers of two: within a factor of √2
        assert EXPECTED[name].steps / 1.42 < count / size < EXPECTED[name].steps * 1.42


@pytest.mark.parametrize("name", ["embedding_nn", "classifier"])
def test_the_references_tables_widen_with_the_ids_as_fastais(name):
    few, many = (MODELS[name].reference(Shape(users=n, items=n, scale=STARS)) for n in (100, 1000))
    assert (few.user_width, few.item_width) == (21, 21)
    assert (many.user_width, many.item_width) == (77, 77)


@DROPPING
@pytest.mark.parametrize("share", [1.0, -0.1])
def test_what_is_dropped_is_a_share_below_1(name, share):
    for field in EXPECTED[name].drops:
        with pytest.raises(ValidationError, match=field):
            MODELS[name].Config(**{field: share})


@pytest.mark.parametrize("name", WIDTHS_OF)
def test_every_width_has_a_floor(name):
    fields = MODELS[name].Config.model_fields
    assert [key for key, field in fields.items() if field.description.startswith("width of the ")] == WIDTHS_OF[name]
    for width in WIDTHS_OF[name]:
        with pytest.raises(ValidationError, match=width):
            MODELS[name].Config(**{width: 0})


@pytest.mark.parametrize("name", SQUASHED)
@pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES)
def test_the_output_of_some_of_ours_is_within_the_sigmoid_range(name, scale):
    users, items, _ = batch(scale)
    output = fresh(name, scale)(users, items)
    low, high = scale.sigmoid_range
    assert low < output.min() <= output.max() < high


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


@pytest.mark.parametrize("name", SQUARED)
def test_the_loss_of_ours_with_a_scalar_head_is_squared_error(name):
    model = fresh(name).eval()
    users, items, ratings = batch()
    output = model(users, items)
    assert model.loss(output, ratings).item() == pytest.approx(F.mse_loss(output, ratings).item(), rel=1e-5)


@pytest.mark.parametrize("name", CROSS_ENTROPY)
def test_the_loss_of_ours_with_a_class_head_may_be_cross_entropy(name):
    model = fresh(name, loss="cross_entropy", subdivisions=1).eval()
    users, items, ratings = batch()
    output = model(users, items)
    expected = F.cross_entropy(output, ratings.long() - 1)
    assert model.loss(output, ratings).item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("name", CROSS_ENTROPY)
@pytest.mark.parametrize("subdivisions", [1, 8])
def test_the_classes_of_ours_cut_each_step_of_the_scale(name, subdivisions):
    grid = fresh(name, subdivisions=subdivisions).grid
    assert grid.tolist() == pytest.approx(STARS.grid(subdivisions).tolist())


@pytest.mark.parametrize("name", CROSS_ENTROPY)
def test_a_width_of_labels_of_ours_means_the_same_on_any_scale(name):
    output, ratings = torch.randn(20, 5, generator=torch.manual_seed(1)), torch.arange(1.0, 6).repeat(4)
    changes = {"loss": "spread_cross_entropy", "subdivisions": 1, "label_width": 0.8}
    stars, tens = fresh(name, **changes), fresh(name, Scale.of(np.arange(1.0, 6) * 10), **changes)
    assert tens.loss(output, 10 * ratings).item() == pytest.approx(stars.loss(output, ratings).item())
    assert stars.loss(output, ratings).item() == pytest.approx(
        class_loss("spread_cross_entropy", output, ratings, stars.grid, width=0.8).item()
    )


@EVERY
def test_a_prediction_draws_no_random_numbers(name):
    model = fresh(name, **dropping(name, 0.5))
    users, items, _ = batch()
    before = torch.get_rng_state()
    assert torch.equal(predict(model, users, items), predict(model, users, items))
    assert torch.equal(torch.get_rng_state(), before)


@DROPPING
def test_what_is_dropped_is_dropped_in_training_alone(name):
    model = briefly_fitted(name, **dropping(name, 0.5)).train()
    assert not torch.equal(model(*PAIRS), model(*PAIRS))
    assert torch.equal(predict(model, *PAIRS), predict(model, *PAIRS))


@EVERY
def test_item_vectors_are_a_row_for_each_item_or_none(name):
    vectors = fresh(name).served().item_vectors()
    assert (vectors is None) == (name in ("bias", "two_towers"))
    assert vectors is None or (vectors.shape[0], vectors.dim()) == (7, 2)


@OF_THE_NOTEBOOK
def test_tables_start_small(name):
    model = fresh(name)
    for table in (model.users.weight, model.items.weight):
        assert table.abs().max() <= 0.02
        assert 0.007 < table.std() < 0.01  # of a normal of 0.01, cut at 2 deviations: 0.0088


@EVERY
def test_the_unknown_pair_is_rated_too(name, two_tastes):
    parts, shape = split(two_tastes.rows, seed=1), shape_of(two_tastes)
    fit = Fit(MODELS[name], config_of(name, epochs=3), shape, parts.train, seed=1)
    list(loop.run(fit))
    strangers = on_device(parts.validation.take(np.arange(1)), fit.device)
    output = predict(fit.model, torch.zeros_like(strangers.users), torch.zeros_like(strangers.items))
    rating = decode(output, fit.model.grid, shape.scale, decoder="mean", temperature=1.0)
    assert rating.item() == pytest.approx(3, abs=1.2)


def test_a_model_may_have_settings_a_loss_and_a_start_that_no_other_has():
    """Else the stranger among the models shows nothing."""
    ours = {field for name in MODELS if name != "two_towers" for field in MODELS[name].Config.model_fields}
    assert {"breadth", "forget", "patience", "clock"}.isdisjoint(ours)
    assert two_towers.reference(MOVIELENS_100K) != two_towers.Config()
    model = fresh("two_towers").eval()
    users, items, ratings = batch()
    output = model(users, items)
    assert len(output.unique()) == 1
    assert model.loss(output, ratings) < 0.9 * F.mse_loss(output, ratings)
