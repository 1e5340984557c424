from types import SimpleNamespace

from reeltune.cluster.commands import counted
from reeltune.cluster.commands.counted import Counted


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
