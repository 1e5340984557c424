"""The verbs that need no Ray: they describe, predict and probe."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd

from cluster.prepared import DataOptions, prepare
from cluster.train_job import TrainOptions, configured
from search_spaces import has_space, shipped
from trainables import InputError, load
from trainables.architectures import ARCHITECTURES
from trainables.data import Columns, SideColumn, read_pairs
from trainables.range_test import RangeTest, range_test
from trainables.scale import Scale

PICTURES = (".png", ".svg", ".pdf")
TABLES = (".csv", ".tsv", ".parquet", ".pq", ".csv.gz", ".tsv.gz")


def describe_architectures() -> dict[str, Any]:
    """Each architecture's formula, and its hyperparameters with default and space."""
    described = {}
    for name, architecture in ARCHITECTURES.items():
        space = shipped(name, architecture).parameters if has_space(name) else {}
        described[name] = {
            "formula": (architecture.__doc__ or "").strip().splitlines()[0],
            "hyperparameters": {
                field: {
                    "default": info.default,
                    "meaning": info.description,
                    "space": _space_in_words(space[field].model_dump(exclude_defaults=True))
                    if field in space
                    else None,
                }
                for field, info in architecture.Config.model_fields.items()
            },
        }
    return described


def _space_in_words(parameter: dict[str, Any]) -> str:
    if "choices" in parameter:
        words = ", ".join(str(choice) for choice in parameter["choices"])
        words += " steps per epoch" if parameter.get("per_epoch") else ""
    else:
        unit = " of the scale's span" if parameter.get("spans") else ""
        words = f"{parameter['low']} to {parameter['high']}{unit}" + (", log" if parameter.get("log") else "")
    conditions = " and ".join(
        f"{name} is {' or '.join(map(str, values))}" for name, values in parameter.get("when", {}).items()
    )
    return f"{words} (when {conditions})" if conditions else words


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


def predict_file(model: Path, pairs: str, output: Path, *, columns: Columns) -> dict[str, Any]:
    """Rate the pairs of a file: its own columns and a `prediction`, as CSV or Parquet by the output's name."""
    predictor = load(model)
    known = {"users": predictor.users, "items": predictor.items}
    frame, users, items, times = read_pairs(pairs, **known, columns=columns, timed=predictor.timed)
    check_output(output)
    frame = frame.assign(prediction=predictor.predict_indices(users, items, times).astype(float).round(5))
    write_table(frame, output)
    unknown_users, unknown_items = predictor.unknown_indices(users, items)
    return {
        "pairs": len(frame),
        "unknown_users": unknown_users,
        "unknown_items": unknown_items,
        "output": str(output),
    }


def check_output(output: Path) -> None:
    """Refuse a file that cannot be written, before there is anything to write. Raises InputError."""
    if not output.name.endswith(TABLES):
        raise InputError(f"-o {output}: expected a name that ends in {', '.join(TABLES[:-1])} or {TABLES[-1]}")
    if not output.absolute().parent.is_dir():
        raise InputError(f"-o {output}: there is no folder {output.parent}")


def write_table(frame: pd.DataFrame, output: Path) -> None:
    """Write a frame as Parquet, TSV or CSV by the file's name, whole or not at all."""
    temporary = output.with_name(f".tmp-{output.name}")  # pandas compresses by the name's end
    if output.suffix in (".parquet", ".pq"):
        frame.to_parquet(temporary, index=False)
    else:
        frame.to_csv(temporary, index=False, sep="\t" if ".tsv" in output.suffixes[-2:] else ",")
    temporary.replace(output)


def lr_find(options: TrainOptions, picture: Path) -> RangeTest:
    """The range test on training rows, and its plot."""
    if picture.suffix not in PICTURES:
        raise InputError(f"-o {picture}: expected a name that ends in {' or '.join(PICTURES)}")
    prepared = prepare(options.data)
    config = configured(options, prepared.shape)
    architecture = ARCHITECTURES[options.architecture]
    found = range_test(architecture, config, prepared.shape, prepared.split.train, seed=options.seed)
    _plot(found, options.architecture, picture)
    return found


def _plot(found: RangeTest, name: str, picture: Path) -> None:
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    axes.plot(found.rates, found.losses, color="black")
    axes.axvline(found.valley, color="black", linestyle="--", label=f"valley: {found.valley:.1e}")
    axes.set(xscale="log", xlabel="learning rate", ylabel="training loss (smoothed)", title=name)
    axes.legend()
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=120)
    pyplot.close(figure)
