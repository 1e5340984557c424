import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from reeltune.cluster.cli.output import print_fitting
from reeltune.cluster.commands.compare import compare, comparison_table, narrow_tables
from reeltune.cluster.runs.folder import RunFolder
from reeltune.trainables.errors import InputError
from tests.reported import NAMES, details, found, result, write_run


def verdict(**changes):
    return {**result(), **details(["baseline", *NAMES]), **changes}


def test_runs_on_the_same_test_rows_stand_in_one_table(tmp_path):
    compared = compare([write_run(tmp_path / "one"), write_run(tmp_path / "[red]two")])
    assert [len(run.architectures) for run in compared.runs] == [2, 2]
    found = compared.runs[0].architectures[1]
    assert (found.architecture, found.test_error, found.trials, found.seconds) == ("classifier", 0.8, 5, 7.5)
    console = Console(width=200, file=io.StringIO())
    console.print(comparison_table(compared))
    text = console.file.getvalue()
    assert "[red]two" in text
    assert text.count("classifier *") == 2
    assert text.count("baseline (pmf)") == 2


def test_seconds_are_those_of_each_worker_of_the_search_trials_alone(tmp_path):
    run = write_run(tmp_path / "one", asked={"workers_per_trial": 2})
    first = json.loads(run.ledger.read_text().splitlines()[0])
    again = {**first, "trial": f"{first['trial']}-again1", "stage": "confirm", "seconds": 100.0, "fold": 1}
    with run.ledger.open("a") as ledger:
        ledger.write(json.dumps(again) + "\n")
    assert [(found.trials, found.seconds) for found in compare([run]).runs[0].architectures] == [(5, 15.0)] * 2


@pytest.mark.parametrize("width", [80, 120, 160])
def test_no_figure_is_cut_however_narrow_the_terminal(monkeypatch, width):
    names = {"svdpp_classifier": found(verdict="is the baseline"), "ensemble": found()}
    content = verdict(architectures=names, winner="ensemble")
    compared = compare([write_run(Path(name), verdict=content) for name in ("one", "a-name-that-is-long")])
    console = Console(width=width, force_terminal=True, file=io.StringIO())
    monkeypatch.setattr("reeltune.cluster.cli.output._console", lambda: console)
    print_fitting(comparison_table(compared), narrow=narrow_tables(compared))
    text = console.file.getvalue()
    assert text.count("svdpp_classifier") == text.count("+0.0200 to +0.0400") == 2
    assert "…" not in text.replace("abcdef012345…", "")
    assert "a-name-that-is-long" in text


def test_a_gain_without_an_interval_says_so(tmp_path):
    run = write_run(tmp_path / "one", verdict=verdict())
    content = json.loads(run.verdict.read_text())
    content["architectures"]["classifier"] |= {"ci95": None, "verdict": "undecided"}
    run.verdict.write_text(json.dumps(content))
    console = Console(width=200, file=io.StringIO())
    console.print(comparison_table(compare([run])))
    line = next(line for line in console.file.getvalue().splitlines() if "classifier" in line)
    assert "none" in line.split()


def test_a_metric_has_its_name_and_its_figures(tmp_path):
    by_mae = write_run(tmp_path / "one", asked={"metric": "mae"}, verdict=verdict(metric="mae"))
    compared = compare([by_mae])
    console = Console(width=200, file=io.StringIO())
    console.print(comparison_table(compared))
    assert "test MAE" in console.file.getvalue()
    found = compared.runs[0].architectures[1]
    assert (found.test_error, found.test_mse) == (0.7, None)


def test_runs_of_two_metrics_are_refused_and_both_named(tmp_path):
    runs = [write_run(tmp_path / "one"), write_run(tmp_path / "two", asked={"metric": "rps"})]
    with pytest.raises(InputError, match=r"two was judged by RPS, and .*one by argmax-MSE: compare runs of one --metr"):
        compare(runs)


def test_other_test_rows_are_refused_and_both_runs_named(tmp_path):
    other = details(["baseline", *NAMES])["test_rows"] | {"hash": "0" * 16}
    runs = [write_run(tmp_path / "one"), write_run(tmp_path / "two", verdict=verdict(test_rows=other))]
    with pytest.raises(InputError, match=r"two was judged on other test rows .* than .*one"):
        compare(runs)


@pytest.mark.parametrize("again", ["one", "two/../one"])
def test_a_run_that_is_named_twice_is_refused(tmp_path, again):
    runs = [write_run(tmp_path / name) for name in ("one", "two")]
    with pytest.raises(InputError, match=r"one: this run is named twice; name each run once"):
        compare([*runs, RunFolder(tmp_path / again)])


def test_a_run_without_a_verdict_is_refused(tmp_path):
    folder = write_run(tmp_path / "one")
    folder.verdict.unlink()
    with pytest.raises(InputError, match="no verdict to compare"):
        compare([folder])
