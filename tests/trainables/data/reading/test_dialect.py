import pytest

from reeltune.trainables.data.reading.dialect import dialect_of
from reeltune.trainables.errors import InputError

ROWS = [("7", "12", "3", "1300102802"), ("8", "12", "5", "1300126715"), ("7", "14", "4", "1300151693")]
NAMES = ("user", "item", "rating", "timestamp")


def dialect(text, file="r.csv"):
    return dialect_of(file, file, text.encode())


def lines(separator, *first):
    return "".join(f"{separator.join(row)}\n" for row in (*first, *ROWS))


@pytest.mark.parametrize("separator", [",", "\t", ";", "|", "::", " "])
def test_the_separator_is_the_one_that_all_lines_agree_on(separator):
    for first in ((), (NAMES,)):
        found = dialect(lines(separator, *first))
        assert (found.separator, found.names, found.start) == (separator, NAMES, len(first))


@pytest.mark.parametrize(
    ("text", "separator"),
    [
        ("7;12;3,5;9,1\n8;12;4,5;8,1\n", ";"),
        ("7 12 3,5\n8 12 4,5\n", " "),
        ("   7   12  3\n  18  112  4\n", " "),
        ("7,12,2011-03-14 11:40:02\n8,13,2011-03-15 11:40:02\n", ","),
        ("movie,title,genres\n1,Heat,Crime|Drama\n2,Alien,Horror|Sci-Fi\n", ","),
        ('user,item,rating,text\n1,2,3,"a; b\nc; d; e"\n2,3,4,"f\ng; h"\n', ","),
        ("name\nanna smith\nbob\n", ","),
    ],
)
def test_other_separators_within_values_do_not_count(text, separator):
    assert dialect(text).separator == separator


def test_excels_first_line_says_the_separator():
    found = dialect(f"sep=;\n{lines(';', NAMES)}")
    assert (found.separator, found.names, found.start) == (";", NAMES, 2)


def test_comment_lines_on_top_are_skipped_and_counted():
    found = dialect(f"# made by hand\n% 3 rows\n\n{lines(',', NAMES)}")
    assert (found.names, found.start, found.notes) == (NAMES, 4, ("2 comment lines skipped",))


@pytest.mark.parametrize("first", ["# user item rating timestamp", "#user item rating timestamp"])
def test_names_in_a_comment_line_are_taken(first):
    found = dialect(f"# by numpy\n{first}\n{lines(' ')}")
    assert (found.names, found.start) == (NAMES, 2)
    assert found.notes == ("1 comment line skipped", "the names of the columns are in a comment line")


def test_an_id_may_start_with_the_mark_of_comments():
    assert dialect(f"#9,12,3,1300102800\n{lines(',')}").start == 0
    assert dialect("#anna,12,3\n#bob,13,4\n").start == 0


def test_a_matrix_markets_line_of_sizes_is_no_row():
    text = "%%MatrixMarket matrix coordinate integer general\n% by hand\n8 14 3\n7 12 3\n8 12 5\n7 14 4\n"
    assert (dialect(text).start, dialect(text).notes[0]) == (3, "3 comment lines skipped")


def test_r_writes_a_name_fewer_than_there_are_columns():
    found = dialect('"user" "item" "rating"\n"1" "a" "x" 5\n"2" "b" "y" 4\n')
    assert (found.separator, found.names) == (" ", ("row.names", "user", "item", "rating"))
    assert found.notes == ("the first column has no name; it is called row.names",)


def test_a_missing_name_that_is_no_row_names_is_refused():
    with pytest.raises(InputError, match=r"r.csv:1: 3 columns are named .* and rows have 4 fields; name all in line 1"):
        dialect("user,item,rating\na,x,1,9\nb,y,2,9\n")


@pytest.mark.parametrize("first", ["user,item,rating\n", "user,item,rating,\n", ""])
def test_a_separator_at_the_end_of_each_line_adds_no_column(first):
    found = dialect(f"{first}7,x,1,\n8,y,2,\n")
    assert (found.names, found.trailing, found.fields) == (("user", "item", "rating"), True, 4)


def test_two_columns_of_one_name_are_refused():
    with pytest.raises(InputError, match=r"r.csv:1: two columns are called 'rating'; rename one of them"):
        dialect("user,item,rating, rating\n1,2,3,4\n")


def test_blank_lines_alone_are_refused():
    with pytest.raises(InputError, match=r"r.csv: is empty"):
        dialect("\n \n")
