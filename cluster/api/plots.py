"""A run's figures, by Matplotlib: they show themselves in a notebook, and can be changed or saved."""

import io
from collections.abc import Callable
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from reeltune.cluster.api.checks import one_of

STYLES = ("-", "--", ":", "-.")


class Chart(Figure):
    """A figure that shows itself without pyplot, which a notebook may not have loaded."""

    def _repr_png_(self) -> bytes:
        picture = io.BytesIO()
        self.savefig(picture, format="png", dpi=100)
        return picture.getvalue()


def plot(kind: str, verdict: pd.DataFrame, trials: pd.DataFrame) -> Chart:
    """The figure of this kind. Raises InputError at another one."""
    one_of("plot", kind, tuple(KINDS))
    figure = Chart(figsize=(7, 4), layout="constrained")
    KINDS[kind](figure.subplots(), verdict, trials)
    return figure


def _gain(axes: Any, verdict: pd.DataFrame, trials: pd.DataFrame) -> None:
    """Each architecture's gain over the baseline with its 95% interval."""
    judged = verdict.dropna(subset=["gain"]).iloc[::-1]
    places = range(len(judged))
    axes.axvline(0, color="gray", linewidth=1)
    axes.hlines(places, judged["low"], judged["high"], color="black")
    axes.plot(judged["gain"], places, "o", color="black")
    axes.set_yticks(places, [f"{row.architecture}: {row.verdict}" for row in judged.itertuples()])
    axes.set_xlabel("gain over the baseline on test rows (95% interval)")


def _history(axes: Any, verdict: pd.DataFrame, trials: pd.DataFrame) -> None:
    """The best error on validation rows after each trial of an architecture."""
    done = trials[(trials["stage"] == "search") & (trials["state"] == "done")]
    for place, (name, found) in enumerate(done.groupby("architecture", sort=False)):
        best = found["value"].cummin().to_numpy()
        axes.step(range(1, len(best) + 1), best, STYLES[place % len(STYLES)], where="post", label=str(name))
    axes.set(xlabel="finished trials", ylabel="best validation error so far")
    if len(done):
        axes.legend()


KINDS: dict[str, Callable[[Any, pd.DataFrame, pd.DataFrame], None]] = {"gain": _gain, "history": _history}
