"""A run's verdict and trials as DataFrames."""

from collections.abc import Iterable, Sequence
from math import nan

import pandas as pd

from reeltune.cluster.report.words import baseline_error, objective_of, over_simple
from reeltune.cluster.runs.answer import ArchitectureResult, ListScore, Ranking, Result
from reeltune.cluster.runs.folder import Entry
from reeltune.trainables.scoring.metric_table import Objective

BASELINE = "baseline"  # the name of its row
PARAMETER = "params_"  # what the name of a hyperparameter's column begins with, as in Optuna's own table
ABOUT = ["trial", "architecture", "number", "stage", "state", "value", "epochs", "seconds", "seed", "error"]


def verdict_frame(result: Result, decoder: str) -> pd.DataFrame:
    """A row for the baseline and for each architecture.

    Columns: `architecture`; `test_error`, the mean of what is judged (`metric`); `gain` over the baseline with its 95%
    interval from `low` to `high`; `p` (Holm's, over all architectures); `over_simple`, the gain over the best simple
    predictor; `verdict`, the word.
    """
    first = {"architecture": BASELINE, "test_error": baseline_error(result, decoder)}
    rows = [_row(name, found, objective_of(result, decoder)) for name, found in result.architectures.items()]
    columns = ["architecture", "test_error", "gain", "low", "high", "p", "over_simple", "verdict"]
    frame = pd.DataFrame([first, *rows], columns=columns)
    numbers = dict.fromkeys(columns[1:-1], float)
    return frame.astype(numbers)


def _row(name: str, found: ArchitectureResult, by: Objective) -> dict[str, object]:
    low, high = found.ci95 or (None, None)
    return {
        "architecture": name,
        "test_error": None if found.test is None else by.of(found.test),
        "gain": found.gain,
        "low": low,
        "high": high,
        "p": found.p_holm,
        "over_simple": over_simple(found),
        "verdict": found.verdict,
    }


def ranking_frame(ranking: Ranking) -> pd.DataFrame:
    """A row for the baseline, each architecture, the ensemble and the list of the most rated items.

    Columns: `architecture`; `ndcg` with its 95% interval from `ndcg_low` to `ndcg_high`; `ndcg_gain`, over the
    baseline's lists, from `ndcg_gain_low` to `ndcg_gain_high`; and the same of `recall`.
    """
    return pd.DataFrame(
        [
            {"architecture": name, **_scored("ndcg", found.ndcg), **_scored("recall", found.recall)}
            for name, found in ranking.by_name.items()
        ]
    )


def _scored(name: str, score: ListScore | None) -> dict[str, float]:
    value, gain = (nan, nan) if score is None else (score.value, nan if score.gain is None else score.gain)
    low, high = (score and score.ci95) or (nan, nan)
    gain_low, gain_high = (score and score.gain_ci95) or (nan, nan)
    return {
        name: value,
        f"{name}_low": low,
        f"{name}_high": high,
        f"{name}_gain": gain,
        f"{name}_gain_low": gain_low,
        f"{name}_gain_high": gain_high,
    }


def trials_frame(ledger: Iterable[Entry]) -> pd.DataFrame:
    """A row for each trial that ended, and for each confirmation (`stage`), in the order of their ends.

    `value` is the error on validation rows, and there is a column `params_NAME` for each hyperparameter.
    """
    rows = [_trial(entry) for entry in ledger]
    return pd.DataFrame(rows, columns=None if rows else ABOUT)


def trials_of_folds(ledgers: Sequence[Iterable[Entry]]) -> pd.DataFrame:
    """As `trials_frame`, of the searches of folds in turn; the first column, `fold`, counts from 1."""
    entries = [(number, entry) for number, ledger in enumerate(ledgers, start=1) for entry in ledger]
    frame = trials_frame(entry for _, entry in entries)
    frame.insert(0, "fold", [number for number, _ in entries])
    return frame


def _trial(entry: Entry) -> dict[str, object]:
    settings = {f"{PARAMETER}{name}": value for name, value in entry.config.items()}
    return {**{name: getattr(entry, name) for name in ABOUT}, **settings}
