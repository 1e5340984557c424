import re

import pandas as pd
import pytest

from reeltune.trainables.data import Columns, load_data, read_ratings
from reeltune.trainables.data.reading.hints import way_out
from reeltune.trainables.data.reading.tables import read_table
from reeltune.trainables.errors import InputError

ROWS = [(number % 7, number % 11, number % 5 + 1, 1_300_000_000 + number) for number in range(60)]
ORDERS = {
    "numbered rows": ((-1, 0, 1, 2, 3), {"user": 2, "item": 3, "rating": 4, "time": 5}),
    "time third": ((0, 1, 3, 2), {"user": 1, "item": 2, "rating": 4, "time": 3}),
    "time first": ((3, 0, 1, 2), {"user": 2, "item": 3, "rating": 4, "time": 1}),
}


@pytest.mark.parametrize("order", ORDERS)
def test_the_columns_that_a_hint_names_by_number_read_the_file(tmp_path, order):
    places, expected = ORDERS[order]
    source = tmp_path / "r.csv"
    source.write_text(
        "".join(",".join(str((*row, at)[place]) for place in places) + "\n" for at, row in enumerate(ROWS))
    )
    with pytest.raises(InputError) as caught:
        read_ratings(str(source))
    message = str(caught.value)
    assert "no header line; the first row is" in message
    named = {kind: int(number) for kind, number in re.findall(r"--(\w+)-column (\d+)", message)}
    assert named == expected
    numbers = {"timestamp" if kind == "time" else kind: str(number) for kind, number in named.items()}
    data = read_ratings(str(source), columns=Columns(**numbers), duplicates="keep")
    assert len(data.rows) == len(ROWS)
    assert data.rows.timestamps.tolist() == [row[3] for row in ROWS]


def test_columns_read_by_position_can_be_named_by_number_too(tmp_path):
    source = tmp_path / "r.csv"
    source.write_text("".join(",".join(map(str, row)) + "\n" for row in ROWS))
    data = read_ratings(str(source), columns=Columns(user="2", item="1"), duplicates="keep")
    assert (data.users.rows, data.items.rows) == (12, 8)


def test_too_few_columns_are_no_ratings(tmp_path):
    source = tmp_path / "r.csv"
    source.write_text("1,2\n2,3\n")
    with pytest.raises(InputError, match=r"the first row is 1, 2 .ratings need a column of users"):
        read_ratings(str(source))


def test_of_many_columns_the_first_are_shown(tmp_path):
    source = tmp_path / "r.csv"
    source.write_text(",".join(f"item{number}" for number in range(40)) + "\n" + ",".join(["a"] * 40) + "\n")
    said = way_out(read_table(str(source)), ["user", "item"])
    assert said.endswith("item11, ... (40 in all) (name it: --user-column NAME --item-column NAME)")


def test_where_a_first_line_may_be_a_row_the_way_out_loses_none(tmp_path):
    source = tmp_path / "pairs.csv"
    source.write_text("anna,heat\nbob,alien\n")
    said = way_out(read_table(str(source)), ["user", "item"])
    assert said.startswith("found anna, heat in line 1 (if that is a row, put a line with the columns' names above it")
    source.write_text(f"user,item\n{source.read_text()}")
    assert len(read_table(str(source)).frame) == 2


def test_a_separator_that_is_none_can_be_said_in_the_first_line(tmp_path):
    source = tmp_path / "r.csv"
    content = "".join("^".join(map(str, row)) + "\n" for row in ROWS)
    source.write_text(content)
    with pytest.raises(InputError, match=r"found a single column, '0\^0\^1\^13.* sep=\^ says"):
        read_ratings(str(source))
    source.write_text(f"sep=^\n{content}")
    assert len(read_ratings(str(source), duplicates="keep").rows) == len(ROWS)


def test_pairs_are_not_offered_options_that_only_ratings_have(tmp_path):
    source = tmp_path / "r.csv"
    source.write_text("user,a,b,c,d,e\n1,2,3,4,5,1\n2,3,4,5,1,2\n")
    assert way_out(read_table(str(source)), ["item"]).endswith("(expected a row for each pair)")
    source.write_text("1300000000,7,8,5\n1300000001,8,7,3\n1300000000,8,8,4\n")
    assert "--time-column" not in way_out(read_table(str(source)), ["user", "item"])


def test_in_code_a_hint_names_arguments_that_can_be_given_together():
    frame = pd.DataFrame(ROWS)
    with pytest.raises(InputError, match=r"columns=Columns\(user='NAME', item='NAME', rating='NAME'\)"):
        load_data(frame)
    with pytest.raises(InputError, match=r"\(matrix=True reads a row for each user\)"):
        load_data(pd.DataFrame({"user": [1, 2], **{f"film{at}": [at, 2] for at in range(6)}}))


def test_pairs_in_the_place_of_ratings_get_no_option_that_they_have_no_column_for(tmp_path):
    (tmp_path / "pairs.csv").write_text("user,item\n1,2\n2,1\n")
    with pytest.raises(InputError, match=r"found user, item \(ratings need a column of users, one of items and one of"):
        read_ratings(str(tmp_path / "pairs.csv"))


def test_columns_that_are_named_already_are_not_offered_again(tmp_path):
    source = tmp_path / "r.csv"
    source.write_text("".join(",".join(map(str, row)) + "\n" for row in ROWS))
    with pytest.raises(InputError) as caught:
        read_ratings(str(source), columns=Columns(item="1"))
    assert re.findall(r"--(\w+)-column (\d+)", str(caught.value)) == [("user", "2")]
    with pytest.raises(InputError, match=r"\(ratings need a column of users, one of items and one of ratings\)"):
        read_ratings(str(source), columns=Columns(item="1", timestamp="4", weight="2"))
