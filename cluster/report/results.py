"""The rows of the result table: the published figure, the baseline, each architecture."""

from reeltune.cluster.report.words import baseline_label, is_published, objective_of, over_simple, with_time
from reeltune.cluster.runs.answer import EACH_WINNER, ArchitectureResult, Metrics, Result
from reeltune.trainables.architectures import ENSEMBLE
from reeltune.trainables.scoring.decoder_table import DECODERS
from reeltune.trainables.scoring.metric_table import METRICS, Metric

ERROR = "test MSE"  # the column of what is judged; see `heading`
HEADINGS = (
    "",
    ERROR,
    "gain",
    "95% CI",
    "p (Holm)",
    "over simple",
    "verdict",
    *(decoder for decoder in DECODERS if decoder != "argmax"),
    "MAE",
)
NARROW = ("", ERROR, "gain", "95% CI", "over simple", "verdict")
OTHERS = (*(f"{decoder}_mse" for decoder in DECODERS if decoder != "argmax"), "mae")  # the last columns


def heading(name: str, metric: Metric) -> str:
    """A column's heading: that of what is judged has the metric's name; those of other decoders are squared errors."""
    if name == ERROR:
        return f"test {METRICS[metric].name}"
    return f"MSE, {name}" if metric != "mse" and name in DECODERS else name


def rows(result: Result, decoder: str) -> list[list[str]]:
    """The result table: the published figure, the baseline, each architecture."""
    baseline, timed, by = result.baseline, with_time(result), objective_of(result, decoder)
    table = []
    if is_published(baseline):
        table.append(_padded(baseline_label(baseline), f"{baseline.published:.4f}"))
    elif baseline.published is not None:
        table.append(_padded(f"published {baseline.architecture}", f"{baseline.published:.3f}"))
    if baseline.test is not None:
        table.append([baseline_label(baseline), f"{by.of(baseline.test):.4f}", *[""] * 5, *_others(baseline.test)])
    for name, found in result.architectures.items():
        if found.test is None:
            table.append(_padded(name))
            continue
        how = {ENSEMBLE: " (of the tuned)", EACH_WINNER: ""}
        label = f"{name}{how.get(name, ' (tuned)')}"
        label += " WITH TIME" if name in timed else ""
        table.append([label, f"{by.of(found.test):.4f}", *_judged(found), *_others(found.test)])
    return table


def _padded(*cells: str) -> list[str]:
    """A row of which only the first cells are filled."""
    return [*cells, *[""] * (len(HEADINGS) - len(cells))]


def _judged(found: ArchitectureResult) -> list[str]:
    return [
        signed(found.gain),
        interval(found.verdict, found.ci95),
        chance(found.p_holm),
        signed(over_simple(found)),
        found.verdict or "",
    ]


def interval(verdict: str | None, ci95: tuple[float, float] | None) -> str:
    """The interval of a gain; empty where nothing is judged, and "none" where nearly all rows are one user's."""
    if verdict in (None, "is the baseline"):
        return ""
    return "none" if ci95 is None else f"{ci95[0]:+.4f} to {ci95[1]:+.4f}"


def chance(p: float | None) -> str:
    """A p value: one that rounds to 0 is not 0."""
    return "<0.0001" if p is not None and p < 0.00005 else figure(p)


def signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.4f}"


def _others(metrics: Metrics) -> list[str]:
    return [figure(metrics.get(name)) for name in OTHERS]


def figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
