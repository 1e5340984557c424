import pytest

from reeltune.cluster.serving.answers import Answers
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.bundle import describe, load, save
from reeltune.trainables.data import load_data
from reeltune.trainables.fitting.fit import Fit
from reeltune.trainables.fitting.loop import run
from reeltune.trainables.folding.prior import learnt
from tests.served import served
from tests.worlds import shape_of, small_config

WORLD = "synthetic:users=40,items=30,ratings=600"


def bundle_at(path, name="svdpp", *, seed=1, **settings):
    """A bundle of a small fit, with which new users can be folded in."""
    data = load_data(WORLD)
    shape = shape_of(data)
    fit = Fit(ARCHITECTURES[name], small_config(name, **settings), shape, data.rows, seed=seed)
    list(run(fit))
    about = describe(
        name, fit.config, shape.scale, decoder="argmax", temperature=1.0, seed=seed, data=WORLD, metrics={}
    )
    weights = fit.model.served().state_dict()
    save(path, about, weights, data.users, data.items, fitted=data.rows, priors=learnt(fit.model, fit.rows, seed=seed))
    return path


@pytest.fixture(scope="session")
def bundles(tmp_path_factory):
    """Two bundles of the same data with other weights."""
    folder = tmp_path_factory.mktemp("bundles")
    return [bundle_at(folder / f"seed-{seed}", seed=seed) for seed in (1, 2)]


@pytest.fixture(scope="session")
def answers(bundles):
    """What the first of the bundles answers, without a service around it."""
    return Answers(load(bundles[0]), "first")


@pytest.fixture(scope="session")
def service(bundles, tmp_path_factory):
    """A service of the first bundle, for all tests that leave it as it is."""
    with served(bundles[0], folder=tmp_path_factory.mktemp("service")) as found:
        yield found
