"""Trials that fail in a real search: each is recorded once with its reason, and the others go on."""

import dataclasses
import math
import time
from types import SimpleNamespace

import pytest

from reeltune.cluster.search import schedulers
from reeltune.cluster.search.reasons import DIED, of_death, too_long
from reeltune.cluster.session.slots import Slots
from reeltune.trainables.errors import LONGEST, one_line
from tests import faulty
from tests.boards import scalars
from tests.searches import searched

SPACE = "[pmf]\nonly = true\nbatch_size = 32\n[pmf.epochs]\nlow = 3\nhigh = 4"
TRIALS = 3
ONE = Slots(count=1, cpus=1, gpus=0)


@pytest.fixture
def hurt(resources, small, tmp_path, monkeypatch):
    """Runs a search some of whose trials have a fault, and checks the rest; the ledger's entries by trial."""

    def hurt(faults, *, trials=TRIALS, **given):
        monkeypatch.setattr("reeltune.cluster.search.experiment.Trial", faulty.faulty(faults))
        ledger = searched(small, tmp_path, space=SPACE, trials=trials, **given)
        entries = {entry.trial: entry for entry in ledger.entries}
        assert len(entries) == len(ledger.entries)
        assert len(ledger.of("search", "pmf")) == trials
        for name, entry in entries.items():
            assert (entry.state == "failed") == (name in faults), entry
        return entries

    return hurt


def test_each_error_of_a_trials_own_is_its_reason_on_one_line(hurt):
    ended = hurt(
        {
            "pmf-001": faulty.raising(ValueError("first\n  second\n" + "long " * 1000)),
            "pmf-002": faulty.unfinished(KeyError("weights")),
            "pmf-003": faulty.blind,
            "pmf-004": faulty.lost,
        },
        trials=5,
        taken=ONE,
    )
    assert ended["pmf-001"].error.startswith("ValueError: first second long long ")
    assert len(ended["pmf-001"].error) == LONGEST
    assert ended["pmf-002"].error == "KeyError: 'weights'"
    assert ended["pmf-003"].error == "FitFailed: the validation error is nan in epoch 1"
    assert "FitFailed: the training loss is nan" in ended["pmf-004"].error


@pytest.mark.slow
def test_a_trial_whose_process_dies_three_times_fails_and_one_that_hangs_is_ended_once(hurt, tmp_path):
    begun = tmp_path / "begun"
    reasons = {"pmf-001": faulty.killed, "pmf-002": faulty.hanging(begun)}
    ended = hurt(reasons, limit=20.0)
    assert ended["pmf-001"].error == f"{DIED} 3 times (it was killed, for memory perhaps, or crashed)"
    assert ended["pmf-002"].error == "took longer than 20s (--trial-timeout)"
    assert begun.read_text() == "x", "what hung is not begun again"
    assert sum(name.startswith("pmf-000-again") for name in ended) == 3, "the others go on, in fresh processes"

    again = hurt(reasons, limit=20.0)  # as by --resume
    assert again == ended
    assert begun.read_text() == "x"


@pytest.mark.slow
def test_a_process_that_dies_between_two_trials_takes_neither_with_it(resources, small, tmp_path, monkeypatch):
    died = tmp_path / "died"
    monkeypatch.setattr("reeltune.cluster.search.experiment.Trial", faulty.dying_before("pmf-001", died))
    ledger = searched(small, tmp_path, space=SPACE, trials=TRIALS, taken=ONE)
    assert died.exists()
    assert [entry.trial for entry in ledger.of("search", "pmf")] == ["pmf-000", "pmf-001", "pmf-002"]
    assert {entry.state for entry in ledger.entries} == {"done"}


@pytest.mark.slow
def test_a_killed_trial_goes_on_from_its_last_state_and_ends_as_an_undisturbed_one(
    resources, small, tmp_path, monkeypatch
):
    begun, ledgers = tmp_path / "begun", []
    for name, faults in (("whole", {}), ("cut", {"pmf-001": faulty.killed_after(95, begun)})):
        (tmp_path / name).mkdir()
        monkeypatch.setattr("reeltune.cluster.search.experiment.Trial", faulty.saving(0.0, faults))
        ledgers.append(searched(small, tmp_path / name, space=SPACE, trials=2, taken=ONE))
    first, second = map(int, begun.read_text().split())
    assert first == 0 < second < 95
    whole, cut = ([dataclasses.replace(entry, seconds=0) for entry in ledger.entries] for ledger in ledgers)
    assert cut == whole
    assert not (tmp_path / "cut" / "states").exists(), "what has ended leaves no state"
    steps = [point.step for point in scalars(tmp_path / "cut", "pmf-001", "mse/validation")]
    assert steps == list(range(1, whole[1].epochs + 1)), "TensorBoard has each epoch once"


@pytest.mark.slow
def test_a_trial_whose_process_cannot_start_fails_with_the_reason(resources, small, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "reeltune.cluster.search.experiment.Trial", faulty.unable(ModuleNotFoundError("No module named 'torch'"))
    )
    ledger = searched(small, tmp_path, space=SPACE, trials=1)
    (error,) = (entry.error for entry in ledger.entries)
    assert error == "the trial's process could not start: ModuleNotFoundError: No module named 'torch'"


def test_a_trial_that_hangs_does_not_keep_a_search_from_its_end_and_has_not_ended(
    resources, small, tmp_path, monkeypatch
):
    monkeypatch.setattr("reeltune.cluster.search.faults.LATE", 3.0)
    with monkeypatch.context() as patch:
        made = faulty.faulty({"pmf-000": faulty.hanging(tmp_path / "begun")})
        patch.setattr("reeltune.cluster.search.experiment.Trial", made)
        assert searched(small, tmp_path, space=SPACE, trials=1, taken=ONE, seconds=5).entries == []
    resumed = searched(small, tmp_path, space=SPACE, trials=1, taken=ONE)
    assert [entry.state for entry in resumed.of("search", "pmf")] == ["done"], "a long step looks like a hang"


def test_a_trial_that_ran_when_the_time_was_over_goes_on_from_its_state_on_resume(
    resources, small, tmp_path, monkeypatch
):
    begun, state = tmp_path / "begun", tmp_path / "states" / "pmf-000.state0"
    made = faulty.saving(0.0, {"pmf-000": faulty.noting(begun)})
    monkeypatch.setattr("reeltune.cluster.search.experiment.Trial", made)
    clock = SimpleNamespace(monotonic=lambda: math.inf if state.exists() else time.monotonic())
    with monkeypatch.context() as patch:
        patch.setattr(schedulers, "time", clock)  # the time is over once there is a state
        cut = searched(small, tmp_path, space=SPACE, trials=1, taken=ONE, seconds=600)
    assert cut.entries == []
    assert state.exists()
    resumed = searched(small, tmp_path, space=SPACE, trials=1, taken=ONE)
    first, second = map(int, begun.read_text().split())
    assert first == 0 < second
    assert [entry.state for entry in resumed.of("search", "pmf")] == ["done"]
    assert not (tmp_path / "states").exists()


@pytest.mark.slow
def test_a_trial_that_is_slow_ends_itself_at_its_limit(hurt):
    ended = hurt({"pmf-001": faulty.sleeping(0.5)}, trials=2, limit=15.0)
    assert ended["pmf-001"].error == "took longer than 15s (--trial-timeout)"
    assert 15 < ended["pmf-001"].seconds < 20, "it ends itself: nobody has to kill it"


def test_a_limit_is_said_in_the_largest_unit_that_it_is_whole_in():
    assert [too_long(limit).split()[3] for limit in (90, 900, 7200, 0.5)] == ["90s", "15m", "2h", "0.5s"]


def test_a_text_of_several_lines_is_one_line():
    assert one_line(" a\n\tb  c\n") == "a b c"


@pytest.mark.parametrize(
    ("account", "reason"),
    [
        ("Worker died: low on memory. Memory on the node (IP: 1) was 7.24GB used / 8GB limit (0.9)", "of 8GB used"),
        (
            "The actor died.\n\tpid: 1\nThe actor is dead because its node has died. Node: 1",
            "3 times: its node has died",
        ),
        ("The actor is dead because its worker process has died. Worker exit", "killed, for memory perhaps"),
    ],
)
def test_the_last_account_of_a_death_gives_the_reason(account, reason):
    earlier = "Failure # 2 (occurred at noon)\nlow on memory\n"
    assert reason in of_death(f"{earlier}Failure # 3 (occurred at one)\n{account}\n")
