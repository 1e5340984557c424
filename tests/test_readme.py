"""The README tells the truth: its file tree is the real one, and the command line takes its commands."""

import re
from pathlib import Path

import pytest

from tests import commands

ROOT = Path(__file__).parent.parent
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
README = (ROOT / "README.md").read_text()
DOCS = (
    "cluster",
    "data",
    "datasets",
    "defaults",
    "faults",
    "how-it-works",
    "lanes",
    "own-architectures",
    "python",
    "security",
    "serving",
    "tensorboard",
    "trackers",
    "using-the-model",
    "verdict",
)
PAGES = [README, *((ROOT / "docs" / f"{name}.md").read_text() for name in DOCS)]
TREE = README.split("## What is where")[1].split("```")[1]
COMMANDS = sorted({command for page in PAGES for command in commands.shown(page)})


def listed():
    """The paths that the README's file tree names."""
    top = ""
    for line in TREE.strip().splitlines():
        name = line.split()[0]
        top = name if not line.startswith(" ") else top
        yield name if name == top else top + name


def test_every_path_of_the_tree_exists():
    assert [path for path in listed() if not (ROOT / path).exists()] == []


def test_every_folder_of_code_is_in_the_tree_and_no_more_than_a_newcomer_needs():
    real = {
        f"{path.parent.relative_to(ROOT)}/"
        for package in ("cluster", "trainables", "search_spaces")
        for path in (ROOT / package).rglob("__init__.py")
    }
    assert real - set(listed()) == set()
    assert len(TREE.strip().splitlines()) <= 40


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_line_takes_every_command_shown(command):
    commands.parse(command)


def test_there_are_commands_to_check():
    assert len(COMMANDS) > 10


def test_what_make_is_said_to_do_it_does():
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
    assert {"install", "tune", "test", "test-slow", "lint", "clean"} <= set(targets)
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.M)) <= set(targets)


@pytest.mark.parametrize("page", [path.name for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]])
def test_links_between_pages_lead_somewhere(page):
    path = next(path for path in [ROOT / page, ROOT / "docs" / page] if path.exists())
    prose = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.M | re.S)  # code has brackets of its own
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", prose):
        assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([a-z_]+/[a-z_/]+\.py)`", CONTRIBUTING))))
def test_every_file_that_contributing_names_exists(path):
    assert (ROOT / path).is_file()
