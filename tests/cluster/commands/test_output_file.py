"""Tables that are written part by part."""

import pandas as pd
import pytest

from reeltune.cluster.commands import output_file
from reeltune.cluster.commands.output_file import TableFile

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
