"""The folder of rows on disk, after a command that was killed."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from reeltune.cluster.commands.rows_folder import LOCK, PREFIX, rows_folder

HOLDS = """
import sys
from reeltune.cluster.commands.rows_folder import rows_folder
with rows_folder(print) as folder:
    (folder / "rows.bin").write_bytes(b"many")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """A folder that is the temporary one, here and in processes."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def other():
    """Another process that holds a folder, and this folder."""
    command = [sys.executable, "-c", HOLDS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process, Path(process.stdout.readline().strip()).parent
        process.kill()


def test_what_a_killed_command_has_left_is_removed_and_named(other, temporary):
    process, folder = other
    process.kill()
    process.wait(timeout=60)
    assert (folder / "rows" / "rows.bin").exists()
    said = []
    with rows_folder(said.append) as own:
        assert list(temporary.iterdir()) == [own.parent]
    assert said == [f"removed the rows that killed commands have left: {folder}"]
    assert list(temporary.iterdir()) == []


def test_what_a_living_command_has_stays_and_nothing_is_said(other, temporary):
    _, folder = other
    said = []
    for _ in range(2):
        with rows_folder(said.append), rows_folder(said.append) as own:
            assert list(own.iterdir()) == []
    assert said == []
    assert (folder / "rows" / "rows.bin").exists()


def test_folders_without_such_a_lock_are_left_alone(temporary):
    unheld, foreign = temporary / f"{PREFIX}new", temporary / "reeltune-other"
    for folder in (unheld, foreign):
        folder.mkdir()
    (foreign / LOCK).touch()
    said = []
    with rows_folder(said.append):
        pass
    assert sorted(temporary.iterdir()) == [foreign, unheld]
    assert said == []
