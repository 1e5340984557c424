"""New users and items for `predict` and `recommend`, on the command line and in Python."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import reeltune as rt
from reeltune.trainables import bundle
from reeltune.trainables.architectures import ENSEMBLE, ensemble
from reeltune.trainables.fitting.fit import Fit
from reeltune.trainables.folding.prior import learnt
from tests import inside
from tests.models import MODELS
from tests.worlds import shape_of, small_config, two_tastes

LIKES = {"i30": 5, "i35": 4.0, "i3": 1}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The bundles of a pmf, of an ensemble of it and a class head, and of a version that learnt no priors."""
    folder, data, members, fits = tmp_path_factory.mktemp("models"), two_tastes(), {}, {}
    for name in ("pmf", "svdpp_classifier"):
        fit = Fit(MODELS[name], small_config(name, epochs=15, batch_size=32), shape_of(data), data.rows, seed=1)
        while fit.step < fit.steps:
            fit.advance()
        fits[name] = fit.model.served().state_dict(), learnt(fit.model, fit.rows, seed=1)
        members[name] = {"weight": 0.5, "config": fit.config.model_dump(), "temperature": 1.0}
        if name == "pmf":
            weights, priors = fits[name]
            settings = {"decoder": "argmax", "temperature": 1.0, "seed": 1, "data": data.name, "metrics": {}}
            description = bundle.describe(name, fit.config, shape_of(data).scale, **settings)
            bundle.save(folder / "old", description, weights, data.users, data.items, fitted=data.rows)
            bundle.save(folder / "pmf", description, weights, data.users, data.items, fitted=data.rows, priors=priors)
    config = ensemble.Config.model_validate({"members": members})
    description = bundle.describe(ENSEMBLE, config, shape_of(data).scale, **settings)
    weights, priors = (ensemble.packed({name: [fit[part]] for name, fit in fits.items()}) for part in (0, 1))
    bundle.save(folder / ENSEMBLE, description, weights, data.users, data.items, fitted=data.rows, priors=priors)
    return folder


@pytest.fixture
def new_file():
    """Ratings of two new users of opposite tastes, and of one new item."""
    rows = [("anna", item, rating) for item, rating in LIKES.items()]
    rows += [("bert", item, 6 - rating) for item, rating in LIKES.items()]
    rows += [("u39", "new film", 5), ("u38", "new film", 5), ("u1", "new film", 1)]
    pd.DataFrame(rows, columns=["user", "item", "rating"]).to_csv("new.csv", index=False)


@pytest.mark.parametrize("name", ["pmf", ENSEMBLE])
def test_a_new_user_is_rated_and_gets_what_it_has_not_rated_yet(written, name):
    model = rt.load(written / name)
    anna = model.fold_in(user=LIKES)
    assert anna.new_users == ["new user"]
    ratings = anna.predict(["new user"] * 4, ["i25", "i38", "i2", "i15"])
    assert (ratings[:2] > 3.5).all()
    assert (ratings[2:] < 2.5).all()
    best = anna.recommend(n=5)
    assert best["user"].unique().tolist() == ["new user"]
    assert all(int(item[1:]) >= 20 for item in best["item"])
    assert not set(best["item"]) & set(LIKES)
    assert "new user" not in model.users.text
    old = ["u1", "u30"], ["i30", "i2"]
    assert np.array_equal(anna.predict(*old), model.predict(*old))


def test_a_new_item_is_rated_by_all(written):
    film = rt.load(written / "pmf").fold_in(item={"u39": 5, "u38": 5, "u1": 1})
    assert film.new_items == ["new item"]
    liked = film.predict(["u30", "u5"], ["new item", "new item"])
    assert liked[0] > 3.5
    assert liked[1] < 2.5


def test_a_new_item_has_a_vector_beside_those_of_items_that_it_is_like(written):
    film = rt.load(written / "pmf").fold_in(item={"u39": 5, "u38": 5, "u35": 5, "u1": 1, "u2": 1})
    assert all(int(item[1:]) >= 20 for item in film.similar_items("new item", n=5)["item"])


def test_a_new_item_has_no_vector_where_vectors_are_no_columns_of_rows(written, monkeypatch):
    monkeypatch.setattr(MODELS["pmf"].Model, "item_vectors", lambda self: self.items.weight.flip(1))
    model = rt.load(written / "pmf")
    film = model.fold_in(item={"u39": 5, "u38": 5, "u1": 1})
    assert film.item_vectors().equals(model.item_vectors())
    assert film.similar_items("i3", n=3).equals(model.similar_items("i3", n=3))
    with pytest.raises(rt.InputError, match=r"^item 'new item': was folded in, and pmf has no vectors of such items$"):
        film.similar_items("new item")


def test_the_command_line_rates_pairs_of_new_users_and_items(written, new_file):
    pairs = pd.DataFrame({"user": ["anna", "bert", "u30"], "item": ["i25", "i25", "new film"]})
    pairs.to_csv("pairs.csv", index=False)
    done = inside.reeltune("predict", str(written / "pmf"), "pairs.csv", "-o", "out.csv", "--ratings", "new.csv")
    assert done.returncode == 0
    assert "new.csv: new users: 2, new items: 1" in done.stdout
    assert "knows no rating of" not in done.stdout
    anna, bert, film = pd.read_csv("out.csv")["prediction"]
    assert anna > 3.5 > 2.5 > bert
    assert film > 3.5


def test_the_command_line_recommends_to_the_new_users_alone_what_they_have_not_rated(written, new_file):
    done = inside.reeltune("recommend", str(written / "pmf"), "--ratings", "new.csv", "--top", "3", "--json")
    found = json.loads(done.stdout)
    assert found["users"] == 2
    rows = pd.DataFrame(found["recommendations"])
    assert rows["user"].tolist() == ["anna"] * 3 + ["bert"] * 3
    assert not set(rows["item"]) & set(LIKES)


def test_known_users_may_be_asked_for_beside_new_ones_if_it_is_said_what_they_have_seen(written, new_file):
    words = "recommend", str(written / "pmf"), "--ratings", "new.csv", "--users", "anna,u1"
    refused = inside.reeltune(*words)
    assert refused.returncode == 2
    assert "--seen" in refused.stderr
    pd.DataFrame({"user": ["u1"], "item": ["i2"]}).to_csv("seen.csv", index=False)
    done = inside.reeltune(*words, "--seen", "seen.csv", "--top", "50", "-o", "best.csv")
    assert done.returncode == 0
    best = pd.read_csv("best.csv").groupby("user")["item"].apply(set)
    assert best["anna"] & set(LIKES) == set()
    assert "i2" not in best["u1"]
    assert len(best["u1"]) == 41 - 2  # with the new film, which it has rated, and without what it has seen


def test_ratings_of_new_items_alone_make_lists_for_all_users_if_it_is_said_what_they_have_seen(written):
    pd.DataFrame({"user": ["u39", "u38"], "item": "new film", "rating": 5}).to_csv("items.csv", index=False)
    words = "recommend", str(written / "pmf"), "--ratings", "items.csv", "--top", "41", "-o", "best.csv"
    refused = inside.reeltune(*words)
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: --seen: expected ratings whose pairs are left out")
    pd.DataFrame({"user": ["u1"], "item": ["i2"]}).to_csv("seen.csv", index=False)
    assert inside.reeltune(*words, "--seen", "seen.csv").returncode == 0
    best = pd.read_csv("best.csv").groupby("user")["item"].apply(set)
    assert len(best) == 40
    assert "new film" in best["u30"]
    assert "new film" not in best["u39"], "who has rated it"
    model = rt.load(written / "pmf").fold_in(item={"u39": 5})
    assert model.recommend(n=1, seen="none")["user"].nunique() == 40


@pytest.mark.parametrize("words", [("predict", "new.csv", "-o", "out.csv"), ("recommend",)])
def test_what_is_said_of_new_ratings_that_are_not_given_is_refused(written, new_file, words):
    verb, *rest = words
    for option, said in {
        ("--known-ids", "drop"): "is about the pairs of --ratings; give these too, or leave it out",
        ("--rating-column", "stars"): "is about the table of --ratings; give that too, or leave it out",
    }.items():
        done = inside.reeltune(verb, str(written / "pmf"), *rest, *option)
        assert done.returncode == 2
        assert done.stderr.strip() == f"error: {' '.join(option)}: {said}"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            "user,item,rating\nanna,i3,\n",
            "new.csv:2: the rating in column 'rating' must be a finite number; found nothing",
        ),
        ("user,item,rating\nanna,i3,9\n", "new.csv: user 'anna' has rated item 'i3' with 9; the model's ratings are 1"),
        ("user,item,rating\n", "new.csv"),
        ("user,item\nanna,i3\n", "new.csv"),
        ("user,item,rating\nu1,i3,4\n", "--known-ids drop leaves them out"),
        ("user,item,rating\nanna,,4\n", "new.csv:2: the id in column 'item' is missing"),
    ],
)
def test_bad_ratings_are_one_line(written, content, said):
    Path("new.csv").write_text(content)
    done = inside.reeltune("recommend", str(written / "pmf"), "--ratings", "new.csv")
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ({}, "fold_in: expected a table of ratings, or user={item: rating}, or item={user: rating}"),
        ({"user": {}}, "fold_in: user={...} has no item that the model knows, and so says nothing"),
        ({"user": {"no such film": 5}}, "fold_in: user={...} has no item that the model knows"),
        ({"item": {"nobody": 5}}, "fold_in: item={...} has no user that the model knows"),
        (
            {"user": {"i3": float("nan")}},
            "DataFrame: row 1: the rating in column 'rating' must be a finite number; found nothing",
        ),
        ({"user": {"i3": 9}}, "the model's ratings are 1 to 5"),
        ({"user": LIKES, "item": {"u1": 3}}, "fold_in: expected a table of ratings, or"),
        ({"user": LIKES, "known_ids": "maybe"}, "--known-ids 'maybe': expected error, drop or again"),
    ],
)
def test_in_python_too(written, call, said):
    with pytest.raises(rt.InputError) as caught:
        rt.load(written / "pmf").fold_in(**call)
    assert said in str(caught.value)


def test_one_after_the_other_is_added_and_what_says_nothing_is_named(written, capsys):
    first = rt.load(written / "pmf").fold_in(user={**LIKES, "no such film": 3})
    assert "items that the model does not know, whose ratings say nothing: 'no such film'" in capsys.readouterr().err
    both = first.fold_in(user={item: 6 - rating for item, rating in LIKES.items()})
    assert both.new_users == ["new user 2"]
    likes, hates = both.predict(["new user", "new user 2"], "i25")
    assert likes > 3.5 > 2.5 > hates


def test_what_was_given_before_is_left_out_after_a_second_time_too(written):
    model = rt.load(written / "pmf")
    both = model.fold_in(user=LIKES).fold_in(user={"i0": 5, "i10": 5}).fold_in(item={"new user": 5, "u39": 5})
    best = both.recommend(["new user", "new user 2"], n=50).groupby("user")["item"].apply(set)
    items = {f"i{number}" for number in range(40)} | {"new item"}
    assert best["new user"] == items - set(LIKES) - {"new item"}
    assert best["new user 2"] == items - {"i0", "i10"}
    beside = both.recommend(["new user", "u1"], n=50, seen=pd.DataFrame({"user": ["u1"], "item": ["i2"]}))
    assert not set(beside.loc[beside["user"] == "new user", "item"]) & {*LIKES, "new item"}
    with pytest.raises(rt.InputError, match="seen: expected ratings whose pairs are left out"):
        both.recommend(["new user", "u1"])


def test_an_earlier_versions_bundle_still_rates_and_says_what_it_lacks(written):
    model = rt.load(written / "old")
    assert model.predict(["u1"], ["i1"]).shape == (1,)
    with pytest.raises(rt.InputError, match=r"its bundle has no priors\.safetensors, as those of reeltune 0\.2\.0"):
        model.fold_in(user=LIKES)


def test_broken_priors_are_an_input_error_that_names_the_file(written, tmp_path):
    shutil.copytree(written / "pmf", tmp_path / "broken")
    (tmp_path / "broken" / "priors.safetensors").write_bytes(b"{")
    with pytest.raises(rt.InputError, match=r"priors\.safetensors: not the file that was saved"):
        rt.load(tmp_path / "broken")
