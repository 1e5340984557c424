"""The README tells the truth: its file tree is the real one, and the command line takes its commands."""

import re
from pathlib import Path

import pytest

from tests import commands

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
DOCS = ("cluster", "defaults", "faults", "how-it-works", "lanes", "security", "tensorboard", "verdict")
PAGES = [README, *((ROOT / "docs" / f"{name}.md").read_text() for name in DOCS)]
TREE = README.split("## What is where")[1].split("```")[1]
COMMANDS = sorted({command for page in PAGES for command in commands.shown(page)})


def listed():
    """The paths that the README's file tree names."""
    folder = ""
    for line in TREE.strip().splitlines():
        name = re.split(r"\s{2,}", line.strip())[0]
        if not line.startswith(" "):
            folder = name
            yield name
        elif name.endswith(".toml"):
            yield from (folder + part for part in line.split() if part.endswith(".toml"))
        else:
            yield folder + name


def test_every_path_of_the_tree_exists():
    assert [path for path in listed() if not (ROOT / path).exists()] == []


def test_every_source_file_is_in_the_tree():
    real = {
        str(path.relative_to(ROOT))
        for folder in ("cluster", "trainables", "search_spaces", "benchmarks")
        for path in [*(ROOT / folder).glob("*.py"), *(ROOT / folder).glob("*.toml")]
        if not path.name.startswith("__")
    }
    assert real - set(listed()) == set()


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
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", path.read_text()):
        assert (path.parent / target).exists(), target
