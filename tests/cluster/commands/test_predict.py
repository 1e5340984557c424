"""`reeltune predict` with models that take a pair's time."""

import json
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reeltune import load
from reeltune.cluster.commands import predict
from reeltune.cluster.commands.predict import predict_file
from reeltune.cluster.commands.recommend import RecommendOptions, recommend
from reeltune.trainables import bundle
from reeltune.trainables.architectures import ENSEMBLE, ensemble
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data import Columns, Reading, load_data
from reeltune.trainables.data.reading import parts
from reeltune.trainables.errors import InputError
from reeltune.trainables.fitting.fit import Fit
from reeltune.trainables.fitting.loop import run
from tests.inside import reeltune
from tests.worlds import shape_of, small_config

MODEL, RATED = Path("model"), Path("out.csv")
TIMED = Columns(timestamp="when")


@pytest.fixture
def timed():
    """The bundle of an ensemble with a member that takes the time, below the current folder."""
    data, members = load_data("synthetic:users=40,items=30,ratings=600"), {}
    fits = {}
    for name, settings in {"bias": {}, "svdpp": {"time": "day"}}.items():
        fit = Fit(ARCHITECTURES[name], small_config(name, **settings), shape_of(data), data.rows, seed=1)
        list(run(fit))
        fits[name] = [fit.model.served().state_dict()]
        members[name] = {"weight": 0.5, "config": fit.config.model_dump(), "temperature": 1.0}
    description = bundle.describe(
        ENSEMBLE,
        ensemble.Config.model_validate({"members": members}),
        shape_of(data).scale,
        decoder="argmax",
        temperature=1.0,
        seed=1,
        data=data.name,
        metrics={},
    )
    bundle.save(MODEL, description, ensemble.packed(fits), data.users, data.items, fitted=data.rows)
    rows = data.rows.take(np.arange(20))
    users, items = data.users.text[rows.users - 1], data.items.text[rows.items - 1]
    return pd.DataFrame({"user": users, "item": items, "when": rows.timestamps})


def test_pairs_are_rated_at_their_times(timed):
    timed.to_csv("pairs.csv", index=False)
    predict_file(MODEL, "pairs.csv", RATED, reading=Reading(columns=Columns(timestamp="when")))
    rated = pd.read_csv(RATED)["prediction"]
    expected = load(MODEL).predict(timed["user"], timed["item"], timed["when"].to_numpy())
    np.testing.assert_allclose(rated, expected, atol=1e-5)
    another_day = load(MODEL).predict(timed["user"], timed["item"], timed["when"].to_numpy() - 10**8)
    assert not np.allclose(rated, another_day, atol=1e-5)


def test_predictions_have_as_many_digits_as_their_scale_needs():
    data = load_data("synthetic:users=40,items=30,ratings=600")
    data = replace(data, rows=replace(data.rows, ratings=data.rows.ratings * 1e-6))
    fit = Fit(ARCHITECTURES["bias"], small_config("bias"), shape_of(data), data.rows, seed=1)
    list(run(fit))
    settings = {"decoder": "argmax", "temperature": 1.0, "seed": 1, "data": data.name, "metrics": {}}
    description = bundle.describe("bias", fit.config, shape_of(data).scale, **settings)
    weights = fit.model.served().state_dict()
    bundle.save(MODEL, description, weights, data.users, data.items, fitted=data.rows)
    pd.DataFrame({"user": data.users.text[:20], "item": data.items.text[:20]}).to_csv("pairs.csv", index=False)
    predict_file(MODEL, "pairs.csv", RATED, reading=Reading())
    expected = load(MODEL).predict(data.users.text[:20], data.items.text[:20])
    np.testing.assert_allclose(pd.read_csv(RATED)["prediction"], expected, atol=1e-11)
    seen = RecommendOptions(users=None, seen="none", top=3, at=None, reading=Reading())
    assert recommend(MODEL, seen).frame["rating"].between(3e-6, 5e-6).all()


def test_pairs_without_times_are_refused_in_one_line(timed):
    timed.to_csv("pairs.csv", index=False)
    with pytest.raises(InputError, match=r"^pairs.csv: no column of times, which this model needs; found user, item, "):
        predict_file(MODEL, "pairs.csv", RATED, reading=Reading())
    assert not RATED.exists()


def test_a_column_called_prediction_is_not_overwritten(timed):
    timed.assign(prediction=1).to_csv("pairs.csv", index=False)
    with pytest.raises(InputError, match=r"^pairs.csv: has a column 'prediction' already, which would be lost"):
        predict_file(MODEL, "pairs.csv", RATED, reading=Reading(columns=Columns(timestamp="when")))
    assert not RATED.exists()


def test_unknown_ids_are_counted_and_rows_without_an_id_are_left_out_where_asked(timed):
    timed.loc[0, "user"], timed.loc[1, "item"], timed.loc[2, "user"] = "new", "newer", None
    timed.assign(user=" " + timed["user"]).to_csv("pairs.csv", index=False)
    columns = Columns(timestamp="when")
    with pytest.raises(InputError, match=r"pairs.csv:4: the id in column 'user' is missing"):
        predict_file(MODEL, "pairs.csv", RATED, reading=Reading(columns=columns))
    done = predict_file(MODEL, "pairs.csv", RATED, reading=Reading(columns=columns, missing_ids="drop"))
    assert (done.pairs, done.unknown_users, done.unknown_items, done.unknown_both) == (19, 1, 1, 0)
    assert len(pd.read_csv(RATED)) == 19
    assert done.notes == [
        "pairs.csv: columns: user = 'user', item = 'item', time = 'when'",
        "pairs.csv: spaces around ids in column 'user' are left out",
        "pairs.csv: rows without a user or an item, which are left out: 1",
        "pairs.csv: of 19 rows 1 have an unknown user, 1 an unknown item, 0 both",
    ]


def test_pairs_none_of_whose_users_is_known_are_refused_unless_that_is_meant(timed):
    timed.assign(user="new " + timed["user"]).to_csv("pairs.csv", index=False)
    columns = Columns(timestamp="when")
    with pytest.raises(InputError, match=r"pairs.csv: none of its users is known: it has users such as 'new u\d+'"):
        predict_file(MODEL, "pairs.csv", RATED, reading=Reading(columns=columns))
    done = predict_file(MODEL, "pairs.csv", RATED, reading=Reading(columns=columns, unknown_ids="allow"))
    assert done.unknown_users == 20
    assert done.notes[-1].startswith("WARNING: pairs.csv: of 20 rows 20 have an unknown user")


@pytest.fixture
def in_parts(monkeypatch):
    """A switch: from then on, files of some rows are large ones."""

    def switch():
        for name, size in {"WHOLE_BYTES": 100, "BYTES": 90, "WHOLE_ROWS": 5, "ROWS": 4}.items():
            monkeypatch.setattr(parts, name, size)

    return switch


@pytest.fixture
def untimed():
    """The bundle of damped means, below the current folder, and pairs of what it knows."""
    data = load_data("synthetic:users=40,items=30,ratings=600")
    fit = Fit(ARCHITECTURES["bias"], small_config("bias"), shape_of(data), data.rows, seed=1)
    list(run(fit))
    settings = {"decoder": "argmax", "temperature": 1.0, "seed": 1, "data": data.name, "metrics": {}}
    description = bundle.describe("bias", fit.config, shape_of(data).scale, **settings)
    bundle.save(MODEL, description, fit.model.served().state_dict(), data.users, data.items, fitted=data.rows)
    rows = data.rows.take(np.arange(20))
    return pd.DataFrame({"user": data.users.text[rows.users - 1], "item": data.items.text[rows.items - 1]})


def with_faults(pairs):
    """Pairs with unknown ids, spaces and a missing id; the first rows have nothing in their last column."""
    pairs.loc[0, "user"], pairs.loc[1, "item"], pairs.loc[12, "user"], pairs.loc[19, "user"] = "new", "b", None, "newer"
    return pairs.assign(user=" " + pairs["user"], note=[None] * 15 + ["a, note"] * 5)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_large_file_is_rated_in_parts_and_the_output_is_the_same(untimed, in_parts, ending):
    pairs, rated = f"pairs.{ending}", [Path(f"{name}.{ending}") for name in ("whole", "parts")]
    write = {"csv": pd.DataFrame.to_csv, "parquet": pd.DataFrame.to_parquet}[ending]
    write(with_faults(untimed), pairs, index=False)
    reading, lines = Reading(missing_ids="drop"), []
    whole = predict_file(MODEL, pairs, rated[0], reading=reading)
    in_parts()
    found = predict_file(MODEL, pairs, rated[1], reading=reading, progress=lines.append)
    assert found.model_copy(update={"output": ""}) == whole.model_copy(update={"output": ""})
    assert len(lines) > 2
    assert lines[-1].line.startswith("20 of 20 rows, " if ending == "parquet" else "20 rows, ")
    shares = [step.share for step in lines]
    assert shares == sorted(shares)
    assert shares[0] < shares[-1] == 1
    if ending == "csv":
        assert rated[0].read_bytes() == rated[1].read_bytes()
    else:
        pd.testing.assert_frame_equal(*map(pd.read_parquet, rated))


def test_an_error_in_a_late_part_names_the_line_and_leaves_no_output(untimed, in_parts):
    with_faults(untimed).to_csv("pairs.csv", index=False)
    RATED.write_text("of before")
    in_parts()
    with pytest.raises(InputError, match=r"pairs.csv:14: the id in column 'user' is missing"):
        predict_file(MODEL, "pairs.csv", RATED, reading=Reading())
    assert RATED.read_text() == "of before"
    assert not list(Path().glob(".tmp-*"))


def test_sigterm_leaves_no_output(untimed, monkeypatch):
    untimed.to_csv("pairs.csv", index=False)
    monkeypatch.setattr(predict, "columns_of", lambda *_, **__: signal.raise_signal(signal.SIGTERM))
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        ended = reeltune("predict", str(MODEL), "pairs.csv", "-o", str(RATED))
    finally:
        for number, handler in handlers.items():  # the command ignores further ones, as it is about to end
            signal.signal(number, handler)
    assert (ended.returncode, ended.stderr) == (143, "interrupted; out.csv is not written\n")
    assert sorted(path.name for path in Path().iterdir()) == ["model", "pairs.csv"]


def test_whether_no_user_is_known_is_told_by_all_parts(untimed, in_parts):
    in_parts()
    strangers = untimed["user"].where(untimed.index == 19, "new " + untimed["user"])
    untimed.assign(user=strangers).to_csv("pairs.csv", index=False)
    assert predict_file(MODEL, "pairs.csv", RATED, reading=Reading()).unknown_users == 19
    RATED.unlink()
    untimed.assign(user="new " + untimed["user"]).to_csv("pairs.csv", index=False)
    with pytest.raises(InputError, match=r"pairs.csv: none of its users is known: it has users such as 'new u\d+'"):
        predict_file(MODEL, "pairs.csv", RATED, reading=Reading())
    assert not RATED.exists()


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_that_no_user_of_the_first_rows_is_known_is_said_at_once(untimed, in_parts, ending):
    write = {"csv": pd.DataFrame.to_csv, "parquet": pd.DataFrame.to_parquet}[ending]
    write(untimed.assign(user="new " + untimed["user"]), f"pairs.{ending}", index=False)
    said = []
    with pytest.raises(InputError, match="none of its users is known"):
        predict_file(MODEL, f"pairs.{ending}", RATED, reading=Reading(), say=said.append)
    assert not said  # of a file that is read at once the end says it
    in_parts()
    heard = []
    with pytest.raises(InputError, match="none of its users is known"):
        predict_file(
            MODEL,
            f"pairs.{ending}",
            RATED,
            reading=Reading(),
            say=said.append,
            progress=lambda _: heard.append(len(said)),
        )
    assert len(said) == 1
    assert len(heard) > 1
    assert set(heard) == {1}
    assert said[0].startswith(f"WARNING: pairs.{ending}: none of the users of its first ")
    assert predict_file(
        MODEL, f"pairs.{ending}", RATED, reading=Reading(unknown_ids="allow"), say=said.append
    ).unknown_users == len(untimed)
    assert len(said) == 1


def test_a_model_with_time_reads_the_file_whole(timed, in_parts):
    """Whether days or months come first is told by all of a column."""
    dates = [f"{1 if n else 13}/02/2020" for n in range(len(timed))]
    timed.assign(when=dates[::-1]).to_csv("pairs.csv", index=False)
    whole = predict_file(MODEL, "pairs.csv", Path("whole.csv"), reading=Reading(columns=TIMED))
    in_parts()
    assert predict_file(MODEL, "pairs.csv", RATED, reading=Reading(columns=TIMED)).notes == whole.notes
    assert RATED.read_bytes() == Path("whole.csv").read_bytes()


def test_intervals_are_four_columns_more_and_a_bundle_without_them_says_so(timed):
    timed.to_csv("pairs.csv", index=False)
    with_time = Reading(columns=TIMED)
    with pytest.raises(InputError, match="--intervals: the bundle of this ensemble has none, as those of earlier"):
        predict_file(MODEL, "pairs.csv", RATED, reading=with_time, intervals=True)
    assert not RATED.exists()
    about = json.loads((MODEL / "config.json").read_text())
    about["spread"] = {"rows": 500, "noise": 1.0, "user": 0.0, "item": 0.0, "q80": 0.5, "q95": 9.0}
    (MODEL / "config.json").write_text(json.dumps(about))
    predict_file(MODEL, "pairs.csv", RATED, reading=with_time, intervals=True)
    rated, model = pd.read_csv(RATED), load(MODEL)
    assert list(rated) == [*timed.columns, "prediction", "low_80", "high_80", "low_95", "high_95"]
    np.testing.assert_allclose(rated["low_80"], (rated["prediction"] - 0.5).clip(lower=model.scale.low), atol=1e-4)
    np.testing.assert_allclose(rated["high_80"], (rated["prediction"] + 0.5).clip(upper=model.scale.high), atol=1e-4)
    assert (rated["low_95"] == model.scale.low).all()
    assert (rated["high_95"] == model.scale.high).all()
    shown = model.predict(timed.set_axis(timed.index + 5), time="when", intervals=True)
    np.testing.assert_allclose(shown, rated[shown.columns], atol=1e-5)
    assert shown.index.equals(timed.index + 5)
    of_ids = model.predict("u1", ["i1", None], 1_500_000_000, intervals=True)
    assert of_ids.isna().all(axis=1).tolist() == [False, True]
    assert list(of_ids) == list(shown)
    RATED.unlink()
    timed.assign(low_80=1).to_csv("pairs.csv", index=False)
    with pytest.raises(InputError, match="has a column 'low_80' already"):
        predict_file(MODEL, "pairs.csv", RATED, reading=with_time, intervals=True)
