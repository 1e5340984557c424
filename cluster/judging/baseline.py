"""The baseline, and the verdicts against it: the same code for `tune` and `verdict`."""

import math
from collections.abc import Collection, Container, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from reeltune.cluster.runs.answer import ArchitectureResult, BaselineResult
from reeltune.trainables.architectures.registry import is_own
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.errors import InputError
from reeltune.trainables.near_matches import did_you_mean
from reeltune.trainables.scoring.metric_table import METRICS, Metric

if TYPE_CHECKING:
    from reeltune.trainables.scoring.verdict import Verdict

BEST_SIMPLE = "best-simple"  # the value of `--baseline`
UNJUDGED = dict.fromkeys(("gain", "ci95", "p", "p_holm", "needed_users", "needed_ratings", "missing", "verdict"))
KEY = "baseline"  # the baseline's name among the refits and the columns of predictions
PMF = "pmf"
PUBLISHED = {("pmf", "ml-100k"): 0.829}  # MSE by architecture and data set: shown beside the refit, not judged against


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """An architecture at its reference configuration, refitted on the same rows; or a published number.

    Or the best simple predictor (kind "simple"), which is known only after the search: see `simple.py`.
    """

    name: str
    kind: Literal["reference", "published", "simple"] = "reference"
    number: float | None = None

    def published(self, data: str, metric: Metric = "mse") -> float | None:
        """The published error to show for this data set; None if there is none of this metric."""
        known = PUBLISHED.get((self.name, data)) if metric == "mse" else None
        return self.number if self.kind == "published" else known


REFERENCE = Baseline(name=PMF)


def baseline_of(text: str, own: Container[str] = (), *, metric: Metric = "mse") -> Baseline:
    """Read `--baseline`: an architecture's name or file, best-simple or a number. Raises InputError if it is no such.

    `own` are the names of own architectures that are known without their file.
    """
    if text == BEST_SIMPLE:
        return Baseline(name=BEST_SIMPLE, kind="simple")
    if text in ARCHITECTURES or text in own:
        return Baseline(name=text)
    number = number_of(text, metric)
    if number is None and is_own(text):
        return Baseline(name=text)
    if number is None:
        raise InputError(
            f"--baseline {text!r}: expected one of {', '.join(ARCHITECTURES)}, {BEST_SIMPLE}, or a published "
            f"mean {METRICS[metric].words}{did_you_mean(text, (*ARCHITECTURES, BEST_SIMPLE))}"
        )
    return published(number)


def published(number: float) -> Baseline:
    return Baseline(name=str(number), kind="published", number=number)


def number_of(text: str, metric: Metric = "mse") -> float | None:
    """A published error; None if the text is not a number. Raises InputError at an impossible one."""
    try:
        number = float(text)
    except ValueError:
        return None
    if not (math.isfinite(number) and number > 0):
        raise InputError(f"--baseline {text}: a published mean {METRICS[metric].words} is a number above 0")
    return number


def groups(users: pd.Series) -> np.ndarray:
    """A number for each row's user, shape (rows,). Each row without a user is a group of its own."""
    codes, _ = pd.factorize(users)
    return np.where(codes < 0, -1 - np.arange(len(codes)), codes)


def judge_all(
    errors: dict[str, np.ndarray], against: np.ndarray | float, users: np.ndarray, weights: np.ndarray | None = None
) -> dict[str, "Verdict"]:
    """Verdicts on errors, shape (rows,), against the baseline's on the same rows, or against a number."""
    # Imported late: SciPy's statistics take time to load, and a search plans without them.
    from reeltune.trainables.scoring.comparison import compare_all, compare_with_number
    from reeltune.trainables.scoring.verdict import judge

    if isinstance(against, float):
        comparisons = {name: compare_with_number(against, each, users, weights) for name, each in errors.items()}
    else:
        comparisons = compare_all(against, errors, users, weights)
    return judge(comparisons)


def gains_over(
    errors: Mapping[str, np.ndarray], other: np.ndarray | None, weights: np.ndarray | None = None
) -> dict[str, float]:
    """Each predictor's gain over another one, in mean error; empty without another one's errors."""
    if other is None:
        return {}
    return {name: float(np.average(other - each, weights=weights)) for name, each in errors.items()}


def same_as(baseline: BaselineResult, found: Mapping[str, ArchitectureResult]) -> set[str]:
    """The architectures whose choice is the baseline's own configuration: with the same seeds, the very same fits."""
    return {
        name
        for name, each in found.items()
        if each.config is not None and (name, each.config) == (baseline.architecture, baseline.config)
    }


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Verdicts, and gains over the best simple predictor and over the tuned `pmf`; all by architecture."""

    verdicts: Mapping[str, "Verdict"] = field(default_factory=dict)
    over_simple: Mapping[str, float] = field(default_factory=dict)
    over_pmf: Mapping[str, float] = field(default_factory=dict)
    baseline: Collection[str] = ()  # those that are the baseline itself: nothing is to be judged

    def of(self, name: str, found: ArchitectureResult) -> ArchitectureResult:
        """The architecture's result with its verdict filled in, in the form of `verdict.json`."""
        gains = {"gain_over_simple": self.over_simple.get(name), "gain_over_tuned_pmf": self.over_pmf.get(name)}
        return found.model_copy(update={**UNJUDGED, **gains, **self._word(name)})

    def _word(self, name: str) -> dict[str, object]:
        if name in self.baseline:
            return {"gain": 0.0, "ci95": (0.0, 0.0), "verdict": "is the baseline"}
        if name not in self.verdicts:
            return {}
        verdict = self.verdicts[name]
        comparison = verdict.comparison
        return {
            "gain": comparison.gain,
            "ci95": comparison.ci95,
            "p": comparison.p,
            "p_holm": verdict.p_holm,
            "needed_users": verdict.needed_users,
            "needed_ratings": verdict.needed_ratings,
            "missing": verdict.missing,
            "verdict": verdict.word,
        }


def judge_architectures(
    errors: Mapping[str, np.ndarray],
    against: np.ndarray | float,
    users: np.ndarray,
    *,
    found: Mapping[str, ArchitectureResult],
    baseline: BaselineResult,
    simple: str | None,
    weights: np.ndarray | None = None,
) -> Judged:
    """Judge the errors, shape (rows,), of each tested architecture in `found` against the baseline's.

    `errors` has those of other predictors too. Over folds there is no one configuration: then equal errors alone tell
    the baseline itself. `simple` is the name of the best simple predictor, `weights`, shape (rows,), how often each row
    counts.
    """
    judged = {name: errors[name] for name, each in found.items() if each.test is not None}
    same = {*same_as(baseline, found), *(name for name, each in found.items() if each.config is None)}
    own = {name for name in same if name in judged and np.array_equal(judged[name], against)}
    others = {name: each for name, each in judged.items() if name not in own}
    return Judged(
        verdicts=judge_all(others, against, users, weights),
        over_simple=gains_over(judged, errors.get(simple or ""), weights),
        over_pmf=gains_over(judged, errors.get(PMF), weights),
        baseline=own,
    )
