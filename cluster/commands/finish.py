"""The end of a search: opens the sealed rows once, judges each architecture, and writes the files."""

from collections.abc import Callable, Sequence

from reeltune.cluster.commands.durations import spell
from reeltune.cluster.data_parallel.orders import Lost
from reeltune.cluster.judging.bundles import write_bundles
from reeltune.cluster.judging.details import details
from reeltune.cluster.judging.intervals import interval_scores
from reeltune.cluster.judging.outcome import UNSCORED, Searched
from reeltune.cluster.judging.predictions import write_predictions
from reeltune.cluster.judging.ranking import against, described, rankings, write_rankings
from reeltune.cluster.judging.result import judged_result, score_with_simple
from reeltune.cluster.judging.simple import seconds_to_compare, simple_predictors
from reeltune.cluster.runs.answer import SCHEMA, Answer, Refits, Result
from reeltune.cluster.runs.folder import RunFolder, write_json
from reeltune.cluster.search.choice import SEEDS, decided_early, often, unlike_folds, without_reference
from reeltune.cluster.tracking.tracker import Tracker
from reeltune.trainables.architectures import ENSEMBLE
from reeltune.trainables.data.prepared import Prepared, looks
from reeltune.trainables.fitting.threads import one_thread

SAID = 5.0  # seconds of silence, beyond which a line says what is done


def finish(
    searched: Searched,
    prepared: Prepared,
    folder: RunFolder,
    *,
    seconds: Callable[[], float],
    say: Callable[[str], None],
    trackers: Sequence[Tracker] = (),
) -> Result:
    """Open the sealed rows, judge, and write everything. Returns what `--json` prints."""
    if not searched.choices:  # nothing to judge: the rows stay sealed
        result = judged_result(searched, None, prepared, folder)
        return _written(folder, Answer(**dict(result), schema_number=SCHEMA), seconds(), trackers)
    for came in searched.fitted.values():
        if isinstance(came, Lost):
            say(f"{came.key}: the refit failed: {came.reason}")
    for note in _about_folds(searched):
        say(note)
    if (seconds_of_means := seconds_to_compare(searched, prepared)) > SAID:
        say(f"comparing damped means, which were not searched: about {spell(seconds_of_means)}")
    simple = simple_predictors(searched, prepared)  # chosen while the test rows are sealed
    rows, look = prepared.split.test.open(looks(), reason=f"tune, run {folder.title}")
    if look > 1:
        say(f"note: this is look number {look} at these test rows; the interval assumes the first")
    with one_thread():  # the same digits on every machine; two that share a busy processor wait for each other
        scores = score_with_simple(searched, simple, rows, prepared)
        searched = searched.without(scores.left_out)
        listed = rankings(searched, rows, prepared, say=say)
    for name in scores.left_out:
        say(f"{name}: it is not judged: {UNSCORED}")
    ranking = listed and described(listed, against=against(searched, scores.compared.best))
    result = judged_result(searched, scores, prepared, folder).model_copy(update={"ranking": ranking})
    if listed is not None:
        write_rankings(folder, listed)
    write_predictions(folder, scores.all, rows, prepared, metric=searched.metric)
    write_bundles(searched.complete(), result, searched, prepared, folder, look=look)
    within = interval_scores(searched, rows, folder)
    took = seconds()
    beside = details(scores.judged, rows, prepared, objective=searched.objective, look=look)
    beside = beside.model_copy(update={"intervals": within})
    refits = Refits(refit_seconds=searched.refit_seconds, refit_workers=searched.workers, refit_device=searched.device)
    answer = Answer(**dict(result), **dict(beside), **dict(refits), schema_number=SCHEMA)
    return _written(folder, answer, took, trackers)


def _about_folds(searched: Searched) -> list[str]:
    """What is to be said of architectures that were not confirmed on each fold, or without their reference."""
    # The ensemble has the folds of its members.
    choices = {name: choice for name, choice in searched.choices.items() if name != ENSEMBLE}
    times = {name: often(searched.ledger, name) for name in choices}
    notes = (
        unlike_folds(choices, fewer=[name for name, each in times.items() if each < SEEDS]),
        decided_early(choices, times),
        without_reference(searched.ledger, choices),
    )
    return [note for note in notes if note]


def _written(folder: RunFolder, answer: Answer, seconds: float, trackers: Sequence[Tracker]) -> Result:
    """Write `verdict.json` and the reports, tell the trackers, and remove the kept refits.

    Returns the answer without its details.
    """
    # Imported late, so that the plotting libraries take no memory while fits run.
    from reeltune.cluster.report.write import write_reports

    answer = answer.model_copy(update={"seconds": round(seconds, 1)})
    write_json(folder.verdict, answer.as_json())
    write_reports(folder)
    if answer.test_rows is not None:
        for tracker in trackers:
            tracker.chosen(folder)
        folder.fits.clear()  # not before: --resume would do the refits again where this could not be written
    return Result(**{name: getattr(answer, name) for name in Result.model_fields})
