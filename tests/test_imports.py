"""Imports go one way: cluster → search_spaces → trainables."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FORBIDDEN = {
    "trainables": {"search_spaces", "cluster", "ray", "optuna"},
    "search_spaces": {"cluster", "ray"},
}
FILES = [(package, file) for package in FORBIDDEN for file in sorted((ROOT / package).rglob("*.py"))]


def imported(file):
    """The top-level names of every import in a file, wherever in it they stand."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.split(".")[0]


@pytest.mark.parametrize(("package", "file"), FILES, ids=lambda value: getattr(value, "stem", value))
def test_no_file_imports_what_builds_on_it(package, file):
    assert FORBIDDEN[package].isdisjoint(imported(file))


@pytest.mark.parametrize(
    ("package", "absent"), [("trainables", ["ray", "optuna", "cluster"]), ("search_spaces", ["ray", "cluster"])]
)
def test_importing_a_package_loads_nothing_that_builds_on_it(package, absent):
    modules = "import importlib, pkgutil, sys"
    every = f"[importlib.import_module(m.name) for m in pkgutil.walk_packages(p.__path__, '{package}.')]"
    code = f"{modules}; p = importlib.import_module('{package}'); {every}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert package in loaded
    assert not set(absent) & set(loaded)
