"""The decisions of successive halving, with Ray's own scheduler below it and trials that only carry a name."""

from dataclasses import dataclass, field

import pytest

from reeltune.cluster.runs.folder import Entry
from reeltune.cluster.search.scheduler import UNTOUCHED, Halving
from reeltune.cluster.search.trial_fit import RUNG


@dataclass
class Trial:
    trial_id: str
    config: dict = field(default_factory=dict)


def decide(halving, name, value, *, architecture="pmf", stage="search", progress=RUNG, points=()):
    trial = Trial(name, {"architecture": architecture, "stage": stage})
    halving.on_trial_add(None, trial)
    return halving.on_trial_result(None, trial, {"progress": progress, "value": value, "points": points})


@pytest.fixture
def halving():
    return Halving(halve=True, deadline=None)


def test_the_first_are_never_stopped_and_then_the_worse_half_is(halving):
    first = [decide(halving, f"t{n}", float(n)) for n in range(UNTOUCHED)]
    assert first == ["CONTINUE"] * UNTOUCHED
    assert decide(halving, "good", 0.5) == "CONTINUE"
    assert decide(halving, "bad", 9.0) == "STOP"


def test_nothing_is_stopped_before_the_rung(halving):
    for n in range(10):
        assert decide(halving, f"t{n}", float(n), progress=RUNG - 0.1) == "CONTINUE"


def test_architectures_are_halved_apart(halving):
    for n in range(6):
        decide(halving, f"good{n}", 0.1 * n)
    worse = [decide(halving, f"other{n}", 100.0, architecture="classifier") for n in range(UNTOUCHED)]
    assert worse == ["CONTINUE"] * UNTOUCHED


def test_the_best_tried_again_are_never_stopped(halving):
    for n in range(6):
        decide(halving, f"t{n}", 0.1 * n)
    assert decide(halving, "again", 100.0, stage="confirm") == "CONTINUE"


def test_a_trial_that_goes_on_after_the_rung_is_compared_by_its_value_at_the_rung(halving):
    for n in range(UNTOUCHED):
        decide(halving, f"t{n}", 1.0)
    points = [{"progress": progress, "value": value} for progress, value in ((0.5, 9.0), (RUNG, 2.0), (0.9, 0.1))]
    assert decide(halving, "late", 0.1, progress=0.9, points=points) == "STOP"


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


def test_a_resumed_search_compares_with_the_trials_that_ended_before_by_their_values_at_the_rung():
    ended = [entry(number, float(number)) for number in range(UNTOUCHED - 1)]
    ended.append(entry(UNTOUCHED - 1, 1.5, state="stopped"))
    halving = Halving(halve=True, deadline=None, ended=ended)
    assert decide(halving, "good", 0.5) == "CONTINUE"
    assert decide(halving, "bad", 2.5) == "STOP"


def test_a_resumed_search_counts_no_trial_that_never_got_to_the_rung_or_was_one_of_the_best_tried_again():
    ended = [entry(number, float(number)) for number in range(UNTOUCHED - 1)]
    ended += [entry(8, None, state="failed"), entry(9, 0.1, stage="confirm")]
    halving = Halving(halve=True, deadline=None, ended=ended)
    assert decide(halving, "the fourth", 9.0) == "CONTINUE"
    assert decide(halving, "the fifth", 9.0) == "STOP"


def test_it_can_be_switched_off():
    halving = Halving(halve=False, deadline=None)
    assert {decide(halving, f"t{n}", float(n)) for n in range(10)} == {"CONTINUE"}


def test_a_deadline_stops_search_trials_and_no_others():
    halving = Halving(halve=False, deadline=0.0)
    assert decide(halving, "a", 0.1, progress=0.1) == "STOP"
    assert decide(halving, "b", 0.1, stage="confirm") == "CONTINUE"
