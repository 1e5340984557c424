"""`reeltune data`: what a data set holds."""

from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from reeltune.trainables.data import SideColumn
from reeltune.trainables.data.prepared import DataOptions
from reeltune.trainables.data.scale import Scale


def describe_data(options: DataOptions) -> dict[str, Any]:
    """What a data set holds."""
    ratings = options.load()
    rows, scale = ratings.rows, Scale.of(ratings.rows.ratings)
    users, items = ratings.users.rows - 1, ratings.items.rows - 1
    pairs = len(np.unique(rows.users.astype(np.int64) * (items + 1) + rows.items))
    counts = np.bincount(scale.nearest(rows.ratings), minlength=len(scale.values))
    times = rows.timestamps
    first = [
        {"user": ratings.users.text[u - 1], "item": ratings.items.text[i - 1], "rating": float(r)}
        for u, i, r in zip(rows.users[:5], rows.items[:5], rows.ratings[:5], strict=True)
    ]
    return {
        "data": ratings.name,
        "ratings": len(rows),
        "users": users,
        "items": items,
        "density": pairs / (users * items),
        "scale": {"low": scale.low, "high": scale.high, "step": scale.step, "values": len(scale.values)},
        "mean": float(rows.ratings.mean()),
        "histogram": {f"{value:g}": int(count) for value, count in zip(scale.values, counts, strict=True)},
        "repeated_pairs": {"kept": len(rows) - pairs, "dropped": ratings.dropped},
        "timestamps": None if times is None else [_date(times.min()), _date(times.max())],
        "first": first,
        "side_tables": {"users": _described(ratings.user_columns), "items": _described(ratings.item_columns)},
        "notes": list(ratings.notes),
    }


def _described(columns: tuple[SideColumn, ...]) -> list[dict[str, Any]] | None:
    """How each column of a side table was read; None if there is no side table."""
    return [asdict(column) for column in columns] or None


def _date(seconds: int) -> str:
    return pd.Timestamp(int(seconds), unit="s").isoformat()
