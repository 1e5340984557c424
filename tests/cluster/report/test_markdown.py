import pytest

from reeltune.cluster.report.markdown import markdown
from reeltune.cluster.runs.finished import read_run
from tests.reported import baseline, details, found, result, write_run


def short(tmp_path, **changes):
    return markdown(read_run(write_run(tmp_path / "one", **changes)))


def test_the_answer_the_table_the_look_and_the_command_are_in_thirty_lines(tmp_path):
    text = short(tmp_path)
    lines = text.splitlines()
    assert len(lines) <= 30
    assert lines[2].startswith("**classifier wins and beats the baseline: argmax-MSE 0.8000 against 0.8290")
    assert "| classifier (tuned) | 0.8000 | +0.0290 | +0.0200 to +0.0400 | +0.0200 | beats |" in lines
    assert "- Undecided: pmf" in lines
    assert "look number 2 at them (the interval assumes the first)" in text
    assert "a difference under 0.1% of the baseline's error counts for none" in text
    assert "8 trials done, 2 stopped early, 0 failed in 12 s" in text
    assert any(line.startswith("reeltune train classifier --data films.csv") for line in lines)


def test_a_published_baseline_says_what_its_interval_knows(tmp_path):
    published = baseline(name="0.81", kind="published", architecture=None, config=None, test=None, published=0.81)
    text = short(tmp_path, verdict={**result(baseline=published), **details(["pmf", "classifier"])})
    assert "one-sample" in text
    assert "baseline (published 0.81)" in text


def test_a_run_without_a_second_gain_says_nothing_of_it(tmp_path):
    alone = {"classifier": found(gain_over_tuned_pmf=None, gain_over_simple=None)}
    older = {**result(architectures=alone), **details(list(alone))}
    del older["simple"]
    text = short(tmp_path, verdict=older)
    assert "simple predictor" not in text
    assert "tuned pmf" not in text


def test_the_simple_predictors_that_were_compared_are_named_with_their_errors(tmp_path):
    assert (
        "Over simple: the gain over damped means, the best simple predictor on validation rows (argmax-MSE: the mean "
        "of all ratings 1.2000, damped means 0.8400, the tuned pmf 0.8500)"
    ) in short(tmp_path)


def test_an_older_run_still_has_its_gain_over_the_tuned_pmf(tmp_path):
    names = ["baseline", "pmf", "classifier"]
    older = {**result(), **details(names)}
    del older["simple"]
    for architecture in older["architectures"].values():
        del architecture["gain_over_simple"]
    text = short(tmp_path, verdict=older)
    assert "| classifier (tuned) | 0.8000 | +0.0290 | +0.0200 to +0.0400 | +0.0100 | beats |" in text
    assert "over the tuned pmf +0.0100" in text


def test_a_name_is_no_markup(tmp_path):
    verdict = {**result(), **details(["baseline", "pmf", "classifier"]), "data": "<b>a|b`c.csv"}
    assert "- Data: \\<b\\>a\\|b\\`c.csv" in short(tmp_path, verdict=verdict)


@pytest.mark.parametrize("gone", ["data", "look", "test_rows", "refit_seeds", "seconds"])
def test_an_older_run_has_a_report_without_what_it_lacks(tmp_path, gone):
    verdict = {**result(), **details(["baseline", "pmf", "classifier"])}
    del verdict[gone]
    if gone == "test_rows":
        del verdict["look"]
    assert "classifier wins" in short(tmp_path, verdict=verdict)


def test_a_search_in_which_nothing_finished_says_so(tmp_path):
    none = found(test=None, config=None, verdict=None, gain_over_tuned_pmf=None)
    text = short(tmp_path, verdict=result(architectures={"pmf": none}, winner=None))
    assert "**No architecture finished: there is no winner.**" in text
    assert "- pmf: no verdict: no fit of it came to its end" in text
