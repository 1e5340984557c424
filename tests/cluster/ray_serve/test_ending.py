"""How a service on a cluster ends: at a signal, at a second one, and where its cluster no longer answers."""

import signal

import pytest
from ray.exceptions import RayError

from reeltune.cluster.ray_serve.ending import until_a_signal
from reeltune.cluster.session.interrupt import interruptible
from reeltune.cluster.session.watchdog import ClusterLost


class Service:
    """A service that does this while it serves, and that while it is taken down."""

    def __init__(self, *, run, end):
        self.on_cluster, self._run, self._end = True, run, end

    def run(self):
        return self._run()

    def forget(self):
        self.on_cluster = False

    def end(self):
        if self.on_cluster:
            self._end()
            self.on_cluster = False


def send(number):
    return lambda: signal.raise_signal(number)


def fail(error):
    def failing():
        raise error

    return failing


def nothing():
    return None


def ended(service):
    """The exit code, and what is said."""
    said = []
    with interruptible():
        return until_a_signal(service, said.append, drain=30), said


@pytest.fixture(autouse=True)
def _signals(signals):
    """Signals are as before after the test."""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_takes_the_service_down(number):
    service = Service(run=send(number), end=nothing)
    code, [line] = ended(service)
    assert (code, service.on_cluster) == (0, False)
    assert line == "taking it down: requests in flight have 30 s; a second signal leaves what is still there"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_that_and_a_line_says_so(number):
    service = Service(run=send(signal.SIGINT), end=send(number))
    code, [_, line] = ended(service)
    assert (code, service.on_cluster) == (128 + number, True)
    assert line == "a second signal: what is not taken down yet stays on the cluster"


@pytest.mark.parametrize("error", [RayError("no\ncontroller"), TimeoutError("it has not ended")])
def test_a_failure_while_it_is_taken_down_is_one_line(error):
    code, [_, line] = ended(Service(run=send(signal.SIGINT), end=fail(error)))
    assert code == 1
    assert line.startswith("error: the service may not be taken down as a whole: ")
    assert "\n" not in line


@pytest.mark.parametrize("error", [ClusterLost(), ConnectionError("gone")])
def test_a_cluster_that_no_longer_answers_is_left_as_it_is(error):
    gone_while_it_serves = Service(run=fail(error), end=fail(AssertionError("nobody is there to take it down")))
    gone_at_the_end = Service(run=send(signal.SIGINT), end=fail(error))
    for service in (gone_while_it_serves, gone_at_the_end):
        with interruptible(), pytest.raises(type(error)):
            until_a_signal(service, lambda line: None, drain=30)


def test_a_service_that_has_gone_by_itself_keeps_its_exit_code():
    assert ended(Service(run=lambda: 1, end=nothing)) == (1, [])
