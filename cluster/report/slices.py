"""The error on groups of test rows: the winner's beside the baseline's."""

from dataclasses import dataclass

from reeltune.cluster.report.charts import axis
from reeltune.cluster.runs.answer import SliceGroup
from reeltune.cluster.runs.finished import Run

SLICES = {
    "rating": "True rating",
    "user_activity": "Activity of the user: how many of their ratings were fitted",
    "item_popularity": "Popularity of the item: how many of its ratings were fitted",
    "cold": "Cold users and items, of which no rating was fitted",
}


@dataclass(frozen=True, kw_only=True)
class Group:
    """A group of test rows, and each predictor's error on it."""

    label: str
    count: int
    errors: dict[str, float | None]
    least: float | None
    places: dict[str, float]  # positions of the baseline and the winner on the axis, in percent


@dataclass(frozen=True, kw_only=True)
class Slice:
    title: str
    names: tuple[str, ...]
    groups: tuple[Group, ...]
    ticks: tuple[tuple[float, str], ...]


def slices(run: Run) -> list[Slice]:
    """The run's slices, one for each kind of groups."""
    found = run.answer.slices if run.answer else {}
    kinds = [kind for kind in SLICES if any(found[name].get(kind) for name in found)]
    return [_slice(kind, found, run.winner) for kind in kinds]


def _order(name: str, winner: str | None) -> int:
    return {"baseline": 0, winner: 1}.get(name, 2)


def _slice(kind: str, found: dict[str, dict[str, list[SliceGroup]]], winner: str | None) -> Slice:
    # The two that the chart compares come first: on a phone the others are out of sight.
    names = tuple(sorted((name for name in found if found[name].get(kind)), key=lambda name: _order(name, winner)))
    labels = [(each.label, each.count) for each in found[names[0]][kind]]
    errors = [
        {name: found[name][kind][place].judged for name in names} for place, (_, count) in enumerate(labels) if count
    ]
    shown = [each[name] for each in errors for name in ("baseline", winner) if name in each]
    scale = axis([error for error in shown if error is not None], fewest=2)
    return Slice(
        title=SLICES[kind],
        names=names,
        groups=tuple(
            Group(
                label=label,
                count=count,
                errors=each,
                least=min((error for error in each.values() if error is not None), default=None),
                places={
                    role: scale.share(error)
                    for role, name in (("baseline", "baseline"), ("winner", winner))
                    if name is not None and (error := each.get(name)) is not None
                },
            )
            for (label, count), each in zip([each for each in labels if each[1]], errors, strict=True)
        ),
        ticks=scale.marks(),
    )
