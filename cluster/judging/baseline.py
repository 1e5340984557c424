"""The baseline, and the verdicts against it: the same code for `tune` and `verdict`."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from reeltune.cluster.runs.answer import ArchitectureResult
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.errors import InputError
from reeltune.trainables.scoring.comparison import compare_all, compare_with_number
from reeltune.trainables.scoring.verdict import Verdict, judge

KEY = "baseline"  # the baseline's name among the refits and the columns of predictions
PMF = "pmf"
PUBLISHED = {("pmf", "ml-100k"): 0.829}  # by architecture and data set: shown beside the refit, not judged against


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """An architecture at its reference configuration, refitted on the same rows; or a published number."""

    name: str
    kind: Literal["reference", "published"] = "reference"
    number: float | None = None

    def published(self, data: str) -> float | None:
        """The published mean squared error to show for this data set; None if there is none."""
        return self.number if self.kind == "published" else PUBLISHED.get((self.name, data))


REFERENCE = Baseline(name=PMF)


def baseline_of(text: str) -> Baseline:
    """Read `--baseline`: an architecture's name or a number. Raises InputError if it is neither."""
    if text in ARCHITECTURES:
        return Baseline(name=text)
    number = number_of(text)
    if number is None:
        raise InputError(
            f"--baseline {text!r}: expected one of {', '.join(ARCHITECTURES)}, or a published mean squared error"
        )
    return published(number)


def published(number: float) -> Baseline:
    return Baseline(name=str(number), kind="published", number=number)


def number_of(text: str) -> float | None:
    """A published mean squared error; None if the text is not a number. Raises InputError at an impossible one."""
    try:
        number = float(text)
    except ValueError:
        return None
    if not (math.isfinite(number) and number > 0):
        raise InputError(f"--baseline {text}: a published mean squared error is a number above 0")
    return number


def groups(users: pd.Series) -> np.ndarray:
    """A number for each row's user, shape (rows,). Each row without a user is a group of its own."""
    codes, _ = pd.factorize(users)
    return np.where(codes < 0, -1 - np.arange(len(codes)), codes)


def judge_all(errors: dict[str, np.ndarray], against: np.ndarray | float, users: np.ndarray) -> dict[str, Verdict]:
    """Verdicts on squared errors, shape (rows,), against the baseline's on the same rows, or against a number."""
    if isinstance(against, float):
        comparisons = {name: compare_with_number(against, each, users) for name, each in errors.items()}
    else:
        comparisons = compare_all(against, errors, users)
    return judge(comparisons)


def gains_over(errors: dict[str, np.ndarray], name: str) -> dict[str, float]:
    """Each predictor's gain over the named one, in mean squared error; empty if that one is not in `errors`."""
    return {each: float((errors[name] - errors[each]).mean()) for each in errors} if name in errors else {}


def judged(found: ArchitectureResult, verdict: Verdict | None, over_pmf: float | None) -> ArchitectureResult:
    """The result with its verdict filled in, in the form of `verdict.json`."""
    comparison = verdict.comparison if verdict else None
    return found.model_copy(
        update={
            "gain": comparison.gain if comparison else None,
            "ci95": comparison.ci95 if comparison else None,
            "p": comparison.p if comparison else None,
            "p_holm": verdict.p_holm if verdict else None,
            "gain_over_tuned_pmf": over_pmf,
            "needed_users": verdict.needed_users if verdict else None,
            "needed_ratings": verdict.needed_ratings if verdict else None,
            "missing": verdict.missing if verdict else None,
            "verdict": verdict.word if verdict else None,
        }
    )
