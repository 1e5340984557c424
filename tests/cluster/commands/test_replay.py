"""`reeltune replay`, on a small run of `reeltune tune` and on what somebody changed in it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import ray
import torch

from reeltune.cluster.commands import replay as command
from reeltune.cluster.commands.replay import compared, reported_by
from reeltune.cluster.judging import scores as judged
from reeltune.cluster.judging.result import score_all
from reeltune.cluster.runs.find import find_run
from reeltune.cluster.runs.folder import RunFolder, write_json
from reeltune.cluster.runs.storage import Store
from reeltune.cluster.session.watchdog import GONE, ClusterLost
from reeltune.trainables.data.prepared import looks, prepare
from reeltune.trainables.errors import Unavailable
from reeltune.trainables.fitting.threads import on_threads
from reeltune.trainables.scoring.metric_table import Objective
from tests import inside

SPACE = """
[bias]
user_damping = 3.0
only = true

[classifier]
user_width = 4
item_width = 4
hidden = 8
epochs = 2
batch_size = 64
only = true
"""
TUNE = ["tune", "bias", "classifier", "--data", "films.csv", "--user-column", "whose", "--name", "known"]
TUNE += ["--trials", "1", "--concurrent", "1", "--space", "space.toml"]


@pytest.fixture(scope="module")
def home(resources, tmp_path_factory):
    """A folder with ratings, and a finished run on them."""
    folder, draw = tmp_path_factory.mktemp("replay"), np.random.default_rng(5)
    pairs = pd.DataFrame({"whose": draw.integers(0, 40, 800), "item": draw.integers(0, 30, 800)})
    liked = 2.0 + 2 * ((pairs["whose"] + pairs["item"]) % 2)
    pairs.assign(score=liked + draw.integers(0, 2, 800)).to_csv(folder / "films.csv", index=False)
    (folder / "space.toml").write_text(SPACE)
    with pytest.MonkeyPatch.context() as patch, inside.ray_stays(lean=True):
        patch.chdir(folder)
        patch.setenv("REELTUNE_CACHE", str(folder / "cache"))
        done = inside.reeltune(*TUNE)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def run(home, tmp_path):
    """The run, in a working folder of the test's own."""
    shutil.copytree(home, tmp_path, dirs_exist_ok=True)
    return find_run("known")


@pytest.fixture
def replay(run, lean_ray):
    def replay(*words):
        done = inside.reeltune("replay", "known", *words)
        return done.returncode, done.stdout, done.stderr

    return replay


def files(run):
    return {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}


def change(path, **changes):
    write_json(path, json.loads(path.read_text()) | changes)


def test_the_winner_is_trained_again_to_the_very_bit_and_the_run_stays_as_it_is(replay, run, monkeypatch):
    change(run.verdict, winner="ensemble")
    before, looked = files(run), len(looks().read_text().splitlines())
    threads = []
    monkeypatch.setattr(command, "score_all", lambda *args: threads.append(torch.get_num_threads()) or score_all(*args))
    with on_threads(4):
        code, out, err = replay()
    assert code == 0, out + err
    assert threads == [1], "as the run was judged: four threads add up in another order"
    assert out.startswith("ensemble of runs/known: argmax-MSE ")
    assert "\nit matches: all ratings are the same, bit for bit\nthis was look number 2 at these test rows\n" in out
    assert "note" not in err
    assert files(run) == before
    assert [json.loads(line)["reason"] for line in looks().read_text().splitlines()[looked:]] == ["replay, run known"]


def test_a_run_in_bfloat16_is_not_made_again_in_another_precision(replay, run):
    record = json.loads(run.record.read_text())
    record["asked"]["bf16"] = True
    write_json(run.record, record)
    code, out, err = replay()
    assert (code, out) == (2, "")
    assert "error: run known computed in bfloat16 (--bf16), which needs a GPU, and there is none" in err


@pytest.mark.slow
def test_another_configuration_than_the_reported_one_is_found_out(replay, run):
    verdict = json.loads(run.verdict.read_text())
    verdict["architectures"]["bias"]["config"]["user_damping"] = 30.0
    write_json(run.verdict, verdict)
    code, out, _ = replay("--architecture", "bias", "--json")
    result = json.loads(out)
    assert code == 1
    assert (result["architecture"], result["fits"], result["exact"], result["matches"]) == ("bias", 3, True, False)
    assert result["reported"] == verdict["architectures"]["bias"]["test"]["argmax_mse"]
    assert abs(result["replayed"] - result["reported"]) > result["tolerance"]
    assert result["largest_difference"] > 0


@pytest.mark.slow
def test_a_search_with_sharded_users_is_fitted_again_with_them(run, lean_ray):
    Path("sharded.toml").write_text(SPACE[SPACE.index("[classifier]") :])
    words = ["classifier", "--data", "films.csv", "--user-column", "whose", "--space", "sharded.toml", "--trials", "1"]
    done = inside.reeltune("tune", *words, "--baseline", "best-simple", "--shard", "users", "--name", "sharded")
    assert done.returncode == 0, done.stderr
    again = json.loads(inside.reeltune("replay", "sharded", "--json").stdout)
    assert (again["exact"], again["matches"], again["largest_difference"]) == (True, True, 0.0)
    record = find_run("sharded").record
    content = json.loads(record.read_text())
    assert content["asked"].pop("shard") == "users"
    write_json(record, content)  # as an earlier version wrote it: fits have other batches
    assert not json.loads(inside.reeltune("replay", "sharded", "--json").stdout)["matches"]


def without_verdict(run):
    run.verdict.unlink()


def of_an_earlier_version(run):
    verdict = json.loads(run.verdict.read_text())
    del verdict["probabilities"]
    write_json(run.verdict, verdict)


def without_predictions(run):
    run.predictions.unlink()


def without_winner(run):
    verdict = json.loads(run.verdict.read_text())
    found = {name: {**each, "test": None} for name, each in verdict["architectures"].items()}
    write_json(run.verdict, {**verdict, "architectures": found, "winner": None})


def with_other_ratings(run):
    lines = Path("films.csv").read_text().splitlines()
    Path("films.csv").write_text("\n".join([*lines[:-1], lines[0].replace("whose,item,score", "1,1,5")]) + "\n")


def of_another_kind(run):
    record = json.loads(run.record.read_text())
    write_json(
        run.record, {**record, "asked": {**record["asked"], "verb": "train", "architecture": "pmf", "config": {}}}
    )


@pytest.mark.parametrize(
    ("harm", "words", "message"),
    [
        (without_verdict, [], "runs/known: the search is not finished, and has reported no score to replay"),
        (of_an_earlier_version, [], "runs/known/verdict.json: an earlier version wrote it"),
        (without_predictions, [], "runs/known: the search is not finished"),
        (without_winner, [], "runs/known: the run has no winner"),
        (with_other_ratings, [], "films.csv has changed since run known: its hash was "),
        (of_another_kind, [], "runs/known: a run of `reeltune train`, which is one fit"),
        (lambda run: None, ["--architecture", "svd"], "--architecture 'svd': run known judged bias, classifier"),
        (lambda run: None, ["--workers", "99"], "99 workers need 99 "),
        (lambda run: None, ["--address", "127.0.0.1:1"], "--address 127.0.0.1:1: no Ray cluster there"),
        (lambda run: None, ["--address", "ray://127.0.0.1:1"], "--address ray://127.0.0.1:1: no Ray cluster there"),
    ],
)
def test_what_cannot_be_replayed_is_refused_in_one_line_without_a_look(replay, run, harm, words, message):
    harm(run)
    before, looked = files(run), looks().read_text()
    code, out, err = replay(*words)
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].startswith(f"error: {message}")
    assert (files(run), looks().read_text()) == (before, looked)


@pytest.fixture
def scored(run):
    """What the run reports of its classifier, and the very scores that its predictions are."""
    reported = reported_by(run, "classifier")
    prepared = prepare(reported.run.asked.options())
    rows, _ = prepared.split.test.open(looks(), reason="test")
    frame = pd.read_parquet(run.predictions)
    columns = ["classifier", "classifier.seed2", "classifier.seed3"]
    score = [judged.of_values(frame[each].to_numpy(), rows, prepared.shape, objective=Objective()) for each in columns]
    return reported, score, rows.number


def shifted(scores, by):
    """The same ratings but for one, and all metrics changed by so much."""
    ratings = scores[0].ratings.copy()
    ratings[3] += 0.5
    moved = [
        replace(each, metrics=replace(each.metrics, mse={**each.metrics.mse, "argmax": each.metrics.of("argmax") + by}))
        for each in scores
    ]
    return [replace(moved[0], ratings=ratings), *moved[1:]]


def test_in_the_same_conditions_one_other_rating_is_no_match(scored):
    reported, scores, numbers = scored
    assert compared(reported, scores, numbers, exact=True).matches
    other = compared(reported, shifted(scores, 0.0), numbers, exact=True)
    assert (other.matches, other.largest_difference) == (False, 0.5)


def test_in_other_conditions_the_error_may_differ_as_much_as_other_seeds_make_it(scored):
    reported, scores, numbers = scored
    spread = reported.answer.seeds["classifier"].spread
    found = compared(reported, shifted(scores, 4.9 * spread), numbers, exact=False)
    assert (found.matches, found.tolerance) == (True, pytest.approx(5 * spread))
    assert not compared(reported, shifted(scores, 5.1 * spread), numbers, exact=False).matches


def test_the_same_ratings_with_another_error_than_the_reported_one_are_no_match(scored):
    reported, scores, numbers = scored
    reported.answer.architectures["classifier"].test["argmax_mse"] -= 0.01
    found = compared(reported, scores, numbers, exact=True)
    assert (found.matches, found.largest_difference) == (False, 0)


@pytest.mark.slow
def test_what_is_not_as_it_was_is_named_and_bits_may_differ(replay, run):
    record = json.loads(run.record.read_text())
    change(run.record, versions=record["versions"] | {"torch": "1.0"}, commit="0" * 40)
    code, out, err = replay("--architecture", "bias", "--json")
    result = json.loads(out)
    assert (code, result["exact"], result["largest_difference"]) == (0, False, 0)
    assert len(result["changed"]) == 2
    assert f"note: not all is as it was, and so bits may differ: {'; '.join(result['changed'])}" in err
    assert result["changed"][0].startswith("torch was 1.0, is ")
    assert result["tolerance"] == pytest.approx(0.001 * result["reported"])


@pytest.mark.slow
def test_several_workers_replay_what_one_did(replay):
    code, out, err = replay("--architecture", "classifier", "--workers", "2", "--json")
    result = json.loads(out)
    assert (code, result["exact"], result["changed"]) == (0, False, ["workers was 1, is 2 now"]), err


def test_on_a_cluster_no_bit_is_promised_and_the_refits_are_kept_where_all_nodes_see_them(replay, run, monkeypatch):
    refit, stores = command.refit, []

    def seen(orders, prepared, **options):
        stores.append(Path(options["store"].where).parent)
        return refit(orders, prepared, **options)

    monkeypatch.setattr(command, "refit", seen)
    before = files(run)
    code, out, err = replay("--architecture", "bias", "--address", ray.get_runtime_context().gcs_address, "--json")
    assert code == 0, err
    result = json.loads(out)
    assert (result["exact"], result["matches"]) == (False, True)
    assert any(line.startswith("nodes was not recorded, is 1 node of a cluster") for line in result["changed"])
    assert stores == [run.path.absolute()]
    assert files(run) == before
    assert not list(run.path.glob(".replay-*"))


def test_refits_of_a_run_that_is_in_an_object_store_are_kept_there(resources, tmp_path):
    home = Store(str(tmp_path / "home"))
    with command._refits(RunFolder(tmp_path / "run", home), replace(resources, joined=True)) as kept:
        kept.write("a", b"x")
        assert [name.partition("-")[0] for name in home.names()] == [".replay"]
    assert home.names() == []


@pytest.mark.parametrize("error", [ClusterLost(), Unavailable("Ray did not start"), OSError(28, "No space left")])
def test_a_replay_that_is_cut_short_says_why_and_that_the_run_is_as_it_was(run, monkeypatch, error):
    def cut_short(*_):
        raise error

    monkeypatch.setattr("reeltune.cluster.commands.replay.replay", cut_short)
    done = inside.reeltune("replay", "known")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: {str(error) or GONE}; the run is as it was\n"


def test_where_the_look_cannot_be_written_down_nothing_is_fitted(run, monkeypatch):
    monkeypatch.setenv("REELTUNE_CACHE", "films.csv/cache")
    for verb in ("replay", "verdict"):
        done = inside.reeltune(verb, "known")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.count("\n") == 1
        assert "set REELTUNE_CACHE to a folder that can be written" in done.stderr
