import pandas as pd
import pytest

from reeltune.trainables.data import Columns, load_data, read_ratings
from reeltune.trainables.data.reading.matrix import looks_like_matrix, melted
from reeltune.trainables.data.reading.tables import read_table
from reeltune.trainables.errors import InputError

NAMED = "user,heat,alien,jaws,up,big,cars\nann,1,,3,,5,\nbob,,2,,NA,1,4\n"
RATED = [
    *(["ann", "heat", "1"], ["ann", "jaws", "3"], ["ann", "big", "5"]),
    *(["bob", "alien", "2"], ["bob", "big", "1"], ["bob", "cars", "4"]),
]


@pytest.fixture
def file(tmp_path):
    def write(content):
        (tmp_path / "m.csv").write_text(content)
        return str(tmp_path / "m.csv")

    return write


def test_each_rated_cell_is_a_row_and_empty_ones_are_none(file):
    table = melted(read_table(file(NAMED)))
    assert table.frame.columns.tolist() == ["user", "item", "rating"]
    assert table.frame.to_numpy().tolist() == RATED
    assert table.notes[-2:] == (
        "users are in column 'user'",
        "read as a matrix: 2 rows as users, 6 columns as items; 6 of 12 cells hold ratings",
    )
    assert table.place(3).endswith("m.csv:3, column alien")


@pytest.mark.parametrize("nothing", ["none", "n/a", "NaN", "#N/A", "\\N"])
def test_what_is_no_id_is_no_rating_either(file, nothing):
    assert melted(read_table(file(NAMED.replace("NA", nothing)))).frame.to_numpy().tolist() == RATED


def test_jesters_first_column_counts_the_ratings_of_its_row(file):
    content = "3,1.5,99,-2.25,99,4,99\n5,1,2,3,4,99,5\n2,99,99,1,99,99,2\n1,99,99,99,7,99,99\n"
    table = melted(read_table(file(content)))
    assert "left out: column 1, a count of the row's ratings" in table.notes[-2]
    assert table.frame.iloc[0].tolist() == ["1", "1", "1.5"]
    assert table.frame["item"].nunique() == 6


@pytest.mark.parametrize(
    ("content", "users"),
    [
        (",101,205,307,400,412\nu1,1,2,,3,5\nu2,2,,2,4,\n", ["u1", "u2"]),
        ('"i1" "i2" "i3" "i4" "i5"\n"u1" 1 2 NA 3 5\n"u2" 2 NA 2 4 NA\n', ["u1", "u2"]),
        ("a,b,c,d,e,f\n1,2,,3,5,1\n2,,2,4,,1\n2,1,,,2,2\n", ["1", "2", "3"]),
        ("1,2,,3,5,1\n2,,2,4,,1\n2,1,,,2,2\n", ["1", "2", "3"]),
        ("a;b;c;d;e;f\n1,5;2;;3;5;1\n2;;2,5;4;;1\n2;1;;;2;2\n", ["1", "2", "3"]),
    ],
    ids=["pandas", "R", "no ids", "no header", "decimal commas"],
)
def test_users_are_known_by_a_column_of_ids_or_by_row(file, content, users):
    assert melted(read_table(file(content))).frame["user"].unique().tolist() == users


def test_the_column_of_users_can_be_named(file):
    source = file("heat,alien,who,up\n1,2,ann,3\n,4,bob,5\n")
    data = read_ratings(source, columns=Columns(user="who"), matrix=True)
    assert data.users.text.tolist() == ["ann", "bob"]
    assert data.rows.ratings.tolist() == [1, 2, 3, 4, 5]


def test_a_matrix_is_refused_with_the_way_out_unless_asked_for(file):
    source = file(NAMED)
    assert looks_like_matrix(read_table(source))
    with pytest.raises(InputError, match=r"looks like a matrix: 7 columns of numbers \(--matrix reads a row for each"):
        load_data(source)
    assert len(load_data(source, matrix=True).rows) == 6


def test_a_column_of_bytes_is_no_numbers(tmp_path):
    frame = pd.DataFrame({f"c{column}": [1, 2] for column in range(6)} | {"picture": [b"\xff", b"\x80"]})
    frame.assign(c0=[b"\xff", b"\x80"]).to_parquet(tmp_path / "m.parquet")
    with pytest.raises(InputError, match=r"no column for user and item and rating; found c0, "):
        load_data(str(tmp_path / "m.parquet"))
    with pytest.raises(InputError, match=r"expected a column of numbers for each item; found text in column 'picture'"):
        load_data(str(tmp_path / "m.parquet"), matrix=True)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            "user,item,rating\n1,2,3\n2,3,4\n",
            "is no matrix: columns user and item say that there is a row for each rating",
        ),
        ("who,heat,note\n1,2,fine\n2,3,bad\n", "found text in column 'note'"),
        ("who,heat,up\n1,2,-\n2,3,4\n", "found text in column 'up', '-' .--not-rated -, if that means"),
        ("film,ann,bob\nheat,2,3\nup,3,4\n", "column 'film' has items by its name, .*: turn the table round"),
        ("who,heat,up\n1,,\n2,NA,\n", "the matrix has no rating in it"),
    ],
)
def test_what_is_no_matrix_is_refused(file, content, said):
    with pytest.raises(InputError, match=said):
        load_data(file(content), matrix=True)


def test_cells_may_be_blank_or_a_word_that_means_not_rated(file):
    data = read_ratings(file("who,heat,up,alien\n1,2, ,-\n2,3,4,-\n"), matrix=True, not_rated=("-",))
    assert data.rows.ratings.tolist() == [2, 3, 4]
    assert "rows rated -, which are left out as not rated: 2" in data.notes


def test_data_by_name_is_no_matrix():
    with pytest.raises(InputError, match=r"--matrix: does not apply to synthetic"):
        load_data("synthetic", matrix=True)
