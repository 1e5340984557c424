"""How often a process looks for garbage: rarely while it imports, and as usual once it fits."""

import gc

import pytest

from reeltune.cluster.session import garbage
from reeltune.cluster.session.garbage import RARELY, look_as_usual, look_rarely

PYTHONS, ANOTHER = (700, 10, 10), (5000, 20, 20)


@pytest.fixture(autouse=True)
def as_it_was():
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def test_it_looks_rarely_and_then_as_usual_again(monkeypatch):
    monkeypatch.setattr(garbage, "USUAL", PYTHONS)
    look_rarely()
    assert gc.get_threshold()[0] == RARELY
    look_as_usual()
    assert gc.get_threshold() == PYTHONS


def test_what_a_program_has_set_stays():
    gc.set_threshold(*ANOTHER)
    look_as_usual()
    assert gc.get_threshold() == ANOTHER
