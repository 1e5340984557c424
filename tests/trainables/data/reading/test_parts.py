"""A large file in parts: the same rows, places and notes as of the file read whole."""

import csv
import gzip
import io

import pandas as pd
import pyarrow as pa
import pytest

from reeltune.trainables.data.reading import parts
from reeltune.trainables.data.reading.cuts import BLOCKS_HELD
from reeltune.trainables.data.reading.tables import read_table
from reeltune.trainables.errors import InputError

TEXT = "user,item,said\n" + "".join(f"u{n % 7},i{n},word {n}\n" for n in range(60))
QUOTED = "user,item,said\n" + "".join(f'u{n},"i, {n}","two\nlines of ""{n}"""\n' for n in range(40))
REVIEW = "\n".join(f'line {n} says "good", and "bad", {n}' for n in range(8))


def reviews(quoting=csv.QUOTE_ALL):
    """Rows whose last value has 8 lines, each with quotes and separators in it."""
    text = io.StringIO()
    rows = [(f"u{n % 7}", f"i{n}", REVIEW) for n in range(40)]
    csv.writer(text, quoting=quoting, lineterminator="\n").writerows([("user", "item", "said"), *rows])
    return text.getvalue()


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    for name, size in {"WHOLE_BYTES": 300, "BYTES": 100, "WHOLE_ROWS": 10, "ROWS": 7}.items():
        monkeypatch.setattr(parts, name, size)


def joined(source):
    tables = list(parts.parts_of(str(source)).tables)
    assert len(tables) > 2
    return pd.concat([table.frame for table in tables], ignore_index=True)


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        TEXT.rstrip("\n"),
        TEXT.replace("\n", "\r\n"),
        TEXT.replace("\n", "\n\n"),
        TEXT.replace(",", "\t"),
        TEXT.replace(",", "::"),
        TEXT.partition("\n")[2],
        TEXT.replace("word 3", ""),
        "﻿" + TEXT,
        QUOTED,
        TEXT.replace("word 31", '7" single'),
        TEXT + "u1,i1\n",
        reviews(),
        reviews(quoting=csv.QUOTE_MINIMAL),
        reviews().replace("\n", "\r\n"),
        "\ufeff" + reviews(),
        reviews() + 'u1,i1,5" disk\n' + reviews().partition("\n")[2],
        reviews() + 'u1,i1,"5 disk\n' + TEXT.partition("\n")[2] + reviews().partition("\n")[2],
        TEXT.replace("word 31", '"7 single'),
        TEXT.replace("word 31", '"7, single"').replace("word 45", '5" disk'),
        TEXT.replace("word", '5" disk'),
    ],
    ids=[
        "plain",
        "no last line end",
        "windows",
        "empty lines",
        "tabs",
        "colons",
        "no header",
        "gaps",
        "mark",
        "line breaks in quotes",
        "a stray quote",
        "a short row",
        "quotes in each of many lines of a value",
        "the same where only such values have quotes",
        "the same under windows",
        "the same with a mark",
        "the same and a stray quote",
        "the same and a stray quote that opens",
        "a stray quote that opens",
        "a stray quote and a quoted separator",
        "quotes that are inches throughout",
    ],
)
def test_text_in_parts_is_the_same_table(tmp_path, text):
    file = tmp_path / "pairs.csv"
    file.write_text(text, newline="")
    pd.testing.assert_frame_equal(joined(file), read_table(str(file)).frame)


def test_packed_text_is_cut_too(tmp_path):
    file = tmp_path / "pairs.csv.gz"
    file.write_bytes(gzip.compress(TEXT.encode()))
    pd.testing.assert_frame_equal(joined(file), read_table(str(file)).frame)


def test_parquet_in_parts_is_the_same_table(tmp_path):
    frame = pd.DataFrame({"user": [f"u{n}" for n in range(40)], "n": range(40), "gaps": [None, *range(39)]})
    frame["gaps"] = frame["gaps"].astype("Int64")
    frame.to_parquet(tmp_path / "pairs.parquet", index=False)
    found = parts.parts_of(str(tmp_path / "pairs.parquet"))
    assert (found.rows, found.types["gaps"]) == (40, pa.int64())
    whole = read_table(str(tmp_path / "pairs.parquet")).frame
    assert joined(tmp_path / "pairs.parquet").astype(str).equals(whole.astype(str))


def test_a_folder_of_parquet_is_cut_too(tmp_path):
    for part in range(2):
        pd.DataFrame({"user": [f"u{n}" for n in range(20)], "part": part}).to_parquet(tmp_path / f"part-{part}.parquet")
    (tmp_path / "_SUCCESS").write_text("")
    (tmp_path / "README.md").write_text("what these are")
    assert joined(tmp_path).astype(str).equals(read_table(str(tmp_path)).frame.astype(str))
    first, *others = parts.parts_of(str(tmp_path)).tables
    assert first.notes == ("2 parts", "not read: README.md")
    assert not any(table.notes for table in others)


@pytest.mark.parametrize("read", [parts.parts_of, parts.Parquet.at])
def test_a_folder_of_parquet_of_other_columns_is_refused(tmp_path, read):
    for part, column in enumerate(("item", "title")):
        pd.DataFrame({"user": range(20), column: range(20)}).to_parquet(tmp_path / f"part-{part}.parquet")
    with pytest.raises(
        InputError, match=r"its files have other columns: user, item in .*part-0\.parquet, user, title in"
    ):
        read(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("small.csv", TEXT[:200].encode()),
        ("wide.csv", TEXT.encode("utf-16")),
        ("lines.json", b'{"user": "u1", "item": "i1"}\n' * 50),
        ("rows.csv", TEXT.replace("user,item,said", "item,said").encode()),
    ],
)
def test_what_cannot_be_cut_or_is_small_is_one_table(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    if name == "rows.csv":  # row names that are not unique: what is wrong is said as of any file
        with pytest.raises(InputError, match="columns are named"):
            parts.parts_of(str(tmp_path / name))
        return
    found = parts.parts_of(str(tmp_path / name))
    (table,) = found.tables
    assert len(table.frame) == found.rows == len(read_table(str(tmp_path / name)).frame)


@pytest.mark.parametrize(
    "text", [TEXT, QUOTED, TEXT + "u1,i1\n", reviews()], ids=["plain", "line breaks", "by record", "quotes in lines"]
)
def test_a_row_of_any_part_is_found_at_its_line(tmp_path, text):
    file = tmp_path / "pairs.csv"
    file.write_text(text)
    whole, before = read_table(str(file)), 0
    for table in parts.parts_of(str(file)).tables:
        assert [table.place(row) for row in range(len(table.frame))] == [
            whole.place(before + row) for row in range(len(table.frame))
        ]
        before += len(table.frame)


def test_a_row_of_parquet_is_found_by_its_number(tmp_path):
    pd.DataFrame({"user": range(40)}).to_parquet(tmp_path / "pairs.parquet")
    last = list(parts.parts_of(str(tmp_path / "pairs.parquet")).tables)[-1]
    assert last.place(len(last.frame) - 1).endswith("pairs.parquet: row 40")


def test_a_row_with_too_many_fields_is_named_with_its_line_in_the_file(tmp_path):
    (tmp_path / "pairs.csv").write_text(TEXT + "u1,i1,word,word\n")
    with pytest.raises(InputError, match=r"pairs\.csv:62: expected 3 fields"):
        list(parts.parts_of(str(tmp_path / "pairs.csv")).tables)


def test_bytes_that_are_no_utf8_are_said_with_their_line(tmp_path):
    (tmp_path / "pairs.csv").write_bytes(TEXT.encode() + "u1,café,1\n".encode("latin-1"))
    said = [note for table in parts.parts_of(str(tmp_path / "pairs.csv")).tables for note in table.notes]
    assert said == ["is no UTF-8 (first in line 62): read as Latin-1"]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["no mark", "mark"])
def test_text_of_one_byte_a_character_is_the_same_in_parts(tmp_path, mark):
    file = tmp_path / "pairs.csv"
    file.write_bytes(mark + TEXT.replace("word 31", "café").replace("word 45", "5 €").encode("cp1252"))
    pd.testing.assert_frame_equal(joined(file), read_table(str(file)).frame)


@pytest.mark.parametrize(("strange", "utf8"), [(5, 45), (45, 5)])
def test_parts_of_which_one_alone_is_utf8_are_an_error(tmp_path, strange, utf8):
    """The whole file would be read as Latin-1, and each part by itself as what it is: ids would be others."""
    content = TEXT.replace(f"word {utf8}\n", "café\n").encode().replace(f"word {strange}\n".encode(), b"caf\xe9\n")
    (tmp_path / "pairs.csv").write_bytes(content)
    with pytest.raises(InputError, match=rf"pairs\.csv:{strange + 2}: bytes here are no UTF-8, and text elsewhere is"):
        list(parts.parts_of(str(tmp_path / "pairs.csv")).tables)


@pytest.mark.parametrize("opening", ['"5 disk', '5" disk'])
def test_a_stray_quote_does_not_hold_the_rest_of_the_file(tmp_path, opening):
    file = tmp_path / "pairs.csv"
    file.write_text(f"user,item,said\nu1,i1,{opening}\n" + TEXT.partition("\n")[2] * 5)
    tables = list(parts.parts_of(str(file)).tables)
    assert max(len(table.frame) for table in tables) * 12 < BLOCKS_HELD * 100 + 200
    pd.testing.assert_frame_equal(joined(file), read_table(str(file)).frame)


def test_a_value_beyond_all_sizes_is_an_error_with_its_line(tmp_path):
    (tmp_path / "pairs.csv").write_text(TEXT + 'u1,i1,"long\n' + "and longer\n" * 100 + '"\n')
    with pytest.raises(InputError, match=r"pairs\.csv:62: a quote opens here that is not closed within"):
        list(parts.parts_of(str(tmp_path / "pairs.csv")).tables)


def test_parts_whose_quotes_do_other_things_than_the_whole_files_are_an_error(tmp_path):
    (tmp_path / "pairs.csv").write_text(TEXT.replace("word 5\n", '"word 5"\n').replace("word 45", '"7 single'))
    with pytest.raises(InputError, match=r"pairs\.csv:47: a quote here encloses no value, and quotes elsewhere do"):
        list(parts.parts_of(str(tmp_path / "pairs.csv")).tables)


def test_the_files_of_a_folder_of_parquet_are_named_once(tmp_path):
    for number in range(2):
        pd.DataFrame({"user": [f"u{n}" for n in range(15)]}).to_parquet(tmp_path / f"b{number}.parquet")
    notes = [table.notes for table in parts.parts_of(str(tmp_path)).tables]
    assert notes[0] == ("2 parts: b0.parquet, b1.parquet",)
    assert not any(notes[1:])
