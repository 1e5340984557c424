"""What docs/using-the-model.md has installed for predictions alone is enough for them, and no more than is needed."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

import pandas as pd
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from reeltune.trainables.errors import MORE

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "using-the-model.md").read_text()
BLOCK = PAGE.split("## Without Ray and Optuna")[1].split("```")[1]
FOR_PYTHON, FOR_COMMANDS = (re.findall(r'"(.+?)"', line) for line in BLOCK.strip().splitlines()[2:])
MODEL = ROOT / "tests" / "trainables" / "format_1" / "svdpp"
PROGRAM = f"""
import reeltune as rt
import pandas as pd

model = rt.load({str(MODEL)!r})
frame = pd.DataFrame({{"user": ["u1", "u2", "nobody"], "item": ["i1", "i2", "i1"]}})
frame.assign(prediction=model.predict).to_csv("rated.csv", index=False)
assert len(model.recommend(["u1"], n=3, seen="none")) == 3
assert len(model.similar_items("i1", n=2)) == 2
try:
    rt.tune
except ModuleNotFoundError as error:
    print(error)
"""
PAIRS = "user,item\nu1,i1\nu2,i2\nnobody,i1\n"
VERBS = f"""
import sys

from reeltune.cluster.cli.app import main

PREDICT = [{str(MODEL)!r}, "pairs.csv", "-o", "rated.csv"]
RECOMMEND = [{str(MODEL)!r}, "--seen", "none", "--users", "u1"]
for words in (["predict", *PREDICT], ["recommend", *RECOMMEND], ["tune", "--data", "synthetic"]):
    sys.argv = ["reeltune", *words]
    try:
        main()
    except SystemExit as end:
        print("exit", end.code)
"""
LACKING = (
    "this needs {}, which is not installed, as where reeltune is to predict and recommend alone: "
    "install it again without --no-deps"
)


def needed(requirements: Iterable[str]) -> set[str]:
    """The names of the distributions that these requirements install here, with what each needs itself."""
    found, left = set(), [Requirement(each) for each in requirements]
    while left:
        requirement = left.pop()
        name = canonicalize_name(requirement.name)
        if name in found or (requirement.marker is not None and not requirement.marker.evaluate({"extra": ""})):
            continue
        try:
            left += [Requirement(each) for each in distribution(name).requires or []]
        except PackageNotFoundError:  # for another machine, as CUDA's libraries
            continue
        found.add(name)
    return found


def linked(requirements: list[str], folder: Path) -> Path:
    """A folder of links to what these requirements install here: all that a program finds besides Python's own."""
    wanted = needed(requirements)
    for name in wanted:
        files = distribution(name).files or []
        for top in {file.parts[0] for file in files if file.parts[0] not in ("..", "__pycache__")}:
            if not (folder / top).exists():
                (folder / top).symlink_to(Path(str(distribution(name).locate_file(top))))
    return folder


def test_the_page_names_dependencies_with_their_ranges():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(FOR_PYTHON + FOR_COMMANDS) <= set(project["dependencies"])


def test_each_dependency_is_on_the_page_or_named_where_it_is_missing():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    others = {canonicalize_name(Requirement(each).name) for each in project["dependencies"]}
    others -= {canonicalize_name(Requirement(each).name) for each in FOR_PYTHON + FOR_COMMANDS}
    homes = packages_distributions()
    assert {canonicalize_name(homes[module][0]) for module in MORE} == others


@pytest.fixture
def alone(tmp_path):
    """Runs words of Python where nothing is installed but what is asked for."""

    def alone(requirements, *words):
        site = tmp_path / "site"
        site.mkdir(exist_ok=True)
        places = os.pathsep.join([str(ROOT), str(linked(requirements, site))])
        variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        environment = {**variables, "PYTHONPATH": places, "REELTUNE_CACHE": str(tmp_path / "cache")}
        # Without `site` (-S) Python takes no installed package, and no file that adds a folder of them.
        command = [sys.executable, "-S", *words]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    return alone


def rated(folder):
    return pd.read_csv(folder / "rated.csv")["prediction"].tolist()


def as_its_version_rated():
    frame = pd.read_csv(MODEL.with_suffix(".csv")).set_index(["user", "item"])["rating"]
    return pytest.approx([frame["u1", "i1"], frame["u2", "i2"], frame["stranger", "i1"]], abs=0.006)


def test_a_program_predicts_with_the_first_line_of_packages(alone, tmp_path):
    done = alone(FOR_PYTHON, "-c", PROGRAM)
    assert done.returncode == 0, done.stderr
    assert rated(tmp_path) == as_its_version_rated()
    assert done.stdout == f"reeltune.tune: {LACKING.format('ray')}\n"


def test_predict_and_recommend_run_with_both_lines_and_another_verb_says_what_it_lacks(alone, tmp_path):
    (tmp_path / "pairs.csv").write_text(PAIRS)
    done = alone([*FOR_PYTHON, *FOR_COMMANDS], "-c", VERBS)
    assert "Traceback" not in done.stderr, done.stderr
    assert rated(tmp_path) == as_its_version_rated()
    assert [line for line in done.stdout.splitlines() if line.startswith(("exit", "user"))] == [
        "exit 0",
        "user u1",
        "exit 0",
        "exit 2",
    ]
    assert done.stderr.splitlines()[-1] == f"error: {LACKING.format('optuna')}"
