"""The end of the application on a Ray Serve that does not end it."""

from types import SimpleNamespace

import pytest

from reeltune.cluster.ray_serve import application
from reeltune.cluster.ray_serve.application import NAME, take_down


@pytest.fixture
def stuck(monkeypatch):
    """A Ray Serve with our application, which stays, and another one; what it was asked to do."""
    asked = []
    fake = SimpleNamespace(
        status=lambda: SimpleNamespace(applications={NAME: None, "other": None}),
        delete=asked.append,
        shutdown=lambda: asked.append("shutdown"),
    )
    monkeypatch.setattr(application, "serve", fake)
    return asked


def test_an_application_that_does_not_end_is_not_waited_for_for_ever(stuck):
    with pytest.raises(TimeoutError, match=rf"the application {NAME} has not ended within 0 s"):
        take_down(started=True, within=0)
    assert stuck == [NAME], "and the other one is served on"
