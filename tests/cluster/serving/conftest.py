import pytest

from reeltune.cluster.serving.answers import Answers
from reeltune.trainables.bundle import load


@pytest.fixture(scope="session")
def answers(bundles):
    """What the first of the bundles answers, without a service around it."""
    return Answers(load(bundles[0]), "first")
