"""Which configuration is chosen, and on which folds, by a ledger alone."""

from dataclasses import replace

import pytest

from reeltune.cluster.runs.folder import Entry, Ledger
from reeltune.cluster.search.choice import (
    Choice,
    agreed,
    choose,
    comparable,
    decided_early,
    dropped,
    earlier_finalists,
    often,
    one_left,
    unlike_folds,
    without_reference,
)


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


def choice(*folds):
    return Choice(config={}, value=1.0, metrics={}, temperature=1.0, by_fold=dict.fromkeys(folds, 1.0))


def test_an_architecture_that_lacks_a_fold_is_named():
    said = unlike_folds({"pmf": choice(1, 2, 3), "bias": choice(1), "svdpp": choice(1, 3)})
    assert said.endswith("finished: bias lacks folds 2 and 3, svdpp lacks fold 2")
    assert unlike_folds({"pmf": choice(1, 2, 3), "bias": choice(1, 2, 3)}) == ""


def test_one_that_was_not_confirmed_again_by_design_has_lost_nothing():
    choices = {"pmf": choice(1, 2, 3), "bias": choice(1), "svdpp": choice(1, 3)}
    often = {"pmf": 3, "bias": 1, "svdpp": 3}
    assert unlike_folds(choices, fewer=["bias"]).endswith("finished: svdpp lacks fold 2")
    assert decided_early(choices, often) == (
        "note: all configurations but one were dropped after 1 confirmation, so the one left was not confirmed further"
        ": bias; architectures are compared on fold 1"
    )
    assert decided_early({"bias": choice(1)}, often).endswith("not confirmed further: bias")
    assert decided_early({"bias": choice(1, 2, 3)}, often) == "", "an earlier version confirmed it again"
    assert decided_early(choices, dict.fromkeys(choices, 3)) == ""


def test_it_is_said_of_which_architectures_two_confirmations_agreed():
    choices = {"pmf": choice(1, 2), "svdpp": choice(1, 2, 3), "bias": choice(1)}
    assert decided_early(choices, {"pmf": 2, "svdpp": 3, "bias": 1}) == (
        "note: all configurations but one were dropped after 1 confirmation, so the one left was not confirmed further"
        ": bias; 2 confirmations have the same best configuration, so there was no third: pmf"
        "; architectures are compared on fold 1"
    )
    assert decided_early({"pmf": choice(1, 2)}, {"pmf": 2}) == (
        "note: 2 confirmations have the same best configuration, so there was no third: pmf"
    )
    assert decided_early({"pmf": choice(1, 2, 3)}, {"pmf": 2}) == "", "an earlier version confirmed it again"


def searched(number, value):
    """The end of the search trial of configuration `number`."""
    trial = {"trial": f"pmf-{number:03}", "number": number, "stage": "search", "fold": 0}
    return Entry(**{**vars(confirmed(number, 1, value)), **trial})


@pytest.mark.parametrize("first", [0, 1])
def test_another_configuration_is_chosen_only_if_it_is_better_than_the_reference(chosen, first):
    trials = [searched(0, 0.5), searched(1, 0.4)]
    again = [confirmed(number, fold, 0.6) for number in (first, 1 - first) for fold in (1, 2, 3)]
    assert chosen(*trials, *again).config == {"factors": 0}


@pytest.mark.parametrize(
    ("number", "state", "folds", "named"),
    [
        (0, "done", (1, 2, 3), False),
        (0, "done", (1,), True),  # two of its confirmations are lost
        (0, "failed", (), True),
        (2, "done", (1, 2, 3), True),  # trial 0 was cut off
    ],
)
def test_a_choice_that_was_not_compared_with_the_reference_is_named(chosen, tmp_path, number, state, folds, named):
    other = [searched(1, 0.4), *(confirmed(1, fold, 0.6) for fold in (1, 2, 3))]
    trial = replace(searched(number, 0.5), state=state)
    choice = chosen(*other, trial, *(confirmed(number, fold, 0.7) for fold in folds))
    said = without_reference(Ledger(tmp_path / "trials.jsonl"), {"pmf": choice})
    assert said.endswith("than they are: pmf") == named
    assert bool(said) == named


@pytest.fixture
def three(tmp_path):
    """Three trials, and the first confirmation of each. Errors changed by 0.01, 0.02 and 0.03: a spread of 0.01."""
    ledger = Ledger(tmp_path / "trials.jsonl")
    for number, (value, again) in enumerate([(0.80, 0.81), (0.82, 0.84), (0.90, 0.93)]):
        ledger.append(searched(number, value))
        ledger.append(confirmed(number, 1, again))
    return ledger


def names(entries):
    return [entry.trial for entry in entries]


def on_sample(entries):
    """These entries, those of the search as if they had fit on a sample of users."""
    return [replace(e, on_sample=e.config) if e.stage == "search" else e for e in entries]


def test_one_that_is_behind_by_over_four_spreads_is_dropped(three):
    assert names(dropped(three, "pmf")) == ["pmf-002"]


def test_one_that_is_behind_by_less_is_not(three):
    three.entries[-1] = confirmed(2, 1, 0.849)
    three.entries[-2] = searched(2, 0.819)
    assert dropped(three, "pmf") == []


def test_in_a_sampled_search_one_that_is_behind_by_over_a_hundredth_is_dropped(three):
    """What more rows do to each configuration is in the spread, and says nothing of who is ahead on all rows."""
    three.entries = [
        e for n, again in enumerate([0.5, 0.504, 0.506]) for e in (searched(n, 0.9 - 0.1 * n), confirmed(n, 1, again))
    ]
    assert dropped(three, "pmf") == []
    three.entries = on_sample(three.entries)
    assert names(dropped(three, "pmf")) == ["pmf-002"]


def test_that_rows_are_harder_for_all_is_no_spread(three):
    three.entries = [replace(e, value=e.value + 5) if e.stage == "confirm" else e for e in three.entries]
    assert names(dropped(three, "pmf")) == ["pmf-002"]


def test_nobody_is_dropped_before_the_last_first_confirmation_has_ended_or_among_two(three):
    whole = three.entries
    three.entries = whole[:-1]
    assert dropped(three, "pmf") == []
    three.entries = [entry for entry in whole if entry.config["factors"] != 1]
    assert dropped(three, "pmf") == []


def test_where_errors_change_by_the_very_same_nothing_is_known_of_their_spread(three):
    three.entries = [e for n in range(3) for e in (searched(n, n), confirmed(n, 1, n))]
    assert dropped(three, "pmf") == []


def test_one_with_every_confirmation_was_not_dropped(three):
    for fold in (2, 3):
        three.append(confirmed(2, fold, 0.1))
    assert dropped(three, "pmf") == []
    assert choose(three, "pmf").config == {"factors": 2}, "it has more of them than the others"


def test_a_dropped_one_is_not_chosen_though_its_one_error_is_below_the_means_of_others(three):
    for number, fold in [(0, 2), (0, 3), (1, 2), (1, 3)]:
        three.append(confirmed(number, fold, 5.0 + number))
    assert choose(three, "pmf").config == {"factors": 0}


@pytest.fixture
def alone(three):
    """The same on a sample of users: the second is behind by over a hundredth too, so that the first alone is left."""
    three.entries = on_sample(three.entries)
    return three


def test_on_a_sample_one_finalist_is_left_where_the_others_are_a_hundredth_behind(alone):
    assert names(dropped(alone, "pmf")) == ["pmf-001", "pmf-002"]
    assert one_left(alone, "pmf")
    alone.entries[3] = confirmed(1, 1, 0.811)
    assert not one_left(alone, "pmf"), "two are left"


def test_before_the_last_first_confirmation_has_ended_nobody_knows_whether_one_is_left(alone):
    alone.entries = alone.entries[:-1]
    assert not one_left(alone, "pmf")


def test_without_a_sample_the_one_left_is_tried_again_as_ever(three):
    three.entries[:2] = [searched(0, 0.10), confirmed(0, 1, 0.12)]
    assert names(dropped(three, "pmf")) == ["pmf-001", "pmf-002"]
    assert not one_left(three, "pmf")
    three.entries = on_sample(three.entries)
    assert one_left(three, "pmf")


def test_the_one_left_is_chosen_by_its_one_confirmation(alone):
    choice = choose(alone, "pmf")
    assert (choice.config, choice.by_fold) == ({"factors": 0}, {1: 0.81})
    assert choice.trials == ("pmf-000-again1",)


def test_a_dropped_one_that_an_earlier_version_confirmed_twice_is_not_chosen_instead(alone):
    alone.append(confirmed(2, 2, 0.1))
    assert one_left(alone, "pmf")
    assert choose(alone, "pmf").config == {"factors": 0}


def test_confirmations_that_the_one_left_has_from_an_earlier_version_all_count(alone):
    for fold in (2, 3):
        alone.append(confirmed(0, fold, 0.9))
    assert one_left(alone, "pmf")
    assert choose(alone, "pmf").by_fold == {1: 0.81, 2: 0.9, 3: 0.9}


@pytest.fixture
def resumed(alone):
    """The same after more trials. 3 and 4 were finalists before them, and 3 was left alone: it is near the best now."""
    alone.entries += on_sample([searched(3, 0.95), searched(4, 0.96)])
    alone.entries += [confirmed(3, 1, 0.815), confirmed(4, 1, 0.85)]
    return alone


def test_an_earlier_finalist_near_the_one_that_is_left_is_tried_again_and_so_is_that_one(resumed):
    assert names(earlier_finalists(resumed, "pmf")) == ["pmf-003"]
    assert not one_left(resumed, "pmf")
    for number, fold in [(0, 2), (0, 3), (3, 2), (3, 3)]:
        resumed.append(confirmed(number, fold, 0.8 - 0.1 * number))
    assert choose(resumed, "pmf").config == {"factors": 3}


def test_earlier_finalists_far_behind_are_out_of_the_question(resumed):
    resumed.entries = [replace(e, value=0.84) if e.trial == "pmf-003-again1" else e for e in resumed.entries]
    assert earlier_finalists(resumed, "pmf") == []
    assert one_left(resumed, "pmf")
    assert choose(resumed, "pmf").config == {"factors": 0}


def test_beside_an_earlier_finalist_that_has_every_confirmation_the_one_left_gets_them_too(resumed):
    resumed.entries = [replace(e, value=0.84) if e.trial == "pmf-003-again1" else e for e in resumed.entries]
    for fold in (2, 3):
        resumed.append(confirmed(3, fold, 0.84))
    assert not one_left(resumed, "pmf")


@pytest.fixture
def two(three):
    """On a sample of users: the first two are left, which are 0.001 apart, and the third is dropped."""
    three.entries = on_sample(three.entries)
    three.entries[3] = confirmed(1, 1, 0.811)
    return three


@pytest.mark.parametrize(("again", "times"), [((0.81, 0.82), 2), ((0.82, 0.81), 3)])
def test_on_a_sample_two_confirmations_are_enough_where_they_have_the_same_best_one(two, again, times):
    for number, value in enumerate(again):
        assert often(two, "pmf") == 3, "the second has not ended for all"
        two.append(confirmed(number, 2, value))
    assert often(two, "pmf") == times
    assert choose(two, "pmf").config == {"factors": 0 if times == 2 else 1}


def test_without_a_sample_all_that_are_left_get_every_confirmation(two):
    two.entries = [replace(entry, on_sample=None) for entry in two.entries]
    for number in range(3):
        two.append(confirmed(number, 2, 0.8 + number))
    assert not agreed(two, "pmf")


def test_beside_one_whose_second_confirmation_failed_there_is_a_third(two):
    two.append(confirmed(0, 2, 0.8))
    two.append(confirmed(1, 2, None, state="failed"))
    assert not agreed(two, "pmf")


def test_beside_one_that_has_three_confirmations_the_others_get_three_too(two):
    """Those with the most are compared, so that it would win by having more."""
    for number, fold in [(0, 2), (1, 2)]:
        two.append(confirmed(number, fold, 0.8 + number))
    assert agreed(two, "pmf")
    two.append(confirmed(1, 3, 0.8))
    assert not agreed(two, "pmf")


def test_an_earlier_finalist_that_is_near_has_a_part_in_whether_two_agree(resumed):
    """0 is left, and 3 of before is near it."""
    resumed.append(confirmed(0, 2, 0.82))
    assert not agreed(resumed, "pmf"), "3 has one"
    resumed.append(confirmed(3, 2, 0.83))
    assert agreed(resumed, "pmf")
    resumed.entries[-1] = confirmed(3, 2, 0.81)
    assert not agreed(resumed, "pmf")


def test_without_a_sample_earlier_finalists_get_no_more(resumed):
    resumed.entries = [replace(entry, on_sample=None) for entry in resumed.entries]
    assert earlier_finalists(resumed, "pmf") == []


def test_a_reference_that_was_dropped_was_compared(tmp_path):
    ledger = Ledger(tmp_path / "trials.jsonl")
    for number, (value, again) in enumerate([(0.90, 0.93), (0.82, 0.84), (0.80, 0.81)]):
        ledger.entries += [searched(number, value), confirmed(number, 1, again)]
    assert names(dropped(ledger, "pmf")) == ["pmf-000"]
    ledger.entries += [confirmed(number, fold, 0.8) for number in (1, 2) for fold in (2, 3)]
    assert without_reference(ledger, {"pmf": choose(ledger, "pmf")}) == ""
