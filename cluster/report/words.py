"""The answer in words: a sentence, and a line for each architecture."""

from pydantic import JsonValue

from reeltune.cluster.report.folds import lines as about_folds
from reeltune.cluster.report.folds import openings as of_folds
from reeltune.cluster.runs.answer import ArchitectureResult, BaselineResult, Result
from reeltune.trainables.architectures import ENSEMBLE
from reeltune.trainables.scoring.levels import NOTHING
from reeltune.trainables.scoring.metric_table import METRICS, Metric, Objective

SIGN = {
    "beats": "beats the baseline",
    "worse": "is worse than the baseline",
    "undecided": "against the baseline: undecided",
    "is the baseline": "is the baseline",
}
SIMPLE = {
    "mean": "the mean of all ratings",
    "frequencies": "the frequencies of all ratings",
    "bias": "damped means",
    "pmf": "the tuned pmf",
}
ABOUT_TIME = (
    "WITH TIME: predictions use when the pair was rated, which no other row of the table does. Unless the split is by "
    "time, they know ratings that the same user gave later."
)
ABOUT_ENSEMBLE = (
    "The ensemble is the weighted average of the architectures' ratings, each the mean of its refits. Its weights are "
    "fitted on rows that the search had for validation, by fits that did not see them: test rows have no part in them."
)


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


def about_ensemble(metric: Metric) -> str:
    """What the ensemble is, and what its weights do not follow."""
    unlike = (
        "" if metric == "mse" else f" They minimise the squared error, whatever the metric ({METRICS[metric].name})."
    )
    return f"{ABOUT_ENSEMBLE}{unlike}"


def objective_of(result: Result, decoder: str) -> Objective:
    """What the result is judged by."""
    return Objective(decoder=decoder, metric=result.metric)


def baseline_error(result: Result, decoder: str) -> float | None:
    """The error to compare with: the refitted baseline's, or a published figure."""
    baseline = result.baseline
    return baseline.published if baseline.test is None else objective_of(result, decoder).of(baseline.test)


def about_weights(result: Result) -> str:
    """What rows' weights count in, and what not; "" where each row counts once."""
    if result.weight_column is None:
        return ""
    return (
        f"Rows count by their weights, column {result.weight_column!r}, in every error, gain and interval, over all of "
        "them or some; but once where rows are counted, in confusion matrices with their reports, and in top lists"
    )


def by_weight(result: Result) -> str:
    """What follows the name of an error in a heading; "" where each row counts once."""
    return "" if result.weight_column is None else ", rows by weight"


def is_published(baseline: BaselineResult) -> bool:
    return baseline.kind == "published"


def baseline_label(baseline: BaselineResult) -> str:
    if is_published(baseline):
        return f"baseline (published {baseline.published:g})"
    name = baseline.name or baseline.architecture
    how = {"tuned": "tuned", "simple": "best simple"}.get(baseline.kind, "reference")
    return f"baseline ({name if name != 'baseline' else baseline.architecture}, {how})"


def verdict_line(name: str, found: ArchitectureResult, result: Result, decoder: str, *, label: str = "") -> str:
    """The answer, the numbers and the uncertainty, in one line; `label` is the architecture's name in it."""
    label = label or name
    if found.test is None:
        return f"{label}: no verdict: no fit of it came to its end"
    if found.verdict is None:
        by = objective_of(result, decoder)
        return f"{label}: no verdict, for want of a baseline; {by.label} {by.of(found.test):.4f}"
    return f"{label} {SIGN[found.verdict]}: {numbers(name, found, result, decoder)}"


def numbers(name: str, found: ArchitectureResult, result: Result, decoder: str) -> str:
    """The two errors, the gain with its interval, and the gain over the best simple predictor beside it."""
    assert found.test is not None
    by = objective_of(result, decoder)
    errors = f"{by.label} {by.of(found.test):.4f}"
    second = _over_simple(name, found, result)
    if found.verdict == "is the baseline":
        return f"{errors}, of the same configuration and seeds{second}"
    assert found.gain is not None
    kind = "loss" if found.gain < 0 else "gain"
    against = baseline_error(result, decoder)
    errors += "" if against is None else f" against {against:.4f}"
    return f"{errors}, {kind} {abs(found.gain):.4f} ({_interval(found, result)}){_missing(found)}{second}"


def _over_simple(name: str, found: ArchitectureResult, result: Result) -> str:
    """The gain over the best simple predictor, in words; "" if that is the architecture itself, or the baseline."""
    # An untuned baseline is easily beaten, and on sparse data so is a tuned pmf: this gain is fairer.
    best, over = best_simple(result), over_simple(found)
    if best is None or over is None or best == name or _is_baseline(best, result.baseline):
        return ""
    return f"; over {SIMPLE.get(best, best)} {over:+.4f}"


def _is_baseline(simple: str, baseline: BaselineResult) -> bool:
    """Whether this simple predictor, as tuned, is what is judged against."""
    return baseline.kind in ("simple", "tuned") and baseline.name == simple


def best_simple(result: Result) -> str | None:
    """The simple predictor that the second gain is over. An older run knows only the tuned `pmf`."""
    if result.simple is not None:
        return result.simple.best
    return "pmf" if any(found.gain_over_tuned_pmf is not None for found in result.architectures.values()) else None


def over_simple(found: ArchitectureResult) -> float | None:
    """The gain over it."""
    return found.gain_over_tuned_pmf if found.gain_over_simple is None else found.gain_over_simple


def about_simple(result: Result, decoder: str) -> str:
    """Which simple predictors were compared, on which rows, and which is the best; "" if there are none."""
    if result.simple is None:
        return "over simple: the gain over the tuned pmf" if best_simple(result) else ""
    found = result.simple.compared
    errors = ", ".join(f"{SIMPLE.get(name, name)} {each.validation:.4f}" for name, each in found.items())
    best = SIMPLE.get(result.simple.best, result.simple.best)
    label = objective_of(result, decoder).label
    return f"over simple: the gain over {best}, the best simple predictor on validation rows ({label}: {errors})"


def weak_baseline(result: Result, decoder: str) -> tuple[float, float] | None:
    """The errors of the baseline and of damped means on the test rows, if the baseline is the worse of the two."""
    means = result.simple.compared.get("bias") if result.simple else None
    against = baseline_error(result, decoder)
    if means is None or against is None:
        return None
    error = objective_of(result, decoder).of(means.test)
    return (against, error) if error < (1 - NOTHING) * against else None


def _about_weak_baseline(result: Result, decoder: str) -> list[str]:
    weak = weak_baseline(result, decoder)
    if weak is None:
        return []
    label = objective_of(result, decoder).label
    note = f"NOTE: the baseline is itself worse than damped means: {label} {weak[0]:.4f} against {weak[1]:.4f}"
    if result.simple is None or _is_baseline(result.simple.best, result.baseline):
        return [note]
    return [f"{note}; to beat it says little: --baseline best-simple judges against the best simple predictor"]


def _interval(found: ArchitectureResult, result: Result) -> str:
    if found.ci95 is None:
        weighed = "" if result.weight_column is None else ", by weight,"
        return f"no interval: nearly all test rows{weighed} are one user's"
    low, high = found.ci95
    return f"{'one-sample ' if is_published(result.baseline) else ''}95% CI of the gain {low:.4f} to {high:.4f}"


def _missing(found: ArchitectureResult) -> str:
    """What is missing for a verdict, after a semicolon; "" if nothing is, or nobody can say."""
    if found.verdict != "undecided":
        return ""
    if found.missing is not None:
        return f"; {found.missing}"
    needed = found.needed_ratings  # all that older runs say
    return f"; about {float(f'{needed:.1e}'):,.0f} test ratings would be needed to see it" if needed is not None else ""


def headline(result: Result, decoder: str) -> list[str]:
    """The lines below the result table: the answer, then what the table does not say by itself."""
    if result.winner is None:
        return [answer(result, decoder), *verdict_lines(result, decoder)]
    lines = [answer(result, decoder), *about_folds(result), *hidden_reasons(result)]
    lines += [ABOUT_TIME] if with_time(result) else []
    lines += _about_weak_baseline(result, decoder)
    lines += [about_simple(result, decoder)] if best_simple(result) else []
    lines += [about_weights(result)] if result.weight_column is not None else []
    return [*lines, about_bounds(result)] if about_bounds(result) else lines


def verdict_lines(result: Result, decoder: str) -> list[str]:
    """A line for each architecture."""
    timed = with_time(result)
    return [
        verdict_line(name, found, result, decoder, label=f"{name} WITH TIME" if name in timed else name)
        for name, found in result.architectures.items()
    ]


def hidden_reasons(result: Result) -> list[str]:
    """Why architectures are undecided whose interval has no 0 in it: the interval is not adjusted, and p is."""
    judged = sum(found.p_holm is not None for found in result.architectures.values())
    return [
        f"{name} is undecided although its interval is {'above' if found.ci95[0] > 0 else 'below'} 0: p is "
        f"{found.p_holm:.4f} after Holm's adjustment for {judged} architectures{_missing(found)}"
        for name, found in result.architectures.items()
        if found.verdict == "undecided" and found.ci95 and found.p_holm is not None and _one_side(found.ci95)
    ]


def _one_side(interval: tuple[float, float]) -> bool:
    return interval[0] > 0 or interval[1] < 0


def answer(result: Result, decoder: str) -> str:
    """One sentence: which architecture wins, by how much, and how certain that is."""
    opening, said = answer_parts(result, decoder)
    return f"{opening}: {said}." if said else f"{opening}."


def answer_parts(result: Result, decoder: str) -> tuple[str, str]:
    """The sentence's beginning, and its numbers; "" for these if there is nothing to compare."""
    winner = result.winner
    if winner is None:
        return "No architecture finished: there is no winner", ""
    found = result.architectures.get(winner)
    if found is None:  # `reeltune verdict` was asked to judge the others against it
        return f"{winner} is the baseline here: the others are judged against it", ""
    name = f"{winner} WITH TIME" if winner in with_time(result) else winner
    weak = ", which is itself worse than damped means" if weak_baseline(result, decoder) else ""
    openings: dict[str | None, str] = {
        None: f"{name} wins by validation error; for want of a baseline there is no verdict",
        "beats": f"{name} wins and beats the baseline{weak}",
        "worse": f"Nothing is gained: {name} wins by validation error and is worse than the baseline{weak}",
        "undecided": f"Undecided: {name} wins by validation error, but may be no better than the baseline{weak}",
        "is the baseline": f"Nothing is gained: {name} wins by validation error and is the baseline itself{weak}",
    }
    if result.folds:
        openings = of_folds(result.folds, weak=weak)
    word = found.verdict
    return openings[word], "" if word is None else numbers(winner, found, result, decoder)


def cut_short(result: Result) -> str | None:
    """How much was done of a search that ended before all trials had; None if all had."""
    ended, asked = sum(result.trials.values()), result.trials_asked
    return None if asked is None or ended >= asked else f"--time was over after {ended} of {asked} trials"


def about_dropped(result: Result) -> str:
    """Which of the best configurations were tried again once only; "" if none was."""
    names = [trial for found in result.architectures.values() for trial in found.dropped]
    if not names:
        return ""
    many = f"{len(names)} configurations were" if len(names) > 1 else "1 configuration was"
    return f"{many} dropped after 1 confirmation, too far behind the best of the architecture: {', '.join(names)}"


def also(result: Result, decoder: str) -> list[str]:
    """The other architectures' verdicts, a line for each verdict. Without a winner: a line for each architecture.

    Last, how much was done of a search that was cut short.
    """
    short = cut_short(result)
    last = [] if short is None else [short]
    if result.winner is None:
        return [*verdict_lines(result, decoder), *last]
    others = {name: found.verdict for name, found in result.architectures.items() if name != result.winner}
    too = " too" if result.architectures[result.winner].verdict == "beats" else ""
    words = {
        "beats": f"Beating the baseline{too}",
        "undecided": "Undecided",
        "worse": "Worse than the baseline",
        "is the baseline": "The baseline itself",
        None: "No verdict",
    }
    groups = {said: [name for name, verdict in others.items() if verdict == word] for word, said in words.items()}
    said = [f"{said}: {', '.join(names)}" for said, names in groups.items() if names]
    return [*about_folds(result), *said, *last]


def setting(value: object) -> str:
    """A configuration's value in words."""
    if isinstance(value, dict):  # the ensemble's weights
        return " + ".join(f"{weight:.3f} {name}" for name, weight in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def about_bounds(result: Result) -> str:
    """Which chosen values lie on a bound of what was searched, and what to do about it; "" if none does."""
    said = [f"{name} {_at_ends(found)}" for name, found in result.architectures.items() if found.on_bounds]
    if not said:
        return ""
    beyond = f"the same search with --from {result.run} and another --name goes beyond"
    return f"chosen at a bound of what was searched: {'; '.join(said)}; {beyond}"


def _at_ends(found: ArchitectureResult) -> str:
    config = found.config or {}
    ends = {"low": "lowest", "high": "highest"}
    return ", ".join(f"{name} {setting(config[name])} ({ends[side]})" for name, side in found.on_bounds.items())
