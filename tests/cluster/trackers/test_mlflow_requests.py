"""Whatever MLflow and the libraries below it raise is one reason, and no traceback."""

import sys

import pytest
from mlflow import MlflowClient

from reeltune.cluster.trackers.mlflow_requests import Requests
from reeltune.cluster.tracking.tracker import TrackerFailed
from tests import inside

# MLflow's tables are written for an older SQLAlchemy.
pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning")

WORLD = "synthetic:users=40,items=30,ratings=600"


def test_a_database_that_cannot_be_opened_is_one_line_before_anything_runs(tmp_path, monkeypatch):
    monkeypatch.setattr("mlflow.store.db.utils.MAX_RETRY_COUNT", 1)  # MLflow's own tries take 100 s
    place = f"sqlite:///{tmp_path}"  # a folder
    done = inside.reeltune("train", "pmf", "--data", WORLD, "--name", "one", "--tracker", f"mlflow={place}")
    assert done.returncode == 2
    assert f"error: --tracker mlflow: {place} cannot be written: OperationalError: " in done.stderr
    assert "unable to open database file" in done.stderr
    assert not (tmp_path / "runs" / "one").exists(), "the name is free"


def test_artifacts_whose_place_needs_a_library_that_is_not_there_are_a_failure_with_its_name(tmp_path, monkeypatch):
    place = f"sqlite:///{tmp_path}/mlflow.db"
    MlflowClient(place).create_experiment("far", artifact_location="s3://nowhere/files")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "far")
    monkeypatch.setitem(sys.modules, "boto3", None)
    requests = Requests(place)
    run = requests.create("one", {})
    with pytest.raises(TrackerFailed, match=r"ModuleNotFoundError: .*boto3"):
        requests.log_text(run, "architecture,test_error", "verdict.csv")
    assert requests.has(run), "the rest can be written"
