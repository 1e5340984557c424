"""Writes `report.html`, `plots.html` and `report.md`, reading only the run's folder."""

from pathlib import Path

from reeltune.cluster.report.html import html, plots_html
from reeltune.cluster.report.markdown import markdown
from reeltune.cluster.runs.finished import read_run
from reeltune.cluster.runs.folder import RunFolder, write_text

NAME = "report.html"
PLOTS = "plots.html"


def write_reports(folder: RunFolder) -> Path:
    """Write them, and return the path of `report.html`. Opens no test row: the run's files have the results."""
    run = read_run(folder)
    write_text(folder.report, markdown(run))
    plots = plots_html(run)
    if plots is not None:
        write_text(folder.path / PLOTS, plots)
    write_text(folder.path / NAME, html(run))
    return folder.path / NAME


def publish_reports(folder: RunFolder) -> tuple[Path, str]:
    """Write them, also to the run's home. Returns the path of `report.html`, and its place. Raises StorageFailed."""
    page = write_reports(folder)
    for path in (folder.report, folder.path / PLOTS):
        if path.exists():
            folder.publish(path)
    return page, folder.publish(page)
