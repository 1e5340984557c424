"""Intervals of class heads from their predicted distribution, beside those that bundles have. Some minutes on one core.

    python benchmarks/intervals_of_classes.py MovieLens=ml-100k FilmTrust=filmtrust/train.parquet

Of each file a tenth is cut off at random for the count and another for the intervals, as `intervals.py` does. Ways:

- counts: mean ± q s, s by how many ratings the user and the item have: what bundles have (`scoring/spread.py`)
- counts and variance: the same, with the variance of the predicted distribution as one more term of s²
- distribution: from F⁻¹(½ − q) to F⁻¹(½ + q) (distributional conformal prediction; Chernozhukov, Wüthrich & Zhu 2021)
- quantiles: from F⁻¹(α/2) − q to F⁻¹(1 − α/2) + q (conformalized quantile regression; Romano, Patterson & Candès 2019)

F is the distribution after the temperature, each class spread evenly to halfway between it and its neighbours.
"""

import argparse
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from intervals import cut
from scipy.optimize import nnls

from reeltune.cluster.session.machine import description
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data import Rows, load_data
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.fitting.fit import Fit
from reeltune.trainables.fitting.loop import run
from reeltune.trainables.scoring.decoders import fit_temperature
from reeltune.trainables.scoring.metrics import predict
from reeltune.trainables.scoring.spread import LEVELS, conformal_quantile, known_of

NAMES = ("classifier", "svdpp_classifier")  # svdpp_ordinal predicts one value
Ends = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Part:
    """Rows with their ratings, predicted probabilities of shape (rows, classes), and 1 / (1 + n) of user and item."""

    ratings: np.ndarray
    probabilities: np.ndarray
    grid: np.ndarray
    known: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        return self.probabilities @ self.grid

    @property
    def variance(self) -> np.ndarray:
        return (self.probabilities @ self.grid**2 - self.mean**2).clip(min=0)

    @cached_property
    def edges(self) -> np.ndarray:
        middle, first, last = (self.grid[1:] + self.grid[:-1]) / 2, self.grid[:2], self.grid[-2:]
        return np.concatenate([[1.5 * first[0] - 0.5 * first[1]], middle, [1.5 * last[1] - 0.5 * last[0]]])

    @cached_property
    def below(self) -> np.ndarray:
        """F at the edges, shape (rows, classes + 1); it grows everywhere, so that it has an inverse."""
        sums = np.concatenate([np.zeros((len(self.ratings), 1)), self.probabilities.cumsum(1)], 1)
        return sums + np.linspace(0, 1e-9, len(self.edges))

    def at(self, share: float) -> np.ndarray:
        return np.array([np.interp(share, row, self.edges) for row in self.below])

    def rank(self) -> np.ndarray:
        return np.array([np.interp(at, self.edges, row) for at, row in zip(self.ratings, self.below, strict=True)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", metavar="NAME=DATA")
    parser.add_argument("--most", type=int, default=20_000, help="ratings of a file")
    parser.add_argument("--cut", type=int, default=1, help="the seed of the cut")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print(f"machine: {description()}")
    print("| data | fit | intervals by | within 80% | width | within 95% | width |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: |")
    for word in asked.data:
        title, _, source = word.partition("=")
        parts = cut(load_data(source), asked.most, asked.cut)
        for name in NAMES:
            for way, cells in measured(name, *parts).items():
                print(f"| {title} | `{name}` | {way} | {' | '.join(cells)} |", flush=True)


def measured(name: str, shape: Shape, train: Rows, validation: Rows, test: Rows) -> dict[str, list[str]]:
    """By way of making intervals the shares of ratings within and the mean widths."""
    calibration, judged = fitted(name, shape, train, validation, test)
    found: dict[str, list[str]] = {}
    for level in LEVELS:
        for way, (low, high) in intervals(calibration, judged, level).items():
            low, high = (end.clip(shape.scale.low, shape.scale.high) for end in (low, high))
            within = (low <= judged.ratings) & (judged.ratings <= high)
            found.setdefault(way, []).extend([f"{within.mean():.1%}", f"{(high - low).mean():.2f}"])
    return found


def fitted(name: str, shape: Shape, train: Rows, *parts: Rows) -> list[Part]:
    """The parts as the defaults, fitted on `train`, predict them, by the temperature that suits the first of them."""
    architecture = ARCHITECTURES[name]
    fit = Fit(architecture, architecture.reference(shape), shape, train, seed=1)
    list(run(fit))
    outputs = [predict(fit.model, *map(torch.from_numpy, (rows.users, rows.items))) for rows in parts]
    assert fit.model.grid is not None
    temperature = fit_temperature(outputs[0], torch.tensor(parts[0].ratings), fit.model.grid, shape.scale)
    return [
        Part(
            ratings=rows.ratings.astype(np.float64),
            probabilities=torch.softmax(output / temperature, 1).double().numpy(),
            grid=fit.model.grid.double().numpy(),
            known=1 / (1 + np.stack(known_of(train, rows, shape), 1)),
        )
        for rows, output in zip(parts, outputs, strict=True)
    ]


def intervals(calibration: Part, judged: Part, level: float) -> dict[str, Ends]:
    """The ends of the judged rows' intervals by each way."""
    tail = (1 - level) / 2
    wide = conformal_quantile(np.abs(calibration.rank() - 0.5), level)
    off = np.maximum(calibration.at(tail) - calibration.ratings, calibration.ratings - calibration.at(1 - tail))
    more = conformal_quantile(off, level)
    return {
        "counts": scaled(calibration, judged, level, by_variance=False),
        "counts and variance": scaled(calibration, judged, level, by_variance=True),
        "distribution": (judged.at(0.5 - wide), judged.at(0.5 + wide)),
        "quantiles": (judged.at(tail) - more, judged.at(1 - tail) + more),
    }


def scaled(calibration: Part, judged: Part, level: float, *, by_variance: bool) -> Ends:
    def terms(part: Part) -> np.ndarray:
        variance = part.variance[:, None] if by_variance else part.known[:, :0]
        return np.concatenate([np.ones((len(part.ratings), 1)), part.known, variance], 1)

    errors = np.abs(calibration.ratings - calibration.mean)
    weights, _ = nnls(terms(calibration), errors**2)
    apart, wide = (np.sqrt(terms(part) @ weights).clip(min=1e-9) for part in (calibration, judged))
    q = conformal_quantile(errors / apart, level)
    return judged.mean - q * wide, judged.mean + q * wide


if __name__ == "__main__":
    main()
