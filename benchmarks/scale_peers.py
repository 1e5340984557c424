"""The libraries of benchmarks/scale.py: what an epoch costs them on the same ratings, and errors on the same rows.

Their environments are those of benchmarks/peers.py. benchmarks/peers/epochs_NAME.py times epochs, of which an error
needs none; errors are those of benchmarks/peers/fit_NAME.py with the settings of docs/peers.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from peers import HERE, Data, Measured, PeerFailed, called, environment, own, peer

from reeltune.trainables.data import Rows
from reeltune.trainables.data.shape import Shape

LIMIT = 600  # seconds
HELD_OUT = 0.05
SIDE_TABLE = pd.DataFrame({"row": [], "column": [], "weight": [], "group": []})  # there is none
FITTED = {"cornac": "mf", "lenskit": "biased_mf"}  # implicit fits no ratings


@dataclass(frozen=True, kw_only=True)
class Library:
    """One line: a library's model with so many factors."""

    name: str
    model: str
    factors: int

    @property
    def label(self) -> str:
        version = (HERE / f"{self.name}.txt").read_text().split()[0].split("==")[1]
        return f"{self.name} {version} {self.model}, {self.factors} factors"


LIBRARIES = [
    Library(name="cornac", model="`MF`", factors=10),
    Library(name="cornac", model="`MF`", factors=50),
    Library(name="implicit", model="`AlternatingLeastSquares`", factors=50),
    Library(name="lenskit", model="`BiasedMFScorer`", factors=50),
]


def epoch(library: Library, folder: Path, environments: Path) -> dict[str, float]:
    """Seconds of an epoch on the folder's fit.parquet and GiB at the peak. Raises PeerFailed with the reason."""
    python = environment(library.name, environments / library.name)
    script, result = HERE / f"epochs_{library.name}.py", folder / "epochs.parquet"
    called([str(python), str(script), str(library.factors), str(folder), str(result)], limit=LIMIT)
    found = pd.read_parquet(result).iloc[0]
    return {"epoch": found["wall"], "epoch_core": found["core"], "peak": found["peak"]}


def split(rows: Rows, shape: Shape, folder: Path) -> Data:
    """Hold out every twentieth row or so, and write what peers may see of the rest and of these."""
    held_out = np.random.default_rng(0).random(len(rows)) < HELD_OUT
    fitting, wanted = rows.take(~held_out), rows.take(held_out)
    folder.mkdir()
    rated = {"user": fitting.users, "item": fitting.items, "rating": fitting.ratings, "timestamp": fitting.timestamps}
    pd.DataFrame(rated).to_parquet(folder / "fit.parquet", index=False)
    pd.DataFrame({"user": wanted.users, "item": wanted.items}).to_parquet(folder / "pairs.parquet", index=False)
    for name in ("users", "items"):
        SIDE_TABLE.to_parquet(folder / f"{name}.parquet", index=False)
    return Data(shape=shape, fitting=fitting, held_out=wanted, folder=folder)


def error_rows(names: list[str], data: Data, environments: Path) -> Iterator[str]:
    """A line for each architecture and library: the error of a whole fit on the rows held out, and its seconds."""
    for name in names:
        yield error_row(f"`{name}`", data, own(name, data, 42, side_tables=False))
    for name, method in FITTED.items():
        label = f"{name} `{method}`"
        try:
            yield error_row(label, data, peer(environment(name, environments / name), name, method, data))
        except PeerFailed as error:
            yield f"| {label} | {len(data.fitting):,} | {error} | |"


def error_row(label: str, data: Data, found: Measured) -> str:
    return f"| {label} | {len(data.fitting):,} | {found.mse**0.5:.4f} | {found.fit_seconds:.1f} |"
