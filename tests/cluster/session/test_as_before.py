"""A program that a call leaves with a Ray of ours, in a job folder whose path is too long for it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.session.test_short_folder import long

PROGRAM = """
import ray
from ray._private import worker
from reeltune.cluster.session.as_before import as_before
from reeltune.cluster.session.session import session
from reeltune.trainables.errors import InputError

with as_before(), session(None, keep=True):
    assert not worker._worker_logs_enabled
print(ray.is_initialized(), worker._worker_logs_enabled)
try:
    with as_before(), session("127.0.0.1:1", keep=True):
        pass
except InputError as error:
    print(error)
print(ray.is_initialized())
"""


@pytest.mark.slow
def test_a_kept_ray_gives_way_to_a_cluster_and_nothing_of_it_is_left(tmp_path):
    variables = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    variables |= {"TMPDIR": str(long(tmp_path)), "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    kept, refused, last = done.stdout.splitlines()
    assert (kept, last) == ("True True", "False")
    assert refused.startswith("--address 127.0.0.1:1: ")
    assert "in a Ray already" not in refused
    assert "Traceback" not in done.stderr
    assert not Path(re.search(r"Ray's files are in (\S+) until the end", done.stderr)[1]).exists()
