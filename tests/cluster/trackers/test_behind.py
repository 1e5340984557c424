"""A tracker told in a thread of its own: fits do not wait for it, and what it could not write is said."""

import pickle
import threading
import time

import pytest

from reeltune.cluster.trackers import behind
from reeltune.cluster.trackers.behind import Behind
from reeltune.cluster.tracking.tracker import FitEnd, TrackedFit, TrackerFailed

DONE = FitEnd(state="done", epochs=1, value=0.5)


class Server:
    """A tracker that writes to a list; it can be down, refuse a fit, or be slow."""

    def __init__(self):
        self.written, self.down, self.refused, self.gate = [], False, set(), threading.Event()
        self.gate.set()

    def _write(self, what, name=""):
        self.gate.wait(timeout=30)
        if self.down:
            raise TrackerFailed("Connection refused")
        if name in self.refused:
            raise TrackerFailed("no such parameter")
        self.written.append((what, name))

    def began(self, fit):
        self._write("began", fit.name)

    def update(self, name, points):
        self._write("update", name)

    def ended(self, name, end):
        self._write("ended", name)

    def chosen(self, folder):
        self._write("chosen")

    def trained(self, folder, architecture, errors):
        self._write("trained", architecture)

    def close(self):
        self._write("close")

    def finished(self, state):
        self._write("finished", state)

    def answers(self):
        return not self.down


def fit(name):
    return TrackedFit(name=name, architecture="pmf", stage="search", config={})


@pytest.fixture
def said():
    return []


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def told(server, said, monkeypatch):
    monkeypatch.setattr(behind, "PAUSE", 0.01)
    return Behind(server, "MLflow", say=said.append)


def test_what_it_is_told_is_written_in_order(told, server, said):
    for name in ("a", "b"):
        told.began(fit(name))
        told.ended(name, DONE)
    told.end("done")
    assert server.written == [("began", "a"), ("ended", "a"), ("began", "b"), ("ended", "b"), ("finished", "done")]
    assert said == []


def test_a_slow_tracker_keeps_nobody_waiting(told, server, said):
    server.gate.clear()
    start = time.monotonic()
    for number in range(1000):
        told.began(fit(str(number)))
    assert time.monotonic() - start < 2
    assert server.written == []
    server.gate.set()
    told.end("done")
    assert len(server.written) == 1001
    assert said == []


def test_after_a_failure_that_passes_everything_is_there_and_it_was_said_once(told, server, said):
    server.down = True
    for name in ("a", "b", "c"):
        told.began(fit(name))
    while not said:
        time.sleep(0.01)
    server.down = False
    told.end("done")
    assert [name for _, name in server.written] == ["a", "b", "c", "done"]
    assert len(said) == 1
    assert said[0].startswith("MLflow: a is not written yet: Connection refused; the run goes on")


def test_what_a_server_that_stays_down_did_not_take_is_said_at_the_end(told, server, said, monkeypatch):
    monkeypatch.setattr(behind, "GIVEN_UP", 0.2)
    told.began(fit("a"))
    while not server.written:
        time.sleep(0.01)
    server.down = True
    for name in "bcdefgh":
        told.began(fit(name))
        told.ended(name, DONE)
    start = time.monotonic()
    told.end("done")
    assert time.monotonic() - start < 5
    assert said[1:] == ["MLflow: not written: b, c, d, e, f and 3 more; the run's folder has all of it"]


def test_what_it_refuses_is_left_out_and_the_rest_is_written(told, server, said):
    server.refused.add("b")
    for name in "abc":
        told.began(fit(name))
    told.end("failed")
    assert [name for _, name in server.written] == ["a", "c", "failed"]
    assert said[1:] == ["MLflow: not written: b; the run's folder has all of it"]


def test_a_tracker_that_refuses_everything_holds_up_no_end(told, server, said, monkeypatch):
    monkeypatch.setattr(behind, "PAUSE", 0.5)
    names = [str(number) for number in range(40)]
    server.refused.update(names)
    start = time.monotonic()
    for name in names:
        told.began(fit(name))
    told.end("done")
    assert time.monotonic() - start < 10
    assert said[1:] == ["MLflow: not written: 0, 1, 2, 3, 4 and 35 more; the run's folder has all of it"]


def test_an_interrupt_waits_only_a_moment(told, server, said, monkeypatch):
    monkeypatch.setattr(behind, "HURRIED", 0.2)
    server.gate.clear()
    told.began(fit("a"))
    start = time.monotonic()
    told.end("interrupted")
    assert time.monotonic() - start < 5
    assert said == ["MLflow: not written: a, the end of the run; the run's folder has all of it"]
    server.gate.set()


def test_ray_tune_may_pickle_it(told):
    assert pickle.dumps(told)
    told.end("done")
