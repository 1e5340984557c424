"""What `pip install` puts on a disk is one name, and somebody's own files of other names are no hindrance."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.cluster.api.test_run import EXAMPLE, write_ratings
from tests.test_light_install import FOR_COMMANDS, FOR_PYTHON, MODEL, PAIRS, as_its_version_rated, linked, rated

ROOT = Path(__file__).resolve().parent.parent
WORLD = "synthetic:users=40,items=30,ratings=600"
# In one process and with one Ray, as each would take seconds to import torch, and some to start a Ray.
SEVERAL = """
import json, sys

from reeltune.cluster.cli.app import main
from reeltune.cluster.session.session import session

with session(None):
    for words in json.loads(sys.argv[1]):
        sys.argv = ["reeltune", *words]
        try:
            main()
        except SystemExit as end:
            assert not end.code, words
"""


def made_environment(folder, wheel):
    """The programs of a new environment in which the wheel alone is installed, by the pip of these tests."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    options = ["--no-deps", "--no-index", "--quiet", "--disable-pip-version-check"]
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python")]
    subprocess.run([*pip, "install", *options, str(wheel)], check=True)
    return folder / "bin"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    options = ["--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--quiet"]
    source = folder / "source"  # a build leaves folders behind
    left_out = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist")
    shutil.copytree(ROOT, source, symlinks=True, ignore=left_out)
    words = [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(folder), str(source)]
    subprocess.run(words, check=True)
    [file] = folder.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The wheel's content on an import path of its own."""
    folder = tmp_path_factory.mktemp("installed")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A folder with modules of the user's own that are named like ours."""
    folder = tmp_path_factory.mktemp("mine")
    wrong = "raise RuntimeError('this is mine, and no part of reeltune')\n"
    for name in ("cluster.py", "search_spaces.py", "session.py", "table.py"):
        (folder / name).write_text(wrong)
    for name in ("trainables", "tests"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(wrong)
    return folder


@pytest.fixture
def reeltune(installed, hostile, tmp_path_factory):
    cache = str(tmp_path_factory.getbasetemp() / "cache")

    def reeltune(*words, several=False):
        """What a command prints; with `several`, what several do, each in a list of words."""
        environment = {**os.environ, "PYTHONPATH": str(installed), "REELTUNE_CACHE": cache}
        program = ["-c", SEVERAL, json.dumps(words)] if several else ["-m", "reeltune", *words]
        command = [sys.executable, *program]
        done = subprocess.run(command, cwd=hostile, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return reeltune


def test_the_wheel_has_one_name_and_all_that_is_read_at_run_time(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"reeltune"}
    wanted = ("py.typed", "search_spaces/pmf.toml", "cluster/report/templates/page.html", "__main__.py")
    wanted += ("cluster/commands/start.toml",)
    assert {f"reeltune/{name}" for name in wanted} <= set(names)
    assert not [name for name in names if "/deploy/" in name or "/tests/" in name]


def test_the_wheel_has_every_source_file(installed):
    for package in ("cluster", "trainables", "search_spaces"):
        ours = {file.relative_to(ROOT) for file in (ROOT / package).rglob("*.py")}
        assert {
            file.relative_to(installed / "reeltune") for file in (installed / "reeltune" / package).rglob("*.py")
        } == ours


def test_modules_of_the_users_own_are_not_taken_for_ours(reeltune):
    assert "reeltune" in reeltune("--version")
    assert "600 ratings" in reeltune("data", WORLD)


@pytest.fixture
def environment(wheel, tmp_path):
    """The Python of an environment in which the wheel is installed; what it needs is that of these tests."""
    programs = made_environment(tmp_path / "environment", wheel)
    [site] = (tmp_path / "environment").glob("lib/python*/site-packages")
    # Files such as the one by which this checkout is installed are read in the environment's own folder alone.
    (site / "others.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return programs / "python"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_readmes_lines_of_python_run_where_the_wheel_alone_is_installed(environment, tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    write_ratings(work / "ratings.csv")
    lines = EXAMPLE.replace("trials=20", "trials=2, concurrent=1")
    (work / "main.py").write_text(f"{lines}\nprint(rt.__file__, run.winner)\n")
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "RAY_"))}
    variables["REELTUNE_CACHE"] = str(tmp_path / "cache")
    words = [environment, "main.py"]
    done = subprocess.run(words, cwd=work, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    file, winner = done.stdout.splitlines()[-1].split()
    assert Path(file).is_relative_to(environment.parents[1])
    assert winner in ("pmf", "svdpp", "ensemble")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_wheel_rates_pairs_in_an_environment_of_what_predictions_need(wheel, tmp_path):
    programs = made_environment(tmp_path / "rater", wheel)
    [site] = (tmp_path / "rater").glob("lib/python*/site-packages")
    linked([*FOR_PYTHON, *FOR_COMMANDS], site)
    (tmp_path / "pairs.csv").write_text(PAIRS)
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [programs / "reeltune", "predict", MODEL, "pairs.csv", "-o", "rated.csv"]
    subprocess.run(command, cwd=tmp_path, env=variables, check=True)
    assert rated(tmp_path) == as_its_version_rated()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_verb_works_beside_them(reeltune, hostile):
    (hostile / "pairs.csv").write_text("user,item\nu1,i1\nu2,i2\n")
    verbs = [
        ["architectures"],
        ["lr-find", "pmf", "--data", WORLD],
        ["train", "pmf", "--data", WORLD, "--name", "fit"],
        ["tune", "bias", "--data", WORLD, "--trials", "1", "--concurrent", "1", "--name", "search"],
        *([verb, "search"] for verb in ("report", "verdict", "replay")),
        ["compare", "search"],
        ["predict", "runs/fit/models/pmf", "pairs.csv", "-o", "rated.csv"],
    ]
    reeltune(*verbs, several=True)
    assert "user" in reeltune("recommend", "runs/fit/models/pmf", "--seen", "none", "--users", "u1", "--top", "2")
