import os
import pickle
import subprocess
import threading
import time

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reeltune.cluster.runs import storage
from reeltune.cluster.runs.storage import Store
from reeltune.trainables.errors import InputError, StorageFailed
from tests import s3


@pytest.fixture(params=["folder", "s3"])
def any_store(request, tmp_path, bucket):
    """A store of each kind."""
    if request.param == "folder":
        return Store(str(tmp_path / "runs"))
    return s3.store(request.getfixturevalue("s3_port"), bucket)


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "runs"))


@given(content=st.binary(max_size=2000))
def test_what_was_written_is_read(tmp_path_factory, content):
    store = Store(str(tmp_path_factory.getbasetemp() / "any"))
    store.below("mine").write("deep/file.bin", content)
    assert store.read("mine/deep/file.bin") == content


def test_a_file_that_is_not_there_is_none_and_can_be_removed(any_store):
    assert any_store.read("absent") is None
    any_store.remove("absent")
    assert any_store.names() == []


def test_names_are_those_of_files_below_in_order(any_store):
    for name in ("b", "a/deep", "a/also"):
        any_store.write(name, b"")
    assert any_store.names() == ["a/also", "a/deep", "b"]
    assert any_store.below("a").names() == ["also", "deep"]
    any_store.remove("a/deep")
    assert any_store.names() == ["a/also", "b"]


def test_a_file_that_changed_has_another_stamp(any_store):
    any_store.write("file", b"one")
    before = any_store.files()
    assert any_store.files() == before
    any_store.write("file", b"three")
    assert any_store.files() != before


def test_a_store_travels_to_another_process(any_store):
    any_store.write("file", b"here")
    assert pickle.loads(pickle.dumps(any_store)).read("file") == b"here"


@pytest.mark.parametrize("name", ["../up", "a/../../up", "/etc/passwd", ".."])
def test_no_name_leads_out_of_a_store(any_store, name):
    for act in (any_store.read, any_store.remove, any_store.below, lambda name: any_store.write(name, b"")):
        with pytest.raises(InputError, match="leads out of it"):
            act(name)


def test_an_object_whose_name_would_lead_out_is_not_listed(s3_port, bucket):
    s3.store(s3_port, bucket)
    client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{s3_port}", region_name="us-east-1")
    client.put_object(Bucket=bucket, Key="runs/a/../../../up", Body=b"planted")
    with pytest.raises(InputError, match="leads out of it"):
        s3.store(s3_port, bucket).names()


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


def test_a_uri_that_climbs_is_refused():
    with pytest.raises(InputError, match="leads out of it"):
        Store.at("s3://bucket/runs/../../other")


@pytest.mark.parametrize(
    "where",
    [
        "s3://AKIA:hidden@bucket/runs",
        "s3://AKIA:hid/den@bucket/runs",
        "s3://bucket/runs?endpoint_override=http://AKIA:hidden@host",
        "gs://hidden@bucket/runs",
    ],
)
def test_a_uri_with_a_key_is_refused_without_repeating_it(where):
    with pytest.raises(InputError, match="a URI with credentials would be written down") as refused:
        Store.at(where)
    assert "hid" not in str(refused.value)
    assert "AKIA" not in str(refused.value)


def test_a_bucket_that_is_not_there_is_named_at_once(s3_port, bucket):
    where = s3.uri(s3_port, bucket).replace("&allow_bucket_creation=true", "")
    with pytest.raises(InputError, match=rf"--storage s3://{bucket}/runs.*cannot be reached: Bucket '{bucket}'"):
        Store.at(where).check()


def test_a_server_that_does_not_answer_is_named_soon():
    where = "s3://bucket/runs?endpoint_override=http://127.0.0.1:1&region=us-east-1"
    with pytest.raises(InputError, match="cannot be reached"):
        Store.at(where).check()


@pytest.mark.parametrize("fault", ["down", "hung"])
def test_a_server_that_fails_for_a_while_is_outlived(s3_port, bucket, fault):
    s3.store(s3_port, bucket).write("file", b"before")
    with s3.proxied(s3_port) as proxy:
        store = s3.store(proxy.port, bucket)
        proxy.fault = fault
        threading.Timer(4, setattr, (proxy, "fault", None)).start()
        start = time.monotonic()
        store.write("file", b"after")
        assert time.monotonic() - start > 3.5
    assert s3.store(s3_port, bucket).read("file") == b"after"


def test_an_upload_that_lost_its_content_is_done_again(s3_port, bucket, caplog):
    with s3.proxied(s3_port) as proxy:
        store = s3.store(proxy.port, bucket)
        proxy.fault = "cut"
        store.write("file", b"all of it")
    assert "file cannot be written: 0 of 9 bytes came through; trying again" in caplog.text
    assert s3.store(s3_port, bucket).read("file") == b"all of it"


def test_a_store_that_has_become_read_only_is_named_and_stays_readable(s3_port, bucket):
    with s3.proxied(s3_port) as proxy:
        store = s3.store(proxy.port, bucket)
        store.write("file", b"before")
        proxy.fault = "read-only"
        with pytest.raises(StorageFailed, match=r"file cannot be written: .*ACCESS_DENIED"):
            store.hasty.write("file", b"after")
        assert proxy.refused > 1, "it is tried again"
        assert store.read("file") == b"before"


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 64 KiB."""
    (folder := tmp_path / "disk").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small disk can be mounted by root alone, and not in every container")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_keeps_what_was_written_and_takes_more_when_there_is_room(small_disk):
    store = Store(str(small_disk / "runs")).hasty
    store.write("file", b"before")
    store.write("large", b"x" * 40_000)
    with pytest.raises(StorageFailed, match=r"file cannot be written: .*No space left"):
        store.write("file", b"x" * 40_000)
    assert store.read("file") == b"before"
    assert store.names() == ["file", "large"]
    store.remove("large")
    store.write("file", b"x" * 40_000)
    assert store.read("file") == b"x" * 40_000


def test_a_folder_is_taken_from_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Store.at("shared/runs").where == str(tmp_path / "shared" / "runs")


def test_a_cleared_store_has_no_files_and_clearing_it_again_is_no_error(tmp_path):
    store = Store(str(tmp_path / "run"))
    store.below("fits").write("a/b", b"x")
    store.write("kept", b"x")
    for _ in range(2):
        store.below("fits").clear()
    assert store.names() == ["kept"]
    assert not (tmp_path / "run" / "fits").exists()
