"""The end of a search: the sealed rows are opened once, each architecture is judged, and the files are written."""

import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from cluster import board_winners, ensembled, judged
from cluster.baseline import KEY, PMF, described, gains_over, groups, judge_all
from cluster.dealer import Choice
from cluster.details import details
from cluster.fits import FitOrder, Fitted, Lost
from cluster.judged import Scored
from cluster.page import write_reports
from cluster.prepared import Prepared, looks
from cluster.run_folder import Ledger, RunFolder, write_json
from cluster.searched import Searched
from trainables import bundle as bundles
from trainables import ensemble
from trainables.architectures import ARCHITECTURES
from trainables.data import Rows
from trainables.verdict import Verdict


def finish(
    searched: Searched,
    prepared: Prepared,
    folder: RunFolder,
    *,
    seconds: Callable[[], float],
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Open the sealed rows, judge, and write everything. The result is what `--json` prints."""
    if not searched.choices:  # nothing to judge: the rows stay sealed
        result = {**_result(searched, {}, None, prepared, folder), "seconds": round(seconds(), 1)}
        write_json(folder.verdict, result)
        write_reports(folder)
        return result
    for came in searched.fitted.values():
        if isinstance(came, Lost):
            say(f"{came.key}: the refit failed: {came.reason}")
    rows, look = prepared.split.test.open(looks(), reason=f"tune, run {folder.name}")
    if look > 1:
        say(f"note: this is look number {look} at these test rows; the interval assumes the first")
    refits = searched.complete()
    scores = score_all(searched, rows, prepared)
    result = _result(searched, scores, rows, prepared, folder)
    _write_predictions(folder, scores, rows, prepared)
    _write_bundles(refits, result, searched, prepared, folder)
    result["seconds"] = round(seconds(), 1)
    beside = details(scores, rows, prepared, decoder=searched.decoder, look=look)
    refitting = sum(came.seconds for came in searched.fitted.values() if isinstance(came, Fitted))
    by = {"refit_seconds": round(refitting, 1), "refit_workers": searched.workers, "refit_device": searched.device}
    write_json(folder.verdict, {**result, **beside, **by})
    write_reports(folder)
    board_winners.write(folder)
    return result


def score_all(searched: Searched, rows: Rows, prepared: Prepared) -> dict[str, list[Scored]]:
    """Every complete refit's scores on these rows, by seed, and the ensemble's."""
    scores = {name: _scores(name, refits, rows, searched, prepared) for name, refits in searched.complete().items()}
    if ensemble.NAME in searched.choices:
        scores[ensemble.NAME] = [ensembled.score(searched, scores, rows, prepared)]
    return scores


def _scores(
    name: str, refits: list[tuple[FitOrder, Fitted]], rows: Rows, searched: Searched, prepared: Prepared
) -> list[Scored]:
    temperature = searched.temperature(name)
    return [
        judged.score(
            order,
            came,
            rows,
            prepared.shape,
            decoder=searched.decoder,
            temperature=temperature,
            averaged=searched.averaged(name),
        )
        for order, came in refits
    ]


def _result(
    searched: Searched, scores: dict[str, list[Scored]], rows: Rows | None, prepared: Prepared, folder: RunFolder
) -> dict[str, Any]:
    verdicts, over_pmf = ({}, {}) if rows is None else _judge(scores, rows, searched, prepared)
    return {
        "run": folder.place,
        "trials": _counts(searched.ledger),
        "seconds": 0.0,
        "baseline": _baseline(scores, searched, prepared),
        "architectures": {
            name: _architecture(name, searched.choices.get(name), scores, verdicts, over_pmf)
            for name in searched.architectures
        },
        "winner": _winner(searched.choices, scores),
    }


def _judge(
    scores: dict[str, list[Scored]], rows: Rows, searched: Searched, prepared: Prepared
) -> tuple[dict[str, Verdict], dict[str, float]]:
    """Verdicts against the baseline, and gains over the tuned `pmf` where there is one."""
    errors = {name: judged.squared_errors(each, rows).mean(0) for name, each in scores.items()}
    against = errors.pop(KEY, searched.baseline.number)
    if against is None:
        return {}, {}
    users = groups(pd.Series(people(rows, prepared)))
    return judge_all(errors, against, users, seed=searched.seed), gains_over(errors, PMF)


def _counts(ledger: Ledger) -> dict[str, int]:
    states = [entry.state for entry in ledger.entries if entry.stage == "search"]
    return {state: states.count(state) for state in ("done", "stopped", "failed")}


def _baseline(scores: dict[str, list[Scored]], searched: Searched, prepared: Prepared) -> dict[str, Any]:
    baseline = searched.baseline
    refitted = baseline.name if baseline.kind == "reference" else None
    return {
        "name": baseline.name,
        "kind": baseline.kind,
        "architecture": refitted,
        "config": ARCHITECTURES[refitted].reference(prepared.shape).model_dump() if refitted else None,
        "test": judged.mean_metrics(scores[KEY]) if KEY in scores else None,
        "published": baseline.published(prepared.ratings.name),
    }


def _architecture(
    name: str,
    choice: Choice | None,
    scores: dict[str, list[Scored]],
    verdicts: dict[str, Verdict],
    over_pmf: dict[str, float],
) -> dict[str, Any]:
    return {
        "config": choice.config if choice else None,
        "validation": choice.metrics if choice else None,
        "test": judged.mean_metrics(scores[name]) if name in scores else None,
        **described(verdicts.get(name), over_pmf.get(name)),
    }


def _winner(choices: dict[str, Choice], scores: dict[str, list[Scored]]) -> str | None:
    """The lowest validation error: the test has no say in it."""
    return min((name for name in choices if name in scores), key=lambda name: choices[name].value, default=None)


def _write_predictions(folder: RunFolder, scores: dict[str, list[Scored]], rows: Rows, prepared: Prepared) -> None:
    """One column for each architecture (the first seed's, which is the bundle's), and one for each further seed."""
    frame = pd.DataFrame(
        {
            "row": rows.number,
            "user": people(rows, prepared),
            "item": _names(prepared.ratings.items.text, rows.items),
            "rating": rows.ratings,
            **({} if rows.timestamps is None else {"timestamp": rows.timestamps}),
        }
    )
    for name, each in scores.items():
        for place, scored in enumerate(each):
            frame[column_of(name, place)] = scored.ratings
    temporary = folder.predictions.with_suffix(".tmp")
    frame.to_parquet(temporary, index=False)
    temporary.replace(folder.predictions)


def column_of(name: str, place: int) -> str:
    """Where predictions have the ratings by a refit, of its seed's place."""
    return name if place == 0 else f"{name}.seed{place + 1}"


def people(rows: Rows, prepared: Prepared) -> np.ndarray:
    """Whose each row is, by id: also of users that a test file of somebody's own alone has."""
    known = _names(prepared.ratings.users.text, rows.users)
    return known if rows.strangers is None else np.where(rows.users == 0, rows.strangers, known)


def _names(text: pd.Index, indices: np.ndarray) -> np.ndarray:
    """Ids of indices; None for 'unknown' (a test file of somebody's own may have such)."""
    return np.concatenate([np.array([None], dtype=object), text.to_numpy(dtype=object)])[indices]


def _write_bundles(
    refits: dict[str, list[tuple[FitOrder, Fitted]]],
    result: dict[str, Any],
    searched: Searched,
    prepared: Prepared,
    folder: RunFolder,
) -> None:
    """The bundles of the first seed's refits, and of the ensemble of all."""
    kept = {
        name: (ARCHITECTURES[name].Config.model_validate(order.config), fitted.weights)
        for name, [(order, fitted), *_] in refits.items()
        if name in searched.choices
    }
    if ensemble.NAME in searched.choices:
        kept[ensemble.NAME] = ensembled.packed(searched, refits)
    for earlier in folder.path.glob("models/*"):
        if earlier.name not in kept:  # of a search that went on, and whose refit is lost this time
            shutil.rmtree(earlier)
    for name, (config, weights) in kept.items():
        description = bundles.describe(
            name,
            config,
            prepared.shape.scale,
            decoder=searched.decoder,
            temperature=searched.temperature(name),
            seed=searched.seed,
            data=prepared.ratings.name,
            metrics={part: result["architectures"][name][part] for part in ("validation", "test")},
        )
        users, items = prepared.ratings.users, prepared.ratings.items
        bundles.save(folder.model(name), description, weights, users, items, fitted=prepared.split.fitting)
