"""The command of a job is read by the real command line before anything is sent."""

import json
import shlex
import sys
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer

from reeltune.cluster.cli.app import app, main
from reeltune.cluster.cli.job_command import job_command as read
from reeltune.cluster.cli.job_command import of_verb
from reeltune.trainables.errors import InputError
from tests import inside

WRONG = [
    ([], "submit: expected a command after --, such as"),
    (["submit", "--", "tune"], "submit -- submit: a job cannot submit itself"),
    (["jobs"], "submit -- jobs: jobs looks at jobs from outside"),
    (["board", "mine"], "submit -- board: board shows a run on the machine that it runs on"),
    (["dance"], "submit -- dance: no such command; there are "),
    (["tune", "--trails", "3"], "No such option: --trails"),
    (["tune", "--trials", "0"], "--trials 0: expected a whole number, 1 or more"),
    (["tune", "pmf", "nope"], "architecture 'nope': expected bias, pmf, "),
    (["train"], "Missing argument 'architecture'"),
    (["train", "nope"], "architecture 'nope': expected bias, pmf, "),
    (["tune", "--time", "soon"], "--time 'soon': expected a number of seconds"),
    (["tune", "--split", "half"], "--split 'half': expected random, user, time or folds:COLUMN"),
    (["tune", "--validation", "1.5"], "--validation 1.5: expected a share of the rows from 0 to below 1"),
    (["train", "pmf", "--metric", "ndcg"], "--metric 'ndcg': expected mse, mae, log_loss or rps"),
    (["tune", "--sampler", "best"], "--sampler 'best': expected tpe, gp, random, qmc or grid"),
    (["tune", "--scheduler", "best"], "--scheduler 'best': expected asha, median or none"),
    (["tune", "--no-asha", "--scheduler", "median"], "--no-asha means --scheduler none, and --scheduler is median"),
    (["tune", "--address", "auto"], "submit -- tune --address: leave it out"),
    (["tune", "--name", "other"], "submit --name mine -- ... --name other: one job has one name"),
    (["tune", "--space", "gone.toml"], "gone.toml: no such file"),
    (["tune", "--data", "ratings.csv"], "ratings.csv is on this machine, and the job runs on the cluster"),
    (["train", "pmf", "--users", "ratings.csv"], "ratings.csv is on this machine"),
    (["train", "pmf", "--config", "bundle"], "bundle is on this machine"),
    (["predict", "bundle", "pairs.csv", "-o", "out.csv"], "bundle is on this machine"),
    (["recommend", "/shared/bundle", "--seen", "ratings.csv"], "ratings.csv is on this machine"),
]


WRONG += [
    (["tune", "--storage", "runs"], "--storage runs: expected s3://BUCKET/..., gs://BUCKET/... or the absolute path"),
    (["tune", "--storage", "s3://AKIA:hidden@bucket"], "--storage s3://...: a URI with credentials would be written"),
    (["tune", "--data", "s3://AKIA:hidden@bucket/a.csv"], "submit: s3://...: a URI with credentials would be written"),
    (["tune", "--storage", "s3://bucket?bad=1"], "no option 'bad' of an S3 URI"),
]


def job_command(words, name):
    return read(typer.main.get_command(app), words, name)


@pytest.fixture
def own_files(tmp_path):
    """Files in the working folder, which is the test's own."""
    (tmp_path / "ratings.csv").write_text("user,item,rating\n")
    (tmp_path / "narrow.toml").write_text("[pmf]\n")
    (tmp_path / "bundle").mkdir()
    return tmp_path


def refused(capsys, monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["reeltune", "submit", *words])
    with pytest.raises(SystemExit) as end:
        main()
    printed = capsys.readouterr()
    assert end.value.code == 2
    assert printed.out == ""
    return [line for line in printed.err.splitlines() if line.startswith("error: ")]


@pytest.mark.parametrize(("words", "message"), WRONG, ids=lambda value: shlex.join(value) if value else "none")
def test_what_the_verb_would_not_take_is_refused_here(words, message, own_files, capsys, monkeypatch):
    (error,) = refused(capsys, monkeypatch, "--name", "mine", "--", *words)
    assert message in error


@pytest.mark.parametrize("name", ["a b", "../up", "a/b", "-a", "", "käthe", "a:2"])
def test_a_name_that_no_job_can_have_is_refused(name, capsys, monkeypatch):
    (error,) = refused(capsys, monkeypatch, f"--name={name}", "--", "architectures")
    assert "a job's name is of letters, digits" in error


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("head:6379", "--address 'head:6379': expected the cluster's dashboard, such as http://head:8265"),
        ("ray://head:10001", "ray:// is for the verbs themselves: reeltune VERB ... --address ray://head:10001"),
        ("http://127.0.0.1:1", "--address http://127.0.0.1:1: no Ray cluster there"),
        ("http://127.0.0.1:1", "reached while this runs: ssh -N -L 8265:127.0.0.1:8265 HEAD"),
        ("http://127.0.0.1:port", "--address http://127.0.0.1:port: no Ray cluster there"),
    ],
)
def test_an_address_at_which_no_dashboard_is_is_one_line(address, message, capsys, monkeypatch):
    (error,) = refused(capsys, monkeypatch, "--address", address, "--", "architectures")
    assert message in error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["dance"], "jobs 'dance': expected list, status, logs or stop"),
        (["stop"], "jobs stop: name the job: reeltune jobs lists them"),
        (["list", "mine"], "jobs list: takes no name"),
        (["status", "mine", "--address", "head"], "--address 'head': expected the cluster's dashboard"),
    ],
)
def test_what_jobs_does_not_take_is_one_line(words, message, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["reeltune", "jobs", *words])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert message in capsys.readouterr().err


def test_the_log_of_a_job_ends_in_json_where_it_is_asked_for(monkeypatch):
    monkeypatch.setattr("reeltune.cluster.jobs.job.find", lambda name, address: SimpleNamespace(id=f"reeltune-{name}"))
    monkeypatch.setattr("reeltune.cluster.cli.jobs.followed", lambda job: ("FAILED", 2, 2))
    done = inside.reeltune("jobs", "logs", "mine", "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout) == {"submission_id": "reeltune-mine", "status": "FAILED", "exit_code": 2}
    assert inside.reeltune("jobs", "logs", "mine").stdout == ""


def test_rays_own_variables_say_where_the_dashboard_is(capsys, monkeypatch):
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:2")
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:3")
    assert "--address http://127.0.0.1:2: no Ray" in refused(capsys, monkeypatch, "--", "architectures")[0]
    monkeypatch.delenv("RAY_API_SERVER_ADDRESS")
    assert "--address http://127.0.0.1:3: no Ray" in refused(capsys, monkeypatch, "--", "tune")[0]


def test_without_rays_client_it_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    (error,) = refused(capsys, monkeypatch, "--", "architectures")
    assert error.endswith(f"not installed: pip install 'ray[default]=={version('ray')}'"), "no index has reeltune yet"


def test_a_search_joins_its_cluster_and_goes_on_with_its_name():
    command = job_command(["tune", "pmf", "--data", "s3://bucket/a b.csv"], "mine")
    added = "--address auto --name mine --resume"
    assert command.entrypoint == f"exec python -P -m reeltune tune {added} pmf --data 's3://bucket/a b.csv'"
    assert command.results == "runs/mine"
    assert not command.shared


def test_a_name_of_the_verb_is_the_jobs_name_and_nothing_is_added_twice():
    words = ["train", "pmf", "--data", "/shared/a.csv", "--name", "mine", "--resume"]
    command = job_command(words, None)
    assert command.name == "mine"
    assert command.entrypoint == f"exec python -P -m reeltune train --address auto {shlex.join(words[1:])}"


def test_a_search_without_a_name_gets_a_new_one_and_resumes_nothing():
    command = job_command(["tune", "--", "pmf"], None)
    assert command.entrypoint.endswith(f" tune --address auto --name {command.name} -- pmf")


def test_a_run_that_is_to_go_on_needs_its_name():
    with pytest.raises(InputError, match="--resume: which run is to go on"):
        job_command(["tune", "pmf", "--resume"], None)


@pytest.mark.parametrize("verb", ["predict", "recommend"])
def test_a_model_of_ones_own_is_read_on_one_machine(verb, own_files):
    own = own_files / "mine.py"
    own.write_text("")
    words = [
        verb,
        "runs/a/models/mine",
        *(["pairs.csv"] if verb == "predict" else ["--seen", "none"]),
        "-o",
        "/x/o.csv",
    ]
    assert " --address auto " in job_command(words, None).entrypoint
    assert " --address " not in job_command([*words, "--architecture", "mine.py"], None).entrypoint


def test_a_replay_of_an_ensemble_joins_its_cluster_and_is_no_new_run():
    command = job_command(["replay", "mine", "--architecture", "ensemble"], None)
    assert command.entrypoint == "exec python -P -m reeltune replay --address auto mine --architecture ensemble"
    assert command.results is None


@pytest.mark.parametrize(
    ("storage", "results"),
    [
        ("/shared/runs", "/shared/runs/mine"),
        ("s3://bucket/runs?region=eu-west-1", "s3://bucket/runs/mine?region=eu-west-1"),
    ],
)
def test_results_are_in_the_storage_of_the_command(storage, results):
    command = job_command(["tune", "--storage", storage], "mine")
    assert command.results == results
    assert command.shared


def test_verbs_that_make_no_run_are_left_as_they_are():
    command = job_command(["data", "ml-100k"], "look")
    assert command.entrypoint == "exec python -P -m reeltune data ml-100k"
    assert command.results is None


@pytest.mark.parametrize("words", [["--space", "./narrow.toml"], ["--space=narrow.toml"]])
def test_a_space_is_sent_along_and_found_where_the_job_runs(words, own_files):
    command = job_command(["tune", *words], "mine")
    assert command.files == (Path("narrow.toml"),)
    assert command.entrypoint.startswith("files=$(python -P -c 'import reeltune_files; ")
    assert command.entrypoint.endswith(
        f'{words[0].partition("=")[0]}{"=" if len(words) == 1 else " "}"$files"/narrow.toml'
    )


@pytest.mark.parametrize(
    ("words", "there"),
    [
        (["tune", "pmf", "./mine.py"], 'pmf "$files"/mine.py'),
        (["train", "mine.py"], '"$files"/mine.py'),
        (["tune", "theirpackage.other", "--baseline", "mine.py"], '"$files"/other.py --baseline "$files"/mine.py'),
        (
            ["predict", "/shared/bundle", "/shared/pairs.csv", "--architecture=mine.py"],
            '--architecture="$files"/mine.py',
        ),
        (["replay", "one", "--architecture", "mine.py"], 'one --architecture "$files"/mine.py'),
    ],
)
def test_the_source_of_an_own_architecture_is_sent_along_with_its_space(words, there, own_files, monkeypatch):
    (own_files / "mine.py").touch()
    (own_files / "mine.toml").touch()
    (own_files / "theirpackage").mkdir()
    (own_files / "theirpackage" / "__init__.py").touch()
    (own_files / "theirpackage" / "other.py").touch()
    monkeypatch.syspath_prepend(str(own_files))
    words = [*words, "-o", "out.csv"] if words[0] == "predict" else words
    command = job_command(words, None)
    assert there in command.entrypoint
    assert {"mine.py", "mine.toml"} <= {path.name for path in command.files}
    assert ("other.py" in {path.name for path in command.files}) == ("theirpackage.other" in words)


def test_two_files_of_one_name_are_not_sent_over_each_other(own_files, capsys, monkeypatch):
    (own_files / "mine.py").touch()
    for folder in (own_files, own_files / "bundle"):
        (folder / "mine.toml").touch()
    (error,) = refused(capsys, monkeypatch, "--", "tune", "mine.py", "--space", "bundle/mine.toml")
    assert "bundle/mine.toml and mine.toml: two files of one name" in error


def test_a_data_set_by_name_is_no_file_of_this_machine(own_files):
    (own_files / "ml-100k").mkdir()
    assert "ml-100k" in job_command(["tune", "--data", "ml-100k"], None).entrypoint


@pytest.mark.parametrize("logged", [[], ["--verbose"], ["--log-file", "tune"], ["--log-file=a.txt", "--verbose"]])
def test_options_before_the_verb_stay_here(logged):
    assert of_verb([*logged, "tune", "pmf"]) == ["tune", "pmf"]


def test_a_limit_of_time_is_known_of_the_command():
    assert job_command(["tune", "--time", "5m"], "mine").timed
    assert not job_command(["tune"], "mine").timed
