"""README's example, run on small ratings, and what came of it."""

import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import reeltune as rt
from reeltune.cluster.api.command import train_command
from reeltune.cluster.api.options import train_options, tune_options
from reeltune.cluster.runs.answer import Answer
from tests import inside
from tests.cluster.report.test_commands import parsed

README = (Path(__file__).parents[3] / "README.md").read_text()
EXAMPLE = re.search(r"## In Python\n.*?```python\n(.*?)```", README, re.S)[1]


def write_ratings(path):
    """The file that the example reads."""
    draw, rows = np.random.default_rng(5), []
    for user in range(40):
        for item in draw.choice(30, size=15, replace=False):
            rows.append((f"u{user}", f"sku-{item}", draw.integers(1, 6), 1_000_000_000 + int(item)))
    pd.DataFrame(rows, columns=["customer_id", "sku", "stars", "when"]).to_csv(path, index=False)


@pytest.fixture(scope="module")
def example(one_ray, tmp_path_factory):
    """The names that the example leaves, with two trials in place of twenty, and the folder where it ran."""
    one_ray.start()
    folder = tmp_path_factory.mktemp("python")
    write_ratings(folder / "ratings.csv")
    names = {"folder": folder}
    with pytest.MonkeyPatch.context() as patch, inside.ray_stays(lean=True):
        patch.chdir(folder)
        patch.setenv("REELTUNE_CACHE", str(folder / "cache"))
        exec(EXAMPLE.replace("trials=20", "trials=2"), names)
    return names


@pytest.fixture
def run(example, monkeypatch):
    """Its run, where it ran."""
    monkeypatch.chdir(example["folder"])
    return example["run"]


def test_the_verdict_is_a_table_of_what_verdict_json_has(run):
    answer = Answer.read(run.folder.verdict)
    table = run.verdict.set_index("architecture")
    assert list(table.index) == ["baseline", "pmf", "svdpp", "ensemble"]
    for name, found in answer.architectures.items():
        row = table.loc[name]
        assert (row["gain"], row["p"], row["verdict"]) == (found.gain, found.p_holm, found.verdict)
        assert (row["low"], row["high"]) == pytest.approx(found.ci95 or (np.nan, np.nan), nan_ok=True)
        assert row["test_error"] == found.test["argmax_mse"] or found.test["argmax_mse"] is None


def test_each_trial_is_a_row_and_a_trial_of_optunas_study(run):
    search = run.trials[run.trials["stage"] == "search"]
    assert search["architecture"].value_counts().to_dict() == {"pmf": 2, "svdpp": 2}
    study = run.study("svdpp")
    values = search.loc[search["architecture"] == "svdpp", "value"]
    assert sorted(trial.value for trial in study.trials if trial.value is not None) == sorted(values.dropna())
    assert search["params_factors"].notna().all()


def test_the_best_rates_a_frame_row_by_row_and_leaves_out_what_is_rated(example, run):
    frame, best = example["frame"], run.best
    by_column = best.predict(frame["customer_id"], frame["sku"])
    assert np.allclose(best.predict(frame), by_column, atol=1e-4)
    assert np.isnan(best.predict(frame.assign(sku=frame["sku"].mask(frame.index == 3)), missing_ids="drop")[3])
    found = best.recommend(["u1", "u2"], n=3)
    assert found["user"].tolist() == ["u1"] * 3 + ["u2"] * 3
    assert not set(zip(found["user"], found["item"], strict=True)) & set(
        zip(frame["customer_id"], frame["sku"], strict=True)
    )
    with pytest.raises(rt.InputError, match="seen: expected ratings whose pairs are left out"):
        rt.load(run.folder.model("pmf")).recommend(["u1"])


def test_ratings_that_a_run_keeps_are_found_from_any_folder_and_others_in_their_place_refused(
    example, run, tmp_path, monkeypatch
):
    place, expected = example["folder"] / run.place, run.best.recommend(["u1"], n=2)
    monkeypatch.chdir(tmp_path)
    assert rt.open(place).best.recommend(["u1"], n=2).equals(expected)
    shutil.copytree(place, tmp_path / "copy")
    kept = tmp_path / "copy" / "data" / "ratings.parquet"
    once = rt.open(tmp_path / "copy").best
    assert once.recommend(["u1"], n=2).equals(expected)
    pd.read_parquet(kept)[1:].to_parquet(kept)
    best = rt.open(tmp_path / "copy").best
    with pytest.raises(
        rt.InputError, match="are not the ratings that the model was fitted on, whose pairs are left out"
    ):
        best.recommend(["u1"])
    assert len(best.recommend(["u1"], n=2, seen="none")) == 2
    assert once.recommend(["u1"], n=2).equals(expected), "a model reads them once"


def test_what_was_trained_has_its_hyperparameters_and_errors(example, run):
    model = example["model"]
    assert model.config["epochs"] == 12
    assert model.test is None
    assert f"validation MSE {model.validation['mean_mse']:.4f}" in repr(model)


def test_a_run_shows_itself(run):
    shown = run._repr_html_()
    assert all(name in shown for name in ("svdpp", "test_error", "wins by validation error"))
    assert run.report()._repr_html_().startswith("<iframe srcdoc=")
    assert run.plot("gain")._repr_png_().startswith(b"\x89PNG")
    assert run.plot("history").axes[0].get_legend() is not None
    with pytest.raises(rt.InputError, match="plot 'pie': expected gain or history"):
        run.plot("pie")


def test_opened_again_it_is_the_same_run(run):
    again = rt.open(run.place)
    assert again.verdict.equals(run.verdict)
    assert again.best.recommend(["u1"], n=2).equals(run.best.recommend(["u1"], n=2))


def test_the_command_that_it_keeps_asks_for_the_same(run):
    """On the file in which the run keeps the frame."""
    record = run.folder.read_record()
    words = parsed(record.command)
    assert record.asked.data == f"{run.place}/data/ratings.parquet"
    assert words["data"] == [record.asked.data]
    assert (words["user_column"], words["trials"], words["architectures"]) == ("customer_id", 2, ["pmf", "svdpp"])
    told = {name: words[name] for name in ("trials", "time", "sampler", "scheduler", "ensemble", "baseline", "seed")}
    options = tune_options(run.best.fitted_on, words["architectures"], **told)
    assert (options.trials, options.seconds, options.scheduler) == (2, 900, "asha")
    assert options.baseline.name == record.asked.baseline


def test_the_command_of_a_fit_has_every_setting():
    from reeltune.trainables.data import Shares
    from reeltune.trainables.data.prepared import DataOptions

    data = DataOptions(data="a b.csv", not_rated=("0", "99"), shares=Shares(validation=0.3, test=0))
    options = train_options("svdpp", data, config={"epochs": 2}, refit=True, shard="users")
    words = parsed(train_command(options))
    assert (words["validation"], words["test_share"], words["refit"], words["shard"]) == (0.3, 0, True, "users")
    assert (words["data"], words["not_rated"], words["settings"]) == (["a b.csv"], ["0", "99"], ["epochs=2"])
    assert shlex.split(train_command(options))[:3] == ["reeltune", "train", "svdpp"]


def test_a_search_that_was_cut_short_says_so(run, monkeypatch):
    short = run.answer.model_copy(update={"trials_asked": 1000})
    monkeypatch.setattr(run, "_read", replace(run._read, answer=short))
    assert "--time was over after 4 of 1000 trials; the same call with its name and resume=True" in repr(run)
    assert "after 4 of 1000 trials" in run._repr_html_()


def test_another_baseline_may_be_a_number(run):
    assert run.judge(0.83).verdict.loc[0, "test_error"] == 0.83


def test_a_replay_takes_the_file_of_an_own_architecture(run):
    assert inside.reeltune("new", "odd").returncode == 0
    with pytest.raises(rt.InputError, match="--architecture 'odd': run "):
        run.replay("odd.py")


def test_a_model_says_what_the_command_line_says(example, run, capsys):
    pairs = pd.DataFrame({"customer_id": ["u1", "nobody"], "sku": ["sku-1", "sku-2"]})
    run.best.predict(pairs)
    assert "1 rows have a user and 0 an item that the model knows no rating of, 0 both\n" in capsys.readouterr().err
    run.best.recommend(["u1", "nobody"], n=3)
    said = capsys.readouterr().err
    assert "6 rows, users: 2; 15 seen pairs left out\n" in said
    assert "users of whom the model knows no rating: 1; theirs is the list of a new user\n" in said
