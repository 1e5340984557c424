"""`--weight-column`: every figure is by the weights, or says that it is not."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import reeltune as rt
from reeltune.trainables.data import Columns, load_data
from reeltune.trainables.data.prepared import DataOptions, prepare
from reeltune.trainables.scoring.comparison import compare
from tests import inside, two_towers


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A file of ratings with two columns of weights, `often` and `other`; some are 0."""
    data = load_data("synthetic:users=40,items=30,ratings=900,noise=0.5")
    rows, draw = data.rows, np.random.default_rng(0)
    path = tmp_path_factory.mktemp("world") / "r.csv"
    pd.DataFrame(
        {
            "user": data.users.text[rows.users - 1],
            "item": data.items.text[rows.items - 1],
            "rating": rows.ratings,
            "often": draw.integers(0, 5, len(rows)) / 2,
            "other": draw.integers(1, 3, len(rows)),
        }
    ).to_csv(path, index=False)
    return path


def reeltune(*words):
    done = inside.reeltune(*map(str, words))
    assert done.returncode == 0, done.stderr
    return done


def test_the_figures_of_a_fit_are_by_the_weights(world):
    words = ("train", "bias", "--data", world, "--weight-column", "often", "--split-seed", 3, "--name", "one")
    done = reeltune(*words, "--score-test", "--json")
    assert "weights from column 'often': 0.5 to 2, effective rows " in done.stderr
    options = DataOptions(data=str(world), split_seed=3, columns=Columns(weight="often"))
    parts = prepare(options).split
    model, found = rt.load("runs/one/models/bias"), json.loads(done.stdout)
    data = prepare(options).ratings
    for part, rows in (("validation", parts.validation), ("test", parts.test._rows)):
        rated = model.predict(data.users.text[rows.users - 1], data.items.text[rows.items - 1])
        error = np.average((rated - rows.ratings) ** 2, weights=rows.weights)
        assert found[part]["argmax_mse"] == pytest.approx(error, rel=1e-5)
    assert "Each row counts by its weight, column often" in Path("runs/one/models/bias/README.md").read_text()


def test_a_table_in_memory_is_fitted_as_the_file_is(world):
    reeltune("train", "bias", "--data", world, "--weight-column", "often", "--split-seed", 42, "--name", "file")
    ratings = rt.Ratings(pd.read_csv(world), weight="often")
    assert "often" in str(ratings)
    model = rt.train(ratings, "bias", name="table")
    assert model.validation == rt.load("runs/file/models/bias").validation
    assert "often" in pd.read_parquet("runs/table/data/ratings.parquet")


def test_a_table_of_counts_says_that_it_counts_rows(world):
    words = ("train", "bias", "--data", world, "--score-test")
    assert "in the next two tables each row counts once" in reeltune(*words, "--weight-column", "often").stdout
    assert "each row counts once" not in reeltune(*words).stdout


def test_a_fit_with_other_weights_is_not_gone_on_with(world):
    words = ("train", "bias", "--data", world, "--name", "one")
    reeltune(*words, "--weight-column", "often")
    for other in (["--weight-column", "other"], []):
        done = inside.reeltune(*map(str, words), *other, "--resume")
        assert done.returncode == 2
        assert "weight" in done.stderr


def test_the_mean_of_data_is_said_both_ways(world):
    said = reeltune("data", world, "--weight-column", "often").stdout
    assert " by weight)" in said
    assert " by weight)" not in reeltune("data", world).stdout
    assert "by weight)" in repr(rt.Ratings(str(world), weight="often"))


def test_an_own_architecture_takes_weights_with_the_losses_of_rows_alone(world):
    reeltune("new", "mine")
    words = ("train", "mine.py", "--data", world, "--weight-column", "often", "--set", "epochs=1")
    reeltune(*words)
    text = Path("mine.py").read_text()
    Path("mine.py").write_text(text.replace("def row_losses(", "def loss(").replace('reduction="none"', ""))
    done = inside.reeltune(*map(str, words))
    assert done.returncode == 2
    assert "mine.py has the mean loss of a batch alone; give its Model `row_losses(output, ratings)`" in done.stderr
    reeltune("train", "mine.py", "--data", world, "--set", "epochs=1")


def errors(frame, name, metric):
    """Each row's error by a predictor, mean over the seeds of which there are columns."""
    columns = [column for column in frame if column == name or column.startswith(f"{name}.seed")]
    if metric == "mse":
        return np.mean([(frame[column].astype(float) - frame["rating"]) ** 2 for column in columns], axis=0)
    return np.mean([frame[f"{metric}:{column}"] for column in columns], axis=0)


def interval_of_t(gains, weights, users):
    """The standard error of a weighted mean of gains, a user's rows being one observation (CR2), by a loop."""
    mean, total = np.average(gains, weights=weights), weights.sum()
    squared = 0.0
    for user in np.unique(users):
        mine = users == user
        pull = (weights[mine] * (gains[mine] - mean)).sum() / total
        squared += pull**2 / (1 - weights[mine].sum() / total)
    return mean, squared**0.5


@pytest.mark.parametrize(
    ("metric", "ray"), [("mse", "lean_ray"), pytest.param("rps", "ray_stays", marks=pytest.mark.slow)]
)
def test_every_figure_of_a_search_is_by_the_weights_or_says_that_it_is_not(world, metric, ray, request):
    request.getfixturevalue(ray)
    words = ("tune", "bias", "pmf", "--data", world, "--weight-column", "often", "--trials", 1, "--metric", metric)
    done = reeltune(*words, "--name", "one")
    assert "weights from column 'often': 0.5 to 2, effective rows " in done.stderr
    assert ", rows by weight" in done.stdout
    assert "Rows count by their weights, column 'often', in every error, gain and interval" in done.stdout
    assert "NDCG and recall, each row counted once: " in done.stdout
    run = Path("runs/one")
    answer, frame = json.loads((run / "verdict.json").read_text()), pd.read_parquet(run / "predictions.parquet")
    weights, users = frame["weight"].to_numpy(), frame["user"].to_numpy()
    key = "argmax_mse" if metric == "mse" else metric
    baseline, simple = (errors(frame, name, metric) for name in ("baseline", answer["simple"]["best"]))
    assert answer["weight_column"] == "often"
    assert answer["baseline"]["test"][key] == pytest.approx(np.average(baseline, weights=weights), rel=1e-5)
    for name, found in answer["architectures"].items():
        own = errors(frame, name, metric)
        assert found["test"][key] == pytest.approx(np.average(own, weights=weights), rel=1e-5)
        assert found["gain_over_simple"] == pytest.approx(np.average(simple - own, weights=weights), abs=1e-6)
        if found["verdict"] == "is the baseline":
            continue
        gain, error = interval_of_t(baseline - own, weights, users)
        assert found["gain"] == pytest.approx(gain, abs=1e-6)
        if gain:
            kept = compare(baseline, own, users, weights)
            assert kept.standard_error == pytest.approx(error, rel=1e-9)
            assert found["ci95"] == pytest.approx(kept.ci95, abs=1e-6)
        squared = errors(frame, name, "mse")
        for group in answer["slices"][name]["cold"]:
            if group["count"] == len(frame):
                assert group["mse"] == pytest.approx(np.average(squared, weights=weights), rel=1e-5)
    fitted = prepare(DataOptions(data=str(world), split_seed=42, columns=Columns(weight="often"))).split.fitting
    if metric == "mse":
        mean = np.average(fitted.ratings, weights=fitted.weights)
        assert frame["mean"].to_numpy() == pytest.approx(mean, rel=1e-6)
    assert all(table["weighted"] for table in answer["by_value"].values())
    page = (run / "report.html").read_text()
    assert page.count("Each row counts once, whatever its weight.") == 1 + len(answer["by_value"])
    assert "Rows count by their weights" in (run / "report.md").read_text()
    for bundle in (run / "models").iterdir():
        assert "Each row counts by its weight, column often" in (bundle / "README.md").read_text()
    again = reeltune("verdict", "one", "--json")
    for name, found in json.loads(again.stdout)["architectures"].items():
        assert found["gain"] == pytest.approx(answer["architectures"][name]["gain"], abs=1e-6)
    assert ", by weight; * the winner" in reeltune("compare", "one").stdout
    changed = inside.reeltune(*map(str, words), "--weight-column", "other", "--name", "one", "--resume")
    assert changed.returncode == 2
    assert "--resume: columns was" in changed.stderr


def test_a_search_with_what_takes_no_weights_is_refused_before_it_begins(world):
    ratings = rt.Ratings(str(world), weight="often")
    with pytest.raises(rt.InputError, match=r"two_towers\.py has the mean loss of a batch alone"):
        rt.tune(ratings, ["bias"], baseline=two_towers.__file__)


def test_a_fit_with_sharded_users_takes_weights(world):
    frame = pd.read_csv(world)
    ratings = {"with": rt.Ratings(frame, weight="often"), "without": rt.Ratings(frame.drop(columns="often"))}
    fits = {how: rt.train(each, "pmf", shard="users", epochs=2, name=how) for how, each in ratings.items()}
    assert fits["with"].validation["mean_mse"] != fits["without"].validation["mean_mse"]
    record = json.loads(Path("runs/with/run.json").read_text())["asked"]
    assert (record["shard"], record["columns"]["weight"]) == ("users", "often")
