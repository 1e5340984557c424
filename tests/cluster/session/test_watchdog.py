"""The end of a command whose cluster no longer answers, in a process of its own, by a cluster that is nobody's."""

import socket
import subprocess
import sys

import pytest

from reeltune.cluster.session.watchdog import GONE

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


PROGRAM = """if True:
    import threading, time
    from reeltune.cluster.session import watchdog

    watchdog._addresses = lambda: [("127.0.0.1", {port})]
    watchdog.EVERY, watchdog.LOST_AFTER, watchdog.LEAVE = 0.05, 0.5, {leave}


    def wait_for_the_watch():
        for thread in threading.enumerate():
            if thread.name == "lifeline":
                thread.join()

    try:
        with watchdog.lifeline("call it again", may_exit={may_exit}):
            try:
                time.sleep(60)
            except watchdog.ClusterLost:
                if {stuck}:
                    wait_for_the_watch()
                raise
    except watchdog.ClusterLost:
        wait_for_the_watch()
        print("goes on")
"""
SAID = f"error: {GONE}; everything so far is kept; call it again\n"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"may_exit": True, "stuck": False, "leave": 0.2}, (1, "", SAID)),
        ({"may_exit": True, "stuck": True, "leave": 0.2}, (1, "", SAID)),
        ({"may_exit": False, "stuck": False, "leave": 10}, (0, "goes on\n", "")),
        ({"may_exit": False, "stuck": True, "leave": 0.2}, (0, "goes on\n", SAID)),
    ],
)
def test_a_command_that_has_lost_its_cluster_is_ended_and_a_program_is_not(values, expected):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # and nobody listens there
        code = PROGRAM.format(port=free.getsockname()[1], **values)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == expected
