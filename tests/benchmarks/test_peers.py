"""`benchmarks/peers.py`: what it says of a process that has no figures."""

import sys

import pytest

from benchmarks.peers import PeerFailed, called


def test_a_process_that_the_system_kills_for_its_memory_is_said_to_be():
    kill = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    with pytest.raises(PeerFailed, match=r"^killed: out of memory$"):
        called([sys.executable, "-c", kill], limit=60)


def test_another_failure_is_told_by_its_last_line():
    with pytest.raises(PeerFailed, match=r"^ValueError: no rows$"):
        called([sys.executable, "-c", "raise ValueError('no rows')"], limit=60)
