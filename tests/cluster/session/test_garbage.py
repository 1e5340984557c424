"""How often a process looks for garbage: rarely while it imports, and as usual once it fits."""

import gc

import pytest

from reeltune.cluster.session.garbage import PYTHONS, RARELY, look_as_usual, look_rarely


@pytest.fixture(autouse=True)
def as_it_was():
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def test_it_looks_rarely_and_then_as_usual_again():
    look_rarely()
    assert gc.get_threshold()[0] == RARELY > PYTHONS[0]
    look_as_usual()
    assert gc.get_threshold() == PYTHONS
