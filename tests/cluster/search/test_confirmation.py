"""Which configurations are tried again, when, and with which seeds and folds: by a ledger alone."""

from dataclasses import replace

import pytest

from reeltune.cluster.runs.folder import Entry, Ledger
from reeltune.cluster.search.choice import FINALISTS, SEEDS
from reeltune.cluster.search.confirmation import AGAIN, Confirmation


def entry(number, value, *, architecture="pmf", state="done", seconds=1.0):
    return Entry(
        trial=f"{architecture}-{number:03}",
        architecture=architecture,
        number=number,
        stage="search",
        state=state,
        config={"factors": number},
        value=value,
        metrics=None,
        temperature=1.0,
        curve={},
        epochs=1,
        seconds=seconds,
        seed=1,
        error=None,
    )


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "trials.jsonl")


def ordered(confirmation, *, waiting=(), running=()):
    """Every confirmation that is ordered while nothing ends."""
    orders = list(running)
    while (order := confirmation.next(orders, waiting=waiting)) is not None:
        orders.append(order)
    return orders[len(running) :]


def ended(order, value, *, state="done"):
    """The end of a confirmation, with this value."""
    about = {**vars(entry(order.number, value, state=state)), **vars(order)}
    return Entry(**about)


@pytest.fixture
def five(ledger):
    """Five trials ended. The best three of them, the reference counted among them, are 3, 1 and 0."""
    for number, value in enumerate([0.9, 0.2, 0.3, 0.1, 0.4]):
        ledger.append(entry(number, value))
    return Confirmation(ledger, ["pmf"], seed=42)


def test_the_best_are_ordered_with_every_seed_and_fold_each_once_first(ledger, five):
    first = ordered(five)
    assert [order.config["factors"] for order in first] == [3, 1, 0], "0 is the reference"
    for order, value in zip(first, (0.5, 0.6, 0.9), strict=True):
        ledger.append(ended(order, value))
    others = ordered(five)
    assert [order.config["factors"] for order in others] == [3] * 2 + [1] * 2 + [0] * 2
    assert len([*first, *others]) == FINALISTS * SEEDS
    best = [first[0], *others[:2]]
    assert [(order.seed, order.fold) for order in best] == [(42 + AGAIN + n, 1 + n) for n in range(SEEDS)]
    assert sorted(order.number for order in [*first, *others]) == [0, 1, 2, 3, 4, 5, 9, 10, 11]
    assert [order.trial for order in best] == ["pmf-003-again1", "pmf-003-again2", "pmf-003-again3"]
    assert {order.stage for order in [*first, *others]} == {"confirm"}


def test_an_order_stays_the_same_when_better_trials_have_come(ledger, five):
    """A confirmation that was cut off goes on from its state, which is of its order."""
    before = {order.trial: order for order in ordered(five)}
    ledger.append(replace(ledger.entries[3], trial="pmf-005", number=5, config={"factors": 5}, value=0.01))
    after = {order.trial: order for order in ordered(five)}
    both = before.keys() & after.keys()
    assert len(both) == 2
    assert "pmf-005-again1" in after
    assert all(before[trial] == after[trial] for trial in both)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_one_far_behind_gets_no_more_in_whichever_order_the_first_ended(ledger, five, order):
    """Errors changed by 0.40, 0.41 and 0.42, a spread of 0.01; the reference is 0.82 behind."""
    first, values = ordered(five), (0.50, 0.61, 1.32)
    for place in order[:2]:
        ledger.append(ended(first[place], values[place]))
    assert ordered(five, running=[first[order[2]]]) == [], "the third of them runs"
    ledger.append(ended(first[order[2]], values[order[2]]))
    assert [order.config["factors"] for order in ordered(five)] == [3, 3]


@pytest.mark.parametrize(("second", "again"), [(0.61, []), (0.504, [3, 1])])
def test_one_that_is_left_alone_on_a_sample_gets_no_more_and_two_that_are_left_do(ledger, five, second, again):
    ledger.entries = [replace(found, on_sample=found.config) for found in ledger.entries]
    for order, value in zip(ordered(five), (0.50, second, 1.32), strict=True):
        ledger.append(ended(order, value))
    assert [order.config["factors"] for order in ordered(five)] == again


@pytest.mark.parametrize(("second", "third"), [((0.50, 0.51), []), ((0.51, 0.50), [3, 1]), ((0.50, None), [3, 1])])
def test_on_a_sample_there_is_a_third_confirmation_only_where_the_first_two_disagree(ledger, five, second, third):
    ledger.entries = [replace(found, on_sample=found.config) for found in ledger.entries]
    for order, value in zip(ordered(five), (0.50, 0.504, 1.32), strict=True):
        ledger.append(ended(order, value))
    orders = ordered(five)
    assert [order.fold for order in orders] == [2, 2]
    ledger.append(ended(orders[0], second[0]))
    assert ordered(five, running=orders[1:]) == [], "the second of them runs"
    ledger.append(ended(orders[1], second[1], state="done" if second[1] else "failed"))
    orders = ordered(five)
    assert [order.config["factors"] for order in orders] == third
    assert all(order.fold == SEEDS for order in orders)


def test_what_was_left_alone_before_more_trials_is_confirmed_as_often_as_those_it_is_compared_with(ledger, five):
    """After two more trials 5 and 6 are the finalists beside the reference; 3 was left alone, and is still near."""
    ledger.entries = [replace(found, on_sample=found.config) for found in ledger.entries]
    for order, value in zip(ordered(five), (0.50, 0.61, 1.32), strict=True):
        ledger.append(ended(order, value))
    for number, value in [(5, 0.05), (6, 0.06)]:
        ledger.append(replace(entry(number, value), on_sample={"factors": number}))
    first = ordered(five)
    assert [order.trial for order in first] == ["pmf-005-again1", "pmf-006-again1"]
    for order, value in zip(first, (0.504, 0.9), strict=True):
        ledger.append(ended(order, value))
    second = ordered(five)
    assert [order.config["factors"] for order in second] == [5, 3]
    for order, value in zip(second, (0.49, 0.50), strict=True):
        ledger.append(ended(order, value))
    assert [(order.config["factors"], order.fold) for order in ordered(five)] == [(5, 3), (3, 3)]


def test_what_an_earlier_version_has_not_yet_confirmed_of_one_left_alone_is_not_ordered(ledger, five):
    ledger.entries = [replace(found, on_sample=found.config) for found in ledger.entries]
    for order, value in zip(ordered(five), (0.50, 0.61, 1.32), strict=True):
        ledger.append(ended(order, value))
    best = ledger.entries[-3]
    ledger.append(replace(best, trial="pmf-003-again2", fold=2))
    assert ordered(five) == []


def test_while_the_first_of_one_architecture_run_others_are_tried_again(ledger):
    for name in ("pmf", "bias"):
        for number, value in enumerate([0.1, 0.2, 0.3]):
            ledger.append(entry(number, value, architecture=name))
    orders = ordered(Confirmation(ledger, ["pmf", "bias"], seed=1))
    assert [(order.architecture, order.fold) for order in orders] == [("pmf", 1)] * 3 + [("bias", 1)] * 3


def test_the_architecture_whose_trials_take_longest_comes_first(ledger):
    seconds = {"pmf": 2.0, "svdpp": 9.0, "bias": 0.1}
    for name, each in seconds.items():
        ledger.append(entry(0, 0.1, architecture=name, seconds=each))
    orders = ordered(Confirmation(ledger, list(seconds), seed=1))
    assert [order.architecture for order in orders] == ["svdpp"] * SEEDS + ["pmf"] * SEEDS + ["bias"] * SEEDS


def test_if_a_first_one_fails_nobody_is_dropped(ledger, five):
    for order, value in zip(ordered(five), (0.50, None, 1.32), strict=True):
        ledger.append(ended(order, value, state="failed" if value is None else "done"))
    assert [order.config["factors"] for order in ordered(five)] == [3] * 2 + [1] * 2 + [0] * 2


def test_nothing_is_ordered_while_the_architecture_has_search_trials_that_wait_or_run(ledger):
    for name in ("pmf", "bias"):
        ledger.append(entry(0, 0.5, architecture=name))
    confirmation = Confirmation(ledger, ["pmf", "bias"], seed=1)
    assert {order.architecture for order in ordered(confirmation, waiting={"pmf"})} == {"bias"}
    assert ordered(confirmation, waiting={"pmf", "bias"}) == []
    first = confirmation.next([], waiting=())
    running = [type(first)(**{**vars(first), "trial": "pmf-001", "stage": "search"})]
    assert {order.architecture for order in ordered(confirmation, running=running)} == {"bias"}


def test_what_is_in_the_ledger_is_not_ordered_again(ledger):
    ledger.append(entry(0, 0.5))
    confirmation = Confirmation(ledger, ["pmf"], seed=1)
    first = confirmation.next([], waiting=())
    again = {**vars(entry(0, 0.4)), "trial": first.trial, "stage": "confirm"}
    ledger.append(Entry(**again))
    assert [order.trial for order in ordered(confirmation)] == ["pmf-000-again2", "pmf-000-again3"]


def test_an_architecture_of_which_no_trial_finished_has_none(ledger):
    ledger.append(entry(0, None, state="failed"))
    assert ordered(Confirmation(ledger, ["pmf"], seed=1)) == []
