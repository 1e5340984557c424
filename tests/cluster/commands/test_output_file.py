"""Tables that are written part by part."""

import os
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reeltune.cluster.commands import output_file
from reeltune.cluster.commands.output_file import TableFile, check_output
from reeltune.trainables.errors import InputError

PARTS = [pd.DataFrame({"user": [user], "rating": [rating]}) for user, rating in (("a", 1.0), ("b", 2.5), ("c", 3.0))]


@pytest.mark.parametrize("name", ["all.parquet", "all.csv", "all.tsv.gz"])
def test_parts_are_one_table_in_their_order_however_many_are_written_at_once(tmp_path, monkeypatch, name):
    monkeypatch.setattr(output_file, "ROWS", 2)
    with TableFile(tmp_path / name) as file:
        for part in PARTS:
            file.write(part)
    path = tmp_path / name
    read = pd.read_parquet(path) if "parquet" in name else pd.read_csv(path, sep="\t" if "tsv" in name else ",")
    assert read.values.tolist() == [["a", 1.0], ["b", 2.5], ["c", 3.0]]
    assert [each.name for each in tmp_path.iterdir()] == [name]


def broken_off(path):
    with TableFile(path) as file:
        file.write(PARTS[0])
        raise ZeroDivisionError


@pytest.mark.parametrize("name", ["all.parquet", "all.csv"])
def test_what_fails_on_the_way_leaves_the_file_of_before(tmp_path, monkeypatch, name):
    monkeypatch.setattr(output_file, "ROWS", 1)
    (tmp_path / name).write_text("before")
    with pytest.raises(ZeroDivisionError):
        broken_off(tmp_path / name)
    assert (tmp_path / name).read_text() == "before"
    assert [each.name for each in tmp_path.iterdir()] == [name]


KINDS = {
    "price": (pa.decimal128(12, 2), [Decimal("1.50"), Decimal("12345.25"), None]),
    "tags": (pa.list_(pa.int16()), [[], [1], None]),
    "film": (
        pa.struct({"title": pa.string(), "year": pa.int16()}),
        [{"title": "a"}, {"title": "b", "year": 1995}, None],
    ),
    "said": (pa.map_(pa.string(), pa.float32()), [[("a", 1.0)], [], None]),
    "nested": (pa.list_(pa.struct({"x": pa.decimal128(5, 1)})), [[{"x": Decimal("1.0")}], [], None]),
}


@pytest.mark.parametrize("column", KINDS)
def test_parquet_keeps_the_types_of_its_source_in_all_parts(tmp_path, monkeypatch, column):
    monkeypatch.setattr(output_file, "ROWS", 1)
    kind, values = KINDS[column]
    source = pa.table({"user": [1, 2, 3], column: pa.array(values, kind)})
    with TableFile(tmp_path / "all.parquet", types={"user": pa.int64(), column: kind}) as file:
        for row in range(3):
            file.write(source.slice(row, 1).to_pandas())
    assert pq.read_table(tmp_path / "all.parquet").equals(source)


def test_a_column_of_several_types_is_one_line_that_names_it_and_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(output_file, "ROWS", 1)

    def write():
        with TableFile(tmp_path / "all.parquet") as file:
            for value in (1, "b"):
                file.write(pd.DataFrame({"user": ["a"], "said": [value]}))

    with pytest.raises(InputError, match=r"^-o .*all\.parquet: column 'said': cannot be written as Parquet: [^\n]+$"):
        write()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("fails", ["write_table", "close"])
def test_what_fails_at_the_very_end_leaves_nothing_behind(tmp_path, monkeypatch, fails):
    class Full(pq.ParquetWriter):
        pass

    def no_space(self, *_):
        monkeypatch.setattr(Full, fails, getattr(pq.ParquetWriter, fails))
        raise OSError("no space left")

    monkeypatch.setattr(Full, fails, no_space)
    monkeypatch.setattr(output_file.pq, "ParquetWriter", Full)
    file = TableFile(tmp_path / "all.parquet")
    file.write(PARTS[0])
    with pytest.raises(OSError, match="no space left"):
        file.__exit__(None, None, None)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_takes_no_file_is_told_of_by_the_name_that_was_typed():
    """Nobody can make a file in /proc, though root may write there by its permissions."""
    for name in ("all.parquet", "all.csv"):
        with (
            pytest.raises(InputError, match=f"^-o /proc/{name}: cannot be written: No such file"),
            TableFile(Path("/proc", name)) as file,
        ):
            file.write(PARTS[0])


def test_a_folder_in_place_of_the_file_is_told_of_before_any_work(tmp_path):
    (tmp_path / "all.csv").mkdir()
    with pytest.raises(InputError, match=r"^-o .*all\.csv: is a folder; name a file$"):
        check_output(tmp_path / "all.csv")


def test_a_folder_without_permission_is_told_of_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)  # root may write anywhere
    with pytest.raises(InputError, match=r"-o .*all.csv: the folder .* cannot be written"):
        check_output(tmp_path / "all.csv")
