"""Ends a command whose cluster no longer answers. Ray itself waits a minute for a lost head, then kills the process."""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

LOST_AFTER = 40.0  # seconds without an answer: a head that restarts needs some
EVERY = 2.0  # seconds between two checks
LEAVE = 10.0  # seconds to end in order: Ray may be waiting for the head, and then it heeds no signal
SIGNAL = signal.SIGUSR2  # not SIGUSR1: Ray Tune installs a handler of its own for that
GONE = "Ray is gone: its head, or its node on this machine, no longer answers"


class ClusterLost(KeyboardInterrupt):
    """Ray no longer answers. A KeyboardInterrupt: Ray lets through no other while it waits."""


@contextmanager
def lifeline(how_to_go_on: str = "--resume goes on from it", *, may_exit: bool = True) -> Iterator[None]:
    """Raise ClusterLost in the main thread when the head, or the node on this machine, no longer answers.

    If the process has not ended LEAVE seconds later, print an error that ends in `how_to_go_on`, and exit with code 1.
    Without `may_exit` the process is somebody's program, and goes on: the error is printed if the body has not ended.
    """
    left, lost = threading.Event(), threading.Event()

    def receive(number: int, frame: FrameType | None) -> None:
        lost.set()
        raise ClusterLost

    earlier = signal.signal(SIGNAL, receive)
    watched = (_addresses(), left, how_to_go_on, may_exit)
    threading.Thread(target=_watch, args=watched, name="lifeline", daemon=True).start()
    try:
        yield
    except BaseException as error:
        if lost.is_set():  # Ray may have replaced ClusterLost by a KeyboardInterrupt of its own
            raise ClusterLost from error
        raise
    finally:
        left.set()
        signal.signal(SIGNAL, earlier)


def _addresses() -> list[tuple[str, int]]:
    """Where the head listens, and the node through which this process is in the cluster."""
    import ray  # the command line loads this module for its errors, also where no Ray is needed

    context = ray.get_runtime_context()
    host, _, port = context.gcs_address.rpartition(":")
    own = next(node for node in ray.nodes() if node["NodeID"] == context.get_node_id())
    return [(host, int(port)), (own["NodeManagerAddress"], own["NodeManagerPort"])]


def _watch(addresses: list[tuple[str, int]], left: threading.Event, how_to_go_on: str, may_exit: bool) -> None:
    heard = time.monotonic()
    while not left.wait(EVERY):
        if all(map(_answers, addresses)):
            heard = time.monotonic()
        elif time.monotonic() - heard > LOST_AFTER:
            signal.pthread_kill(threading.main_thread().ident or 0, SIGNAL)
            if may_exit:
                time.sleep(LEAVE)  # even if the body has ended: Ray's own end may wait for the head too
            elif left.wait(LEAVE):
                return
            print(f"error: {GONE}; everything so far is kept; {how_to_go_on}", file=sys.stderr)
            if may_exit:
                os._exit(1)
            return


def _answers(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, timeout=EVERY).close()
    except OSError:
        return False
    return True
