"""Jobs on a real Ray cluster that asks for a token: sent, followed, stopped, and never started twice."""

import json
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.heads import TOKEN, environment, head_node, kill, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[3]
LONG = ["--", "train", "pmf", "--data", "synthetic", "--set", "epochs=1000", "--checkpoint-every", "0.5"]
# A command that takes longer to end than the 3 s that Ray gives by itself, and one that sends it.
SLOW = """
import signal, time
from pathlib import Path

def end(*received):
    time.sleep(5)
    Path("kept").touch()
    raise SystemExit(143)

signal.signal(signal.SIGTERM, end)
Path("begun").touch()
signal.pause()
"""
SEND = """
import sys
from reeltune.cluster.jobs.command import JobCommand
from reeltune.cluster.jobs.submit import submit

command = JobCommand(name="slow", entrypoint="python slow.py", files=(), results=None, shared=False)
submit(command, address=sys.argv[1], install=False)
"""
SPACE = "[pmf]\nonly = true\nepochs = 1\n[pmf.learning_rate]\nlow = 1e-3\nhigh = 1e-2\n"


@pytest.fixture(scope="module")
def heads(tmp_path_factory):
    """Gives a head node that is up. The same one each time, as a start takes seconds, until a test has killed it."""
    with ExitStack() as stack:
        started = []

        def head():
            if not started or started[-1].process.poll() is not None:
                started.append(stack.enter_context(head_node(tmp_path_factory.mktemp("head"))))
            return started[-1]

        yield head


@pytest.fixture
def head(heads):
    return heads()


def command(head, *words):
    return [sys.executable, "-m", "reeltune", "submit", "--address", head.address, *words]


def submit(head, *words, **variables):
    done = subprocess.run(
        command(head, *words), capture_output=True, text=True, check=False, timeout=280, env=environment(**variables)
    )
    assert TOKEN not in done.stdout + done.stderr
    return done


def several(head, *commands):
    """What each of several commands does, in one process, as each takes seconds to start."""
    every = json.dumps([[verb, "--address", head.address, *words] for verb, *words in commands])
    variables = environment(PYTHONPATH=str(ROOT))
    program = [sys.executable, "-m", "tests.inside", every]
    done = subprocess.run(program, capture_output=True, text=True, check=True, timeout=280, env=variables)
    assert TOKEN not in done.stdout + done.stderr
    answers = zip(commands, json.loads(done.stdout), strict=True)
    return [subprocess.CompletedProcess(words, *answer) for words, answer in answers]


def ray_job(head, *words):
    ray = [sys.executable, "-m", "ray.scripts.scripts", "job", *words, "--address", head.address]
    return subprocess.run(ray, capture_output=True, text=True, check=True, env=environment()).stdout


@pytest.fixture(scope="module")
def ended(heads):
    """What `submit` gives for a job that ends well, and for one that fails."""
    wrong = ["submit", "--json", "--", "data", "nowhere.csv"]
    return several(heads(), ["submit", "--name", "list", "--json", "--", "architectures"], wrong)


def test_a_verb_runs_as_a_job_whose_log_comes_here(ended, head):
    done, _ = ended
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "submission_id": "reeltune-list",
        "name": "list",
        "address": head.address,
        "started": True,
        "results": None,
        "status": "SUCCEEDED",
        "exit_code": 0,
    }
    assert "Salakhutdinov" in done.stderr


def test_the_exit_code_is_the_jobs_own(ended):
    _, done = ended
    assert done.returncode == 2
    assert "error: nowhere.csv: no such file" in done.stderr
    assert json.loads(done.stdout)["exit_code"] == 2


def test_a_wrong_token_is_one_line(head):
    done = submit(head, "--", "architectures", RAY_AUTH_TOKEN="f" * 64)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: --address {head.address}: the cluster did not take the token; put its token")
    assert len(done.stderr.splitlines()) == 1


def test_the_token_is_passed_on_also_where_only_its_file_is_named(head, tmp_path):
    (tmp_path / "token").write_text(TOKEN)
    variables = {key: value for key, value in environment().items() if not key.startswith("RAY_")}
    variables["RAY_AUTH_TOKEN_PATH"] = str(tmp_path / "token")
    words = command(head, "--no-wait", "--json", "--", "architectures")
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=variables)
    assert done.returncode == 0, done.stderr
    assert TOKEN not in done.stdout + done.stderr + ray_job(head, "list")


def test_a_search_runs_the_code_and_space_that_were_sent_and_its_name_is_not_searched_twice(head, tmp_path):
    (tmp_path / "my space.toml").write_text(SPACE)
    words = ["--", "tune", "pmf", "--smoke-test", "--no-ensemble", "--space", "my space.toml", "--name", "smoke"]
    words += ["--concurrent", "1"]
    done = submit(head, *words)
    assert done.returncode == 0, done.stderr
    assert "results in runs/smoke in the folder in which Ray was started on the head node" in done.stderr
    record = json.loads((head.home / "runs" / "smoke" / "run.json").read_text())
    assert record["finished"]
    assert record["commit"] is None, "the packages that were sent are in no checkout"
    assert record["asked"]["space"]["pmf"]["fixed"]["epochs"] == 1
    again = submit(head, *words)
    assert again.returncode == 0
    assert "reeltune-smoke is finished already; nothing was started; results in runs/smoke" in again.stderr
    assert "pmf wins " in again.stderr
    last = "nothing was started; give a larger --trials to search on, or choose another --name for another run"
    assert again.stderr.splitlines()[-1].endswith(last)
    other = submit(head, *words, "--seed", "5")
    assert other.returncode == 2
    assert "submitted reeltune-smoke:2" in other.stderr
    last = "a job of this name had ended, so submit asked its run to go on (--resume); give a larger --trials"
    assert other.stderr.splitlines()[-1].startswith(last)
    more = submit(head, *words, "--trials", "3")
    assert more.returncode == 0, more.stderr
    assert "submitted reeltune-smoke:3" in more.stderr
    assert json.loads((head.home / "runs/smoke/run.json").read_text())["asked"]["trials"] == 3


def test_jobs_are_listed_told_and_refused_by_name(head):
    _, listed, table, told, log, missing = several(
        head,
        ["submit", "--name", "seen", "--", "architectures"],
        ["jobs", "--json"],
        ["jobs", "list"],
        ["jobs", "status", "seen"],
        ["jobs", "logs", "seen"],
        ["jobs", "stop", "missing"],
    )
    (seen,) = [each for each in json.loads(listed.stdout)["jobs"] if each["name"] == "seen"]
    assert (seen["status"], seen["command"]) == ("SUCCEEDED", "reeltune architectures")
    assert "reeltune architectures" in table.stdout
    assert told.stdout.startswith("seen: SUCCEEDED, exit code 0, ")
    assert f"log: reeltune jobs logs seen --address {head.address}" in told.stdout
    assert "Salakhutdinov" in log.stderr
    assert missing.returncode == 2
    assert "no job 'missing' at" in missing.stderr


def test_an_own_architecture_is_sent_along_and_fitted_where_nothing_is_installed(head, tmp_path):
    """As a file, with its search space beside it: the cluster has neither."""
    for part in (".py", ".toml"):
        shutil.copy(ROOT / "tests" / "own" / f"ordinal{part}", tmp_path)
    words = ["tune", "./ordinal.py", "--smoke-test", "--no-ensemble", "--concurrent", "1", "--name", "own"]
    done = submit(head, "--", *words)
    assert done.returncode == 0, done.stderr
    record = json.loads((head.home / "runs" / "own" / "run.json").read_text())
    assert sorted(record["asked"]["space"]["ordinal"]["parameters"]) == ["epochs", "factors"]
    copy = head.home / "runs" / "own" / "models" / "ordinal" / "ordinal.py"
    assert copy.read_text() == (tmp_path / "ordinal.py").read_text()


def test_a_name_is_started_once_followed_stopped_and_taken_up_again(head):
    words = command(head, "--name", "long", "--no-wait", "--json", *LONG)
    both = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment()) for _ in range(2)]
    answers = [json.loads(one.communicate(timeout=120)[0]) for one in both]
    assert sorted(answer["started"] for answer in answers) == [False, True]
    assert {answer["submission_id"] for answer in answers} == {"reeltune-long"}

    following = _follower(head)
    until(lambda: list((head.home / "runs/long/fits").glob("[!.]*.state*")))  # one being written begins with a dot
    following.send_signal(signal.SIGINT)
    _, errors = following.communicate(timeout=120)
    assert following.returncode == 130
    stop = f"reeltune jobs stop long --address {head.address}"
    assert errors.splitlines()[-1].startswith("the job goes on; follow: reeltune jobs logs long --address")
    assert errors.splitlines()[-1].endswith(f"; stop: {stop}")

    following = _follower(head)
    stopped = subprocess.run(
        stop.split(), capture_output=True, text=True, check=True, env={**environment(), "PYTHONPATH": str(ROOT)}
    )
    assert stopped.stdout.startswith("long: STOPPED")
    following.communicate(timeout=120)
    assert following.returncode == 143

    resumed = submit(head, "--name", "long", *LONG)
    assert resumed.returncode == 0, resumed.stderr
    assert "submitted reeltune-long:2" in resumed.stderr
    assert "epoch 1 of 1000" not in resumed.stderr
    assert (head.home / "runs/long/models/pmf/model.safetensors").exists()


def test_a_stopped_job_has_time_to_end_with_everything_kept(head):
    (head.home / "slow.py").write_text(SLOW)
    variables = environment(PYTHONPATH=str(ROOT))
    subprocess.run([sys.executable, "-c", SEND, head.address], check=True, env=variables)
    until((head.home / "begun").exists)
    (stopped,) = several(head, ["jobs", "stop", "slow"])
    assert stopped.stdout.startswith("slow: STOPPED"), stopped.stderr
    assert (head.home / "kept").exists()


def _follower(head):
    """A second submission of the name, when it shows the log."""
    words = command(head, "--name", "long", *LONG)
    following = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environment())
    assert following.stderr.readline().startswith("reeltune-long is on its way already; nothing was started; results")
    while "Running entrypoint" not in (line := following.stderr.readline()):
        assert line, "the log has ended"
    return following


def test_a_cluster_that_is_lost_while_a_job_is_followed_is_one_line(head):
    words = command(head, "--name", "lost", *LONG)
    following = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environment())
    until(lambda: list((head.home / "runs/lost/fits").glob("[!.]*.state*")), following)
    kill(head.process)
    _, errors = following.communicate(timeout=120)
    assert following.returncode == 1
    assert errors.splitlines()[-1].startswith(
        f"error: {head.address} does not answer any more; ask later: reeltune jobs"
    )
    assert "Traceback" not in errors
