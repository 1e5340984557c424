"""A run's folder and its home in a real S3 server."""

import json
import os
import shutil
import signal
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from reeltune.cluster.runs import lease, mirror
from reeltune.cluster.runs.claim import claim
from reeltune.cluster.runs.folder import Ledger, RunFolder
from reeltune.cluster.runs.mirror import fetch, stamps
from reeltune.cluster.runs.record import AskedToTune
from reeltune.cluster.runs.storage import Store
from reeltune.cluster.session.interrupt import Interrupted, interruptible
from reeltune.trainables.errors import InputError, StorageFailed
from tests import s3
from tests.cluster.runs.test_folder import ENTRY

ASKED = AskedToTune(data="a.csv", trials=5, architectures=["pmf"])


@pytest.fixture
def home(s3_port, bucket, monkeypatch):
    monkeypatch.setattr(lease, "STALE", 3.0)
    monkeypatch.setattr(lease, "SETTLE", 0.1)
    monkeypatch.setattr(mirror, "EVERY", 1.0)
    return s3.store(s3_port, bucket).below("run")


@pytest.fixture
def folder(tmp_path, home):
    return RunFolder(tmp_path / "here" / "run", home)


@pytest.fixture
def elsewhere(tmp_path, home):
    """The same run on another machine's disk."""
    return RunFolder(tmp_path / "elsewhere" / "run", home)


@contextmanager
def working(folder, *, resume=False):
    with claim(folder, ASKED, resume=resume, growing="trials"):
        yield


def cut_off(folder, *, resume=False, lines=1):
    """A command that wrote some lines of the ledger and was interrupted."""
    with suppress(KeyboardInterrupt), working(folder, resume=resume):
        for _ in range(lines):
            Ledger(folder.ledger).append(ENTRY)
        raise KeyboardInterrupt


def until(holds):
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_what_is_written_is_in_the_store_soon_and_at_the_end_all_of_it_is(folder, home):
    with working(folder):
        Ledger(folder.ledger).append(ENTRY)
        until(lambda: home.read("trials.jsonl") == folder.ledger.read_bytes())
        until(lambda: "run.json" in home.names())
        assert json.loads(home.read("run.json"))["finished"] is None
        (folder.path / "tensorboard").mkdir()
        (folder.path / "tensorboard" / "events").write_bytes(b"late")
    assert json.loads(home.read("run.json"))["finished"] is not None
    assert home.names() == ["run.json", "tensorboard/events", "trials.jsonl"]


def test_what_is_of_this_machine_alone_stays_here(folder, home):
    with working(folder):
        for name in ("tune/trial", ".hidden", "models/.half/weights", "study.journal.lock", "predictions.tmp", "whole"):
            (folder.path / name).parent.mkdir(parents=True, exist_ok=True)
            (folder.path / name).write_text("")
    assert home.names() == ["run.json", "whole"]


def test_what_is_removed_is_removed_there_and_what_workers_wrote_stays(folder, home):
    with working(folder):
        (folder.path / "events").write_text("of a trial that begins again")
        home.write("held_out/trial.npy", b"")
        until(lambda: "events" in home.names())
        (folder.path / "events").unlink()
    assert home.names() == ["held_out/trial.npy", "run.json"]


def test_a_folder_that_somebody_removes_takes_nothing_with_it(folder, home):
    with working(folder):
        Ledger(folder.ledger).append(ENTRY)
        until(lambda: "run.json" in home.names())  # which is sent last
        shutil.rmtree(folder.path)
    assert home.names() == ["run.json", "trials.jsonl"]


def test_a_run_goes_on_from_the_store_on_another_disk(folder, elsewhere):
    cut_off(folder, lines=2)
    with working(elsewhere, resume=True):
        assert elsewhere.ledger.read_bytes() == folder.ledger.read_bytes()
        assert Ledger(elsewhere.ledger).entries == [ENTRY, ENTRY]


def test_the_one_that_got_farther_is_gone_on_with(folder, elsewhere, home):
    cut_off(folder)
    cut_off(elsewhere, resume=True)
    assert len(Ledger(folder.ledger).entries) == 1
    with working(folder, resume=True):  # the store is farther
        assert len(Ledger(folder.ledger).entries) == 2
    behind = RunFolder(elsewhere.path)
    Ledger(behind.ledger).append(ENTRY)
    cut_off(elsewhere, resume=True, lines=0)  # the folder is
    assert home.read("trials.jsonl").count(b"\n") == 3


def test_two_different_searches_of_a_name_are_not_mixed(folder, elsewhere, home):
    cut_off(folder)
    cut_off(elsewhere, resume=True)
    Ledger(folder.ledger).append(ENTRY)
    elsewhere.ledger.write_text("{}\n")
    before = home.read("trials.jsonl")
    with (
        pytest.raises(InputError, match="hold two different searches; move one of them away"),
        working(elsewhere, resume=True),
    ):
        pass
    assert home.read("trials.jsonl") == before
    assert ".lease.json" not in home.names()


def test_a_run_that_began_without_storage_is_sent_there_as_a_whole(folder, home):
    cut_off(RunFolder(folder.path))
    (folder.path / "held_out").mkdir()
    (folder.path / "held_out" / "trial.npy").write_bytes(b"ratings")
    cut_off(folder, resume=True, lines=0)
    assert home.names() == ["held_out/trial.npy", "run.json", "trials.jsonl"]


def test_a_run_of_a_store_is_not_gone_on_with_without_it(folder):
    cut_off(folder)
    add = r"run run is kept in s3://.*/runs/run\?.*; add --storage 's3://.*/runs\?"
    with pytest.raises(InputError, match=add), working(RunFolder(folder.path), resume=True):
        pass


def test_a_name_that_the_store_has_is_taken(folder, elsewhere):
    cut_off(folder)
    with pytest.raises(InputError, match="there is an unfinished run of this name; add --resume"), working(elsewhere):
        pass
    assert not elsewhere.path.exists()


def test_a_command_that_could_not_begin_leaves_its_name_free_in_the_store_too(folder, home):
    def refuse():
        with working(folder):
            until(lambda: "run.json" in home.names())
            raise InputError("too many workers")

    with pytest.raises(InputError, match="too many workers"):
        refuse()
    assert home.names() == []


def test_a_second_process_is_refused_while_the_first_is_at_work(folder, elsewhere):
    def both():
        with working(folder), working(elsewhere, resume=True):
            pass

    with pytest.raises(InputError, match=r"\(process \d+\) is working on this run"):
        both()


def test_the_lease_of_a_process_that_died_here_is_taken_without_waiting(folder, home, monkeypatch):
    monkeypatch.setattr(lease, "STALE", 600.0)
    cut_off(folder)
    home.write(lease.NAME, json.dumps({"owner": "dead", "host": "here", "process": 1}).encode())
    (folder.path / ".lock").write_text("dead")
    said = []
    with claim(folder, ASKED, resume=True, growing="trials", say=said.append):
        assert json.loads(home.read(lease.NAME))["owner"] != "dead"
    assert said == [], "nobody is waited for"


@pytest.mark.parametrize("fault", ["down", "read-only"])
def test_a_store_that_fails_ends_the_command_with_everything_kept_here(s3_port, home, folder, fault, monkeypatch):
    def work():
        with interruptible(), working(RunFolder(folder.path, through)):
            Ledger(folder.ledger).append(ENTRY)
            until(lambda: "trials.jsonl" in home.names())
            proxy.fault = fault
            Ledger(folder.ledger).append(ENTRY)
            threading.Event().wait(60)

    with s3.proxied(s3_port) as proxy:
        through = Store(home.where.replace(f":{s3_port}", f":{proxy.port}"), patience=2)
        with pytest.raises(StorageFailed, match=f"cannot be (written|read): .*; {folder.path} on this machine has all"):
            work()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    assert len(Ledger(folder.ledger).entries) == 2
    assert home.read("trials.jsonl").count(b"\n") == 1
    with working(folder, resume=True):
        assert len(Ledger(folder.ledger).entries) == 2


def test_a_command_that_is_told_to_end_does_not_wait_for_a_store_that_hangs(s3_port, home, folder, monkeypatch):
    monkeypatch.setattr(mirror, "LAST", 1.0)

    def work():
        with interruptible(), working(RunFolder(folder.path, through)):
            until(lambda: "run.json" in home.names())
            proxy.fault = "hung"
            os.kill(os.getpid(), signal.SIGTERM)
            threading.Event().wait(60)

    with s3.proxied(s3_port) as proxy:
        through = Store(home.where.replace(f":{s3_port}", f":{proxy.port}"), patience=2)
        start = time.monotonic()
        with pytest.raises(Interrupted):
            work()
        assert time.monotonic() - start < 15
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_files_that_grew_are_fetched_in_place_and_unchanged_ones_not_at_all(home, tmp_path):
    home.write("events", b"one")
    home.write("same", b"same")
    fetch(home, tmp_path)
    (tmp_path / "same").write_bytes(b"SAME")
    os.utime(tmp_path / "same", ns=(stamp := home.files()["same"].changed, stamp))
    with (tmp_path / "events").open("rb") as reader:
        reader.read()
        home.write("events", b"one, two")
        fetch(home, tmp_path)
        assert reader.read() == b", two"
    assert (tmp_path / "same").read_bytes() == b"SAME"
    home.remove("events")
    fetch(home, tmp_path)
    assert list(stamps(tmp_path)) == ["same"]
