import gzip
import json

import pytest

from reeltune.trainables.data import read_ratings
from reeltune.trainables.data.reading.tables import read_table
from reeltune.trainables.errors import InputError

AMAZON = [
    {"reviewerID": "A1", "asin": "B0", "overall": 5.0, "helpful": [1, 2], "verified": True},
    {"reviewerID": "A2", "asin": "B1", "overall": 4.50, "style": {"size": "L"}, "reviewText": None},
]
NAMES = ["reviewerID", "asin", "overall", "helpful", "verified", "style", "reviewText"]


@pytest.fixture
def read(tmp_path):
    def table(content, name="r.json"):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_table(str(tmp_path / name))

    return table


def test_an_object_a_line_is_a_row_with_every_objects_fields(read):
    lines = "".join(f"{json.dumps(row)}\n\n" for row in AMAZON)
    for table in (
        read(lines),
        read(lines, "any.txt"),
        read(gzip.compress(lines.encode()), "r.json.gz"),
        read(json.dumps(AMAZON)),
    ):
        assert table.frame.columns.tolist() == NAMES
        assert table.frame.fillna("").to_numpy().tolist() == [
            ["A1", "B0", "5.0", '["1", "2"]', "true", "", ""],
            ["A2", "B1", "4.5", "", "", '{"size": "L"}', ""],
        ]
    assert read(lines).place(1).endswith("r.json:3")


def test_numbers_stay_as_they_are_written(read):
    table = read('{"user": 12345678901234567890, "rating": 4.50}\n{"user": 7, "rating": 1e3}\n')
    assert table.frame.to_numpy().tolist() == [["12345678901234567890", "4.50"], ["7", "1e3"]]


@pytest.mark.parametrize("form", ["{}\n{}\n", "[{},{}]"], ids=["lines", "array"])
def test_half_a_character_is_lost_where_nobody_needs_it_and_refused_in_an_id(read, form, tmp_path):
    rows = (
        r'{"user": "a", "item": "x", "rating": 1}',
        r'{"user": "b", "item": "y", "rating": 2, "t\ud83d": ["good \ud83d"]}',
    )
    read(form.format(*rows))
    data = read_ratings(str(tmp_path / "r.json"))
    assert len(data.rows) == 2
    assert read_table(str(tmp_path / "r.json")).frame["t\ufffd"].iloc[1] == '["good \ufffd"]'
    read(form.format(rows[0], rows[1].replace('"b"', r'"b\ud83d"')))
    place = r"json:2" if "\n" in form else r"json: row 2"
    with pytest.raises(InputError, match=rf"{place}: the id in column 'user' has half a character in it, 'b\ufffd'"):
        read_ratings(str(tmp_path / "r.json"))


def test_two_halves_in_a_python_dictionary_are_one_character(read):
    table = read(r"{'user': 'a\ud83d\ude00', 'item': 'x'}")
    assert (table.frame["user"].tolist(), table.surrogates) == (["a\U0001f600"], {})


def test_amazons_older_files_hold_python_dictionaries(read):
    table = read("{'asin': 'B0', 'title': 'It\\'s', 'price': 4.5}\n{'asin': u'B1', 'title': \"x\"}\n")
    assert table.frame.fillna("").to_numpy().tolist() == [["B0", "It's", "4.5"], ["B1", "x", ""]]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"user": 1}\n{"user": 2, "it', 'r.json:2: is no JSON object: \'{"user": 2, "it\''),
        ('{\n  "user": 1\n}\n', "r.json:1: is no JSON object: '{'"),
        ("user,item\n1,2\n", "r.json:1: is no JSON object: 'user,item'"),
        ('[{"user": 1}, 2]', "element 2 of the array is no object: '2'"),
        ('[{"user": 1},', "is no JSON array"),
        ("[]", "has no rows"),
        (" \n", "is empty"),
        ('{"user": {"0": 1}, "item": {"0": 2}}', "is one object that holds whole columns or lists"),
    ],
)
def test_what_is_no_table_is_refused_with_its_line(read, content, said):
    with pytest.raises(InputError) as caught:
        read(content)
    assert said in str(caught.value)
