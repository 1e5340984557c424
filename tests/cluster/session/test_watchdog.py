"""The end of a command whose cluster no longer answers, in a process of its own, by a cluster that is nobody's."""

import socket
import subprocess
import sys

import pytest

CODE = """if True:
    import time
    from ray.tune.tune import _setup_signal_catching
    from reeltune.cluster.session import watchdog

    watchdog._addresses = lambda: [("127.0.0.1", {port})]
    watchdog.EVERY, watchdog.LOST_AFTER = 0.05, 0.1
    try:
        with watchdog.lifeline():
            if {searching}:
                _setup_signal_catching()  # as Ray Tune does when a search starts
            time.sleep({seconds})
            print("nothing was raised")
    except watchdog.ClusterLost:
        print("lost")
"""


def ended(**values):
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(**values)], capture_output=True, text=True, timeout=120, check=False
    )
    return done.stdout.split("\n")[0]


@pytest.mark.parametrize("searching", [False, True])
def test_a_lost_cluster_ends_a_command_in_the_midst_of_a_search_too(searching):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # and nobody listens there
        assert ended(port=free.getsockname()[1], searching=searching, seconds=8) == "lost"


def test_a_cluster_that_answers_is_left_alone():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(100)
        assert ended(port=server.getsockname()[1], searching=False, seconds=0.5) == "nothing was raised"
