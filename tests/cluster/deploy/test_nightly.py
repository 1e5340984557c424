"""The script of a nightly update for real: with stand-ins for `reeltune` and the service that it signals, and once
with both of them.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests import inside
from tests.cluster.commands.test_update import OLD, SETTINGS, ratings
from tests.heads import until
from tests.served import served

FOLDER = Path(__file__).parents[3] / "cluster" / "deploy" / "nightly"
# No shell: one that is started with SIGHUP ignored, as below `nohup`, cannot take it.
SERVICE = """
import os, signal, sys
from pathlib import Path

def heard(*_):
    Path("heard").write_text("again")
    sys.exit()

signal.signal(signal.SIGHUP, heard)
Path("pid").write_text(f"{os.getpid()}\\n")
while True:
    signal.pause()
"""
COMMAND = """#!/bin/sh
printf '%s\\n' "$*" >asked
[ "$1" = update ] || exit 3
while [ "$1" != --output ]; do shift; done
mkdir "$2"
cat answer
exit $(cat code)
"""


@pytest.fixture
def models(tmp_path):
    """A folder of models with a link to the first, where `reeltune` answers what the file `answer` holds."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "reeltune").write_text(COMMAND)
    (tmp_path / "bin" / "reeltune").chmod(0o755)
    (tmp_path / "code").write_text("0")
    (tmp_path / "models" / "first").mkdir(parents=True)
    (tmp_path / "current").symlink_to("models/first")
    return tmp_path


def nightly(models, *words):
    return subprocess.run(
        ["sh", FOLDER / "update.sh", models, "all.csv", *words],
        env={"PATH": f"{models}/bin:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def answer(models, verdict):
    content = json.dumps({"verdict": verdict, "swap": verdict != "worse"})
    (models / "answer").write_text(content)
    return content


@pytest.mark.parametrize("verdict", ["beats", "undecided"])
def test_the_link_moves_and_the_service_hears_of_it_unless_the_new_bundle_is_worse(models, verdict):
    content = answer(models, verdict)
    service = subprocess.Popen([sys.executable, "-c", SERVICE], cwd=models)
    try:
        until(lambda: (models / "pid").is_file() and (models / "pid").read_text().endswith("\n"), service)
        done = nightly(models, "pid")
        assert done.returncode == 0, done.stderr
        assert service.wait(timeout=60) == 0
    finally:
        service.kill()
        service.wait()
    assert (models / "heard").read_text() == "again"
    new = (models / "current").readlink()
    assert new.parent == Path("models")
    assert new != Path("models/first")
    assert (models / f"{new}.json").read_text().strip() == content
    assert (models / "asked").read_text() == f"update current --data all.csv --output {new} --json\n"
    assert not (models / "next").exists()


def test_the_link_stays_where_the_new_bundle_is_worse(models):
    answer(models, "worse")
    done = nightly(models)
    assert done.returncode == 0
    assert "is worse" in done.stdout
    assert (models / "current").readlink() == Path("models/first")


def test_the_link_stays_where_the_update_fails(models):
    answer(models, "beats")
    (models / "code").write_text("2")
    assert nightly(models).returncode == 2
    assert (models / "current").readlink() == Path("models/first")


@pytest.mark.slow
def test_the_service_answers_by_the_bundle_that_a_real_update_has_fitted(tmp_path):
    every = ratings()
    every.to_csv("all.csv", index=False)
    every[:OLD].to_csv("old.csv", index=False)
    done = inside.reeltune("train", "pmf", "--data", "old.csv", *SETTINGS, "--name", "first")
    assert done.returncode == 0, done.stderr
    Path("models").mkdir()
    Path("runs/first/models/pmf").rename("models/first")
    Path("current").symlink_to("models/first")
    with served(Path("current"), folder=tmp_path) as service:
        before = service.ask("/healthz").json["model"]
        Path("pid").write_text(f"{service.process.pid}\n")
        done = subprocess.run(
            ["sh", FOLDER / "update.sh", Path.cwd(), Path("all.csv").absolute(), Path("pid").absolute()],
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        service.until(lambda health: health["model"] != before)
    new = Path("current").readlink()
    assert new != Path("models/first")
    verdict = json.loads(Path(f"{new}.json").read_text())
    assert (verdict["verdict"], verdict["swap"], verdict["output"]) == ("beats", True, str(new))
    assert (new / "model.safetensors").is_file()


def test_the_cron_job_runs_the_script_with_its_two_words_one_at_a_time():
    job = yaml.safe_load((FOLDER / "cronjob.yaml").read_text())
    assert (job["apiVersion"], job["kind"], job["spec"]["concurrencyPolicy"]) == ("batch/v1", "CronJob", "Forbid")
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["command"][:2] == ["sh", "/script/update.sh"]
    assert len(container["command"]) == 4
    mounted = {each["name"] for each in container["volumeMounts"]}
    assert mounted == {each["name"] for each in pod["volumes"]}
    assert container["command"][2] in {each["mountPath"] for each in container["volumeMounts"]}
