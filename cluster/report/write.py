"""Writes `report.html` and `report.md` from a run's folder alone."""

from pathlib import Path

from reeltune.cluster.report.html import html
from reeltune.cluster.report.markdown import markdown
from reeltune.cluster.runs.finished import read_run
from reeltune.cluster.runs.folder import RunFolder, write_text

NAME = "report.html"


def write_reports(folder: RunFolder) -> Path:
    """Write both, and say where the page is. No test row is opened: what came of them is in the run's files."""
    run = read_run(folder)
    write_text(folder.report, markdown(run))
    write_text(folder.path / NAME, html(run))
    return folder.path / NAME
