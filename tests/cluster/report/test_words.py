import pytest

from reeltune.cluster.report.results import rows
from reeltune.cluster.report.words import about_dropped, also, answer, headline, verdict_line, with_time
from reeltune.cluster.runs.answer import ArchitectureResult, BaselineResult, Result
from tests import reported
from tests.reported import METRICS


def found(**changes):
    return ArchitectureResult(**reported.found(**changes))


def result(**changes):
    return Result.model_validate({**reported.result(), **changes})


def test_what_was_tried_again_once_only_is_named():
    assert about_dropped(result()) == ""
    two = {"pmf": found(dropped=["pmf-003"]), "classifier": found(dropped=["classifier-000"]), "bias": found()}
    assert about_dropped(result(architectures=two)) == (
        "2 configurations were dropped after 1 confirmation, too far behind the best of the architecture: pmf-003, "
        "classifier-000"
    )


def test_a_metric_has_its_name_in_place_of_the_mse():
    changed = result(metric="mae")
    assert verdict_line("classifier", found(), changed, "argmax").startswith(
        "classifier beats the baseline: argmax-MAE 0.7000 against 0.7000, gain 0.0290"
    )
    assert "MSE" not in " ".join(headline(changed, "argmax"))


def test_a_verdict_line_gives_the_answer_the_numbers_and_the_uncertainty():
    assert verdict_line("classifier", found(), result(), "argmax") == (
        "classifier beats the baseline: argmax-MSE 0.8000 against 0.8290, "
        "gain 0.0290 (95% CI of the gain 0.0200 to 0.0400); over damped means +0.0200"
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
    assert verdict_line("x", found(verdict=word, gain=gain, test=test), result(), "argmax").startswith(said)


def test_the_undecided_say_what_is_missing():
    lacking = found(verdict="undecided", missing="these 51 users count like 2: one user has 50% of the rows")
    line = verdict_line("x", lacking, result(), "argmax")
    assert "0.0400); these 51 users count like 2: one user has 50% of the rows; over damped means" in line
    assert "count like" not in verdict_line("x", lacking.model_copy(update={"verdict": "beats"}), result(), "argmax")


def test_a_gain_without_an_interval_says_so():
    alone = found(verdict="undecided", ci95=None, missing="the test rows are of one user")
    line = verdict_line("x", alone, result(), "argmax")
    assert "gain 0.0290 (no interval: nearly all test rows are one user's); the test rows are of one user" in line
    assert rows(result(architectures={"x": alone}), "argmax")[-1][2:4] == ["+0.0290", "none"]


def test_the_undecided_of_an_older_run_say_how_many_ratings_would_decide_them():
    line = verdict_line("x", found(verdict="undecided", needed_ratings=48_000), result(), "argmax")
    assert "about 48,000 test ratings would be needed to see it" in line
    assert "needed" not in verdict_line("x", found(verdict="undecided"), result(), "argmax")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("beats", "classifier wins and beats the baseline: argmax-MSE 0.8000 against 0.8290, gain 0.0290"),
        ("undecided", "Undecided: classifier wins by validation error, but may be no better than the baseline: "),
        ("worse", "Nothing is gained: classifier wins by validation error and is worse than the baseline: "),
        (None, "classifier wins by validation error; for want of a baseline there is no verdict."),
    ],
)
def test_the_answer_is_a_sentence_that_is_honest_about_the_winner(word, said):
    changed = result(architectures={"classifier": found(verdict=word)})
    assert answer(changed, "argmax").startswith(said)


def test_a_published_number_is_compared_as_what_it_is():
    published = BaselineResult(name="0.81", kind="published", architecture=None, config=None, test=None, published=0.81)
    changed = result(baseline=published)
    assert "argmax-MSE 0.8000 against 0.8100, gain" in answer(changed, "argmax")
    assert [row[:2] for row in rows(changed, "argmax")][:2] == [
        ["baseline (published 0.81)", "0.8100"],
        ["pmf (tuned)", "0.8000"],
    ]


def test_those_that_did_not_win_are_grouped_by_what_became_of_them():
    others = {"a": found(), "b": found(verdict="worse"), "c": found(verdict="worse"), "d": found()}
    assert also(result(architectures=others, winner="a"), "argmax") == [
        "Beating the baseline too: d",
        "Worse than the baseline: b, c",
    ]
    assert also(result(architectures=others, winner="b"), "argmax")[0] == "Beating the baseline: a, d"


def test_the_published_figure_and_the_baseline_stand_above_the_architectures():
    table = rows(result(architectures={"pmf": found()}, winner="pmf"), "argmax")
    assert [row[:2] for row in table] == [
        ["published pmf", "0.829"],
        ["baseline (pmf, reference)", "0.8290"],
        ["pmf (tuned)", "0.8000"],
    ]
    assert len({len(row) for row in table}) == 1


def test_no_winner_is_said_in_words():
    assert headline(result(architectures={}, winner=None), "argmax") == [
        "No architecture finished: there is no winner."
    ]
    lost = result(architectures={"pmf": found(test=None)}, winner=None)
    assert headline(lost, "argmax")[1] == "pmf: no verdict: no fit of it came to its end"


def test_the_winner_is_said_in_the_first_line_and_nothing_that_the_table_says_is_said_again():
    lines = headline(result(), "argmax")
    assert lines[0].startswith("classifier wins and beats the baseline: argmax-MSE 0.8000 against 0.8290")
    assert [line.split(":")[0] for line in lines[1:]] == ["over simple"]


@pytest.mark.parametrize(("ci95", "side"), [((0.001, 0.02), "above"), ((-0.02, -0.001), "below"), ((-1.0, 1.0), None)])
def test_an_interval_on_one_side_of_0_is_undecided_for_a_reason(ci95, side):
    why = "about 90 users would be needed to see it"
    close = found(verdict="undecided", ci95=ci95, p_holm=0.0712, missing=why)
    reason = (
        f"x is undecided although its interval is {side} 0: p is 0.0712 after Holm's adjustment for 2 architectures"
    )
    said = headline(result(architectures={"x": close, "classifier": found()}), "argmax")
    assert (f"{reason}; {why}" in said) == (side is not None)


def test_what_uses_time_says_so_in_every_line_and_what_that_means():
    timed = {"svdpp": found(config={"time": "residual"}), "pmf": found(config={"factors": 3})}
    changed = result(architectures=timed, winner="svdpp")
    assert headline(changed, "argmax")[0].startswith("svdpp WITH TIME wins and beats the baseline")
    assert "ratings that the same user gave later" in headline(changed, "argmax")[1]
    without = headline(changed.model_copy(update={"winner": None}), "argmax")
    assert without[1].startswith("svdpp WITH TIME beats the baseline")
    assert without[2].startswith("pmf beats the baseline")
    assert answer(changed, "argmax").startswith("svdpp WITH TIME wins")
    assert [row[0] for row in rows(changed, "argmax")][2:] == ["svdpp (tuned) WITH TIME", "pmf (tuned)"]


@pytest.mark.parametrize(("weight", "said"), [(0.5, True), (0.0, False)])
def test_an_ensemble_uses_time_where_a_member_with_a_say_does(weight, said):
    members = {"svdpp": found(config={"time": "day"}), "pmf": found()}
    ensemble = found(config={"weights": {"svdpp": weight, "pmf": 1 - weight}})
    changed = result(architectures={**members, "ensemble": ensemble}, winner="ensemble")
    assert ("ensemble" in with_time(changed)) == said


def test_what_a_record_says_of_time_counts_whatever_its_settings_are_called():
    """Older runs' records do not say; theirs is told by the setting `time`, as in the tests above."""
    two = {"towers": found(config={"clock": True}, timed=True), "svdpp": found(config={"time": "day"}, timed=False)}
    assert with_time(result(architectures=two)) == {"towers"}


def test_without_time_nothing_is_said_of_it():
    assert "TIME" not in " ".join(headline(result(), "argmax"))


def test_the_baselines_own_configuration_is_the_baseline_and_not_undecided():
    same = found(verdict="is the baseline", gain=0.0, ci95=(0.0, 0.0), p=None, p_holm=None)
    changed = result(architectures={"pmf": same, "svdpp": found()}, winner="svdpp")
    assert verdict_line("pmf", same, changed, "argmax").startswith(
        "pmf is the baseline: argmax-MSE 0.8000, of the same configuration and seeds; over damped means"
    )
    assert also(changed, "argmax") == ["The baseline itself: pmf"]
    assert rows(changed, "argmax")[2][2:7] == ["+0.0000", "", "", "+0.0200", "is the baseline"]
    alone = result(architectures={"pmf": same}, winner="pmf")
    assert answer(alone, "argmax").startswith(
        "Nothing is gained: pmf wins by validation error and is the baseline itself"
    )


def weak(error):
    """A result whose damped means have this error, where the baseline has 0.829."""
    simple = reported.simple()
    simple["compared"]["bias"]["test"] = {**METRICS, "argmax_mse": error}
    return result(simple=simple)


@pytest.mark.parametrize(("error", "said"), [(0.7, True), (0.8285, False), (0.84, False)])
def test_a_baseline_that_is_worse_than_damped_means_is_said_to_be(error, said):
    """A difference under a thousandth of its error counts for none."""
    changed = weak(error)
    note = f"NOTE: the baseline is itself worse than damped means: argmax-MSE 0.8290 against {error:.4f}; "
    assert any(line.startswith(note) for line in headline(changed, "argmax")) == said
    assert ("beats the baseline, which is itself worse than damped means: " in answer(changed, "argmax")) == said


def test_what_is_the_best_simple_predictor_has_no_gain_over_itself():
    assert "; over" not in verdict_line("bias", found(), result(), "argmax")


@pytest.mark.parametrize(("kind", "label"), [("simple", "best simple"), ("tuned", "tuned")])
def test_against_the_best_simple_predictor_the_gain_is_said_once(kind, label):
    simple = result(baseline=BaselineResult(**reported.baseline(name="bias", kind=kind)))
    assert "; over" not in verdict_line("x", found(), simple, "argmax")
    assert rows(simple, "argmax")[1][0] == f"baseline (bias, {label})"
    worse = BaselineResult(**reported.baseline(name="bias", kind=kind, test={**METRICS, "argmax_mse": 0.9}))
    note = "NOTE: the baseline is itself worse than damped means: argmax-MSE 0.9000 against 0.8400"
    assert note in headline(result(baseline=worse), "argmax"), "there is no better one to propose"


def test_a_search_that_was_cut_short_says_so_last():
    short = result(trials={"completed": 3}, trials_asked=40)
    assert also(short, "argmax")[-1] == "--time was over after 3 of 40 trials"


def test_what_weights_count_in_is_said_where_rows_have_any():
    weighted = result(weight_column="often")
    line = "Rows count by their weights, column 'often', in every error, gain and interval"
    assert any(said.startswith(line) for said in headline(weighted, "argmax"))
    assert not any(said.startswith("Rows count") for said in headline(result(), "argmax"))
    one = found(ci95=None)
    assert "nearly all test rows, by weight, are one user's" in verdict_line("classifier", one, weighted, "argmax")
