import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from reeltune.cluster.session import short_folder
from reeltune.trainables.errors import InputError, RayNotStarted


def long(tmp_path):
    """A folder as Slurm makes one for a job, as long as a path may be for anything but a socket."""
    folder = tmp_path / "scratch-of-the-cluster" / "jobs" / ("job-" + "1" * 60)
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize("variable", ["TMPDIR", "RAY_TMPDIR"])
def test_a_long_folder_gives_way_to_a_short_one_until_the_end(tmp_path, monkeypatch, variable):
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv(variable, str(long(tmp_path)))
    before, said = dict(os.environ), []
    with short_folder.short_folder(said.append):
        folder = os.environ["RAY_TMPDIR"]
        assert short_folder.fits(folder)
        (Path(folder) / "ray").mkdir()
    assert said[0].startswith(f"{variable} is too long for Ray's sockets (")
    assert said[0].endswith(f" bytes, of 107 at most): Ray's files are in {folder} until the end")
    assert not Path(folder).exists()
    assert dict(os.environ) == before


def test_a_short_folder_stays_where_ray_does_not_start_for_its_logs_say_why(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", str(long(tmp_path)))
    failing = short_folder.short_folder(lambda line: None)
    failing.__enter__()
    folder = Path(os.environ["RAY_TMPDIR"])
    assert short_folder.latest_logs().is_relative_to(folder)
    assert not failing.__exit__(RayNotStarted, RayNotStarted(), None)
    folder.rmdir()


def test_a_short_one_is_left_alone_and_nothing_is_said(monkeypatch):
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv("TMPDIR", "/tmp/job-1234567")
    with short_folder.short_folder(pytest.fail):
        assert "RAY_TMPDIR" not in os.environ


def test_without_a_short_folder_the_way_out_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(long(tmp_path)))
    monkeypatch.setattr(short_folder, "PLACES", ("/nowhere",))
    with (
        pytest.raises(InputError, match="RAY_TMPDIR: Ray needs a folder with a short path"),
        short_folder.short_folder(print),
    ):
        pass


@pytest.mark.slow
def test_a_fit_in_a_job_folder_of_slurm_comes_to_its_end(tmp_path):
    variables = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    command = [sys.executable, "-m", "reeltune", "train", "bias", "--data", "synthetic:ratings=600", "--workers", "2"]
    done = subprocess.run(
        command, cwd=tmp_path, env={**variables, "TMPDIR": str(long(tmp_path))}, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    folder = re.search(r"Ray's files are in (\S+) until the end", done.stderr)[1]
    assert not Path(folder).exists()
