"""The end of a run whose trackers take their time."""

import signal
from contextlib import suppress

import pytest

from reeltune.cluster.runs.claim import claim
from reeltune.cluster.runs.find import folder_of
from reeltune.cluster.runs.record import AskedToTune
from reeltune.cluster.session.interrupt import Interrupted, interruptible
from reeltune.cluster.trackers import behind, opened
from reeltune.cluster.trackers.asked import AskedTracker
from reeltune.cluster.trackers.opened import tracked
from tests.cluster.trackers.test_behind import Server

ASKED = AskedToTune(data="a.csv", seed=1, trials=5, architectures=["pmf"])
BOTH = [AskedTracker(kind="mlflow"), AskedTracker(kind="wandb")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_while_a_tracker_is_waited_for_leaves_the_run_finished(monkeypatch, signals, number):
    slow, quick = Server(), Server()
    slow.gate.clear()
    servers, said, after = iter([slow, quick]), [], []
    monkeypatch.setattr(opened, "_open", lambda *_: (next(servers), []))
    monkeypatch.setattr(behind, "HURRIED", 1.0)
    with suppress(Interrupted), interruptible(), claim(folder_of("one"), ASKED, resume=False):
        with tracked(BOTH, folder_of("one"), ASKED, say=said.append, status=lambda line: signal.raise_signal(number)):
            pass
        after.append("the result is printed")
    slow.gate.set()
    assert after
    assert folder_of("one").read_record().finished is not None
    assert said == ["MLflow: not written: the end of the run; the run's folder has all of it"]
    assert quick.written == [("finished", "done")]
