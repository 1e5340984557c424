"""What tests of commands share, whose work the nodes of a cluster do."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests import nodes
from tests.inside import reeltune

HERE, THERE = Path("here.csv"), Path("there.csv")


@pytest.fixture
def assert_two_nodes_write_the_same():
    """Runs a command in this process and by two nodes of a real cluster, and compares what they write and say.

    The words are without output and address; `unit` is what the lines on how far it is count.
    """

    def compare(*words, unit):
        here = reeltune(*words, "-o", str(HERE))
        with nodes.cluster(2) as made:
            there = subprocess.run(
                [sys.executable, "-m", "reeltune", *words, "-o", str(THERE), "--address", made.address],
                env=nodes.environment(), capture_output=True, text=True, timeout=600, check=False,
            )  # fmt: skip
        assert there.returncode == 0, there.stderr
        assert there.stdout == here.stdout.replace(str(HERE), str(THERE))
        first, *others = there.stderr.splitlines()
        assert first == f"joining {made.address}"
        assert all(f" {unit}, " in line for line in others), "how far it is, on a slow machine"
        assert THERE.read_bytes() == HERE.read_bytes()

    return compare


@pytest.fixture(params=["nowhere", "ray://nowhere:10001"])
def assert_address_is_refused(request):
    """Runs a command at an address that it cannot join, and looks for the one line that says so."""

    def refused(verb, *words):
        done = reeltune(verb, *words, "--address", request.param)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.count("\n") == 1
        if request.param == "nowhere":
            assert done.stderr == "error: --address 'nowhere': has no port: nowhere:6379 on one of the nodes\n"
        else:
            one = f"error: --address {request.param}: {verb} joins a cluster from one of its nodes"
            assert done.stderr.startswith(one)

    return refused
