import pandas as pd
import pytest

from reeltune.trainables.data.columns import Columns, find_columns
from reeltune.trainables.data.reading.tables import Table
from reeltune.trainables.errors import InputError

NEEDED = ("user", "item", "rating")


def in_frame(frame, columns=None):
    return find_columns(Table(source="r.csv", frame=frame), columns or Columns(), needed=NEEDED)


def found(header, columns=None, row=None):
    names = header.split(",")
    frame = pd.DataFrame([row or ["1"] * len(names)] * 3, columns=names)
    return in_frame(frame, columns)


@pytest.mark.parametrize(
    ("header", "item", "others"),
    [
        ("user,product_id,rating,title", "product_id", ("title",)),
        ("user_id,recipe_id,date,rating,u,i", "recipe_id", ("i",)),
        ("user_id,title,asin,rating", "asin", ("title",)),
        ("user_id,asin,parent_asin,rating", "parent_asin", ("asin",)),
        ("userId,movie,movieId,rating", "movieId", ("movie",)),
        ("user_id,podcast_id,rating,title", "podcast_id", ("title",)),
        ("user_id,podcastId,rating", "podcastId", ()),
        ("user_id,review_id,title,rating", "title", ()),
        ("user,paid,title,rating", "title", ()),
        ("u,i,r", "i", ()),
    ],
)
def test_ids_win_over_titles_and_row_numbers_and_the_others_are_named(header, item, others):
    columns = found(header)
    assert columns.names["item"] == item
    assert columns.others.get("item", ()) == others


def test_the_line_says_what_was_read_and_what_could_have_been():
    line = found("user_id,recipe_id,date,rating,u,i").line()
    assert line == (
        "columns: user = 'user_id' (not 'u'), item = 'recipe_id' (not 'i'), rating = 'rating', time = 'date'"
    )


def test_the_names_of_the_file_are_shown_without_spaces_and_found_with_or_without_them():
    assert found("user, item, rating").line() == "columns: user = 'user', item = 'item', rating = 'rating'"
    assert found("user, thing, rating", Columns(item="thing")).names["item"] == " thing"


def test_two_unknown_ids_are_not_chosen_between():
    with pytest.raises(
        InputError, match=r"r.csv: the item may be 'podcast_id' or 'episode_id'; name it: --item-column"
    ):
        found("user_id,podcast_id,episode_id,title,rating")
    assert found("user_id,podcast_id,episode_id,rating", Columns(item="episode_id")).names["item"] == "episode_id"


def test_names_of_the_models_data_come_before_usual_ones_and_after_what_is_asked_for():
    table = Table(source="r.csv", frame=pd.DataFrame([["1"] * 4] * 3, columns=["user", "who", "podcast_id", "title"]))
    of_model = Columns(user="who", item="title", timestamp="gone")
    given = find_columns(table, Columns(), needed=("user", "item"), of_model=of_model)
    assert (given.names, given.of_model) == ({"user": "who", "item": "title"}, ("user", "item"))
    asked = find_columns(table, Columns(user="title"), needed=("user", "item"), of_model=of_model)
    assert (asked.names, asked.of_model) == ({"user": "title", "item": "podcast_id"}, ())
    same = find_columns(table, Columns(), needed=("user",), of_model=Columns(user="user"))
    assert same.line() == "columns: user = 'user'"


def test_what_is_not_needed_is_not_looked_for():
    frame = pd.DataFrame([["1", "2", "3"]], columns=["user_id", "group_id", "town_id"])
    found_ones = find_columns(Table(source="users.csv", frame=frame), Columns(), needed=("user",))
    assert found_ones.names == {"user": "user_id"}


def test_two_columns_of_one_name_are_refused():
    with pytest.raises(InputError, match=r"r.csv: two columns are called 'rating'; rename one"):
        found("user,item,rating,time,rating")
    with pytest.raises(InputError, match=r"the rating may be 'rating' or 'rating.1'"):
        found("user,item,rating,time,rating.1")
    assert found("user,item,rating,rating.1", Columns(rating="rating.1")).names["rating"] == "rating.1"


def test_one_column_cannot_be_two_things():
    with pytest.raises(InputError, match=r"column 'user' cannot be user and item at once"):
        found("user,rating", Columns(user="user", item="user"))


@pytest.mark.parametrize("value", ["2011-03-14", "1300102802", "1300102802000", "14 Mar 2011"])
def test_a_column_that_looks_like_times_and_is_not_used_is_named(value):
    frame = pd.DataFrame({"user": ["1", "2"], "item": ["1", "2"], "rating": ["1", "2"], "when": [value, value]})
    frame.loc[1, "when"] = value.replace("14", "15").replace("13001", "13002")
    line = in_frame(frame).line()
    assert line.endswith("; not used, and looks like times: 'when' (--time-column NAME reads it)")


@pytest.mark.parametrize(("name", "values"), [("year", ["1994", "2001"]), ("age", ["30", "41"]), ("is_read", [1, 0])])
def test_years_ages_and_flags_do_not_look_like_times(name, values):
    frame = pd.DataFrame({"user": ["1", "2"], "item": ["1", "2"], "rating": ["1", "2"], name: values})
    assert in_frame(frame).dates == ()
