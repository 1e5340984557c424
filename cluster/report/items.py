"""The items that the winner rates worst and best, from the run's own `predictions.parquet`.

The run's look at the test rows wrote that file: reading it is no further look, and decides nothing.
"""

from dataclasses import dataclass

import pandas as pd
import pyarrow.parquet as parquet

from reeltune.cluster.runs.answer import WEIGHT
from reeltune.cluster.runs.finished import Run

SHOWN = 8
ENOUGH = 10  # test ratings that an item needs to be ranked
CANDIDATES = 50  # items to rank at least: if fewer have ENOUGH ratings, items with fewer ratings are ranked too


@dataclass(frozen=True, kw_only=True)
class Item:
    title: str
    count: int
    rating: float  # mean true rating
    predicted: float
    error: float
    baseline: float | None


@dataclass(frozen=True, kw_only=True)
class Items:
    worst: list[Item]
    best: list[Item]
    fewest: int  # test ratings that each item has at least


def items(run: Run) -> Items | None:
    """The winner's worst and best items; None if the run has no predictions of its winner."""
    path = run.folder.predictions
    if run.winner is None or not path.exists():
        return None
    wanted = ["item", "rating", run.winner, "baseline", WEIGHT]
    columns = [column for column in wanted if column in parquet.read_schema(path).names]
    if not {"item", "rating", run.winner} <= set(columns):
        return None
    return _ranked(pd.read_parquet(path, columns=columns), run.winner)


def _means(frame: pd.DataFrame) -> pd.DataFrame:
    """The means of each item's rows, by their weights where they have any."""
    if WEIGHT not in frame:
        return frame.groupby("item").mean(numeric_only=True)
    numbers = frame.drop(columns=["item", WEIGHT]).mul(frame[WEIGHT], axis=0)
    return numbers.groupby(frame["item"]).sum().div(frame.groupby("item")[WEIGHT].sum(), axis=0)


def _ranked(frame: pd.DataFrame, winner: str) -> Items:
    frame = frame.assign(error=(frame[winner] - frame["rating"]) ** 2)
    if "baseline" in frame:
        frame["baseline"] = (frame["baseline"] - frame["rating"]) ** 2
    means = _means(frame)
    means["count"] = frame.groupby("item").size()
    fewest = int(min(ENOUGH, means["count"].nlargest(CANDIDATES).min()))
    ranked = means[means["count"] >= fewest].sort_values("error", ascending=False)
    taken = [
        Item(
            title=str(title),
            count=int(row["count"]),
            rating=float(row["rating"]),
            predicted=float(row[winner]),
            error=float(row["error"]),
            baseline=float(row["baseline"]) if "baseline" in row else None,
        )
        for title, row in ranked.iterrows()
    ]
    half = min(SHOWN, (len(taken) + 1) // 2)  # so that no item is in both lists
    return Items(worst=taken[:half], best=taken[half:][::-1][:SHOWN], fewest=fewest)
