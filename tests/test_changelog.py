"""The version is the same wherever it is written, and the changelog says what is in it."""

import re
import subprocess
import sys
from datetime import date
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
HEADINGS = re.findall(r"^## (.+)$", CHANGELOG, re.M)
RELEASES = dict(heading.split(" - ") for heading in HEADINGS[1:])
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text())


def test_the_version_is_the_newest_of_the_changelog():
    command = [Path(sys.executable).parent / "reeltune", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["reeltune", next(iter(RELEASES))]


def test_what_is_not_released_is_on_top_and_releases_follow_by_date():
    assert HEADINGS[0] == "Unreleased"
    dates = [date.fromisoformat(day) for day in RELEASES.values()]
    assert dates == sorted(dates, reverse=True)


def test_changes_are_of_the_kinds_that_keep_a_changelog_has():
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.+)$", CHANGELOG, re.M)) <= kinds


def test_what_is_to_be_cited_is_the_newest_release():
    assert {CITATION["version"]: CITATION["date-released"]} == dict([next(iter(RELEASES.items()))])


def test_the_security_page_names_the_newest_release_as_the_one_with_fixes():
    latest = next(iter(RELEASES)).rpartition(".")[0]
    assert f"| {latest} | yes |" in (ROOT / "SECURITY.md").read_text()
