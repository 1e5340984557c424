"""`--weight-column`: every figure is by the weights, or says that it is not."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import reeltune as rt
from reeltune.trainables.data import Columns, load_data
from reeltune.trainables.data.prepared import DataOptions, prepare
from tests import inside


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


def test_a_search_is_refused_with_weights_which_its_verdict_would_not_know(world):
    with pytest.raises(rt.InputError, match="--weight-column: a verdict counts each row once; leave it out, or fit"):
        rt.tune(rt.Ratings(str(world), weight="often"), ["bias"], trials=1)
