"""The answer in words: a line for each architecture, the rows of the result table, and `report.md`."""

from pydantic import JsonValue

from reeltune.cluster.runs.answer import ArchitectureResult, BaselineResult, Metrics, Result
from reeltune.trainables.architectures import ENSEMBLE
from reeltune.trainables.scoring.decoder_table import DECODERS

SIGN = {
    "beats": "beats the baseline",
    "worse": "is worse than the baseline",
    "undecided": "against the baseline: undecided",
}
ABOUT_TIME = (
    "WITH TIME: predictions use when the pair was rated, which no other row of the table does. Unless the split is by "
    "time, they know ratings that the same user gave later."
)
ABOUT_ENSEMBLE = (
    "The ensemble is the weighted average of the architectures' ratings, each the mean of its refits. Its weights are "
    "fitted on rows that the search had for validation, by fits that did not see them: test rows have no part in them."
)
HEADINGS = (
    "",
    "test MSE",
    "gain",
    "95% CI",
    "p (Holm)",
    "over tuned pmf",
    "verdict",
    *(decoder for decoder in DECODERS if decoder != "argmax"),
    "MAE",
)
NARROW = ("", "test MSE", "gain", "95% CI", "verdict")
OTHERS = (*(f"{decoder}_mse" for decoder in DECODERS if decoder != "argmax"), "mae")  # the last columns


def with_time(result: Result) -> set[str]:
    """The architectures whose chosen configuration uses time, and the ensemble where it has such a member."""
    return {name for name, found in result.architectures.items() if _timed(name, result.architectures)}


def _timed(name: str, architectures: dict[str, ArchitectureResult]) -> bool:
    found = architectures.get(name, ArchitectureResult())
    return _had_time(name, architectures) if found.timed is None else found.timed


def _had_time(name: str, architectures: dict[str, ArchitectureResult]) -> bool:
    """The same of a run before records said so, when `time` was the one setting that meant it."""
    config = (architectures[name].config if name in architectures else None) or {}
    if name == ENSEMBLE:
        return any(_had_time(member, architectures) for member, weight in member_weights(config).items() if weight)
    return config.get("time", "none") != "none"


def member_weights(config: dict[str, JsonValue]) -> dict[str, float]:
    """The weights in an ensemble's configuration, by architecture; empty for any other configuration."""
    weights = config.get("weights")
    return {name: float(str(weight)) for name, weight in weights.items()} if isinstance(weights, dict) else {}


def error_of(metrics: Metrics, decoder: str) -> float:
    """The error that is judged; a scalar head without this decoder has a single value, which counts."""
    value = metrics[f"{decoder}_mse"]
    value = metrics["mean_mse"] if value is None else value
    assert value is not None
    return value


def baseline_error(baseline: BaselineResult, decoder: str) -> float | None:
    """The error to compare with: the refitted baseline's, or a published figure."""
    return baseline.published if baseline.test is None else error_of(baseline.test, decoder)


def is_published(baseline: BaselineResult) -> bool:
    return baseline.kind == "published"


def baseline_label(baseline: BaselineResult) -> str:
    if is_published(baseline):
        return f"baseline (published {baseline.published:g})"
    name = baseline.name or baseline.architecture
    how = "tuned" if baseline.kind == "tuned" else "reference"
    return f"baseline ({name if name != 'baseline' else baseline.architecture}, {how})"


def verdict_line(name: str, found: ArchitectureResult, baseline: BaselineResult, decoder: str) -> str:
    """The answer, the numbers and the uncertainty, in one line."""
    if found.test is None:
        return f"{name}: no verdict: no fit of it came to its end"
    if found.verdict is None:
        return f"{name}: no verdict, for want of a baseline; {decoder}-MSE {error_of(found.test, decoder):.4f}"
    return f"{name} {SIGN[found.verdict]}: {numbers(found, baseline, decoder, pmf=name != 'pmf')}"


def numbers(found: ArchitectureResult, baseline: BaselineResult, decoder: str, *, pmf: bool = True) -> str:
    """The two errors, the gain with its interval, what is missing for a verdict, and the gain over the tuned pmf."""
    assert found.test is not None
    assert found.gain is not None
    kind = "loss" if found.gain < 0 else "gain"
    against = baseline_error(baseline, decoder)
    errors = f"{decoder}-MSE {error_of(found.test, decoder):.4f}"
    errors += "" if against is None else f" against {against:.4f}"
    said = f"{errors}, {kind} {abs(found.gain):.4f} ({_interval(found, baseline)}){_missing(found)}"
    over = found.gain_over_tuned_pmf
    # A tuned model easily beats an untuned baseline: the gain over a tuned one is fairer.
    return f"{said}; over the tuned pmf {over:+.4f}" if over is not None and pmf else said


def _interval(found: ArchitectureResult, baseline: BaselineResult) -> str:
    if found.ci95 is None:
        return "no interval: nearly all test rows are one user's"
    low, high = found.ci95
    return f"{'one-sample ' if is_published(baseline) else ''}95% CI of the gain {low:.4f} to {high:.4f}"


def _missing(found: ArchitectureResult) -> str:
    """What is missing for a verdict, after a semicolon; "" if nothing is, or nobody can say."""
    if found.verdict != "undecided":
        return ""
    if found.missing is not None:
        return f"; {found.missing}"
    needed = found.needed_ratings  # all that older runs say
    return f"; about {float(f'{needed:.1e}'):,.0f} test ratings would be needed to see it" if needed is not None else ""


def headline(result: Result, decoder: str) -> list[str]:
    """The lines that answer the question: one for each architecture, then the winner."""
    timed = with_time(result)
    lines = [
        verdict_line(f"{name} WITH TIME" if name in timed else name, found, result.baseline, decoder)
        for name, found in result.architectures.items()
    ]
    lines += [ABOUT_TIME] if timed else []
    winner = result.winner
    return [*lines, answer(result, decoder) if winner is None else f"winner by validation error: {winner}"]


def answer(result: Result, decoder: str) -> str:
    """One sentence: which architecture wins, by how much, and how certain that is."""
    opening, said = answer_parts(result, decoder)
    return f"{opening}: {said}." if said else f"{opening}."


def answer_parts(result: Result, decoder: str) -> tuple[str, str]:
    """The sentence's beginning, and its numbers; "" for these if there is nothing to compare."""
    winner = result.winner
    if winner is None:
        return "No architecture finished: there is no winner", ""
    found = result.architectures[winner]
    name = f"{winner} WITH TIME" if winner in with_time(result) else winner
    openings = {
        None: f"{name} wins by validation error; for want of a baseline there is no verdict",
        "beats": f"{name} wins and beats the baseline",
        "worse": f"Nothing is gained: {name} wins by validation error and is worse than the baseline",
        "undecided": f"Undecided: {name} wins by validation error, but may be no better than the baseline",
    }
    word = found.verdict
    return openings[word], "" if word is None else numbers(found, result.baseline, decoder, pmf=winner != "pmf")


def also(result: Result, decoder: str) -> list[str]:
    """The other architectures' verdicts, a line for each verdict. Without a winner: a line for each architecture."""
    if result.winner is None:
        return headline(result, decoder)[:-1]
    others = {name: found.verdict for name, found in result.architectures.items() if name != result.winner}
    too = " too" if result.architectures[result.winner].verdict == "beats" else ""
    words = {
        "beats": f"Beating the baseline{too}",
        "undecided": "Undecided",
        "worse": "Worse than the baseline",
        None: "No verdict",
    }
    groups = {said: [name for name, verdict in others.items() if verdict == word] for word, said in words.items()}
    return [f"{said}: {', '.join(names)}" for said, names in groups.items() if names]


def rows(result: Result, decoder: str) -> list[list[str]]:
    """The result table: the published figure, the baseline, each architecture."""
    baseline, timed = result.baseline, with_time(result)
    table = []
    if is_published(baseline):
        table.append(_padded(baseline_label(baseline), f"{baseline.published:.4f}"))
    elif baseline.published is not None:
        table.append(_padded(f"published {baseline.architecture}", f"{baseline.published:.3f}"))
    if baseline.test is not None:
        table.append([baseline_label(baseline), *_first(baseline.test, decoder), *[""] * 5, *_others(baseline.test)])
    for name, found in result.architectures.items():
        if found.test is None:
            table.append(_padded(name))
            continue
        label = f"{name} (of the tuned)" if name == ENSEMBLE else f"{name} (tuned)"
        label += " WITH TIME" if name in timed else ""
        table.append([label, *_first(found.test, decoder), *_judged(found), *_others(found.test)])
    return table


def _padded(*cells: str) -> list[str]:
    """A row of which only the first cells are filled."""
    return [*cells, *[""] * (len(HEADINGS) - len(cells))]


def _first(metrics: Metrics, decoder: str) -> list[str]:
    return [f"{error_of(metrics, decoder):.4f}"]


def _judged(found: ArchitectureResult) -> list[str]:
    if found.verdict is None:
        return [""] * 5
    over = found.gain_over_tuned_pmf
    return [
        f"{found.gain:+.4f}",
        "none" if found.ci95 is None else "{:+.4f} to {:+.4f}".format(*found.ci95),
        f"{found.p_holm:.4f}",
        "" if over is None else f"{over:+.4f}",
        found.verdict,
    ]


def _others(metrics: Metrics) -> list[str]:
    return [figure(metrics.get(name)) for name in OTHERS]


def figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def setting(value: object) -> str:
    """A configuration's value in words."""
    if isinstance(value, dict):  # the ensemble's weights
        return " + ".join(f"{weight:.3f} {name}" for name, weight in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)
