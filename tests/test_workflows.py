"""Workflows below `.github/` run what the project has: make targets, files, and the Pythons that it says it takes."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = {path.name: yaml.safe_load(path.read_text()) for path in sorted(FOLDER.glob("*.yml"))}
JOBS = {f"{name} {job}": body for name, workflow in WORKFLOWS.items() for job, body in workflow["jobs"].items()}
STEPS = [step for body in JOBS.values() for step in body["steps"]]
SCRIPTS = "\n".join(step["run"] for step in STEPS if "run" in step)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MAKEFILE = (ROOT / "Makefile").read_text()
ACTIONLINT = shutil.which("actionlint", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")

every_workflow = pytest.mark.parametrize("workflow", WORKFLOWS.values(), ids=WORKFLOWS)
every_job = pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)
needs_actionlint = pytest.mark.skipif(ACTIONLINT is None, reason="no actionlint beside Python or on the path")


def python_of(job):
    (setup,) = (step for step in job["steps"] if "setup-python" in step.get("uses", ""))
    return setup["with"]["python-version"]


def pythons():
    """Every version of Python that a job sets up."""
    for body in JOBS.values():
        version = python_of(body)
        yield from body["strategy"]["matrix"]["python"] if "matrix" in version else [version]


def classified():
    return [found[1] for text in PROJECT["classifiers"] if (found := re.fullmatch(r".* Python :: (3\.\d+)", text))]


def actionlint(text):
    words = [ACTIONLINT, "-no-color", "-"]
    return subprocess.run(words, cwd=ROOT, input=text, capture_output=True, text=True, check=False)


@needs_actionlint
@pytest.mark.parametrize("name", WORKFLOWS)
def test_actionlint_finds_nothing(name):
    done = actionlint((FOLDER / name).read_text())
    assert done.returncode == 0, done.stdout


@needs_actionlint
@pytest.mark.parametrize(
    ("right", "wrong"),
    [("timeout-minutes", "timeout-minuts"), ("matrix.python", "matrix.pyton"), ("ubuntu-24.04", "ubuntu-24.40")],
)
def test_actionlint_finds_a_wrong_word(right, wrong):
    done = actionlint((FOLDER / "ci.yml").read_text().replace(right, wrong))
    assert done.returncode == 1
    assert wrong.split(".")[-1] in done.stdout


def test_every_make_target_exists():
    used = set(re.findall(r"^make ([\w-]+)", SCRIPTS, re.M))
    assert used >= {"lint", "test", "test-slow"}
    assert used <= set(re.findall(r"^([\w-]+):", MAKEFILE, re.M))


def test_every_variable_given_to_make_is_one_of_the_makefile():
    given = set(re.findall(r"^make .*?(\w+)=", SCRIPTS, re.M))
    assert given == {"CONSTRAINTS"}
    assert given <= set(re.findall(r"^(\w+) \?=", MAKEFILE, re.M))


def test_every_file_that_is_named_exists_or_is_made_by_make():
    scripts = re.findall(r"^(\.[\w-]+/[\w-]+)$", SCRIPTS, re.M)
    assert scripts
    assert all(os.access(ROOT / path, os.X_OK) for path in scripts)
    named = set(re.findall(r"[\w./-]+\.(?:txt|toml)", SCRIPTS))
    named |= {step["with"]["cache-dependency-path"] for step in STEPS if "cache" in step.get("with", {})}
    missing = {name for name in named if not (ROOT / name).exists()}
    assert missing <= set(re.findall(r"^([\w.-]+):", MAKEFILE, re.M))


def test_the_matrix_has_every_python_that_the_classifiers_name():
    assert WORKFLOWS["ci.yml"]["jobs"]["test"]["strategy"]["matrix"]["python"] == classified()
    assert set(pythons()) <= set(classified())


def test_the_lowest_python_is_the_lowest_that_may_be_installed():
    assert PROJECT["requires-python"] == f">={classified()[0]}"
    assert python_of(JOBS["ci.yml lowest"]) == classified()[0]


@every_workflow
def test_a_workflow_may_only_read(workflow):
    assert workflow["permissions"] == {"contents": "read"}
    assert all("permissions" not in body for body in workflow["jobs"].values())
    assert not re.search(r"\bsecrets\b", str(workflow))


@every_workflow
def test_a_newer_run_takes_the_place_of_an_older_one(workflow):
    assert "github.ref" in workflow["concurrency"]["group"]


@every_workflow
def test_torch_comes_from_the_index_of_cpu_builds(workflow):
    assert workflow["env"]["PIP_EXTRA_INDEX_URL"] == "https://download.pytorch.org/whl/cpu"


@every_job
def test_a_job_ends_by_itself_and_says_where_it_runs(job):
    assert 10 <= job["timeout-minutes"] <= 120
    assert job["runs-on"] != "ubuntu-latest"


def test_actions_are_those_of_github_at_a_major_version():
    for step in STEPS:
        assert re.fullmatch(r"actions/[\w-]+@v\d+", step.get("uses", "actions/none@v1"))


def test_no_checkout_leaves_its_token_behind():
    checkouts = [step for step in STEPS if "checkout" in step.get("uses", "")]
    assert len(checkouts) == len(JOBS)
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)
