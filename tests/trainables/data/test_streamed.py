"""Rows on disk are given as rows in memory are."""

import numpy as np
import pandas as pd

from reeltune.trainables.data import streamed
from reeltune.trainables.data.prepared import DataOptions, prepare
from reeltune.trainables.data.streamed import prepare_streamed


def both(tmp_path):
    """The same 600 ratings in memory and on disk."""
    pairs = np.random.default_rng(0).permutation(60 * 40)[:600]
    frame = pd.DataFrame({"user": pairs % 60, "item": pairs // 60, "rating": 1.0 + pairs % 5})
    frame.to_parquet(tmp_path / "ratings.parquet", index=False)
    options = DataOptions(data=str(tmp_path / "ratings.parquet"))
    (tmp_path / "spool").mkdir()
    return prepare(options), prepare_streamed(options, tmp_path / "spool")


def test_validation_rows_are_those_in_memory(tmp_path):
    in_memory, on_disk = (prepared.validation_rows() for prepared in both(tmp_path))
    assert len(in_memory) == 48  # a tenth of what the test leaves
    for column in ("number", "users", "items", "ratings"):
        assert getattr(on_disk, column).tolist() == getattr(in_memory, column).tolist()


def test_of_many_validation_rows_on_disk_some_are_read_which_are_spread_over_all(tmp_path, monkeypatch):
    in_memory, on_disk = both(tmp_path)
    every = on_disk.validation_rows()
    monkeypatch.setattr(streamed, "MOST_READ", 20)
    assert on_disk.validation_rows().number.tolist() == every.number[::3].tolist()
    assert len(in_memory.validation_rows()) == 48
