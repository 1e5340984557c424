import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import reeltune as rt
from reeltune.cluster.api.ratings import asked_of
from reeltune.cluster.runs.find import folder_of
from reeltune.cluster.runs.kept_tables import keep_tables
from reeltune.cluster.runs.record import AskedOfData, data_asked
from reeltune.trainables.data.prepared import prepare
from tests import inside, s3
from tests.cluster.report.test_commands import parsed

WORLD = "synthetic:users=40,items=30,ratings=600"
COLUMNS = {"user": "customer_id", "item": "sku", "rating": "stars", "time": "when"}
FILMS = pd.DataFrame({"sku": [f"film {number}" for number in range(12)], "genre": ["war", "love"] * 6})


@pytest.fixture
def frame():
    draw = np.random.default_rng(3)
    pairs = [(f"käthe {user}", f"film {item}") for user in range(10) for item in range(10)]
    frame = pd.DataFrame(pairs, columns=["customer_id", "sku"])
    frame["stars"] = draw.integers(1, 6, len(frame))
    frame["when"] = pd.Timestamp("2024-03-01", tz="Europe/Berlin") + pd.to_timedelta(np.arange(len(frame)), unit="h")
    return frame.sample(frac=1, random_state=1)


class OfAnotherLibrary:
    """A table that hands itself over as polars' do."""

    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


def test_it_says_what_reeltune_data_says(frame, tmp_path):
    path = str(tmp_path / "ratings.csv")
    frame.to_csv(path, index=False)
    said = repr(rt.Ratings(path, **COLUMNS)).splitlines()
    options = ["--user-column", "customer_id", "--item-column", "sku", "--rating-column", "stars"]
    assert said == inside.reeltune("data", path, *options, "--time-column", "when").stdout.splitlines()
    assert said[1:] == repr(rt.Ratings(frame, **COLUMNS)).splitlines()[1:]


def test_a_notebook_shows_ids_as_text_and_not_as_markup():
    frame = pd.DataFrame({"user": ["<b>a</b>", "b"], "item": ["x", "y"], "rating": [1, 2]})
    shown = rt.Ratings(frame)._repr_html_()
    assert "&lt;b&gt;a" in shown
    assert "<b>a" not in shown


@pytest.mark.parametrize(
    "made",
    [
        lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
        lambda frame: OfAnotherLibrary(pa.Table.from_pandas(frame, preserve_index=False)),
        lambda frame: frame.astype({"sku": "category"}).set_index("customer_id"),
    ],
    ids=["pyarrow", "another library's", "an index and a category"],
)
def test_a_table_of_any_library_is_read_as_the_frame_is(frame, made):
    expected, found = (rt.Ratings(data, **COLUMNS).options.loaded for data in (frame, made(frame)))
    assert found.fingerprint() == expected.fingerprint()


def test_the_columns_hint_names_what_to_give():
    frame = pd.DataFrame({"who": ["a", "b"], "item": ["x", "y"], "rating": [1, 2]})
    with pytest.raises(rt.InputError, match=r"no column for user; found who, item, rating \(name it: user='NAME'\)"):
        rt.Ratings(frame)


@pytest.mark.parametrize("name", ["l'heure", "l'heure (UTC)"])
def test_the_hint_of_a_time_can_be_copied_whatever_the_name_of_the_column(name):
    frame = pd.DataFrame({"user": ["a", "b"], "item": ["x", "y"], "rating": [1, 2], name: ["2020-01-01", "2020-01-02"]})
    assert repr(rt.Ratings(frame)).endswith(f'(time="{name}" reads it)')


def test_what_does_not_apply_is_named_as_python_has_it():
    with pytest.raises(rt.InputError, match=r"^weight='often': does not apply to synthetic"):
        rt.Ratings("synthetic", weight="often")


def test_a_wrong_name_of_a_run_is_refused_before_the_data_is_read():
    with pytest.raises(rt.InputError, match=r"^--name 'a/b': expected a plain name"):
        rt.tune("gone.csv", name="a/b")


def test_a_fit_offers_no_split_into_folds():
    with pytest.raises(rt.InputError, match=r"^--split 'half': expected random, user or time$"):
        rt.train(FILMS, "bias", split="half")


@pytest.mark.parametrize("data", [[1, 2], pd.Series([1, 2]), pa.chunked_array([[1, 2]])])
def test_something_else_is_refused(data):
    with pytest.raises(rt.InputError, match=rf"a DataFrame or a pyarrow\.Table; found {type(data).__name__}$"):
        rt.Ratings(data)


@pytest.mark.parametrize("mixed", [False, True])
def test_a_run_keeps_tables_in_memory_as_files_that_are_read_as_the_same_data(frame, mixed):
    """What run.json says of them, and no more, asks for the same rows again."""
    frame["unread"] = [object() for _ in range(len(frame))]
    frame["customer_id"] = frame["customer_id"].str[-1].astype(object)
    if mixed:  # no type of Arrow's
        frame["customer_id"] = [int(each) if each < "5" else f"{each}x" for each in frame["customer_id"]]
    test = frame.iloc[:20].assign(stars=3).drop(columns="unread")
    ratings = rt.Ratings(frame.iloc[20:], items=FILMS, not_rated=[1], **COLUMNS)
    asked = asked_of(ratings, test=test, name="one", unknown_ids="allow")
    first = prepare(asked)
    record = AskedOfData(**data_asked(asked, first))
    folder = folder_of("one")
    folder.path.mkdir(parents=True)
    keep_tables(asked, folder)
    assert record.data == "runs/one/data/ratings.parquet"
    assert "unread" not in pd.read_parquet(record.data)
    again = prepare(record.options())
    assert again.ratings.fingerprint() == record.data_hash == first.ratings.fingerprint()
    assert again.split.test.fingerprint == record.test_hash
    assert np.array_equal(again.split.train.number, first.split.train.number)


@pytest.fixture
def ray_that_knows_the_store(one_ray, s3_port):
    """The one Ray, started anew: its workers have the store's credentials, which a Ray of before may not have seen."""
    one_ray.end()
    one_ray.start()
    with inside.ray_stays(lean=True):
        yield


@pytest.mark.slow
def test_a_run_in_an_object_store_has_the_tables_there(frame, ray_that_knows_the_store, s3_port, bucket):
    place = s3.uri(s3_port, bucket)
    run = rt.tune(rt.Ratings(frame, **COLUMNS), ["bias"], trials=1, ensemble=False, name="one", storage=place)
    record = run.folder.read_record()
    assert record.asked.data.partition("?")[0] == f"s3://{bucket}/runs/one/data/ratings.parquet"
    users = frame["customer_id"].iloc[:2].tolist()
    expected = run.best.recommend(users, n=2)
    shutil.rmtree("runs")
    again = rt.open(run.place)
    assert again.best.recommend(users, n=2).equals(expected)
    words = parsed(record.command)
    read = rt.Ratings(*words["data"], **COLUMNS)
    assert read.options.loaded.fingerprint() == record.asked.data_hash
    assert again.replay().matches


def test_the_examples_of_the_page_are_read(frame, tmp_path):
    page = (Path(__file__).parents[3] / "docs" / "python.md").read_text()
    example = re.search(r"## Data\n+```python\n(.*?)```", page, re.S)[1]
    frame.rename(columns={"customer_id": "user", "sku": "item", "stars": "rating"}).to_csv("ratings.csv", index=False)
    found = [
        eval(line.replace("ml-100k", WORLD), {"rt": rt, "frame": frame, "films": FILMS})
        for line in example.splitlines()
    ]
    assert [len(ratings) for ratings in found] == [100, 100, 600]


@pytest.mark.parametrize("value", [-1, "-1", [-1], np.array([-1])])
def test_a_single_rating_that_means_not_rated_is_one_value(frame, value):
    stars = COLUMNS["rating"]
    frame.loc[:4, stars] = -1
    assert rt.Ratings(frame, not_rated=value, **COLUMNS).options.not_rated == ("-1",)
    frame.loc[:4, stars] = 0
    left = rt.Ratings(frame, not_rated=0, **COLUMNS)
    assert "rows rated 0, which are left out as not rated: 5" in repr(left)
