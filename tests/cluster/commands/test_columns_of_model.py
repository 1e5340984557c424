"""A bundle knows the names of the columns that it was fitted on: tables beside it need no options for them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file

import reeltune as rt
from tests.inside import reeltune

USER, ITEM, RATING = "Kunde Nr.", "Artikel (Bez.)", "Wertung"
NAMES = ["--user-column", USER, "--item-column", ITEM, "--rating-column", RATING]
SAID = f"columns: user = '{USER}', item = '{ITEM}' (user, item: named as in the data that the model was fitted on)"
MODEL = Path("runs/odd/models/bias")


@pytest.fixture
def odd():
    """Ratings in odd.csv, whose columns no usual name finds, pairs in pairs.csv, and the model of them."""
    draw = np.random.default_rng(0)
    users, items = (draw.integers(0, size, 400) for size in (20, 30))
    frame = pd.DataFrame({"Zeile": range(400), ITEM: items, USER: users, RATING: draw.integers(1, 6, 400)})
    frame[[ITEM, USER]] = frame[[ITEM, USER]].astype(str).radd("n")
    frame = frame.drop_duplicates([ITEM, USER])
    frame.to_csv("odd.csv", index=False)
    frame.drop(columns=RATING)[:20].to_csv("pairs.csv", index=False)
    done = reeltune("train", "bias", "--data", "odd.csv", *NAMES, "--name", "odd")
    assert done.returncode == 0, done.stderr
    return frame


def told(*words):
    """What a command that succeeds says."""
    done = reeltune(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def without_names():
    """The bundle as an earlier version wrote it."""
    config = MODEL / "config.json"
    described = json.loads(config.read_text())
    assert described["fitted_on"].pop("columns") == {"user": USER, "item": ITEM, "rating": RATING}
    config.write_text(json.dumps(described))


def test_pairs_are_rated_by_the_names_that_the_model_was_fitted_on(odd, capsys):
    assert f"pairs.csv: {SAID}" in told("predict", str(MODEL), "pairs.csv", "-o", "named.csv")
    told("predict", str(MODEL), "pairs.csv", "--user-column", USER, "--item-column", ITEM, "-o", "asked.csv")
    named = pd.read_csv("named.csv")
    assert named.equals(pd.read_csv("asked.csv"))
    capsys.readouterr()
    ratings = rt.load(MODEL).predict(odd[:20])
    assert SAID in capsys.readouterr().err
    assert ratings == pytest.approx(named["prediction"])


def test_lists_leave_out_what_was_seen_by_these_names(odd):
    odd[:60].to_csv("users.csv", index=False)
    words = ["recommend", str(MODEL), "--seen", "odd.csv", "--users", "users.csv", "-o"]
    said = told(*words, "named.csv")
    assert f"odd.csv: {SAID}" in said
    assert f"users.csv: columns: user = '{USER}' (user: named as" in said
    told(*words, "asked.csv", "--user-column", USER, "--item-column", ITEM)
    assert pd.read_csv("named.csv").equals(pd.read_csv("asked.csv"))
    found = rt.load(MODEL).recommend(odd[:60], seen="odd.csv")
    assert found.equals(pd.read_csv("named.csv"))


def test_new_users_are_read_by_these_names(odd):
    odd[:5].assign(**{USER: "somebody"}).to_csv("new.csv", index=False)
    said = told("recommend", str(MODEL), "--ratings", "new.csv", "--top", "2")
    assert f"rating = '{RATING}' (user, item, rating: named as in" in said
    assert rt.load(MODEL).fold_in("new.csv").new_users == ["somebody"]


def test_newer_ratings_are_read_by_these_names(odd):
    odd["Wann"] = 1_700_000_000 + 60 * np.arange(len(odd))
    odd[:200].to_csv("old.csv", index=False)
    odd[200:].to_csv("new.csv", index=False)
    odd.to_csv("all.csv", index=False)
    told("train", "bias", "--data", "old.csv", *NAMES, "--time-column", "Wann", "--name", "odd-times")
    model = "runs/odd-times/models/bias"
    named = "(user, item, rating, time: named as in the data that the model was fitted on)"
    assert f"all.csv: columns: user = '{USER}', item = '{ITEM}', rating = '{RATING}', time = 'Wann' {named}" in told(
        "update", model, "--data", "all.csv", "-o", "next"
    )
    said = told("update", model, "--data", "new.csv", "--with", "old.csv", "-o", "after")
    assert f"time = 'Wann' {named}; new.csv: columns" in said.replace("\n", "; ")
    assert SAID in told("predict", "next", "pairs.csv", "-o", "out.csv")


def test_side_tables_of_newer_ratings_are_read_by_these_names_too(odd):
    odd["Wann"] = 1_700_000_000 + 60 * np.arange(len(odd))
    odd[:200].to_csv("old.csv", index=False)
    odd.to_csv("all.csv", index=False)
    side = pd.DataFrame({"Zeile": range(20), USER: [f"n{user}" for user in range(20)], "Stadt": ["A", "B"] * 10})
    side.to_csv("side.csv", index=False)
    words = (*NAMES, "--time-column", "Wann", "--set", "epochs=1", "--name", "sided")
    told("train", "svdpp", "--data", "old.csv", "--users", "side.csv", *words)
    told("update", "runs/sided/models/svdpp", "--data", "all.csv", "--users", "side.csv", "-o", "next")
    old, new = (load_file(f"{each}/model.safetensors") for each in ("runs/sided/models/svdpp", "next"))
    assert {name: tensor.shape for name, tensor in old.items()} == {name: tensor.shape for name, tensor in new.items()}


def test_an_option_and_usual_names_still_find_the_columns(odd):
    for user in ("user", USER):
        table = odd[:20].rename(columns={USER: "user", ITEM: "item"}).assign(**{USER: "nobody"})
        table.to_csv("both.csv", index=False)
        words = ["predict", str(MODEL), "both.csv", "-o", f"{user}.csv", "--unknown-ids", "allow"]
        said = told(*words, "--user-column", user)
        assert f"columns: user = '{user}', item = 'item'" in said
        assert "named as in" not in said
    plain = odd[:20].rename(columns={USER: "user_id", ITEM: "item_id"})
    assert rt.load(MODEL).predict(plain) == pytest.approx(pd.read_csv("user.csv")["prediction"])


def test_a_bundle_of_an_earlier_version_has_no_names_and_needs_the_options(odd):
    without_names()
    done = reeltune("predict", str(MODEL), "pairs.csv", "-o", "out.csv")
    assert (done.returncode, "pairs.csv: no column for user and item" in done.stderr) == (2, True)
    told("predict", str(MODEL), "pairs.csv", "-o", "out.csv", "--user-column", USER, "--item-column", ITEM)
