import pytest

from reeltune.trainables.data.reading.tables import read_table
from reeltune.trainables.errors import InputError

SIX = [
    ["1", "A", "2"],
    ["1", '"Heroes', "5"],
    ["2", "B", "4"],
    ["3", "C", "1"],
    ["3", '"Low" side', "3"],
    ["4", "A", "5"],
]


@pytest.fixture
def read(tmp_path):
    """Reads a file of this content."""

    def table(content, name="r.csv"):
        (tmp_path / name).write_text(content)
        return read_table(str(tmp_path / name))

    return table


def rows(table):
    return table.frame.fillna("").to_numpy().tolist()


@pytest.mark.parametrize("separator", [",", "\t", ";", "|"])
def test_a_quote_that_a_later_line_closes_swallows_no_lines(read, separator):
    content = "".join(f"{separator.join(row)}\n" for row in [["user", "item", "rating"], *SIX])
    table = read(content)
    assert rows(table) == SIX
    assert table.notes == ("read without quoting: a quote in line 3 does not enclose a value",)
    assert table.place(5).endswith(":7")


def test_without_quoting_values_stand_as_they_are_written(read):
    table = read('user\titem\trating\n1\t"Amelie"\t5\n2\t"Heroes\t4\n3\tHeat\t1\n4\tAlien\t2\n')
    assert table.frame["item"].tolist() == ['"Amelie"', '"Heroes', "Heat", "Alien"]


def test_where_every_value_is_quoted_one_odd_quote_changes_no_other(read):
    table = read('"user","item","rating"\n"1","A","2"\n"2","a"b","3"\n"3","C",""\n')
    assert rows(table) == [["1", "A", "2"], ["2", 'a"b', "3"], ["3", "C", ""]]


def test_quoted_separators_and_odd_quotes_may_stand_in_one_file(read):
    table = read('user,item,rating\n1,"Heat, The",2\n1,"Heroes,5\n2,B,4\n3,"Low" side,3\n')
    assert table.frame["item"].tolist() == ["Heat, The", '"Heroes', "B", '"Low" side']
    assert table.notes == ("2 rows (first line 3) have quotes that enclose no value; they are read as they stand",)


def test_a_review_may_go_over_several_lines(read):
    table = read('user,item,rating,review\n1,A,5,"nice\nfilm, really"\n2,B,4,ok\n')
    assert table.frame["review"].tolist() == ["nice\nfilm, really", "ok"]
    assert (table.notes, table.place(1)[-2:]) == ((), ":4")
    table.refuse_line_breaks("item")
    with pytest.raises(InputError, match=r"r.csv:2: expected one line; found 'nice\\nfilm, really' in column 'review'"):
        table.refuse_line_breaks("review")


def test_a_row_that_ends_early_is_filled_up_and_noted(read):
    table = read("user,item,rating\na,x,1\nb,y\n")
    assert rows(table) == [["a", "x", "1"], ["b", "y", ""]]
    assert table.notes == ("line 3 has fewer fields than the file has columns; what is missing is empty",)


def test_a_row_of_too_many_fields_is_refused_with_what_was_expected_and_found(read):
    with pytest.raises(InputError) as caught:
        read("user,item,rating\na,x,1\nb,Heat, The,2\n")
    assert "r.csv:3: expected 3 fields (user, item, rating); found 4: 'b,Heat, The,2'" in str(caught.value)


@pytest.mark.parametrize("separator", ["::", " ", "  ", "\t"])
def test_separators_of_several_characters_are_read(read, separator):
    content = "".join(f"{separator.join(row)}\n" for row in (("a", "x", "1"), ("b", "y", "2.5")))
    assert rows(read(content)) == [["a", "x", "1"], ["b", "y", "2.5"]]


def test_a_carriage_return_within_a_value_ends_no_row(read):
    assert rows(read('user,item,rating\na,"x\ry",1\nb,y,2\n')) == [["a", "x\ry", "1"], ["b", "y", "2"]]


def test_plain_and_odd_lines_give_the_same_rows(read):
    many = [[str(number % 50), f"i{number % 37}", str(number % 5 + 1)] for number in range(3000)]
    plain = "user,item,rating\n" + "".join(",".join(row) + "\n" for row in many)
    assert rows(read(plain)) == many
    assert rows(read(plain + "7,B\n"))[:-1] == many


def test_rows_without_any_value_are_left_out_and_the_places_of_others_stay_right(read):
    table = read("user;item;rating\na;x;1\n;;\nb;y;2\n;;\n")
    assert rows(table) == [["a", "x", "1"], ["b", "y", "2"]]
    assert table.notes == ("2 rows (first line 3) have no values; left out",)
    assert table.place(1).endswith("r.csv:4")
