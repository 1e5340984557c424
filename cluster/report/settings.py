"""An architecture's formula, and what the search varied of it: chosen values, ranges, importances, bounds."""

import ast
import warnings
from dataclasses import dataclass
from importlib.resources import files

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import TrialState

from reeltune.cluster.report.words import setting
from reeltune.cluster.runs.answer import ArchitectureResult
from reeltune.cluster.runs.finished import Run

FEWEST = 4  # finished trials that importances need
ENDS = {"low": "lowest searched", "high": "highest searched"}


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A hyperparameter: the chosen value, what was searched, and how much it mattered."""

    name: str
    chosen: str
    searched: str  # "" if the search left it as it was
    importance: float | None  # its share of all importances, by PED-ANOVA; None: not searched, or too few trials
    bound: str  # "" unless the chosen value lies on a bound of what was searched


def formula(run: Run, name: str) -> str:
    """The first line of the architecture's docstring; "" if there is none. Its source is read and never run."""
    own = run.folder.source(name)
    shipped = files("reeltune.trainables.architectures") / f"{name}.py"
    source = own if name in run.asked.sources else shipped
    if not source.is_file():
        return ""
    try:
        text = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8")))
    except (SyntaxError, UnicodeDecodeError):
        return ""
    return (text or "").partition("\n")[0].strip()


def settings(found: ArchitectureResult, study: optuna.Study | None) -> list[Setting]:
    """The chosen configuration, what mattered most first, then what was not searched."""
    config = found.config or {}
    ranges = _ranges(study) if study is not None else {}
    shares = importances(study) if study is not None else {}
    names = sorted(config, key=lambda name: (name not in ranges, -shares.get(name, 0.0)))
    return [
        Setting(
            name=name,
            chosen=setting(config[name]),
            searched=_in_words(ranges[name]) if name in ranges else "",
            importance=shares.get(name) if name in ranges else None,
            bound=ENDS[found.on_bounds[name]] if name in found.on_bounds else "",
        )
        for name in names
    ]


def importances(study: optuna.Study) -> dict[str, float]:
    """The share of each hyperparameter in how good a trial is; empty with too few finished trials."""
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(done) < FEWEST or not any(trial.params for trial in done):
        return {}
    with warnings.catch_warnings():
        # With few trials PED-ANOVA warns for each hyperparameter; the page shows how many trials there were.
        warnings.simplefilter("ignore", UserWarning)
        return get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())


def _ranges(study: optuna.Study) -> dict[str, BaseDistribution]:
    """What was searched, as Optuna's journal has it: of the latest trial, without those of a single value."""
    trials = study.get_trials(deepcopy=False)
    found = {name: range_ for trial in trials for name, range_ in trial.distributions.items()}
    return {name: range_ for name, range_ in found.items() if not range_.single()}


def _in_words(searched: BaseDistribution) -> str:
    if isinstance(searched, CategoricalDistribution):
        return ", ".join(setting(choice) for choice in searched.choices)
    assert isinstance(searched, FloatDistribution | IntDistribution)
    return f"{setting(searched.low)} to {setting(searched.high)}{', log' if searched.log else ''}"
