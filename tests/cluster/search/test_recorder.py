"""How a trial ended, in the ledger and in Optuna's study: by updates alone, without Ray."""

import errno

import pytest

from reeltune.cluster.runs.disk import Disk
from reeltune.cluster.runs.folder import Ledger
from reeltune.cluster.search.messages import Order, Update, failed, unstored
from reeltune.cluster.search.recorder import Recorder
from tests.searches import metrics, point

HERE = "127.0.0.1", 7
ORDER = Order(trial="pmf-000", architecture="pmf", number=0, stage="search", config={"factors": 3}, seed=1)
AGAIN = Order(trial="pmf-000-again1", architecture="pmf", number=0, stage="confirm", config={"factors": 3}, seed=9)


class Told:
    """Stands for Optuna's study: keeps what it is told."""

    def __init__(self):
        self.told = []

    def tell(self, trial, outcome, attributes):
        self.told.append((trial, outcome.state, outcome.value, dict(outcome.curve), attributes["error"]))


@pytest.fixture
def study():
    return Told()


@pytest.fixture
def ended():
    return []


@pytest.fixture
def recorder(tmp_path, study, ended):
    return Recorder(Ledger(tmp_path / "trials.jsonl"), {"pmf": study}, Disk(), workers=2, ended=ended.append)


def record(recorder, *updates, order=ORDER, died=None):
    for update in updates:
        recorder.update(order, update, process=HERE)
    recorder.end(order, died=died)
    return recorder.ledger.entries[-1]


HALF = Update(progress=0.5, epochs=2, points=(point(0.25, 1.0), point(0.5, 0.9)), value=0.9, seconds=1.0)
DONE = Update(
    done=True,
    state="done",
    progress=1.0,
    epochs=4,
    points=(point(1.0, 0.85),),
    value=0.8,
    metrics=metrics(0.8),
    temperature=1.5,
    seconds=2.0,
)


def test_a_finished_trial_is_in_the_ledger_and_the_study_with_its_curve_and_final_value(recorder, study, ended):
    entry = record(recorder, HALF, DONE)
    assert (entry.state, entry.value, entry.error, entry.epochs) == ("done", 0.8, None, 4)
    assert (entry.seconds, entry.temperature, entry.metrics["mae"], entry.workers) == (2.0, 1.5, 0.8, 2)
    assert entry.curve == {25: 1.0, 50: 0.9, 100: 0.8}
    assert study.told == [("pmf-000", "done", 0.8, entry.curve, None)]
    assert ended == [entry]
    assert Ledger(recorder.ledger.path).entries == [entry]


def test_a_stopped_trial_keeps_its_last_value(recorder):
    entry = record(recorder, HALF)
    assert (entry.state, entry.value, entry.error) == ("stopped", 0.9, "stopped at 50% of its schedule")


@pytest.mark.parametrize(("last", "died"), [(failed("FitFailed: nan"), None), (HALF, "FitFailed: nan")])
def test_a_failed_trial_has_a_reason_and_no_value(recorder, study, last, died):
    entry = record(recorder, HALF, last, died=died)
    assert (entry.state, entry.value, entry.error) == ("failed", None, "FitFailed: nan")
    assert study.told[0][1:3] == ("failed", None)


def test_a_trial_that_ended_before_its_first_update_is_recorded_too(recorder):
    assert record(recorder, died="its process could not start").seconds == 0


def test_optuna_is_told_of_no_confirmation(recorder, study, ended):
    entry = record(recorder, DONE, order=AGAIN)
    assert entry.stage == "confirm"
    assert study.told == []
    assert ended == [entry]


def test_where_storage_is_lost_nothing_more_is_recorded(recorder, study):
    recorder.update(ORDER, unstored("storage /nowhere: gone"), process=HERE)
    recorder.end(ORDER)
    recorder.update(AGAIN, DONE, process=HERE)
    recorder.end(AGAIN)
    assert (recorder.ledger.entries, study.told) == ([], [])
    assert str(recorder.disk.failed) == "storage /nowhere: gone"


def test_a_full_disk_leaves_ledger_and_study_in_step(recorder, study, monkeypatch):
    def full(entry):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(recorder.ledger, "append", full)
    recorder.update(ORDER, DONE, process=HERE)
    recorder.end(ORDER)
    assert study.told == []
    assert "No space left" in str(recorder.disk.failed)


def test_work_that_a_lanes_workers_do_again_counts_too(recorder):
    """They died 9 s into the fit, and go on from a state that has 6 s behind it."""
    updates = [Update(seconds=9.0, took=1.0), Update(seconds=7.5, took=1.5), Update(seconds=11.0, took=3.5)]
    assert record(recorder, *updates).seconds == 9.0 + 1.5 + 3.5
