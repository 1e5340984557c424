"""`reeltune verdict RUN`: judges the run's predictions again, also against another baseline."""

from collections.abc import Container
from dataclasses import dataclass

import numpy as np
import pandas as pd

from reeltune.cluster.judging.baseline import BEST_SIMPLE, KEY, groups, judge_architectures, number_of
from reeltune.cluster.judging.predictions import errors_of, weights_of
from reeltune.cluster.runs.answer import Answer, ArchitectureResult, BaselineResult, Result
from reeltune.cluster.runs.finished import asked_of_search
from reeltune.cluster.runs.folder import RunFolder
from reeltune.trainables.data import write_down_look
from reeltune.trainables.data.prepared import check_looks, looks
from reeltune.trainables.errors import InputError
from reeltune.trainables.scoring.metric_table import METRICS


@dataclass(frozen=True, kw_only=True)
class Rejudged:
    """The result in the form of `verdict.json`, judged again, and which look at the test rows this is, from 1."""

    result: Result
    decoder: str
    look: int


def rejudge(folder: RunFolder, baseline: str | None) -> Rejudged:
    """Judge a finished run's predictions against another of its predictors, or a number; None: its own baseline.

    The run's files stay as they are. Raises InputError if the run has no predictions, or not this baseline.
    """
    kept = _kept(folder)
    if kept.test_rows is None:
        raise InputError(f"{folder.verdict}: says nothing of the test rows; `reeltune verdict` needs a finished search")
    frame = pd.read_parquet(folder.predictions)
    simple = kept.simple
    errors = errors_of(frame, [*kept.architectures, KEY, *(simple.compared if simple else ())], kept.metric)
    asked = _asked(_named(baseline, kept, folder), kept.baseline, errors)
    about, against = _baseline(asked, kept, errors)
    check_looks()
    look = write_down_look(looks(), kept.test_rows.hash, len(frame), reason=f"verdict, run {folder.name}")
    others = {name: each for name, each in kept.architectures.items() if each.test is not None and name != asked}
    verdicts = judge_architectures(
        errors,
        against,
        groups(frame["user"]),
        found=others,
        baseline=about,
        simple=simple.best if simple else None,
        weights=weights_of(frame),
    )
    result = Result(
        run=kept.run,
        metric=kept.metric,
        trials=kept.trials,
        seconds=kept.seconds,
        spent=kept.spent,
        baseline=about,
        simple=simple,
        architectures={name: verdicts.of(name, each) for name, each in others.items()},
        winner=kept.winner,
        folds=kept.folds,
        weight_column=kept.weight_column,
    )
    return Rejudged(result=result, decoder=kept.decoder or "argmax", look=look)


def _kept(folder: RunFolder) -> Answer:
    if not (folder.verdict.is_file() and folder.predictions.is_file()):
        if (record := folder.read_record()) is not None:
            asked_of_search(folder, record)
        raise InputError(f"{folder.place}: the run has no predictions of test rows; it ends with them")
    return Answer.read(folder.verdict)


def _named(baseline: str | None, kept: Answer, folder: RunFolder) -> str | None:
    """The name of the best simple predictor in place of best-simple. Raises InputError if the run has none."""
    if baseline != BEST_SIMPLE:
        return baseline
    if kept.simple is None:
        raise InputError(
            f"--baseline {BEST_SIMPLE}: {folder.place} is of a version that compared no simple predictors; name one of "
            f"its predictors: {', '.join(kept.architectures)}"
        )
    return kept.simple.best


def _asked(baseline: str | None, own: BaselineResult, columns: Container[str]) -> str:
    if baseline is not None:
        return KEY if baseline == own.name and baseline not in columns else baseline
    return str(own.published) if own.kind == "published" else KEY


def _baseline(asked: str, kept: Answer, errors: dict[str, np.ndarray]) -> tuple[BaselineResult, np.ndarray | float]:
    """The baseline as `verdict.json` describes it, and its errors, shape (rows,), or its published number."""
    if asked == KEY in errors:
        own = kept.baseline
        return own.model_copy(update={"name": own.name or own.architecture}), errors[KEY]
    tuned = kept.architectures.get(asked, ArchitectureResult())
    if asked in errors and tuned.test is None:
        return _simple_baseline(asked, kept), errors[asked]
    if asked in errors:
        about = BaselineResult(name=asked, kind="tuned", architecture=asked, config=tuned.config, test=tuned.test)
        return about, errors[asked]
    number = number_of(asked, kept.metric)
    if number is None:
        raise InputError(
            f"--baseline {asked!r}: the run's predictions are of {', '.join(errors)}; expected one of them or a "
            f"published mean {METRICS[kept.metric].words}"
        )
    return BaselineResult(name=asked, kind="published", published=number), number


def _simple_baseline(name: str, kept: Answer) -> BaselineResult:
    """A simple predictor that the search did not tune."""
    assert kept.simple is not None
    found = kept.simple.compared[name]
    fitted = name if found.config is not None else None
    return BaselineResult(name=name, kind="simple", architecture=fitted, config=found.config, test=found.test)
