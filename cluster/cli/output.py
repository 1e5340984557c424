"""Prints results on standard output: one JSON object, or text."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from reeltune.cluster.cli.tables import confusion_table, metrics_table, terminal_table, update_table
from reeltune.cluster.commands.durations import spell
from reeltune.cluster.report.spent import line as core_seconds
from reeltune.cluster.report.top_lists import line as top_lists
from reeltune.cluster.report.words import ABOUT_TIME, about_dropped, cut_short, headline
from reeltune.cluster.runs.answer import Result
from reeltune.cluster.runs.folder import FOLD
from reeltune.cluster.runs.stored import Stored
from reeltune.trainables.scoring.metric_table import Objective

if TYPE_CHECKING:
    from reeltune.cluster.commands.architectures import ArchitectureDescription
    from reeltune.cluster.commands.check import CheckedArchitecture
    from reeltune.cluster.commands.data import DataDescription
    from reeltune.cluster.commands.dry_run import DryRun
    from reeltune.cluster.commands.export import ExportDescription
    from reeltune.cluster.commands.predict import Predicted
    from reeltune.cluster.commands.recommend import RecommendedDescription
    from reeltune.cluster.commands.replay import Replayed
    from reeltune.cluster.commands.train import Trained
    from reeltune.cluster.commands.update import Updated

FILE_WIDTH = 160  # columns when the output is not a terminal, so that no table in a file is cut

UNLIMITED = 10_000  # columns that no table needs


def print_json(content: Stored | Mapping[str, Any]) -> None:
    """Print one JSON object."""
    plain = content.as_json() if isinstance(content, Stored) else content
    print(json.dumps(plain, allow_nan=False, default=Stored.as_json))


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=FILE_WIDTH)


def print_table(table: Table) -> None:
    _console().print(table)


def tuned(result: Result, decoder: str, *, more: str) -> None:
    """`more` is the command that goes on with a search that --time cut short."""
    if result.winner is not None:
        print_table(terminal_table(result, decoder, width=_console().width))
    print("\n".join(headline(result, decoder)))
    if listed := top_lists(result):
        print(listed)
    if (short := cut_short(result)) is not None:
        print(f"{short}; the rest of them: {more}")
    if dropped := about_dropped(result):
        print(dropped)
    if used := core_seconds(result.spent):
        print(used)
    if result.folds:
        each = f"predictions.parquet, and each fold's run in {FOLD}1/ to {FOLD}{len(result.folds)}/"
    else:
        each = f"{'predictions.parquet, models/, ' if result.winner is not None else ''}tensorboard/"
    print(f"all of it is in {result.run}: report.html, report.md, verdict.json, {each}")


def print_fitting(table: Table, *, narrow: list[Table]) -> None:
    """Print the table if the terminal is wide enough for all of it, else the narrow ones."""
    console = _console()
    fits = Measurement.get(console, console.options.update(max_width=UNLIMITED), table).maximum <= console.width
    for each in [table] if fits else narrow:
        console.print(each)


def rejudged(result: Result, decoder: str, look: int) -> None:
    print_table(terminal_table(result, decoder, width=_console().width))
    print("\n".join(headline(result, decoder)))
    print(f"this was look number {look} at these test rows{'; the intervals assume the first' if look > 1 else ''}")


def replayed(result: "Replayed") -> None:
    label = Objective(decoder=result.decoder, metric=result.metric).label
    errors = f"{label} {result.reported:.6f} reported, {result.replayed:.6f} replayed"
    effort = f"{result.fits} fits in {result.seconds:.0f} s"
    print(f"{result.architecture} of {result.run}: {errors}, by {effort}")
    print(f"it {'matches' if result.matches else 'does NOT match'}: {_how_alike(result)}")
    print(f"this was look number {result.look} at these test rows")


def _how_alike(result: "Replayed") -> str:
    if result.largest_difference == 0:
        same = "all ratings are the same, bit for bit"
        return same if result.matches else f"{same}, and the reported error is not theirs"
    allowed = "no bit may here" if result.exact else f"the error may differ by {result.tolerance:.4f}"
    return f"ratings differ by up to {result.largest_difference:.2g}; {allowed}"


def trained(result: "Trained") -> None:
    epochs = "1 epoch" if result.epochs == 1 else f"{result.epochs} epochs"
    print(f"{result.architecture}: {epochs} in {result.fit_seconds:.2f} s")
    if result.validation is None and result.test is None:
        print(f"training loss {result.train_loss:.4f} in the last epoch")
    else:
        print_table(metrics_table(result.validation, result.test))
    if result.timed:
        print(ABOUT_TIME)
    if result.by_value is not None:
        if result.by_value.weighted:
            print("in the next two tables each row counts once, whatever its weight:")
        print_table(confusion_table(result.by_value))
        print(result.by_value.report)
    print(f"model in {result.model}")


def architectures(described: dict[str, "ArchitectureDescription"]) -> None:
    for name, about in described.items():
        print(f"{name}: {about.formula}")
        for field, info in about.hyperparameters.items():
            space = f"; searched: {info.space}" if info.space else ""
            print(f"  {field} = {info.default}: {info.meaning}{space}")
        print()


def checked(found: "CheckedArchitecture") -> None:
    broken = sum(clause.wrong is not None for clause in found.clauses)
    spent = sum(clause.seconds for clause in found.clauses)
    keeps = f"breaks {broken} of {len(found.clauses)} clauses" if broken else "keeps the contract"
    print(f"{found.architecture} {keeps} ({spent:.0f} s): {found.formula}")
    print(f"a search varies {', '.join(found.varies)}" if found.varies else "it has no search space: train takes it")


def data(described: "DataDescription") -> None:
    from reeltune.cluster.commands.data import described_lines

    print("\n".join(described_lines(described)))


def predicted(done: "Predicted") -> None:
    from reeltune.cluster.commands.predict import about_unknown

    print(f"{done.pairs:,} pairs rated in {done.output}")
    for line in [*about_unknown(done.unknown_users, done.unknown_items, done.unknown_both), *done.notes]:
        print(line)


def exported(done: "ExportDescription") -> None:
    print(f"model in {done.output}, by the decoder {done.decoder}")
    if done.weights is not None:
        print(f"its weights in {done.weights}, which belongs beside it")
    print(f"indices of users and items in {done.ids}")
    print(f"inputs: {', '.join(done.inputs)} (int64, one number for each pair); output: rating (float32)")


def updated(done: "Updated") -> None:
    from reeltune.cluster.commands.update import about_update

    print_table(update_table(done))
    print("\n".join(about_update(done)))


def recommended(done: "RecommendedDescription") -> None:
    from reeltune.cluster.commands.recommend import about_recommended

    for row in done.recommendations or ():
        if row.rank == 1:
            print(f"user {row.user}")
        print(f"{row.rank:>5} {row.rating:8.3f}  {row.item}")
    for line in about_recommended(done, done.rows, output=done.output):
        print(line)


def planned(dry_run: "DryRun") -> None:
    print(dry_run.summary)
    for line in dry_run.lines:
        of_all = "" if line.all_seconds is None else f", a confirmation on all rows {line.all_seconds:.1f}"
        print(
            f"{line.architecture}: at most {line.fits} fits in the search over "
            f"{counted(line.parameters, 'hyperparameter')}, then {counted(line.refits, 'refit')}; "
            f"a fit takes about {line.fit_seconds:.1f} s here, the reference {line.reference_seconds:.1f}{of_all}"
        )
    workers = f", {dry_run.workers} workers each" if dry_run.workers > 1 else ""
    workers += f"; {dry_run.folds} folds, all of it {dry_run.folds} times" if dry_run.folds > 1 else ""
    cut = ", with --time cutting the search short" if dry_run.limited else ""
    print(
        f"{dry_run.slots} at a time{workers}; about {spell(dry_run.seconds)} to the verdict{cut}, if nothing else runs "
        "on this machine"
    )


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
