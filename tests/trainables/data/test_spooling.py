"""Ratings that are read a part at a time are those that are read at once, and so are the parts of their split."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reeltune.trainables.data import Columns, Reading, Shares, load_data, split
from reeltune.trainables.data import spool as on_disk
from reeltune.trainables.data.reading import parts
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.data.spooled_split import SpooledSplit
from reeltune.trainables.data.spooling import spool_ratings
from reeltune.trainables.errors import InputError


@pytest.fixture(autouse=True)
def in_small_parts(monkeypatch):
    """So that a few rows are many parts."""
    monkeypatch.setattr(parts, "ROWS", 64)
    monkeypatch.setattr(on_disk, "CHUNK", 100)
    monkeypatch.setattr("reeltune.trainables.data.spooled_split.CHUNK", 100)
    monkeypatch.setattr(on_disk, "PAIRS", 150)


def made_up(rows=700, *, repeats=0, seed=0):
    """Ratings with names and times, of which some pairs are rated again, at an earlier or a later time."""
    draw = np.random.default_rng(seed)
    pairs = draw.permutation(60 * 40)[: rows - repeats]
    pairs = np.append(pairs, pairs[:repeats])
    return pd.DataFrame(
        {
            "user_id": [f" u{user}" for user in pairs % 60],
            "movie_id": pairs // 60 * 10,
            "rating": draw.integers(1, 6, rows) / 2,
            "timestamp": draw.integers(1_000_000_000, 1_100_000_000, rows),
            "unused": draw.random(rows),
        }
    )


def parquet(tmp_path, frame, *, files=3):
    folder = tmp_path / "ratings"
    folder.mkdir()
    for number, part in enumerate(np.array_split(np.arange(len(frame)), files)):
        frame.iloc[part].to_parquet(folder / f"part-{number}.parquet", row_group_size=50, index=False)
    return str(folder)


def spooled(tmp_path, source, *, duplicates="last", **reading):
    folder = tmp_path / "spool"
    folder.mkdir(exist_ok=True)
    return spool_ratings(source, folder, reading=Reading(**reading), duplicates=duplicates)


def test_repeated_pairs_are_found_in_one_pass_over_the_rows_and_leave_no_file(tmp_path, monkeypatch):
    read, passes = on_disk.Spool.chunks, []

    def counted(spool, *columns):
        passes.append(columns)
        return read(spool, *columns)

    found = spooled(tmp_path, parquet(tmp_path, made_up(repeats=90)), duplicates="keep").spool
    monkeypatch.setattr(on_disk.Spool, "chunks", counted)
    twice = on_disk.repeated(found)
    assert passes == [("users", "items")], "of 700 rows, among 150 at a time"
    assert (twice.pairs, len(twice.earlier)) == (90, 90)
    assert {file.name for file in found.folder.iterdir()} == set(found.columns)


@pytest.mark.parametrize(("repeats", "duplicates"), [(0, "last"), (90, "last"), (90, "keep")])
@pytest.mark.parametrize("timed", [True, False])
def test_they_are_the_ratings_that_are_read_at_once(tmp_path, repeats, duplicates, timed):
    frame = made_up(repeats=repeats)
    source = parquet(tmp_path, frame if timed else frame.drop(columns="timestamp"))
    found, whole = spooled(tmp_path, source, duplicates=duplicates), load_data(source, duplicates=duplicates)
    assert found.fingerprint() == whole.fingerprint()
    assert (found.users.text.tolist(), found.items.text.tolist()) == (
        whole.users.text.tolist(),
        whole.items.text.tolist(),
    )
    assert (found.dropped, found.name) == (whole.dropped, whole.name)
    assert (found.columns, found.columns_line) == (whole.columns, whole.columns_line)
    assert [note.partition("; and the like")[0] for note in found.notes] == list(whole.notes)


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (made_up(repeats=5), "5 pairs are rated more than once"),
        (made_up().assign(rating=3.0), "every rating is 3; there is nothing to predict"),
        (made_up().drop(columns="rating"), "no column for rating"),
    ],
)
def test_what_cannot_be_read_is_refused_in_the_same_words(tmp_path, frame, said):
    source = parquet(tmp_path, frame)
    with pytest.raises(InputError) as whole:
        load_data(source, duplicates="error")
    with pytest.raises(InputError) as found:
        spooled(tmp_path, source, duplicates="error")
    assert str(found.value) == str(whole.value)
    assert said in str(found.value)


def test_rows_that_are_not_rated_are_to_be_left_out_of_the_file_for_no_option_does_so(tmp_path):
    frame = made_up()
    missing = parquet(tmp_path, frame.assign(rating=frame["rating"].where(frame.index != 400)))
    with pytest.raises(InputError, match=r"row 401: .*; found nothing; leave such rows out of the file$"):
        spooled(tmp_path, missing)
    (tmp_path / "other").mkdir()
    odd = frame.assign(rating=frame["rating"].where(frame.index % 9 > 0, 99))
    found = spooled(tmp_path, parquet(tmp_path / "other", odd))
    (asked,) = [note for note in found.notes if note.startswith("WARNING: 99 is ")]
    assert asked.endswith("is it 'not rated'? Then leave such rows out of the file")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"rating": lambda rows: rows["rating"].astype(str) + " stars"},
            r"column 'rating' is (large_)?string, and --stream",
        ),
        ({"timestamp": lambda rows: rows["timestamp"] * 1000}, "are no seconds since 1970, such as 1"),
        ({"timestamp": lambda rows: "2001-02-03"}, "--stream takes timestamps as dates or whole seconds"),
    ],
)
def test_what_all_rows_must_be_looked_at_for_is_refused(tmp_path, change, said):
    source = parquet(tmp_path, made_up().assign(**change))
    load_data(source)
    with pytest.raises(InputError, match=said):
        spooled(tmp_path, source)


def test_text_is_refused(tmp_path):
    made_up().to_csv(tmp_path / "ratings.csv", index=False)
    with pytest.raises(InputError, match="reads Parquet alone; write the ratings as Parquet"):
        spooled(tmp_path, str(tmp_path / "ratings.csv"))


def test_rows_without_an_id_can_be_left_out(tmp_path):
    frame = made_up()
    frame.loc[::7, "movie_id"] = np.nan
    source = parquet(tmp_path, frame)
    found, whole = spooled(tmp_path, source, missing_ids="drop"), load_data(source, missing_ids="drop")
    assert found.fingerprint() == whole.fingerprint()
    assert "rows without a user or an item, which are left out: 100" in found.notes
    with pytest.raises(InputError, match=r"row 1: the id in column 'movie_id' is missing; --missing-ids drop"):
        spooled(tmp_path, source)


def test_without_a_time_in_some_row_a_column_that_only_is_called_so_is_not_read(tmp_path):
    frame = made_up(repeats=90)
    frame["timestamp"] = frame["timestamp"].astype("Int64").where(frame.index != 400)
    source = parquet(tmp_path, frame)
    found, whole = spooled(tmp_path, source), load_data(source)
    assert found.fingerprint() == whole.fingerprint()
    assert (found.columns, found.columns_line) == (whole.columns, whole.columns_line)
    assert found.notes == tuple(note.removesuffix(" (rows without a time: 1 of 700)") for note in whole.notes)
    assert any(note.startswith("no column is read as time because ") for note in found.notes)
    with pytest.raises(InputError, match=r"row 401: the time in column 'timestamp' must be"):
        spooled(tmp_path, source, columns=Columns(timestamp="timestamp"))


def test_columns_can_be_named(tmp_path):
    source = parquet(tmp_path, made_up().rename(columns={"rating": "fun"}))
    columns = Columns(rating="fun", user="movie_id", item="user_id")
    assert spooled(tmp_path, source, columns=columns).fingerprint() == load_data(source, columns=columns).fingerprint()


@pytest.mark.parametrize("shares", [Shares(), Shares(validation=0.3, test=0), Shares(validation=0, test=0.5)])
def test_they_are_split_as_in_memory(tmp_path, shares):
    source = parquet(tmp_path, made_up())
    found = SpooledSplit.of(spooled(tmp_path, source).spool, seed=7, shares=shares)
    data = load_data(source)
    whole = split(data.rows, seed=7, shares=shares)
    for part, rows in {"train": whole.train, "validation": whole.validation}.items():
        pieces = list(found.pieces(part))
        columns = ("number", "users", "items", "ratings", "timestamps")
        for name in columns if len(rows) else ():
            assert np.array_equal(np.concatenate([getattr(piece, name) for piece in pieces]), getattr(rows, name))
        assert sum(map(len, pieces)) == len(rows)
    counts, scale = found.counted(data.users.rows, data.items.rows)
    of_train = whole.train.counts(data.users.rows, data.items.rows)
    assert np.array_equal(counts.users, of_train.users)
    assert np.array_equal(counts.items, of_train.items)
    assert scale == Scale.of(whole.fitting.ratings)
    assert (found.test.fingerprint, len(found.test)) == (whole.test.fingerprint, len(whole.test))
    test, look = found.test.open(Path(tmp_path / "looks"), reason="a test")
    opened, _ = whole.test.open(Path(tmp_path / "looks"), reason="another")
    assert look == 1
    assert [rating for piece in test for rating in piece.ratings] == opened.ratings.tolist()


def test_a_part_of_many_rows_is_looked_at_by_some_of_them(tmp_path):
    found = SpooledSplit.of(spooled(tmp_path, parquet(tmp_path, made_up())).spool, seed=7, shares=Shares(test=0))
    every, some = found.some("validation", 1000), found.some("validation", 30)
    assert (len(every), len(some)) == (70, 24)
    assert every.number[::3].tolist() == some.number.tolist()


def test_too_few_rows_are_refused_in_the_same_words(tmp_path):
    found = spooled(tmp_path, parquet(tmp_path, made_up(4)))
    with pytest.raises(InputError, match="4 ratings are too few to split: the test part would be empty"):
        SpooledSplit.of(found.spool, seed=0, shares=Shares())


def test_what_does_not_fit_on_the_disk_is_an_error_however_little_it_is(tmp_path):
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "items").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device"):
        spooled(tmp_path, parquet(tmp_path, made_up(20)))
