"""The Slurm script for real, with two Ray nodes on this machine; `srun` and `scontrol` are stand-ins that run here."""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

SCRIPT = Path(__file__).parents[3] / "cluster" / "deploy" / "slurm" / "tune.sbatch"
SEARCH = ["pmf", "bias", "--data", "synthetic:ratings=3000", "--trials", "6", "--no-ensemble"]
SRUN = """#!/bin/bash
while [[ $1 = --* ]]; do shift; done
exec "$@"
"""
SCONTROL = """#!/bin/bash
if [[ $1 = show ]]; then printf '%s\\n' node1 node2; else echo "$@" > requeued; fi
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("hostname") is None, reason="no hostname on the path"),
]


def free_job_id():
    """A job whose two ports, which its id decides, are free here."""
    while True:
        job = random.randrange(100_000, 999_999)
        with suppress(OSError), socket.socket() as one, socket.socket() as other:
            one.bind(("", 20000 + job % 5000 * 2))
            other.bind(("", 20001 + job % 5000 * 2))
            return job


@pytest.fixture
def job(tmp_path):
    """A job's id; whatever of its Ray is left at the end is ended."""
    for name, script in (("srun", SRUN), ("scontrol", SCONTROL)):
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    number = free_job_id()
    yield number
    for process in left_of(number):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    shutil.rmtree(f"/tmp/ray-{number}", ignore_errors=True)


def left_of(job):
    """Processes of the job's Ray, which name its temporary folder."""
    return [p for p in psutil.process_iter(["cmdline"]) if f"/tmp/ray-{job}" in " ".join(p.info["cmdline"] or [])]


def sbatch(job, folder, log, **more):
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("RAY_", "SLURM_"))}
    slurm = {"JOB_ID": job, "JOB_NUM_NODES": 2, "CPUS_PER_TASK": 1, "JOB_NODELIST": "node[1-2]"}
    path = f"{folder}:{Path(sys.executable).parent}:{kept['PATH']}"
    variables = {**kept, "PATH": path, "HOME": str(folder), **{f"SLURM_{key}": str(slurm[key]) for key in slurm}}
    command = ["bash", str(SCRIPT), *SEARCH]
    return subprocess.Popen(command, cwd=folder, env={**variables, **more}, stdout=log, stderr=log)


@pytest.mark.parametrize("variables", [{}, {"RAY_AUTH_TOKEN": "0123456789abcdef" * 4}])
def test_the_token_is_made_unless_the_environment_has_one(tmp_path, variables):
    (tmp_path / "hostname").write_text("#!/bin/bash\nexit 7\n")  # it is asked for after the token, and ends the script
    (tmp_path / "hostname").chmod(0o755)
    with (tmp_path / "log").open("w") as file:
        script = sbatch(1, tmp_path, file, **variables)
    assert script.wait(timeout=90) == 7, (tmp_path / "log").read_text()
    assert (tmp_path / ".ray" / "auth_token").exists() == (not variables)


def test_a_search_on_two_nodes_ends_before_the_time_limit_is_queued_again_and_goes_on(job, tmp_path):
    ledger, log = tmp_path / "runs" / f"slurm-{job}" / "trials.jsonl", tmp_path / "log"
    with log.open("w") as file:
        first = sbatch(job, tmp_path, file)
        end = time.monotonic() + 150
        while not (ledger.exists() and ledger.stat().st_size):
            assert first.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        first.send_signal(signal.SIGUSR1)
        assert first.wait(timeout=90) == 143, log.read_text()
    assert "2 at a time" in log.read_text(), "both nodes are used"
    assert "everything so far is kept" in log.read_text()
    assert (tmp_path / "requeued").read_text() == f"requeue {job}\n"
    assert left_of(job) == []
    assert not Path(f"/tmp/ray-{job}").exists()
    assert (tmp_path / ".ray" / "auth_token").stat().st_mode & 0o777 == 0o600

    ended = ledger.read_text()
    with log.open("w") as file:
        assert sbatch(job, tmp_path, file).wait(timeout=240) == 0, log.read_text()
    assert ledger.read_text().startswith(ended)
    assert "all of it is in" in log.read_text()
    assert left_of(job) == []
