"""Somebody's own architectures, in files outside of the checkout: what reeltune does for its own it does for them."""

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import typer

import reeltune
from reeltune import InputError, load
from reeltune.cluster.cli.app import app
from reeltune.cluster.cli.job_command import job_command
from reeltune.cluster.commands.replay import replay_options
from reeltune.cluster.data_parallel.orders import FitOrder
from reeltune.cluster.judging.baseline import KEY, baseline_of
from reeltune.cluster.judging.refits import calibrations
from reeltune.cluster.report.commands import checking, own_parts, train
from reeltune.cluster.runs.finished import read_run
from reeltune.cluster.runs.folder import RunFolder
from reeltune.trainables.architectures.registry import is_own, resolve
from reeltune.trainables.architectures.source import described
from reeltune.trainables.fitting.fit import Fit
from tests import inside, nodes, two_towers

ROOT = Path(__file__).parents[3]
OWN = ROOT / "tests" / "own"
DATA = "synthetic:users=60,items=40,ratings=1500"
FILES = ("two_tower.py", "deep_fm.py", "ordinal.py")
NAMES = [name.removesuffix(".py") for name in FILES]


def write_own(folder):
    """The three files and their search spaces, in a folder of somebody's."""
    for file in OWN.glob("*.*"):
        if file.name != "__init__.py":
            shutil.copy(file, folder)
    shutil.copy(two_towers.__file__, folder / "two_tower.py")


def write_data(folder):
    """Ratings, and a side table of the items."""
    rows = [(f"u{user}", f"i{item}", 1 + (user * item) % 5) for user in range(50) for item in range(user % 3, 40, 2)]
    pd.DataFrame(rows, columns=["user", "item", "rating"]).to_csv(folder / "ratings.csv", index=False)
    sides = [(f"i{item}", "abc"[item % 3]) for item in range(40)]
    pd.DataFrame(sides, columns=["item", "kind"]).to_csv(folder / "items.csv", index=False)
    pd.DataFrame(rows[::50], columns=["user", "item", "rating"])[["user", "item"]].to_csv(
        folder / "pairs.csv", index=False
    )


@pytest.fixture
def own(tmp_path):
    """The current folder, with the files and data in it."""
    write_own(tmp_path)
    write_data(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def searched(one_ray, tmp_path_factory):
    """A folder with a finished search of the three beside pmf, and what was said of it."""
    one_ray.start()
    folder = tmp_path_factory.mktemp("own")
    write_own(folder)
    write_data(folder)
    with pytest.MonkeyPatch.context() as patch, inside.ray_stays(lean=True):
        patch.chdir(folder)
        patch.setenv("REELTUNE_CACHE", str(folder / "cache"))
        words = ["--data", "ratings.csv", "--items", "items.csv", "--trials", "2", "--name", "mine", "--json"]
        done = inside.reeltune("tune", "pmf", *FILES, *words)
    return folder, done


def test_they_are_searched_judged_and_reported_as_all_others(searched):
    folder, done = searched
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert list(answer["architectures"]) == ["pmf", *NAMES, "ensemble"]
    assert all(answer["architectures"][name]["verdict"] for name in NAMES)
    run = folder / "runs" / "mine"
    asked = json.loads((run / "run.json").read_text())["asked"]
    assert sorted(asked["sources"]) == sorted(NAMES)
    for name in NAMES:
        text = (folder / f"{name}.py").read_text()
        assert (
            (run / "sources" / f"{name}.py").read_text() == (run / "models" / name / f"{name}.py").read_text() == text
        )
        assert name in (run / "report.md").read_text()
    assert json.loads((run / "models" / "pmf" / "config.json").read_text())["sources"] == {}


def test_the_report_says_which_files_make_its_results_again(searched):
    run = read_run(RunFolder(searched[0] / "runs" / "mine"))
    assert train(run, "ordinal", {"factors": 4}).startswith(
        f"reeltune train {run.folder.source('ordinal')} --data ratings.csv"
    )
    assert run.folder.source("ordinal").read_text() == (searched[0] / "ordinal.py").read_text()
    assert train(run, "pmf", {}).startswith("reeltune train pmf --data")
    [command] = checking(run)
    parts = own_parts(run, run.winner)
    assert all(f"--architecture {run.folder.source(name)}" in command.line for name in parts)
    assert ("--architecture" in command.line) == bool(parts)


def test_they_are_described_as_ours_are(own):
    listed = json.loads(inside.reeltune("architectures", "pmf", "ordinal.py", "--json").stdout)
    assert list(listed) == ["pmf", "ordinal"]
    assert listed["ordinal"]["formula"].startswith("Ordinal classes: p = softmax")
    assert listed["ordinal"]["hyperparameters"]["factors"]["space"] == "4 to 16"


@pytest.mark.parametrize(("file", "calibrated"), [("ordinal.py", 1), ("two_tower.py", 0)])
def test_one_with_classes_is_calibrated_as_a_baseline(own, small, file, calibrated):
    [name], registry = resolve([file])
    _, _, shape = small
    order = FitOrder(key="baseline", architecture=name, config=registry[name].reference(shape).model_dump(), seed=1)
    assert len(calibrations({(KEY, 0): order}, shape, registry)) == calibrated


@pytest.mark.parametrize("name", NAMES)
def test_a_bundle_rates_pairs_with_the_file_and_not_without(searched, tmp_path, monkeypatch, name):
    folder, _ = searched
    monkeypatch.chdir(folder)
    model = f"runs/mine/models/{name}"
    refused = inside.reeltune("predict", model, "pairs.csv", "-o", str(tmp_path / "out.csv"))
    assert refused.returncode == 2
    assert f"--architecture {name}.py" in refused.stderr
    done = inside.reeltune(
        "predict", model, "pairs.csv", "-o", str(tmp_path / "out.csv"), "--architecture", f"{name}.py"
    )
    assert done.returncode == 0, done.stderr
    rated = pd.read_csv(tmp_path / "out.csv")["prediction"]
    loaded = load(model, architecture=folder / f"{name}.py")
    pairs = pd.read_csv("pairs.csv")
    assert loaded.predict(pairs["user"], pairs["item"]) == pytest.approx(rated.to_numpy(), abs=1e-4)


def test_an_ensemble_asks_for_the_files_of_its_members(searched, monkeypatch):
    folder, _ = searched
    monkeypatch.chdir(folder)
    members = json.loads((folder / "runs/mine/models/ensemble/config.json").read_text())["sources"]
    files = [f"{name}.py" for name in members]
    assert load("runs/mine/models/ensemble", architecture=files).predict(["u1"], ["i1"]).shape == (1,)
    if files:
        with pytest.raises(InputError, match=r"none of reeltune's"):
            load("runs/mine/models/ensemble", architecture=files[1:])


def test_a_run_that_is_opened_in_python_has_models_by_the_files(searched, monkeypatch):
    folder, _ = searched
    monkeypatch.chdir(folder)
    run = reeltune.open("mine", architecture=FILES)
    for name in ("pmf", "ordinal", "ensemble"):
        assert run.model(name).predict(["u1"], ["i1"]).shape == (1,)
    with pytest.raises(InputError, match=r"architecture='ordinal.py' in Python"):
        reeltune.open("mine").model("ordinal")


def test_training_in_python_takes_a_file_and_returns_its_model(own, monkeypatch):
    monkeypatch.setenv("REELTUNE_CACHE", str(own / "cache"))
    model = reeltune.train(pd.read_csv("ratings.csv"), own / "ordinal.py", epochs=1, name="one")
    assert model.predict(["u1"], ["i1"]).shape == (1,)


def test_recommend_takes_the_file_too(searched, monkeypatch):
    folder, _ = searched
    monkeypatch.chdir(folder)
    words = ["runs/mine/models/ordinal", "--seen", "none", "--users", "u1", "--top", "3", "--json"]
    done = inside.reeltune("recommend", *words, "--architecture", "ordinal.py")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["recommendations"]) == 3


@pytest.mark.slow
def test_a_replay_gives_the_same_score(searched, monkeypatch, lean_ray):
    folder, _ = searched
    monkeypatch.chdir(folder)
    monkeypatch.setenv("REELTUNE_CACHE", str(folder / "cache"))
    done = inside.reeltune("replay", "mine", "--architecture", "ordinal.py", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["largest_difference"] == 0


def test_a_replay_and_a_resume_refuse_a_changed_source(searched, monkeypatch):
    folder, _ = searched
    monkeypatch.chdir(folder)
    monkeypatch.setenv("REELTUNE_CACHE", str(folder / "cache"))
    text = (folder / "ordinal.py").read_text()
    asked = ["pmf", *FILES, "--data", "ratings.csv", "--items", "items.csv", "--name", "mine", "--resume"]
    without = inside.reeltune("replay", "mine", "--architecture", "ordinal")
    with pytest.raises(InputError, match=r"name its file: rt.open\(.*mine', architecture='ordinal.py'\)"):
        reeltune.open("mine").replay("ordinal")
    try:
        (folder / "ordinal.py").write_text(f"{text}\n# changed\n")
        changed = inside.reeltune("replay", "mine", "--architecture", "ordinal.py")
        more = inside.reeltune("tune", *asked, "--trials", "3")
    finally:
        (folder / "ordinal.py").write_text(text)
    assert [done.returncode for done in (without, changed, more)] == [2, 2, 2]
    assert "architecture 'ordinal' is none of reeltune's; name its file" in without.stderr
    assert "ordinal.py has changed since run mine" in changed.stderr
    assert "the source of ordinal has changed since run mine was started" in more.stderr


def test_another_source_than_the_fitted_one_is_refused_unless_it_is_allowed_by_name(searched, tmp_path):
    folder, _ = searched
    model, text = folder / "runs/mine/models/ordinal", (folder / "ordinal.py").read_text()
    other = tmp_path / "ordinal.py"
    other.write_text(text.replace("self.logits(", "2 * self.logits("))
    with pytest.raises(InputError, match=r"is not the source that .* was fitted with"):
        load(model, architecture=other)
    before, after = (load(model, architecture=file, changed_source="allow") for file in (folder / "ordinal.py", other))
    assert before.rank_indices([1], [1])[1] != after.rank_indices([1], [1])[1]
    with pytest.raises(InputError, match="needs no file"):
        load(folder / "runs/mine/models/pmf", architecture=other)


def test_a_bundles_copy_of_a_source_is_never_run(searched, tmp_path):
    folder, _ = searched
    model = shutil.copytree(folder / "runs/mine/models/ordinal", tmp_path / "model")
    mark = tmp_path / "was run"
    planted = f"import pathlib; pathlib.Path({str(mark)!r}).touch()\n"
    (model / "ordinal.py").write_text(planted)
    with pytest.raises(InputError):
        load(model)
    assert load(model, architecture=folder / "ordinal.py").predict(["u1"], ["i1"]).shape == (1,)
    assert not mark.exists()


BROKEN = {
    "return self.mean + self.unit * match": (
        "return (self.mean + self.unit * match)[:, None]",
        "two_tower.py: breaks the contract: `forward` gave (64, 1), expected (64,)",
    ),
    "delta=self.config.patience)": (
        "delta=self.config.patience, reduction='none')",
        "two_tower.py: breaks the contract: `loss` gave (64,), expected (): the mean over the rows",
    ),
    "nn.Embedding(ids, width)": (
        "nn.Embedding(ids, width, sparse=True)",
        "two_tower.py: breaks the contract: parameters need dense gradients; make nn.Embedding and nn.EmbeddingBag "
        "without sparse=True; found it in `user_tower.0`",
    ),
    "match = (self.user_tower(users)": (
        "match = (self.no_such_tower(users)",
        "has no attribute 'no_such_tower'",
    ),
}


@pytest.mark.parametrize("line", BROKEN)
def test_what_is_wrong_with_a_model_is_said_where_it_is(own, small, line):
    text, (other, said) = (own / "two_tower.py").read_text(), BROKEN[line]
    assert line in text
    (own / "two_tower.py").write_text(text.replace(line, other))
    _, registry = resolve(["two_tower.py"])
    _, parts, shape = small
    architecture = registry["two_tower"]
    with pytest.raises(Exception) as caught:  # noqa: PT011  as whatever a trial may raise
        Fit(architecture, architecture.Config(), shape, parts.train, seed=1)
    assert said in described(caught.value)
    if isinstance(caught.value, AttributeError):
        number = next(n for n, each in enumerate((own / "two_tower.py").read_text().splitlines(), 1) if other in each)
        assert described(caught.value).startswith(f"two_tower.py:{number}: AttributeError: 'Model' object")


def test_an_error_of_ones_own_is_the_reason_of_its_trials(own, lean_ray):
    text = (own / "ordinal.py").read_text()
    (own / "ordinal.py").write_text(text.replace("        reached =", "        reached = 1 / 0\n        reached ="))
    done = inside.reeltune("tune", "ordinal.py", "--data", DATA, "--trials", "2", "--name", "bad", "--no-ensemble")
    assert done.returncode == 3
    entries = [json.loads(line) for line in (own / "runs/bad/trials.jsonl").read_text().splitlines()]
    assert {entry["state"] for entry in entries} == {"failed"}
    assert all(entry["error"].startswith("ordinal.py:2") for entry in entries)
    assert all(entry["error"].endswith("ZeroDivisionError: division by zero") for entry in entries)


def sharded(*words):
    """The ratings by a model of the file, fitted with sharded users."""
    name = f"of{words[-1]}"
    asked = ["two_tower.py", "--data", "ratings.csv", "--shard", "users", "--set", "epochs=2", "--name", name]
    done = inside.reeltune("train", *asked, *words)
    assert done.returncode == 0, done.stderr
    pairs = pd.read_csv("pairs.csv")
    return load(f"runs/{name}/models/two_tower", architecture="two_tower.py").predict(pairs["user"], pairs["item"])


@pytest.mark.slow
def test_one_that_names_its_users_rows_is_the_same_fit_on_two_workers_that_share_them(own, lean_ray):
    assert sharded("--workers", "2") == pytest.approx(sharded("--workers", "1"), abs=1e-5)


def test_one_that_does_not_name_its_users_rows_is_not_sharded(own):
    refused = inside.reeltune("train", "ordinal.py", "--data", "ratings.csv", "--shard", "users")
    assert refused.returncode == 2
    assert "--shard users: ordinal.py does not say which rows are its users', in `user_blocks`; " in refused.stderr
    assert "Traceback" not in refused.stderr


WRONG = {
    "no_model.py": ('"""f"""\nfrom reeltune.trainables import TrainingConfig as Config\n', "expected a class Model"),
    "broken.py": ("x = = 1\n", "broken.py:1: SyntaxError: invalid syntax"),
    "missing.py": (
        "\nimport no_such_package\n",
        "missing.py:2: ModuleNotFoundError: No module named 'no_such_package'",
    ),
    "pmf.py": ("", "the name 'pmf' is taken; rename the file"),
    "fold.py": ("", "the name 'fold' is taken; rename the file"),  # a column of predictions
    "frequencies.py": ("", "the name 'frequencies' is taken; rename the file"),  # a simple predictor
    "training.py": ("", "the name 'training' is taken; rename the file"),  # an attribute of torch's modules
    "nothing.py": (None, "nothing.py: no such file; reeltune new nothing writes one to start from"),
}


@pytest.mark.parametrize("file", WRONG)
def test_a_file_that_is_no_architecture_is_refused_in_one_line(tmp_path, file):
    text, said = WRONG[file]
    if text is not None:
        (tmp_path / file).write_text(text)
    done = inside.reeltune("train", f"./{file}", "--data", DATA)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_an_error_before_anything_runs_is_theirs_and_one_line(own):
    text = (own / "ordinal.py").read_text()
    (own / "ordinal.py").write_text(text.replace("epochs=4", "epochs=shape.no_such"))
    done = inside.reeltune("train", "ordinal.py", "--data", DATA)
    assert done.returncode == 2
    number = len(text.splitlines())
    assert f"error: ordinal.py:{number}: AttributeError: 'Shape' object has no attribute 'no_such'" in done.stderr
    assert "did you mean ordinal.py?" in inside.reeltune("train", "ordinal", "--data", DATA).stderr


def test_what_has_no_search_space_can_be_trained_alone(own, lean_ray):
    (own / "two_tower.toml").unlink()
    refused = inside.reeltune("tune", "two_tower.py", "--data", DATA)
    assert refused.returncode == 2
    assert "two_tower.py: nothing of it varies" in refused.stderr
    (own / "space.toml").write_text("[two_tower.breadth]\nlow = 2\nhigh = 9\n")
    planned = inside.reeltune("tune", "two_tower.py", "--data", DATA, "--space", "space.toml", "--dry-run", "--json")
    assert json.loads(planned.stdout)["plan"][0]["parameters"] == 1


def test_a_module_is_given_by_its_dotted_name(own, monkeypatch):
    (own / "mypackage").mkdir()
    (own / "mypackage" / "__init__.py").touch()
    (own / "mypackage" / "widths.py").write_text("BREADTH = 8\n")
    relative = (
        (own / "two_tower.py").read_text().replace("import torch\n", "import torch\nfrom .widths import BREADTH\n", 1)
    )
    (own / "mypackage" / "two_tower.py").write_text(relative)
    monkeypatch.syspath_prepend(str(own))
    names, registry = resolve(["pmf", "mypackage.two_tower", "pmf"])
    assert names == ["pmf", "two_tower"]
    assert registry["two_tower"].BREADTH == 8
    with pytest.raises(InputError, match="two architectures of one name"):
        resolve(["mypackage.two_tower", "two_tower.py"])
    with pytest.raises(InputError, match="no module of this name here"):
        resolve(["mypackage.three_tower"])


def test_an_installed_one_is_given_by_its_entry_point(own, monkeypatch):
    (own / "theirs.py").write_text((own / "two_tower.py").read_text())
    about = own / "theirs-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[reeltune.architectures]\ntheirs = theirs\nother = theirs\n")
    monkeypatch.syspath_prepend(str(own))
    names, registry = resolve(["theirs"])
    assert names == ["theirs"]
    assert registry["theirs"].reference.__module__.startswith("reeltune_own_theirs_")
    with pytest.raises(InputError, match="an architecture has its module's name"):
        resolve(["other"])
    assert [is_own(word) for word in ("theirs", "./two_tower.py", "pmf", "ours")] == [True, True, False, False]
    assert baseline_of("theirs").name == "theirs"
    assert replay_options(["theirs", "ensemble"], workers=None, address=None).files == ("theirs",)
    job = job_command(typer.main.get_command(app), ["tune", "pmf", "--baseline", "theirs"], "theirs")
    assert [file.name for file in job.files] == ["theirs.py"]
    assert job.entrypoint.endswith('--name theirs --resume pmf --baseline "$files"/theirs.py')


def test_a_registry_is_sent_as_text_and_made_again_where_nothing_is_installed(own):
    """As to a node: another process, in another folder."""
    _, registry = resolve(["pmf", "ordinal.py"])
    sent = own / "registry.pickle"
    sent.write_bytes(pickle.dumps(registry))
    (own / "ordinal.py").unlink()
    code = f"import pickle; r = pickle.load(open({str(sent)!r}, 'rb')); print(r['ordinal'].Config().factors, *r)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["8", *registry]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nodes_of_a_cluster_need_nothing_installed(own):
    """Trials on two nodes, and refits whose two workers are on one each; neither has the files."""
    asked = ["--data", "ratings.csv", "--items", "items.csv", "--trials", "1", "--workers", "2", "--name", "far"]
    with nodes.cluster(2) as made:
        words = [sys.executable, "-m", "reeltune", "tune", *FILES, *asked, "--address", made.address, "--json"]
        environment = nodes.environment(REELTUNE_CACHE=str(own / "cache"))
        done = subprocess.run(words, cwd=own, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert all(answer["architectures"][name]["verdict"] for name in NAMES)
    for name in NAMES:
        assert load(f"runs/far/models/{name}", architecture=f"{name}.py").predict(["u1"], ["i1"]).shape == (1,)


def test_new_writes_a_start_and_over_nothing(tmp_path):
    assert inside.reeltune("new", "mine").returncode == 0
    text = (tmp_path / "mine.py").read_text()
    assert "is there already, and stays as it is" in inside.reeltune("new", "mine.py").stderr
    assert (tmp_path / "mine.py").read_text() == text
    assert "this name is taken" in inside.reeltune("new", "pmf").stderr
    assert "expected a name of letters" in inside.reeltune("new", "two-tower").stderr
    planned = inside.reeltune("tune", "mine.py", "--data", DATA, "--dry-run", "--json")
    assert json.loads(planned.stdout)["plan"][0]["parameters"] == 5


@pytest.mark.slow
def test_from_new_to_a_prediction(tmp_path, lean_ray):
    """What a newcomer types."""
    write_data(tmp_path)
    inside.reeltune("new", "mine")
    done = inside.reeltune("tune", "mine.py", "--data", "ratings.csv", "--trials", "1", "--name", "a", "--no-ensemble")
    assert done.returncode == 0, done.stderr
    done = inside.reeltune("train", "mine.py", "--data", "ratings.csv", "--workers", "2", "--name", "b", "--score-test")
    assert done.returncode == 0, done.stderr
    for run in ("a", "b"):
        words = [f"runs/{run}/models/mine", "pairs.csv", "-o", f"{run}.csv", "--architecture", "mine.py"]
        assert inside.reeltune("predict", *words).returncode == 0
        assert len(pd.read_csv(f"{run}.csv")) == len(pd.read_csv("pairs.csv"))


@pytest.mark.slow
@pytest.mark.parametrize("name", [*NAMES, "mine"])
def test_they_keep_the_contract(own, name):
    inside.reeltune("new", "mine")
    done = inside.reeltune("check", f"{name}.py", "--json")
    found = json.loads(done.stdout)
    assert [clause for clause in found["clauses"] if clause["wrong"] is not None] == []
    assert done.returncode == 0
    assert found["varies"]
