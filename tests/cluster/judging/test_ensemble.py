"""The ensemble of a search's choices, from fits that no Ray is needed for."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from reeltune.cluster.data_parallel.orders import FitOrder, Fitted, Lost
from reeltune.cluster.judging import ensemble as ensembled
from reeltune.cluster.judging.outcome import CALIBRATION, Searched
from reeltune.cluster.judging.spread import spread as spread_of
from reeltune.cluster.runs import out_of_fold as held_out
from reeltune.cluster.runs.folder import Entry, Ledger, RunFolder
from reeltune.cluster.search.choice import SEEDS, Choice
from reeltune.cluster.search.trial_fit import KEPT
from reeltune.trainables.architectures import ensemble
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data import SealedRows, fold
from reeltune.trainables.data.prepared import DataOptions, looks, prepare
from reeltune.trainables.fitting.fit import Fit
from reeltune.trainables.fitting.loop import run
from reeltune.trainables.scoring.decoders import decode
from reeltune.trainables.scoring.metrics import predict
from tests.worlds import small_config

NAMES = ("bias", "pmf", "classifier")
FOLDS = range(1, 1 + SEEDS)


@pytest.fixture(scope="module")
def prepared():
    return prepare(DataOptions(data="synthetic:users=60,items=40,ratings=1500,noise=0.3", split_seed=1))


def trained(name, config, prepared, rows, seed):
    architecture = ARCHITECTURES[name]
    fit = Fit(architecture, architecture.Config.model_validate(config), prepared.shape, rows, seed=seed)
    list(run(fit))
    return fit


def refit(name, config, place, prepared):
    order = FitOrder(key=f"{name}{place}", architecture=name, config=config, seed=1 + place, rows="fitting")
    fit = trained(name, config, prepared, prepared.split.fitting, order.seed)
    came = Fitted(
        key=order.key,
        weights=fit.model.served().state_dict(),
        seconds=0.0,
        epochs=fit.epoch,
        train_loss=0.0,
        metrics=None,
        temperature=1.0,
    )
    return order, came


def confirm(name, config, prepared, folder):
    """The confirmations of a choice, and the ratings that they leave."""
    parts, trials = prepared.split, tuple(f"{name}-000-again{number + 1}" for number in range(SEEDS))
    for number, trial in enumerate(trials):
        train, rows = fold(parts.train, parts.validation, 1 + number, kind="random")
        model = trained(name, config, prepared, train, number).model
        output = predict(model, torch.tensor(rows.users), torch.tensor(rows.items))
        scale = prepared.shape.scale
        ratings = [decode(output, model.grid, scale, decoder=by, temperature=2.0) for by in KEPT]
        held_out.write(folder.store, trial, torch.stack(ratings).numpy())
    metrics = {"argmax_mse": 1.0, "mean_mse": 1.0}
    by_fold = {1 + number: 1.0 for number in range(SEEDS)}
    return Choice(config=config, value=1.0, metrics=metrics, temperature=2.0, trials=trials, by_fold=by_fold)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return RunFolder(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def searched(prepared, folder):
    """What a search over three architectures came to."""
    configs = {name: small_config(name).model_dump() for name in NAMES}
    refits = {(n, p): refit(n, config, p, prepared) for n, config in configs.items() for p in range(SEEDS)}
    return Searched(
        architectures=list(NAMES),
        ledger=Ledger(folder.ledger),
        choices={name: confirm(name, config, prepared, folder) for name, config in configs.items()},
        orders={place: order for place, (order, _) in refits.items()},
        fitted={came.key: came for _, came in refits.values()},
        decoder="argmax",
        seed=1,
    )


def lost(searched, *keys):
    return replace(searched, fitted=searched.fitted | {key: Lost(key=key, reason="lost") for key in keys})


def ratings_of(searched, name, folder, *, by=None):
    """An architecture's ratings of the rows that all confirmations held out, one fold after the other."""
    return np.concatenate(list(ensembled.held_out_ratings(searched, name, folder, by=by).values()))


def weights(searched, prepared, folder):
    return ensembled.with_ensemble(searched, prepared, folder).choices["ensemble"].config["weights"]


def test_the_ensemble_is_one_more_choice_with_an_error_near_that_of_its_best_member(searched, prepared, folder):
    found = ensembled.with_ensemble(searched, prepared, folder)
    assert found.architectures == [*NAMES, "ensemble"]
    choice = found.choices["ensemble"]
    assert sum(choice.config["weights"].values()) == pytest.approx(1)
    assert choice.value == choice.metrics["argmax_mse"] == choice.metrics["mean_mse"]
    assert choice.metrics["median_mse"] is None
    rows = ensembled.held_out_rows(prepared, FOLDS)
    errors = [((ratings_of(searched, name, folder) - rows.ratings) ** 2).mean() for name in NAMES]
    assert choice.value < min(errors) + 0.02


def test_where_probabilities_are_judged_the_ensemble_has_noise_and_the_same_weights(searched, prepared, folder):
    by_rps = ensembled.with_ensemble(replace(searched, metric="rps"), prepared, folder).choices["ensemble"]
    assert by_rps.config == ensembled.with_ensemble(searched, prepared, folder).choices["ensemble"].config
    assert by_rps.value == by_rps.metrics["rps"] == pytest.approx(np.mean(list(by_rps.by_fold.values())), rel=1e-3)
    assert by_rps.temperature == pytest.approx(by_rps.metrics["rmse"], rel=0.2), "the width of the errors"


def test_the_same_fits_have_the_same_noise_as_the_baseline_and_as_an_architecture(searched, prepared):
    both = replace(searched, orders={**searched.orders, ("baseline", 0): searched.orders["pmf", 0]}, metric="rps")
    assert both.temperature("baseline") == both.choices["pmf"].temperature == 2.0
    assert searched.temperature("baseline") == 1.0
    classes = {**searched.orders, ("baseline", 0): searched.orders["classifier", 0]}
    assert replace(searched, orders=classes, decoder="mean").temperature("baseline") == 2.0, "of logits, for the mean"


@pytest.mark.parametrize(
    ("metric", "decoder", "judged"), [("rps", "argmax", 0), ("mse", "mean", 0), ("mse", "argmax", 1)]
)
def test_a_baseline_without_a_temperature_is_left_out_where_it_is_judged_by_one(searched, metric, decoder, judged):
    reference = {("baseline", place): searched.orders["bias", place] for place in range(SEEDS)}
    choices = {name: choice for name, choice in searched.choices.items() if name != "bias"}
    others = replace(searched, orders={**searched.orders, **reference}, choices=choices, metric=metric, decoder=decoder)
    assert "baseline" in others.complete()
    assert ("baseline" in lost(others, CALIBRATION).complete()) == judged


def test_held_out_ratings_are_of_the_very_rows(searched, prepared, folder):
    rows = ensembled.held_out_rows(prepared, FOLDS)
    ratings = ratings_of(searched, "bias", folder)
    assert len(rows) == len(ratings) == SEEDS * len(prepared.split.validation)
    assert np.corrcoef(ratings, rows.ratings)[0, 1] > 0.3


def test_the_test_rows_have_no_part_in_the_weights_and_are_not_opened(searched, prepared, folder):
    rows = prepared.split.test._rows
    other = SealedRows(replace(rows, ratings=6 - rows.ratings, users=rows.users[::-1]))
    changed = replace(prepared, split=replace(prepared.split, test=other))
    assert weights(searched, changed, folder) == weights(searched, prepared, folder)
    assert not looks().exists()


def test_held_out_ratings_have_a_part_in_the_weights(searched, prepared, folder):
    rows = prepared.split.train
    other = replace(rows, ratings=np.random.default_rng(0).permutation(rows.ratings))
    changed = replace(prepared, split=replace(prepared.split, train=other))
    assert weights(searched, changed, folder) != weights(searched, prepared, folder)


def test_an_architecture_with_a_lost_refit_is_left_out(searched, prepared, folder):
    assert list(weights(lost(searched, f"pmf{SEEDS - 1}"), prepared, folder)) == ["bias", "classifier"]


def on_folds(searched, name, *folds):
    """The same search, of which this architecture's choice has these confirmations alone."""
    choice = searched.choices[name]
    trials = tuple(choice.trials[number - 1] for number in folds)
    fewer = replace(choice, trials=trials, by_fold=dict.fromkeys(folds, 1.0))
    return replace(searched, choices={**searched.choices, name: fewer})


def without_a_fold(searched, name):
    return on_folds(searched, name, *FOLDS[:-1])


def test_an_architecture_that_lacks_a_fold_is_left_out(searched, prepared, folder):
    assert list(weights(without_a_fold(searched, "pmf"), prepared, folder)) == ["bias", "classifier"]


def test_an_architecture_whose_held_out_ratings_are_gone_is_left_out(searched, prepared, folder, tmp_path):
    shutil.copytree(folder.path, tmp_path, dirs_exist_ok=True)
    (tmp_path / "held_out" / "pmf-000-again2.npy").unlink()
    assert list(weights(searched, prepared, RunFolder(tmp_path))) == ["bias", "classifier"]


def test_one_architecture_makes_no_ensemble(searched, prepared, folder):
    alone = without_a_fold(lost(searched, "bias0"), "pmf")
    assert ensembled.with_ensemble(alone, prepared, folder) is alone


def test_the_spread_of_each_choice_is_of_the_rows_that_confirmations_held_out(searched, prepared, folder):
    found = ensembled.with_ensemble(searched, prepared, folder)
    rows = ensembled.held_out_rows(prepared, FOLDS)
    for name in found.choices:
        spread = spread_of(found, name, prepared, folder)
        assert spread.rows == len(rows)
        assert 0.1 < spread.noise + spread.user + spread.item < 10
    mean, argmax = (ratings_of(searched, "classifier", folder, by=by) for by in ("mean", "argmax"))
    assert not np.array_equal(mean, argmax)


def test_a_choice_without_its_confirmations_has_no_spread(searched, prepared, folder):
    found = ensembled.with_ensemble(searched, prepared, folder)
    partly = on_folds(found, "pmf", *FOLDS[1:])
    assert spread_of(partly, "pmf", prepared, folder) is None
    assert spread_of(partly, "ensemble", prepared, folder) is None
    assert spread_of(partly, "bias", prepared, folder) is not None


def entry(name, number, value, *, fold=0):
    return Entry(
        trial=f"{name}-{number:03}{f'-again{fold}' if fold else ''}",
        architecture=name,
        number=number,
        stage="confirm" if fold else "search",
        state="done",
        config={"number": number},
        value=value,
        metrics=None,
        temperature=1.0,
        curve={},
        epochs=1,
        seconds=1.0,
        seed=1,
        error=None,
        fold=fold,
        on_sample=None if fold else {"number": number},
    )


@pytest.fixture
def alone(searched, tmp_path):
    """A search on a sample, of whose `pmf` the first finalist is left alone and has one confirmation."""
    ledger = Ledger(tmp_path / "trials.jsonl")
    for number, again in enumerate([0.8, 0.9, 0.9]):
        ledger.append(entry("pmf", number, 1.0))
        ledger.append(entry("pmf", number, again, fold=1))
    return replace(on_folds(searched, "pmf", 1), ledger=ledger)


def test_where_a_member_has_one_fold_by_design_weights_are_of_the_rows_of_that_fold(alone, prepared, folder):
    choice = ensembled.with_ensemble(alone, prepared, folder).choices["ensemble"]
    rows = ensembled.held_out_rows(prepared, [1])
    predictions = np.stack([ensembled.held_out_ratings(alone, name, folder)[1] for name in NAMES])
    expected = dict(zip(NAMES, ensemble.weights(predictions, rows.ratings, None).tolist(), strict=True))
    assert choice.config["weights"] == expected
    assert list(choice.by_fold) == [1]
    assert choice.value == pytest.approx(choice.by_fold[1])


def test_a_member_that_lost_a_fold_is_left_out_beside_one_that_has_one_by_design(alone, prepared, folder):
    assert list(weights(without_a_fold(alone, "bias"), prepared, folder)) == ["pmf", "classifier"]


def test_where_members_have_one_fold_by_design_intervals_are_of_all_rows_that_each_has(
    alone, prepared, folder, monkeypatch
):
    monkeypatch.setattr("reeltune.trainables.scoring.spread.FEWEST", 100)  # a fold of this world has 120
    found = ensembled.with_ensemble(alone, prepared, folder)
    rows = {name: spread_of(found, name, prepared, folder).rows for name in found.choices}
    each = len(ensembled.held_out_rows(prepared, [1]))
    assert rows == {"bias": SEEDS * each, "pmf": each, "classifier": SEEDS * each, "ensemble": each}


def test_where_finalists_were_not_dropped_one_fold_is_a_loss(alone, searched, prepared, folder):
    assert list(weights(replace(alone, ledger=searched.ledger), prepared, folder)) == ["bias", "classifier"]


def test_a_member_that_was_decided_after_two_folds_has_the_weights_and_intervals_of_these(
    searched, prepared, folder, tmp_path, monkeypatch
):
    monkeypatch.setattr("reeltune.trainables.scoring.spread.FEWEST", 100)
    ledger = Ledger(tmp_path / "trials.jsonl")
    for number, values in enumerate([(0.8, 0.8), (0.801, 0.801), (0.9, None)]):
        ledger.append(entry("pmf", number, 1.0))
        for number_of_fold, value in enumerate(values, start=1):
            if value is not None:
                ledger.append(entry("pmf", number, value, fold=number_of_fold))
    found = ensembled.with_ensemble(replace(on_folds(searched, "pmf", 1, 2), ledger=ledger), prepared, folder)
    choice = found.choices["ensemble"]
    assert list(choice.config["weights"]) == list(NAMES)
    assert list(choice.by_fold) == [1, 2]
    rows = {name: spread_of(found, name, prepared, folder).rows for name in found.choices}
    each = len(ensembled.held_out_rows(prepared, [1]))
    assert rows == {"bias": SEEDS * each, "pmf": 2 * each, "classifier": SEEDS * each, "ensemble": 2 * each}
