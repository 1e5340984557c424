"""The decisions of each scheduler, with Ray's own below it and trials that only carry an order."""

from dataclasses import dataclass

import pytest

from reeltune.cluster.runs.folder import Entry
from reeltune.cluster.search.messages import Order, Update, tune_config, tune_result
from reeltune.cluster.search.schedulers import SCHEDULERS, UNTOUCHED, PerArchitecture
from reeltune.cluster.search.trial_fit import RUNG
from tests.searches import point

EVERY = pytest.mark.parametrize("name", SCHEDULERS)
STOPPING = pytest.mark.parametrize("name", [name for name in SCHEDULERS if name != "none"])


@dataclass(eq=False)
class Trial:
    trial_id: str
    config: dict


def trial_of(name, *, architecture="pmf", stage="search", number=1):
    order = Order(trial=name, architecture=architecture, number=number, stage=stage, config={}, seed=1)
    return Trial(name, tune_config(order))


def decide(scheduler, name, value, *, architecture="pmf", stage="search", progress=RUNG, points=()):
    trial = trial_of(name, architecture=architecture, stage=stage)
    scheduler.on_trial_add(None, trial)
    result = tune_result(Update(progress=progress, value=value, points=points))
    return scheduler.on_trial_result(None, trial, result)


def new(name, *, deadline=None, ended=()):
    return PerArchitecture(SCHEDULERS[name], deadline=deadline, ended=ended)


@STOPPING
def test_the_first_are_never_stopped_and_then_the_worse_half_is(name):
    scheduler = new(name)
    first = [decide(scheduler, f"t{n}", float(n)) for n in range(UNTOUCHED)]
    assert first == ["CONTINUE"] * UNTOUCHED
    assert decide(scheduler, "good", 0.5) == "CONTINUE"
    assert decide(scheduler, "bad", 9.0) == "STOP"


@EVERY
def test_nothing_is_stopped_before_the_rung(name):
    scheduler = new(name)
    for n in range(10):
        assert decide(scheduler, f"t{n}", float(n), progress=RUNG - 0.1) == "CONTINUE"


@EVERY
def test_architectures_are_compared_apart(name):
    scheduler = new(name)
    for n in range(6):
        decide(scheduler, f"good{n}", 0.1 * n)
    worse = [decide(scheduler, f"other{n}", 100.0, architecture="classifier") for n in range(UNTOUCHED)]
    assert worse == ["CONTINUE"] * UNTOUCHED


@EVERY
def test_the_best_tried_again_are_never_stopped(name):
    scheduler = new(name)
    for n in range(6):
        decide(scheduler, f"t{n}", 0.1 * n)
    assert decide(scheduler, "again", 100.0, stage="confirm") == "CONTINUE"


@STOPPING
def test_the_reference_is_never_stopped_however_bad_it_is_and_others_are_compared_with_it(name):
    scheduler, reference = new(name), trial_of("reference", number=0)
    for n in range(UNTOUCHED):
        decide(scheduler, f"t{n}", 1.0)
    scheduler.on_trial_add(None, reference)
    for progress in (RUNG, 0.8, 1.0):
        result = tune_result(Update(progress=progress, value=100.0))
        assert scheduler.on_trial_result(None, reference, result) == "CONTINUE"
    scheduler.on_trial_complete(None, reference, result)
    assert decide(scheduler, "bad", 99.0) == "STOP"


def test_the_deadline_stops_the_reference_too():
    scheduler, reference = new("asha", deadline=0.0), trial_of("reference", number=0)
    scheduler.on_trial_add(None, reference)
    assert scheduler.on_trial_result(None, reference, tune_result(Update(progress=0.1, value=1.0))) == "STOP"
    assert scheduler.cut_off == {"reference"}


def test_a_trial_that_goes_on_after_the_rung_is_compared_by_its_value_at_the_rung():
    scheduler = new("asha")
    for n in range(UNTOUCHED):
        decide(scheduler, f"t{n}", 1.0)
    points = tuple(point(progress, value) for progress, value in ((0.5, 9.0), (RUNG, 2.0), (0.9, 0.1)))
    assert decide(scheduler, "late", 0.1, progress=0.9, points=points) == "STOP"


def entry(number, value, *, state="done", stage="search"):
    curve = {33: 9.0, round(100 * RUNG): value, 100: 0.0} if value is not None else {33: 9.0}
    return Entry(
        trial=f"pmf-{number:03}",
        architecture="pmf",
        number=number,
        stage=stage,
        state=state,
        config={},
        value=value,
        metrics=None,
        temperature=1.0,
        curve=curve,
        epochs=1,
        seconds=1.0,
        seed=1,
        error=None,
    )


@STOPPING
def test_a_resumed_search_compares_with_the_trials_that_ended_before_by_their_values_at_the_rung(name):
    ended = [entry(number, float(number)) for number in range(UNTOUCHED - 1)]
    ended.append(entry(UNTOUCHED - 1, 1.5, state="stopped"))
    scheduler = new(name, ended=ended)
    assert decide(scheduler, "good", 0.5) == "CONTINUE"
    assert decide(scheduler, "bad", 2.5) == "STOP"


@STOPPING
def test_a_resumed_search_counts_no_trial_that_never_got_to_the_rung_or_was_one_of_the_best_tried_again(name):
    ended = [entry(number, float(number)) for number in range(UNTOUCHED - 1)]
    ended += [entry(8, None, state="failed"), entry(9, 0.1, stage="confirm")]
    scheduler = new(name, ended=ended)
    assert decide(scheduler, "the fourth", 9.0) == "CONTINUE"
    assert decide(scheduler, "the fifth", 9.0) == "STOP"


@STOPPING
def test_a_resumed_search_takes_trials_that_the_scheduler_would_have_stopped(name):
    """Some of many at once came to the rung before those that they are now compared with."""
    scheduler = new(name, ended=[entry(number, float(number)) for number in range(3 * UNTOUCHED)])
    assert decide(scheduler, "bad", 99.0) == "STOP"


@EVERY
def test_trials_that_end_without_a_value_keep_no_scheduler_from_deciding(name):
    scheduler = new(name)
    order = Order(trial="lost", architecture="pmf", number=1, stage="search", config={}, seed=1)
    for end in (scheduler.on_trial_error, lambda *about: scheduler.on_trial_complete(*about, tune_result(Update()))):
        trial = Trial("lost", tune_config(order))
        scheduler.on_trial_add(None, trial)
        end(None, trial)
    assert {decide(scheduler, f"t{n}", 1.0) for n in range(2 * UNTOUCHED)} == {"CONTINUE"}


def test_none_stops_nothing():
    scheduler = new("none")
    assert {decide(scheduler, f"t{n}", float(n)) for n in range(10)} == {"CONTINUE"}


@EVERY
def test_a_deadline_stops_search_trials_and_no_others(name):
    scheduler = new(name, deadline=0.0)
    assert decide(scheduler, "a", 0.1, progress=0.1) == "STOP"
    assert decide(scheduler, "b", 0.1, stage="confirm") == "CONTINUE"
