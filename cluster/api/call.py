"""One call of a job from a program: shows its progress, takes or starts Ray, and leaves the process as it was."""

import os
import signal
import threading
from collections.abc import Callable
from typing import TypeVar

import ray

from reeltune.cluster.api.checks import through_client
from reeltune.cluster.commands.progress import Watch
from reeltune.cluster.session.as_before import as_before
from reeltune.cluster.session.interrupt import Interrupted, interruptible
from reeltune.cluster.session.session import shut_down
from reeltune.cluster.session.watchdog import GONE, ClusterLost
from reeltune.trainables.errors import InputError, Unavailable
from reeltune.trainables.fitting.seeds import random_numbers_as_before

Outcome = TypeVar("Outcome")


def call(job: Callable[[Watch], Outcome], *, kept: str) -> Outcome:
    """Do a job and return what it returns. `kept` says, after an interrupt, what there is and how to go on.

    A Ray of our own stays up for the next call, but after an interrupt or a failure, so that what runs in it ends.
    Raises KeyboardInterrupt after Ctrl-C or a notebook's interrupt, ConnectionError if Ray is lost, and what the job
    raises.
    """
    if threading.current_thread() is not threading.main_thread():
        raise InputError("this runs in the main thread alone, which hears of interrupts; call it from there")
    try:
        with as_before(), random_numbers_as_before(), interruptible(), Watch() as watch:
            try:
                return job(watch)
            except InputError:
                raise
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt) and not isinstance(error, ClusterLost):
                    watch.say(f"interrupted; {kept}")
                shut_down()
                raise
    except ClusterLost:
        raise ConnectionError(f"{GONE}; {kept}") from None
    except Unavailable as error:
        raise type(error)(f"{error}; {kept}") from None
    except Interrupted as interrupted:
        if interrupted.exit_code == 128 + signal.SIGTERM:
            signal.raise_signal(signal.SIGTERM)
        raise KeyboardInterrupt from None


def address_of(address: str | None) -> str | None:
    """The cluster to join: the one named, or RAY_ADDRESS, as on the command line, unless the program is in a Ray.

    Raises InputError at `ray://`.
    """
    found = address or (None if ray.is_initialized() else os.environ.get("RAY_ADDRESS")) or None
    if through_client(found):
        raise InputError(
            f"--address {found}: through Ray's client only a whole command runs, `reeltune tune --address {found}`; "
            "from Python, give host:port from a machine of the cluster's own network"
        )
    return found
