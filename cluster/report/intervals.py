"""The intervals of `predict --intervals`: how many test ratings lie within, and how wide they are."""

from collections.abc import Mapping

from reeltune.cluster.runs.answer import Answer, IntervalScores

HEADINGS = ("", "within 80%", "width", "within 95%", "width")


def table(found: Mapping[str, IntervalScores]) -> list[list[str]]:
    """A row for each bundle."""
    return [
        [name, f"{each.within80:.1%}", f"{each.width80:.3f}", f"{each.within95:.1%}", f"{each.width95:.3f}"]
        for name, each in found.items()
    ]


def line(answer: Answer) -> str:
    """The winner's, in a line; "" where it has none."""
    found = answer.intervals.get(answer.winner or "")
    if found is None:
        return ""
    return (
        f"intervals of {answer.winner} (predict --intervals): {found.within80:.1%} of the test ratings lie in those of "
        f"80%, mean width {found.width80:.3f}, and {found.within95:.1%} in those of 95%, {found.width95:.3f}"
    )
