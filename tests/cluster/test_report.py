import io

import pytest
from rich.console import Console

from cluster.report import headline, markdown, rows, terminal_table, verdict_line, with_time

METRICS = {"argmax_mse": 0.8, "mean_mse": 0.78, "median_mse": None, "rounded_mse": 0.85, "grid_mse": 0.801, "mae": 0.7}
BASELINE = {
    "architecture": "pmf",
    "config": {"factors": 50},
    "test": {**METRICS, "argmax_mse": 0.829},
    "published": 0.829,
}


def found(**changes):
    judged = {"gain": 0.029, "ci95": [0.02, 0.04], "p": 0.001, "p_holm": 0.002, "verdict": "beats"}
    return {
        "config": {"factors": 3, "rate": 0.12345678},
        "test": METRICS,
        "gain_over_tuned_pmf": 0.01,
        **judged,
        **changes,
    }


def test_a_verdict_line_gives_the_answer_the_numbers_and_the_uncertainty():
    assert verdict_line("classifier", found(), BASELINE, "argmax") == (
        "classifier beats the baseline: argmax-MSE 0.8000 against 0.8290, "
        "gain 0.0290 (95% CI of the gain 0.0200 to 0.0400); over the tuned pmf +0.0100"
    )


@pytest.mark.parametrize(
    ("word", "gain", "said"),
    [
        ("worse", -0.03, "x is worse than the baseline: argmax-MSE 0.8000 against 0.8290, loss 0.0300"),
        ("undecided", 0.001, "x against the baseline: undecided: argmax-MSE 0.8000 against 0.8290, gain 0.0010"),
        (None, None, "x: no verdict, for want of a baseline; argmax-MSE 0.8000"),
        (None, None, "x: no verdict: no fit of it came to its end"),
    ],
)
def test_each_word_has_its_sentence(word, gain, said):
    test = None if "no fit" in said else METRICS
    assert verdict_line("x", found(verdict=word, gain=gain, test=test), BASELINE, "argmax").startswith(said)


def test_the_published_figure_and_the_baseline_stand_above_the_architectures():
    result = {"baseline": BASELINE, "architectures": {"pmf": found()}, "winner": "pmf"}
    table = rows(result, "argmax")
    assert [row[:2] for row in table] == [
        ["published pmf", "0.829"],
        ["baseline (pmf, reference)", "0.8290"],
        ["pmf (tuned)", "0.8000"],
    ]
    assert len({len(row) for row in table}) == 1


def test_a_narrow_terminal_gets_the_columns_that_answer_the_question():
    result = {"baseline": BASELINE, "architectures": {"embedding_nn": found()}, "winner": "pmf"}
    shown = {}
    for width in (80, 200):
        console = Console(width=width, file=io.StringIO())
        console.print(terminal_table(result, "argmax", width=width))
        shown[width] = console.file.getvalue()
    assert "beats" in shown[80]
    assert "+0.0200 to +0.0400" in shown[80]
    assert "over tuned pmf" not in shown[80]
    assert "over tuned pmf" in shown[200]
    assert "…" not in shown[80] + shown[200]


def test_no_winner_is_said_in_words():
    result = {"baseline": BASELINE, "architectures": {}, "winner": None}
    assert headline(result, "argmax") == ["No architecture finished: there is no winner."]


def reported(architectures):
    """`report.md` of these."""
    result = {
        "baseline": BASELINE,
        "architectures": architectures,
        "winner": "pmf",
        "trials": {"done": 3, "stopped": 2, "failed": 1},
        "seconds": 12.0,
    }
    table = {"values": ["1", "2"], "confusion": [[3, 4], [5, 6]], "report": "precision"}
    seeds = {"metrics": [], "spread": 0.0012}
    counts = {
        "count": 18,
        "users": 3,
        "outside_the_scale": 0,
        "unknown_users": 0,
        "unknown_items": 1,
        "also_trained_on": 0,
    }
    details = {
        "decoder": "argmax",
        "look": 2,
        "refit_seeds": 3,
        "test_rows": counts,
        "by_value": dict.fromkeys([*architectures, "baseline"], table),
        "seeds": dict.fromkeys([*architectures, "baseline"], seeds),
    }
    return markdown(result, details, "a.csv: 90 ratings")


def test_the_report_has_a_section_with_the_confusion_matrix_for_each():
    report = reported({"pmf": found()})
    assert "| **1** | 3 | 4 |\n| **2** | 5 | 6 |" in report
    assert "factors 3, rate 0.1235" in report
    assert "look number 2" in report
    assert "3 done, 2 stopped early, 1 failed" in report
    assert report.count("## ") == 2
    assert "ensemble" not in report


def test_the_ensemble_is_named_as_what_it_is():
    weights = {"svdpp": 0.8614, "pmf": 0.1386, "bias": 0.0}
    report = reported({"pmf": found(), "ensemble": found(config={"weights": weights})})
    assert "| ensemble (of the tuned) | 0.8000 |" in report
    assert "weights 0.861 svdpp + 0.139 pmf + 0.000 bias" in report
    assert "fitted on validation rows by fits on training rows alone" in report


def test_what_uses_time_says_so_in_every_line_and_what_that_means():
    timed = {"svdpp": found(config={"time": "residual"}), "pmf": found(config={"factors": 3})}
    answer = {"baseline": BASELINE, "architectures": timed, "winner": "svdpp"}
    assert headline(answer, "argmax")[0].startswith("svdpp WITH TIME beats the baseline")
    assert headline(answer, "argmax")[1].startswith("pmf beats the baseline")
    assert "ratings that the same user gave later" in headline(answer, "argmax")[2]
    assert [row[0] for row in rows(answer, "argmax")][2:] == ["svdpp (tuned) WITH TIME", "pmf (tuned)"]


@pytest.mark.parametrize(("weight", "said"), [(0.5, True), (0.0, False)])
def test_an_ensemble_uses_time_where_a_member_with_a_say_does(weight, said):
    members = {"svdpp": found(config={"time": "day"}), "pmf": found()}
    ensemble = found(config={"weights": {"svdpp": weight, "pmf": 1 - weight}})
    answer = {"baseline": BASELINE, "architectures": {**members, "ensemble": ensemble}, "winner": "ensemble"}
    assert ("ensemble" in with_time(answer)) == said


def test_without_time_nothing_is_said_of_it():
    answer = {"baseline": BASELINE, "architectures": {"pmf": found()}, "winner": "pmf"}
    assert "TIME" not in " ".join(headline(answer, "argmax"))
