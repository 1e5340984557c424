"""Top lists in words and as a table: NDCG and recall beside the rating error."""

from reeltune.cluster.report.results import signed
from reeltune.cluster.runs.answer import MOST_RATED, Listed, ListScore, Ranking, Result

COLUMNS = ("NDCG", "95% CI", "gain", "95% CI of the gain")  # of each of the two metrics
NAMES = {"baseline": "the baseline", MOST_RATED: "the most rated items"}


def headings(ranking: Ranking) -> list[str]:
    return ["", *COLUMNS, *(heading.replace("NDCG", "recall") for heading in COLUMNS)]


def table(ranking: Ranking) -> list[list[str]]:
    """A row for each predictor: NDCG and recall, each with its interval, and the gain over the baseline's lists."""
    return [
        [NAMES.get(name, name), *_cells(found.ndcg), *_cells(found.recall)] for name, found in ranking.by_name.items()
    ]


def _cells(score: ListScore | None) -> list[str]:
    if score is None:
        return [""] * len(COLUMNS)
    return [f"{score.value:.4f}", _interval(score.ci95, ".4f"), signed(score.gain), _interval(score.gain_ci95, "+.4f")]


def _interval(ci95: tuple[float, float] | None, digits: str) -> str:
    return "" if ci95 is None else f"{ci95[0]:{digits}} to {ci95[1]:{digits}}"


def line(result: Result) -> str:
    """The winner's lists, the baseline's and those of the most rated items, in a line; "" without lists."""
    ranking = result.ranking
    if ranking is None or result.winner not in ranking.by_name:
        return ""
    shown = {result.winner: result.winner, **NAMES}
    said = "; ".join(
        f"{word} {_said(ranking.by_name[name])}" for name, word in shown.items() if name in ranking.by_name
    )
    drawn = f" of {ranking.users:,} users drawn from {ranking.of_users:,}" if ranking.users < ranking.of_users else ""
    weighted = "" if result.weight_column is None else ", each row counted once"
    return f"top {ranking.top} of all unrated items, NDCG and recall{drawn}{weighted}: {said}"


def _said(found: Listed) -> str:
    recall = "none" if found.recall is None else f"{found.recall.value:.4f}"
    return f"{found.ndcg.value:.4f} and {recall}"


def about(ranking: Ranking, *, weighted: bool = False) -> str:
    """What the table's figures are of, and what they do not tell; whether the rows have weights, which do not count."""
    weights = " Each row counts once, whatever its weight." if weighted else ""
    who = f"{ranking.users:,} users"
    who += f", drawn from {ranking.of_users:,}" if ranking.users < ranking.of_users else ""
    return (
        f"Lists of the best {ranking.top} of {ranking.items:,} items, without those that the user has a fitted rating "
        f"of, against the user's test rows: NDCG of {who}, with the rating as gain; recall of items rated "
        f"{ranking.liked:.4g} or higher, of the {ranking.liking_users:,} users who have one. A mean over users."
        f"{weights} Nothing was chosen by it: the search lowers the error of ratings, and who rates well "
        "may list worse than the most rated items do."
    )
