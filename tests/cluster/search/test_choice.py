"""Which configuration is chosen, and on which folds, by a ledger alone."""

import pytest

from reeltune.cluster.runs.folder import Entry, Ledger
from reeltune.cluster.search.choice import Choice, choose, comparable, unlike_folds


def confirmed(number, fold, value, *, state="done"):
    """The end of a confirmation of configuration `number` on this fold."""
    return Entry(
        trial=f"pmf-{number:03}-again{fold}",
        architecture="pmf",
        number=fold,
        stage="confirm",
        state=state,
        config={"factors": number},
        value=value,
        metrics={"argmax_mse": value},
        temperature=1.0,
        curve={},
        epochs=1,
        seconds=1.0,
        seed=1,
        error=None,
        fold=fold,
    )


@pytest.fixture
def chosen(tmp_path):
    def chosen(*entries):
        ledger = Ledger(tmp_path / "trials.jsonl")
        for entry in entries:
            ledger.append(entry)
        return choose(ledger, "pmf")

    return chosen


def test_the_lowest_mean_over_the_folds_is_chosen(chosen):
    first = [confirmed(0, fold, value) for fold, value in ((1, 0.5), (2, 0.9), (3, 0.7))]
    second = [confirmed(1, fold, value) for fold, value in ((1, 0.6), (2, 0.6), (3, 0.6))]
    choice = chosen(*first, *second)
    assert (choice.config, choice.value) == ({"factors": 1}, pytest.approx(0.6))
    assert choice.by_fold == {1: 0.6, 2: 0.6, 3: 0.6}


def test_a_configuration_that_failed_with_a_seed_does_not_win_by_the_others(chosen):
    lost = [confirmed(0, 1, 0.1), confirmed(0, 2, 0.1), confirmed(0, 3, None, state="failed")]
    whole = [confirmed(1, fold, 0.6) for fold in (1, 2, 3)]
    assert chosen(*lost, *whole).config == {"factors": 1}


def test_configurations_are_compared_on_the_folds_that_both_finished(chosen):
    """Fold 3 is hard and fold 1 easy: by its own folds the second would win, and on fold 2 the first is better."""
    first = [confirmed(0, 2, 0.5), confirmed(0, 3, 2.0)]
    second = [confirmed(1, 1, 0.1), confirmed(1, 2, 0.6)]
    assert chosen(*first, *second).config == {"factors": 0}


def test_nothing_is_chosen_where_nothing_finished(chosen):
    assert chosen(confirmed(0, 1, None, state="failed")) is None


def test_values_are_means_over_the_common_folds():
    assert comparable({"a": {1: 1.0, 2: 3.0}, "b": {2: 2.0, 3: 9.0}}) == {"a": 3.0, "b": 2.0}


def test_without_a_common_fold_those_with_the_fewest_are_left_out():
    assert comparable({"a": {1: 1.0}, "b": {2: 2.0, 3: 4.0}, "c": {2: 5.0, 3: 7.0}}) == {"b": 3.0, "c": 6.0}
    assert comparable({"a": {}}) == {}


def test_an_architecture_that_lacks_a_fold_is_named():
    def choice(*folds):
        return Choice(config={}, value=1.0, metrics={}, temperature=1.0, by_fold=dict.fromkeys(folds, 1.0))

    said = unlike_folds({"pmf": choice(1, 2, 3), "bias": choice(1), "svdpp": choice(1, 3)})
    assert said.endswith("finished: bias lacks folds 2 and 3, svdpp lacks fold 2")
    assert unlike_folds({"pmf": choice(1, 2, 3), "bias": choice(1, 2, 3)}) == ""
