"""Writes `report.html` and `report.md`, reading only the run's folder."""

from pathlib import Path

from reeltune.cluster.report.html import html
from reeltune.cluster.report.markdown import markdown
from reeltune.cluster.runs.finished import read_run
from reeltune.cluster.runs.folder import RunFolder, write_text

NAME = "report.html"


def write_reports(folder: RunFolder) -> Path:
    """Write both, and return the path of `report.html`. Opens no test row: the run's files have the results."""
    run = read_run(folder)
    write_text(folder.report, markdown(run))
    write_text(folder.path / NAME, html(run))
    return folder.path / NAME
