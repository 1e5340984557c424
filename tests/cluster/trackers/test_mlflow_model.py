"""A bundle as a model of MLflow rates as the bundle does."""

import numpy as np
import pandas as pd
import pytest
from mlflow import pyfunc

from reeltune.cluster.trackers.mlflow_model import write_model
from reeltune.trainables.bundle import load
from reeltune.trainables.errors import InputError
from tests import inside

PAIRS = pd.DataFrame({"user": ["u1", "u2", "nobody"], "item": ["i1", "i2", "i3"]})


@pytest.fixture
def trained(tmp_path):
    """Trains an architecture, and returns the bundle's folder."""

    def trained(word, name):
        options = ["--set", "epochs=1", "--name", name]
        assert inside.reeltune("train", word, "--data", "synthetic:users=40,items=30,ratings=600", *options)
        return tmp_path / "runs" / name / "models" / name

    return trained


def test_it_gives_the_bundles_ratings_for_ids_of_text_or_numbers(trained, tmp_path):
    bundle = trained("pmf", "pmf")
    write_model(bundle, tmp_path / "model")
    model = pyfunc.load_model(str(tmp_path / "model"))
    expected = load(bundle).predict(PAIRS["user"], PAIRS["item"])
    assert np.array_equal(model.predict(PAIRS), expected.astype(float))
    assert model.predict(pd.DataFrame({"user": [1, 2], "item": [3, 4]})).shape == (2,)
    assert "pickle" not in (tmp_path / "model" / "MLmodel").read_text()
    with pytest.raises(Exception, match="item"):
        model.predict(PAIRS[["user"]])


def test_an_own_architectures_source_is_named_where_its_model_is_loaded(trained, tmp_path):
    assert inside.reeltune("new", "odd").returncode == 0
    bundle = trained("odd.py", "odd")
    write_model(bundle, tmp_path / "model")
    with pytest.raises(InputError, match="odd"):
        pyfunc.load_model(str(tmp_path / "model"))
    model = pyfunc.load_model(str(tmp_path / "model"), model_config={"architecture": "odd.py"})
    expected = load(bundle, architecture="odd.py").predict(PAIRS["user"], PAIRS["item"])
    assert np.array_equal(model.predict(PAIRS), expected.astype(float))
