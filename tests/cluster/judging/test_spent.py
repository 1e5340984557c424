"""The core seconds of made-up fits."""

from dataclasses import replace

import pytest

from reeltune.cluster.data_parallel.orders import FitOrder, Fitted, Lost
from reeltune.cluster.judging.outcome import CALIBRATION, Searched, Times
from reeltune.cluster.judging.spent import spent
from reeltune.cluster.runs.folder import Entry, Ledger
from reeltune.cluster.runs.spent import FitSeconds, Phase
from reeltune.search_spaces import shipped
from reeltune.trainables.architectures.table import ARCHITECTURES

TIMES = Times(search=Phase(wall=30, available=60), refits=Phase(wall=10, available=20), resumed=False)


def entry(trial, stage, seconds):
    about = {"number": 0, "state": "done", "config": {}, "value": 1.0, "metrics": None, "temperature": 1.0}
    curve = {"curve": {100: 1.0}, "epochs": 1, "seed": 1, "error": None}
    return Entry(trial=trial, architecture="pmf", stage=stage, seconds=seconds, **about, **curve)


def fitted(key, seconds):
    return Fitted(key=key, seconds=seconds, epochs=1, train_loss=1.0, metrics=None, temperature=1.0)


@pytest.fixture
def searched(tmp_path):
    """pmf, whose chosen configuration is the baseline's, so that both have the same refits; one of them was lost."""
    ledger = Ledger(tmp_path / "trials.jsonl")
    for each in (entry("pmf-000", "search", 4.0), entry("pmf-001", "search", 2.0), entry("a", "confirm", 3.0)):
        ledger.append(each)
    orders = {
        (name, place): FitOrder(key=f"baseline, seed {place}", architecture="pmf", config={}, seed=place)
        for name in ("baseline", "pmf")
        for place in range(2)
    }
    return Searched(
        architectures=["pmf", "ensemble"],
        ledger=ledger,
        choices={},
        orders=orders,
        fitted={
            "baseline, seed 0": fitted("baseline, seed 0", 5.0),
            "baseline, seed 1": Lost(key="baseline, seed 1", reason="it was"),
            CALIBRATION: fitted(CALIBRATION, 1.0),
        },
        decoder="argmax",
        seed=1,
        workers=2,
        trial_workers=3,
        spaces={"pmf": shipped("pmf", ARCHITECTURES["pmf"])},
        times=TIMES,
    )


def test_a_fit_counts_each_of_its_workers_and_a_shared_one_once(searched):
    found = spent(searched)
    assert found.fits == {
        "pmf": FitSeconds(trials=18.0, confirmations=9.0, refits=0.0),
        "baseline": FitSeconds(refits=12.0),
    }
    assert (found.search, found.refits, found.resumed) == (TIMES.search, TIMES.refits, False)
    assert found.available == 80


def test_a_trial_counts_the_workers_that_did_it_where_the_ledger_has_them(searched):
    searched.ledger.append(replace(entry("pmf-002", "search", 10.0), workers=1))
    assert spent(searched).fits["pmf"].trials == 18.0 + 10.0


def test_fits_without_a_search_say_nothing(searched):
    assert spent(replace(searched, times=None)) is None
