"""How the search of an architecture went: Optuna's own plots as plotly's JSON, and charts for the template."""

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import optuna
from optuna import visualization
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.trial import FrozenTrial, TrialState

from reeltune.cluster.report.charts import Axis, Chart, axis, chart
from reeltune.cluster.report.settings import FEWEST
from reeltune.cluster.runs.finished import Run
from reeltune.search_spaces.study import journal

BEST = 5  # trials whose curves are drawn
LOOK = {
    "font": {"family": "system-ui, sans-serif", "size": 12, "color": "#1a1a1a"},
    "paper_bgcolor": "white",
    "plot_bgcolor": "white",
    "margin": {"l": 60, "r": 20, "t": 30, "b": 50},
    "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"},
    "colorway": ["#1a1a1a", "#8a8a8a"],
    "xaxis": {"gridcolor": "#e2e2e2", "linecolor": "#8a8a8a", "zeroline": False, "automargin": True},
    "yaxis": {"gridcolor": "#e2e2e2", "linecolor": "#8a8a8a", "zeroline": False, "automargin": True},
}


@dataclass(frozen=True, kw_only=True)
class Plot:
    """One of Optuna's plots: what it shows, and its size in pixels."""

    id: str
    title: str
    about: str
    width: int
    height: int


def target_of(run: Run) -> str:
    """What the search minimised: `validation MSE`."""
    return f"validation {run.objective.measure.name}"


def studies(run: Run) -> dict[str, optuna.Study]:
    """Each architecture's Optuna study, without trials taken from an earlier run; empty if the journal is gone."""
    if not run.folder.journal.exists():
        return {}
    storage = journal(str(run.folder.journal))
    names = optuna.get_all_study_names(storage)
    return {name: _own(optuna.load_study(study_name=name, storage=storage)) for name in names}


def _own(study: optuna.Study) -> optuna.Study:
    """The study without the trials that `--from` took from another run: the page is about this one."""
    trials = study.get_trials(deepcopy=False)
    own = [trial for trial in trials if "from" not in trial.user_attrs]
    if len(own) == len(trials):
        return study
    alone = optuna.create_study(study_name=study.study_name, direction="minimize")
    alone.add_trials(own)
    return alone


def plots(name: str, study: optuna.Study, target: str) -> list[tuple[Plot, dict[str, Any]]]:
    """Each plot with its figure, but none that needs more finished trials than there are; `target` names the error."""
    done, parameters = _done(study), _parameters(study)
    if not is_drawn(study):
        return []
    found = [
        (_history(name, target), _figure(lambda: visualization.plot_optimization_history(study, target_name=target))),
        (_importance(name, parameters), _figure(lambda: _importances(study))) if len(done) >= FEWEST else None,
        (
            _coordinates(name, parameters),
            _figure(lambda: visualization.plot_parallel_coordinate(study, target_name=target)),
        ),
        (_slices(name, parameters, target), _figure(lambda: visualization.plot_slice(study, target_name=target))),
    ]
    return [each for each in found if each is not None]


def is_drawn(study: optuna.Study) -> bool:
    """Whether enough trials are done to draw plots of them."""
    return len(_done(study)) >= 2 and _parameters(study) > 0


def _done(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def _parameters(study: optuna.Study) -> int:
    return len({parameter for trial in _done(study) for parameter in trial.params})


def _history(name: str, target: str) -> Plot:
    about = f"Each finished trial's {target} (points), and the lowest so far (line)."
    return Plot(id=f"{name}-history", title="Optimisation history", about=about, width=0, height=320)


def _importance(name: str, parameters: int) -> Plot:
    about = "How much each hyperparameter decides whether a trial is among the best tenth (PED-ANOVA)."
    return Plot(id=f"{name}-importance", title="Importance", about=about, width=0, height=110 + 22 * parameters)


def _coordinates(name: str, parameters: int) -> Plot:
    about = "A line for each finished trial; drag along an axis to pick some. Darker is better."
    return Plot(
        id=f"{name}-coordinates",
        title="Parallel coordinates",
        about=about,
        width=84 * (parameters + 2),
        height=400,
    )


def _slices(name: str, parameters: int, target: str) -> Plot:
    about = f"{target} against each hyperparameter; later trials are darker."
    return Plot(id=f"{name}-slices", title="Slices", about=about, width=60 + 230 * parameters, height=300)


def _importances(study: optuna.Study) -> Any:
    figure = visualization.plot_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    figure.layout.yaxis.title = None  # the names suffice, and on a phone the title would cover them
    return figure


def _figure(draw: Callable[[], Any]) -> dict[str, Any]:
    """A figure in the page's style, as plain data."""
    with warnings.catch_warnings():
        # With few trials PED-ANOVA warns for each hyperparameter; the page shows how many trials there were.
        warnings.simplefilter("ignore", UserWarning)
        figure = draw()
    plain = json.loads(figure.to_json())
    own = ("template", "title", "width", "height")  # the page has its own instead of Optuna's
    layout = {key: value for key, value in plain["layout"].items() if key not in own}
    return {"data": plain["data"], "layout": {**layout, "template": {"layout": LOOK}}}


def history(run: Run, name: str) -> Chart | None:
    """Each finished trial's error and the lowest so far, in the order of their ends; None for fewer than two trials."""
    mine = [e for e in run.ledger if e.architecture == name and e.stage == "search" and e.state == "done"]
    values = [entry.value for entry in mine if entry.value is not None]
    if len(values) < 2:
        return None
    numbers = [float(place) for place in range(1, len(values) + 1)]
    return chart(
        f"The search of {name}",
        {
            "lowest so far": list(zip(numbers, accumulate(values, min), strict=True)),
            "a trial": list(zip(numbers, values, strict=True)),
        },
        across="finished trials",
        up=target_of(run),
        x_axis=axis(numbers, fewest=min(4, len(numbers))),
        apart=("a trial",),
    )


def curves(run: Run, name: str) -> Chart | None:
    """The learning curves of an architecture's best trials; None if no trial reported intermediate values."""
    trials = [e for e in run.ledger if e.architecture == name and e.stage == "search" and e.state == "done"]
    finished = [(e.value, e.trial, e.curve) for e in trials if e.value is not None]
    best = sorted(finished, key=lambda each: each[0])[:BEST]
    series = {f"{trial}: {value:.4f}": _points(curve) for value, trial, curve in best}
    if all(len(points) < 2 for points in series.values()):
        return None
    return chart(
        f"Learning curves of the {len(series)} best trials of {name}",
        series,
        across="percent of the trial's schedule",
        up=target_of(run),
        x_axis=Axis(low=0, high=102, ticks=(0, 25, 50, 75, 100)),
    )


def _points(curve: dict[int, float]) -> list[tuple[float, float]]:
    return sorted((float(percent), value) for percent, value in curve.items())


def failures(run: Run, name: str) -> list[tuple[str, int]]:
    """The reasons why fits of an architecture failed, each with its count."""
    reasons = [e.error or "no reason given" for e in run.ledger if e.architecture == name and e.state == "failed"]
    return [(reason, reasons.count(reason)) for reason in dict.fromkeys(reasons)]
