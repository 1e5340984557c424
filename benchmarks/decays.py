"""What `svdpp` loses on each data set by one rule for all decays, and by that rule found on the other sets alone.

    python benchmarks/decays.py FOLDER    # a folder of sets as for `datasets.py`; 15 minutes on 2 cores
    python benchmarks/decays.py FOLDER --architecture autorec

The rule: MovieLens-100k's decays (four of `svdpp`, one of `autorec`) times √(R / n), n being the ratings per id. On a
tenth cut off each training file (no test row is read) every set is fitted with the decays times each of MULTIPLIERS; in
between, errors are interpolated. "Left out" is what a set loses with the constant R of least mean loss on the others; a
loss is in percent of the set's least RMSE. Of the largest sets some users are drawn.
"""

import argparse
import math
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from datasets import DataSet, cut, rmse, sets_below

from reeltune.cluster.session.machine import description
from reeltune.trainables.architectures.parts.reference import DECAYS, RATINGS_PER_ID
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data.prepared import prepare

MULTIPLIERS = (0.35, 0.5, 0.71, 1.0, 1.41, 2.0, 2.83)
CONSTANTS = tuple(range(20, 121, 2))  # R
DECAYS_OF = {"svdpp": DECAYS, "autorec": ("weight_decay",)}
USERS = {"jester-1": 2000, "ml-1m-glocalk": 1500}


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The RMSE of one set at each of the multipliers."""

    name: str
    ratings_per_id: float
    errors: tuple[float, ...]

    def loss(self, multiplier: float) -> float:
        """Percent of the least RMSE that is lost with this multiplier."""
        error = np.interp(math.log(multiplier), np.log(MULTIPLIERS), self.errors)
        return float(100 * (error / min(self.errors) - 1))

    def loss_by(self, constant: float) -> float:
        return self.loss(math.sqrt(constant / self.ratings_per_id))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--architecture", choices=list(DECAYS_OF), default="svdpp")
    parser.add_argument("--sets", nargs="+", default=[], help="these alone")
    parser.add_argument("--cuts", type=int, nargs="+", default=[0, 1], help="seeds of the validation parts")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    found, missing = sets_below(asked.folder, asked.sets)
    print(f"machine: {description()}; not found: {', '.join(missing) or 'none'}")
    curves = [show(measured(asked.architecture, folder, asked.cuts)) for folder in found]
    show_losses(curves)


def show(curve: Curve) -> Curve:
    print(f"{curve.name}, n = {curve.ratings_per_id:.1f}:", end="")
    print("".join(f" {m:g} {error:.4f}" for m, error in zip(MULTIPLIERS, curve.errors, strict=True)), flush=True)
    return curve


def measured(name: str, folder: Path, cuts: list[int]) -> Curve:
    """The mean curve over validation parts; part k is fitted with seed 42 + k."""
    each = [_of_one_cut(name, folder, seed) for seed in cuts]
    sizes, errors = zip(*each, strict=True)
    return Curve(name=folder.name, ratings_per_id=float(np.mean(sizes)), errors=tuple(np.mean(errors, axis=0)))


def _of_one_cut(name: str, folder: Path, seed: int) -> tuple[float, list[float]]:
    with tempfile.TemporaryDirectory() as place:
        whole = DataSet(folder=folder, ledger=Path(place) / "looks.jsonl")
        one = cut(whole, Path(place), seed=seed, users=USERS.get(folder.name))
        prepared = prepare(one.options())
    held_out, _ = prepared.split.test.open(one.ledger, reason="benchmarks/decays.py")
    errors, architecture = [], ARCHITECTURES[name]
    for multiplier in MULTIPLIERS:
        decays = {decay: getattr(architecture.Config(), decay) * multiplier for decay in DECAYS_OF[name]}
        config = architecture.reference(prepared.shape).model_copy(update=decays)
        errors.append(rmse(name, config, prepared, held_out, 42 + seed)[0])
    n = prepared.shape.ratings_per_id
    assert n is not None
    return n, errors


def show_losses(curves: list[Curve]) -> None:
    print("| set | n | best multiplier | the rule's | % lost by MovieLens-100k's | by the rule | left out |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    rows = []
    for curve in curves:
        best = MULTIPLIERS[int(np.argmin(curve.errors))]
        ruled = math.sqrt(RATINGS_PER_ID / curve.ratings_per_id)
        others = best_constant([other for other in curves if other is not curve])
        rows.append((curve.loss(1), curve.loss_by(RATINGS_PER_ID), curve.loss_by(others)))
        shown = " | ".join(f"{loss:.2f}" for loss in rows[-1])
        print(f"| {curve.name} | {curve.ratings_per_id:.1f} | {best:.2f} | {ruled:.2f} | {shown} |")
    print(f"| mean | | | | {' | '.join(f'{loss:.2f}' for loss in np.mean(rows, axis=0))} |")
    print(f"R of least mean loss on all: {best_constant(curves)}")


def best_constant(curves: list[Curve]) -> float:
    """The R of least mean loss on these sets."""
    return min(CONSTANTS, key=lambda constant: np.mean([curve.loss_by(constant) for curve in curves]))


if __name__ == "__main__":
    main()
