"""The reports of a search, remade from its folder alone: `report.html` and `report.md`.

- `html.py`: `report.html`: one file that needs no network
- `markdown.py`: `report.md`: the answer in about 30 lines
- `view.py`: what the page shows, in order, without markup
- `words.py`: the answer in sentences, and the rows of the result table
- `sections.py`: what the page shows of one architecture
- `search_plots.py`: how the search went: Optuna's own plots
- `charts.py`: charts as numbers that a template draws
- `slices.py`: where the winner is good or bad
- `items.py`: the items rated worst and best
- `facts.py`: what was run: data, split, seeds, versions, machine, cost
- `commands.py`: the commands that make the results again
"""

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
