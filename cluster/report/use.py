"""What to do with a run: load its winner, predict and recommend with it, or go on with its search."""

import shlex

from reeltune.cluster.report.commands import Command, own_parts, without_run
from reeltune.cluster.report.words import with_time
from reeltune.cluster.runs.finished import Run


def using(run: Run) -> list[Command]:
    """How to load the winner's bundle, predict and recommend with it; none if the run has no such bundle."""
    if run.winner is None or run.asked.folds or not has_bundle(run, run.winner):
        return []
    bundle, own = (
        run.folder.place_of(f"models/{run.winner}"),
        [str(run.folder.source(name)) for name in own_parts(run, run.winner)],
    )
    architectures = [word for file in own for word in ("--architecture", file)]
    return [
        Command(what="In Python", line=_python(bundle, own)),
        Command(
            what="Rate the pairs of a table with user and item columns",
            line=shlex.join(["reeltune", "predict", bundle, "pairs.csv", "-o", "rated.csv", *architectures]),
        ),
        Command(what="List ten items for each user, without those already rated", line=_recommend(run, bundle, own)),
    ]


def has_bundle(run: Run, name: str) -> bool:
    """Whether the run has this model: in its folder, or in the object store to which it was written."""
    return run.folder.model(name).is_dir() or run.folder.home is not None


def _python(bundle: str, own: list[str]) -> str:
    files = f", architecture={(own[0] if len(own) == 1 else own)!r}" if own else ""
    return f'import reeltune as rt\n\nmodel = rt.load({bundle!r}{files})\nratings = model.predict("pairs.csv")'


def _recommend(run: Run, bundle: str, own: list[str]) -> str:
    asked = run.asked
    words = ["reeltune", "recommend", bundle, "--top", "10"]
    # A matrix cannot be read as a table of pairs.
    words += ["--seen", "seen.csv" if asked.matrix else asked.data]
    columns = {} if asked.matrix else asked.columns or {}
    for kind in ("user", "item"):
        words += [f"--{kind}-column", columns[kind]] if kind in columns else []
    words += ["--missing-ids", asked.missing_ids] if asked.missing_ids and not asked.matrix else []
    if run.answer is not None and run.winner in with_time(run.answer):
        words += ["--at", (run.record.started or "2026-01-01")[:10]]
    words += ["-o", "recommended.csv"]
    return shlex.join([*words, *(word for file in own for word in ("--architecture", file))])


def going_on(run: Run) -> list[Command]:
    """The command that goes on with a search that is not finished, or that `--time` cut short; else none."""
    if not is_cut_short(run):
        return []
    name = run.asked.within or run.folder.name
    line = shlex.join([*without_run(run.record.command), "--name", name, "--resume"])
    return [Command(what="The command that goes on with this search, from all that is done so far", line=line)]


def is_cut_short(run: Run) -> bool:
    """Whether trials that were asked for have not ended, or there is no verdict yet."""
    if run.answer is None:
        return True
    asked = run.answer.trials_asked
    return asked is not None and sum(run.answer.trials.values()) < asked
