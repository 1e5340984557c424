"""Weights & Biases' runs, in its offline mode."""

import json

import pytest

from reeltune.cluster.runs.folder import RunFolder
from reeltune.cluster.runs.record import AskedToTune
from reeltune.cluster.tracking.tracker import FitEnd, TrackedFit
from tests import inside

wandb = pytest.importorskip("wandb", reason="wandb is not installed: pip install '.[wandb]'")

WORLD = "synthetic:users=40,items=30,ratings=600"


@pytest.fixture(autouse=True)
def service(monkeypatch):
    """W&B's own process, which runs from its first run on, ends with the test."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    yield
    wandb.teardown()


def runs_in(folder):
    """What was written of each offline run, as bytes; its records have names and values as text."""
    wandb.teardown()  # its process writes the last of them when it ends
    return [next(path.glob("*.wandb")).read_bytes() for path in sorted((folder / "wandb").glob("offline-run-*"))]


def test_a_fit_is_a_run_with_its_hyperparameters_its_curve_and_its_model(tmp_path):
    words = ["train", "pmf", "--data", WORLD, "--set", "epochs=2", "--name", "one", "--json"]
    done = inside.reeltune(*words, "--tracker", "wandb=films")
    assert done.returncode == 0, done.stderr
    assert f"Weights & Biases: offline, in {tmp_path / 'wandb'}; wandb sync --sync-all sends it" in done.stderr
    assert json.loads(done.stdout)["epochs"] == 2
    [run] = runs_in(tmp_path)
    for part in (b"films", b"learning_rate", b"train_loss", b"validation_mse", b"one-model", b"model.safetensors"):
        assert part in run


def test_a_run_whose_name_wandb_refuses_for_artifacts_has_its_model_there_by_a_name_that_it_takes(tmp_path):
    words = ["train", "pmf", "--data", WORLD, "--set", "epochs=1", "--name", "zwölf Filme"]
    done = inside.reeltune(*words, "--tracker", "wandb")
    assert done.returncode == 0, done.stderr
    assert "not written" not in done.stderr
    [run] = runs_in(tmp_path)
    assert b"zw-lf-Filme-model" in run
    assert "zwölf Filme".encode() in run, "the run itself has its own name"


def test_a_search_that_goes_on_to_another_configuration_has_its_refits_beside_those_of_before(tmp_path):
    from reeltune.cluster.trackers.wandb_runs import WandbRuns  # it imports wandb

    group = WandbRuns("films", RunFolder(tmp_path), AskedToTune(data=WORLD, architectures=["pmf"], trials=1))
    group.open()
    for factors in (8, 16, 16):
        config = {"factors": factors}
        group.began(TrackedFit(name="refits/pmf-seed-42", architecture="pmf", stage="refit", config=config))
        group.ended("refits/pmf-seed-42", FitEnd(state="done", epochs=1))
    group.finished("done")
    assert len(set(group.kept.ids.values())) == 3, "the run and two refits"


@pytest.mark.slow
def test_a_search_is_a_group_of_runs_with_its_verdict(tmp_path, lean_ray):
    words = ["tune", "pmf", "--data", WORLD, "--trials", "1", "--name", "two", "--json"]
    done = inside.reeltune(*words, "--tracker", "wandb")
    assert done.returncode == 0, done.stderr
    runs = runs_in(tmp_path)
    ledger = (tmp_path / "runs" / "two" / "trials.jsonl").read_text().splitlines()
    assert len(runs) > 1 + len(ledger), "the run, its fits and its refits"
    assert all(b"reeltune" in run for run in runs)
    [table] = (tmp_path / "wandb").glob("*/files/media/table/verdict_*.json")
    rows = json.loads(table.read_text())["data"]
    answer = json.loads(done.stdout)
    assert [row[0] for row in rows] == ["baseline", *answer["architectures"]]
    assert any(b"two-report" in run and b"two-model" in run for run in runs)


@pytest.mark.slow
def test_the_verdict_over_folds_is_in_the_whole_run(tmp_path, lean_ray):
    words = ["tune", "bias", "--data", WORLD, "--folds", "2", "--trials", "1", "--name", "both", "--json"]
    done = inside.reeltune(*words, "--tracker", "wandb")
    assert done.returncode == 0, done.stderr
    runs, answer = runs_in(tmp_path), json.loads(done.stdout)
    tables = [json.loads(path.read_text())["data"] for path in (tmp_path / "wandb").glob("*/files/media/table/*.json")]
    assert len(tables) == 3, "of each fold, and of the whole run"
    assert ["baseline", *answer["architectures"]] in [[row[0] for row in table] for table in tables]
    assert any(b"both-report" in run and b"both-model" not in run for run in runs)


def test_without_a_key_or_a_server_nothing_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    done = inside.reeltune("train", "pmf", "--data", WORLD, "--name", "one", "--tracker", "wandb")
    assert done.returncode == 2
    assert "error: --tracker wandb: no API key is known: set WANDB_API_KEY" in done.stderr
    assert not (tmp_path / "runs" / "one").exists(), "the name is free"
