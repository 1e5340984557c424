"""`report.md`: the answer in about 35 lines, for a pull request or a chat."""

from collections.abc import Iterable

from reeltune.cluster.report.commands import Command, reproducing
from reeltune.cluster.report.intervals import line as intervals
from reeltune.cluster.report.results import HEADINGS, NARROW, heading, rows
from reeltune.cluster.report.spent import line as core_seconds
from reeltune.cluster.report.standing import standing
from reeltune.cluster.report.top_lists import line as top_lists
from reeltune.cluster.report.use import going_on, using
from reeltune.cluster.report.words import (
    ABOUT_TIME,
    about_dropped,
    about_simple,
    about_weights,
    also,
    answer,
    best_simple,
    with_time,
)
from reeltune.cluster.runs.finished import Run
from reeltune.trainables.scoring.levels import NOTHING


def markdown(run: Run) -> str:
    """The page, with the same answer as `report.html`."""
    lines = [f"# {_plain(run.folder.name)}: which architecture predicts these ratings best?", ""]
    if run.answer is None:
        return "\n".join([*lines, f"**{standing(run)}.**", "", *_notes(run), "", *_fenced(going_on(run))]) + "\n"
    lines += [f"**{answer(run.answer, run.decoder)}**", ""]
    shown = [HEADINGS.index(name) for name in NARROW]
    table = [[row[place] for place in shown] for row in rows(run.answer, run.decoder)]
    lines += [*_table(tuple(heading(name, run.asked.metric) for name in NARROW), table), ""] if run.winner else []
    lines += [f"- {line}" for line in (*also(run.answer, run.decoder), top_lists(run.answer)) if line]
    commands = going_on(run) or reproducing(run)[:1]
    return "\n".join([*lines, *_notes(run), "", *_fenced(commands)]) + "\n"


def about_gain(run: Run) -> str:
    """What a gain is, and how its interval and its verdict are computed."""
    answer = run.answer
    against = (
        "A gain is a published figure minus the architecture's error; the interval is a one-sample one and knows "
        "nothing of how uncertain the published figure is. "
        if answer is not None and answer.baseline.kind == "published"
        else f"A gain is the baseline's {run.objective.measure.words} minus the architecture's on the same test rows, "
        f"each averaged over {(answer and answer.refit_seeds) or 'all'} refits on training and validation rows. "
    )
    judged = answer.architectures.values() if answer else ()
    # Runs older than this rule lack the field that came with it.
    slight = (
        f"; a difference under {NOTHING:.1%} of the baseline's error counts for none"
        if any("needed_ratings" in found.model_fields_set for found in judged)
        else ""
    )
    return (
        f"{against}The interval takes a user's rows as one observation and is not adjusted; the verdict is at p < 0.05 "
        f"after Holm's adjustment over all architectures{slight}."
    )


def about_second_gain(run: Run) -> str:
    """What the second gain is over, and why it stands beside the first; "" if there is none."""
    if run.answer is None or best_simple(run.answer) is None:
        return ""
    said = about_simple(run.answer, run.decoder)
    fairer = "; an untuned baseline is easily beaten, so this is the fairer gain"
    return f"{said[0].upper()}{said[1:]}{fairer if run.answer.baseline.kind == 'reference' else ''}."


def about_look(run: Run) -> str | None:
    """How often the test rows have been looked at."""
    if run.answer is None or run.answer.look is None or run.answer.test_rows is None:
        return None
    look, test = run.answer.look, run.answer.test_rows
    first = "first look at them" if look == 1 else f"look number {look} at them (the interval assumes the first)"
    return f"{test.count:,} test rows of {test.users:,} users, {first}"


def _notes(run: Run) -> Iterable[str]:
    counts, found = run.counts(), run.answer
    data = (found and found.data) or f"{run.asked.data}, {run.asked.options().split_word} split {run.asked.split_seed}"
    yield f"- Data: {_plain(data)}"
    look = about_look(run)
    if look is not None:
        yield f"- {look}"
        yield f"- {run.objective.title}. {about_gain(run)} {about_second_gain(run)}"
    if found is not None and about_weights(found):
        yield f"- {_plain(about_weights(found))}."
    if found is not None and with_time(found):
        yield f"- {ABOUT_TIME}"
    spent = f" in {found.seconds:.0f} s" if found and found.seconds else ""
    states = f"{counts['done']} trials done, {counts['stopped']} stopped early, {counts['failed']} failed"
    yield f"- {states}{spent}{_use(run)}"
    said = [] if found is None else [intervals(found), about_dropped(found), core_seconds(found.spent)]
    yield from (f"- {line}" for line in said if line)


def _use(run: Run) -> str:
    """How the winner rates pairs, in a sentence; "" without a bundle."""
    lines = [command.line for command in using(run) if command.line.startswith("reeltune predict")]
    return "".join(f". To use {run.winner}: `{line}`" for line in lines if "`" not in line)


def _fenced(commands: Iterable[Command]) -> Iterable[str]:
    for place, command in enumerate(commands):
        yield from [""] if place else []
        fence = "```" if "```" not in command.line else "~~~~~~"
        yield from (f"{command.what[0].upper()}{command.what[1:]}:", fence, command.line, fence)


def _plain(text: str) -> str:
    """A text from the data, with the characters escaped that mean something to Markdown or HTML."""
    return "".join(f"\\{sign}" if sign in "\\`*_[]<>|#" else sign for sign in text.replace("\n", " "))


def _table(headings: tuple[str, ...], body: list[list[str]]) -> list[str]:
    rule = ["---", *["---:"] * (len(headings) - 1)]
    return [f"| {' | '.join(row)} |" for row in [headings, rule, *body]]
