"""`reeltune update`: newer ratings, the verdict over the old bundle, and a new bundle beside it."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors import SafetensorError

import reeltune as rt
from reeltune.cluster.commands.update import about_update
from reeltune.trainables.data import load_data
from tests import inside, two_towers

OLD, SETTINGS = 700, ("--set", "epochs=2", "--validation", "0", "--test-share", "0")


def ratings():
    """Ratings of which the old ones say nothing, in the order of their times; a user and an item come later."""
    data = load_data("synthetic:users=60,items=40,ratings=2400,noise=0.3")
    rows = data.rows
    found = pd.DataFrame(
        {
            "user": data.users.text[rows.users - 1].to_numpy(dtype=object),
            "item": data.items.text[rows.items - 1].to_numpy(dtype=object),
            "rating": rows.ratings,
        }
    ).drop_duplicates(["user", "item"], ignore_index=True)
    draw = np.random.default_rng(0)
    found = found.sample(frac=1, random_state=1, ignore_index=True)
    found.loc[: OLD - 1, "rating"] = draw.integers(1, 6, OLD)
    found.loc[OLD : OLD + 4, "user"] = "late user"
    found.loc[OLD + 5, "item"] = "late item"
    return found.assign(time=np.arange(len(found)) * 60 + 1_700_000_000)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with files of old and of all ratings, and bundles that were fitted on the old ones."""
    folder = tmp_path_factory.mktemp("update")
    every = ratings()
    every.to_csv(folder / "all.csv", index=False)
    every[:OLD].to_csv(folder / "old.csv", index=False)
    every[OLD:].to_csv(folder / "new.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("REELTUNE_CACHE", str(folder / "cache"))
        for name in ("pmf", "svdpp", "autorec", two_towers.__file__):
            done = inside.reeltune("train", name, "--data", "old.csv", *SETTINGS, "--name", Path(name).stem)
            assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def here(world, monkeypatch, tmp_path):
    """The files and bundles of `world`, from a folder of the test's own."""
    for path in world.iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def bundle_of(name):
    return f"runs/{name}/models/{name}"


def update(*words):
    done = inside.reeltune("update", *map(str, words))
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize("name", ["pmf", "svdpp", "autorec"])
def test_a_bundle_of_noise_is_beaten_on_the_latest_ratings(here, name):
    before = {file.name: file.read_bytes() for file in Path(bundle_of(name)).iterdir()}
    found = json.loads(update(bundle_of(name), "--data", "all.csv", "-o", "next", "--json").stdout)
    assert (found["verdict"], found["swap"], found["held_out_by"]) == ("beats", True, "time")
    assert found["gain"] == pytest.approx(found["old"] - found["updated"], abs=1e-6)
    assert found["ci95"][0] > 0
    every = pd.read_csv("all.csv")
    assert (found["ratings"], found["new"]) == (len(every), len(every) - OLD)
    assert (found["users"], found["items"]) == (1, 1)
    model, old = rt.load("next"), rt.load(bundle_of(name))
    assert model.config == old.config
    assert model.description.seed == old.description.seed
    assert model.description.fitted_on.fitted == len(every)
    assert model.description.fitted_on.refitted
    assert model.validation["rmse"] ** 2 == pytest.approx(found["updated"])
    assert {"late user"} == set(model.users.text) - set(old.users.text)
    assert before == {file.name: file.read_bytes() for file in Path(bundle_of(name)).iterdir()}
    again = inside.reeltune("update", "next", "--data", "all.csv", "-o", "third")
    assert again.returncode == 2
    assert "nothing is new" in again.stderr


def test_the_judged_errors_are_of_fits_that_did_not_see_the_ratings_they_are_on(here):
    found = json.loads(update(bundle_of("pmf"), "--data", "all.csv", "-o", "next", "--json").stdout)
    every = pd.read_csv("all.csv")
    later = every[-found["held_out"] :]
    off = rt.load(bundle_of("pmf")).predict(later[["user", "item"]]) - later["rating"]
    assert found["old"] == pytest.approx((off**2).mean(), abs=1e-4)
    every[: -found["held_out"]].to_csv("earlier.csv", index=False)
    update(bundle_of("pmf"), "--data", "earlier.csv", "-o", "earlier")
    off = rt.load("earlier").predict(later[["user", "item"]]) - later["rating"]
    assert found["updated"] == pytest.approx((off**2).mean(), abs=1e-4)


def test_what_comes_of_ratings_that_mislead_is_called_worse(here):
    """All old pairs are rated again the other way round; then come ratings like the old ones, which are judged on."""
    every = pd.read_csv("all.csv")[OLD:]
    last = every.sample(200, random_state=2).assign(time=2_000_000_000)
    old = every.drop(last.index)
    model = rt.train(old, "pmf", epochs=10, validation=0, test_share=0, name="good")
    misleading = old.assign(rating=6 - old["rating"], time=old["time"] + 10**7)
    found = rt.update(model.place, pd.concat([misleading, last]), "worse", with_=old)
    assert (found.verdict, found.swap) == ("worse", False)
    assert about_update(found)[0].startswith("the updated bundle is worse than the old one: keep that")
    assert Path("worse/config.json").is_file()


def test_the_answer_in_words_says_what_it_is_of(here):
    done = update(bundle_of("pmf"), "--data", "new.csv", "--with", "old.csv", "-o", "next")
    assert "the updated bundle beats the old one: argmax-MSE" in done.stdout
    assert "judged by argmax-MSE on " in done.stdout
    assert "the latest new ones of pairs with no other; pmf was first fitted without them" in done.stdout
    assert "does not say what it was searched by" not in done.stdout
    assert f" too; {bundle_of('pmf')} stays as it is" in done.stdout


@pytest.mark.parametrize(("metric", "label"), [("mae", "argmax-MAE"), ("rps", "RPS")])
def test_a_bundle_is_judged_by_the_metric_that_it_was_fitted_for(here, metric, label):
    old = rt.train("old.csv", "pmf", epochs=1, metric=metric, test_share=0, name=metric)
    found = rt.update(old.place, "all.csv", "next")
    assert found.metric == label
    later = pd.read_csv("all.csv")[-found.held_out :]
    if metric == "mae":
        off = rt.load(old.place).predict(later[["user", "item"]]) - later["rating"]
        assert found.old == pytest.approx(off.abs().mean(), abs=1e-4)
    described = rt.load("next").description
    assert described.metric == metric
    assert described.metrics["validation"][metric] == pytest.approx(found.updated)


def test_the_new_bundle_says_which_one_it_comes_from(here):
    content = Path(bundle_of("pmf"), "config.json").read_bytes()
    found = rt.update(bundle_of("pmf"), "all.csv", "next")
    described = rt.load("next").description
    assert described.updated_from.name == "pmf"
    assert described.updated_from.hash == hashlib.sha256(content).hexdigest()
    assert described.updated_from.date == json.loads(content)["date"]
    assert described.updated_from.added == found.new
    assert f"It is the model pmf, written {described.updated_from.date}, with its" in Path("next/README.md").read_text()


def test_a_bundle_from_before_that_says_no_metric_is_judged_by_the_squared_error_and_that_is_said(here):
    shutil.copytree(bundle_of("pmf"), "before")
    described = json.loads(Path("before/config.json").read_text())
    del described["metric"], described["updated_from"]
    Path("before/config.json").write_text(json.dumps(described))
    assert rt.load("before").description.updated_from is None
    said = "the bundle does not say what it was searched by: it is judged by argmax-MSE"
    assert said in update("before", "--data", "all.csv", "-o", "next").stdout
    described["judged"] = {
        "metric": "argmax-MAE",
        "error": 1,
        "baseline": "",
        "baseline_error": 1,
        "verdict": "",
        "look": 1,
    }
    Path("before/config.json").write_text(json.dumps(described))
    assert rt.load("before").description.own_metric() == "mae"


def test_the_new_bundle_rates_with_intervals_of_what_was_held_out(here):
    found = json.loads(update(bundle_of("pmf"), "--data", "all.csv", "-o", "next", "--json").stdout)
    assert rt.load("next").description.spread.rows == found["held_out"]
    assert inside.reeltune("predict", "next", "new.csv", "-o", "rated.csv", "--intervals").returncode == 0


def test_an_own_architecture_is_updated_by_its_file(here):
    words = (bundle_of("two_towers"), "--data", "new.csv", "--with", "old.csv", "-o", "next")
    done = inside.reeltune("update", *words)
    assert done.returncode == 2
    assert "name the file, --architecture two_towers.py" in done.stderr
    update(*words, "--architecture", two_towers.__file__)
    assert Path("next/two_towers.py").is_file()


def test_weights_are_carried_and_never_left_out_in_silence(here):
    every = pd.read_csv("all.csv").assign(often=2)
    model = rt.train(rt.Ratings(every[:OLD], weight="often"), "pmf", epochs=1, validation=0, test_share=0, name="often")
    found = rt.update(model.place, every, "next", weight="often")
    assert rt.load("next").description.fitted_on.weight_column == "often"
    assert found.ratings == len(every)
    with pytest.raises(rt.InputError, match="the model's ratings had weights, column 'often'"):
        rt.update(model.place, every, "third")
    with pytest.raises(rt.InputError, match="weight='often', and the model's ratings had no weights"):
        rt.update(bundle_of("pmf"), every, "third", weight="often")


def test_what_cannot_be_updated_is_refused_in_one_line(here):
    Path("next").mkdir()
    done = inside.reeltune("update", bundle_of("pmf"), "--data", "all.csv", "-o", "next")
    assert (done.returncode, done.stderr) == (
        2,
        "error: --output next: is there already, and no bundle is overwritten; give another path\n",
    )
    done = inside.reeltune("update", bundle_of("pmf"), "--data", "gone.csv", "-o", "old.csv/next")
    assert done.returncode == 2
    assert done.stderr.endswith("old.csv is no folder; give another path\n")
    described = json.loads(Path(bundle_of("pmf"), "config.json").read_text())
    described |= {"architecture": "ensemble", "config": {"members": {"pmf": {}, "bias": {}}}}
    Path("ensemble").mkdir()
    Path("ensemble/config.json").write_text(json.dumps(described))
    done = inside.reeltune("update", "ensemble", "--data", "all.csv", "-o", "other")
    assert done.returncode == 2
    assert "update the bundle of one of its members (pmf, bias)" in done.stderr
    done = inside.reeltune("update", bundle_of("pmf"), "--data", "all.csv", "-o", "other", "--test-share", "0")
    assert done.returncode == 2
    assert "--test-share 0: expected a share of the new ratings" in done.stderr
    assert not Path("other").exists()


def test_where_the_look_cannot_be_written_down_nothing_is_fitted(here, monkeypatch):
    monkeypatch.setenv("REELTUNE_CACHE", "all.csv/cache")
    done = inside.reeltune("update", bundle_of("pmf"), "--data", "all.csv", "-o", "next")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "set REELTUNE_CACHE to a folder that can be written" in done.stderr


def test_a_hint_names_the_keyword_for_old_ratings_and_not_the_option(here):
    every = ratings()
    with pytest.raises(rt.InputError, match=r"give the old ones by with_=OLD, or times by time='NAME'"):
        rt.update(bundle_of("pmf"), every.drop(columns="time"), "next")
    with pytest.raises(rt.InputError, match=r"^with_: a column of the new ratings is read as timestamp, and none"):
        rt.update(bundle_of("pmf"), every[OLD:], "next", with_=every[:OLD].drop(columns="time"))


def test_a_bundle_is_not_written_to_a_folder_that_is_called_as_an_object_store(here):
    done = inside.reeltune("update", bundle_of("pmf"), "--data", "all.csv", "-o", "s3://bucket/next")
    assert (done.returncode, done.stderr) == (
        2,
        "error: --output s3://bucket/next: expected a path on this machine; copy it there afterwards\n",
    )
    with pytest.raises(rt.InputError, match="expected a path on this machine"):
        rt.lr_find(rt.Ratings("all.csv"), "pmf", output="s3://bucket/rates.png")
    assert not Path("s3:").exists()


def test_on_a_full_disk_no_bundle_is_written_and_a_line_says_so(here, monkeypatch):
    from reeltune.trainables import bundle

    def full(*_):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(bundle, "save_file", full)
    done = inside.reeltune("update", bundle_of("pmf"), "--data", "all.csv", "-o", "next")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: [Errno 28] No space left on device: ")
    assert done.stderr.endswith("; next is not written\n")
    assert not Path("next").exists()
