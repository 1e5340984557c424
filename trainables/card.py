"""The model card of a bundle, its `README.md`: what the model is, how good, where its limits are, how to use it."""

import html
from collections.abc import Iterable

from reeltune.trainables.architectures import ENSEMBLE
from reeltune.trainables.description import Description, FittedOn, UpdatedFrom

MARKDOWN = r"\`*_{}[]|#~"  # characters that mean something to Markdown


def card(described: Description) -> str:
    """The page, in Markdown. Names of files and columns, and a docstring of somebody's own, are shown as they are."""
    sections = {
        "How to use it": _use(described),
        "Data": _data(described),
        "How good it is": _figures(described),
        "Limits": [f"- {line}" for line in _limits(described)],
        "Settings": _settings(described),
    }
    lines = [*_head(described)]
    for title, content in sections.items():
        lines += ["", f"## {title}", "", *content]
    return "\n".join(lines) + "\n"


def plain(text: str) -> str:
    """A text in one line, with the characters escaped that mean something to Markdown or HTML."""
    one_line = html.escape(" ".join(text.split()), quote=False)
    return "".join(f"\\{sign}" if sign in MARKDOWN else sign for sign in one_line)


def _fenced(text: str, language: str = "") -> list[str]:
    fence = "```"
    while fence in text:
        fence += "`"
    return [fence + language, text, fence]


def _head(described: Description) -> Iterable[str]:
    yield from [f"# {plain(described.architecture)}, a model of {plain(described.data)}", ""]
    versions = {"reeltune": described.reeltune, "Python": described.python, "PyTorch": described.torch}
    made = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    yield f"It rates pairs of a user and an item. Written {described.date or ''} by {made}."
    if described.updated_from is not None:
        yield from ["", _updated(described.updated_from)]
    if described.about:
        yield from ["", *_fenced(described.about, "text")]
    if described.architecture == ENSEMBLE:
        members = described.config["members"].items()
        weights = [f"{plain(name)} {member['weight']:.3f}" for name, member in members]
        yield from ["", f"Weights of its members: {', '.join(weights)}."]


def _updated(found: UpdatedFrom) -> str:
    written = f", written {found.date}" if found.date else ""
    return (
        f"It is the model {plain(found.name)}{written}, with its settings fitted again on {found.added:,} more "
        f"ratings. SHA-256 of that one's `config.json`: `{found.hash}`"
    )


def _use(described: Description) -> list[str]:
    files = [f"FOLDER/{name}.py" for name in described.sources]
    own = f', architecture="{files[0]}"' if len(files) == 1 else f", architecture={files!r}" if files else ""
    words = "".join(f" --architecture {file}" for file in files)
    at, of_date = (f', at="{described.date}"', f" --at {described.date}") if described.timed else ("", "")
    python = (
        "import reeltune as rt\n\n"
        f'model = rt.load("FOLDER"{own})\n'
        'model.predict("pairs.csv")  # a rating for each row; also a DataFrame, or users and items\n'
        f'model.recommend(["a user"], n=10, seen="ratings.csv"{at})'
    )
    shell = (
        f"reeltune predict FOLDER pairs.csv -o rated.csv{words}\n"
        f"reeltune recommend FOLDER --seen ratings.csv -o best.csv{of_date}{words}"
    )
    has = "user, item and time columns" if described.timed else "a user and an item column"
    named = f"FOLDER is the folder of this file; `pairs.csv` has {has}."
    if files:
        named += " The source in FOLDER is run if you name it so: read it first."
    return [named, "", *_fenced(python, "python"), "", *_fenced(shell)]


def _data(described: Description) -> list[str]:
    scale = f"Ratings are from {described.values[0]:g} to {described.values[-1]:g}"
    found = described.fitted_on
    if found is None:
        return [f"Ratings of {plain(described.data)}. {scale}."]
    size = f"{found.ratings:,} ratings by {found.users:,} users of {found.items:,} items"
    counted, weights = [], "The weights"
    if found.weight_column:
        counted = ["", f"Each row counts by its weight, column {plain(found.weight_column)}, in fits and figures."]
        weights = "The model's weights"
    return [
        f"Ratings of {plain(described.data)}: {size}. {scale}, {len(described.values):,} different values.",
        *counted,
        "",
        f"{_split(found)} {weights} were fitted on {found.fitted:,} rows.",
        "",
        f"SHA-256 of the ratings with ids and side tables: `{found.hash}`",
    ]


def _split(found: FittedOn) -> str:
    how = {
        "random": f"Rows were split at random (seed {found.split_seed})",
        "user": f"Each user's rows were split at random (seed {found.split_seed})",
        "time": "The latest rows were held out",
    }.get(found.split, f"Split: {plain(found.split)}")
    test = f" ({plain(found.test_rows)})" if found.test_rows else ""
    return f"{how}: {found.validation:,} rows to validate on, {found.test:,} to test on{test}."


def _figures(described: Description) -> list[str]:
    parts = {part: found for part, found in described.metrics.items() if found}
    if not parts:
        return ["No figures: no rows were held out."]
    names = dict.fromkeys(name for found in parts.values() for name in found)
    rows = [[name, *(found.get(name) for found in parts.values())] for name in names]
    shown = [
        [f"`{name}`", *("" if value is None else f"{value:.4f}" for value in values)]
        for name, *values in rows
        if any(value is not None for value in values)
    ]
    table = [["metric", *(plain(part) for part in parts)], ["---", *["---:"] * len(parts)], *shown]
    return [*_judged(described), "", *(f"| {' | '.join(row)} |" for row in table)]


def _judged(described: Description) -> list[str]:
    found, data = described.judged, described.fitted_on
    if found is None:
        refitted = "; validation figures are of the fit before" if data is not None and data.refitted else ""
        return [f"On rows that it was not fitted on{refitted}. No baseline was fitted beside it."]
    errors = f"{found.metric} {found.error:.4f} on the test rows, {found.baseline_error:.4f} of the {found.baseline}"
    gain = "" if found.gain is None else f", gain {found.gain:+.4f}"
    interval = "" if found.ci95 is None else f" (95% interval {found.ci95[0]:+.4f} to {found.ci95[1]:+.4f})"
    look = "" if found.look == 1 else f" This was look {found.look} at these rows; the interval assumes the first."
    about = (
        "Test figures are means over the refits of the run, of which this model is one (the ensemble averages them); "
        "validation figures are means over fits before, which held out other rows each."
    )
    return [f"**{plain(errors + gain + interval)}: {plain(found.verdict)}.**{look}", "", about]


def _limits(described: Description) -> Iterable[str]:
    low, high = described.values[0], described.values[-1]
    yield "A user or an item without a fitted rating is rated as the mean of the known ones, and counted."
    yield f"Ratings are cut off at {low:g} and {high:g}, the lowest and the highest that were fitted."
    yield (
        f"The decoder is `{described.decoder}`. A model with a class head reads its rating off probabilities by it, "
        f"calibrated on validation rows where there are any (temperature {described.temperature:.4g}); one that gives "
        "a single value gives that."
    )
    if described.spread is not None:
        yield (
            "With `predict --intervals` a rating has two intervals, in which 80% and 95% of such ratings lie, by the "
            f"errors on {described.spread.rows:,} held-out rows. Of those of one user or item it may be more or fewer."
        )
    if described.timed:
        yield "WITH TIME: it needs to know when a pair was rated, which is known only once the rating is given."
    if described.fitted_on is not None and described.fitted_on.split in ("random", "user"):
        yield "Held-out rows were drawn at random, between those that were fitted: ratings of later days are harder."
    if described.judged is not None:
        yield (
            "The interval is of the mean gain over the baseline, with a user's rows as one observation; it is none of "
            "a single rating. It is not adjusted for several architectures; the verdict is (Holm's method, p < 0.05)."
        )


def _settings(described: Description) -> list[str]:
    about = f"Seed {described.seed}. All of this, for programs, is in `config.json`."
    if described.architecture == ENSEMBLE:
        return [about]
    lines = "\n".join(f"{name} = {value}" for name, value in described.config.items())
    return [about, "", *_fenced(lines, "text")]
