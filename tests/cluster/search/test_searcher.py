import dataclasses
import time

import pytest

from reeltune.cluster.runs.folder import Ledger, RunFolder
from reeltune.cluster.search.choice import FINALISTS, SEEDS, choose, finalists
from reeltune.cluster.search.confirmation import AGAIN
from reeltune.cluster.search.experiment import studies
from reeltune.cluster.search.messages import Update, failed, tune_result, unstored
from reeltune.search_spaces import shipped
from reeltune.trainables.architectures.table import ARCHITECTURES
from tests.searches import drain, end, new_searcher, point

NAMES = ["pmf", "classifier"]


@pytest.fixture
def make(tmp_path, small):
    def make(*, trials=3, seed=42, names=NAMES, deadline=None):
        folder = RunFolder(tmp_path)
        ledger = Ledger(folder.ledger)
        spaces = {name: shipped(name, ARCHITECTURES[name]) for name in names}
        made, cut_off = studies(folder, ledger, spaces, small[2], seed=seed)
        return new_searcher(made, ledger, trials=trials, seed=seed, unfinished=cut_off, deadline=deadline)

    return make


def test_every_architecture_gets_the_same_number_of_trials_in_turn(make):
    search = [order for order in drain(make()) if order["stage"] == "search"]
    assert [order["architecture"] for order in search] == NAMES * 3
    assert [order["number"] for order in search] == [0, 0, 1, 1, 2, 2]


def test_the_reference_is_the_first_trial_of_each(make, small):
    first = {}
    for order in drain(make()):
        first.setdefault(order["architecture"], order["config"])
    assert first == {name: ARCHITECTURES[name].reference(small[2]).model_dump() for name in NAMES}


def test_search_trials_alone_have_a_configuration_for_the_sample(make):
    searcher = make()
    searcher.on_sample = lambda name, config: {**config, "epochs": 1}
    orders = drain(searcher)
    assert {order["stage"] for order in orders} == {"search", "confirm"}
    for order in orders:
        assert order["on_sample"] == ({**order["config"], "epochs": 1} if order["stage"] == "search" else None)
    ledger = searcher.recorder.ledger
    assert all(entry.on_sample["epochs"] == 1 for name in NAMES for entry in ledger.of("search", name))


def test_the_best_are_tried_again_on_each_fold_and_the_best_mean_is_chosen(make):
    searcher = make(trials=5)
    again = [order for order in drain(searcher) if order["stage"] == "confirm"]
    assert len(again) == len(NAMES) * FINALISTS * SEEDS
    for name in NAMES:
        best = [entry.config for entry in finalists(searcher.recorder.ledger, name)]
        mine = [order for order in again if order["architecture"] == name]
        assert [order["config"] for order in mine] == [*best, *(config for config in best for _ in range(SEEDS - 1))]
        folds = [(order["seed"], order["fold"]) for order in mine if order["config"] == best[0]]
        assert folds == [(AGAIN + 42, 1), (AGAIN + 43, 2), (AGAIN + 44, 3)]
        choice = choose(searcher.recorder.ledger, name)
        assert choice.value == pytest.approx(min(config["learning_rate"] for config in best))
        assert choice.metrics["mae"] == pytest.approx(choice.value)
        assert choice.config == searcher.recorder.ledger.of("search", name)[int(choice.trials[0][-10:-7])].config
        assert [trial[-6:] for trial in choice.trials] == ["again1", "again2", "again3"]


def test_an_architecture_is_tried_again_while_another_still_searches(make):
    searcher = make(trials=1)
    first, second = searcher.suggest("a"), searcher.suggest("b")
    end(searcher, "a", 1.0)
    third = searcher.suggest("c")
    assert (third["stage"], third["architecture"]) == ("confirm", first["architecture"])
    end(searcher, "b", 1.0)
    stages = [searcher.suggest(str(n)) for n in range(5)]
    assert {order["architecture"] for order in stages} == {first["architecture"], second["architecture"]}


def test_it_waits_for_what_runs_and_then_ends(make):
    searcher = make(trials=1, names=["pmf"])
    searcher.suggest("a")
    assert searcher.suggest("b") is None
    end(searcher, "a", 1.0)
    for number in range(SEEDS):
        assert searcher.suggest(f"again{number}")["stage"] == "confirm"
    assert searcher.suggest("c") is None
    for number in range(SEEDS):
        end(searcher, f"again{number}", 1.0)
    assert searcher.suggest("d") == "FINISHED"


def test_a_failed_trial_is_recorded_with_its_reason_and_the_search_goes_on(make):
    searcher = make(trials=2, names=["pmf"])
    searcher.suggest("a")
    searcher.on_trial_complete("a", tune_result(failed("FitFailed: the training loss is nan")))
    searcher.suggest("b")
    searcher.on_trial_complete("b", None, error=True)
    assert [(e.state, e.value, e.error) for e in searcher.recorder.ledger.entries] == [
        ("failed", None, "FitFailed: the training loss is nan"),
        ("failed", None, "the trial's process died"),
    ]
    assert searcher.suggest("c") == "FINISHED"
    assert choose(searcher.recorder.ledger, "pmf") is None


def test_seconds_are_those_of_every_try_and_of_earlier_sessions(make):
    searcher = make(trials=1, names=["pmf"])
    searcher.suggest("a")
    for pid, earlier, seconds in [(7, 20.0, 24.0), (7, 20.0, 31.0), (8, 30.0, 30.5), (8, 30.0, 42.0)]:
        result = tune_result(Update(earlier=earlier, seconds=seconds))
        searcher.on_trial_result("a", {**result, "node_ip": "127.0.0.1", "pid": pid})
    searcher.on_trial_complete("a", error=True)
    assert searcher.recorder.ledger.entries[0].seconds == 20 + 11 + 12


def test_a_trial_that_could_not_use_the_storage_has_not_ended_and_nothing_more_is_written(make):
    searcher = make(trials=2, names=["pmf"])
    order, _ = searcher.suggest("a"), searcher.suggest("b")
    searcher.on_trial_complete("a", tune_result(unstored("storage /nowhere: gone")))
    end(searcher, "b", 1.0)
    assert searcher.recorder.ledger.entries == []
    assert str(searcher.disk.failed) == "storage /nowhere: gone"
    assert order in [make(trials=2, names=["pmf"]).suggest("again")]


def test_a_stopped_trial_keeps_its_last_value_and_is_never_chosen(make):
    searcher = make(trials=2, names=["pmf"])
    searcher.suggest("a")
    searcher.on_trial_complete("a", tune_result(Update(progress=0.67, epochs=3, points=(point(0.67, 0.1),))))
    order = searcher.suggest("b")
    end(searcher, "b", 0.9)
    stopped = searcher.recorder.ledger.entries[0]
    assert (stopped.state, stopped.value, stopped.error) == ("stopped", 0.1, "stopped at 67% of its schedule")
    assert [entry.config for entry in finalists(searcher.recorder.ledger, "pmf")] == [order["config"]]


def test_a_configuration_that_fails_with_one_seed_does_not_win_by_the_others(make):
    searcher = make(trials=2, names=["pmf"])
    for key, value in (("a", 0.1), ("b", 0.5)):
        searcher.suggest(key)
        end(searcher, key, value)
    for number in range(2 * SEEDS):
        order = searcher.suggest(str(number))
        if order["config"] == searcher.recorder.ledger.entries[0].config and order["number"] == 0:
            searcher.on_trial_complete(str(number), tune_result(failed("FitFailed: nan")))
        else:
            end(searcher, str(number), 0.1 if order["config"] == searcher.recorder.ledger.entries[0].config else 0.5)
    assert choose(searcher.recorder.ledger, "pmf").value == 0.5


def test_the_same_configuration_is_a_finalist_once(make):
    searcher = make(trials=4, names=["pmf"])
    for number in range(4):
        searcher.suggest(str(number))
    for number in range(4):
        order = searcher._running[str(number)]
        searcher._running[str(number)] = dataclasses.replace(order, config={"factors": number // 2})
        end(searcher, str(number), 1.0 + number)
    assert [entry.number for entry in finalists(searcher.recorder.ledger, "pmf")] == [0, 2]


def test_the_reference_is_tried_again_though_others_were_better(make, small):
    searcher, reference = make(trials=6, names=["pmf"]), ARCHITECTURES["pmf"].reference(small[2]).model_dump()
    drain(searcher, value=lambda config: 1.0 if config == reference else 0.5 * config["learning_rate"])
    again = {entry.trial[:-7] for entry in searcher.recorder.ledger.of("confirm", "pmf")}
    assert "pmf-000" in again
    assert len(again) == FINALISTS


def test_the_reference_drawn_anew_is_the_reference_still(make):
    searcher = make(trials=5, names=["pmf"])
    for number in range(5):
        searcher.suggest(str(number))
    for number, (factors, value) in enumerate([(1, 1.0), (2, 0.70), (3, 0.71), (4, 0.72), (1, 0.95)]):
        order = searcher._running[str(number)]
        searcher._running[str(number)] = dataclasses.replace(order, config={"factors": factors})
        end(searcher, str(number), value)
    assert [entry.config["factors"] for entry in finalists(searcher.recorder.ledger, "pmf")] == [2, 3, 1]


def test_a_deadline_ends_the_search_and_not_the_trying_again(make, monkeypatch):
    searcher = make(trials=3, names=["pmf"], deadline=time.monotonic() + 1000)
    searcher.suggest("a")
    end(searcher, "a", 1.0)
    monkeypatch.setattr(time, "monotonic", lambda: float("inf"))
    assert searcher.suggest("b")["stage"] == "confirm"


def test_a_trial_that_the_deadline_cut_off_has_not_ended_and_a_resume_runs_it_again(make):
    searcher = make(trials=2, names=["pmf"])
    order = searcher.suggest("a")
    searcher.cut_off = {"a"}
    end(searcher, "a", 1.0)
    assert searcher.recorder.ledger.entries == []
    assert not searcher.complete
    again = make(trials=2, names=["pmf"])
    assert again.suggest("b") == order
    end(again, "b", 1.0)
    drain(again)
    assert again.complete


def test_a_resumed_search_suggests_what_an_undisturbed_one_would_have(make, tmp_path):
    undisturbed = drain(make(trials=6))
    for file in tmp_path.glob("*"):
        file.unlink()
    searcher, before = make(trials=6), []
    for number in range(5):
        before.append(searcher.suggest(str(number)))
        end(searcher, str(number), before[-1]["config"]["learning_rate"])
    cut_off = searcher.suggest("never ends")
    resumed = drain(make(trials=6))
    assert cut_off in resumed
    assert sorted(before + resumed, key=lambda o: o["trial"]) == sorted(undisturbed, key=lambda o: o["trial"])


def test_optunas_journal_holds_what_the_ledger_holds(make, tmp_path):
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    searcher = make(trials=3, names=["pmf"])
    drain(searcher)
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "study.journal")))
    study = optuna.load_study(study_name="pmf", storage=storage)
    ledger = {entry.trial: entry for entry in searcher.recorder.ledger.of("search", "pmf")}
    assert {trial.user_attrs["trial"]: trial.value for trial in study.trials} == {n: e.value for n, e in ledger.items()}
    assert all(trial.user_attrs["config"] == ledger[trial.user_attrs["trial"]].config for trial in study.trials)
