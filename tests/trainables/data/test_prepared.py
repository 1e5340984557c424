import pytest

from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data import Columns
from reeltune.trainables.data.prepared import DataOptions, prepare
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


def test_column_options_of_a_data_set_by_name_are_for_the_test_file(tmp_path):
    test = tmp_path / "test.csv"
    test.write_text("who,item,rating\nu1,i1,5\nu2,i2,1\nnew,new,3\n")
    columns = Columns(user="who")
    assert len(prepare(DataOptions(data=WORLD, test=str(test), columns=columns, users="none")).split.test) == 3
    assert len(prepare(DataOptions(data=WORLD, test=str(test), columns=columns)).split.test) == 3
    with pytest.raises(InputError, match="--user-column who: does not apply"):
        prepare(DataOptions(data=WORLD, columns=columns))
