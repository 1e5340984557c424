"""What all tests share: one thread, and worlds small enough to fit in a second.

Nothing here imports torch before a test does: the process that deals the tests out to others has no use for it.
"""

import gc
import signal

import pytest
from hypothesis import HealthCheck, settings

# A shared machine may stall any one example, and `tmp_path` is the same folder for all of them on purpose.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
settings.load_profile("tests")

# The files that take longest come first: two processes share the tests, a file at a time, and so end together.
LONGEST = (
    "test_second_machine.py",
    "test_submit.py",
    "test_journey.py",
    "test_lanes.py",
    "test_notebooks.py",
    "test_killed_driver.py",
    "test_own_architectures.py",
    "test_client.py",
    "test_storage_journey.py",
    "test_event_files.py",
    "test_warm_start.py",
    "test_fit_all.py",
    "test_nothing_leaks.py",
    "test_faults.py",
    "test_install.py",
    "test_lane_trial.py",
    "test_slurm.py",
    "test_mlflow_runs.py",
    "test_replay.py",
    "test_call.py",
    "test_session.py",
    "test_architectures.py",
)


def pytest_collection_modifyitems(items):
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(LONGEST)))


def pytest_collection_finish():
    """What imports and collection have made stays: no search for garbage goes through it again."""
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def interrupts():
    """A shell starts what it puts in the background with Ctrl-C ignored, and so would be every command of a test."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Sums of several threads come in any order, and bits differ with it."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def two_tastes():
    from tests import worlds

    return worlds.two_tastes()


@pytest.fixture(scope="session")
def small_world():
    """600 synthetic ratings of 30 items by 40 users."""
    from reeltune.trainables.data import load_data

    return load_data("synthetic:users=40,items=30,ratings=600")


@pytest.fixture(scope="session")
def small_shape(small_world):
    from tests import worlds

    return worlds.shape_of(small_world)


@pytest.fixture
def stars():
    """The scale of whole stars, 1 to 5."""
    from tests import worlds

    return worlds.STARS


@pytest.fixture
def side_tables(tmp_path, monkeypatch):
    """Two side tables of ten users, below the current folder."""
    monkeypatch.chdir(tmp_path)
    for name, teams in {"users": "ab", "others": "abc"}.items():
        lines = [f"u{number},{teams[number % len(teams)]}" for number in range(10)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["user,team", *lines]))
