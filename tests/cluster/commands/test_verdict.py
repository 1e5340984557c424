"""`reeltune verdict` and `--baseline`, on a run's folder whose predictions are known."""

import json
import sys

import numpy as np
import pandas as pd
import pytest

from reeltune.cluster.cli.app import main
from reeltune.cluster.commands.verdict import rejudge
from reeltune.cluster.judging.baseline import Baseline, baseline_of, groups
from reeltune.cluster.judging.predictions import people
from reeltune.cluster.judging.refits import calibrations, refits
from reeltune.cluster.runs.find import folder_of
from reeltune.cluster.runs.folder import write_json
from reeltune.cluster.search.choice import SEEDS, Choice
from reeltune.trainables.data.prepared import DataOptions, looks, prepare
from reeltune.trainables.errors import InputError
from reeltune.trainables.scoring.comparison import compare, compare_with_number
from tests.reported import write_run

METRICS = ("argmax", "mean", "median", "rounded", "grid")
ROWS = 600


@pytest.fixture
def frame():
    """Predictions of a baseline, of a better one, and of one that is no other than the baseline."""
    draw = np.random.default_rng(3)
    truth = draw.integers(1, 6, ROWS).astype(float)
    users = np.array([f"u{number}" for number in draw.integers(0, 50, ROWS)], dtype=object)
    users[::100] = None  # nobody that the run knew
    columns = {"user": users, "rating": truth}
    for seed in ("", ".seed2", ".seed3"):
        columns[f"baseline{seed}"] = truth + draw.normal(0, 1.0, ROWS)
        columns[f"svdpp{seed}"] = truth + draw.normal(0, 0.5, ROWS)
    columns["pmf"], columns["pmf.seed2"], columns["pmf.seed3"] = (
        columns[f"baseline{s}"] for s in ("", ".seed2", ".seed3")
    )
    return pd.DataFrame(columns)


@pytest.fixture
def run(frame):
    folder = folder_of("known")
    folder.path.mkdir(parents=True)
    asked = {"verb": "tune", "architectures": ["pmf", "svdpp"], "data": "films.csv", "trials": 1, "seed": 7}
    write_json(folder.record, {"asked": asked})
    frame.to_parquet(folder.predictions, index=False)
    test = {f"{name}_mse": 1.0 for name in METRICS} | {"mae": 1.0}
    found = {"config": {}, "validation": test, "test": test}
    verdict = {
        "run": str(folder.path),
        "trials": {"done": 2, "stopped": 0, "failed": 0},
        "seconds": 1.0,
        "baseline": {
            "name": "bias",
            "kind": "reference",
            "architecture": "bias",
            "config": {},
            "test": test,
            "published": None,
        },
        "architectures": {"pmf": found, "svdpp": found},
        "winner": "svdpp",
        "decoder": "argmax",
        "test_rows": {"count": ROWS, "users": 50, "hash": "abc123"},
    }
    write_json(folder.verdict, verdict)
    return folder


@pytest.fixture
def verdict(run, monkeypatch, capsys):
    def verdict(*words):
        monkeypatch.setattr(sys, "argv", ["reeltune", "verdict", "known", *words])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code, *capsys.readouterr()

    return verdict


def errors(frame, name):
    return np.mean([(frame[f"{name}{seed}"] - frame["rating"]) ** 2 for seed in ("", ".seed2", ".seed3")], axis=0)


def test_the_comparison_is_made_anew_from_the_predictions_of_all_seeds(verdict, frame):
    code, out, _ = verdict("--json")
    result = json.loads(out)
    expected = compare(errors(frame, "baseline"), errors(frame, "svdpp"), groups(frame["user"]))
    svdpp, pmf = result["architectures"]["svdpp"], result["architectures"]["pmf"]
    assert code == 0
    assert svdpp["gain"] == pytest.approx(expected.gain)
    assert svdpp["ci95"] == pytest.approx(expected.ci95)
    assert (svdpp["verdict"], svdpp["needed_ratings"]) == ("beats", None)
    assert (pmf["gain"], pmf["verdict"], pmf["needed_ratings"]) == (0, "undecided", None)
    assert result["baseline"]["kind"] == "reference"


def test_any_predictor_of_the_run_can_be_the_baseline(verdict):
    _, out, _ = verdict("--baseline", "svdpp", "--json")
    result = json.loads(out)
    assert (result["baseline"]["name"], result["baseline"]["kind"]) == ("svdpp", "tuned")
    assert result["architectures"].keys() == {"pmf"}
    assert result["architectures"]["pmf"]["verdict"] == "worse"


def test_the_winner_can_be_the_baseline_too(verdict):
    code, out, _ = verdict("--baseline", "svdpp")
    assert code == 0
    assert "svdpp is the baseline here: the others are judged against it." in out


def test_of_folds_the_answer_is_on_what_the_search_chose_and_each_folds_own_look_counts(verdict, run):
    fold = {"run": "runs/known/fold-1", "winner": "svdpp", "test": ROWS, "errors": {}}
    kept = json.loads(run.verdict.read_text())
    rows = {**kept["test_rows"], "hash": "abc123 def456"}
    write_json(run.verdict, {**kept, "folds": [fold, {**fold, "winner": "pmf"}], "test_rows": rows})
    looks().parent.mkdir(parents=True, exist_ok=True)
    looks().write_text('{"rows": "abc123"}\n{"rows": "def456"}\n')
    _, out, _ = verdict()
    assert "Over 2 folds what the search chose beats the baseline" in out
    assert "this was look number 2 at these test rows" in out


def test_the_rows_of_one_user_alone_are_undecided_and_no_interval_is_written(verdict, run, frame):
    frame.assign(user="u1").to_parquet(run.predictions, index=False)
    _, out, _ = verdict("--json")
    svdpp = json.loads(out, parse_constant=pytest.fail)["architectures"]["svdpp"]
    assert (svdpp["verdict"], svdpp["ci95"], svdpp["p"]) == ("undecided", None, 1.0)
    _, out, _ = verdict()
    assert "no interval: nearly all test rows are one user's" in " ".join(out.split())


def test_what_is_missing_is_said(verdict, run, frame):
    few = frame.assign(user=[f"u{row % 12}" for row in range(ROWS)])
    few.to_parquet(run.predictions, index=False)
    _, out, _ = verdict()
    assert "the test rows are of 12 users; fewer than 20 are too few for a verdict" in " ".join(out.split())


def test_a_number_is_compared_by_a_one_sample_interval_and_says_so(verdict, frame):
    _, out, _ = verdict("--baseline", "0.5", "--json")
    result = json.loads(out)
    expected = compare_with_number(0.5, errors(frame, "svdpp"), groups(frame["user"]))
    assert result["architectures"]["svdpp"]["ci95"] == pytest.approx(expected.ci95)
    assert (result["baseline"]["kind"], result["baseline"]["published"]) == ("published", 0.5)
    _, out, _ = verdict("--baseline", "0.5")
    assert "baseline (published 0.5)" in out
    assert "one-sample 95% CI of the gain" in out


def judged_by(run, frame, metric, **columns):
    kept = json.loads(run.verdict.read_text())
    test = {"mae": 0.8, "log_loss": 1.2, "rps": 0.1}
    for found in (kept["baseline"], *kept["architectures"].values()):
        found["test"] = {**found["test"], **test}
    write_json(run.verdict, {**kept, "metric": metric})
    frame.assign(**columns).to_parquet(run.predictions, index=False)


def test_the_metric_of_the_run_is_judged_again_and_named(verdict, run, frame):
    judged_by(run, frame, "mae")
    _, out, _ = verdict("--json")

    def absolute(name):
        return np.mean([(frame[f"{name}{seed}"] - frame["rating"]).abs() for seed in ("", ".seed2", ".seed3")], axis=0)

    expected = compare(absolute("baseline"), absolute("svdpp"), groups(frame["user"]))
    result = json.loads(out)
    assert result["metric"] == "mae"
    assert result["architectures"]["svdpp"]["gain"] == pytest.approx(expected.gain)
    assert result["architectures"]["svdpp"]["ci95"] == pytest.approx(expected.ci95)
    _, out, _ = verdict()
    assert "test rows, MAE of the argmax decoder" in out
    assert "argmax-MAE 0.8000 against 0.8000" in " ".join(out.split())
    assert "test MSE" not in out
    assert "MSE, mean" in out


def test_scores_of_probabilities_are_those_that_the_run_kept_of_each_row(verdict, run, frame):
    draw = np.random.default_rng(0)
    seeds = ("", ".seed2", ".seed3")
    scores = {f"rps:{name}{seed}": draw.random(ROWS) / 5 for name in ("baseline", "pmf") for seed in seeds}
    scores |= {f"rps:svdpp{seed}": scores[f"rps:baseline{seed}"] / 2 for seed in seeds}
    judged_by(run, frame, "rps", **scores)
    _, out, _ = verdict("--json")
    mean = np.mean([scores[f"rps:baseline{seed}"] for seed in seeds])
    found = json.loads(out)["architectures"]["svdpp"]
    assert (found["gain"], found["verdict"]) == (pytest.approx(mean / 2), "beats")


def test_each_verdict_is_a_look_at_the_test_rows_and_the_run_stays_as_it_is(verdict, run):
    before = run.verdict.read_text()
    first, second = verdict(), verdict()
    assert "this was look number 1 at these test rows\n" in first[1]
    assert "this was look number 2 at these test rows; the intervals assume the first" in second[1]
    assert [json.loads(line)["rows"] for line in looks().read_text().splitlines()] == ["abc123"] * 2
    assert run.verdict.read_text() == before


def test_best_simple_is_the_one_that_the_run_found_on_validation_rows(verdict, run, frame):
    """The mean, whose predictions stand beside the others'; it is not the best of them on the test rows."""
    frame["mean"] = 3.0
    frame.to_parquet(run.predictions, index=False)
    kept = json.loads(run.verdict.read_text())
    test = kept["architectures"]["pmf"]["test"]
    compared = {
        "mean": {"config": None, "validation": 0.9, "test": test},
        "pmf": {"config": {}, "validation": 1.0, "test": test},
    }
    write_json(run.verdict, {**kept, "simple": {"best": "mean", "compared": compared}})
    _, out, _ = verdict("--baseline", "best-simple", "--json")
    result = json.loads(out)
    off = float(((frame["rating"] - 3.0) ** 2).mean())
    gains = {name: off - errors(frame, name).mean() for name in ("pmf", "svdpp")}
    assert (result["baseline"]["name"], result["baseline"]["kind"]) == ("mean", "simple")
    for name, gain in gains.items():
        found = result["architectures"][name]
        assert (found["gain"], found["gain_over_simple"]) == pytest.approx((gain, gain))
    _, out, _ = verdict("--json")
    own = json.loads(out)["architectures"]
    assert {name: own[name]["gain_over_simple"] for name in gains} == pytest.approx(gains)


def test_an_older_run_without_simple_predictors_says_what_can_be_named(verdict):
    code, _, err = verdict("--baseline", "best-simple")
    assert code == 2
    assert "of a version that compared no simple predictors; name one of its predictors: pmf, svdpp" in err
    assert not looks().exists()


def test_an_architecture_of_the_baselines_configuration_is_the_baseline(verdict, run):
    kept = json.loads(run.verdict.read_text())
    write_json(run.verdict, {**kept, "baseline": {**kept["baseline"], "name": "pmf", "architecture": "pmf"}})
    _, out, _ = verdict("--json")
    pmf = json.loads(out)["architectures"]["pmf"]
    assert (pmf["gain"], pmf["ci95"], pmf["p_holm"], pmf["verdict"]) == (0.0, [0.0, 0.0], None, "is the baseline")
    _, out, _ = verdict()
    row = next(line for line in out.splitlines() if line.strip().startswith("pmf (tuned)"))
    assert "is the baseline" in row


def test_an_unknown_baseline_is_refused_with_what_there_is_and_no_look(verdict):
    code, out, err = verdict("--baseline", "knn")
    assert (code, out) == (2, "")
    assert "--baseline 'knn': the run's predictions are of pmf, svdpp, baseline; expected one of them" in err
    assert not looks().exists()


def test_a_run_that_is_not_finished_has_no_verdict(verdict, run):
    run.predictions.unlink()
    code, _, err = verdict()
    assert code == 2
    assert "the run has no predictions of test rows" in err


def test_a_run_of_train_has_no_verdict_and_its_model_is_named(tmp_path):
    folder = write_run(tmp_path / "one", asked={"verb": "train", "architecture": "pmf", "config": {}})
    folder.verdict.unlink()
    with pytest.raises(InputError, match=r"one: a run of `reeltune train`, which is one fit: reports, verdicts and"):
        rejudge(folder, None)


def test_rows_of_nobody_by_name_are_each_their_own():
    found = groups(pd.Series(["b", None, "a", None, "b"]))
    assert found[0] == found[4]
    assert len(set(found)) == 4


def test_the_runs_own_baseline_can_be_named(verdict, run):
    kept = json.loads(run.verdict.read_text())
    write_json(run.verdict, {**kept, "baseline": {**kept["baseline"], "name": "bias", "architecture": "bias"}})
    _, own, _ = verdict("--json")
    _, named, _ = verdict("--baseline", "bias", "--json")
    assert json.loads(named)["architectures"] == json.loads(own)["architectures"]


def test_new_users_of_a_test_file_are_told_from_each_other(tmp_path):
    rows = ["a,x,3", "b,x,4", "c,y,5", "d,y,3"] * 5
    (tmp_path / "known.csv").write_text("\n".join(["user,item,rating", *rows]) + "\n")
    (tmp_path / "test.csv").write_text("user,item,rating\nnew,x,3\nnew,y,4\nother,x,5\na,z,4\n")
    options = DataOptions(data=str(tmp_path / "known.csv"), test=str(tmp_path / "test.csv"), duplicates="keep")
    prepared = prepare(options)
    rows, _ = prepared.split.test.open(looks(), reason="test")
    assert people(rows, prepared).tolist() == ["new", "new", "other", "a"]
    assert len(set(groups(pd.Series(people(rows, prepared))))) == 3


@pytest.mark.parametrize(
    ("name", "metric", "calibrated"),
    [
        ("svdpp_classifier", "mse", True),
        ("classifier", "mse", True),
        ("svdpp", "mse", False),
        ("svdpp", "mae", False),
        ("svdpp", "rps", True),
        ("0.1", "rps", False),
    ],
)
def test_a_baseline_whose_probabilities_count_is_calibrated_by_a_fit_on_training_rows(name, metric, calibrated):
    prepared = prepare(DataOptions(data="synthetic:ratings=500"))
    orders = refits({}, prepared, seed=1, baseline=baseline_of(name))
    fits = calibrations(orders, prepared.shape, metric=metric)
    assert [(order.architecture, order.rows) for order in fits] == [(name, "training")] * calibrated


def test_a_baseline_is_an_architecture_or_the_best_simple_one_or_a_number():
    assert baseline_of("bias") == Baseline(name="bias")
    assert baseline_of("best-simple") == Baseline(name="best-simple", kind="simple")
    number = baseline_of("0.829")
    assert (number.kind, number.number, number.name) == ("published", 0.829, "0.829")
    assert (baseline_of("pmf").published("ml-100k"), baseline_of("pmf").published("mine")) == (0.829, None)
    assert baseline_of("pmf").published("ml-100k", "mae") is None, "the published figure is a squared error"


@pytest.mark.parametrize("text", ["knn", "nan", "inf", "-0.1", "0", "1e999"])
def test_no_other_baseline_is_taken(text):
    with pytest.raises(InputError, match="--baseline"):
        baseline_of(text)


def test_a_named_baseline_is_refitted_at_its_reference_and_a_number_is_not():
    prepared = prepare(DataOptions(data="synthetic:ratings=500"))
    config = {"user_damping": 1.0, "item_damping": 2.0}
    choices = {"bias": Choice(config=config, value=1.0, metrics={}, temperature=1.0)}
    named = refits(choices, prepared, seed=1, baseline=baseline_of("svdpp"))
    ordered = {(order.architecture, order.seed) for (name, _), order in named.items() if name == "baseline"}
    assert ordered == {("svdpp", 1 + place) for place in range(SEEDS)}
    for text in ("0.8", "best-simple"):
        assert {name for name, _ in refits(choices, prepared, seed=1, baseline=baseline_of(text))} == {"bias"}
