import pytest

from reeltune.trainables.data.reading.header import column_names, header_of, is_header

RATED = [["7", "12", "3", "1300102802"], ["8", "12", "5", "1300126715"], ["7", "14", "4", "1300151693"]]


def header(*lines, file="r.csv"):
    return header_of(file, [line.split(",") for line in lines])


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        ("user,item,rating,timestamp", True),
        ("who,what,2019,when", True),
        ("9,13,2,1300000000", False),
        ("bob,13,2,1300000000", False),  # text over numbers, but numbers too
        ("9,13,NULL,1300000000", False),
        ("034545104X,13,2,1300000000", False),  # an ISBN among numbers
        ("9,13,4/5,2011-03-14 11:40:02 UTC", False),
    ],
)
def test_a_header_is_text_over_numbers_and_a_row_is_numbers_over_numbers(first, expected):
    assert is_header(first.split(","), RATED) is expected


def test_text_alone_is_a_row_where_one_of_its_cells_is_found_below_itself():
    below = [["anna", "alien"], ["bob", "heat"]]
    assert is_header(["anna", "heat"], below) is False
    assert is_header(["user", "item"], below) is None


def test_a_line_with_nothing_below_is_a_header_if_it_has_no_number():
    assert is_header(["user", "item", "rating"], []) is True
    assert is_header(["7", "12", "3"], []) is False


@pytest.mark.parametrize("first", ["user,1,2,3,4,5", "1,2,3,4,5,6", "0,1,2,3,4,5", ",101,205,307,400,412"])
def test_numbered_columns_of_a_matrix_are_a_header(first):
    assert is_header(first.split(","), [["7", "5", "", "3", "", "1"], ["9", "", "2", "", "4", ""]]) is True


@pytest.mark.parametrize("first", ["0,1,2,3", ",0,1,2"])
def test_the_places_that_pandas_writes_for_names_are_a_header(first):
    fields = first.count(",") + 1
    found = header(first, *(",".join(row[:fields]) for row in RATED))
    assert found.in_file
    assert found.notes[0].startswith("line 1 is taken for the names of the columns (")


def test_places_are_a_row_where_user_0_has_more_of_them():
    assert is_header(["0", "1", "2"], [["0", "3", "5"], ["1", "3", "4"]]) is False
    assert is_header(["0", "1"], [["7", "3"], ["8", "3"]]) is False  # a pair


@pytest.mark.parametrize("fields", [2, 3, 4])
def test_columns_without_names_are_user_item_rating_and_time_by_position(fields):
    found = header_of("r.csv", [row[:fields] for row in RATED])
    assert found.names == ("user", "item", "rating", "timestamp")[:fields]
    assert not found.in_file
    assert found.notes[0].startswith("no header line: columns 1 ")


@pytest.mark.parametrize(
    "rows",
    [
        [["0", "7", "3", "5"], ["1", "8", "3", "4"], ["2", "7", "4", "4"], ["3", "8", "5", "4"], ["4", "7", "5", "1"]],
        [["7", "12", "1300102802", "3"], ["8", "12", "1300126715", "5"]],
        [["5", str(number), str(number % 40)] for number in range(100)],
        [[str(number % 9), str(number % 7), str(number)] for number in range(200)],
        [["7", "12", "fine"], ["8", "12", "bad"]],
        [["7", "12", "3", "1300102802", "x"], ["8", "12", "4", "1300102803", "y"]],
    ],
    ids=["numbered rows", "time third", "rating first", "counts", "text", "five"],
)
def test_columns_that_do_not_look_like_ratings_are_called_by_their_numbers(rows):
    found = header_of("r.csv", rows)
    assert found.names == tuple(str(number) for number in range(1, len(rows[0]) + 1))
    assert found.notes == (f"no header line: columns are called 1 to {len(rows[0])}",)


def test_movielens_files_are_known_by_name_unless_they_have_a_header():
    assert header("1,24,M,technician,85711", file="u.user").names[3] == "occupation"
    assert header("7,1,9,0", file="ub.base").names == ("user", "item", "rating", "timestamp")
    assert header("user,item,stars,when", "7,12,3,1300102802", file="ratings.dat").names[2] == "stars"


def test_a_first_line_of_text_over_text_is_noted_unless_it_has_words_of_a_header():
    assert header("user,item", "anna,heat").notes == ()
    assert "line 1 is taken for the names of the columns (who, what)" in header("who,what", "anna,heat").notes[0]


def test_names_lose_spaces_and_nameless_columns_get_one():
    assert column_names(["", " user ", "the  item", ""]) == ("row.names", "user", "the item", "4")
