from types import SimpleNamespace

from reeltune.cluster.commands import counted
from reeltune.cluster.commands.counted import Counted, FitSteps


def test_a_step_says_how_much_is_done_how_fast_and_how_long_it_still_takes(monkeypatch):
    clock, steps = iter([0.0, 1.0, 50.0, 100.0]), []
    monkeypatch.setattr(counted, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    count = Counted("rows", 4_000, steps.append)
    for _ in range(2):
        count.add(1_000)
    count.add(2_000)
    assert [step.line for step in steps] == [
        "1,000 of 4,000 rows, 1,000 a second",
        "2,000 of 4,000 rows, 40 a second, about 50 s left",
        "4,000 of 4,000 rows, 40 a second",
    ]
    assert [step.share for step in steps] == [0.25, 0.5, 1]


def test_where_the_number_is_unknown_a_share_tells_how_long_it_takes(monkeypatch):
    clock, steps = iter([0.0, 10.0, 20.0]), []
    monkeypatch.setattr(counted, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    count = Counted("rows", None, steps.append)
    count.add(1_000, share=0.25)
    count.add(1_000)
    assert [step.line for step in steps] == ["1,000 rows, 100 a second, about 30 s left", "2,000 rows, 100 a second"]


def test_a_fit_says_how_long_its_steps_still_take_by_those_that_took_their_time_here():
    clock, steps = iter([100.0, 110.0, 130.0, 200.0]), []
    told = FitSteps(steps.append, clock=lambda: next(clock))
    told("svdpp", 0.5)  # resumed from a checkpoint
    for share in (0.6, 0.75, 1.0):
        told("svdpp", share)
    assert [step.line for step in steps] == [
        "svdpp: 50% of its steps",
        "svdpp: 60% of its steps, about 40 s left",
        "svdpp: 75% of its steps, about 30 s left",
        "svdpp: 100% of its steps",
    ]
    assert [step.share for step in steps] == [0.5, 0.6, 0.75, 1.0]


def test_each_fit_is_told_of_by_itself():
    clock, steps = iter([0.0, 10.0, 20.0, 30.0]), []
    told = FitSteps(steps.append, clock=lambda: next(clock))
    for name, share in (("svdpp", 0.0), ("svdpp", 1.0), ("svdpp, refitted", 0.1), ("svdpp, refitted", 0.2)):
        told(name, share)
    assert steps[-1].line == "svdpp, refitted: 20% of its steps, about 1 min left"
