"""The answer in words: a line for each architecture, a table for the terminal, and `report.md`."""

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from trainables.ensemble import NAME as ENSEMBLE

SIGN = {
    "beats": "beats the baseline",
    "worse": "is worse than the baseline",
    "undecided": "against the baseline: undecided",
}


ABOUT_TIME = (
    "WITH TIME: predictions use when the pair was rated, which no other row of the table does. Unless the split is by "
    "time, they know ratings that the same user gave later."
)


def with_time(result: dict[str, Any]) -> set[str]:
    """The architectures whose chosen configuration uses time, and the ensemble where it has such a member."""
    configs = {name: found["config"] or {} for name, found in result["architectures"].items()}
    timed = {name for name, config in configs.items() if config.get("time", "none") != "none"}
    weights = configs.get(ENSEMBLE, {}).get("weights", {})
    return timed | ({ENSEMBLE} if any(weights.get(name) for name in timed) else set())


def verdict_line(name: str, found: dict[str, Any], baseline: dict[str, Any], decoder: str) -> str:
    """The answer, the numbers and the uncertainty, in one line."""
    if found["test"] is None:
        return f"{name}: no verdict: no fit of it came to its end"
    error = _error(found["test"], decoder)
    if found["verdict"] is None:
        return f"{name}: no verdict, for want of a baseline; {decoder}-MSE {error:.4f}"
    low, high = found["ci95"]
    kind = "loss" if found["gain"] < 0 else "gain"
    over = found["gain_over_tuned_pmf"]
    # The baseline is not tuned, and a tuned model is easily better than that: say the fairer gain as well.
    beside = "" if over is None or name == "pmf" else f"; over the tuned pmf {over:+.4f}"
    return (
        f"{name} {SIGN[found['verdict']]}: {decoder}-MSE {error:.4f} against {_error(baseline['test'], decoder):.4f}, "
        f"{kind} {abs(found['gain']):.4f} (95% CI of the gain {low:.4f} to {high:.4f}){beside}"
    )


def headline(result: dict[str, Any], decoder: str) -> list[str]:
    """The lines that answer the question."""
    timed = with_time(result)
    lines = [
        verdict_line(f"{name} WITH TIME" if name in timed else name, found, result["baseline"], decoder)
        for name, found in result["architectures"].items()
    ]
    lines += [ABOUT_TIME] if timed else []
    winner = result["winner"]
    if winner is None:
        return [*lines, "No architecture finished: there is no winner."]
    return [*lines, f"winner by validation error: {winner}"]


def _error(metrics: dict[str, Any], decoder: str) -> float:
    value = metrics[f"{decoder}_mse"]
    return metrics["mean_mse"] if value is None else value


WIDE = 145  # columns that the whole table takes
HEADINGS = (
    "",
    "test MSE",
    "gain",
    "95% CI",
    "p (Holm)",
    "over tuned pmf",
    "verdict",
    "mean",
    "median",
    "rounded",
    "grid",
    "MAE",
)


def rows(result: dict[str, Any], decoder: str) -> list[list[str]]:
    """The result table: the published figure, the baseline, each architecture."""
    baseline, timed = result["baseline"], with_time(result)
    table = []
    if baseline["published"] is not None:
        table.append([f"published {baseline['architecture']}", f"{baseline['published']:.3f}", *[""] * 10])
    if baseline["test"] is not None:
        label = f"baseline ({baseline['architecture']}, reference)"
        table.append([label, *_first(baseline["test"], decoder), *[""] * 5, *_others(baseline["test"])])
    for name, found in result["architectures"].items():
        if found["test"] is None:
            table.append([name, *[""] * 11])
            continue
        label = f"{name} (of the tuned)" if name == ENSEMBLE else f"{name} (tuned)"
        label += " WITH TIME" if name in timed else ""
        table.append([label, *_first(found["test"], decoder), *_judged(found), *_others(found["test"])])
    return table


def _first(metrics: dict[str, Any], decoder: str) -> list[str]:
    return [f"{_error(metrics, decoder):.4f}"]


def _judged(found: dict[str, Any]) -> list[str]:
    if found["verdict"] is None:
        return [""] * 5
    over = found["gain_over_tuned_pmf"]
    low, high = found["ci95"]
    return [
        f"{found['gain']:+.4f}",
        f"{low:+.4f} to {high:+.4f}",
        f"{found['p_holm']:.4f}",
        "" if over is None else f"{over:+.4f}",
        found["verdict"],
    ]


def _others(metrics: dict[str, Any]) -> list[str]:
    return [_figure(metrics[name]) for name in ("mean_mse", "median_mse", "rounded_mse", "grid_mse", "mae")]


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


NARROW = ("", "test MSE", "gain", "95% CI", "verdict")


def terminal_table(result: dict[str, Any], decoder: str, *, width: int) -> Table:
    """The result table for a terminal: the columns that answer the question, and the others where there is room."""
    shown = HEADINGS if width >= WIDE else NARROW
    title = f"test rows, MSE of the {decoder} decoder"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for heading in shown:
        table.add_column(heading, justify="left" if heading in ("", "verdict") else "right", no_wrap=True)
    for row in rows(result, decoder):
        table.add_row(*[cell for heading, cell in zip(HEADINGS, row, strict=True) if heading in shown])
    return table


def metrics_table(validation: dict[str, Any] | None, test: dict[str, Any] | None) -> Table:
    """The metrics of one fit."""
    table = Table()
    table.add_column("")
    present = {"validation": validation, "test": test}
    shown = {part: metrics for part, metrics in present.items() if metrics is not None}
    for part in shown:
        table.add_column(part, justify="right")
    for name in next(iter(shown.values()), {}):
        table.add_row(name, *[_figure(metrics[name]) or "-" for metrics in shown.values()])
    return table


def confusion_table(table: dict[str, Any]) -> Table:
    shown = Table(title="true rating (rows) against predicted (columns)", title_justify="left")
    for value in ["", *table["values"]]:
        shown.add_column(value, justify="right")
    for value, counts in zip(table["values"], table["confusion"], strict=True):
        shown.add_row(value, *[str(count) for count in counts])
    return shown


ABOUT_ENSEMBLE = (
    "The ensemble is the weighted average of the architectures' ratings, each the mean of its refits. Its weights are "
    "fitted on validation rows by fits on training rows alone, one seed each. Its validation error is cross-fitted: no "
    "row is rated by weights that it had a part in."
)


def markdown(result: dict[str, Any], details: dict[str, Any], data: str) -> str:
    """`report.md`: the answer, the table, and what lies behind them."""
    decoder, trials = details["decoder"], result["trials"]
    lines = ["# Which architecture predicts these ratings best?", ""]
    lines += [f"- {line}" for line in headline(result, decoder)]
    lines += ["", *_markdown_table(list(HEADINGS), rows(result, decoder)), ""]
    test = details["test_rows"]
    lines += [
        f"Test MSE is that of the {decoder} decoder, as are gain and verdict; the other columns show the same "
        "fits by other decoders (grid: the mean, or a regression's value, read out on the finest class grid). "
        "A gain is the baseline's squared error minus the architecture's on the same test "
        "rows, each "
        f"averaged over {details['refit_seeds']} refits on training and validation rows; the interval resamples users "
        "(BCa, not adjusted), the verdict uses Holm-adjusted p < 0.05. An untuned baseline is easily beaten: "
        "the gain over the tuned pmf, with the same number of trials, stands beside it.",
        "",
        *([ABOUT_ENSEMBLE, ""] if ENSEMBLE in result["architectures"] else []),
        f"- Data: {data}",
        f"- Test rows: {test['count']:,} of {test['users']:,} users; look number {details['look']} at them; "
        f"{test['outside_the_scale']} ratings outside the training scale, {test['unknown_users']} rows of unknown "
        f"users, {test['unknown_items']} of unknown items (no row of theirs was trained on), "
        f"{test['also_trained_on']} of pairs that were trained on too",
        f"- Trials: {trials['done']} done, {trials['stopped']} stopped early, {trials['failed']} failed",
        f"- Time: {result['seconds']:.0f} s",
        "",
    ]
    for name, found in result["architectures"].items():
        if name in details["by_value"]:
            lines += _section(name, found["config"], details)
    if "baseline" in details["by_value"]:
        lines += _section("baseline", result["baseline"]["config"], details)
    return "\n".join(lines)


def _section(name: str, config: dict[str, Any], details: dict[str, Any]) -> list[str]:
    table, seeds = details["by_value"][name], details["seeds"][name]
    settings = ", ".join(f"{key} {_setting(value)}" for key, value in config.items())
    matrix = [[f"**{v}**", *map(str, counts)] for v, counts in zip(table["values"], table["confusion"], strict=True)]
    return [
        f"## {name}",
        "",
        f"Configuration: {settings}. {_spread(seeds)}",
        "",
        "True rating (rows) against predicted (columns), to the nearest observed value:",
        "",
        *_markdown_table(["", *table["values"]], matrix),
        "",
        "```",
        table["report"].rstrip(),
        "```",
        "",
    ]


def _spread(seeds: dict[str, Any]) -> str:
    if len(seeds["metrics"]) == 1:
        return "All refits are averaged in it: there is no spread over seeds."
    return f"Spread of the MSE over refit seeds: {seeds['spread']:.4f}."


def _setting(value: object) -> str:
    if isinstance(value, dict):  # the ensemble's weights
        return " + ".join(f"{weight:.3f} {name}" for name, weight in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _markdown_table(headings: list[str], body: list[list[str]]) -> list[str]:
    rule = ["---", *["---:"] * (len(headings) - 1)]
    return [f"| {' | '.join(row)} |" for row in [headings, rule, *body]]
