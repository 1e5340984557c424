"""The main job from one end to the other, as `reeltune tune --smoke-test` runs it."""

import json
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

import reeltune as rt
from reeltune import load
from reeltune.cluster.commands import train
from reeltune.cluster.runs.folder import Ledger
from reeltune.cluster.runs.spent import Spent
from reeltune.cluster.search.choice import SEEDS
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data import load_data, split
from tests import inside

TRIALS = 2 * len(ARCHITECTURES)
STAGES = ("search", "confirm")
SMOKE = [sys.executable, "-m", "reeltune", "tune", "--smoke-test"]


def environment(folder):
    import os

    return {**os.environ, "REELTUNE_CACHE": str(folder / "cache")}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished smoke test: its folder, what it printed, and the JSON."""
    folder = tmp_path_factory.mktemp("journey")
    command = [*SMOKE, "--name", "smoke", "--json"]
    done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "runs" / "smoke", done, json.loads(done.stdout)


def test_standard_output_is_one_json_object_of_the_promised_shape(run):
    _, done, result = run
    assert done.stdout.count("\n") == 1
    about = {"run", "metric", "trials", "trials_asked", "seconds", "spent", "winner", "folds", "ranking"}
    assert set(result) == {*about, "weight_column", "baseline", "simple", "architectures"}
    assert set(result["trials"]) == {"done", "stopped", "failed"}
    assert sum(result["trials"].values()) == TRIALS
    assert list(result["architectures"]) == [*ARCHITECTURES, "ensemble"]
    gains = {"gain", "gain_over_simple", "gain_over_tuned_pmf"}
    judged = {*gains, "ci95", "p", "p_holm", "needed_users", "needed_ratings", "missing", "verdict"}
    promised = {"config", "timed", "validation", "test", "on_bounds", "dropped", *judged}
    for found in result["architectures"].values():
        assert set(found) == promised
        assert found["verdict"] in {"beats", "worse", "undecided", "is the baseline"}
        assert found["ci95"][0] <= found["gain"] <= found["ci95"][1]


def test_progress_is_plain_lines_without_other_libraries_noise(run):
    _, done, _ = run
    lines = done.stderr.splitlines()
    assert "\x1b" not in done.stderr
    assert not [line for line in lines if "Warning" in line or "raylet" in line or "INFO" in line], done.stderr
    assert sum(f"/{TRIALS}]" in line for line in lines) == TRIALS


def test_the_winner_is_the_lowest_validation_error(run):
    _, _, result = run
    errors = {name: found["validation"]["argmax_mse"] for name, found in result["architectures"].items()}
    assert result["winner"] == min(errors, key=errors.get)


def test_the_gain_is_that_of_the_predictions_on_the_very_test_rows_of_the_split(run):
    folder, _, result = run
    predictions = pd.read_parquet(folder / "predictions.parquet")
    rows = load_data("synthetic:ratings=2000").rows
    expected = np.random.default_rng(42).permutation(2000)[:400]
    assert predictions["row"].tolist() == expected.tolist()
    assert predictions["rating"].tolist() == rows.ratings[expected].tolist()

    def error(name):
        columns = [name, *(f"{name}.seed{place}" for place in range(2, SEEDS + 1) if name != "ensemble")]
        return np.mean([(predictions[column] - predictions["rating"]) ** 2 for column in columns])

    for name, found in result["architectures"].items():
        assert found["test"]["argmax_mse"] == pytest.approx(error(name), abs=1e-6)
        assert found["gain"] == pytest.approx(error("baseline") - error(name), abs=1e-6)


def test_the_intervals_are_judged_on_the_test_rows_as_predict_gives_them(run):
    folder, _, result = run
    predictions = pd.read_parquet(folder / "predictions.parquet")
    found = json.loads((folder / "verdict.json").read_text())["intervals"]
    assert list(found) == list(result["architectures"])
    for name, scores in found.items():
        rated = rt.load(folder / "models" / name).predict(predictions[["user", "item", "timestamp"]], intervals=True)
        for level in (80, 95):
            low, high = rated[f"low_{level}"], rated[f"high_{level}"]
            within = predictions["rating"].between(low - 1e-6, high + 1e-6)
            assert scores[f"within{level}"] == pytest.approx(within.mean())
            assert scores[f"width{level}"] == pytest.approx((high - low).mean(), rel=1e-5)


def test_an_ensemble_averages_every_refit_of_the_architectures_with_a_weight(run):
    folder, _, result = run
    weights = result["architectures"]["ensemble"]["config"]["weights"]
    assert list(weights) == list(ARCHITECTURES)
    assert sum(weights.values()) == pytest.approx(1)
    members = load(folder / "models" / "ensemble").model.config.members
    assert {name: (member.weight, member.fits) for name, member in members.items()} == {
        name: (weight, 3) for name, weight in weights.items() if weight
    }


def test_an_ensemble_takes_of_a_class_head_the_decoder_that_is_better_on_validation_rows(run):
    folder, _, result = run
    members = load(folder / "models" / "ensemble").model.config.members
    for name, member in members.items():
        validation = result["architectures"][name]["validation"]
        better = "argmax" if validation["argmax_mse"] < validation["mean_mse"] else "mean"
        assert member.decoder == better


def test_each_bundle_gives_its_column_of_the_predictions(run):
    folder, _, result = run
    predictions = pd.read_parquet(folder / "predictions.parquet")
    pairs = predictions["user"], predictions["item"], predictions["timestamp"].to_numpy()
    for name in result["architectures"]:
        ratings = load(folder / "models" / name).predict(*pairs)
        np.testing.assert_allclose(ratings, predictions[name], atol=1e-5)


def test_the_short_report_answers_first_and_the_page_shows_each_confusion_matrix(run):
    folder, _, result = run
    lines = (folder / "report.md").read_text().splitlines()
    assert len(lines) <= 40
    assert lines[2].startswith("**")
    assert result["winner"] in lines[2]
    page = (folder / "report.html").read_text()
    for name in [*result["architectures"], "baseline"]:
        assert f'aria-label="Confusion matrix of {name}"' in page
    assert page.count("weighted avg") == len(result["architectures"]) + 1


def test_the_core_seconds_are_those_of_the_fits_and_no_more_than_there_were(run):
    folder, _, result = run
    entries, spent = Ledger(folder / "trials.jsonl").entries, Spent.model_validate(result["spent"])
    for name in ARCHITECTURES:
        took = {
            stage: sum(e.seconds for e in entries if (e.architecture, e.stage) == (name, stage)) for stage in STAGES
        }
        assert spent.fits[name].trials == pytest.approx(took["search"], abs=0.001)
        assert spent.fits[name].confirmations == pytest.approx(took["confirm"], abs=0.001)
    assert list(spent.fits) == [*ARCHITECTURES, "baseline"]
    assert 0 < spent.all_fits.total < spent.available
    assert '<h2 id="time">Where the time went</h2>' in (folder / "report.html").read_text()
    assert "\n- core seconds: search " in (folder / "report.md").read_text()


def test_the_one_look_at_the_test_rows_is_written_down(run):
    folder, _, _ = run
    looks = (folder.parent.parent / "cache" / "looks.jsonl").read_text().splitlines()
    assert len(looks) == 1
    parts = split(load_data("synthetic:ratings=2000").rows, seed=42)
    assert json.loads(looks[0])["rows"] == parts.test._rows.fingerprint()


def test_the_verdict_of_the_run_again_is_the_same_and_one_look_more(run, tmp_path):
    folder, _, result = run
    shutil.copytree(folder.parents[1], tmp_path, dirs_exist_ok=True)
    again = json.loads(inside.reeltune("verdict", "smoke", "--json").stdout)
    assert again["look"] == 2
    assert again["architectures"].keys() == result["architectures"].keys()
    for name, found in result["architectures"].items():
        for key in ("gain", "ci95", "p", "p_holm", "gain_over_tuned_pmf"):
            assert again["architectures"][name][key] == pytest.approx(found[key], abs=1e-6)


def test_a_run_is_not_resumed_with_another_baseline(run, monkeypatch):
    folder, _, _ = run
    monkeypatch.chdir(folder.parents[1])
    done = inside.reeltune("tune", "--smoke-test", "--name", "smoke", "--resume", "--baseline", "0.829")
    assert done.returncode == 2
    assert "--resume: baseline was 'pmf' in run smoke and is '0.829' now" in done.stderr


def test_the_verdict_file_holds_the_answer_and_what_is_behind_it(run):
    folder, _, result = run
    verdict = json.loads((folder / "verdict.json").read_text())
    assert {key: verdict[key] for key in result} == result
    assert verdict["look"] == 1
    assert verdict["test_rows"]["count"] == 400
    assert len(verdict["seeds"]["pmf"]["metrics"]) == SEEDS


def test_tensorboard_has_what_was_chosen_of_each_architecture(run):
    folder, _, result = run
    chosen = folder / "tensorboard" / "chosen"
    assert {path.name for path in chosen.iterdir()} == set(result["architectures"])
    assert all(list(path.glob("events.*")) for path in chosen.iterdir())


def test_nothing_is_left_running_or_half_written(run):
    folder, _, _ = run
    assert not [path for path in folder.rglob("*") if ".tmp" in path.name]
    assert not (folder / "fits").exists()
    assert json.loads((folder / "run.json").read_text())["finished"]


def _until(path, count):
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if path.exists() and path.read_text().count("\n") >= count:
            return
        time.sleep(0.02)
    raise AssertionError(f"{path} never got {count} lines")


CUT = ["tune", "bias", "pmf", "svdpp_classifier", "--smoke-test", "--concurrent", "1", "--json"]
CUT_TRIALS = 2 * 3


@pytest.fixture(scope="module")
def undisturbed(resources, tmp_path_factory):
    """What a search of a solved architecture, a regression and a class head comes to."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch, inside.ray_stays(lean=True):
        patch.chdir(folder)
        patch.setenv("REELTUNE_CACHE", str(folder / "cache"))
        done = inside.reeltune(*CUT, "--name", "whole")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_a_search_cut_off_is_taken_up_again_and_ends_as_an_undisturbed_one(
    undisturbed, lean_ray, tmp_path, number, code
):
    words = [*CUT, "--name", "cut"]
    first = subprocess.Popen(
        [sys.executable, "-m", "reeltune", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(tmp_path),
    )
    ledger = Path("runs/cut/trials.jsonl")
    _until(ledger, 3)
    children = psutil.Process(first.pid).children(recursive=True)
    agents = [process for process in children if process.name().endswith("Agent")]
    first.send_signal(number)
    _, errors = first.communicate(timeout=60)
    assert first.returncode == code
    kept = Ledger(ledger).entries
    if number != signal.SIGKILL:
        assert errors.splitlines()[-1].endswith(f"{' '.join(words)} --resume")
    if number == signal.SIGKILL:  # Ray's own agents outlive a killed driver by a minute
        children = [process for process in children if process not in agents]
    _, alive = psutil.wait_procs(children, timeout=60)
    for process in agents:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    assert not alive, "Ray's processes are gone with the search"
    done = inside.reeltune(*words, "--resume")
    assert done.returncode == 0, done.stderr
    entries = Ledger(ledger).entries
    assert entries[: len(kept)] == kept
    assert len({entry.trial for entry in entries}) == len(entries)
    result = json.loads(done.stdout)
    assert sum(result["trials"].values()) == CUT_TRIALS
    assert result["architectures"] == undisturbed["architectures"]
    assert result["spent"]["resumed"]
    assert not undisturbed["spent"]["resumed"]


FIT = ["train", "pmf", "--data", "synthetic", "--set", "epochs=120", "--json"]


@pytest.fixture(scope="module")
def undisturbed_fit(tmp_path_factory):
    """The validation errors and the weights that a fit comes to."""
    folder = tmp_path_factory.mktemp("undisturbed-fit")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("REELTUNE_CACHE", str(folder / "cache"))
        done = inside.reeltune(*FIT, "--name", "whole")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["validation"], (folder / "runs/whole/models/pmf/model.safetensors").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_a_fit_cut_off_is_taken_up_from_its_last_state_and_ends_with_the_same_weights(undisturbed_fit, number, code):
    words = [*FIT, "--checkpoint-every", "0.5", "--name", "cut"]
    first = subprocess.Popen(
        [sys.executable, "-m", "reeltune", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    end = time.monotonic() + 120
    # A state that is still being written begins with a dot.
    while not list(Path("runs/cut/fits").glob("[!.]*.state*")) and time.monotonic() < end:
        time.sleep(0.02)
    first.send_signal(number)
    _, errors = first.communicate(timeout=60)
    assert first.returncode == code, errors
    assert "go on with: reeltune train pmf" in errors.splitlines()[-1]
    resumed = inside.reeltune(*words, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert "epoch 1 of 120" not in resumed.stderr
    weights = Path("runs/cut/models/pmf/model.safetensors").read_bytes()
    assert (json.loads(resumed.stdout)["validation"], weights) == undisturbed_fit
    assert not Path("runs/cut/fits").exists()


def files_of(folder):
    """The names of a run's files, and in place of event files, which have the time in their names, their folders."""
    names = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return sorted(str(name.parent if "tfevents" in name.name else name) for name in names)


@pytest.mark.slow
def test_a_fit_in_this_process_leaves_what_one_on_a_worker_of_rays_leaves(ray_stays, monkeypatch):
    words = ["train", "svdpp_classifier", "--data", "synthetic", "--set", "epochs=3", "--score-test", "--json"]
    here = inside.reeltune(*words, "--name", "one")
    monkeypatch.setattr(train, "needs_no_ray", lambda options: False)
    there = inside.reeltune(*words, "--name", "other")
    assert "starting Ray" not in here.stderr
    assert "starting Ray" in there.stderr
    results = [json.loads(done.stdout) for done in (here, there)]
    one, other = ({**result, "fit_seconds": 0, "model": ""} for result in results)
    assert one == other
    assert files_of(Path("runs/one")) == files_of(Path("runs/other"))
    weights = [Path(f"runs/{name}/models/svdpp_classifier/model.safetensors").read_bytes() for name in ("one", "other")]
    assert weights[0] == weights[1]
