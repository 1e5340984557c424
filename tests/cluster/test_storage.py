import os
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster import storage
from cluster.storage import Store
from trainables.errors import InputError, StorageFailed


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "runs"))


@given(content=st.binary(max_size=2000))
def test_what_was_written_is_read(tmp_path_factory, content):
    store = Store(str(tmp_path_factory.getbasetemp() / "any"))
    store.below("mine").write("deep/file.bin", content)
    assert store.read("mine/deep/file.bin") == content


def test_a_file_that_is_not_there_is_none_and_can_be_removed(store):
    assert store.read("absent") is None
    store.remove("absent")
    assert store.names() == []


def test_names_are_those_of_files_below_in_order(store):
    for name in ("b", "a/deep", "a/also"):
        store.write(name, b"")
    assert store.names() == ["a/also", "a/deep", "b"]
    assert store.below("a").names() == ["also", "deep"]
    store.remove("a/deep")
    assert store.names() == ["a/also", "b"]


def test_a_store_travels_to_another_process(store):
    store.write("file", b"here")
    assert pickle.loads(pickle.dumps(store)).read("file") == b"here"


def test_a_failing_disk_is_tried_again_and_again_and_then_named(store, monkeypatch):
    waited = []
    monkeypatch.setattr(storage.time, "sleep", waited.append)
    (parent := store.below("mine")).write("file", b"before")
    os.unlink(f"{parent.where}/file")
    os.mkdir(f"{parent.where}/file")  # in whose place no file can be renamed
    with pytest.raises(StorageFailed, match="runs/mine: file cannot be written"):
        parent.write("file", b"after")
    assert sum(waited) > 30
    assert os.listdir(parent.where) == ["file"]  # and nothing half-written lies about


def test_a_store_that_comes_back_is_written_to(store, monkeypatch):
    blocked = os.path.join(store.where, "folder")
    store.write("other", b"")
    open(blocked, "w").close()  # a file where the folder should be
    monkeypatch.setattr(storage.time, "sleep", lambda seconds: os.path.exists(blocked) and os.unlink(blocked))
    store.write("folder/file", b"content")
    assert store.read("folder/file") == b"content"


def test_the_query_of_a_uri_stays_at_its_end():
    store = Store.at("s3://bucket/runs?endpoint_override=http://127.0.0.1:9000")
    assert store.below("mine").where == "s3://bucket/runs/mine?endpoint_override=http://127.0.0.1:9000"


@pytest.mark.parametrize("where", ["ftp://host/folder", "s3://", "http://host/x", "s3://bucket/runs?port=nine"])
def test_a_uri_that_is_no_store_is_refused(where):
    with pytest.raises(InputError, match=f"--storage {where.split('?')[0]}"):
        Store.at(where)


def test_a_folder_is_taken_from_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Store.at("shared/runs").where == str(tmp_path / "shared" / "runs")
