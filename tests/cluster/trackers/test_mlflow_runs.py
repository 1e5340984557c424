"""Runs in a real MLflow server, which may go down."""

import json
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

import reeltune as rt
from reeltune.cluster.runs.answer import EACH_WINNER
from reeltune.cluster.runs.folder import RunFolder, read_entries
from reeltune.cluster.runs.record import AskedToTune
from reeltune.cluster.trackers import behind, opened
from reeltune.cluster.trackers.asked import AskedTracker
from reeltune.cluster.trackers.mlflow_runs import MlflowRuns
from reeltune.cluster.tracking.tracker import FitEnd, TrackedFit
from tests import inside, mlflow_server, s3

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

WORLD = "synthetic:users=40,items=30,ratings=600"


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    with mlflow_server.server(tmp_path_factory.mktemp("mlflow")) as port:
        yield port


@pytest.fixture(scope="module")
def client(port):
    return MlflowClient(f"http://127.0.0.1:{port}")


@pytest.fixture(scope="module")
def search(one_ray, port, tmp_path_factory):
    """A search of one trial that has gone on to two: its folder, and what each of the two commands printed."""
    one_ray.start()
    folder = tmp_path_factory.mktemp("search")
    words = ["tune", "pmf", "--data", WORLD, "--name", "films", "--concurrent", "1", "--json"]
    words += ["--tracker", f"mlflow=http://127.0.0.1:{port}"]
    with pytest.MonkeyPatch.context() as patch, inside.ray_stays(lean=True):
        patch.chdir(folder)
        patch.setenv("REELTUNE_CACHE", str(folder / "cache"))
        done = [inside.reeltune(*words, "--trials", "1"), inside.reeltune(*words, "--trials", "2", "--resume")]
    assert [each.returncode for each in done] == [0, 0], done[-1].stderr
    return folder / "runs" / "films", done


def runs_of(client):
    experiment = client.get_experiment_by_name("reeltune").experiment_id
    return client.search_runs([experiment], max_results=1000)


def below(client, run):
    found = [each for each in runs_of(client) if each.data.tags.get("mlflow.parentRunId") == run.info.run_id]
    return {each.info.run_name: each for each in found}


def named(client, name):
    [run] = [each for each in runs_of(client) if each.info.run_name == name]
    return run


def test_runs_are_nested_by_architecture_and_a_resumed_search_goes_on_in_them(search, client):
    folder, _ = search
    run = named(client, "films")
    assert set(below(client, run)) == {"pmf"}
    fits = below(client, below(client, run)["pmf"])
    ledger = {
        json.loads(line)["trial"]: json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()
    }
    assert {"pmf-000", "pmf-001"} <= ledger.keys() <= fits.keys()
    assert {name for name in fits if name not in ledger} <= {
        f"refits/baseline-seed-{seed}" for seed in (42, 43, 44)
    } | {f"refits/pmf-seed-{seed}" for seed in (42, 43, 44)}
    assert run.data.tags["trials"] == "2"
    assert {each.info.status for each in (run, *fits.values())} == {"FINISHED"}


def test_a_fit_has_its_hyperparameters_its_curve_and_its_error(search, client):
    folder, _ = search
    entry = next(read_entries(folder / "trials.jsonl"))
    fit = named(client, entry.trial)
    assert {name: json.loads(value) for name, value in fit.data.params.items()} == entry.config
    assert fit.data.metrics["value"] == entry.value
    curve = client.get_metric_history(fit.info.run_id, "validation_mse")
    assert [point.step for point in curve] == list(range(1, entry.epochs + 1))
    assert fit.data.tags["stage"] == "search"


def test_a_search_that_goes_on_to_another_configuration_has_its_refits_beside_those_of_before(port, client, tmp_path):
    place, folder = f"http://127.0.0.1:{port}", RunFolder(tmp_path / "runs" / "extended")
    asked = AskedToTune(data=WORLD, architectures=["pmf"], trials=1)
    for factors in (8, 16, 16):  # in a session each; the last one ends what was cut off in the second
        runs, _ = MlflowRuns.opened(AskedTracker(kind="mlflow", where=place), folder, asked)
        config = {"factors": factors}
        runs.began(TrackedFit(name="refits/pmf-seed-42", architecture="pmf", stage="refit", config=config))
        runs.ended("refits/pmf-seed-42", FitEnd(state="done", epochs=1))
        runs.finished("done")
    above = below(client, named(client, "extended"))["pmf"].info.run_id
    refits = [each for each in runs_of(client) if each.data.tags.get("mlflow.parentRunId") == above]
    assert sorted(each.data.params["factors"] for each in refits) == ["16", "8"]
    assert {each.info.run_name for each in refits} == {"refits/pmf-seed-42"}
    assert {each.info.status for each in refits} == {"FINISHED"}


def test_the_run_has_the_verdict_the_report_and_the_winner(search, client):
    folder, done = search
    run = named(client, "films")
    answer = json.loads(done[1].stdout)
    assert run.data.tags["winner"] == answer["winner"]
    there = {each.path for each in client.list_artifacts(run.info.run_id)}
    assert there == {"verdict.json", "verdict.csv", "report.html", "report.md", "model"}
    table = pd.read_csv(client.download_artifacts(run.info.run_id, "verdict.csv"))
    assert table["architecture"].tolist() == ["baseline", *answer["architectures"]]
    page = Path(client.download_artifacts(run.info.run_id, "report.html"))
    assert page.read_text() == (folder / "report.html").read_text()


def test_the_verdict_over_folds_is_in_the_whole_run(lean_ray, client, port, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["tune", "bias", "--data", WORLD, "--folds", "2", "--trials", "1", "--name", "both", "--json"]
    done = inside.reeltune(*words, "--tracker", f"mlflow=http://127.0.0.1:{port}")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("MLflow: http://127.0.0.1:") == 3, "the whole run, and each fold"
    answer = json.loads(done.stdout)
    run, folds = named(client, "both"), [named(client, f"both-fold-{number}") for number in (1, 2)]
    assert {each.info.status for each in (run, *folds)} == {"FINISHED"}
    assert run.data.tags["winner"] == answer["winner"] == EACH_WINNER
    assert run.data.metrics["gain"] == pytest.approx(answer["architectures"][EACH_WINNER]["gain"])
    assert set(below(client, run)) == {"bias", EACH_WINNER}
    there = {each.path for each in client.list_artifacts(run.info.run_id)}
    assert there == {"verdict.json", "verdict.csv", "report.html", "report.md"}
    assert "model" in {each.path for each in client.list_artifacts(folds[0].info.run_id)}


def test_the_winner_rates_as_its_bundle_does(search, client, port, monkeypatch):
    folder, _ = search
    run = named(client, "films")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    model = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    pairs = pd.DataFrame({"user": ["u1", "u2", "nobody"], "item": ["i1", "i2", "i3"]})
    bundle = rt.load(folder / "models" / run.data.tags["winner"])
    assert np.array_equal(model.predict(pairs), bundle.predict(pairs["user"], pairs["item"]).astype(float))


def test_the_result_alone_is_on_standard_output(search):
    for done in search[1]:
        json.loads(done.stdout)
        assert done.stderr.count("MLflow: http://127.0.0.1:") == 1


def test_what_mlflow_cannot_write_to_is_one_error_before_anything_runs(tmp_path):
    done = inside.reeltune("train", "pmf", "--data", WORLD, "--name", "one", "--tracker", "mlflow=foo://bar")
    assert done.returncode == 2
    assert "unsupported URI 'foo://bar'" in done.stderr
    done = inside.reeltune("train", "pmf", "--data", WORLD, "--name", "one", "--tracker", "mlflow=http://127.0.0.1:9")
    assert done.returncode == 2
    assert "error: --tracker mlflow: http://127.0.0.1:9 cannot be written: Connection refused; start" in done.stderr
    assert not (tmp_path / "runs" / "one").exists(), "the name is free"


@pytest.fixture
def falls(port, monkeypatch):
    """A server behind a proxy, which is down as soon as the run is opened."""
    monkeypatch.setattr(behind, "PAUSE", 0.2)
    monkeypatch.setattr(behind, "GIVEN_UP", 3.0)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with s3.proxied(port) as proxy:
        opens = opened._open

        def then_down(*words):
            found = opens(*words)
            proxy.fault = "down"
            return found

        monkeypatch.setattr(opened, "_open", then_down)
        yield proxy


def test_a_server_that_goes_down_ends_no_fit_and_what_is_missing_is_said(falls, tmp_path):
    words = ["train", "pmf", "--data", WORLD, "--set", "epochs=3", "--name", "down", "--json"]
    done = inside.reeltune(*words, "--tracker", f"mlflow=http://127.0.0.1:{falls.port}")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["epochs"] == 3
    said = [line for line in done.stderr.splitlines() if line.startswith("MLflow:")]
    assert len(said) == 3
    assert said[1].startswith("MLflow: pmf is not written yet: ")
    assert said[2].startswith("MLflow: not written: pmf, the errors and the model, the end of the run;")


def test_what_a_server_missed_is_written_once_it_is_back(falls, client, monkeypatch):
    monkeypatch.setattr(behind, "GIVEN_UP", 60.0)
    ends = behind.Behind.end

    def back(self, *words, **options):
        falls.fault = None
        ends(self, *words, **options)

    monkeypatch.setattr(behind.Behind, "end", back)
    model = rt.train(WORLD, "pmf", epochs=3, name="back", tracker=f"mlflow=http://127.0.0.1:{falls.port}")
    run = named(client, "back")
    assert run.info.status == "FINISHED"
    assert [point.step for point in client.get_metric_history(run.info.run_id, "train_loss")] == [1, 2, 3]
    assert run.data.metrics["validation_mean_mse"] == model.validation["mean_mse"]


def test_a_refused_uri_is_in_no_file_and_a_secret_of_the_environment_neither(port, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:hidden@127.0.0.1:{port}")
    done = inside.reeltune("train", "pmf", "--data", WORLD, "--name", "one", "--tracker", "mlflow")
    assert done.returncode == 0, done.stderr
    written = [path for path in RunFolder(tmp_path / "runs" / "one").path.rglob("*") if path.is_file()]
    assert written
    assert not [path for path in written if b"hidden" in path.read_bytes()]
    assert "hidden" not in done.stdout + done.stderr
    assert "***@127.0.0.1" in done.stderr
