"""Serves until a signal, and takes the service down; a second signal ends that."""

from collections.abc import Callable
from typing import Protocol

from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException

from reeltune.cluster.session.interrupt import Interrupted, interruptible
from reeltune.cluster.session.watchdog import ClusterLost
from reeltune.trainables.errors import one_line

Say = Callable[[str], None]


class Ends(Protocol):
    """The foreground process of a service."""

    def run(self) -> int:
        """Serve, and return the exit code if the service has gone meanwhile."""

    def forget(self) -> None:
        """Leave what is on the cluster as it is."""

    def end(self) -> None:
        """Take down what was started."""


def until_a_signal(driver: Ends, say: Say, *, drain: float) -> int:
    """Serve until SIGTERM or SIGINT, within `interruptible`, take the service down, and return the exit code.

    Raises ClusterLost and ConnectionError where the cluster no longer answers, also while the service is taken down.
    """
    try:
        code = driver.run()
    except Interrupted:
        say(f"taking it down: requests in flight have {drain:g} s; a second signal leaves what is still there")
        code = 0
    except (ClusterLost, ConnectionError):
        driver.forget()
        raise
    finally:
        ended = _taken_down(driver, say)
    return ended or code


def _taken_down(driver: Ends, say: Say) -> int:
    """Take the service down, and return 0, or the exit code where it may not be down as a whole."""
    try:
        with interruptible():  # anew: after one signal further ones are ignored
            driver.end()
    except Interrupted as again:
        say("a second signal: what is not taken down yet stays on the cluster")
        return again.exit_code
    except (RayError, RayServeException, TimeoutError) as error:
        say(f"error: the service may not be taken down as a whole: {one_line(str(error))}")
        return 1
    return 0
