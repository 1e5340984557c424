"""Charts as numbers that a template draws: axes with round ticks, lines told apart by dash and marker."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

DASHES = ("", "7 4", "2 3", "9 3 2 3", "14 4")
MARKERS = ("circle", "square", "triangle", "diamond", "ring")
WIDTH, HEIGHT = 380, 250  # a phone's width: text keeps its size there, and two charts fit beside each other elsewhere
LEFT, RIGHT, TOP, BOTTOM = 60, 12, 12, 42


@dataclass(frozen=True, kw_only=True)
class Axis:
    low: float
    high: float
    ticks: tuple[float, ...]

    def share(self, value: float) -> float:
        """A value's position on the axis, in percent of its length."""
        return round(100 * (value - self.low) / (self.high - self.low), 2)

    def label(self, tick: float) -> str:
        """The tick as text, with as many decimals as the ticks need."""
        step = self.ticks[1] - self.ticks[0] if len(self.ticks) > 1 else abs(tick) or 1.0
        decimals = next((d for d in range(9) if abs(round(step, d) - step) < step / 1000), 9)
        return f"{tick:.{decimals}f}"

    def marks(self, *, signed: bool = False) -> tuple[tuple[float, str], ...]:
        """The ticks' positions in percent, and their labels."""

        def label(tick: float) -> str:
            return "0" if abs(tick) < 1e-12 else ("+" if signed and tick > 0 else "") + self.label(tick)

        return tuple((self.share(tick), label(tick)) for tick in self.ticks)


def axis(values: Iterable[float], *, fewest: int = 4) -> Axis:
    """An axis that holds the values, with round ticks as far apart as possible but at least `fewest` of them."""
    held = list(values) or [0.0, 1.0]
    low, high = min(held), max(held)
    if high - low < 1e-12:
        low, high = low - max(abs(low), 1e-3) / 2, high + max(abs(high), 1e-3) / 2
    margin = (high - low) * 0.04
    low, high = low - margin, high + margin
    unit = 10.0 ** math.floor(math.log10(high - low))
    every = (_ticks(low, high, times * unit) for times in (5, 2.5, 2, 1, 0.5, 0.25, 0.2, 0.1))
    return Axis(low=low, high=high, ticks=next(ticks for ticks in every if len(ticks) >= fewest))


def _ticks(low: float, high: float, step: float) -> tuple[float, ...]:
    return tuple(place * step for place in range(math.ceil(low / step), math.floor(high / step) + 1))


@dataclass(frozen=True, kw_only=True)
class Line:
    label: str
    dash: str
    marker: str
    places: tuple[tuple[float, float], ...]  # x and y of its points, in the chart's units
    joined: bool = True  # False: points without a line
    marked: bool = True  # False: a line without points

    @property
    def path(self) -> str:
        return " ".join(f"{x},{y}" for x, y in self.places)


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A line chart. Ticks are pairs of position and label."""

    title: str
    across: str
    up: str
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    lines: tuple[Line, ...]
    diagonal: tuple[float, float, float, float] | None = None  # from x1, y1 to x2, y2
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    bottom: int = HEIGHT - BOTTOM
    top: int = TOP
    right: int = WIDTH - RIGHT


def chart(
    title: str,
    series: Mapping[str, Sequence[tuple[float, float]]],
    *,
    across: str,
    up: str,
    x_axis: Axis | None = None,
    y_axis: Axis | None = None,
    diagonal: bool = False,
    apart: Sequence[str] = (),
) -> Chart:
    """A chart of lines through points (x, y), by label; the first line is solid.

    If some are to stand `apart`, these are points without a line, and the others lines without points.
    """
    x_axis = x_axis or axis(x for points in series.values() for x, _ in points)
    y_axis = y_axis or axis(y for points in series.values() for _, y in points)

    def at(x: float, y: float) -> tuple[float, float]:
        return round(_across(x_axis, x), 1), round(_up(y_axis, y), 1)

    lines = [
        Line(
            label=label,
            dash=DASHES[place % len(DASHES)],
            marker=MARKERS[place % len(MARKERS)],
            places=tuple(at(x, y) for x, y in points),
            joined=label not in apart,
            marked=not apart or label in apart,
        )
        for place, (label, points) in enumerate(series.items())
    ]
    return Chart(
        title=title,
        across=across,
        up=up,
        x_ticks=tuple((round(_across(x_axis, tick), 1), x_axis.label(tick)) for tick in x_axis.ticks),
        y_ticks=tuple((round(_up(y_axis, tick), 1), y_axis.label(tick)) for tick in y_axis.ticks),
        lines=tuple(lines),
        diagonal=(*at(0, 0), *at(1, 1)) if diagonal else None,
    )


def _across(x_axis: Axis, value: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * x_axis.share(value) / 100


def _up(y_axis: Axis, value: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * y_axis.share(value) / 100
