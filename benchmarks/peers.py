"""Other libraries' rating predictors beside reeltune's: the same splits, one core, one table (docs/peers.md).

    python benchmarks/peers.py                                            # for the record: split seeds 10, 11, 12
    python benchmarks/peers.py --parts validation --split-seeds 1         # to develop
    python benchmarks/peers.py --parts validation --split-seeds 1 --only myfm reeltune

Each peer gets a virtual environment of the versions in benchmarks/peers/NAME.txt, kept in the cache folder, and is
run there by benchmarks/peers/fit_NAME.py. It is given the rows to fit, the pairs to predict and the side tables as
Parquet, and never the ratings of those pairs. A peer that cannot be installed or fails is in the table with the reason.
"""

import argparse
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from reeltune.cluster.session.machine import description
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data import Features, Rows
from reeltune.trainables.data.movielens import cache_folder
from reeltune.trainables.data.prepared import DataOptions, looks, prepare
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.fitting.fit import Fit, on_device
from reeltune.trainables.fitting.loop import evaluate, run
from reeltune.trainables.version import __version__

HERE = Path(__file__).parent / "peers"
THREADS = ("OMP", "OPENBLAS", "MKL", "NUMBA", "RAYON", "LK")
INSTALL_LIMIT = FIT_LIMIT = 3600  # seconds

OWN: list[tuple[str, str, bool]] = [  # label, architecture, whether it may use the side tables
    ("`pmf`", "pmf", True),
    ("`svdpp`, ids", "svdpp", False),
    ("`svdpp`", "svdpp", True),
    ("`svdpp_classifier`", "svdpp_classifier", True),
]
PEERS = {  # method of benchmarks/peers/fit_NAME.py, label, whose settings
    "fastai": [
        ("as_it_comes", "as it comes", "the notebook's"),
        ("tab_data_loader", "`dl_type=TabDataLoader`", "the notebook's"),
    ],
    "surprise": [
        ("svd", "`SVD`", "defaults"),
        ("svdpp", "`SVDpp`", "defaults"),
        ("knn_baseline", "`KNNBaseline`", "defaults"),
    ],
    "lenskit": [
        ("bias", "`BiasScorer`", "defaults"),
        ("biased_mf", "`BiasedMFScorer`", "defaults"),
    ],
    "cornac": [("mf", "`MF`", "its README's example")],
    "myfm": [
        ("ids", "ids", "its documentation's"),
        ("relations", "ids, implicit and side relation blocks", "its documentation's"),
    ],
}


class PeerFailed(Exception):
    """Why a process, a peer's as a rule, has no figures: in one line."""


@dataclass(frozen=True, kw_only=True)
class Data:
    """One split, and the folder in which the peers find what they may see of it."""

    shape: Shape
    fitting: Rows
    held_out: Rows
    folder: Path


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One fit. `argmax_mse` is a class head's; no number for a predictor of one value."""

    mse: float
    rounded_mse: float
    argmax_mse: float = np.nan
    fit_seconds: float
    predict_seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split-seeds", type=int, nargs="+", default=[10, 11, 12])
    parser.add_argument("--parts", choices=["test", "validation"], default="test")
    parser.add_argument("--only", nargs="+", choices=["reeltune", *PEERS], default=["reeltune", *PEERS])
    parser.add_argument("--environments", type=Path, default=cache_folder() / "peers")
    parser.add_argument("--seed", type=int, default=42, help="of reeltune's fits; the peers' is 42")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"machine: {description()}; {arguments.parts} rows of split seeds {arguments.split_seeds}")
    print("| library | predictor | settings | MSE | rounded MSE | argmax MSE | fit, s | predict, s |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        splits = [exchanged(seed, arguments.parts, Path(folder)) for seed in arguments.split_seeds]
        if "reeltune" in arguments.only:
            for label, name, side_tables in OWN:
                fits = [own(name, data, arguments.seed, side_tables=side_tables) for data in splits]
                print(row(f"reeltune {__version__}", label, "its reference", fits), flush=True)
        for name in [name for name in PEERS if name in arguments.only]:
            for line in peer_rows(name, splits, arguments.environments):
                print(line, flush=True)


def exchanged(seed: int, held_out: str, folder: Path) -> Data:
    """Split, and write what peers may see: no rating of a row that is to be predicted."""
    prepared = prepare(DataOptions(data="ml-100k", split_seed=seed))
    parts, shape = prepared.split, prepared.shape
    if held_out == "validation":
        fitting, wanted = parts.train, parts.validation
    else:
        fitting = parts.fitting
        wanted, _ = parts.test.open(looks(), reason="benchmarks/peers.py")
    home = folder / str(seed)
    home.mkdir()
    pairs = pd.DataFrame({"user": wanted.users, "item": wanted.items})
    rated = pd.DataFrame({"user": fitting.users, "item": fitting.items, "rating": fitting.ratings})
    rated.assign(timestamp=fitting.timestamps).to_parquet(home / "fit.parquet", index=False)
    pairs.to_parquet(home / "pairs.parquet", index=False)
    for name, features in (("users", shape.user_features), ("items", shape.item_features)):
        side_table(features).to_parquet(home / f"{name}.parquet", index=False)
    return Data(shape=shape, fitting=fitting, held_out=wanted, folder=home)


def side_table(features: Features | None) -> pd.DataFrame:
    """A line for each entry: row, column, weight, and the column's group, such as `genres` of `genres=Comedy`."""
    if features is None:
        raise SystemExit("ml-100k came without its side tables")
    groups = np.array([name.split("=")[0] for name in features.names])
    rows = np.repeat(np.arange(features.rows), np.diff(features.offsets))
    columns = {"row": rows, "column": features.columns, "weight": features.weights}
    return pd.DataFrame({**columns, "group": groups[features.columns]})


def own(name: str, data: Data, seed: int, *, side_tables: bool) -> Measured:
    """One fit of reeltune's, in this process."""
    architecture = ARCHITECTURES[name]
    shape = data.shape if side_tables else replace(data.shape, user_features=None, item_features=None)
    fit = Fit(architecture, architecture.reference(shape), shape, data.fitting, seed=seed)
    start = time.perf_counter()
    for _ in run(fit):
        pass
    fitted = time.perf_counter()
    metrics = evaluate(fit, on_device(data.held_out, fit.device), decoder="argmax")
    return Measured(
        mse=metrics.of("mean"),
        rounded_mse=metrics.of("rounded"),
        argmax_mse=np.nan if fit.model.grid is None else metrics.of("argmax"),
        fit_seconds=fitted - start,
        predict_seconds=time.perf_counter() - fitted,
    )


def peer_rows(name: str, splits: list[Data], environments: Path) -> Iterator[str]:
    """The lines of a peer; one that cannot be made or run says why."""
    library = " ".join((HERE / f"{name}.txt").read_text().split()[0].split("=="))
    broken = ""
    try:
        python = environment(name, environments / name)
    except PeerFailed as error:
        broken = f"cannot be installed: {error}"
    for method, label, settings in PEERS[name]:
        try:
            if broken:
                raise PeerFailed(broken)
            yield row(library, label, settings, [peer(python, name, method, data) for data in splits])
        except PeerFailed as error:
            yield f"| {library} | {label} | {settings} | {error} | | | | |"


def environment(name: str, home: Path) -> Path:
    """The Python of a peer's environment, which is made anew where its versions are not those of NAME.txt."""
    versions, python, made = HERE / f"{name}.txt", home / "bin" / "python", home / "made-from.txt"
    wanted = f"# Python {platform.python_version()}\n{versions.read_text()}"
    if made.exists() and made.read_text() == wanted:
        return python
    print(f"{name}: making {home}", file=sys.stderr)
    called([sys.executable, "-m", "venv", "--clear", str(home)], limit=INSTALL_LIMIT)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # torch alone brings what it needs on this system. The rest is listed in full, less what rating predictors
    # never import: fastai wants torchvision and spacy, for pictures and texts.
    torch_line = [line for line in versions.read_text().splitlines() if line.startswith("torch==")]
    for packages in ([torch_line] if torch_line else []) + [["--no-deps", "--requirement", str(versions)]]:
        called([*pip, *packages], limit=INSTALL_LIMIT)
    made.write_text(wanted)
    return python


def peer(python: Path, name: str, method: str, data: Data) -> Measured:
    """One fit of a peer's, in its environment, scored here."""
    result = data.folder / f"{name}-{method}.parquet"
    called([str(python), str(HERE / f"fit_{name}.py"), method, str(data.folder), str(result)], limit=FIT_LIMIT)
    found = pd.read_parquet(result)
    predictions = found["prediction"].to_numpy()
    if len(predictions) != len(data.held_out) or not np.isfinite(predictions).all():
        raise PeerFailed(f"{np.isfinite(predictions).sum()} finite predictions for {len(data.held_out)} rows")
    mse, rounded_mse = errors(predictions, data.held_out.ratings, data.shape.scale)
    fit_seconds, predict_seconds = found[["fit_seconds", "predict_seconds"]].iloc[0]
    return Measured(mse=mse, rounded_mse=rounded_mse, fit_seconds=fit_seconds, predict_seconds=predict_seconds)


def called(command: list[str], *, limit: float) -> str:
    """What a command prints that runs on one thread. Raises PeerFailed with its last word."""
    variables = {**os.environ, **{f"{name}_NUM_THREADS": "1" for name in THREADS}}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, env=variables, check=False)
    except subprocess.TimeoutExpired:
        raise PeerFailed(f"took over {limit:.0f} s") from None
    if done.returncode == -signal.SIGKILL:
        raise PeerFailed("killed: out of memory")  # the system kills so, and says nothing
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        word = next((line for line in reversed(lines) if line.startswith("ERROR")), lines[-1])
        raise PeerFailed(word.replace("|", "/"))  # it goes in a table's cell
    return done.stdout


def errors(predictions: np.ndarray, ratings: np.ndarray, scale: Scale) -> tuple[float, float]:
    """MSE of predictions of shape (rows,) clipped to the scale, and then rounded to its values."""
    clipped = predictions.clip(scale.low, scale.high)
    rounded = np.array(scale.values)[scale.nearest(clipped)]
    return float(np.mean((clipped - ratings) ** 2)), float(np.mean((rounded - ratings) ** 2))


def row(library: str, label: str, settings: str, fits: list[Measured]) -> str:
    """The mean over splits."""
    mse, rounded_mse, argmax_mse, fit_seconds, predict_seconds = np.mean([astuple(fit) for fit in fits], axis=0)
    argmax = "" if np.isnan(argmax_mse) else f"{argmax_mse:.4f}"
    figures = f"{mse:.4f} | {rounded_mse:.4f} | {argmax} | {fit_seconds:.2f} | {predict_seconds:.2f}"
    return f"| {library} | {label} | {settings} | {figures} |"


if __name__ == "__main__":
    main()
