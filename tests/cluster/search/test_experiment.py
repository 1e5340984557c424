"""A real search: Ray Tune, Optuna, reused actors, the ledger, Optuna's journal."""

import os
import signal
import threading
import time
from collections import Counter

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from reeltune.cluster.runs.folder import Ledger, RunFolder
from reeltune.cluster.search.choice import SEEDS, choose, confirmed, dropped, finalists
from reeltune.cluster.search.confirmation import AGAIN
from reeltune.cluster.search.experiment import studies
from reeltune.cluster.search.recorder import attributes
from reeltune.cluster.search.trial_fit import KEPT
from reeltune.cluster.session.slots import Slots
from reeltune.search_spaces import SAMPLERS, shipped
from reeltune.search_spaces.samplers import STARTUP
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data import fold
from tests.leftovers import pids
from tests.searches import searched

TRIALS = 12


@pytest.fixture(scope="module")
def done(finished_search):
    return finished_search


def test_every_architecture_gets_its_trials_and_each_is_in_the_ledger_once(done):
    _, ledger = done
    for name in ("pmf", "classifier"):
        assert sorted(entry.number for entry in ledger.of("search", name)) == list(range(TRIALS))
    assert len({entry.trial for entry in ledger.entries}) == len(ledger.entries)


def test_a_trial_whose_loss_is_no_number_fails_with_its_reason_and_the_search_goes_on(done):
    _, ledger = done
    wild = [entry for entry in ledger.of("search", "classifier") if entry.config["learning_rate"] == 10.0]
    tame = [entry for entry in ledger.of("search", "classifier") if entry.config["learning_rate"] == 0.0001]
    assert {entry.state for entry in wild} == {"failed"}
    assert all("FitFailed: the training loss is" in entry.error for entry in wild)
    assert {entry.state for entry in tame} <= {"done", "stopped"}
    assert wild
    assert tame


def test_a_confirmation_leaves_its_ratings_of_the_rows_that_it_held_out(done, small):
    folder, ledger = done
    _, parts, _ = small
    again = [entry for entry in ledger.of("confirm", "pmf") if entry.state == "done"]
    assert {entry.fold for entry in again} == {1, 2, 3}
    for entry in again:
        _, held_out = fold(parts.train, parts.validation, entry.fold, kind="random")
        ratings = np.load(folder / "held_out" / f"{entry.trial}.npy")[KEPT.index("argmax")]
        assert ((ratings - held_out.ratings) ** 2).mean() == pytest.approx(entry.value, rel=1e-5)
    assert {file.stem for file in (folder / "held_out").iterdir()} >= {entry.trial for entry in again}


def test_the_best_are_tried_again_with_three_seeds(done):
    _, ledger = done
    again = ledger.of("confirm", "pmf")
    assert {entry.seed - AGAIN for entry in again} == {3, 4, 5}
    out = {entry.trial for entry in dropped(ledger, "pmf")}
    assert Counter(map(confirmed, again)) == {
        entry.trial: 1 if entry.trial in out else SEEDS for entry in finalists(ledger, "pmf")
    }
    values = [entry.value for entry in again]
    assert min(values) <= choose(ledger, "pmf").value <= max(values)


def test_a_value_is_that_of_the_last_point_of_the_curve_and_of_the_metrics(done):
    _, ledger = done
    for entry in ledger.entries:
        if entry.state != "failed":
            assert entry.value == entry.curve[max(entry.curve)]
        if entry.state == "done":
            assert entry.value == entry.metrics["argmax_mse"]
            assert max(entry.curve) == 100
        if entry.state == "stopped":
            assert 66 <= max(entry.curve) < 100


def test_optunas_own_tools_find_every_trial_its_state_values_and_attributes(done):
    folder, ledger = done
    storage = JournalStorage(JournalFileBackend(str(folder / "study.journal")))
    assert sorted(optuna.get_all_study_names(storage)) == ["classifier", "pmf"]
    states = {"done": "COMPLETE", "stopped": "PRUNED", "failed": "FAIL"}
    for name in ("pmf", "classifier"):
        study = optuna.load_study(study_name=name, storage=storage)
        found = {trial.user_attrs["trial"]: trial for trial in study.trials}
        assert found.keys() == {entry.trial for entry in ledger.of("search", name)}
        for entry in ledger.of("search", name):
            trial = found[entry.trial]
            assert (trial.state.name, trial.value) == (states[entry.state], entry.value)
            assert trial.intermediate_values == entry.curve
            assert trial.user_attrs == {"trial": entry.trial, "config": entry.config, **attributes(entry)}
            assert all(entry.config[parameter] == value for parameter, value in trial.params.items())
        best = [entry.value for entry in ledger.of("search", name) if entry.state == "done"]
        assert study.best_value == min(best)
    assert {entry.state for entry in ledger.entries} == states.keys(), "each way to end is among them"


def test_the_same_seed_one_at_a_time_gives_the_same_search(resources, small, tmp_path):
    ledgers = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        one = Slots(count=1, cpus=1, gpus=0)
        ledgers.append(
            searched(small, tmp_path / name, space="[pmf]\n[pmf.epochs]\nlow = 1\nhigh = 4", trials=5, taken=one)
        )
    first, second = ([(e.trial, e.config, e.value, e.state) for e in ledger.entries] for ledger in ledgers)
    assert first == second


@pytest.mark.parametrize(
    ("sampler", "scheduler"),
    [
        ("qmc", "median"),
        *[pytest.param(name, "asha", marks=pytest.mark.slow) for name in SAMPLERS if name != "qmc"],
        pytest.param(optuna.samplers.GPSampler(seed=1, n_startup_trials=4), "median", marks=pytest.mark.slow),
        pytest.param(optuna.samplers.RandomSampler(seed=1), "none", marks=pytest.mark.slow),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_another_sampler_and_scheduler_do_the_same_work(resources, small, tmp_path, sampler, scheduler):
    space = "[pmf]\nonly = true\nepochs = 6\n[pmf.learning_rate]\nlow = 1e-6\nhigh = 1e-1\nlog = true"
    trials = STARTUP + 3
    one = Slots(count=1)
    ledger = searched(small, tmp_path, space=space, trials=trials, taken=one, sampler=sampler, scheduler=scheduler)
    assert sorted(entry.number for entry in ledger.of("search", "pmf")) == list(range(trials))
    ends = {entry.state for entry in ledger.of("search", "pmf")}
    assert ends == {"done"} if scheduler == "none" else "done" in ends
    assert len({entry.config["learning_rate"] for entry in ledger.of("search", "pmf")}) == trials
    assert choose(ledger, "pmf") is not None


@pytest.mark.slow
def test_a_killed_trial_is_tried_once_more_and_nothing_is_lost(resources, small, tmp_path):
    killed = []

    def kill_one():
        while not killed:
            for pid in pids("ResourceTrainable.train"):
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
                return
            time.sleep(0.01)

    space = "[pmf]\nonly = true\nbatch_size = 2\n[pmf.epochs]\nlow = 8\nhigh = 9"
    ledger = searched(small, tmp_path, space=space, trials=2, before=threading.Thread(target=kill_one).start)
    assert killed
    assert {entry.state for entry in ledger.entries} == {"done"}
    assert len(ledger.of("search", "pmf")) == 2


def test_a_journal_cut_off_at_any_byte_of_its_last_record_is_read_to_the_one_before(tmp_path, small):
    run = RunFolder(tmp_path)
    spaces = {"pmf": shipped("pmf", ARCHITECTURES["pmf"])}
    made, _ = studies(run, Ledger(run.ledger), spaces, small[2], seed=1)
    asked = [made["pmf"].ask(f"pmf-{number:03}", number) for number in range(2)]
    content = run.journal.read_bytes()
    begin = content.rstrip().rfind(b"\n") + 1
    for end in range(begin, len(content)):
        for file in (run.unfinished, *tmp_path.glob("study.journal*")):
            file.unlink(missing_ok=True)
        run.journal.write_bytes(content[:end])
        _, cut_off = studies(run, Ledger(run.ledger), spaces, small[2], seed=1)
        assert cut_off == {"pmf-000": asked[0]}, "what was asked last had not been written down"


def test_what_was_running_is_known_after_a_second_end_before_it_was_dealt_again(tmp_path, small):
    run = RunFolder(tmp_path)
    spaces = {"pmf": shipped("pmf", ARCHITECTURES["pmf"])}
    made, _ = studies(run, Ledger(run.ledger), spaces, small[2], seed=1)
    asked = made["pmf"].ask("pmf-000", 0)
    for _ in range(2):
        _, cut_off = studies(run, Ledger(run.ledger), spaces, small[2], seed=1)
        assert cut_off == {"pmf-000": asked}
