"""The reports of a search, remade from its folder alone: `report.html` and `report.md`."""

from pathlib import Path

from cluster.page.html import html
from cluster.page.run import read_run
from cluster.page.short import markdown
from cluster.run_folder import RunFolder, write_text

NAME = "report.html"


def write_reports(folder: RunFolder) -> Path:
    """Write both, and say where the page is. No test row is opened: what came of them is in the run's files."""
    run = read_run(folder)
    write_text(folder.report, markdown(run))
    write_text(folder.path / NAME, html(run))
    return folder.path / NAME
