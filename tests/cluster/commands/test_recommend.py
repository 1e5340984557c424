"""`reeltune recommend`, with small bundles of every architecture."""

import json
import sys

import numpy as np
import pandas as pd
import pytest

from reeltune import load
from reeltune.cluster.cli.app import main
from reeltune.cluster.commands import seen as seen_pairs
from reeltune.cluster.commands.recommend import RecommendOptions, recommend, recommended
from reeltune.trainables import best_items, bundle
from reeltune.trainables.architectures import ensemble
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data import Columns, Ids, Reading, load_data
from reeltune.trainables.data.pairs import PairReader
from reeltune.trainables.data.reading import parts
from reeltune.trainables.errors import InputError
from reeltune.trainables.fitting.fit import Fit
from reeltune.trainables.fitting.loop import run
from tests.worlds import shape_of, small_config

WORLD = "synthetic:users=40,items=30,ratings=600"
NAMES = [*ARCHITECTURES, "ensemble"]


def fitted(name, data, **settings):
    fit = Fit(ARCHITECTURES[name], small_config(name, epochs=2, **settings), shape_of(data), data.rows, seed=1)
    list(run(fit))
    return fit.config, fit.model.served().state_dict()


def averaged(data):
    members = {name: fitted(name, data) for name in ("pmf", "classifier")}
    share = {"weight": 0.5, "temperature": 1.0}
    described = {name: {**share, "config": config.model_dump()} for name, (config, _) in members.items()}
    config = ensemble.Config.model_validate({"members": described})
    return config, ensemble.packed({name: [weights] for name, (_, weights) in members.items()})


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder with a bundle of each architecture, of an ensemble, and of a model that takes the time."""
    folder, data = tmp_path_factory.mktemp("models"), load_data(WORLD)
    made = {name: fitted(name, data) for name in ARCHITECTURES} | {"ensemble": averaged(data)}
    made["timed"] = fitted("svdpp", data, time="day")
    for name, (config, weights) in made.items():
        architecture = "svdpp" if name == "timed" else name
        settings = {"decoder": "argmax", "temperature": 1.5, "seed": 1, "data": WORLD, "metrics": {}}
        description = bundle.describe(architecture, config, shape_of(data).scale, **settings)
        bundle.save(folder / name, description, weights, data.users, data.items, fitted=data.rows)
    return folder


def options(**changes):
    every = {"users": None, "seen": WORLD, "top": 10, "at": None, "reading": Reading()}
    return RecommendOptions(**{**every, **changes})


def rated_pairs():
    data = load_data(WORLD)
    return set(zip(data.users.text[data.rows.users - 1], data.items.text[data.rows.items - 1], strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_each_user_gets_the_unseen_items_of_highest_rating_in_order(models, name):
    predictor, seen = load(models / name), rated_pairs()
    items = predictor.items.text
    expected = []
    for user in predictor.users.text:
        users = predictor.users.encode([user] * len(items))
        rating, finer = predictor.rank_indices(users, predictor.items.encode(items))
        rows = zip(-rating, -finer, range(len(items)), strict=True)
        ranked = [place for *_, place in sorted(rows) if (user, items[place]) not in seen][:10]
        predicted = predictor.predict([user] * len(ranked), items[ranked])
        expected += [(user, k + 1, items[p], r) for k, (p, r) in enumerate(zip(ranked, predicted, strict=True))]
    found = recommend(models / name, options()).frame
    assert found[["user", "rank", "item"]].values.tolist() == [list(row[:3]) for row in expected]
    np.testing.assert_allclose(found["rating"], [row[3] for row in expected], atol=1e-5)


@pytest.mark.parametrize("name", ["svdpp", "classifier"])
@pytest.mark.parametrize("pairs", [1, 95, 10_000])
def test_how_many_pairs_are_rated_at_once_changes_nothing(models, monkeypatch, name, pairs):
    whole = recommend(models / name, options()).frame
    monkeypatch.setattr(best_items, "PAIRS", pairs)
    monkeypatch.setattr(best_items, "PRODUCTS", pairs)
    pd.testing.assert_frame_equal(recommend(models / name, options()).frame, whole)


def test_ratings_that_are_equal_by_argmax_are_ordered_by_the_mean(models):
    predictor = load(models / "classifier")
    frame = recommend(models / "classifier", options(top=30)).frame
    means = predictor.predict(frame["user"], frame["item"], decoder="mean")
    same = (frame["user"].shift() == frame["user"]) & (frame["rating"].shift() == frame["rating"])
    assert same.sum() > 100
    assert (np.diff(means)[same[1:]] <= 0).all()


def test_ratings_that_are_clipped_are_ordered_by_what_they_were_before(models):
    predictor = load(models / "bias")
    predictor.model.mean += 10
    rating, finer = predictor.rank_indices(np.array([1, 1]), np.array([1, 2]))
    assert rating.tolist() == [predictor.scale.high] * 2
    assert finer[0] != finer[1]


def test_without_seen_pairs_and_with_room_for_all_every_item_is_there_once(models):
    done = recommend(models / "pmf", options(seen="none", top=99, users="u2,u1,u2"))
    assert (done.users, done.seen_pairs) == (2, 0)
    assert done.frame["user"].tolist() == ["u2"] * 30 + ["u1"] * 30
    assert done.frame.groupby("user")["item"].nunique().tolist() == [30, 30]


def test_a_known_id_with_a_comma_in_it_is_one_user(models):
    predictor = load(models / "pmf")
    predictor.users = Ids(predictor.users.text.str.replace("u2", "u,2", regex=False))
    done = recommended(predictor, options(seen="none", top=1, users="u,2"))
    assert (done.users, done.unknown_users) == (1, 0)
    assert recommended(predictor, options(seen="none", top=1, users="u1,u3")).users == 2


def test_a_user_who_has_seen_all_has_no_row(models, tmp_path):
    items = load(models / "pmf").items.text
    pd.DataFrame({"user": "u1", "item": items}).to_csv(tmp_path / "seen.csv", index=False)
    done = recommend(models / "pmf", options(seen="seen.csv", users="u1,u2", top=3))
    assert done.frame["user"].tolist() == ["u2"] * 3
    assert (done.users, done.seen_pairs) == (2, 30)


def test_what_a_stranger_has_seen_is_left_out_too_and_strangers_are_counted(models, tmp_path):
    everything = recommend(models / "svdpp", options(seen="none", users="stranger", top=3))
    best = everything.frame["item"][0]
    pd.DataFrame({"who": ["stranger", "stranger"], "item": [best, "unheard of"]}).to_csv("seen.csv", index=False)
    done = recommend(
        models / "svdpp",
        options(seen="seen.csv", users="stranger", top=2, reading=Reading(columns=Columns(user="who"))),
    )
    assert done.frame["item"].tolist() == everything.frame["item"][1:].tolist()
    assert (everything.unknown_users, done.unknown_users, done.seen_pairs) == (1, 1, 1)


def test_users_may_come_in_a_table(models, tmp_path):
    pd.DataFrame({"user": ["u3", "u4", "u3"], "country": "x"}).to_parquet(tmp_path / "whom.parquet")
    frame = recommend(models / "pmf", options(users="whom.parquet", top=1)).frame
    assert frame["user"].tolist() == ["u3", "u4"]


def test_a_model_with_time_rates_items_at_the_day_that_is_asked_for(models):
    times = load_data(WORLD).rows.timestamps
    day = str(pd.Timestamp(times[0], unit="s").date())
    with pytest.raises(InputError, match="fitted with time: say when the items are to be rated, such as --at 2026"):
        recommend(models / "timed", options())
    with pytest.raises(InputError, match="--at 2026-11-26: this model takes no time; leave it out"):
        recommend(models / "pmf", options(at="2026-11-26"))
    frame = recommend(models / "timed", options(at=day)).frame
    seconds = np.full(len(frame), pd.Timestamp(day).timestamp(), dtype=np.int64)
    expected = load(models / "timed").predict(frame["user"], frame["item"], seconds)
    np.testing.assert_allclose(frame["rating"], expected, atol=1e-5)
    assert not frame.equals(recommend(models / "timed", options(at="2050-01-01T12:00")).frame)


@pytest.fixture
def verb(models, monkeypatch, capsys):
    def verb(*words):
        monkeypatch.setattr(sys, "argv", ["reeltune", "recommend", str(models / "pmf"), *words])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code, *capsys.readouterr()

    return verb


@pytest.mark.parametrize("name", ["best.csv", "best.tsv", "best.csv.gz", "best.parquet"])
def test_the_table_is_written_as_its_name_says(verb, name):
    code, out, _ = verb("--seen", WORLD, "--top", "2", "-o", name)
    assert (code, out) == (0, f"80 rows, users: 40 in {name}; {len(rated_pairs())} seen pairs left out\n")
    table = pd.read_parquet(name) if "parquet" in name else pd.read_csv(name, sep="\t" if "tsv" in name else ",")
    assert list(table) == ["user", "rank", "item", "rating"]
    assert table["rank"].tolist() == [1, 2] * 40


def test_without_a_file_the_rows_are_printed(verb):
    words = ["--seen", "none", "--users", "u1,nobody", "--top", "1"]
    code, out, _ = verb(*words)
    lines = out.splitlines()
    assert code == 0
    assert [lines[0], lines[2]] == ["user u1", "user nobody"]
    assert lines[-1] == "users of whom the model knows no rating: 1; theirs is the list of a new user"
    printed = json.loads(verb(*words, "--json")[1])
    assert (printed["users"], printed["unknown_users"], printed["rows"], printed["output"]) == (2, 1, 2, None)
    best = printed["recommendations"][0]
    assert lines[1].split() == ["1", f"{best['rating']:.3f}", best["item"]]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], f"--seen: expected ratings whose pairs are left out (the model was fitted on {WORLD}), or none, which"),
        (["--seen", "gone.csv"], "gone.csv: no such file"),
        (
            ["--seen", "other.csv"],
            "other.csv: none of its items is known: it has items such as 'Heat (1995)', and the known ones",
        ),
        (["--seen", "none", "--users", "gone.csv"], "gone.csv: no such file"),
        (["--seen", "none", "--users", "u1,,u2"], "--users 'u1,,u2': expected a file, or ids with a comma between"),
        (["--seen", "none", "--users", "other.csv", "--user-column", "who"], "other.csv: no column 'who'"),
        (["--seen", "none", "--top", "0"], "--top 0: expected a whole number, 1 or more"),
        (["--seen", "none", "-o", "best.xlsx"], "-o best.xlsx: expected a name that ends in .csv, .tsv, "),
        (["--seen", "none", "-o", "gone/best.csv"], "-o gone/best.csv: there is no folder gone"),
    ],
)
def test_wrong_input_is_one_line(verb, tmp_path, words, message):
    (tmp_path / "other.csv").write_text("user,item\nu1,Heat (1995)\n")
    code, out, err = verb(*words)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["other.csv"]


def test_seen_pairs_match_however_their_ids_are_written_and_unknown_ones_are_counted(models):
    users, items = zip(*sorted(rated_pairs()), strict=True)
    seen = pd.DataFrame({"user": users, "item": items})
    seen.to_csv("plain.csv", index=False)
    strange = pd.DataFrame({"user": ["new", "u1", "new"], "item": ["i1", "other", "other"]})
    pd.concat([" " + seen, strange]).to_csv("seen.csv", index=False)
    plain, done = (recommend(models / "bias", options(seen=file)) for file in ("plain.csv", "seen.csv"))
    assert done.seen_pairs == plain.seen_pairs == len(seen)
    pd.testing.assert_frame_equal(done.frame, plain.frame)
    assert "seen.csv: spaces around ids in column 'user' are left out" in done.notes
    assert done.notes[-1].endswith(f"of {len(seen) + 3:,} rows 2 have an unknown user, 2 an unknown item, 1 both")


@pytest.mark.parametrize("name", ["seen.csv", "seen.csv.gz", "seen.parquet"])
def test_a_large_file_of_seen_pairs_is_read_in_parts_and_leaves_out_the_same(models, monkeypatch, name):
    users, items = zip(*sorted(rated_pairs()), strict=True)
    seen = pd.DataFrame({"user": [*users, "new", users[0]], "item": [*items, "i1", items[0]]})
    seen.loc[5, "user"] = " " + seen.loc[5, "user"]
    write = seen.to_parquet if name.endswith(".parquet") else seen.to_csv
    write(name, index=False)
    whole = recommend(models / "bias", options(seen=name))
    read, sizes = PairReader.read, []
    monkeypatch.setattr(PairReader, "read", lambda self, table: sizes.append(len(table.frame)) or read(self, table))
    monkeypatch.setattr(seen_pairs, "ROOM", 4)
    for size, least in {"WHOLE_BYTES": 100, "BYTES": 90, "WHOLE_ROWS": 5, "ROWS": 4}.items():
        monkeypatch.setattr(parts, size, least)
    done = recommend(models / "bias", options(seen=name))
    assert max(sizes) < 20
    assert sum(sizes) == len(seen)
    pd.testing.assert_frame_equal(done.frame, whole.frame)
    assert done.seen_pairs == whole.seen_pairs == len(users)
    assert done.notes == whole.notes


def test_a_bad_row_far_into_the_seen_pairs_is_named_by_its_line(models, monkeypatch):
    seen = pd.DataFrame(sorted(rated_pairs()), columns=["user", "item"])
    seen.loc[300, "item"] = None
    seen.to_csv("seen.csv", index=False)
    for size, least in {"WHOLE_BYTES": 100, "BYTES": 90}.items():
        monkeypatch.setattr(parts, size, least)
    with pytest.raises(InputError, match=r"^seen.csv:302: the id in column 'item' is missing"):
        recommend(models / "bias", options(seen="seen.csv"))


def test_seen_pairs_of_a_user_that_is_wanted_and_new_are_known(models):
    pd.DataFrame({"user": ["stranger"], "item": ["i1"]}).to_csv("seen.csv", index=False)
    assert recommend(models / "bias", options(seen="seen.csv", users="stranger")).seen_pairs == 1
    with pytest.raises(InputError, match=r"seen.csv: none of its users is known: it has users such as 'stranger'"):
        recommend(models / "bias", options(seen="seen.csv", users="u1"))


def test_a_table_of_users_none_of_whom_is_known_is_refused_unless_that_is_allowed(models):
    pd.DataFrame({"user": ["U1", "U2"]}).to_csv("users.csv", index=False)
    with pytest.raises(InputError, match=r"users.csv: none of its users is known: it has users such as 'U1'"):
        recommend(models / "bias", options(seen="none", users="users.csv"))
    allowed = Reading(unknown_ids="allow")
    assert recommend(models / "bias", options(seen="none", users="users.csv", reading=allowed)).unknown_users == 2


def test_a_table_of_users_is_read_with_what_was_guessed_said(models):
    pd.DataFrame({"user_id": [" u1", "u2"], "item_id": ["i1", "i2"]}).to_csv("users.csv", index=False)
    done = recommend(models / "bias", options(seen="none", users="users.csv"))
    assert (done.users, done.unknown_users) == (2, 0)
    assert done.notes == (
        "users.csv: columns: user = 'user_id'",
        "users.csv: spaces around ids in column 'user_id' are left out",
    )
