import os
import weakref
from dataclasses import replace

import pytest

from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data import Columns
from reeltune.trainables.data.prepared import DataOptions, check_looks, looks, prepare
from reeltune.trainables.errors import InputError

WORLD = "synthetic:users=9,items=8,ratings=60"


@pytest.mark.usefixtures("side_tables")
def test_a_shape_holds_the_features_and_the_ids_of_side_tables():
    prepared = prepare(DataOptions(data=WORLD, users="users.csv"))
    assert prepared.shape.user_features.names == ("team=a", "team=b")
    assert prepared.shape.users == prepared.shape.user_features.rows == 11
    assert prepared.shape.item_features is None
    assert "; 2 user features; users in the side table alone: 1" in prepared.summary()


def test_a_shape_knows_the_rows_to_train_on_which_size_the_references_batch():
    prepared = prepare(DataOptions(data="synthetic:ratings=5000"))
    assert prepared.shape.ratings == len(prepared.split.train) == 3600
    assert ARCHITECTURES["svdpp"].reference(prepared.shape).batch_size == 128


def test_items_of_a_side_table_alone_are_new_and_by_time_all_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "items.csv").write_text("\n".join(["item,kind", *(f"i{number},{number % 2}" for number in range(12))]))
    at_random = prepare(DataOptions(data=WORLD, items="items.csv")).shape
    assert at_random.rare_items == 8 < at_random.items - 1
    assert prepare(DataOptions(data=WORLD, items="items.csv", split="time")).shape.rare_items == 0


def test_a_shape_counts_the_users_and_items_of_the_rows_to_train_on(tmp_path):
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    pairs = [(user, item) for user in range(5) for item in range(8)]
    train.write_text("user,item,rating\n" + "\n".join(f"u{user},i{item},{1 + item % 5}" for user, item in pairs))
    test.write_text("user,item,rating\nu1,new,5\nnew,i1,1\nu1,i1,3\n")
    prepared = prepare(DataOptions(data=str(train), test=str(test)))
    shape = prepared.shape
    assert (shape.users, shape.items, shape.ratings) == (6, 9, 36)
    assert (shape.rated_users, shape.rated_items) == (5, 8)
    assert shape.ratings_per_id == pytest.approx(36 / (5 * 8) ** 0.5)


def test_without_side_tables_a_summary_is_silent_of_them():
    assert "feature" not in prepare(DataOptions(data=WORLD)).summary()


def test_missing_ids_are_dropped_from_a_side_table_of_a_data_set_by_name_beside_a_test_file_too(tmp_path):
    test, users = tmp_path / "test.csv", tmp_path / "users.csv"
    test.write_text("user,item,rating\nu1,i1,5\nu2,i2,1\nnew,new,3\n")
    users.write_text("user,team\nu1,a\n,b\nu2,b\nu3,a\nu4,b\n")
    asked = DataOptions(data=WORLD, test=str(test), users=str(users))
    with pytest.raises(InputError, match=r"users\.csv:3: the id in column 'user' is missing"):
        prepare(asked)
    assert prepare(replace(asked, missing_ids="drop")).shape.user_features is not None


def test_column_options_of_a_data_set_by_name_are_for_the_test_file(tmp_path):
    test = tmp_path / "test.csv"
    test.write_text("who,item,rating\nu1,i1,5\nu2,i2,1\nnew,new,3\n")
    columns = Columns(user="who")
    assert len(prepare(DataOptions(data=WORLD, test=str(test), columns=columns, users="none")).split.test) == 3
    assert len(prepare(DataOptions(data=WORLD, test=str(test), columns=columns)).split.test) == 3
    with pytest.raises(InputError, match="--user-column who: does not apply"):
        prepare(DataOptions(data=WORLD, columns=columns))


ROWS = [f"u{number % 11},i{number % 13},{1 + number % 5}" for number in range(60)]


def files(folder, test, header="user,item,rating"):
    (folder / "a.csv").write_text("\n".join([header, *ROWS]) + "\n")
    (folder / "test.csv").write_text("\n".join(["user,item,rating", *test]) + "\n")
    return DataOptions(data=str(folder / "a.csv"), test=str(folder / "test.csv"))


def test_the_summary_says_which_columns_were_read_and_has_a_line_for_each_warning(tmp_path):
    test = ["u1,i0,10", "new,i1,8", "u3,other,4", "gone,lost,2"]
    prepared = prepare(files(tmp_path, test, header="user_id,asin,rating"))
    first, *warnings = prepared.summary().split("\n")
    assert first.startswith(f"{prepared.counts()}; ")
    assert "; columns: user = 'user_id', item = 'asin', rating = 'rating'" in first
    assert "test.csv: columns: user = 'user', item = 'item', rating = 'rating'" in first
    assert "test.csv: of 4 rows 2 have an unknown user, 2 an unknown item, 1 both" in first
    (warning,) = warnings
    assert warning.startswith("WARNING: ")
    assert warning.endswith("test.csv: 2 of 4 ratings lie outside the scale of training, 1 to 5; its own is 2 to 10")


def test_a_test_file_in_one_half_of_the_scale_is_asked_about(tmp_path):
    low = [f"u{number % 11},i{(number + 1) % 13},{1 + number % 3}" for number in range(40)]
    (_, warning) = prepare(files(tmp_path, low)).summary().split("\n")
    assert warning.endswith("all ratings lie in one half of the scale of training, 1 to 5; its own is 1 to 3")
    assert "WARNING" not in prepare(files(tmp_path, low[:9])).summary()


def test_rows_that_are_trained_on_are_found_however_their_ids_are_written(tmp_path):
    options = files(tmp_path, ["u1, i1,3", "u2,i3,5"])
    assert prepare(options).overlap == 1


def test_a_split_by_time_says_why_there_is_none(tmp_path):
    (tmp_path / "a.csv").write_text("user,item,rating,date\n" + "".join(f"{row},Jan 3\n" for row in ROWS))
    with pytest.raises(InputError, match=r"--split time needs times: no column is read as time because .*a.csv:2: "):
        prepare(DataOptions(data=str(tmp_path / "a.csv"), split="time"))
    dated = [f"{row},2011-03-{day}\n" for day, row in enumerate(ROWS[:20], 10)]
    (tmp_path / "b.csv").write_text("user,item,rating,when\n" + "".join(dated))
    with pytest.raises(InputError, match=r"because 'when' has no usual name of one \(--time-column when reads it\)"):
        prepare(DataOptions(data=str(tmp_path / "b.csv"), split="time"))


@pytest.mark.parametrize("options", [{"not_rated": ("0",)}, {"missing_ids": "drop"}])
def test_what_to_leave_out_of_a_data_set_by_name_is_for_the_test_file(tmp_path, options):
    test = tmp_path / "test.csv"
    test.write_text("user,item,rating\nu1,i1,5\nu2,i2,0\nNULL,i3,0\n")
    other = {"not_rated": ("0",), "missing_ids": "drop"}
    assert len(prepare(DataOptions(data=WORLD, test=str(test), **other)).split.test) == 1
    with pytest.raises(InputError, match="does not apply to synthetic"):
        prepare(DataOptions(data=WORLD, **options))


def test_split_rows_are_in_memory_once(monkeypatch):
    """Large data has no room for a second copy beside the three parts."""
    read = []
    load = DataOptions.load

    def watched(options):
        loaded = load(options)
        read.append((weakref.ref(loaded.rows), loaded.fingerprint()))
        return loaded

    monkeypatch.setattr(DataOptions, "load", watched)
    prepared = prepare(DataOptions(data="synthetic"))
    [(rows, hashed)] = read
    assert prepared.ratings.fingerprint() == hashed
    assert rows() is None


@pytest.mark.parametrize("cache", ["there", "new", "new/and/deeper"])
def test_a_cache_folder_that_can_be_made_is_let_through_and_not_made(tmp_path, monkeypatch, cache):
    (tmp_path / "there").mkdir()
    monkeypatch.setenv("REELTUNE_CACHE", str(tmp_path / cache))
    check_looks()
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]


def in_a_file(cache):
    cache.write_text("no folder")


def no_file(cache):
    (cache / "looks.jsonl").mkdir(parents=True)


def without_permission(cache):
    cache.mkdir()


@pytest.mark.parametrize("broken", [in_a_file, no_file, without_permission])
def test_a_cache_folder_that_takes_no_look_is_refused_with_the_variable_that_names_another(
    tmp_path, monkeypatch, broken
):
    cache = tmp_path / "cache"
    broken(cache)
    monkeypatch.setenv("REELTUNE_CACHE", str(cache))
    if broken is without_permission:
        monkeypatch.setattr(os, "access", lambda path, mode: path != cache)  # root may write anywhere
    with pytest.raises(InputError) as caught:
        check_looks()
    line = str(caught.value)
    assert line.startswith(f"{looks()}, where looks at test rows are written down: ")
    assert line.endswith("; set REELTUNE_CACHE to a folder that can be written")
