import fcntl
import gc
import os
import re
import shutil
import signal
import uuid
from contextlib import ExitStack, contextmanager

import numpy as np
import pytest

from reeltune.cluster.runs.folder import Ledger, RunFolder
from reeltune.cluster.session.session import session
from tests import inside, s3
from tests.searches import EVERY_END, searched
from tests.served import bundle_at, served
from tests.worlds import small_parts


class OneRay:
    """A real Ray on this machine, with its CPUs, for all tests that need one: each start takes seconds."""

    def __init__(self):
        self.session = ExitStack()
        self.resources = None

    def start(self):
        if self.resources is None:
            self.resources = self.session.enter_context(session(None))
        return self.resources

    def end(self):
        """Before a test that has a Ray of another kind in this process."""
        self.resources = None
        self.session.close()


@pytest.fixture(scope="session")
def one_ray():
    ray = OneRay()
    yield ray
    ray.end()


@pytest.fixture(scope="module")
def resources(one_ray):
    """What the one Ray has."""
    return one_ray.start()


@pytest.fixture
def ray_stays(resources):
    """A command that is run in this process takes the one Ray, and leaves it up."""
    with inside.ray_stays():
        yield


@pytest.fixture
def lean_ray(resources):
    """The same, for a command of which no test asks how many processes it starts."""
    with inside.ray_stays(lean=True):
        yield


@contextmanager
def made_once(folder):
    """Whether a folder is still to be made, for one of the processes that share the tests; the others wait for it."""
    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = folder.with_suffix(".made")
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        yield not made.exists()
        made.touch()


@pytest.fixture(scope="session")
def common(tmp_path_factory):
    """A folder of all the processes that share the tests."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def finished_search(one_ray, small, common):
    """The folder and the ledger of a search in which every way for a trial to end has come up, for all to read."""
    folder = common / "search"
    with made_once(folder) as to_do:
        if to_do:
            one_ray.start()
            searched(small, folder, space=EVERY_END, trials=12)
    return folder, Ledger(RunFolder(folder).ledger)


@pytest.fixture(scope="session")
def small():
    """Ratings, their split and shape: small enough for a fit in a blink."""
    return small_parts()


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """Runs and the ledger of looks go to a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REELTUNE_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def no_search_for_garbage():
    """Python may look for garbage late: what is to end must be ended, and not wait for that."""
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def signals():
    """An interrupt leaves them ignored: a process is on its way out then."""
    earlier = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in earlier.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def s3_port(tmp_path_factory):
    """A real S3 server's."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3.ENVIRONMENT.items():
            patch.setenv(name, value)
        with s3.server(tmp_path_factory.mktemp("s3")) as port:
            yield port


@pytest.fixture
def bucket(request):
    """A name that no other test has."""
    return re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:50].strip("-") + f"-{uuid.uuid4().hex[:6]}"


@pytest.fixture
def film_ratings():
    """Somebody's own ratings: string ids, a scale of 1 to 10, and taste in them."""
    draw = np.random.default_rng(5)
    rows = []
    for user in range(40):
        for item in draw.choice(30, size=20, replace=False):
            liked = (user % 2) == (item % 2)
            score = int(np.clip(draw.normal(8 if liked else 3, 1), 1, 10))
            rows.append((f"käthe-{user}", f"film, the {item}", score))
    return rows


@pytest.fixture(scope="session")
def bundles(tmp_path_factory):
    """Two bundles of the same data with other weights."""
    folder = tmp_path_factory.mktemp("bundles")
    return [bundle_at(folder / f"seed-{seed}", seed=seed) for seed in (1, 2)]


@pytest.fixture(scope="session")
def service(bundles, tmp_path_factory):
    """A service of the first bundle, for all tests that leave it as it is."""
    with served(bundles[0], folder=tmp_path_factory.mktemp("service")) as found:
        yield found
