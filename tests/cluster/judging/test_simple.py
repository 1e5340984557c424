"""The simple predictors, on worlds in which it is known which of them is the best."""

from dataclasses import replace

import numpy as np
import pytest

from reeltune.cluster.data_parallel.orders import FitOrder, Fitted, Lost
from reeltune.cluster.judging.baseline import baseline_of
from reeltune.cluster.judging.outcome import Searched
from reeltune.cluster.judging.result import judged_result, score_with_simple
from reeltune.cluster.judging.simple import DAMPINGS, simple_predictors
from reeltune.cluster.runs.folder import Ledger, RunFolder
from reeltune.cluster.search.choice import SEEDS, Choice
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data import SealedRows, fold
from reeltune.trainables.data.prepared import DataOptions, looks, prepare
from reeltune.trainables.fitting.fit import Fit
from reeltune.trainables.fitting.loop import run


def written(path, *, spread, seed=5):
    """400 ratings of 10 items by 40 users: 3 plus the item's own effect of up to `spread`, plus noise."""
    draw = np.random.default_rng(seed)
    effect = np.linspace(-spread, spread, 10)
    lines = [
        f"u{user},i{item},{np.clip(3 + effect[item] + draw.normal(0, 0.5), 1, 5):.3f}"
        for user in range(40)
        for item in range(10)
    ]
    path.write_text("\n".join(["user,item,rating", *lines]) + "\n")
    return prepare(DataOptions(data=str(path), split_seed=1))


@pytest.fixture
def world(tmp_path):
    return written(tmp_path / "known.csv", spread=1.5)


def searched(tmp_path, *, choices=None, orders=None, fitted=None, baseline="pmf", architectures=(), metric="mse"):
    return Searched(
        architectures=list(architectures),
        ledger=Ledger(tmp_path / "trials.jsonl"),
        choices=choices or {},
        orders=orders or {},
        fitted=fitted or {},
        decoder="argmax",
        metric=metric,
        seed=1,
        baseline=baseline_of(baseline),
    )


def with_bias(tmp_path, world, *, by_fold, config, baseline="pmf"):
    """A search that chose this configuration of `bias`, with its refits."""
    orders, fitted = {}, {}
    for place in range(SEEDS):
        order = FitOrder(key=f"bias{place}", architecture="bias", config=config, seed=1 + place, rows="fitting")
        architecture = ARCHITECTURES["bias"]
        fit = Fit(architecture, architecture.Config(**config), world.shape, world.split.fitting, seed=order.seed)
        list(run(fit))
        orders["bias", place] = order
        fitted[order.key] = Fitted(
            key=order.key,
            weights=fit.model.served().state_dict(),
            seconds=0.0,
            epochs=1,
            train_loss=0.0,
            metrics=None,
            temperature=1.0,
        )
    metrics = {"argmax_mse": 1.0, "mean_mse": 1.0}
    choice = Choice(config=config, value=1.0, metrics=metrics, temperature=1.0, by_fold=by_fold)
    return searched(
        tmp_path, choices={"bias": choice}, orders=orders, fitted=fitted, baseline=baseline, architectures=["bias"]
    )


def test_without_a_searched_bias_damped_means_are_fitted_and_win_where_items_differ(tmp_path, world):
    found = simple_predictors(searched(tmp_path), world)
    assert list(found.validation) == ["mean", "bias"]
    assert found.best == "bias"
    assert found.validation["bias"] < 0.35 < found.validation["mean"], (
        "noise of 0.25, and items apart by a variance of 0.9"
    )
    assert set(found.candidates["bias"].config.values()) <= set(DAMPINGS)


def test_where_nothing_differs_the_mean_is_the_best(tmp_path):
    world = written(tmp_path / "flat.csv", spread=0.0, seed=3)
    assert simple_predictors(searched(tmp_path), world).best == "mean"


def test_the_mean_is_measured_on_the_rows_that_the_confirmations_held_out(tmp_path, world):
    parts = world.split
    errors = []
    for number in range(1, 1 + SEEDS):
        train, held_out = fold(parts.train, parts.validation, number, kind="random")
        errors.append(((held_out.ratings - train.ratings.mean()) ** 2).mean())
    assert simple_predictors(searched(tmp_path), world).validation["mean"] == pytest.approx(np.mean(errors), rel=1e-5)


def test_the_absolute_error_is_compared_where_that_is_the_metric(tmp_path, world):
    parts, errors = world.split, []
    for number in range(1, 1 + SEEDS):
        train, held_out = fold(parts.train, parts.validation, number, kind="random")
        errors.append(np.abs(held_out.ratings - train.ratings.mean()).mean())
    found = simple_predictors(searched(tmp_path, metric="mae"), world)
    assert found.validation["mean"] == pytest.approx(np.mean(errors), rel=1e-5)


def test_where_probabilities_are_judged_the_frequencies_of_the_ratings_take_the_place_of_their_mean(tmp_path):
    draw = np.random.default_rng(0)
    stars = draw.choice([1, 2, 4, 5], p=[0.1, 0.2, 0.3, 0.4], size=400)
    lines = [f"u{row % 40},i{row // 40},{rating}" for row, rating in enumerate(stars)]
    (tmp_path / "stars.csv").write_text("\n".join(["user,item,rating", *lines]) + "\n")
    world = prepare(DataOptions(data=str(tmp_path / "stars.csv"), split_seed=1))
    found = simple_predictors(searched(tmp_path, metric="log_loss"), world)
    assert list(found.validation) == ["frequencies", "bias"]
    errors = []
    for number in range(1, 1 + SEEDS):
        train, held_out = fold(world.split.train, world.split.validation, number, kind="random")
        counts = {value: (train.ratings == value).sum() + 1 for value in (1, 2, 4, 5)}
        errors.append(-np.mean([np.log(counts[rating] / (len(train) + 4)) for rating in held_out.ratings]))
    assert found.validation["frequencies"] == pytest.approx(np.mean(errors), rel=1e-5)
    assert found.candidates["bias"].temperature > 0.5, "the noise of ratings that nothing explains"


def test_a_searched_bias_is_taken_as_it_was_chosen(tmp_path, world):
    config = {"user_damping": 2.0, "item_damping": 3.0}
    found = simple_predictors(with_bias(tmp_path, world, by_fold={1: 9.0, 2: 9.0, 3: 9.0}, config=config), world)
    assert found.candidates["bias"].config == config
    assert (found.best, found.validation["bias"]) == ("mean", 9.0)


def test_simple_predictors_are_compared_on_the_folds_that_the_search_finished(tmp_path, world):
    config = {"user_damping": 2.0, "item_damping": 3.0}
    found = simple_predictors(with_bias(tmp_path, world, by_fold={2: 0.3}, config=config), world)
    train, held_out = fold(world.split.train, world.split.validation, 2, kind="random")
    alone = ((held_out.ratings - train.ratings.mean()) ** 2).mean()
    assert found.validation == {"mean": pytest.approx(alone, rel=1e-5), "bias": 0.3}


def test_the_choice_stays_the_same_whatever_the_test_rows_are_and_they_are_not_opened(tmp_path, world):
    rows = world.split.test._rows
    other = replace(world, split=replace(world.split, test=SealedRows(replace(rows, ratings=6 - rows.ratings))))
    both = [simple_predictors(searched(tmp_path), each) for each in (world, other)]
    assert both[0] == both[1]
    assert not looks().exists()


def test_every_predictor_has_its_gain_over_the_best_simple_one_on_the_test_rows(tmp_path, world):
    config = {"user_damping": 20.0, "item_damping": 20.0}
    about = with_bias(tmp_path, world, by_fold={1: 9.0, 2: 9.0, 3: 9.0}, config=config, baseline="best-simple")
    simple = simple_predictors(about, world)
    rows, _ = world.split.test.open(looks(), reason="test")
    scores = score_with_simple(about, simple, rows, world)
    result = judged_result(about, scores, world, RunFolder(tmp_path))
    mean, bias = (result.simple.compared[name].test["argmax_mse"] for name in ("mean", "bias"))
    assert mean == pytest.approx(((rows.ratings - world.split.fitting.ratings.mean()) ** 2).mean(), rel=1e-5)
    assert result.architectures["bias"].gain_over_simple == pytest.approx(mean - bias)
    assert (result.baseline.name, result.baseline.kind, result.baseline.config) == ("mean", "simple", None)
    assert result.architectures["bias"].gain == pytest.approx(mean - bias)
    assert result.architectures["bias"].verdict == "beats"


def test_the_best_simple_baseline_is_itself_and_not_undecided(tmp_path, world):
    config = {"user_damping": 5.0, "item_damping": 5.0}
    about = with_bias(tmp_path, world, by_fold={1: 0.3, 2: 0.3, 3: 0.3}, config=config, baseline="best-simple")
    rows, _ = world.split.test.open(looks(), reason="test")
    scores = score_with_simple(about, simple_predictors(about, world), rows, world)
    result = judged_result(about, scores, world, RunFolder(tmp_path))
    bias = result.architectures["bias"]
    assert (result.baseline.name, result.baseline.kind) == ("bias", "simple")
    assert (bias.verdict, bias.gain, bias.ci95, bias.p_holm) == ("is the baseline", 0.0, (0.0, 0.0), None)


def test_a_bias_that_lost_a_refit_is_not_judged_by_the_damped_means_that_are_fitted_in_its_place(tmp_path, world):
    config = {"user_damping": 2.0, "item_damping": 3.0}
    about = with_bias(tmp_path, world, by_fold={1: 0.3, 2: 0.3, 3: 0.3}, config=config)
    about = replace(
        about, baseline=baseline_of("1.5"), fitted=about.fitted | {"bias0": Lost(key="bias0", reason="lost")}
    )
    rows, _ = world.split.test.open(looks(), reason="test")
    scores = score_with_simple(about, simple_predictors(about, world), rows, world)
    result = judged_result(about, scores, world, RunFolder(tmp_path))
    bias = result.architectures["bias"]
    assert (bias.test, bias.gain, bias.gain_over_simple, bias.verdict) == (None, None, None, None)
    assert result.simple.best == "bias"
    assert set(result.simple.compared["bias"].config.values()) <= set(DAMPINGS)
