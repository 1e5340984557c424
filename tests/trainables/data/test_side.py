import pandas as pd
import pytest

from reeltune.trainables.data import Columns, load_data
from reeltune.trainables.errors import InputError

RATINGS = "user,item,rating\nann,1,5\nbob,2,4\ncat,3,3\nann,3,1\n"
USERS = "user,gender,name\nann,f,Ann A.\nbob,m,Bob B.\ncat,f,Cat C.\ndan,m,Dan D.\n"
ITEMS = "itemId,title,genres\n1,One (1990),Action|Drama\n2,Two (1991),Drama\n3,Three (1990),Action\n"


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Writes files where we are."""
    monkeypatch.chdir(tmp_path)

    def write(**contents):
        for name, content in {"ratings": RATINGS, **contents}.items():
            (tmp_path / f"{name}.csv").write_text(content)

    return write


def features_of(features, row):
    places = range(features.offsets[row], features.offsets[row + 1])
    return {features.names[features.columns[place]] for place in places}


def test_side_tables_are_joined_by_id(files):
    files(users=USERS, items=ITEMS)
    data = load_data("ratings.csv", users="users.csv", items="items.csv")
    ann, bob = data.users.encode(["ann", "bob"])
    assert features_of(data.user_features, ann) == {"gender=f"}
    assert features_of(data.user_features, bob) == {"gender=m"}
    one, two, three = data.items.encode(["1", "2", "3"])
    assert features_of(data.item_features, one) == {"genres=Action", "genres=Drama", "year=1990"}
    assert features_of(data.item_features, two) == {"genres=Drama"}
    assert features_of(data.item_features, three) == {"genres=Action", "year=1990"}
    assert features_of(data.item_features, 0) == set()


def test_what_was_left_out_is_said_once(files):
    files(users=USERS)
    data = load_data("ratings.csv", users="users.csv")
    assert data.notes == (
        "users in the side table alone: 1",
        "--users users.csv: left out name (4 distinct values in 4 rows)",
    )


def test_ids_that_nobody_rated_come_after_those_of_the_ratings(files):
    files(users="user,gender\nzoe,f\ndan,m\nbob,m\nann,f\n")
    alone, data = load_data("ratings.csv"), load_data("ratings.csv", users="users.csv")
    assert data.users.text.tolist() == [*alone.users.text, "dan", "zoe"]
    assert data.rows.users.tolist() == alone.rows.users.tolist()
    assert data.user_features.rows == data.users.rows
    assert features_of(data.user_features, data.users.encode(["dan"])[0]) == {"gender=m"}
    assert features_of(data.user_features, data.users.encode(["cat"])[0]) == set()


@pytest.mark.parametrize("header", ["user", "userId", "user_id:token", "id", "Customer ID"])
def test_the_id_is_found_by_its_usual_names(files, header):
    files(users=USERS.replace("user", header, 1))
    assert load_data("ratings.csv", users="users.csv").user_features.names == ("gender=f", "gender=m")


def test_of_several_usual_names_the_one_with_common_ids_is_the_id(files):
    files(items="title,id,genre\nOne,1,a\nTwo,2,b\nThree,3,a\nFour,4,b\n")
    assert load_data("ratings.csv", items="items.csv").item_features.names == ("genre=a", "genre=b")


def test_the_id_column_can_be_named_and_the_ratings_may_call_it_otherwise(files):
    files(ratings=RATINGS.replace("user", "who"), users=USERS.replace("user", "who"), items=ITEMS)
    data = load_data("ratings.csv", users="users.csv", items="items.csv", columns=Columns(user="who"))
    assert len(data.user_features.names) == 2
    files(ratings=RATINGS.replace("user", "who"), users=USERS)
    assert load_data("ratings.csv", users="users.csv", columns=Columns(user="who")).user_features is not None


def test_numbers_and_text_are_the_same_ids(files, tmp_path):
    files()
    pd.DataFrame({"item": [1.0, 2.0, 3.0], "genres": [["a", "b"], ["b"], ["a"]]}).to_parquet("items.parquet")
    data = load_data("ratings.csv", items="items.parquet")
    assert features_of(data.item_features, data.items.encode(["1"])[0]) == {"genres=a", "genres=b"}


def test_ids_of_bytes_are_found_though_one_is_no_text(files, tmp_path):
    files()
    users = {"user": [b"ann", b"bob", b"\xff"], "gender": ["f", "f", "m"]}
    pd.DataFrame(users).to_parquet(tmp_path / "users.parquet")
    data = load_data("ratings.csv", users="users.parquet")
    assert features_of(data.user_features, data.users.encode(["bob"])[0]) == {"gender=f"}


def test_other_features_are_another_data_set(files):
    files(users=USERS, others=USERS.replace("ann,f", "ann,m"))
    hashes = {
        load_data("ratings.csv").fingerprint(),
        load_data("ratings.csv", users="users.csv").fingerprint(),
        load_data("ratings.csv", users="others.csv").fingerprint(),
    }
    assert len(hashes) == 3


@pytest.mark.parametrize(
    ("users", "said"),
    [
        (
            "user,gender\n1,f\n2,m\n",
            "--users users.csv: none of its ids is in the ratings: '1', '2' against 'ann', 'bob'",
        ),
        (
            "person,gender\nann,f\nbob,f\n",
            "--users users.csv: no column for user; found person, gender (name it: --user-column NAME)",
        ),
        (
            "user,name\nann,Ann\nbob,Bob\n",
            "--users users.csv: no column of use besides the id 'user': name (2 distinct values in 2 rows)",
        ),
        ("user\nann\n", "--users users.csv: no column of use besides the id 'user': there is none"),
        ("", "users.csv: is empty"),
        (
            "user,gender\nann,f\n,m\n",
            "users.csv:3: the id in column 'user' is missing; --missing-ids drop leaves such rows out",
        ),
    ],
    ids=["strangers", "no id", "names", "id alone", "empty", "missing id"],
)
def test_a_side_table_of_no_use_is_an_error_in_one_line(files, users, said):
    files(users=users)
    with pytest.raises(InputError) as caught:
        load_data("ratings.csv", users="users.csv")
    assert str(caught.value) == said


def test_none_leaves_out_the_data_sets_own(tmp_path):
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating\n1,1,5\n1,2,4\n2,1,3\n")
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n1,A,Drama\n2,B,Drama\n3,C,War\n")
    data = load_data(str(tmp_path))
    assert data.item_features.names == ("genres=Drama",)
    alone = load_data(str(tmp_path), items="none")
    assert (alone.item_features, alone.items.rows, alone.notes) == (None, 3, ())


def test_ones_own_side_table_takes_the_place_of_the_data_sets(tmp_path):
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating\n1,1,5\n1,2,4\n2,1,3\n")
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n1,A,Drama\n2,B,Drama\n3,C,War\n")
    (tmp_path / "mine.csv").write_text("item,mood\n1,sad\n2,sad\n3,glad\n")
    assert load_data(str(tmp_path), items=str(tmp_path / "mine.csv")).item_features.names == ("mood=sad",)


def test_a_data_sets_own_table_that_is_of_no_use_is_no_error(tmp_path):
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating\n1,1,5\n1,2,4\n2,1,3\n")
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n8,A,Drama\n9,B,Drama\n")
    data = load_data(str(tmp_path))
    assert data.item_features is None
    (note,) = data.notes
    assert note.startswith("side table left out: ")


def test_made_up_ratings_take_side_tables_too(files):
    files(users="user,team\n" + "".join(f"u{number},{'ab'[number % 2]}\n" for number in range(9)))
    data = load_data("synthetic:users=9,items=9,ratings=50", users="users.csv")
    assert data.user_features.names == ("team=a", "team=b")
    assert data.item_features is None


@pytest.mark.parametrize("column", [Columns(user="who"), Columns(rating="r")])
def test_columns_of_a_data_set_by_name_cannot_be_named(column):
    with pytest.raises(InputError, match="does not apply to synthetic, whose columns are known"):
        load_data("synthetic", columns=column)
    with pytest.raises(InputError, match="does not apply to ml-1m, whose columns are known"):
        load_data("ml-1m", columns=column)


def test_the_id_column_of_a_side_table_can_be_named_whatever_the_data(files):
    files(users="who,team\n" + "".join(f"u{number},{'ab'[number % 2]}\n" for number in range(9)))
    data = load_data("synthetic:users=9,items=9,ratings=50", users="users.csv", columns=Columns(user="who"))
    assert data.user_features.names == ("team=a", "team=b")


def test_duplicates_do_not_apply_to_made_up_ratings():
    with pytest.raises(InputError, match="--duplicates keep: does not apply to synthetic"):
        load_data("synthetic", duplicates="keep")
