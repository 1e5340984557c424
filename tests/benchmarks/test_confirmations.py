"""`benchmarks/confirmations.py` on a ledger of which it is known what the rule drops."""

import pytest

from benchmarks import confirmations
from reeltune.cluster.runs.folder import Ledger
from tests.cluster.search.test_choice import confirmed, searched

FIRST = ((0.80, 0.81), (0.82, 0.84), (0.90, 0.93))  # by the trial and by its first confirmation


@pytest.mark.parametrize(("third", "otherwise", "loss"), [(0.9, 0, "0.00%"), (0.1, 1, "113.27%")])
def test_a_run_without_dropping_is_taken_as_if_it_had_dropped(third, otherwise, loss):
    entries = [searched(number, value) for number, (value, _) in enumerate(FIRST)]
    entries += [confirmed(number, 1, again) for number, (_, again) in enumerate(FIRST)]
    entries += [confirmed(n, fold, third if n == 2 else 0.8) for n in range(3) for fold in (2, 3)]
    expected = f"| one | 1 | 1 | 3 | 0 | 0 | 9 | 22% | 0% | {otherwise} | {loss} |"
    assert confirmations.replayed("runs/one", entries) == expected
    sampled = [confirmations.as_sampled(entry) for entry in entries]
    expected = f"| one | 1 | 2 | 3 | 1 | 0 | 9 | 67% | 22% | {otherwise} | {loss} |"
    assert confirmations.replayed("runs/one", sampled) == expected, "the one left has one confirmation too"


@pytest.mark.parametrize(("second", "after_two", "saved"), [(0.9, 1, "44% | 22%"), (0.7, 0, "22% | 0%")])
def test_on_a_sample_the_third_confirmations_are_saved_where_the_first_two_agree(second, after_two, saved):
    entries = [confirmations.as_sampled(searched(number, value)) for number, (value, _) in enumerate(FIRST)]
    for fold, values in enumerate([(0.81, 0.811, 0.93), (0.8, second, 0.9), (0.7, 0.9, 0.9)], start=1):
        entries += [confirmed(number, fold, value) for number, value in enumerate(values)]
    expected = f"| one | 1 | 1 | 3 | 0 | {after_two} | 9 | {saved} | 0 | 0.00% |"
    assert confirmations.replayed("runs/one", entries) == expected


def test_an_architecture_that_lacks_confirmations_is_left_out():
    entries = [searched(0, 0.8), confirmed(0, 1, 0.8)]
    assert confirmations.replayed("runs/one", entries) == "| one | 0 | 0 | 0 | 0 | 0 | 0 | 0% | 0% | 0 | 0.00% |"


def test_made_up_worlds_have_every_confirmation_of_each_finalist(monkeypatch):
    monkeypatch.setattr(confirmations, "WORLDS", 3)
    assert confirmations.made_up(2.0, 100.0).startswith("| 2 | 100 | 1.00 of 3 | 7.00 of 9 | 0.0% |"), (
        "the reference alone"
    )


def test_nothing_is_written(tmp_path, capsys, monkeypatch):
    ledger = Ledger(tmp_path / "run" / "trials.jsonl")
    ledger.path.parent.mkdir()
    ledger.append(searched(0, 0.8))
    (tmp_path / "run" / "run.json").write_text("{}")
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr("sys.argv", ["confirmations.py", str(tmp_path / "run")])
    confirmations.main()
    assert "| run | 0 |" in capsys.readouterr().out
    assert sorted(tmp_path.rglob("*")) == before
