"""`report.html`: one file that needs no network. Names and titles of the data may hold anything."""

import base64
import gzip
import hashlib
import re
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from reeltune.cluster.report.facts import facts
from reeltune.cluster.report.view import view
from reeltune.cluster.runs.finished import Run
from reeltune.trainables.scoring.decoder_table import DECODERS


def html(run: Run) -> str:
    """The page. The template escapes every text; figures and plotly are embedded as data."""
    shown = view(run, facts(run))
    figures = {id: figure for section in shown.sections for id, figure in section.figures.items()}
    script, style = (_file(name) for name in ("page.js", "page.css"))
    return (
        _environment()
        .get_template("page.html")
        .render(
            view=shown,
            decoders=list(DECODERS),
            figures=figures,
            plotly=_packed_plotly() if figures else "",
            script=Markup(script),
            style=Markup(style),
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )


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
