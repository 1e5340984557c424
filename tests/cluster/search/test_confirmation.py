"""Which configurations are tried again, when, and with which seeds and folds: by a ledger alone."""

import pytest

from reeltune.cluster.runs.folder import Entry, Ledger
from reeltune.cluster.search.choice import FINALISTS, SEEDS
from reeltune.cluster.search.confirmation import AGAIN, Confirmation


def entry(number, value, *, architecture="pmf", state="done"):
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
        seconds=1.0,
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


def test_the_best_are_ordered_with_every_seed_and_fold_the_best_first(ledger):
    for number, value in enumerate([0.9, 0.2, 0.3, 0.1, 0.4]):
        ledger.append(entry(number, value))
    orders = ordered(Confirmation(ledger, ["pmf"], seed=42))
    assert [order.config["factors"] for order in orders] == [3] * SEEDS + [1] * SEEDS + [0] * SEEDS, "0 the reference"
    assert len(orders) == FINALISTS * SEEDS
    assert [(order.seed, order.fold) for order in orders[:SEEDS]] == [(42 + AGAIN + n, 1 + n) for n in range(SEEDS)]
    assert [order.number for order in orders] == list(range(FINALISTS * SEEDS))
    assert [order.trial for order in orders[:SEEDS]] == ["pmf-003-again1", "pmf-003-again2", "pmf-003-again3"]
    assert {order.stage for order in orders} == {"confirm"}


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
