"""`report.html` and `plots.html`: each needs no network. Names and titles of the data may hold anything."""

import base64
import gzip
import hashlib
import re
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from reeltune.cluster.report.facts import facts
from reeltune.cluster.report.search_plots import plots, studies, target_of
from reeltune.cluster.report.view import view
from reeltune.cluster.runs.finished import Run
from reeltune.trainables.scoring.decoder_table import DECODERS


def html(run: Run) -> str:
    """`report.html`. The template escapes every text."""
    shown = view(run, facts(run))
    return _page("page.html", "page.js").render(view=shown, decoders=list(DECODERS))


def plots_html(run: Run) -> str | None:
    """`plots.html`: Optuna's own plots, with plotly's script, most of the bytes. None if nothing can be drawn."""
    drawn = {name: found for name, study in studies(run).items() if (found := plots(name, study, target_of(run)))}
    if not drawn:
        return None
    return _page("plots.html", "plots.js").render(
        name=run.folder.name,
        drawn={name: [plot for plot, _ in found] for name, found in drawn.items()},
        figures={plot.id: figure for found in drawn.values() for plot, figure in found},
        plotly=_packed_plotly(),
    )


def _page(template: str, script: str) -> Template:
    """A template that has its style and its script, and the hash by which the page allows that script alone."""
    text = _file(script)
    fixed = {
        "script": Markup(text),
        "style": Markup(_file("page.css")),
        "script_hash": base64.b64encode(hashlib.sha256(text.encode()).digest()).decode(),
    }
    return _environment().get_template(template, globals=fixed)


def _file(name: str) -> str:
    return (files("reeltune.cluster.report") / "templates" / name).read_text(encoding="utf-8")


def _environment() -> Environment:
    loader = PackageLoader("reeltune.cluster.report", "templates")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["minus"] = lambda text: re.sub(r"(?<![\w.])-(?=\d)", "−", str(text))
    return environment


@cache
def _packed_plotly() -> str:
    """Plotly's script, compressed to a third: the browser unpacks it when a figure first comes into view."""
    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), mtime=0)).decode()
