"""`train`: how much is held out, and the refit."""

import json
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

import reeltune as rt
from reeltune.cluster.api.options import train_options
from reeltune.cluster.commands.train_options import if_killed, with_less_memory
from reeltune.trainables import description as dated
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.bundle import read_description
from reeltune.trainables.data import Shares, load_data
from reeltune.trainables.data.prepared import DataOptions, prepare
from reeltune.trainables.fitting.fit import Fit
from reeltune.trainables.fitting.loop import run
from tests import inside

WORLD = "synthetic:users=30,items=20,ratings=600"


class Dated:
    """A calendar on which it is always the same day."""

    @staticmethod
    def now(zone):
        return datetime(2026, 1, 2, tzinfo=zone)


HELD_OUT = ("--data", WORLD, "--split-seed", "3", "--validation", "0.25", "--test-share", "0.1")


def train(*words, name="one"):
    done = inside.reeltune("train", *words, "--json", "--name", name)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def weights(name="one", architecture="pmf"):
    return load_file(Path(f"runs/{name}/models/{architecture}/model.safetensors"))


def fitted(rows, shape, **settings):
    """The weights of the same fit on these rows, by the loop alone."""
    pmf = ARCHITECTURES["pmf"]
    config = pmf.Config.model_validate({**pmf.reference(shape).model_dump(), **settings})
    fit = Fit(pmf, config, shape, rows, seed=42)
    list(run(fit))
    return fit.model.state_dict()


def same(one, other):
    return set(one) == set(other) and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def world():
    return prepare(DataOptions(data=WORLD, split_seed=3, shares=Shares(validation=0.25, test=0.1)))


def test_a_refit_is_a_second_fit_on_validation_rows_too_and_the_figures_are_of_the_first(world):
    first, _ = train("pmf", *HELD_OUT, "--set", "epochs=2", name="first")
    both, said = train("pmf", *HELD_OUT, "--set", "epochs=2", "--refit", name="both")
    assert same(weights("first"), fitted(world.split.train, world.shape, epochs=2))
    assert same(weights("both"), fitted(world.split.fitting, world.shape, epochs=2))
    assert both["validation"] == first["validation"]
    assert (first["refitted"], both["refitted"]) == (False, True)
    on = [read_description(Path(f"runs/{name}/models/pmf")).fitted_on for name in ("first", "both")]
    assert [(each.fitted, each.refitted) for each in on] == [(405, False), (540, True)]
    assert (
        "--refit: the model is a second fit, on training and validation rows together (540); validation figures are of "
        "the first, on training rows alone" in said
    )


def test_predictions_come_with_intervals_that_hold_on_rows_that_the_fit_did_not_see():
    world = "synthetic:users=80,items=60,ratings=4000"
    words = ("--data", world, "--validation", "0.25", "--test-share", "0.25", "--score-test", "--set", "epochs=2")
    trained, _ = train("svdpp_classifier", *words, name="wide")
    prepared = prepare(DataOptions(data=world, shares=Shares(validation=0.25, test=0.25)))
    ratings, (test, _) = prepared.ratings, prepared.split.test.open(Path("looks.jsonl"), reason="a test")
    pairs = {"user": ratings.users.text[test.users - 1], "item": ratings.items.text[test.items - 1]}
    found = rt.load(trained["model"]).predict(pd.DataFrame(pairs), intervals=True)
    for level, low, high in (0.80, found["low_80"], found["high_80"]), (0.95, found["low_95"], found["high_95"]):
        assert ((low <= test.ratings) & (test.ratings <= high)).mean() == pytest.approx(level, abs=0.04)


def test_a_refit_scores_the_test_rows_by_the_model_that_is_kept(world):
    result, _ = train("pmf", *HELD_OUT, "--set", "epochs=2", "--refit", "--score-test")
    alone, _ = train("pmf", *HELD_OUT, "--set", "epochs=2", "--score-test", name="alone")
    assert result["test"] != alone["test"]
    done = inside.reeltune("predict", "runs/one/models/pmf", "pairs.csv", "-o", "rated.csv")
    assert done.returncode == 2, "the pairs are not there yet"
    rows, _ = world.split.test.open(Path("looks"), reason="test")
    users, items = world.ratings.users.text, world.ratings.items.text
    pairs = [f"{users[u - 1]},{items[i - 1]}" for u, i in zip(rows.users, rows.items, strict=True)]
    Path("pairs.csv").write_text("\n".join(["user,item", *pairs]))
    assert inside.reeltune("predict", "runs/one/models/pmf", "pairs.csv", "-o", "rated.csv").returncode == 0
    rated = [float(line.rpartition(",")[2]) for line in Path("rated.csv").read_text().splitlines()[1:]]
    mse = sum((a - b) ** 2 for a, b in zip(rated, rows.ratings, strict=True)) / len(rated)
    assert result["test"]["mean_mse"] == pytest.approx(mse, abs=1e-4)


def test_nothing_held_out_is_a_fit_on_every_row():
    world = prepare(DataOptions(data=WORLD, split_seed=42, shares=Shares(validation=0, test=0)))
    result, said = train("pmf", "--data", WORLD, "--validation", "0", "--test-share", "0", "--set", "epochs=2")
    assert len(world.split.train) == 600
    assert same(weights(), fitted(world.split.train, world.shape, epochs=2))
    assert (result["validation"], result["test"]) == (None, None)
    assert "600 to train on, none to validate on, none held out for a test" in said
    assert "--validation 0: there are no validation figures\n" in said


def test_classes_that_nothing_is_held_out_for_are_said_to_be_uncalibrated():
    words = ("svdpp_classifier", "--data", WORLD, "--validation", "0", "--set", "epochs=1")
    result, said = train(*words)
    assert "its probabilities are not calibrated, for want of rows to do it on" in said
    assert result["validation"] is None
    plain = inside.reeltune("train", *words, "--name", "other")
    assert f"training loss {result['train_loss']:.4f} in the last epoch" in plain.stdout


def test_a_sharded_fit_is_recorded_and_says_what_depends_on_the_workers():
    result, said = train("pmf", *HELD_OUT, "--shard", "users", "--set", "epochs=2", "--score-test")
    assert result["test"]["mean_mse"] > 0
    assert "note: --shard" not in said, "of several workers"
    assert json.loads(Path("runs/one/run.json").read_text())["asked"]["shard"] == "users"
    resumed = inside.reeltune("train", "pmf", *HELD_OUT, "--set", "epochs=2", "--name", "one", "--resume")
    assert resumed.returncode == 2
    assert "shard" in resumed.stderr


@pytest.fixture
def parts():
    """A folder of three Parquet files, below the current one, and how `train` is asked for them."""
    data = load_data(WORLD)
    pairs = {"user": data.users.text[data.rows.users - 1], "item": data.items.text[data.rows.items - 1]}
    frame = pd.DataFrame({**pairs, "rating": data.rows.ratings})
    Path("ratings").mkdir()
    for number in range(3):
        frame[200 * number : 200 * number + 200].to_parquet(f"ratings/{number}.parquet", row_group_size=90)
    return ("--data", "ratings", *HELD_OUT[2:], "--shard", "users", "--set", "epochs=2")


def bundle(name, architecture):
    return {file.name: file.read_bytes() for file in Path(f"runs/{name}/models/{architecture}").iterdir()}


@pytest.mark.parametrize("name", ["pmf", "svdpp_classifier"])
def test_a_fit_of_data_that_is_streamed_has_the_very_bundle_and_figures(parts, name, monkeypatch):
    monkeypatch.setattr(dated, "datetime", Dated)
    words = (name, *parts, "--score-test", *(() if name == "pmf" else ("--set", "bias_pull=0")))
    whole, said = train(*words, name="whole")
    streamed, also_said = train(*words, "--stream", name="streamed")
    assert bundle("streamed", name) == bundle("whole", name)
    assert (streamed["validation"], streamed["test"]) == (whole["validation"], whole["test"])
    assert "this is look number 1" in said
    assert "this is look number 2" in also_said, "at the same rows"
    assert said.splitlines()[0] in also_said.splitlines()
    hashes = [json.loads(Path(f"runs/{each}/run.json").read_text())["asked"] for each in ("whole", "streamed")]
    assert hashes[0] == hashes[1]
    assert not Path("runs/streamed/fits").exists()


def test_a_fit_that_streamed_its_data_goes_on_where_it_was_stopped(parts, monkeypatch):
    from reeltune.cluster.data_parallel.fit import Refit

    words = ("train", "pmf", *parts, "--stream", "--json")

    def cut(fit, report):
        assert fit.fit.step < fit.fit.steps, "half of it is left"
        fit._save()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Refit, "_line", cut)
        assert inside.reeltune(*words, "--name", "one").returncode == 130
    resumed = inside.reeltune(*words, "--name", "one", "--resume")
    assert resumed.returncode == 0, resumed.stderr
    train("pmf", *parts, name="whole")
    assert same(weights(), weights("whole"))


@pytest.mark.parametrize("step", ["commands.train.prepare_streamed", "data_parallel.dealing.deal"])
def test_where_a_stream_fills_the_disk_a_line_says_so(parts, step, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"reeltune.cluster.{step}", full)
    done = inside.reeltune("train", "pmf", *parts, "--stream")
    assert done.returncode in (1, 2)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: --stream: rows cannot be written to ")
    assert "No space left on device; set TMPDIR to a folder on a larger disk" in last


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("pmf", "--data", "ratings"), "--stream: without --shard users each worker holds all rows; add it, or leave"),
        (("pmf", "--refit"), "--stream: a second fit on other rows is not taken yet; leave --refit out"),
        (("svdpp",), "svdpp with bias_pull = 1, its reference on data of so few ratings per id"),
        (("pmf", "--split", "user"), "--stream takes no --split user: it reads a Parquet file or a folder of such"),
        (("pmf", "--not-rated", "0"), "--stream takes no --not-rated 0: "),
        (("pmf", "--not-rated", ""), "--stream takes no --not-rated '': "),
        (("pmf", "--matrix"), "--stream takes no --matrix: "),
        (("pmf", "--weight-column", "often"), "--stream takes no --weight-column often: "),
        (("pmf", "--users", "ages.csv"), "--stream takes no --users ages.csv: "),
        (("pmf", "--data", WORLD), f"--stream takes no --data {WORLD}, a data set by name: "),
    ],
)
def test_what_cannot_be_streamed_is_refused_with_a_way_out(parts, words, said):
    sharded = () if words == ("pmf", "--data", "ratings") else parts
    if "--data" in words or "--split" in words:
        sharded = tuple(word for word in sharded if word not in ("--data", "ratings"))
        words = words if "--data" in words else (*words, "--data", "ratings")
    done = inside.reeltune("train", *words, *sharded, "--stream")
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert not Path("runs").exists()


def test_data_in_memory_is_not_streamed(parts):
    with pytest.raises(rt.InputError, match="the ratings are in memory already; give the path of Parquet"):
        rt.train(rt.Ratings("ratings"), "pmf", shard="users", stream=True)


def test_a_streamed_model_recommends_without_all_rows_in_memory(parts, monkeypatch):
    model = rt.train("ratings", "pmf", shard="users", stream=True, epochs=2)
    read = pd.read_parquet("ratings")
    user = read["user"].iloc[0]
    expected = model.recommend([user], seen=rt.Ratings(read))

    def whole(_):
        raise AssertionError("all rows at once")

    monkeypatch.setattr(DataOptions, "load", whole)
    pd.testing.assert_frame_equal(model.recommend([user]), expected)
    assert not set(expected["item"]) & set(read.loc[read["user"] == user, "item"])


KILLED = """
import os, sys
from reeltune.cluster.cli.app import main
from reeltune.cluster.commands import train

train.prepare = lambda asked: os.kill(os.getpid(), 9)
sys.argv[0] = "reeltune"
main()
"""


def test_a_command_that_is_killed_while_it_reads_is_told_how_to_read_with_less_memory():
    command = [sys.executable, "-c", KILLED, "train", "pmf", "--data", WORLD]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL
    assert done.stderr == (
        "error: the process was killed, for lack of memory perhaps; with --shard users --stream it reads Parquet a "
        "part at a time, and each of several workers holds its own rows alone\n"
    )


@pytest.mark.parametrize(
    ("asked", "way_out"),
    [
        ({}, "; with --shard users --stream it reads Parquet a part at a time"),
        ({"shard": "users"}, "; with --stream it reads Parquet a part at a time"),
        ({"shard": "users", "stream": True}, "; with more --workers, on more nodes, each holds fewer rows"),
    ],
)
def test_a_fit_that_was_lost_for_want_of_memory_has_a_way_out(asked, way_out):
    options = train_options("pmf", DataOptions(data=WORLD), **asked)
    died = "its workers died 3 times: one's machine ran out of memory (1.43GB of 1.50GB used)"
    assert with_less_memory(options, died).startswith(way_out)
    assert with_less_memory(options, "ValueError: as told") == ""


def test_what_cannot_be_sharded_is_not_told_to_be():
    options = train_options("bias", DataOptions(data=WORLD))
    assert if_killed(options).endswith("give it fewer, or a machine with more memory")
    assert "--shard" not in with_less_memory(options, "its workers died: one's machine ran out of memory")


def test_a_refit_of_which_the_first_fit_is_done_goes_on_with_the_second(monkeypatch):
    words = ("train", "pmf", *HELD_OUT, "--set", "epochs=2", "--refit", "--json")
    from reeltune.cluster.data_parallel import in_process

    fits = []

    def cut(order, *rest):
        fits.append(order.rows)
        if len(fits) == 2:
            raise KeyboardInterrupt
        return done(order, *rest)

    done = in_process._fit
    with monkeypatch.context() as patch:
        patch.setattr(in_process, "_fit", cut)
        assert inside.reeltune(*words, "--name", "one").returncode == 130
    resumed = inside.reeltune(*words, "--name", "one", "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert "pmf: epoch" not in resumed.stderr
    whole, _ = train(*words[1:-1], name="whole")
    assert json.loads(resumed.stdout)["validation"] == whole["validation"]
    assert same(weights(), weights("whole"))


def test_a_fit_whose_model_could_not_be_written_is_not_done_again(monkeypatch):
    from reeltune.cluster.commands import train as command

    def full(*_, **options):
        raise OSError(28, "No space left on device")

    words = ("train", "pmf", *HELD_OUT, "--set", "epochs=2", "--json", "--name", "one")
    with monkeypatch.context() as patch:
        patch.setattr(command, "save", full)
        first = inside.reeltune(*words)
    assert first.returncode == 1
    assert "pmf: epoch 2 of 2" in first.stderr
    resumed = inside.reeltune(*words, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert "pmf: epoch" not in resumed.stderr
    train(*words[1:-3], name="whole")
    assert same(weights(), weights("whole"))
    assert not Path("runs/one/fits").exists()


def test_where_a_look_cannot_be_written_down_a_fit_that_takes_one_does_not_begin(monkeypatch):
    Path("cache").write_text("a file, where the cache's folder is to be")
    words = ("train", "pmf", *HELD_OUT, "--set", "epochs=1")
    refused = inside.reeltune(*words, "--score-test")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("error: ")
    assert refused.stderr.count("\n") == 1
    assert "set REELTUNE_CACHE to a folder that can be written" in refused.stderr
    assert not Path("runs").exists()
    assert inside.reeltune(*words).returncode == 0, "it looks at no test row"
