"""`reeltune tune` over folds, on small worlds, as the command line and Python run it."""

import json
import os
import shutil
import signal
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest

import reeltune as rt
from reeltune.cluster.api.command import tune_command
from reeltune.cluster.api.folds import folds_within
from reeltune.cluster.api.options import tune_options
from reeltune.cluster.api.ratings import asked_of
from reeltune.cluster.commands.ask import ask
from reeltune.cluster.report.facts import facts
from reeltune.cluster.runs import lease
from reeltune.cluster.runs.answer import EACH_WINNER, Answer
from reeltune.cluster.runs.claim import claim
from reeltune.cluster.runs.find import find_runs
from reeltune.cluster.runs.finished import read_run
from reeltune.cluster.runs.folder import Ledger
from reeltune.trainables.data import Fold, load_data
from reeltune.trainables.scoring.comparison import compare
from tests import boards, inside, s3

DATA = "synthetic:users=40,items=30,ratings=900,noise=0.3"
WORDS = ("tune", "bias", "--data", DATA, "--folds", "2", "--trials", "2", "--baseline", "bias", "--name", "two")


@pytest.fixture(scope="module")
def there(one_ray, tmp_path_factory):
    """Where a run of two folds is, and what it printed."""
    one_ray.start()
    folder = tmp_path_factory.mktemp("folds")
    with pytest.MonkeyPatch.context() as patch, inside.ray_stays(lean=True):
        patch.chdir(folder)
        patch.setenv("REELTUNE_CACHE", str(folder / "cache"))
        done = inside.reeltune(*WORDS, "--json")
        assert done.returncode == 0, done.stderr
    return folder, done


@pytest.fixture
def run(there, monkeypatch):
    monkeypatch.chdir(there[0])
    monkeypatch.setenv("REELTUNE_CACHE", str(there[0] / "cache"))
    return rt.open("two")


def test_each_row_is_tested_once(run):
    frame = pd.read_parquet(run.folder.predictions)
    assert np.sort(frame["row"]).tolist() == list(range(900))
    assert frame.groupby("fold").size().tolist() == [450, 450]
    assert frame.sort_values("row")["rating"].tolist() == load_data(DATA).rows.ratings.tolist()


def test_each_fold_is_an_ordinary_run_with_a_report_and_a_model(run):
    assert [each.place for each in run.folds] == [str(run.folder.path / f"fold-{number}") for number in (1, 2)]
    for each in run.folds:
        assert (each.folder.path / "report.html").exists()
        assert each.answer.test_rows.count == 450
        assert each.best.predict(["u1"], ["i1"]).shape == (1,)
        assert inside.reeltune("report", each.place).returncode == 0


def test_the_verdict_is_over_all_rows_with_a_user_as_one_observation(run, there):
    frame = pd.read_parquet(run.folder.predictions)
    truth, seeds = frame["rating"], ("", ".seed2", ".seed3")
    errors = {
        name: np.mean([(frame[name + seed] - truth) ** 2 for seed in seeds], axis=0) for name in ("baseline", "bias")
    }
    expected = compare(errors["baseline"], errors["bias"], frame["user"].to_numpy())
    found = Answer.read(run.folder.verdict).architectures["bias"]
    assert (found.gain, found.p) == (pytest.approx(expected.gain), pytest.approx(expected.p))
    assert found.ci95 == pytest.approx(expected.ci95)
    assert found.test["argmax_mse"] == pytest.approx(errors["bias"].mean())
    assert found.test["rmse"] == pytest.approx(np.sqrt(errors["bias"].mean()), rel=1e-3)
    assert json.loads(there[1].stdout)["architectures"]["bias"]["gain"] == found.gain


def test_what_each_search_chose_is_judged_too(run):
    table = run.verdict.set_index("architecture")
    assert list(table.index) == ["baseline", "bias", EACH_WINNER]
    assert table.loc[EACH_WINNER, "gain"] == table.loc["bias", "gain"], "there is no other to choose"
    assert run.winner == EACH_WINNER
    assert f"{EACH_WINNER}, by validation error: bias in 2 of 2" in repr(run)


def test_top_lists_are_of_all_folds(run):
    assert run.answer.ranking.users == 40
    assert len(pd.read_parquet(run.folder.ranking)) == sum(len(pd.read_parquet(f.folder.ranking)) for f in run.folds)
    assert list(run.ranking["architecture"]) == ["baseline", "bias", "most rated items", EACH_WINNER]


def test_the_page_links_to_each_folds_own(run):
    page = (run.folder.path / "report.html").read_text()
    assert all(f'href="fold-{number}/report.html"' in page for number in (1, 2))
    assert "ver 2 folds what the search chose" in page


def test_a_model_for_use_comes_from_elsewhere_and_that_is_said(run):
    with pytest.raises(rt.InputError, match=r"best: each of 2 folds has its own, run.folds\[0\].best"):
        _ = run.best
    with pytest.raises(rt.InputError, match="is of 2 folds; a replay is of one of them: runs/two/fold-1"):
        run.replay()


def test_it_is_judged_again_and_shown_in_tensorboard_by_fold(run):
    assert run.judge().verdict["gain"].tolist()[1:] == pytest.approx(run.verdict["gain"].tolist()[1:])
    assert [folder.name for folder in find_runs(["two"])] == ["fold-1", "fold-2"]
    for fold in run.folds:
        _, sessions = boards.hparams_of(fold.folder.tensorboard)
        assert {session["run"] for session in sessions} == {f"two-{fold.folder.name}"}
    assert set(run.trials["architecture"]) == {"bias"}


def test_each_trial_says_its_fold_and_each_fold_has_a_history_of_its_own(run):
    assert run.trials.loc[run.trials["stage"] == "search", "fold"].tolist() == [1, 1, 2, 2]
    of_second = run.trials[run.trials["fold"] == 2].drop(columns="fold").reset_index(drop=True)
    assert of_second.equals(run.folds[1].trials)
    with pytest.raises(rt.InputError, match=r"each of 2 folds has a search of its own: run.folds\[0\].plot"):
        run.plot("history")
    assert len(run.folds[0].plot("history").axes[0].lines) == 1
    assert run.plot("gain").axes[0].get_xlabel().startswith("gain over the baseline")


def test_a_fold_that_is_missing_is_searched_on_resume_and_no_other(run, lean_ray, tmp_path, monkeypatch):
    shutil.copytree(run.folder.path, tmp_path / "runs" / "two")
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "runs" / "two"
    shutil.rmtree(own / "fold-2")
    before = Answer.read(own / "verdict.json")
    (own / "verdict.json").unlink()
    done = inside.reeltune(*WORDS, "--resume")
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("fold ")] == [
        "fold 2 of 2, in runs/two/fold-2"
    ]
    after = Answer.read(own / "verdict.json")
    assert after.architectures["bias"].gain == pytest.approx(before.architectures["bias"].gain)


@pytest.fixture
def interrupted_in_fold_2(monkeypatch, signals):
    """Within, Ctrl-C comes once the second fold's ledger has its first line."""

    @contextmanager
    def within():
        append = Ledger.append

        def interrupted(ledger, entry):
            append(ledger, entry)
            if ledger.path.parent.name == "fold-2":
                os.kill(os.getpid(), signal.SIGINT)

        with monkeypatch.context() as patch:
            patch.setattr(Ledger, "append", interrupted)
            yield

    return within


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_cut_off_in_the_second_fold_it_goes_on_elsewhere_from_its_store_as_if_undisturbed(
    run, lean_ray, s3_port, bucket, interrupted_in_fold_2, tmp_path, monkeypatch
):
    monkeypatch.setenv("REELTUNE_CACHE", str(tmp_path / "cache"))
    where, home = s3.uri(s3_port, bucket), s3.store(s3_port, bucket).below("two")
    words = [*WORDS, "--storage", where]
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with interrupted_in_fold_2():
        cut = inside.reeltune(*words)
    assert cut.returncode == 130
    assert cut.stderr.splitlines()[-1].startswith("interrupted; everything so far is kept")
    assert cut.stderr.splitlines()[-1].endswith("--resume")
    first, begun = home.read("fold-1/trials.jsonl"), home.read("fold-2/trials.jsonl")
    shutil.rmtree(tmp_path / "here")
    monkeypatch.chdir(tmp_path / "there")
    done = inside.reeltune(*words, "--resume")
    assert done.returncode == 0, done.stderr
    assert [line.partition(",")[0] for line in done.stderr.splitlines() if line.startswith("fold ")] == ["fold 2 of 2"]
    assert home.read("fold-1/trials.jsonl") == first
    assert home.read("fold-2/trials.jsonl").startswith(begun)
    after = rt.open(home.where)
    assert after.answer.architectures == run.answer.architectures
    assert [fold.errors for fold in after.answer.folds] == [fold.errors for fold in run.answer.folds]
    assert [each.place for each in after.folds] == [home.below(f"fold-{number}").where for number in (1, 2)]
    assert after.folds[1].best.predict(["u1"], ["i1"]).shape == (1,)
    assert len(after.trials) == len(run.trials)
    assert [each.name for each in find_runs([home.where], events=True)] == ["fold-1", "fold-2"]


@pytest.mark.slow
def test_a_finished_fold_of_which_the_store_has_not_all_is_uploaded_and_not_searched_again(
    run, s3_port, bucket, tmp_path, monkeypatch
):
    monkeypatch.setattr(lease, "SETTLE", 0.1)
    shutil.copytree(run.folder.path, tmp_path / "runs" / "two")
    monkeypatch.chdir(tmp_path)
    whole = tmp_path / "runs" / "two" / "run.json"
    whole.write_text(json.dumps(json.loads(whole.read_text()) | {"finished": None}))
    done = inside.reeltune(*WORDS, "--resume", "--storage", s3.uri(s3_port, bucket))
    assert (done.returncode, done.stderr) == (0, "")
    found = rt.open(s3.store(s3_port, bucket).below("two").where)
    assert found.answer.architectures == run.answer.architectures
    assert found.folds[0].best.predict(["u1"], ["i1"]) == run.folds[0].best.predict(["u1"], ["i1"])


def test_folds_that_had_not_begun_have_the_sample_of_those_that_had(monkeypatch):
    from reeltune.cluster.commands import folds

    data = ("--data", "synthetic:users=100,items=60,ratings=4000", "--folds", "2")
    words, samples = ("tune", "bias", *data, "--trials", "1", "--name", "sampled"), []

    def cut(options, watch):
        with claim(options.folder, ask(options).asked, resume=options.resume):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(folds, "tune", cut)
        assert inside.reeltune(*words, "--sample", "1000").returncode == 130
    monkeypatch.setattr(folds, "tune", lambda options, watch: samples.append(ask(options).asked.sample))
    monkeypatch.setattr(folds, "_judged", lambda searches, folder, trackers: None)
    done = inside.reeltune(*words, "--resume")
    assert samples == [1000, 1000], done.stderr


def test_what_is_alike_in_all_folds_is_said_once(there):
    said = there[1].stderr.splitlines()
    assert sum(line.startswith("starting Ray") for line in said) == 1
    assert [line.partition("sealed for the test ")[2] for line in said if "sealed for the test" in line] == [
        "(fold 1 of 2)",
        "(fold 2 of 2)",
    ]


def test_a_dry_run_says_that_all_of_it_runs_twice(run):
    assert "; 2 folds, all of it 2 times; about " in inside.reeltune(*WORDS[:-1], "other", "--dry-run").stdout


@pytest.fixture
def parts(tmp_path):
    """A file of ratings with a column `part` of the folds "odd" and "even"."""
    rows = load_data(DATA).rows
    frame = pd.DataFrame({"user": rows.users, "item": rows.items, "rating": rows.ratings})
    frame["part"] = np.where(rows.users % 2, "odd", "even")
    frame.to_csv(tmp_path / "parts.csv", index=False)
    return tmp_path / "parts.csv"


@pytest.mark.slow
def test_folds_of_a_column_are_called_by_its_values(lean_ray, parts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["tune", "bias", "--data", str(parts), "--split", "folds:part", "--trials", "1", "--no-ensemble"]
    done = inside.reeltune(*words, "--baseline", "bias", "--name", "own")
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("fold ")]
    assert said == ["fold 'even', 1 of 2, in runs/own/fold-1", "fold 'odd', 2 of 2, in runs/own/fold-2"]
    run = rt.open("own")
    frame = pd.read_parquet(run.folder.predictions)
    assert set(zip(frame["fold"], frame["user"].astype(int) % 2, strict=True)) == {("even", 0), ("odd", 1)}
    assert [fold.value for fold in run.answer.folds] == ["even", "odd"]
    page = (run.folder.path / "report.html").read_text()
    assert ">fold even</a>" in page
    assert "folds:part, seed 42, 2 folds" in page
    assert dict(facts(read_run(run.folds[1].folder)))["Split"] == "folds:part, seed 42, fold 'odd', 2 of 2"
    assert run.folds[1].folder.read_record().asked.options().fold == Fold(number=2, of=2, value="odd")
    again = inside.reeltune(*words, "--baseline", "bias", "--name", "own", "--resume")
    assert (again.returncode, again.stderr) == (0, ""), "the same folds are the same searches, and these are finished"


def test_lines_call_folds_of_a_column_by_their_values(parts, tmp_path, monkeypatch):
    from reeltune.cluster.commands import folds

    monkeypatch.chdir(tmp_path)
    asked = []
    monkeypatch.setattr(folds, "tune", lambda options, watch: asked.append(ask(options).asked))
    monkeypatch.setattr(folds, "_judged", lambda searches, folder, trackers: None)
    done = inside.reeltune("tune", "bias", "--data", str(parts), "--split", "folds:part", "--name", "own")
    said = [line for line in done.stderr.splitlines() if line.startswith("fold ")]
    assert said == ["fold 'even', 1 of 2, in runs/own/fold-1", "fold 'odd', 2 of 2, in runs/own/fold-2"]
    assert [each.options().fold.value for each in asked] == ["even", "odd"]


def test_folds_of_a_column_are_in_the_command_of_a_call(parts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ratings = rt.Ratings(pd.read_csv(parts).rename(columns={"item": "thing"}), item="thing")
    asked = asked_of(ratings, split="folds:part", name="own")
    folds = folds_within(asked, None)
    assert [fold.fold.value for fold in folds] == ["even", "odd"]
    assert [fold.loaded is asked.loaded for fold in folds] == [True, True], "it is read once"
    [table] = asked.tables.values()
    assert "part" in table.column_names
    command = tune_command(tune_options(asked, ["bias"], folds=folds))
    assert "--split folds:part" in command
    assert "--folds" not in command


@pytest.mark.slow
def test_official_folds_are_pairs_of_files(lean_ray, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = load_data(DATA).rows
    frame = pd.DataFrame({"user": rows.users, "item": rows.items, "rating": rows.ratings})
    halves = {"a": frame[frame.index % 2 == 0], "b": frame[frame.index % 2 == 1]}
    for name, half in halves.items():
        half.to_csv(f"{name}.csv", index=False)
    run = rt.tune(["a.csv", "b.csv"], ["bias"], test=["b.csv", "a.csv"], trials=1, name="pairs", ensemble=False)
    assert [each.answer.test_rows.count for each in run.folds] == [450, 450]
    assert run.answer.test_rows.count == 900
    record = run.folder.read_record()
    assert "--data a.csv --data b.csv --test b.csv --test a.csv" in record.command


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--folds", "3", "--split", "time"], "--folds 3: with --split time the test rows are the latest"),
        (["--folds", "3", "--test", "a.csv"], "--folds 3: splits test rows off the data, and --test a.csv names them"),
        (["--folds", "3", "--from", "other"], "--from other: with folds nothing may be learnt from an earlier run"),
        (["--split", "folds:part", "--folds", "3"], "--split folds:part: the column says which and how many folds"),
        (["--split", "folds:part", "--test", "a.csv"], "--split folds:part: each fold's rows are its test rows; leave"),
        (["--split", "folds:part", "--test-share", "0.3"], "fold's rows are its test rows; leave out --test-share"),
        (["--split", "folds:part"], "--split folds:part: does not apply to synthetic"),
        (["--split", "folds:"], "--split 'folds:': expected the column of folds behind the colon, such as folds:part"),
        (
            ["--split", "folds:part", "--test", "c", "--data", "b", "--test", "d"],
            "--split folds:part: several --data and --test files are the folds already",
        ),
        (["--data", "b", "--test", "c"], "there are 2 of --data and 1 of --test: official folds are pairs"),
        (["--data", "b", "--test", "c", "--test", "d", "--folds", "2"], "--folds 2: several --data and --test files"),
    ],
)
def test_folds_that_cannot_be_are_one_line(words, sentence):
    done = inside.reeltune("tune", "bias", "--data", DATA, *words)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") <= 1 or sentence == "--folds"


def test_one_fit_has_no_folds(parts):
    done = inside.reeltune("train", "bias", "--data", str(parts), "--split", "folds:part")
    assert done.returncode == 2
    assert "--split folds:part: is for tune, which searches for each fold" in done.stderr


def test_with_time_each_fold_has_its_share(run, monkeypatch):
    from reeltune.cluster.commands import folds

    given = []
    monkeypatch.setattr(folds, "tune", lambda options, watch: given.append((options.fold, options.seconds)))
    monkeypatch.setattr(folds, "_judged", lambda searches, folder, trackers: None)
    done = inside.reeltune(*WORDS[:-1], "timed", "--time", "90")
    assert given == [(1, 45.0), (2, 45.0)], done.stderr
