"""A full disk under a real search: it stops with a clear reason, what was written stays readable, and it goes on."""

import contextlib
import errno
import os
import shutil
import subprocess

import pytest

from reeltune.cluster.runs.disk import Disk
from reeltune.cluster.runs.folder import Ledger
from reeltune.cluster.session.slots import Slots
from reeltune.trainables.errors import StorageFailed
from tests.searches import searched

SPACE = "[pmf]\nonly = true\nbatch_size = 32\n[pmf.epochs]\nlow = 3\nhigh = 4"
SIZE, PAGE = 2 << 20, 4096
ONE = Slots(count=1, cpus=1, gpus=0)


@pytest.fixture(scope="module")
def begun(resources, small, tmp_path_factory):
    """The folder of a search of one trial."""
    folder = tmp_path_factory.mktemp("begun")
    assert searched(small, folder, space=SPACE, trials=1, taken=ONE).entries
    return folder


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)], capture_output=True)
    if made.returncode:
        pytest.skip("may not mount a small disk here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # TensorBoard's own thread
@pytest.mark.parametrize("kept_free", [0, 4 * PAGE])
def test_a_full_disk_stops_a_search_and_with_space_it_goes_on(kept_free, begun, small, small_disk, monkeypatch):
    monkeypatch.setattr("reeltune.cluster.runs.storage.WAITS", (0.1,))
    shutil.copytree(begun, small_disk, dirs_exist_ok=True)
    filler, ended = small_disk / "filler", Ledger(small_disk / "trials.jsonl").entries
    fill(filler, kept_free)
    with pytest.raises((StorageFailed, OSError), match="No space left"):
        searched(small, small_disk, space=SPACE, trials=4, taken=ONE)
    left = Ledger(small_disk / "trials.jsonl").entries
    assert left[: len(ended)] == ended
    filler.unlink()
    entries = searched(small, small_disk, space=SPACE, trials=4, taken=ONE).entries
    assert entries[: len(left)] == left
    assert len({entry.trial for entry in entries}) == len(entries)
    assert {entry.number for entry in entries if entry.stage == "search"} == {0, 1, 2, 3}


def fill(path, kept_free):
    """Write until nothing more fits, and give so many bytes back."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * PAGE)
    os.truncate(path, path.stat().st_size - kept_free)


def test_an_error_of_another_kind_is_not_taken_for_a_full_disk():
    disk = Disk()
    with pytest.raises(FileNotFoundError), disk.writing():
        raise FileNotFoundError(errno.ENOENT, "no such file")
    with disk.writing():
        raise OSError(errno.ENOSPC, "No space left on device")
    assert str(disk.failed) == "the run's folder cannot be written: No space left on device"
