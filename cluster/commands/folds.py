"""`reeltune tune` over folds: the whole search for each, one after the other, and then one verdict over all rows.

Each fold is an ordinary run in a folder below the run's own. Nothing of one fold's search reaches another's.
"""

from collections.abc import Sequence
from dataclasses import replace

from reeltune.cluster.commands.ask import TuneOptions, ask
from reeltune.cluster.commands.progress import Watch
from reeltune.cluster.commands.searches import searches_of, whole
from reeltune.cluster.commands.tune import tune
from reeltune.cluster.report.use import is_cut_short
from reeltune.cluster.runs.answer import SCHEMA, Answer, ArchitectureResult, BaselineResult, Result
from reeltune.cluster.runs.claim import check_free, claim
from reeltune.cluster.runs.finished import Run, read_run
from reeltune.cluster.runs.folder import RunFolder, write_json
from reeltune.cluster.runs.kept_tables import keep_tables
from reeltune.cluster.runs.mirror import catch_up, mirrored
from reeltune.cluster.runs.record import RunRecord
from reeltune.cluster.session.address import check_address
from reeltune.cluster.trackers.opened import tracked
from reeltune.cluster.tracking.tracker import Tracker


def tune_folds(options: TuneOptions, watch: Watch) -> Result:
    """`tune`, for each fold if there are any. Returns what `--json` prints. Raises InputError as `tune` does."""
    check_free(options.folder, resume=options.resume)
    if not options.folds:
        return tune(options, watch)
    check_address(options.address, takes_client=not options.keep_ray)
    searches = searches_of(options)
    asked = [ask(each).asked for each in searches]  # all are checked before the first begins
    folder = options.folder
    together = whole(asked)
    if options.resume:  # a fold that has not begun is no search to resume, but has what the run was begun with
        searches = [replace(each, sample=of.sample or "all") for each, of in zip(searches, asked, strict=True)]
    with (
        claim(
            folder,
            together,
            resume=options.resume,
            growing="trials",
            command=options.command,
            say=watch.say,
        ),
        tracked(options.trackers, folder, together, say=watch.say, status=watch.tick) as elsewhere,
    ):
        keep_tables(options.data, folder)
        _search(searches, watch)
        return _judged(searches, folder, elsewhere)


def _search(searches: list[TuneOptions], watch: Watch) -> None:
    """Run the searches that are not finished. Each has an equal share of --time."""
    left = [each for each in searches if not _is_finished(each, watch)]
    for place, options in enumerate(left):
        fold = options.data.fold
        name = f"fold {options.fold} of {len(searches)}" if fold is None else fold.name
        watch.say(f"{name}, in {options.folder.place}")
        seconds = None if options.seconds is None else options.seconds / len(left)
        begun = options.folder.has(options.folder.record.name)
        told = place > 0 and fold is not None  # official folds are of other files each
        tune(replace(options, seconds=seconds, resume=begun, told=told), watch)


def _is_finished(options: TuneOptions, watch: Watch) -> bool:
    """Whether the fold's run has a verdict after as many trials as are asked for. If so, all of it is in its home."""
    folder = options.folder
    if not folder.has(folder.record.name):
        return False
    if folder.home is not None:
        catch_up(folder, folder.home)
    run = read_run(folder)
    if run.record.finished is None or run.asked.trials != options.trials or is_cut_short(run):
        return False
    _send(folder, watch)
    return True


def _send(folder: RunFolder, watch: Watch) -> None:
    """Upload a finished fold's files where that was cut off, or its run had no home before."""
    there = None if folder.home is None else folder.home.read(folder.record.name)
    if folder.home is None or (there and RunRecord.parsed(there, folder.place_of(folder.record.name)).finished):
        return
    folder.lock.touch()
    with mirrored(folder, dead=folder.lock.read_text(), resume=True, say=watch.say):
        pass


def _judged(searches: list[TuneOptions], folder: RunFolder, trackers: Sequence[Tracker]) -> Result:
    """Judge all rows together, write `verdict.json` and the reports, and tell the trackers of the whole run."""
    # Imported late, as `tune` does: these take seconds, and memory, which fits have no use for.
    from reeltune.cluster.judging.folds import judge_folds, read_fold
    from reeltune.cluster.report.write import write_reports

    runs = [read_run(each.folder) for each in searches]
    folds = [read_fold(run.folder, run.answer, run.asked.fold_value) for run in runs if run.answer is not None]
    judged = [fold for fold in folds if fold is not None]
    complete = len(judged) == len(searches)
    answer = judge_folds(judged, folder) if complete else _without(runs, folder)
    write_json(folder.verdict, answer.as_json())
    write_reports(folder)
    if complete:
        for tracker in trackers:
            tracker.chosen(folder)
    return Result(**{name: getattr(answer, name) for name in Result.model_fields})


def _without(runs: list[Run], folder: RunFolder) -> Answer:
    """The answer where a fold has none, because none of its fits came to its end."""
    counts = [run.counts() for run in runs]
    asked = runs[0].asked
    return Answer(
        run=folder.place,
        trials={state: sum(each[state] for each in counts) for state in counts[0]},
        trials_asked=len(runs) * asked.trials * len(asked.architectures),
        baseline=BaselineResult(name=asked.baseline),
        architectures={name: ArchitectureResult() for name in asked.architectures},
        schema_number=SCHEMA,
    )
