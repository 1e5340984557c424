"""The ensemble of a search's choices, from fits that no Ray is needed for."""

from dataclasses import replace

import numpy as np
import pytest

from cluster import ensembled
from cluster.dealer import SEEDS, Choice
from cluster.prepared import DataOptions, looks, prepare
from cluster.run_folder import Ledger
from cluster.searched import Searched
from cluster.train_group import FitOrder, Fitted, Lost
from tests.worlds import small_config
from trainables.architectures import ARCHITECTURES
from trainables.data import SealedRows
from trainables.fit import Fit
from trainables.loop import run

NAMES = ("bias", "pmf", "classifier")


@pytest.fixture(scope="module")
def prepared():
    return prepare(DataOptions(data="synthetic:users=60,items=40,ratings=1500,noise=0.3", split_seed=1))


def fitted(order, prepared):
    config = ARCHITECTURES[order.architecture].Config.model_validate(order.config)
    rows = prepared.split.fitting if order.rows == "fitting" else prepared.split.train
    fit = Fit(ARCHITECTURES[order.architecture], config, prepared.shape, rows, seed=order.seed)
    list(run(fit))
    return Fitted(
        key=order.key,
        weights=fit.model.served().state_dict(),
        seconds=0.0,
        epochs=fit.epoch,
        train_loss=0.0,
        metrics=None,
        temperature=1.0,
    )


def refit(name, config, place):
    return FitOrder(key=f"{name}{place}", architecture=name, config=config, seed=1 + place, rows="fitting")


@pytest.fixture(scope="module")
def searched(prepared, tmp_path_factory):
    """What a search over three architectures came to."""
    configs = {name: small_config(name).model_dump() for name in NAMES}
    metrics = {"argmax_mse": 1.0, "mean_mse": 1.0}
    choices = {n: Choice(config=c, value=1.0, metrics=metrics, temperature=2.0) for n, c in configs.items()}
    refits = {(n, place): refit(n, config, place) for n, config in configs.items() for place in range(SEEDS)}
    held_out = ensembled.orders(choices, seed=1)
    return Searched(
        architectures=list(NAMES),
        ledger=Ledger(tmp_path_factory.mktemp("run") / "trials.jsonl"),
        choices=choices,
        orders=refits,
        held_out=held_out,
        fitted={order.key: fitted(order, prepared) for order in [*refits.values(), *held_out.values()]},
        decoder="argmax",
        seed=1,
    )


def lost(searched, *keys):
    return replace(searched, fitted=searched.fitted | {key: Lost(key=key, reason="lost") for key in keys})


def weights(searched, prepared):
    return ensembled.with_ensemble(searched, prepared).choices["ensemble"].config["weights"]


def test_weights_are_fitted_by_fits_on_training_rows_alone(searched):
    assert list(searched.held_out) == list(NAMES)
    assert {order.rows for order in searched.held_out.values()} == {"training"}


def test_the_ensemble_is_one_more_choice_with_an_error_near_that_of_its_best_member(searched, prepared):
    found = ensembled.with_ensemble(searched, prepared)
    assert found.architectures == [*NAMES, "ensemble"]
    choice = found.choices["ensemble"]
    assert sum(choice.config["weights"].values()) == pytest.approx(1)
    assert choice.value == choice.metrics["argmax_mse"] == choice.metrics["mean_mse"]
    assert choice.metrics["median_mse"] is None
    alone = [ensembled.held_out(searched, name, prepared) for name in NAMES]
    errors = [((ratings - prepared.split.validation.ratings) ** 2).mean() for ratings in alone]
    assert choice.value < min(errors) + 0.02


def test_the_test_rows_have_no_part_in_the_weights_and_are_not_opened(searched, prepared):
    rows = prepared.split.test._rows
    other = SealedRows(replace(rows, ratings=6 - rows.ratings, users=rows.users[::-1]))
    changed = replace(prepared, split=replace(prepared.split, test=other))
    assert weights(searched, changed) == weights(searched, prepared)
    assert not looks().exists()


def test_validation_ratings_have_a_part_in_the_weights(searched, prepared):
    rows = prepared.split.validation
    other = replace(rows, ratings=np.random.default_rng(0).permutation(rows.ratings))
    changed = replace(prepared, split=replace(prepared.split, validation=other))
    assert weights(searched, changed) != weights(searched, prepared)


@pytest.mark.parametrize("key", ["pmf, for the ensemble", f"pmf{SEEDS - 1}"])
def test_an_architecture_with_a_lost_fit_is_left_out(searched, prepared, key):
    assert list(weights(lost(searched, key), prepared)) == ["bias", "classifier"]


def test_one_architecture_makes_no_ensemble(searched, prepared):
    alone = lost(searched, "pmf, for the ensemble", "bias0")
    assert ensembled.with_ensemble(alone, prepared) is alone
    assert ensembled.orders({"pmf": searched.choices["pmf"]}, seed=1) == {}
