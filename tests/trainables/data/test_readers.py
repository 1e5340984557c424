import csv
import io
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reeltune.trainables.data import (
    Columns,
    Reading,
    load_data,
    read_more,
    read_pairs,
    read_rated,
    read_ratings,
    read_users,
)
from reeltune.trainables.data.ids import plain_ids
from reeltune.trainables.data.reading import frames
from reeltune.trainables.data.reading.missing import MISSING
from reeltune.trainables.data.reading.tables import read_table
from reeltune.trainables.errors import InputError

HEADER = "user,item,rating\n"


@pytest.fixture
def ratings_file(tmp_path):
    """Writes a ratings file and gives its path."""

    def write(content, name="ratings.csv"):
        (tmp_path / name).write_text(content)
        return str(tmp_path / name)

    return write


@pytest.fixture
def parquet(tmp_path):
    def write(**columns):
        pd.DataFrame(columns).to_parquet(tmp_path / "ratings.parquet")
        return str(tmp_path / "ratings.parquet")

    return write


def pairs(data):
    """Each row by its own ids: (user, item, rating)."""
    users, items = data.users.text[data.rows.users - 1], data.items.text[data.rows.items - 1]
    return list(zip(users, items, data.rows.ratings, strict=True))


def refused(source, **options):
    with pytest.raises(InputError) as caught:
        read_ratings(source, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    "header",
    [
        "user,item,rating",
        "userId,movieId,rating",
        "user_id:token,item_id:token,rating:float",
        "Customer ID,Product-ID,Stars",
        "reviewerID,asin,overall",
        "uid,ISBN,Book-Rating",
    ],
)
def test_columns_are_found_by_their_usual_names(ratings_file, header):
    data = read_ratings(ratings_file(f"{header}\na,x,1\nb,y,2\n"))
    assert pairs(data) == [("a", "x", 1), ("b", "y", 2)]


def test_columns_are_found_in_any_order_among_others(ratings_file):
    data = read_ratings(ratings_file("note,rating,movieId,age,userId\nhi,1,x,30,a\n,2,y,40,b\n"))
    assert pairs(data) == [("a", "x", 1), ("b", "y", 2)]


def test_columns_can_be_named(ratings_file):
    source = ratings_file("who,what,how,user\na,x,1,no\nb,y,2,no\n")
    columns = Columns(user="who", item="what", rating="how")
    assert pairs(read_ratings(source, columns=columns)) == [("a", "x", 1), ("b", "y", 2)]


def test_ids_are_compared_as_text(ratings_file):
    data = read_ratings(ratings_file(HEADER + "7,x,1\n007,x,2\n7.5,x,3\n7,y,4\n"))
    assert list(data.users.text) == ["7", "007", "7.5"]
    assert data.rows.users.tolist() == [1, 2, 3, 1]


def test_numbers_in_parquet_are_the_ids_that_text_would_be(parquet):
    data = read_ratings(parquet(user=[7.0, 8.0], item=[2**60 + 1, 2], rating=[1, 2]))
    assert pairs(data) == [("7", str(2**60 + 1), 1), ("8", "2", 2)]


def test_a_fraction_is_no_id(parquet):
    message = refused(parquet(user=[7.0, 7.5], item=[1, 2], rating=[1, 2]))
    assert "ratings.parquet: row 2: the id in column 'user' is 7.5" in message


def test_columns_of_lists_and_records_are_no_times_and_do_no_harm(parquet):
    some = {"images": [["a", "b"], [], None], "about": [{"size": 1}, None, {"size": 2}]}
    data = read_ratings(parquet(user=[1, 2, 3], item=[1, 2, 3], rating=[1, 2, 3], **some))
    assert len(data.rows) == 3
    assert "not used" not in data.columns_line


def test_a_column_of_bytes_that_nobody_asked_for_does_no_harm(parquet):
    some = {"picture": [b"\xff\xd8", b"\x89PNG", b"\xff\xd9"], "parts": [[b"\xff"], [b"a"], [b"\x80"]]}
    file = parquet(user=[1, 2, 3], item=[1, 2, 3], rating=[1, 2, 3], **some)
    arrow = pd.read_parquet(file, dtype_backend="pyarrow")
    for source in (file, pd.read_parquet(file), arrow):
        assert read_ratings(source).columns_line == "columns: user = 'user', item = 'item', rating = 'rating'"


def test_bytes_of_dates_are_times(parquet):
    file = parquet(user=[1, 2], item=[1, 2], rating=[1, 2], time=[b"2011-03-14", b"2011-03-15"])
    assert np.diff(read_ratings(file).rows.timestamps).tolist() == [86_400]
    file = parquet(user=[1, 2], item=[1, 2], rating=[1, 2], time=[b"2011-03-14", b"\xff"])
    assert "row 2: the time in column 'time' must be seconds" in read_ratings(file).untimed


def test_a_list_is_neither_an_id_nor_a_rating(parquet):
    file = parquet(user=[1, 2], item=[["a", "b"], ["c", "d"]], rating=[1, 2])
    with pytest.raises(InputError, match="row 1: the id in column 'item' is a list or a record, "):
        read_ratings(file)
    file = parquet(user=[1, 2], item=[["a", "b"], ["c", "d"]], rating=["x", "y"])
    with pytest.raises(InputError, match="row 1: the rating in column 'item' must be a finite number; found"):
        read_ratings(file, columns=Columns(item="rating", rating="item"))


@pytest.mark.parametrize("ids", [pd.array([1, None], dtype="Int64"), ["a", None], [1.0, np.nan]])
def test_a_missing_id_in_parquet_is_named_by_its_row(parquet, ids):
    assert "ratings.parquet: row 2: the id in column 'item' is missing" in refused(
        parquet(user=[1, 2], item=ids, rating=[1, 2])
    )


def test_a_missing_id_is_named_by_file_and_line(ratings_file):
    message = refused(ratings_file(HEADER + "a,x,1\n,y,2\n"))
    assert message.endswith(
        "ratings.csv:3: the id in column 'user' is missing; --missing-ids drop leaves such rows out"
    )


@pytest.mark.parametrize("value", ["six", "nan", "inf", "-inf", "1e999", "1,5", "0x10", "True"])
def test_a_rating_that_is_no_finite_number_is_named_by_file_and_line(ratings_file, value):
    content = f'user,item,rating,review\na,x,1,\n\nb,y,2,"good,\nreally"\nd,z,"{value}",\n'
    message = refused(ratings_file(content))
    assert "ratings.csv:6: " in message
    assert f"must be a finite number; found {value!r}" in message


def test_a_line_that_ends_early_has_no_rating(ratings_file):
    message = refused(ratings_file(HEADER + "a,x,1\nb,y\n"))
    assert "ratings.csv:3: " in message
    assert message.endswith("found nothing; --not-rated '' leaves such rows out")


def test_a_bad_row_without_header_is_named_by_its_line(ratings_file):
    assert "ratings.dat:2: " in refused(ratings_file("1::1::5::0\n1::2::x::0\n", "ratings.dat"))
    assert "u.data:1: " in refused(ratings_file("1\t1\tx\t0\n1\t2\t5\t0\n", "u.data"))


def test_a_bad_rating_in_parquet_is_named_by_its_row(parquet):
    assert "ratings.parquet: row 3: " in refused(parquet(user=[1, 2, 3], item=[1, 2, 3], rating=[1, 2, np.inf]))


def test_missing_columns_are_named_with_those_found_and_the_way_out(ratings_file):
    message = refused(ratings_file("user,thing,note\na,x,1\n"))
    assert "no column for item and rating; found user, thing, note" in message
    assert "--item-column NAME --rating-column NAME" in message


def test_a_column_that_was_asked_for_must_be_there(ratings_file):
    message = refused(ratings_file(HEADER + "a,x,1\n"), columns=Columns(user="who"))
    assert message.endswith("no column 'who'; found user, item, rating")


def test_one_single_rating_value_is_nothing_to_predict(ratings_file):
    message = refused(ratings_file(HEADER + "a,x,5\nb,y,5.0\n"))
    assert "every rating is 5" in message


@pytest.mark.parametrize("name", ["ml-100", "movielens"])
def test_a_name_that_is_no_data_set_lists_those_that_are(name):
    with pytest.raises(InputError, match=r"ml-100k, ml-1m, ml-10m, ml-20m, ml-25m, ml-32m, synthetic") as caught:
        load_data(name)
    assert repr(name) in str(caught.value)


def test_a_path_is_no_name(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_data(str(tmp_path / "ml-100k"))


def test_a_folder_beside_us_needs_no_slash(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "u.data").write_text("1\t1\t5\t0\n1\t2\t4\t0\n")
    assert len(load_data("mine").rows) == 2


@pytest.mark.parametrize(
    ("times", "seconds"),
    [
        (["1970-01-01", "1970-01-02"], [0, 86_400]),
        (["1970-01-01T01:00:00+01:00", "1970-01-01T00:00:00Z"], [0, 0]),
        (["1970-01-01 00:01:00.5", "1970-01-01"], [60, 0]),
        (["881250949", "12.9"], [881_250_949, 12]),
    ],
)
def test_times_are_seconds_or_iso_dates(ratings_file, times, seconds):
    lines = "".join(f"u{number},x,{number},{time}\n" for number, time in enumerate(times))
    assert read_ratings(ratings_file("user,item,rating,timestamp\n" + lines)).rows.timestamps.tolist() == seconds


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
def test_times_in_smaller_units_are_brought_to_seconds(parquet, unit):
    times = [881_250_949 * unit, 1_700_000_000 * unit + unit // 2]
    data = read_ratings(parquet(user=[1, 2], item=[1, 2], rating=[1, 2], timestamp=times))
    assert data.rows.timestamps.tolist() == [881_250_949, 1_700_000_000]


@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
def test_times_in_parquet_are_the_same_seconds_in_any_zone(parquet, zone):
    times = pd.to_datetime([0, 86_400], unit="s", utc=True)
    times = times.tz_localize(None) if zone is None else times.tz_convert(zone)
    data = read_ratings(parquet(user=[1, 2], item=[1, 2], rating=[1, 2], date=times))
    assert data.rows.timestamps.tolist() == [0, 86_400]


@pytest.mark.parametrize("value", ["yesterday", ""])
def test_a_named_time_that_is_none_is_an_error_by_file_and_line(ratings_file, value):
    file = ratings_file(f"user,item,rating,time\na,x,1,2020-01-01\nb,y,2,{value}\n")
    with pytest.raises(InputError, match=r"ratings\.csv:3: the time in column 'time' must be seconds since 1970 or"):
        read_ratings(file, columns=Columns(timestamp="time"))


def test_a_hint_can_be_copied_where_a_column_has_a_blank_in_its_name(ratings_file):
    data = read_ratings(ratings_file("user,item,rating,gekauft am\na,x,1,2020-01-01\nb,y,2,2020-01-02\n"))
    assert data.untimed == (
        "no column is read as time because 'gekauft am' has no usual name of one (--time-column 'gekauft am' reads it)"
    )


@pytest.mark.parametrize("name", ["l'heure", "l'heure (UTC)", "gekauft am"])
def test_a_hint_for_a_program_can_be_copied_whatever_the_name_of_the_column(name):
    frame = pd.DataFrame({"user": ["a", "b"], "item": ["x", "y"], "rating": [1, 2], name: ["2020-01-01", "2020-01-02"]})
    hint = re.search(r"\(columns=(Columns.*) reads it\)$", load_data(frame).untimed)[1]
    columns = eval(hint, {"Columns": Columns})
    assert load_data(frame, columns=columns).rows.timestamps is not None


def test_a_column_that_only_looks_like_a_time_is_left_out_and_that_is_said(ratings_file):
    data = read_ratings(ratings_file("user,item,rating,date\na,x,1,Jan 3\nb,y,2,Jan 4\n"))
    assert data.rows.timestamps is None
    (note,) = data.notes
    assert note.startswith("no column is read as time because ")
    assert "ratings.csv:2" in note
    assert data.untimed == note


def test_a_test_file_is_read_in_the_indices_of_the_training_data(ratings_file):
    known = read_ratings(ratings_file(HEADER + "a,x,1\nb,y,2\n"))
    more = read_more(ratings_file(HEADER + "b,x,3\nnew,y,3\na,other,3\n", "test.csv"), known).rows
    assert more.users.tolist() == [2, 0, 1]
    assert more.items.tolist() == [1, 2, 0]


def test_pairs_keep_their_other_columns(ratings_file):
    known = read_ratings(ratings_file(HEADER + "7,x,1\n8,y,2\n"))
    source = ratings_file("note,user,item\nhi,8,x\nho,9,y\n", "pairs.csv")
    read = read_pairs(source, users=known.users, items=known.items)
    assert read.frame["note"].tolist() == ["hi", "ho"]
    assert read.users.tolist() == [2, 0]
    assert read.items.tolist() == [1, 2]
    assert read.times is None


def test_pairs_for_a_timed_model_come_with_their_times(ratings_file):
    known = read_ratings(ratings_file(HEADER + "7,x,1\n8,y,2\n"))
    source = ratings_file("user,item,when\n8,x,1970-01-02\n9,y,1970-01-01T00:01:00Z\n", "pairs.csv")
    ids = {"users": known.users, "items": known.items}
    read = read_pairs(source, **ids, reading=Reading(columns=Columns(timestamp="when")), timed=True)
    assert read.times.tolist() == [86_400, 60]
    with pytest.raises(InputError, match=r"no column of times, which this model needs; found user, item, when"):
        read_pairs(source, **ids, timed=True)


def test_missing_ids_are_left_out_where_that_was_asked_for_and_counted(ratings_file):
    source = ratings_file(HEADER + "a,x,1\nNULL,y,2\nb,\\N,3\nb,y,4\n")
    assert "ratings.csv:3: the id in column 'user' is missing ('NULL')" in refused(source)
    data = read_ratings(source, missing_ids="drop")
    assert pairs(data) == [("a", "x", 1), ("b", "y", 4)]
    assert data.rows.number.tolist() == [0, 3]
    assert data.notes == ("rows without a user or an item, which are left out: 2",)


def test_rows_that_are_not_rated_are_left_out_and_later_lines_keep_their_numbers(ratings_file):
    source = ratings_file(HEADER + "a,x,1\nb,y,0\nb,z,2\n")
    data = read_ratings(source, not_rated=("0",))
    assert pairs(data) == [("a", "x", 1), ("b", "z", 2)]
    assert data.rows.number.tolist() == [0, 2]
    assert data.notes == ("rows rated 0, which are left out as not rated: 1",)
    assert refused(source, not_rated=("0", "1", "2")).endswith("every row is 'not rated': --not-rated 0 1 2")
    assert "ratings.csv:4: " in refused(ratings_file(HEADER + "a,x,1\nb,y,0\nb,z,six\n"), not_rated=("0",))


def test_a_warning_asks_about_the_item_column_where_many_pairs_are_repeated(ratings_file):
    rows = [f"u{number},title{number % 3},{number % 5}" for number in range(40)]
    few = read_ratings(ratings_file(HEADER + "\n".join([*rows, rows[0]]) + "\n"))
    assert (few.dropped, few.notes) == (1, ())
    many = read_ratings(ratings_file(HEADER + "\n".join([*rows, *rows[:5]]) + "\n"))
    (note,) = many.notes
    assert note.startswith("WARNING: 11% of the rows are repeated pairs")
    assert "is 'item' the column of items? (--item-column NAME reads another" in note


def test_notes_on_the_table_are_notes_on_the_ratings(ratings_file, monkeypatch):
    table = replace(read_table(ratings_file(HEADER + "a,x,1\nb,y,2\n")), notes=("read as Latin-1",))
    monkeypatch.setattr(frames, "read_table", lambda source: table)
    assert read_ratings("ratings.csv").notes == ("read as Latin-1",)


def test_ids_of_two_files_match_whichever_has_fractions_or_spaces(ratings_file):
    whole, other = HEADER + "27,x,1\n28,y,2\n", HEADER + "27.0, x,3\n28.0, y,1\n"
    for first, second in ((whole, other), (other, whole), (other, other)):
        known = read_ratings(ratings_file(first))
        more = read_more(ratings_file(second, "test.csv"), known)
        assert (more.rows.users.tolist(), more.rows.items.tolist()) == ([1, 2], [1, 2])


@pytest.mark.parametrize(
    ("rows", "note"),
    [
        ("a,x,3\nb,y,3\n", None),
        ("new,x,3\na,other,3\nb,y,1\na,y,2\n", "of 4 rows 1 have an unknown user, 1 an unknown item, 0 both"),
        ("new,other,3\nb,y,1\n", "of 2 rows 1 have an unknown user, 1 an unknown item, 1 both"),
        ("new,x,3\nold,x,1\na,x,3\n", "WARNING: test.csv: of 3 rows 2 have an unknown user, 0 an unknown item, 0 both"),
    ],
)
def test_unknown_users_and_items_of_a_file_are_counted(ratings_file, monkeypatch, tmp_path, rows, note):
    monkeypatch.chdir(tmp_path)
    known = read_ratings(ratings_file(HEADER + "a,x,1\nb,y,2\n"))
    ratings_file(HEADER + rows, "test.csv")
    _, *notes = read_more("test.csv", known).notes
    assert (notes == []) if note is None else (notes[0].removeprefix("test.csv: ") == note)


def test_a_file_whose_users_are_all_unknown_is_refused_with_an_id_of_each_side(ratings_file):
    known = read_ratings(ratings_file(HEADER + "a,x,1\nb,y,2\n"))
    source = ratings_file(HEADER + "u-a,x,1\nu-b,y,2\n", "test.csv")
    with pytest.raises(InputError, match=r"none of its users is known: it has users such as 'u-a', and .* such as 'a'"):
        read_more(source, known)
    with pytest.raises(InputError, match=r"none of its users is known"):
        read_pairs(source, users=known.users, items=known.items)
    assert read_more(source, known, Reading(unknown_ids="allow")).rows.users.tolist() == [0, 0]


def test_repeated_pairs_of_a_test_file_are_counted_and_refused_where_that_is_asked_for(ratings_file):
    known = read_ratings(ratings_file(HEADER + "a,x,1\nb,y,2\n"))
    source = ratings_file(HEADER + "a,y,1\na,y,2\nb,x,2\n", "test.csv")
    more = read_more(source, known)
    assert len(more.rows) == 3
    assert f"{source}: repeated pairs, whose ratings are all judged: 1" in more.notes
    assert len(read_more(source, known, duplicates="keep").notes) == 1
    with pytest.raises(InputError, match=r"test\.csv: "):
        read_more(source, known, duplicates="error")


def test_a_test_file_beside_a_matrix_is_one_too_unless_its_columns_say_that_it_is_none(ratings_file):
    reading = Reading(matrix=True, not_rated=("-",))
    known = read_ratings(ratings_file("user,A,B,C\na,1,2,-\nb,-,4,3\n"), matrix=True, not_rated="-")
    for content in ("user,A,B,C\na,-,-,5\nb,2,-,-\n", HEADER + "a,C,5\nb,A,2\n"):
        rows = read_more(ratings_file(content, "test.csv"), known, reading).rows
        assert (rows.users.tolist(), rows.ratings.tolist()) == ([1, 2], [5.0, 2.0])


def test_no_hint_names_matrix_where_that_is_not_taken(ratings_file):
    known = read_ratings(ratings_file(HEADER + "a,x,1\nb,y,2\n"))
    source = ratings_file("id,1,2,3,4,5,6\na,1,2,3,4,5,6\nb,6,5,4,3,2,1\n", "matrix.csv")
    assert "(--matrix reads a row for each user)" in refused(source)
    for read in (lambda: read_more(source, known), lambda: read_rated(source, Reading())):
        with pytest.raises(InputError, match=r"looks like a matrix: .* \(expected a row for each rating\)$"):
            read()


def test_two_columns_of_times_are_no_matter_where_no_time_is_read(ratings_file):
    source = ratings_file("user,item,rating,date,date.1\na,x,1,1,2\nb,y,2,3,4\n")
    assert "the time may be 'date' or 'date.1'" in refused(source)
    known = read_ratings(source, columns=Columns(timestamp="date"))
    assert len(read_pairs(source, users=known.users, items=known.items).frame) == 2
    assert len(read_rated(source, Reading())[0]) == 2
    assert read_users(source, Reading())[0].tolist() == ["a", "b"]


@pytest.mark.parametrize("kind", ["frame", "arrow", "indexed", "arrow types"])
def test_a_table_in_memory_is_read_as_a_file_is(kind):
    frame = pd.DataFrame(
        {
            "who": pd.Categorical([7, 8, 7]),
            "item": pd.array([2**60 + 1, 2, 3], dtype="Int64"),
            "rating": [1, 0, 2],
            "date": pd.to_datetime(["1970-01-02"] * 3).astype("datetime64[us]"),
        }
    )
    made = {
        "frame": lambda: frame,
        "arrow": lambda: pa.Table.from_pandas(frame),
        "indexed": lambda: frame.set_index(["who", "item"]),
        "arrow types": lambda: frame.convert_dtypes(dtype_backend="pyarrow"),
    }
    before = frame.copy()
    data = load_data(made[kind](), columns=Columns(user="who"), not_rated=("0",))
    assert data.name == "DataFrame"
    assert pairs(data) == [("7", str(2**60 + 1), 1), ("7", "3", 2)]
    assert data.rows.timestamps.tolist() == [86_400, 86_400]
    assert data.columns == {"user": "who", "item": "item", "rating": "rating", "timestamp": "date"}
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"user": ["a", None]}, "DataFrame: row 2: the id in column 'user' is missing; missing_ids='drop' leaves"),
        ({"rating": [1.0, np.nan]}, "DataFrame: row 2: .* found nothing; not_rated=\\(''\\,\\) leaves"),
        ({"user": None}, "DataFrame: no column for user; found item, rating .*columns=Columns\\(user='NAME'\\)"),
    ],
)
def test_an_error_in_a_table_in_memory_names_arguments_in_place_of_options(changes, said):
    columns = {"user": ["a", "b"], "item": ["x", "y"], "rating": [1, 2], **changes}
    with pytest.raises(InputError, match=said):
        load_data(pd.DataFrame({name: values for name, values in columns.items() if values is not None}))


def test_what_is_no_table_is_refused():
    with pytest.raises(InputError, match=r"expected a name, a file, a DataFrame or a pyarrow\.Table; found int"):
        load_data(7)
    with pytest.raises(InputError, match="DataFrame: has no rows"):
        load_data(pd.DataFrame({"user": []}))


ids = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n"), min_size=1, max_size=12)
tricky = st.sampled_from(["a,b", 'say "hi"', "007", " 7 ", "NA", "nan", "None", "é", "🎬"])
numbers = st.floats(-1e9, 1e9).map(lambda number: number + 0.0)  # no −0
named = (ids | tricky).filter(lambda text: text.strip().lower() not in MISSING)
ratings = st.lists(st.tuples(named, named, numbers), min_size=2, max_size=15)
ratings = ratings.filter(lambda rows: len({rating for _, _, rating in rows}) > 1)


def plain(*ids):
    return plain_ids(pd.Series(ids, dtype="str")).tolist()


@given(ratings)
def test_any_ids_and_ratings_come_back_from_csv(tmp_path, rows):
    content = io.StringIO()
    csv.writer(content).writerows([("user", "item", "rating"), *rows])
    file = tmp_path / "ratings.csv"
    file.write_bytes(content.getvalue().encode())
    # pandas before 3.1 reads some numbers of 16 digits as a neighbour of the nearest float.
    near = [(*plain(user, item), pytest.approx(rating, rel=1e-15, abs=1e-300)) for user, item, rating in rows]
    assert pairs(read_ratings(str(file), duplicates="keep")) == near


@given(ratings)
def test_any_ids_and_ratings_come_back_from_parquet(tmp_path, rows):
    file = tmp_path / "ratings.parquet"
    pd.DataFrame(rows, columns=["user", "item", "rating"]).to_parquet(file)
    assert pairs(read_ratings(str(file), duplicates="keep")) == [(*plain(user, item), r) for user, item, r in rows]


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=2, max_size=9))
def test_whole_numbers_of_any_length_come_back_as_their_digits(tmp_path, users):
    file = tmp_path / "ratings.parquet"
    pd.DataFrame({"user": users, "item": 1, "rating": range(len(users))}).to_parquet(file)
    data = read_ratings(str(file), duplicates="keep")
    assert [user for user, _, _ in pairs(data)] == [str(user) for user in users]
    assert data.users.encode(users).tolist() == data.rows.users.tolist()
