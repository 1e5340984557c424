"""The pictures and figures of docs/why-argmax.md: what a class head's argmax comes to by loss and number of classes.

    python benchmarks/why_argmax.py                     # about 3 minutes
    python benchmarks/why_argmax.py --split-seeds 1     # to develop

Fits on training rows and looks at validation rows alone, one fit for each cell and split, on one core. Means are of
probabilities after the one temperature that `reeltune` fits too.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import matplotlib
import numpy as np
import torch

from reeltune.cluster.session.machine import description
from reeltune.trainables.architectures.parts.losses import Loss
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data.prepared import DataOptions, prepare
from reeltune.trainables.data.tensors import Tensors
from reeltune.trainables.fitting.fit import Fit, on_device
from reeltune.trainables.fitting.loop import calibrate, evaluate, run
from reeltune.trainables.scoring.metrics import predict

matplotlib.use("Agg")
from matplotlib import pyplot

DOCS = Path(__file__).parent.parent / "docs"
SUBDIVISIONS = (1, 2, 4, 8)
SHOWN: tuple[Loss, Loss] = ("cross_entropy", "reverse_kl")  # of the first picture
DIP = 0.02  # of probability between two peaks, from which they count as two
STYLES: dict[Loss, dict[str, Any]] = {
    "cross_entropy": {"color": "black", "marker": "o", "linestyle": "-"},
    "spread_cross_entropy": {"color": "0.45", "marker": "s", "linestyle": "-"},
    "reverse_kl": {"color": "black", "marker": "^", "linestyle": "--"},
    "cost_regression": {"color": "0.45", "marker": "D", "linestyle": "--"},
}
WORDS: dict[Loss, str] = {
    "cross_entropy": "cross-entropy",
    "spread_cross_entropy": "spread cross-entropy",
    "reverse_kl": "reverse KL",
    "cost_regression": "cost regression",
}
LOOK = {"svg.fonttype": "none", "svg.hashsalt": "reeltune", "font.size": 12, "axes.spines.top": False}


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """MSE of the argmax and of the mean, and probabilities of shape (rows, classes) or values of shape (rows,)."""

    argmax_mse: float
    mean_mse: float
    output: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Fits:
    """Of one split: (loss, subdivisions) to a fit, the three to compare with, and the rows' ratings."""

    heads: dict[tuple[Loss, int], Fitted]
    classifier: Fitted
    pmf: Fitted
    svdpp: Fitted
    rounded: dict[int, float]  # subdivisions to the MSE of svdpp's values rounded to so fine a grid
    ratings: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split-seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--seed", type=int, default=42)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    fits = [fits_of(split_seed, arguments.seed) for split_seed in arguments.split_seeds]
    print(f"machine: {description()}; validation rows of split seeds {arguments.split_seeds}")
    print("\n".join(table(fits)))
    with pyplot.rc_context(LOOK):
        print(draw_probabilities(fits, DOCS / "why-argmax-1.svg"))
        draw_errors(fits, DOCS / "why-argmax-2.svg")


def fits_of(split_seed: int, seed: int) -> Fits:
    prepared = prepare(DataOptions(data="ml-100k", split_seed=split_seed))
    parts, shape = prepared.split, prepared.shape
    held_out = on_device(parts.validation, torch.device("cpu"))

    def fitted(name: str, **changes: Any) -> Fitted:
        config = ARCHITECTURES[name].reference(shape).model_copy(update=changes)
        fit = Fit(ARCHITECTURES[name], config, shape, parts.train, seed=seed)
        for _ in run(fit):
            pass
        return looked_at(fit, held_out)

    heads = {
        (loss, fine): fitted("svdpp_classifier", loss=loss, subdivisions=fine)
        for loss in get_args(Loss)
        for fine in SUBDIVISIONS
    }
    ratings, svdpp = parts.validation.ratings, fitted("svdpp")
    values = svdpp.output.clip(shape.scale.low, shape.scale.high)
    return Fits(
        heads=heads,
        classifier=fitted("classifier"),
        pmf=fitted("pmf"),
        svdpp=svdpp,
        rounded={fine: float(np.mean((np.round(values * fine) / fine - ratings) ** 2)) for fine in SUBDIVISIONS},
        ratings=ratings,
    )


def looked_at(fit: Fit, held_out: Tensors) -> Fitted:
    temperature = calibrate(fit, held_out)
    errors = evaluate(fit, held_out, decoder="argmax", temperature=temperature)
    output = predict(fit.model, held_out.users, held_out.items)
    if fit.model.grid is not None:
        output = torch.softmax(output / temperature, 1)
    return Fitted(argmax_mse=errors.of("argmax"), mean_mse=errors.of("mean"), output=output.numpy())


def table(fits: list[Fits]) -> list[str]:
    """A line for each loss: argmax-MSE (mean-MSE) by number of classes."""
    classes = [4 * fine + 1 for fine in SUBDIVISIONS]
    lines = [f"| loss | {' | '.join(f'{count} classes' for count in classes)} |", f"| --- |{' ---: |' * len(classes)}"]
    for loss in STYLES:
        cells = [errors(fits, loss, fine) for fine in SUBDIVISIONS]
        lines.append(f"| `{loss}` | {' | '.join(f'{argmax:.3f} ({mean:.3f})' for argmax, mean in cells)} |")
    rounded = [f"{np.mean([one.rounded[fine] for one in fits]):.3f}" for fine in SUBDIVISIONS]
    lines.append(f"| `svdpp`'s value, rounded to the classes | {' | '.join(rounded)} |")
    pmf, svdpp, classifier = (mean_of(fits, name) for name in ("pmf", "svdpp", "classifier"))
    return [*lines, f"pmf {pmf:.3f}, svdpp {svdpp:.3f}, the notebook's classifier {classifier:.3f}"]


def errors(fits: list[Fits], loss: Loss, fine: int) -> tuple[float, float]:
    heads = [one.heads[loss, fine] for one in fits]
    return float(np.mean([head.argmax_mse for head in heads])), float(np.mean([head.mean_mse for head in heads]))


def mean_of(fits: list[Fits], name: str) -> float:
    return float(np.mean([getattr(one, name).argmax_mse for one in fits]))


def two_peaked(probabilities: np.ndarray) -> np.ndarray:
    """Which rows, of shape (rows, 5), have their highest peak at 1 star and another beyond a dip."""
    found = np.zeros(len(probabilities), dtype=bool)
    for high in range(2, 5):
        dip = probabilities[:, 1:high].min(1)
        found |= probabilities[:, high] - dip >= DIP
    return found & (probabilities.argmax(1) == 0)


def draw_probabilities(fits: list[Fits], path: Path) -> str:
    """The average of all two-peaked rows, under a loss in each panel. They are chosen without their ratings."""
    chosen = [two_peaked(one.heads[SHOWN[0], 1].output) for one in fits]
    ratings = np.concatenate([one.ratings[rows] for one, rows in zip(fits, chosen, strict=True)])
    figure, panels = pyplot.subplots(2, 1, figsize=(5, 5.6), sharex=True, layout="constrained")
    error = ratings.std() / np.sqrt(len(ratings))
    said = [f"{len(ratings)} two-peaked pairs, whose ratings' mean is {ratings.mean():.2f} ± {error:.2f}"]
    for axes, loss, fine in zip(panels, SHOWN, (1, SUBDIVISIONS[-1]), strict=True):
        outputs = [one.heads[loss, fine].output[rows] for one, rows in zip(fits, chosen, strict=True)]
        shares, grid = np.concatenate(outputs).mean(0), np.linspace(1, 5, 4 * fine + 1)
        argmax, mean = grid[shares.argmax()], float(shares @ grid)
        axes.bar(grid, shares, 0.8 / fine, color="0.8", edgecolor="0.5")
        marks = [(argmax, "-", "argmax"), (mean, "--", "mean"), (ratings.mean(), ":", "best guess")]
        for place, line, name in marks:
            axes.axvline(place, color="black", linestyle=line, linewidth=2.5, label=f"{name} {place:.2f}")
        axes.set(title=f"{WORDS[loss]}, {len(grid)} classes", ylabel="probability")
        axes.set_ylim(0, 1.25 * shares.max())
        axes.legend(loc="upper right", frameon=False, fontsize=11)
        said.append(f"{loss}: argmax {argmax:.2f}, mean {mean:.2f}")
    panels[-1].set(xlabel="stars", xticks=range(1, 6))
    save(figure, path)
    return "; ".join(said)


def draw_errors(fits: list[Fits], path: Path) -> None:
    figure, axes = pyplot.subplots(figsize=(5, 5.6), layout="constrained")
    places = np.arange(len(SUBDIVISIONS))
    for loss, style in STYLES.items():
        argmax, mean = zip(*(errors(fits, loss, fine) for fine in SUBDIVISIONS), strict=True)
        axes.plot(places, argmax, **style, markersize=8, label=WORDS[loss])
        axes.plot(places, mean, **{**style, "linestyle": "none"}, markersize=5, markerfacecolor="white")
    rounded = [np.mean([one.rounded[fine] for one in fits]) for fine in SUBDIVISIONS]
    axes.plot(places, rounded, color="black", linestyle=":", linewidth=2, label="svdpp's value, rounded")
    axes.plot(0, mean_of(fits, "classifier"), color="black", marker="*", markersize=14, linestyle="none")
    axes.annotate("the notebook's classifier", (0.12, mean_of(fits, "classifier")), va="center")
    for name, side in (("pmf", "bottom"), ("svdpp", "top")):
        axes.axhline(mean_of(fits, name), color="0.6", linewidth=1, zorder=0)
        axes.annotate(name, (3.35, mean_of(fits, name)), va=side, ha="right")
    axes.plot([], [], color="black", marker="o", markerfacecolor="white", linestyle="none", label="open: of the mean")
    axes.set(xticks=places, xticklabels=[4 * fine + 1 for fine in SUBDIVISIONS], xlabel="classes", xlim=(-0.25, 3.4))
    axes.set(ylabel="MSE of the argmax", ylim=(0.71, None))
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=10)
    save(figure, path)


def save(figure: Any, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


if __name__ == "__main__":
    main()
