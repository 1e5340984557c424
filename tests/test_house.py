"""How the house is built: which folder may import which, what each folder says of itself, and one name for all."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("trainables", "search_spaces", "cluster")

# From the ground up: a file imports those of its own floor and of the floors below it.
FLOORS = [
    "trainables/errors.py",
    "trainables/near_matches.py",
    "trainables/version.py",
    "trainables/writable.py",
    "trainables/options.py",
    "trainables/data/reading",
    "trainables/data",
    "trainables/config.py",
    "trainables/adamw.py",
    "trainables/model.py",
    "trainables/scoring",
    "trainables/architectures/parts",
    "trainables/architectures",
    "trainables/fitting",
    "trainables/folding",
    "trainables/description.py",
    "trainables/card.py",
    "trainables/predictor.py",
    "trainables/exported.py",
    "trainables/bundle.py",
    "trainables/best_items.py",
    "trainables/neighbours.py",
    "trainables/contract",
    "trainables/__init__.py",
    "search_spaces",
    "cluster/session",
    "cluster/runs",
    "cluster/serving",
    "cluster/jobs",
    "cluster/ray_serve",
    "cluster/tracking",
    "cluster/tensorboard",
    "cluster/report",
    "cluster/trackers",
    "cluster/data_parallel",
    "cluster/search",
    "cluster/judging",
    "cluster/commands",
    "cluster/api",
    "cluster/cli",
    "cluster/__init__.py",
]
FORBIDDEN = {
    "trainables": {"ray", "optuna"},
    "search_spaces": {"ray"},
}
# Only these files may use what is private of Ray: see `test_nothing_private_of_ray_stands_elsewhere`.
RAY_PRIVATE = tuple(
    f"reeltune.cluster.session.ray_private{part}" for part in ("", "_address", "_libraries", "_serve", "_state")
)
INTERNAL_MODULES = ("ray.air", "ray.core", "ray.dashboard", "ray.train.v2", "ray.tune.execution")  # without a `_`
INTERNAL_NAMES = ("__internal_head__", "__ray_ready__", "temporary_state", "autoscaling-config")
# Documented variables. The user sets them; we read or print them, and give RAY_ADDRESS to a `reeltune` that we start.
PUBLIC_VARIABLES = {
    "RAY_ADDRESS",
    "RAY_API_SERVER_ADDRESS",
    "RAY_AUTH_MODE",
    "RAY_AUTH_TOKEN",
    "RAY_AUTH_TOKEN_PATH",
}
FOLDERS = sorted({path.parent for package in PACKAGES for path in (ROOT / package).rglob("__init__.py")})


def name_of(file):
    """The module of a source file, as it is imported."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(("reeltune", *parts)).removesuffix(".__init__")


FILES = {name_of(file): file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))}


@cache
def tree_of(file):
    """The syntax tree of a source file."""
    return ast.parse(file.read_text())


@cache
def imported(file):
    """What a file imports, wherever in it that stands: dotted names of modules, and of what is taken from them."""
    found = set()
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def own_imports(module):
    """The project's files that a file imports."""
    for name in imported(FILES[module]):
        target = name if name in FILES else name.rpartition(".")[0]
        if target in FILES and target != module:
            yield target


def floor(module):
    path = FILES[module].relative_to(ROOT)
    places = [str(path), str(path.parent), path.parts[0]]
    return next(FLOORS.index(place) for place in places if place in FLOORS)


@pytest.mark.parametrize("module", FILES)
def test_no_file_imports_one_of_a_floor_above(module):
    assert [target for target in own_imports(module) if floor(target) > floor(module)] == []


def test_no_files_import_each_other_in_a_circle():
    left = {module: set(own_imports(module)) for module in FILES}
    while free := [module for module, targets in left.items() if not targets & left.keys()]:
        for module in free:
            del left[module]
    assert left == {}, "each of these imports another of them"


@pytest.mark.parametrize("module", FILES)
def test_imports_go_one_way_and_have_one_name(module):
    top = {name.split(".")[0] for name in imported(FILES[module])}
    assert top.isdisjoint(FORBIDDEN.get(FILES[module].relative_to(ROOT).parts[0], ()))
    assert top.isdisjoint(PACKAGES), "the code imports itself as reeltune"


@pytest.mark.parametrize("module", [module for module in FILES if module not in RAY_PRIVATE])
def test_nothing_private_of_ray_stands_elsewhere(module):
    tree = tree_of(FILES[module])
    names = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    of_ray = [name for name in imported(FILES[module]) | names if name.split(".")[0] == "ray"]
    assert [name for name in of_ray if "._" in name or name.startswith(INTERNAL_MODULES)] == []
    assert [text for text in names | texts if any(name in text for name in INTERNAL_NAMES)] == []
    variables = {name for text in texts for name in re.findall(r"\b(?:RAY|TUNE)_[A-Z0-9_]+", text)}
    assert variables - PUBLIC_VARIABLES == set()


@pytest.mark.parametrize("module", [module for module in FILES if module not in RAY_PRIVATE])
def test_no_logger_of_ray_is_changed_elsewhere(module):
    """Nor one of a name that is not written there, which may be one of Ray's."""
    calls = [node for node in ast.walk(tree_of(FILES[module])) if isinstance(node, ast.Call)]
    named = [ast.unparse(call) for call in calls if ast.unparse(call.func).endswith("getLogger")]
    assert [call for call in named if not re.search(r"getLogger\((__name__|'(?!ray\b))", call)] == []


EVERY_MODULE = """
import importlib, pkgutil, sys
for package in ("reeltune.trainables", "reeltune.search_spaces"):
    found = pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}.")
    [importlib.import_module(module.name) for module in found]
    print(*sys.modules)
"""


def test_importing_a_package_loads_nothing_that_builds_on_it():
    command = [sys.executable, "-c", EVERY_MODULE]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    trainables, search_spaces = (set(line.split()) for line in done.stdout.splitlines())
    assert "reeltune.trainables.bundle" in trainables
    assert not {"ray", "optuna", "reeltune.search_spaces", "reeltune.cluster"} & trainables
    assert "reeltune.search_spaces.study" in search_spaces
    assert not {"ray", "reeltune.cluster"} & search_spaces


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_each_folder_says_what_it_is_for_and_what_its_files_are(folder):
    text = ast.get_docstring(tree_of(folder / "__init__.py"))
    assert text[0].isupper()
    files = {path.name for path in folder.glob("*.py") if not path.name.startswith("__")}
    below = {
        f"{path.name}/" for path in folder.iterdir() if path.is_dir() and path.name not in ("__pycache__", "templates")
    }
    assert sorted(re.findall(r"^- `([^`]+)`: ", text, re.M)) == sorted(files | below)


def test_tests_mirror_the_source():
    """A test file stands where its source does; what is about several files stands in the folder that they share."""
    folders = {path.parent.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py")}
    assert sorted(str(folder) for folder in folders if not (ROOT / folder).is_dir()) == []
