"""A verdict over folds in words, and the folds' own runs as a table."""

from collections import Counter
from collections.abc import Sequence

from reeltune.cluster.runs.answer import EACH_WINNER, FoldResult, Result

ABOUT = (
    "Folds judge the procedure, which fitted other models in each fold: there is no one model to hand over. The same "
    "command without folds makes one"
)


def openings(folds: Sequence[FoldResult], *, weak: str) -> dict[str | None, str]:
    """How the answer begins, by the verdict on what the search chose; `weak` follows where the baseline is weak."""
    chose = f"over {len(folds)} folds what the search chose"
    return {
        None: f"{chose.capitalize()} was tested; for want of a baseline there is no verdict",
        "beats": f"{chose.capitalize()} beats the baseline{weak}",
        "worse": f"Nothing is gained: {chose} is worse than the baseline{weak}",
        "undecided": f"Undecided: {chose} may be no better than the baseline{weak}",
        "is the baseline": f"Nothing is gained: {chose} is the baseline itself{weak}",
    }


def lines(result: Result) -> list[str]:
    """What the search chose in the folds, and what they are for; none of a run that has no folds."""
    if not result.folds:
        return []
    chosen = Counter(fold.winner or "nothing" for fold in result.folds).most_common()
    counts = ", ".join(f"{name} in {count} of {len(result.folds)}" for name, count in chosen)
    return [f"{EACH_WINNER}, by validation error: {counts}", ABOUT]


def names(folds: Sequence[FoldResult]) -> list[str]:
    """The predictors that a fold has an error of."""
    return list(dict.fromkeys(name for fold in folds for name in fold.errors))


def table(folds: Sequence[FoldResult]) -> list[tuple[str, list[str]]]:
    """A row for each fold, with the address of its report: fold, test rows, winner, and the errors by `names`."""
    return [
        (
            f"{_folder(fold)}/report.html",
            [
                _folder(fold) if fold.value is None else f"fold {fold.value}",
                f"{fold.test:,}",
                fold.winner or "",
                *(f"{fold.errors[name]:.4f}" if name in fold.errors else "" for name in names(folds)),
            ],
        )
        for fold in folds
    ]


def _folder(fold: FoldResult) -> str:
    return fold.run.rstrip("/").rpartition("/")[2]
