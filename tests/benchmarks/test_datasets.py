"""`benchmarks/datasets.py` on a made-up set: half of the items are rated 2 and half 4, so that means know all."""

import numpy as np
import pandas as pd
import pytest

from benchmarks import datasets


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A set whose test ratings are all a star higher than the training ratings of the same items."""
    monkeypatch.setenv("REELTUNE_CACHE", str(tmp_path / "cache"))
    users, items = (axis.ravel() for axis in np.meshgrid(np.arange(30), np.arange(20), indexing="ij"))
    frame = pd.DataFrame({"user": users.astype(str), "item": items.astype(str), "rating": 2 + 2 * (items % 2)})
    test = (users + items) % 5 == 0
    place = tmp_path / "sets" / "tiny"
    place.mkdir(parents=True)
    frame[~test].to_parquet(place / "train.parquet")
    frame[test].assign(rating=frame["rating"] + 1).to_parquet(place / "test.parquet")
    return place


def cells(folder, capsys, *words):
    """The row that the script prints of the set, and what it says besides."""
    datasets.main([str(folder.parent), "--architectures", "bias", "svdpp", "--seeds", "1", *words])
    printed = capsys.readouterr()
    (row,) = [line for line in printed.out.splitlines() if line.startswith("| tiny")]
    return [cell.strip() for cell in row.split("|")[2:-1]], printed.err


def test_the_record_is_of_the_test_rows(folder, capsys):
    (published, bias, svdpp), _ = cells(folder, capsys, "--parts", "test")
    assert published == "-"
    assert float(bias.split()[0]) == pytest.approx(1, abs=0.05)
    assert float(svdpp.split()[0]) == pytest.approx(1, abs=0.1)


def test_development_does_not_read_the_test_file(folder, capsys):
    (folder / "test.parquet").write_bytes(b"nobody reads this")
    (_, bias, svdpp), _ = cells(folder, capsys)
    assert float(bias.split()[0]) < 0.1
    assert float(svdpp.split()[0]) < 0.4
    assert not (folder.parent.parent / "cache").exists()  # where a look at test rows would be written down


def test_sets_that_are_not_there_are_named(folder, capsys):
    _, said = cells(folder, capsys, "--sets", "tiny", "flixster-monti")
    assert "not found" in said
    assert "flixster-monti" in said
    assert "coat" not in said


def test_other_rows_are_cut_off_with_another_seed(folder, tmp_path):
    whole = datasets.DataSet(folder=folder, ledger=tmp_path / "looks.jsonl")
    parts = []
    for seed in (0, 1):
        place = tmp_path / str(seed)
        place.mkdir()
        datasets.cut(whole, place, seed=seed, users=None)
        parts.append([pd.read_parquet(place / f"{part}.parquet") for part in ("train", "test")])
    assert [len(train) / len(test) for train, test in parts] == [9, 9]
    assert not parts[0][1].equals(parts[1][1])
    everything = pd.read_parquet(folder / "train.parquet").sort_values(["user", "item"], ignore_index=True)
    assert pd.concat(parts[0]).sort_values(["user", "item"], ignore_index=True).equals(everything)


def test_fewer_users_are_for_development_alone(folder, capsys):
    with pytest.raises(SystemExit):
        datasets.main([str(folder.parent), "--parts", "test", "--users", "5"])
    assert "--parts validation" in capsys.readouterr().err
