import math
import statistics

import optuna
import pytest
from optuna.trial import TrialState

from reeltune.search_spaces import Outcome, Space, Study, journal, shipped, unfinished
from reeltune.search_spaces.space import Parameter
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data.shape import Shape
from tests.models import SEARCHED, TRAINED
from tests.worlds import STARS

SHAPE = Shape(users=944, items=1665, scale=STARS)
EVERY = pytest.mark.parametrize("name", SEARCHED)


def new_study(name="pmf", *, seed=42, space=None, storage=None, first=()):
    architecture = ARCHITECTURES[name]
    space = space or shipped(name, architecture)
    return Study(name, architecture, space, SHAPE, seed=seed, storage=storage, first=first)


def score(config):
    """A known answer: the best rate is 3e-3, and the best damping of what has no rate 3."""
    if "learning_rate" not in config:
        return abs(config["user_damping"] - 3)
    return abs(config["learning_rate"] - 3e-3) * 100 + config["epochs"] / 1000


def outcome(config, number):
    """Every fourth trial is stopped, every seventh fails."""
    if number % 7 == 6:
        return Outcome(state="failed", value=None)
    value = score(config)
    if number % 4 == 3:
        return Outcome(state="stopped", value=value + 1, curve={33: value + 2, 50: value + 1})
    return Outcome(state="done", value=value, curve={50: value + 1, 100: value})


def searched(study, numbers):
    """Asks and tells in turn; what was asked."""
    asked = []
    for number in numbers:
        asked.append(study.ask(f"{study.name}-{number}", number))
        study.tell(f"{study.name}-{number}", outcome(asked[-1], number), {"seconds": 1.5})
    return asked


@EVERY
def test_the_reference_is_asked_first(name):
    study = new_study(name)
    assert study.ask("first", 0) == ARCHITECTURES[name].reference(SHAPE).model_dump()
    assert study.ask("second", 1) != study.ask("third", 2)


def test_the_reference_is_run_and_recorded_though_the_space_lacks_it():
    space = Space(architecture="pmf", parameters={"factors": Parameter(low=2, high=4)}, fixed={"epochs": 1})
    study = new_study(space=space)
    assert study.ask("first", 0) == ARCHITECTURES["pmf"].reference(SHAPE).model_dump()
    study.tell("first", Outcome(state="done", value=1.0), {})
    second = study.ask("second", 1)
    assert second["epochs"] == 1
    assert 2 <= second["factors"] <= 4
    assert second["learning_rate"] == 5e-3  # what does not vary keeps its reference


@EVERY
def test_configurations_to_try_first_are_asked_right_after_the_reference(name):
    found = searched(new_study(name, seed=7), range(4))[1:]
    study = new_study(name, first=found)
    assert searched(study, range(4)) == [ARCHITECTURES[name].reference(SHAPE).model_dump(), *found]
    assert study.ask("next", 4) not in found
    for config, trial in zip(found, study._study.trials[1:], strict=False):
        assert trial.params.items() <= config.items()  # and they teach
        assert trial.params


@EVERY
def test_the_same_seed_asks_the_same_and_another_does_not(name):
    first, again, other = (searched(new_study(name, seed=seed), range(12)) for seed in (1, 1, 2))
    assert first == again
    assert first[0] == other[0]
    assert first[1:] != other[1:]


def test_each_architecture_draws_numbers_of_its_own():
    space = Space(architecture="any", parameters={"learning_rate": Parameter(low=0.001, high=0.1)})
    rates = [new_study(name, space=space).ask("t", 1)["learning_rate"] for name in TRAINED if name in ARCHITECTURES]
    assert len(set(rates)) == len(rates)


@EVERY
def test_a_study_rebuilt_from_its_history_asks_what_the_undisturbed_one_does(name):
    """15 trials: past those that are random, with stopped and failed ones among them."""
    undisturbed = new_study(name)
    history = searched(undisturbed, range(15))
    expected = undisturbed.ask("next", 15)
    rebuilt = new_study(name)
    for number, config in enumerate(history):
        rebuilt.add(f"{name}-{number}", config, outcome(config, number), {"seconds": 1.5})
    assert rebuilt.ask("next", 15) == expected
    forgetful = new_study(name)
    assert forgetful.ask("next", 15) != expected  # it is the history that decides


def test_a_study_that_begins_with_trials_of_another_run_is_not_random_from_its_second_trial_on():
    parameters = {"learning_rate": Parameter(low=1e-4, high=1e-1, log=True)}
    space = Space(architecture="pmf", parameters=parameters)
    away = {}  # orders of magnitude between the rate and the best one, by whether it begins with what is known
    for begins in (False, True):
        study = new_study(space=space)
        for place in range(30 if begins else 0):
            config = {**study.reference.model_dump(), "learning_rate": 10 ** (-4 + place / 10)}
            study.add(f"other/{place}", config, Outcome(state="done", value=score(config)), {"from": "other"})
        rates = [study.ask(str(number), number)["learning_rate"] for number in range(1, 8)]
        away[begins] = statistics.mean(abs(math.log10(rate / 3e-3)) for rate in rates)
    assert away[True] < 0.6 * away[False]


def test_asked_again_for_a_trial_that_was_cut_off_it_is_the_same_trial():
    cut_off = searched(new_study(), range(6))[5]
    study = new_study()
    searched(study, range(3))
    assert study.ask("pmf-5", 5, config=cut_off) == cut_off


def test_the_search_finds_the_better_part_of_the_space():
    parameters = {"learning_rate": Parameter(low=1e-4, high=1e-1, log=True), "epochs": Parameter(low=4, high=14)}
    study = new_study(space=Space(architecture="pmf", parameters=parameters))
    away = []  # orders of magnitude between the rate and the best one
    for number in range(40):
        rate = study.ask(str(number), number)["learning_rate"]
        away.append(abs(math.log10(rate / 3e-3)))
        study.tell(str(number), Outcome(state="done", value=away[-1]), {})
    assert statistics.median(away[-16:]) < 0.7 * statistics.median(away[1:9])


def test_stopped_trials_are_pruned_with_their_last_value_and_failed_ones_failed(tmp_path):
    study = new_study(storage=journal(str(tmp_path / "study.journal")))
    asked = searched(study, range(7))
    trials = optuna.load_study(study_name="pmf", storage=journal(str(tmp_path / "study.journal"))).trials
    states = [trial.state for trial in trials]
    assert states == [TrialState.COMPLETE] * 3 + [TrialState.PRUNED] + [TrialState.COMPLETE] * 2 + [TrialState.FAIL]
    assert trials[3].value == pytest.approx(score(asked[3]) + 1)
    assert trials[3].intermediate_values == pytest.approx({33: score(asked[3]) + 2, 50: score(asked[3]) + 1})
    assert trials[6].value is None
    assert trials[0].value == score(asked[0])


def test_added_trials_stand_in_the_study_as_told_ones_do():
    told, rebuilt = new_study(), new_study()
    for number, config in enumerate(searched(told, range(8))):
        rebuilt.add(f"pmf-{number}", config, outcome(config, number), {"seconds": 1.5})
    for first, second in zip(told._study.trials, rebuilt._study.trials, strict=True):
        for part in ("number", "state", "value", "params", "distributions", "user_attrs", "intermediate_values"):
            assert getattr(first, part) == getattr(second, part), part


def test_a_stopped_trial_without_a_value_is_pruned_all_the_same():
    study = new_study()
    study.ask("t", 0)
    study.tell("t", Outcome(state="stopped", value=None), {})
    (trial,) = study._study.trials
    assert (trial.state, trial.value) == (TrialState.PRUNED, None)


def test_a_trial_outside_the_space_is_recorded_and_teaches_nothing():
    study = new_study(space=Space(architecture="pmf", parameters={"factors": Parameter(low=2, high=4)}))
    study.add("old", ARCHITECTURES["pmf"].Config(factors=50).model_dump(), Outcome(state="done", value=1.0), {})
    study.add("fits", ARCHITECTURES["pmf"].Config(factors=3).model_dump(), Outcome(state="done", value=1.0), {})
    assert [trial.user_attrs["trial"] for trial in study._study.trials] == ["old", "fits"]
    assert [trial.params for trial in study._study.trials] == [{}, {"factors": 3}]


def test_the_journal_opens_with_optunas_own_tools(tmp_path):
    file = str(tmp_path / "study.journal")
    asked = {name: searched(new_study(name, storage=journal(file)), range(4)) for name in SEARCHED}
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(file))
    assert sorted(optuna.get_all_study_names(storage)) == sorted(SEARCHED)
    for name in SEARCHED:
        study = optuna.load_study(study_name=name, storage=storage)
        assert study.direction == optuna.study.StudyDirection.MINIMIZE
        for number, trial in enumerate(study.trials):
            assert trial.user_attrs == {"trial": f"{name}-{number}", "config": asked[name][number], "seconds": 1.5}
        assert study.best_value == min(score(config) for config in asked[name][:3])


def test_a_journal_knows_the_trials_that_were_cut_off(tmp_path):
    storage = journal(str(tmp_path / "study.journal"))
    studies = [new_study(name, storage=storage) for name in ("pmf", "classifier")]
    for study in studies:
        searched(study, range(2))
    running = {f"{study.name}-2": study.ask(f"{study.name}-2", 2) for study in studies}
    assert unfinished(journal(str(tmp_path / "study.journal"))) == running


def test_conditional_parameters_are_no_part_of_trials_they_do_not_apply_to():
    loss = Parameter(choices=["cost_regression", "reverse_kl"])
    width = Parameter(low=0.5, high=2.0, when={"loss": "reverse_kl"})
    space = Space(architecture="classifier", parameters={"loss": loss, "label_width": width})
    study = new_study("classifier", space=space)
    asked = searched(study, range(14))
    for config, trial in zip(asked[1:], study._study.trials[1:], strict=True):  # the reference is outside
        assert ("label_width" in trial.params) == (config["loss"] == "reverse_kl")
