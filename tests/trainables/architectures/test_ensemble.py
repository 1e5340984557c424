import json
import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reeltune import load
from reeltune.trainables import bundle
from reeltune.trainables.architectures import ENSEMBLE, ensemble
from reeltune.trainables.architectures.ensemble import cross_fitted, weights
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data.tensors import on_device
from reeltune.trainables.errors import InputError
from reeltune.trainables.fitting import loop
from reeltune.trainables.fitting.fit import Fit
from reeltune.trainables.model import RatingModel
from reeltune.trainables.scoring.decoders import decode
from reeltune.trainables.scoring.metrics import predict
from tests.worlds import STARS, shape_of, small_config

FILES = ["config.json", "items.parquet", "model.safetensors", "users.parquet"]
WEIGHTS = {"bias": 0.2, "pmf": 0.5, "classifier": 0.3}
TRUTH = np.array([1.0, 4.0, 2.0, 5.0, 3.0])


def noisy(*spreads, rows=2000, seed=0):
    """True ratings, and predictions whose errors are independent and have these standard deviations."""
    draw = np.random.default_rng(seed)
    ratings = draw.uniform(1, 5, rows)
    return ratings + draw.normal(0, 1, (len(spreads), rows)) * np.array(spreads)[:, None], ratings


def test_one_model_has_all_the_weight():
    assert weights(TRUTH[None] + 0.7, TRUTH) == pytest.approx([1.0])


def test_a_perfect_model_has_all_the_weight():
    predictions, ratings = noisy(0.5, 0.0, 0.1)
    assert weights(predictions, ratings) == pytest.approx([0, 1, 0], abs=1e-5)


def test_equal_models_share_alike():
    predictions, ratings = noisy(0.5)
    assert weights(np.repeat(predictions, 3, axis=0), ratings) == pytest.approx([1 / 3] * 3, abs=1e-6)


def test_errors_that_cancel_are_weighed_so_that_they_do():
    assert weights(np.stack([TRUTH + 1, TRUTH - 3]), TRUTH) == pytest.approx([0.75, 0.25], abs=1e-6)


def test_independent_errors_are_weighed_by_their_inverse_variance():
    predictions, ratings = noisy(1.0, 2.0, rows=200_000)
    assert weights(predictions, ratings) == pytest.approx([0.8, 0.2], abs=0.01)


def test_a_harmful_model_has_no_weight():
    predictions, ratings = noisy(0.5, 0.6)
    harmful = ratings + 3 * (predictions[0] - ratings)
    with_it = weights(np.vstack([predictions, harmful]), ratings)
    assert with_it[2] == 0
    assert with_it[:2] == pytest.approx(weights(predictions, ratings), abs=1e-6)


def test_without_rows_all_share_alike():
    assert weights(np.empty((4, 0)), np.empty(0)) == pytest.approx([0.25] * 4)


predicted = arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 6)), elements=st.floats(1, 5, width=16))


@given(predicted, st.data())
def test_no_other_point_of_the_simplex_is_better(predictions, data):
    models, rows = predictions.shape
    ratings = data.draw(arrays(np.float64, rows, elements=st.sampled_from([1.0, 2.0, 3.0, 4.0, 5.0])))
    found = weights(predictions, ratings)
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(1)
    simplex = [np.array(point) / 12 for point in np.ndindex((13,) * models) if sum(point) == 12]
    least = min(((point @ predictions - ratings) ** 2).mean() for point in simplex)
    assert ((found @ predictions - ratings) ** 2).mean() <= least + 1e-6


@given(st.permutations(range(4)), st.integers(0, 50))
def test_the_order_of_the_models_changes_nothing(order, seed):
    predictions, ratings = noisy(0.5, 0.6, 0.6, 2.0, rows=30, seed=seed)
    assert weights(predictions[order], ratings) == pytest.approx(weights(predictions, ratings)[order], abs=1e-9)


@given(st.permutations(range(30)))
def test_the_order_of_the_rows_changes_nothing(order):
    predictions, ratings = noisy(0.5, 0.6, 2.0, rows=30)
    assert weights(predictions[:, order], ratings[order]) == pytest.approx(weights(predictions, ratings), abs=1e-9)


def test_the_cross_fitted_error_is_above_the_error_on_the_very_rows_of_the_fit():
    predictions, ratings = noisy(*[1.0] * 12, rows=40)
    within = weights(predictions, ratings) @ predictions
    honest = cross_fitted(predictions, ratings, np.arange(len(ratings)), seed=1)
    assert ((honest - ratings) ** 2).mean() > ((within - ratings) ** 2).mean()


def test_no_rows_own_rating_is_in_its_cross_fitted_prediction():
    predictions, ratings = noisy(1.0, 1.0, rows=40)
    before = cross_fitted(predictions, ratings, np.arange(len(ratings)), seed=1)
    for row in range(5):
        changed = ratings.copy()
        changed[row] += 3
        after = cross_fitted(predictions, changed, np.arange(len(ratings)), seed=1)
        assert after[row] == before[row]
        assert (after != before).any()


def test_a_row_that_several_fits_predicted_shares_its_fold():
    predictions, ratings = noisy(1.0, 1.0, rows=40)
    twice, numbers = np.hstack([predictions, predictions]), np.tile(np.arange(40), 2)
    combined = cross_fitted(twice, np.tile(ratings, 2), numbers, seed=1)
    assert combined[:40].tolist() == combined[40:].tolist()


@pytest.mark.parametrize("rows", [1, 3, 7])
def test_few_rows_are_cross_fitted_too(rows):
    predictions, ratings = noisy(1.0, 1.0, rows=rows)
    assert np.isfinite(cross_fitted(predictions, ratings, np.arange(len(ratings)), seed=1)).all()


def fitted(name, data, **settings):
    fit = Fit(ARCHITECTURES[name], small_config(name, epochs=1, **settings), shape_of(data), data.rows, seed=1)
    list(loop.run(fit))
    return fit


@pytest.fixture(scope="module")
def members(small_world):
    """Fits of three architectures; one has a class head."""
    return {name: fitted(name, small_world) for name in WEIGHTS}


def bundled(path, members, data, *, decoder="argmax", **changes):
    """The folder of an ensemble's bundle."""
    described = {
        name: {"weight": WEIGHTS[name], "config": fit.config.model_dump(), "temperature": 1.5}
        for name, fit in members.items()
    }
    config = ensemble.Config.model_validate({"members": described})
    settings = {"decoder": decoder, "temperature": 1.0, "seed": 1, "data": data.name, "metrics": {}}
    description = bundle.describe(ENSEMBLE, config, shape_of(data).scale, **settings)
    weights = ensemble.packed({name: [fit.model.served().state_dict()] for name, fit in members.items()})
    bundle.save(path, description, weights, data.users, data.items, fitted=data.rows)
    return path


def expected_by(members, rows):
    """The weighted average of the members' own expected ratings."""
    pairs = on_device(rows, torch.device("cpu"))
    outputs = {name: predict(fit.model, pairs.users, pairs.items) for name, fit in members.items()}
    return sum(
        WEIGHTS[name] * decode(outputs[name], fit.model.grid, fit.shape.scale, decoder="mean", temperature=1.5).double()
        for name, fit in members.items()
    ).numpy()


def test_a_bundle_predicts_by_own_ids_the_weighted_average(tmp_path, members, small_world):
    rows = small_world.rows
    users, items = small_world.users.text[rows.users - 1], small_world.items.text[rows.items - 1]
    loaded = load(bundled(tmp_path / "model", members, small_world))
    for decoder in ("argmax", "mean", "median"):
        ratings = loaded.predict(users, items, decoder=decoder)
        np.testing.assert_allclose(ratings, expected_by(members, rows), atol=1e-6)
    assert set(loaded.predict(users, items, decoder="rounded")) <= set(loaded.scale.values)
    assert loaded.unknown(["u1", "stranger"], ["i1", "i1"]) == (1, 0)
    assert not loaded.timed


def test_its_bundle_is_no_configuration_to_train_one_architecture_with(tmp_path, members, small_world):
    path = bundled(tmp_path / "model", members, small_world)
    with pytest.raises(InputError, match=r"model: an ensemble is not trained by itself; expected the bundle of one"):
        bundle.config_of(path)


def test_a_bundle_is_five_files(tmp_path, members, small_world):
    path = bundled(tmp_path / "model", members, small_world)
    assert sorted(file.name for file in path.iterdir()) == ["README.md", *FILES]


@pytest.mark.parametrize("file", FILES)
def test_half_a_bundle_is_an_input_error_that_names_the_file(tmp_path, members, small_world, file):
    path = bundled(tmp_path / "model", members, small_world)
    (path / file).unlink()
    with pytest.raises(InputError, match=file):
        load(path)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"svd": {"weight": 0.5}}, "no architecture 'svd' here; there are bias, "),
        ({"pmf": {"weight": 0.6}}, "the weights must sum to 1, not to 1.1"),
        ({"pmf": {"weight": -0.5}}, "members.pmf.weight: must be greater than or equal to 0; found -0.5"),
        ({"pmf": {"config": {"width": 3}}}, "pmf: no option 'width'"),
        ({"pmf": {"config": {"factors": 9}}}, "not this bundle's weights"),
        ({"pmf": {"temperature": 0}}, "members.pmf.temperature: must be greater than 0"),
        ({"svdpp": {"weight": 0.0}}, "not this bundle's weights"),
    ],
)
def test_another_bundles_description_is_refused_in_one_line(tmp_path, members, small_world, changed, said):
    file = bundled(tmp_path / "model", members, small_world) / "config.json"
    content = json.loads(file.read_text())
    whole = {"config": {}, "temperature": 1.0}
    for name, member in changed.items():
        content["config"]["members"][name] = {**whole, **content["config"]["members"].get(name, {}), **member}
    file.write_text(json.dumps(content))
    with pytest.raises(InputError, match=re.escape(said)) as caught:
        load(file.parent)
    assert "\n" not in str(caught.value)


class Clock(RatingModel):
    """Rates by the time alone."""

    @property
    def timed(self):
        return True

    def forward(self, users, items, times):
        return times.float()


class Threes(RatingModel):
    def forward(self, users, items):
        return torch.full((len(users),), 3.0)


def test_times_go_to_those_members_that_take_them():
    half = {"weight": 0.5, "config": {}, "temperature": 1.0}
    config = ensemble.Config.model_validate({"members": {"pmf": half, "bias": half}})
    model = ensemble.Model(config, {"pmf": [Clock()], "bias": [Threes()]}, STARS)
    pairs = torch.tensor([1, 2]), torch.tensor([1, 2])
    assert model.timed
    assert predict(model, *pairs, torch.tensor([1, 5])).tolist() == [2.0, 4.0]
    with pytest.raises(InputError, match="rates no pairs without a timestamp"):
        predict(model, *pairs)


def test_a_members_fits_are_averaged_before_the_architectures_are(tmp_path, small_world):
    users, items = torch.arange(1, 20), torch.arange(1, 20)
    fits = [fitted("bias", small_world, user_damping=damping) for damping in (1.0, 30.0)]
    config = ensemble.Config.model_validate(
        {"members": {"bias": {"weight": 1, "config": fits[0].config.model_dump(), "temperature": 1.0, "fits": 2}}}
    )
    weights = ensemble.packed({"bias": [fit.model.served().state_dict() for fit in fits]})
    model = ensemble.Model.serving(config, fits[0].shape, weights)
    model.load_state_dict(weights)
    each = [fit.model(users, items).clamp(fit.shape.scale.low, fit.shape.scale.high) for fit in fits]
    assert torch.allclose(model(users, items), (each[0] + each[1]) / 2, atol=1e-6)


def test_a_row_that_counts_twice_is_the_row_twice():
    draw = np.random.default_rng(3)
    ratings, often = draw.normal(3, 1, 200), draw.integers(1, 4, 200)
    predictions = ratings + draw.normal(0, [[0.5], [0.7], [1.0]], (3, 200))
    found = ensemble.weights(predictions, ratings, often.astype(float))
    assert found == pytest.approx(
        ensemble.weights(np.repeat(predictions, often, 1), np.repeat(ratings, often)), abs=1e-6
    )
    numbers = np.arange(200)
    rated = ensemble.cross_fitted(predictions, ratings, numbers, seed=1, often=often.astype(float))
    again = [np.repeat(each, often, -1) for each in (predictions, ratings, numbers)]
    assert np.repeat(rated, often) == pytest.approx(ensemble.cross_fitted(*again, seed=1), abs=1e-6)
