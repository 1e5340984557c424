"""The command line as a person meets it, its output and exit code: in a process of its own once for each verb."""

import fcntl
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from reeltune import load
from reeltune.cluster.cli import data, train, tune
from reeltune.cluster.search.choice import FINALISTS, SEEDS
from reeltune.trainables.architectures.table import ARCHITECTURES
from tests import boards, inside, reported


def reeltune(*words, stdin=None):
    command = [sys.executable, "-m", "reeltune", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=280, check=False, input=stdin)


@pytest.fixture
def films(film_ratings, tmp_path):
    frame = pd.DataFrame(film_ratings, columns=["reader", "film", "score"])
    frame.iloc[:600].to_csv(tmp_path / "a.csv", index=False)
    frame.iloc[600:].to_csv(tmp_path / "b.csv", index=False)
    return tmp_path


NOBODY = "endpoint_override=http://127.0.0.1:1&region=us-east-1"
WRONG = [
    (["tune", "nope"], f"architecture 'nope': expected {next(iter(ARCHITECTURES))}, "),
    (["tune", "--trials", "0"], "--trials 0: expected a whole number, 1 or more"),
    (["tune", "--folds", "x"], "--folds 'x': expected a whole number, 2 or more"),
    (["tune", "--seed", "1.5"], "--seed 1.5: expected a whole number, 0 or more"),
    (["tune", "--gpus-per-trial", "3"], "--gpus-per-trial 3: expected a number from 0 to 1"),
    (["train", "pmf", "--data", "a", "--data", "b"], "--data a --data b: a fit takes one, and reeltune tune several, "),
    (["lr-find", "pmf", "--data", "a", "--data", "b"], "--data a --data b: a fit takes one, and reeltune tune several"),
    (["train", "pmf", "--test", "a", "--test", "b"], "--test a --test b: a fit takes one, and reeltune tune several, "),
    (["train", "pmf", "--validation", "half"], "--validation 'half': expected a share of the rows from 0 to below 1"),
    (
        ["train", "pmf", "--validation", "10"],
        "--validation 10: expected a share of the rows from 0 to below 1, such as",
    ),
    (
        ["tune", "--test-share", "20%"],
        "--test-share '20%': expected a share of the rows from 0 to below 1, such as 0.1",
    ),
    (["tune", "--time", "soon"], "--time 'soon': expected a number of seconds"),
    (["tune", "--trial-timeout", "0"], "--trial-timeout '0': expected a number of seconds, or 90s, 15m, 2h"),
    (["tune", "--split", "half"], "--split 'half': expected random, user, time or folds:COLUMN"),
    (["train", "bias", "--split", "half"], "--split 'half': expected random, user or time\n"),
    (["train", "bias", "--split", "folds:part"], "--split folds:part: is for tune, which searches for each fold; use"),
    (["train", "bias", "--split", "half"], "--split 'half': expected random, user or time\n"),
    (["train", "bias", "--split", "folds:part"], "--split folds:part: is for tune, which searches for each fold; use"),
    (["tune", "--decoder", "mode"], "--decoder 'mode': expected argmax, mean, median, rounded or grid"),
    (["tune", "--sampler", "best"], "--sampler 'best': expected tpe, gp, random, qmc or grid"),
    (["tune", "--scheduler", "best"], "--scheduler 'best': expected asha, median or none"),
    (["tune", "--no-asha", "--scheduler", "asha"], "--no-asha means --scheduler none, and --scheduler is asha"),
    (["tune", "--smoke-test", "--workers-per-trial", "900"], "900 workers need batches of 1800 rows at least"),
    (["tune", "--smoke-test", "--space", "gone.toml"], "gone.toml: no such file"),
    (["tune", "--smoke-test", "--name", "../up"], "--name '../up': expected a plain name"),
    (["tune", "--data", "gone.csv", "--folds", "3", "--name", "a/b"], "--name 'a/b': expected a plain name"),
    (["tune", "--data", "gone.csv", "--split", "folds:x", "--name", "a/b"], "--name 'a/b': expected a plain name"),
    (["tune", "--smoke-test", "--name", ""], "--name '': expected a plain name"),
    (
        ["tune", "--smoke-test", "--storage", "ftp://host/runs"],
        "--storage ftp://host/runs: expected a folder, s3://BUCKET",
    ),
    (["tune", "--smoke-test", "--storage", "s3://k:s@bucket"], "--storage s3://...: a URI with credentials would be"),
    (["train", "pmf", "--data", "synthetic", "--storage", f"s3://bucket?{NOBODY}"], "cannot be reached: "),
    (["tune", "--smoke-test", "--address", "somewhere"], "--address 'somewhere': has no port: ray://somewhere:10001"),
    (["tune", "--smoke-test", "--address", "http://head:8265"], "reeltune submit --address http://head:8265 -- VERB"),
    (["tune", "--smoke-test", "--address", "auto:"], "--address 'auto:': expected auto, HOST:PORT or ray://HOST:PORT"),
    (["tune", "--smoke-test", "--address", "127.0.0.1:1"], "--address 127.0.0.1:1: no Ray cluster there"),
    (["tune", "--smoke-test", "--baseline", "knn"], "--baseline 'knn': expected one of bias, pmf, "),
    (["tune", "--smoke-test", "--baseline", "bais"], "or a published mean squared error; did you mean bias?"),
    (["tune", "--split", "tiem"], "--split 'tiem': expected random, user, time or folds:COLUMN; did you mean time?"),
    (["tune", "--sampler", "TPE"], "--sampler 'TPE': expected tpe, gp, random, qmc or grid; did you mean tpe?"),
    (["tune", "--smoke-test", "--baseline", "-1"], "--baseline -1: a published mean squared error is a number above 0"),
    (["tune", "--smoke-test", "--from", "gone"], "--from gone: no run of this name or path"),
    (["tune", "--smoke-test", "--from", "gone", "--dry-run"], "--from gone: no run of this name or path"),
    (["verdict", "gone"], "gone: no run of this name or path"),
    (["tune", "--data", "ml-5"], "'ml-5' is no data set and no file; data sets by name: ml-100k"),
    (["train", "nope"], f"architecture 'nope': expected {next(iter(ARCHITECTURES))}, "),
    (["train"], "Missing argument 'architecture'"),
    (["train", "pmf", "--data", "gone.csv"], "gone.csv: no such file"),
    (
        ["train", "pmf", "--data", "synthetic", "--set", "factors=0"],
        "--set factors=0: expected a whole number from 1 to 4,096",
    ),
    (
        ["train", "pmf", "--data", "synthetic", "--set", "epochs=1.5"],
        "--set epochs=1.5: expected a whole number from 1",
    ),
    (["train", "pmf", "--data", "synthetic", "--set", "epoch=3"], "dropout; did you mean epochs?"),
    (["train", "pmf", "--data", "synthetic", "--set", "width=3"], "no option 'width'; there are learning_rate"),
    (["train", "pmf", "--data", "synthetic", "--set", "factors"], "--set factors: expected name=value"),
    (["train", "pmf", "--data", "synthetic", "--config", "gone.toml"], "gone.toml: no such file"),
    (["train", "pmf", "--data", "synthetic", "--users", "gone.csv"], "gone.csv: no such file"),
    (["lr-find", "pmf", "--data", "synthetic", "--items", "gone.csv"], "gone.csv: no such file"),
    (["data", "synthetic", "--user-column", "who"], "--user-column who: does not apply to synthetic"),
    (["data", "ml-1m", "--rating-column", "stars"], "--rating-column stars: does not apply to ml-1m"),
    (["data", "synthetic", "--duplicates", "last"], "--duplicates last: does not apply to synthetic"),
    (["train", "pmf", "--data", "synthetic:users=x"], "users: must be a whole number from 2 to 100,000,000; found"),
    (["train", "pmf", "--data", "synthetic", "--workers", "2", "--set", "batch_size=2"], "2 workers need batches of 4"),
    (["train", "pmf", "--data", "synthetic", "--workers", "99"], "99 workers need 99"),
    (["tune", "--smoke-test", "--workers", "33"], "33 workers need batches of 66 rows at least, and one has 64"),
    (["lr-find", "nope"], "architecture 'nope'"),
    (["lr-find", "pmf", "--data", "synthetic", "-o", "plot.txt"], "-o plot.txt: expected a name that ends in .png"),
    (["lr-find", "pmf", "--data", "synthetic", "-o", "/sys/kernel/plot.png"], "/sys/kernel"),  # nobody may write there
    (
        ["lr-find", "pmf", "--data", "gone.csv", "-o", "/dev/null/a/plot.png"],
        "plot.png: /dev/null is no folder",
    ),
    (["data", "n" * 300], "is no data set and no file"),
    (["data", "nope"], "'nope' is no data set and no file"),
    (["predict", "gone", "pairs.csv", "-o", "out.csv"], "gone: no model bundle"),
    (["train", "bias", "--data", "synthetic", "--resume"], "--resume: which run is to go on? Add --name and its name"),
    (["tune", "--smoke-test", "--resume"], "--resume: which run is to go on? Add --name and its name"),
    (["dance"], "No such command 'dance'"),
]


@pytest.mark.parametrize(
    ("words", "message"), WRONG, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_a_wrong_input_is_one_line_with_exit_code_2(words, message, lean_ray):
    done = inside.reeltune(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert message in done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert done.stderr.splitlines()[-1] == errors[0]


def test_a_bad_row_is_named_by_file_and_line(tmp_path):
    (tmp_path / "a.csv").write_text("user,item,rating\nann,heat,4\nbob,heat,six\n")
    done = inside.reeltune("data", "a.csv")
    assert done.returncode == 2
    assert done.stderr == "error: a.csv:3: the rating in column 'rating' must be a finite number; found 'six'\n"


@pytest.mark.parametrize(
    ("asked", "offered"),
    [("kunde nr", "; did you mean 'Kunde Nr.'?"), ("KUNDE_NR", "; did you mean 'Kunde Nr.'?"), ("who", "")],
)
def test_a_column_that_is_nearly_the_one_asked_for_is_offered(tmp_path, asked, offered):
    (tmp_path / "a.csv").write_text("Kunde Nr.,item,rating\nann,heat,4\n")
    done = inside.reeltune("data", "a.csv", "--user-column", asked)
    assert done.returncode == 2
    assert done.stderr == f"error: a.csv: no column {asked!r}; found Kunde Nr., item, rating{offered}\n"


def test_every_hyperparameter_can_be_set_on_the_command_line():
    for name, architecture in ARCHITECTURES.items():
        for field, value in architecture.Config().model_dump().items():
            typed = architecture.Config.model_validate({field: str(value)})
            assert getattr(typed, field) == value, (name, field)


def test_a_test_file_of_pairs_that_are_trained_on_is_no_test(films):
    columns = ["--user-column", "reader", "--item-column", "film"]
    done = inside.reeltune("train", "pmf", "--data", "a.csv", "--test", "a.csv", *columns)
    assert done.returncode == 2
    assert "--test a.csv: every pair of it is in a.csv too" in done.stderr


def test_predict_leaves_ones_own_columns_as_they_are(tmp_path, lean_ray):
    result = json.loads(inside.reeltune("train", "pmf", "--data", "synthetic", "--set", "epochs=1", "--json").stdout)
    pd.DataFrame({"user": ["u1"], "item": ["i1"], "time": [1512345678.0]}).to_parquet("pairs.parquet")
    assert inside.reeltune("predict", result["model"], "pairs.parquet", "-o", "out.csv").returncode == 0
    assert pd.read_csv("out.csv")["time"].tolist() == [1512345678.0]


def test_help_and_version_come_without_torch_or_ray():
    code = """if True:
        import sys
        from reeltune.cluster.cli.app import main
        sys.argv = ["reeltune", "--help"]
        try:
            main()
        except SystemExit:
            print([name for name in ("ray", "torch") if name in sys.modules])
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "tune" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"
    assert reeltune("--version").stdout.startswith("reeltune ")
    assert "tune" in reeltune().stdout


def test_architectures_are_listed_with_their_defaults_and_spaces():
    listed = json.loads(reeltune("architectures", "--json").stdout)
    assert list(listed) == list(ARCHITECTURES)
    assert listed["pmf"]["hyperparameters"]["factors"]["default"] == 50
    assert listed["classifier"]["hyperparameters"]["learning_rate"]["space"].endswith(", log")
    assert "Salakhutdinov" in inside.reeltune("architectures").stdout


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["written at the end", "written at once"])
def test_output_that_nobody_reads_is_no_error(unbuffered):
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "reeltune", "--version"]
    variables = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, env=variables, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


def test_data_describes_somebodys_own_file(films):
    described = json.loads(
        reeltune("data", "a.csv", "--user-column", "reader", "--item-column", "film", "--json").stdout
    )
    assert described["ratings"] == 600
    assert described["users"] == 30
    assert described["scale"]["low"] >= 1
    assert described["scale"]["high"] <= 10
    assert sum(described["histogram"].values()) == 600
    assert described["first"][0]["user"] == "käthe-0"
    assert "30 users" in inside.reeltune("data", "a.csv", "--user-column", "reader", "--item-column", "film").stdout


@pytest.fixture
def readers(films):
    """A side table of the readers, one of whom rated nothing."""
    rows = [(f"käthe-{number}", "fm"[number % 2], f"Käthe the {number}th") for number in range(31)]
    pd.DataFrame(rows, columns=["reader", "gender", "name"]).to_csv("readers.csv", index=False)
    return ["--users", "readers.csv", "--user-column", "reader", "--item-column", "film"]


@pytest.fixture
def printed():
    """What a command prints."""

    def run(*words):
        done = inside.reeltune(*words)
        assert done.returncode == 0
        return done.stdout

    return run


def test_data_describes_side_tables_and_what_was_left_out(readers, printed):
    described = json.loads(printed("data", "a.csv", *readers, "--json"))
    gender, name = described["side_tables"]["users"]
    assert gender == {"name": "gender", "kind": "category", "features": 2, "left_out": ""}
    assert name["left_out"] == "31 distinct values in 31 rows"
    assert described["side_tables"]["items"] is None
    assert described["users"] == 31
    shown = printed("data", "a.csv", *readers)
    assert "side table of users, 2 features:\n  gender: category, 2 features\n  name: left out: 31 distinct" in shown


def test_a_plan_says_how_many_features_there_are(readers, printed):
    plan = printed("tune", "pmf", "--data", "a.csv", *readers, "--dry-run")
    assert "; 2 user features; columns: user = 'reader', item = 'film', rating = 'score'" in plan
    assert "; users in the side table alone: 1; --users readers.csv: left out name" in plan


def test_a_dry_run_says_what_would_run_and_writes_nothing(tmp_path):
    planned = json.loads(
        inside.reeltune("tune", "pmf", "classifier", "--data", "synthetic", "--dry-run", "--json").stdout
    )
    assert [line["architecture"] for line in planned["plan"]] == ["pmf", "classifier"]
    assert planned["plan"][0]["fits"] == 20 + 9
    assert planned["slots"] >= 1
    assert planned["workers_per_trial"] == 1
    assert planned["estimate_seconds"] > 0
    assert not (tmp_path / "runs").exists()


ONE = """[pmf]
only = true
batch_size = 64
[pmf.epochs]
low = 3
high = 4
"""


def test_a_dry_run_heeds_the_limit_of_time_and_counts_one_as_one(tmp_path):
    (tmp_path / "one.toml").write_text(ONE)
    words = ["tune", "pmf", "--data", "synthetic:ratings=2000", "--space", "one.toml", "--dry-run"]
    whole, short = (inside.reeltune(*words, *limit).stdout.splitlines() for limit in ((), ("--time", "0.1")))
    assert "29 fits in the search over 1 hyperparameter, then 3 refits" in whole[1]
    assert "short" not in whole[2]
    assert " to the verdict, with --time cutting the search short, if nothing else runs" in short[2]


def test_a_dry_run_refuses_what_the_run_would(tmp_path):
    words = ["tune", "bias", "--data", "synthetic:ratings=600", "--dry-run"]
    (tmp_path / "file").write_text("")
    held = tmp_path / "runs" / "held"
    held.mkdir(parents=True)
    refused = {
        ("--gpus-per-trial", "0.5"): "--gpus-per-trial 0.5: the cluster has no GPU",
        ("--storage", "file", "--name", "x"): "file/x cannot be written",
        ("--name", "held"): "another process is working on this run",
    }
    with (held / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for more, reason in refused.items():
            done = inside.reeltune(*words, *more)
            assert (done.returncode, reason in done.stderr) == (2, True), done.stderr
    assert inside.reeltune(*words, "--name", "held").returncode == 0
    assert {path.name for path in tmp_path.iterdir()} <= {"file", "runs", "cache"}
    assert [path.name for path in (tmp_path / "runs").rglob("*")] == ["held", ".lock"]


def test_lr_find_suggests_a_rate_and_draws_it(tmp_path):
    done = json.loads(reeltune("lr-find", "pmf", "--data", "synthetic:ratings=20000", "--json").stdout)
    assert 1e-4 < done["valley"] < 1
    assert (tmp_path / done["plot"]).read_bytes().startswith(b"\x89PNG")


def test_train_on_ones_own_files_gives_metrics_and_a_model_for_ones_own_ids(films):
    columns = ["--user-column", "reader", "--item-column", "film"]
    words = ["train", "classifier", "--data", "a.csv", "--test", "b.csv", *columns, "--set", "epochs=2", "--json"]
    assert "b.csv: none of its users is known: it has users such as 'käthe-30'" in inside.reeltune(*words).stderr
    done = reeltune(*words, "--unknown-ids", "allow")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    about = {"architecture", "config", "timed", "fit_seconds", "epochs", "train_loss", "refitted", "model"}
    assert set(result) == {*about, "validation", "test"}
    metrics = {"argmax_mse", "mean_mse", "median_mse", "rounded_mse", "grid_mse", "rmse", "mae", "accuracy"}
    assert set(result["validation"]) == set(result["test"]) == {*metrics, "log_loss", "rps"}
    assert result["config"]["epochs"] == 2
    assert "test rows are scored; this is look number 1 at them" in done.stderr
    [run] = Path("runs").iterdir()
    assert [event.step for event in boards.scalars(run, "classifier", "mse/validation")] == [1, 2]
    pd.DataFrame({"reader": ["käthe-1", "nobody"], "film": ["film, the 3"] * 2}).to_csv("pairs.csv", index=False)
    rated = reeltune("predict", result["model"], "pairs.csv", "-o", "out.csv", *columns, "--json")
    found = json.loads(rated.stdout)
    columns_read, unknown = found.pop("notes")
    assert found == {"pairs": 2, "unknown_users": 1, "unknown_items": 0, "unknown_both": 0, "output": "out.csv"}
    assert columns_read == "pairs.csv: columns: user = 'reader', item = 'film'"
    assert unknown == "pairs.csv: of 2 rows 1 have an unknown user, 0 an unknown item, 0 both"
    predictions = pd.read_csv("out.csv")["prediction"]
    assert predictions.between(1, 10).all()
    assert predictions[0] == pytest.approx(load(result["model"]).predict(["käthe-1"], ["film, the 3"])[0])


def test_a_configuration_in_a_file_is_taken_and_set_changes_it(tmp_path, lean_ray):
    (tmp_path / "c.toml").write_text("factors = 4\nepochs = 1\n")
    words = [
        "train",
        "pmf",
        "--data",
        "synthetic",
        "--config",
        "c.toml",
        "--set",
        "epochs=2",
        "--name",
        "mine",
        "--json",
    ]
    result = json.loads(inside.reeltune(*words).stdout)
    assert (result["config"]["factors"], result["config"]["epochs"], result["test"]) == (4, 2, None)
    assert result["model"] == "runs/mine/models/pmf"
    assert inside.reeltune(*words).returncode == 2, "the name is taken"


def test_a_search_cut_short_says_so_leaves_the_test_rows_sealed_and_goes_on_with_resume(tmp_path, lean_ray):
    words = ["tune", "pmf", "--smoke-test", "--name", "short"]
    done = inside.reeltune(*words, "--time", "0.01s")
    assert done.returncode == 3
    lines = done.stdout.splitlines()
    assert lines[:2] == [
        "No architecture finished: there is no winner.",
        "pmf: no verdict: no fit of it came to its end",
    ]
    assert lines[2] == (
        "--time was over after 0 of 2 trials; the rest of them: "
        "reeltune tune pmf --smoke-test --name short --time 0.01s --resume"
    )
    listed = lines[-1].rpartition(": ")[2].split(", ")
    assert all((tmp_path / "runs" / "short" / name).exists() for name in listed)
    assert "pmf: no verdict" in (tmp_path / "runs" / "short" / "report.md").read_text()
    assert not (tmp_path / "cache" / "looks.jsonl").exists()
    again = inside.reeltune(*words, "--resume", "--json")
    assert again.returncode == 0, again.stderr
    result = json.loads(again.stdout)
    assert (sum(result["trials"].values()), result["trials_asked"]) == (2, 2)
    assert result["architectures"]["pmf"]["verdict"] is not None
    assert inside.reeltune(*words, "--resume").returncode == 2, "now it is finished"


END = "-- end --"
# Runs several commands in one process. After each, standard error has its exit code, and both streams an END.
IN_TURN = f"""
import json, sys
from reeltune.cluster.cli.app import main

for words in json.loads(sys.argv[1]):
    sys.argv = ["reeltune", *words]
    try:
        main()
    except SystemExit as end:
        print(end.code, end="{END}", file=sys.stderr)
    print(end="{END}")
"""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_output_in_an_encoding_without_the_signs_of_ids_and_tables_is_escaped_and_no_traceback(encoding, tmp_path):
    """Ids in Polish and Japanese, and a file of that name: in results, tables, JSON and errors alike."""
    rows = [f"Żółć{n % 9},映画{n % 7},{n % 5 + 1}" for n in range(200)]
    name = "żółć.csv"
    (tmp_path / name).write_text("\n".join(["user,item,rating", *rows]), encoding="utf-8")
    environment = {**os.environ, "PYTHONIOENCODING": encoding}

    plan = ["tune", "bias", "--data", name, "--dry-run"]
    words = [["data", name], ["data", "gone-映画.csv"], ["compare", name], ["--help"], ["data", name, "--json"], plan]
    command = [sys.executable, "-c", IN_TURN, json.dumps(words)]
    done = subprocess.run(command, capture_output=True, cwd=tmp_path, env=environment, timeout=280, check=True)
    told, gone, compared, helped, as_json, planned = zip(
        *(stream.decode(encoding).split(END)[:-1] for stream in (done.stdout, done.stderr)), strict=True
    )
    assert told[1] == "0"
    assert "\\u6620\\u753b1" in told[0]
    assert "\\u017b" in told[0]
    assert gone[1].startswith("error: ")
    assert "gone-\\u6620\\u753b.csv" in gone[1]
    assert [each[1][-1] for each in (gone, compared, helped, planned)] == ["2", "2", "0", "0"]
    assert json.loads(as_json[0])["users"] == 9


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_tables_have_lines_that_the_encoding_has(encoding, tmp_path):
    reported.write_run(tmp_path / "runs" / "żółć")
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    command = [sys.executable, "-m", "reeltune", "compare", "żółć"]
    done = subprocess.run(command, capture_output=True, cwd=tmp_path, env=environment, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    shown = done.stdout.decode(encoding)
    assert "--------" in shown if encoding == "ascii" else "────────" in shown
    assert ("\\u017c" in shown) == (encoding == "ascii")


def test_unknown_ids_without_a_test_file_are_refused():
    done = inside.reeltune("tune", "bias", "--data", "synthetic", "--unknown-ids", "allow", "--dry-run")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--unknown-ids allow: is about the ids of a test file; add --test" in done.stderr


@pytest.mark.parametrize("option", ["--data", "--test", "--users", "--items", "--rating-column", "--duplicates"])
def test_a_smoke_test_refuses_data_of_ones_own(option):
    done = inside.reeltune("tune", "--smoke-test", option, "last")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: --smoke-test {option}: a smoke test runs on made-up ratings; leave out")


def test_every_option_about_data_is_refused_by_a_smoke_test():
    """An option that `data` and `train` take is one: a new one is not forgotten."""
    parameters = [set(inspect.signature(verb).parameters) for verb in (data.data, train.train, tune.tune)]
    of_data = parameters[0] | {"test", "unknown_ids"}
    assert set(tune.ABOUT_DATA) == of_data & parameters[1] & parameters[2] - {"as_json"}


@pytest.mark.parametrize(("words", "trials"), [((), 2), (("--trials", "3"), 3)])
def test_a_smoke_test_has_as_many_trials_as_it_is_asked_for(words, trials):
    done = inside.reeltune("tune", "bias", "--smoke-test", "--dry-run", "--json", *words)
    confirmations = min(FINALISTS, trials) * SEEDS
    assert json.loads(done.stdout)["plan"][0]["fits"] == trials + confirmations


def test_lr_find_takes_the_columns_of_ones_own_file(films):
    columns = ["--user-column", "reader", "--item-column", "film", "--rating-column", "score", "--duplicates", "keep"]
    done = inside.reeltune("lr-find", "pmf", "--data", "a.csv", *columns, "-o", "plot.png", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["valley"] > 0
    assert "reader" in inside.reeltune("lr-find", "pmf", "--data", "a.csv").stderr, "without them: which column is it?"
