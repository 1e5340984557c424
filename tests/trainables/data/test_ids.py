import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from reeltune.trainables.data.ids import Ids, as_text, plain_ids, read_ids, refuse_missing
from reeltune.trainables.data.reading.tables import Table, read_table
from reeltune.trainables.errors import InputError


def table(values):
    return Table(source="r.parquet", frame=pd.DataFrame({"user": values}))


@pytest.mark.parametrize(
    "ids", [[7, 8], np.array([7, 8]), np.array([7.0, 8.0]), pd.Series([7, 8]), pd.Index([7, 8]), ["7", "8"]]
)
def test_ids_are_known_as_text_or_number_in_any_container(ids):
    assert Ids(np.array(["8", "7", "007"])).encode(ids).tolist() == [2, 1]


@pytest.mark.parametrize(("ids", "said"), [(["a", None], "id 1 is missing"), ([1.0, 2.5], "id 1 is 2.5")])
def test_an_id_that_is_none_is_an_error(ids, said):
    with pytest.raises(ValueError, match=said):
        as_text(pd.Series(ids))


def test_a_float_id_too_large_to_be_a_whole_number_is_refused():
    with pytest.raises(ValueError, match="no whole number"):
        as_text(pd.Series([1e19]))


SEVERAL = {
    "records": [{"id": 1, "n": 2}, {"id": 3, "n": 4}],
    "lists": [["a"], ["b"]],
    "one list among text": [["b"], "a"],
    "lists of Arrow's": pd.Series([["a"], ["b"]], dtype=pd.ArrowDtype(pa.list_(pa.string()))),
}


@pytest.mark.parametrize("values", SEVERAL.values(), ids=SEVERAL)
def test_ids_that_are_lists_or_records_are_refused(values):
    with pytest.raises(InputError, match=r"^r.parquet: row 1: the id in column 'user' is a list or a record, [\[{]"):
        read_ids(table(values), "user")


def test_the_row_of_a_nested_id_is_named(tmp_path):
    with pytest.raises(InputError, match=r"^r.parquet: row 3: the id in column 'user' is a list or a record, \['c'\]"):
        read_ids(table(["a", None, ["c"]]), "user")
    for part, user in (("part-0.jsonl", '"a"'), ("part-1.jsonl", '"b"'), ("part-2.jsonl", '{"id": 1}')):
        (tmp_path / part).write_text(f'{{"user": "x", "item": "a"}}\n{{"user": {user}, "item": "a"}}\n')
    with pytest.raises(InputError, match=r"part-2.jsonl:2: the id in column 'user' is a list or a record, {"):
        read_ids(read_table(str(tmp_path)), "user")


@pytest.mark.parametrize("value", ['{"id": 1}', '["a"]'])
def test_ids_of_json_lines_that_are_objects_or_arrays_are_refused_and_text_like_them_is_not(value, tmp_path):
    file = tmp_path / "r.jsonl"
    file.write_text(f'{{"user": "x", "item": "a"}}\n{{"user": {value}, "item": "a"}}\n')
    with pytest.raises(InputError, match=r"r.jsonl:2: the id in column 'user' is a list or a record"):
        read_ids(read_table(str(file)), "user")
    file.write_text(json.dumps({"user": value, "item": "a"}))
    assert read_ids(read_table(str(file)), "user")[0].tolist() == [value]


@pytest.mark.parametrize(
    ("written", "read"),
    [("27.0", "27"), ("-3.00", "-3"), ("007", "007"), ("007.0", "007"), ("7.5", "7.5"), (" a ", "a")],
)
def test_whole_numbers_and_spaces_are_read_alike_in_each_file(written, read):
    assert plain_ids(pd.Series([written])).tolist() == [read]


def test_ids_of_a_file_match_whichever_side_has_fractions_of_zeros_or_spaces():
    assert Ids(np.array(["27", "x"])).encode(["27.0", " x", "27", "28"]).tolist() == [1, 2, 1, 0]
    assert Ids(np.array(["27.0", "x "])).encode(["27", "27.0", "x"]).tolist() == [1, 1, 2]
    assert Ids(np.array(["7", "7.0"])).encode(["7", "7.0", "7.00"]).tolist() == [1, 2, 1]


def test_ids_that_are_typed_become_those_that_are_known():
    assert Ids(np.array(["27", " x"])).plain(pd.Index(["27.0", "x", "9.0"])).tolist() == ["27", " x", "9"]


def test_what_was_changed_in_ids_is_said_once():
    ids, notes = read_ids(table([" a", "27.0", "28.0"]), "user")
    assert ids.tolist() == ["a", "27", "28"]
    assert notes == (
        "spaces around ids in column 'user' are left out",
        "ids such as '27.0' in column 'user' are read as '27'",
    )


@pytest.mark.parametrize(
    "values",
    [
        pd.Categorical([7, 8, 7]),
        pd.array([7, 8, 7], dtype="Int64"),
        np.array([7.0, 8.0, 7.0]),
        np.array([7, "8", 7.0], dtype=object),
        [b"7", b"8", b"7"],
        pd.array(["7", "8", "7"], dtype="string[pyarrow]"),
        pd.Series([7, 8, 7], dtype="int64[pyarrow]"),
        pd.Series(["7", "8", "7"], dtype="category"),
    ],
    ids=["categories", "Int64", "floats", "objects", "bytes", "strings", "arrow", "categories of text"],
)
def test_ids_of_any_type_are_the_same_text(values):
    ids, notes = read_ids(table(values), "user")
    assert ids.tolist() == ["7", "8", "7"]
    assert notes == ()


def test_somebody_may_be_called_nat_and_a_time_that_is_none_is_no_id():
    ids, _ = read_ids(table(["Nat", "a", pd.NaT]), "user")
    assert ids[:2].tolist() == ["Nat", "a"]
    assert ids.isna().tolist() == [False, False, True]


@pytest.mark.parametrize("missing", [None, "", "  ", "NULL", "null", "nan", "NaN", "None", "N/A", "NA", "\\N", "<NA>"])
def test_what_says_that_there_is_no_id_is_none(missing):
    read = table(["a", missing])
    ids, _ = read_ids(read, "user")
    assert ids.isna().tolist() == [False, True]
    with pytest.raises(
        InputError, match=r"row 2: the id in column 'user' is missing.*--missing-ids drop leaves"
    ) as caught:
        refuse_missing(read, {"user": ids})
    written = missing is not None and bool(missing.strip())
    assert ("cannot be told apart" in str(caught.value)) == written


@pytest.mark.parametrize("values", [pd.Categorical([7, None]), pd.array([7, None], dtype="Int64"), [7.0, np.nan]])
def test_gaps_in_numbers_are_missing_ids_and_the_others_stay_whole(values):
    ids, _ = read_ids(table(values), "user")
    assert ids.iloc[0] == "7"
    assert ids.isna().tolist() == [False, True]
