"""RMSE of defaults, and of the whole search, on public data sets with fixed splits, beside published figures.

    python benchmarks/datasets.py FOLDER                          # to develop: a tenth is cut off each training file
    python benchmarks/datasets.py FOLDER --parts test             # for the record
    python benchmarks/datasets.py FOLDER --parts test --searched  # `reeltune tune` too, with nothing changed

Each set is a folder below FOLDER, of the names below, with `train.parquet` and `test.parquet` (columns user, item,
rating) and, where there are any, `users.parquet` and `items.parquet`. Most may not be redistributed, so none is here:

- flixster-monti: the split of Monti, Bronstein & Bresson 2017, in the repository riannevdberg/gc-mc (data/flixster).
- filmtrust-recq: the training and test files in the repository Coder-Yu/RecQ.
- coat: train.ascii (rated by choice) and test.ascii (rated at random), in the repository DongHande/AutoDebias.
- yelp-herec: the ratings in the repository librahu/HERec, in file order; rows that come first in
  `numpy.random.default_rng(0).permutation(n)`, a fifth of them, are the test.
- jester-1: the ratings of Jester's first data set, in the repository negi-soumya/eigentaste; a tenth is the test, drawn
  in the same way.
- ml-100k-u1: u1.base and u1.test of MovieLens-100k, with its users and items (files.grouplens.org).
- ml-1m-glocalk: MovieLens-1M, with its users and items; after `numpy.random.seed(1234)` and a shuffle of the rows'
  indices, the first tenth is the test, as in the repository usydnlp/Glocal_K.

Each figure is the mean of three fits with other seeds, each of one thread; `bias` has dampings that are found on an
inner tenth of the rows to fit. On 2 cores without a GPU the default takes about 20 minutes, most of it `pmf`'s.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from reeltune.cluster.session.machine import description
from reeltune.trainables.architectures import ENSEMBLE, bias
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.config import FitConfig
from reeltune.trainables.data import Rows
from reeltune.trainables.data.prepared import DataOptions, Prepared, looks, prepare
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.fitting.fit import Fit, on_device
from reeltune.trainables.fitting.loop import calibrate, evaluate, run

# The best test RMSE that was published on the same rows, and by whom; None where there is none on these rows.
PUBLISHED = {
    "flixster-monti": "0.872 (IGMC, Zhang & Chen 2020)",
    "filmtrust-recq": None,
    "coat": None,
    "yelp-herec": None,
    "jester-1": None,
    "ml-100k-u1": "0.887 (GHRS, Darban & Valipour 2022); with time 0.8808 (myFM)",
    "ml-1m-glocalk": "0.8227 (GLocal-K, Han et al. 2021)",
}
DEFAULT = ("bias", "pmf", "svdpp", "svdpp_classifier", "svdpp_ordinal")
DAMPINGS = (0.5, 1, 2, 4, 8, 16, 32, 64)  # tried for users and for items


def main(words: list[str] | None = None) -> None:
    asked = read_arguments(words)
    torch.set_num_threads(1)
    found, missing = sets_below(asked.folder, asked.sets)
    if missing:
        print(f"not found below {asked.folder}: {', '.join(missing)}", file=sys.stderr)
    print(f"machine: {description()}; RMSE of {asked.parts} rows and seconds of a fit, mean of seeds {asked.seeds}")
    columns = [*asked.architectures, *["`reeltune tune`"] * asked.searched]
    print(f"| set | published | {' | '.join(columns)} |")
    print(f"| --- | --- |{' ---: |' * len(columns)}")
    for folder in found:
        with tempfile.TemporaryDirectory() as place:
            one = DataSet(folder=folder, ledger=looks())
            if asked.parts == "validation":
                one = cut(one, Path(place), seed=asked.cut, users=asked.users)
            cells = [default(name, one, asked) for name in asked.architectures]
            cells += [searched(one, asked)] if asked.searched else []
        print(f"| {folder.name} | {PUBLISHED.get(folder.name) or '-'} | {' | '.join(cells)} |", flush=True)


def read_arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--parts", choices=["test", "validation"], default="validation")
    parser.add_argument("--sets", nargs="+", default=[], help="these alone")
    parser.add_argument(
        "--architectures", nargs="*", metavar="NAME", default=list(DEFAULT), help="the defaults of these"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 43, 44])
    parser.add_argument("--cut", type=int, default=0, help="seed of the validation part")
    parser.add_argument("--users", type=int, help="validation on so many users of each set, drawn at random")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="in place of a default")
    parser.add_argument("--searched", action="store_true", help="also run `reeltune tune`, in runs/datasets-SET")
    parser.add_argument("--trials", type=int, default=20, help="of each architecture, for --searched")
    parser.add_argument("--sample", help="for --searched: of `reeltune tune`, which otherwise gets none on these sets")
    parser.add_argument("--only", nargs="+", metavar="NAME", default=[], help="for --searched: searches these alone")
    asked = parser.parse_args(words)
    if asked.users is not None and asked.parts == "test":
        parser.error("--users needs --parts validation")
    for option in ("architectures", "only"):
        if unknown := set(getattr(asked, option)) - ARCHITECTURES.keys():
            parser.error(f"--{option}: {', '.join(sorted(unknown))} is none of {', '.join(ARCHITECTURES)}")
    return asked


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """A folder with a training and a test file, and where looks at the test are written down."""

    folder: Path
    ledger: Path
    sides: Path | None = None  # where its side tables are, if not in the folder

    def options(self) -> DataOptions:
        users, items = (self._side(name) for name in ("users", "items"))
        train, test = (str(self.folder / f"{part}.parquet") for part in ("train", "test"))
        return DataOptions(data=train, test=test, users=users, items=items)

    def _side(self, name: str) -> str | None:
        path = (self.sides or self.folder) / f"{name}.parquet"
        return str(path) if path.exists() else None


def sets_below(folder: Path, wanted: list[str]) -> tuple[list[Path], list[str]]:
    """The sets below a folder, those with a published figure first, and the names of those that are not there."""
    there = {path.parent.name: path.parent for path in sorted(folder.glob("*/train.parquet"))}
    there = {name: path for name, path in there.items() if (path / "test.parquet").exists()}
    names = wanted or [*PUBLISHED, *there.keys() - PUBLISHED.keys()]
    return [there[name] for name in names if name in there], [name for name in names if name not in there]


def cut(whole: DataSet, place: Path, *, seed: int, users: int | None) -> DataSet:
    """The training file without a tenth of its rows, and that tenth as the test: the real one is not read."""
    frame = pd.read_parquet(whole.folder / "train.parquet")
    draw = np.random.default_rng(100 + seed)
    if users is not None:
        everybody = np.sort(frame["user"].unique())
        frame = frame[frame["user"].isin(draw.permutation(everybody)[:users])]
    order = draw.permutation(len(frame))
    tenth = len(frame) // 10
    for part, rows in (("test", order[:tenth]), ("train", order[tenth:])):
        frame.iloc[np.sort(rows)].to_parquet(place / f"{part}.parquet")
    return DataSet(folder=place, ledger=place / "looks.jsonl", sides=whole.folder)


def default(name: str, one: DataSet, asked: argparse.Namespace) -> str:
    """RMSE and seconds of an architecture's default, but for what is set, mean over seeds."""
    prepared = prepare(one.options())
    held_out, _ = prepared.split.test.open(one.ledger, reason="benchmarks/datasets.py")
    architecture, shape = ARCHITECTURES[name], prepared.shape
    config, seeds = architecture.reference(shape), asked.seeds
    if name == "bias":
        config, seeds = best_dampings(prepared.split.fitting, shape), seeds[:1]
    else:
        changes = dict(pair.split("=", 1) for pair in asked.set)
        config = architecture.Config.model_validate({**config.model_dump(), **changes})
    each = [rmse(name, config, prepared, held_out, seed) for seed in seeds]
    error, seconds = np.mean(each, axis=0)
    return f"{error:.4f} ({seconds:.1f} s)"


def rmse(name: str, config: FitConfig, prepared: Prepared, held_out: Rows, seed: int) -> tuple[float, float]:
    """RMSE of the mean prediction, and seconds, of a fit on training and validation rows."""
    start = time.perf_counter()
    fit = fitted(name, config, prepared.shape, prepared.split.fitting, seed)
    seconds = time.perf_counter() - start
    # The mean of a class head needs its temperature; a fit on all rows has none to find it on but its own.
    temperature = calibrate(fit, on_device(prepared.split.validation, fit.device))
    metrics = evaluate(fit, on_device(held_out, fit.device), decoder="mean", temperature=temperature)
    return metrics.of("mean") ** 0.5, seconds


def fitted(name: str, config: FitConfig, shape: Shape, rows: Rows, seed: int) -> Fit:
    fit = Fit(ARCHITECTURES[name], config, shape, rows, seed=seed)
    for _ in run(fit):
        pass
    return fit


def best_dampings(rows: Rows, shape: Shape) -> FitConfig:
    """`bias` with the dampings of least error on an inner tenth of the rows to fit."""
    order = np.random.default_rng(0).permutation(len(rows))
    inner, rest = (rows.take(np.sort(part)) for part in np.split(order, [len(rows) // 10]))
    held_out = on_device(inner, torch.device("cpu"))

    def error(config: FitConfig) -> float:
        return evaluate(fitted("bias", config, shape, rest, 0), held_out, decoder="mean").of("mean")

    tried = [bias.Config(user_damping=user, item_damping=item) for user, item in product(DAMPINGS, DAMPINGS)]
    return min(tried, key=error)


def searched(one: DataSet, asked: argparse.Namespace) -> str:
    """RMSE of what `reeltune tune` tuned, of the argmax as judged, the ensemble's weights, and how long it took."""
    options, name = one.options(), f"datasets-{(one.sides or one.folder).name}"
    command = [sys.executable, "-m", "reeltune", "tune", *asked.only]
    command += ["--data", options.data, "--test", str(options.test)]
    for side in ("users", "items"):
        path = getattr(options, side)
        command += [f"--{side}", path] if path else []
    command += ["--trials", str(asked.trials), "--name", name, "--json"]
    command += ["--sample", asked.sample] if asked.sample else []
    start = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    minutes = (time.perf_counter() - start) / 60
    found = json.loads(done.stdout)
    tuned = {name: result["test"]["argmax_mse"] ** 0.5 for name, result in found["architectures"].items()}
    weights = found["architectures"].get(ENSEMBLE, {}).get("config", {}).get("weights", {})
    return "; ".join(
        [
            ", ".join(f"{name} {error:.4f}" for name, error in sorted(tuned.items(), key=lambda pair: pair[1])),
            "weights " + ", ".join(f"{name} {weight:.2f}" for name, weight in weights.items() if weight > 0),
            f"chosen on validation rows: {found['winner']}",
            f"{minutes:.1f} min",
        ]
    )


if __name__ == "__main__":
    main()
