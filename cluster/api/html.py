"""How objects show themselves in a notebook: small pieces of HTML, in which every text is escaped."""

import html
from collections.abc import Sequence

import pandas as pd


def lines(said: Sequence[str]) -> str:
    """A paragraph for each line."""
    return "".join(f"<div>{html.escape(line)}</div>" for line in said)


def heading(text: str) -> str:
    return f"<div><b>{html.escape(text)}</b></div>"


def table(frame: pd.DataFrame, *, decimals: int = 4) -> str:
    """A table without an index; a missing value is an empty cell."""
    return frame.to_html(index=False, border=0, na_rep="", float_format=lambda value: f"{value:.{decimals}f}")


def folded(title: str, content: str) -> str:
    """Content that a click unfolds."""
    return f"<details><summary>{html.escape(title)}</summary>{content}</details>"


def preformatted(said: Sequence[str]) -> str:
    return f"<pre>{html.escape(chr(10).join(said))}</pre>"


def framed(page: str, *, height: int) -> str:
    """A whole page of its own within the notebook's."""
    content = html.escape(page, quote=True)
    return f'<iframe srcdoc="{content}" width="100%" height="{height}" style="border: 0"></iframe>'
