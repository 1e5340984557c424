"""Writes, once at a run's end, what TensorBoard shows of each architecture's chosen configuration."""

import shutil
from collections.abc import Iterable

import numpy as np
from matplotlib.figure import Figure
from sklearn.calibration import CalibrationDisplay
from sklearn.metrics import ConfusionMatrixDisplay
from torch.utils.tensorboard import SummaryWriter

from reeltune.cluster.runs.answer import Answer, ReliabilityBin
from reeltune.cluster.runs.folder import RunFolder
from reeltune.trainables.architectures import ENSEMBLE
from reeltune.trainables.architectures.registry import SHIPPED, Registry
from reeltune.trainables.bundle import Predictor, restore

CHOSEN = "chosen"  # the folder below the run's event files
MOST_ITEMS = 10_000  # in the projector: a browser cannot take more


def write(folder: RunFolder, registry: Registry = SHIPPED) -> None:
    """Write, by architecture, figures from `verdict.json`, and the bundle's weights and item vectors."""
    answer = Answer.read(folder.verdict)
    chosen = folder.tensorboard / CHOSEN
    shutil.rmtree(chosen, ignore_errors=True)  # from the same run, before it went on with more trials
    for name in answer.architectures:
        if not folder.model(name).exists():
            continue
        with SummaryWriter(str(chosen / name)) as writer:
            _write_figures(writer, name, answer)
            if name != ENSEMBLE:  # its members show their own weights
                _write_weights(writer, restore(folder.model(name), registry))


def _write_figures(writer: SummaryWriter, name: str, answer: Answer) -> None:
    if name in answer.by_value:
        writer.add_figure("confusion", confusion(answer.by_value[name].confusion, answer.by_value[name].values))
    if name in answer.probabilities:
        found = answer.probabilities[name]
        writer.add_figure("calibration", calibration(found.reliability, ece=found.ece))


def _write_weights(writer: SummaryWriter, predictor: Predictor) -> None:
    weights = predictor.model.state_dict()
    for name, tensor in weights.items():
        if tensor.is_floating_point() and tensor.dim() > 0 and name != "grid":
            writer.add_histogram(f"weights/{name}", tensor, 0)
    vectors = predictor.model.item_vectors()
    if vectors is not None:
        titles = labels(predictor.items.text)
        rows = most_rated(predictor.item_ratings[1:])  # index 0 is 'unknown'
        shown = vectors.detach()[1 + rows].double().numpy().round(4)  # written as text
        writer.add_embedding(shown, metadata=[titles[row] for row in rows], tag="items")


def confusion(counts: list[list[int]], values: list[str]) -> Figure:
    """The confusion matrix, one row per true rating: counts as text, shares of the row as shades."""
    matrix = np.array(counts)
    side = min(1 + 0.7 * len(values), 14)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    shares = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    display = ConfusionMatrixDisplay(shares, display_labels=values)
    display.plot(ax=axes, cmap="Greys", colorbar=False, im_kw={"vmin": 0, "vmax": 1})
    for text, count, share in zip(display.text_.ravel(), matrix.ravel(), shares.ravel(), strict=True):
        text.set(text=f"{count:,}", color="white" if share > 0.5 else "black")
    axes.set(xlabel="predicted", ylabel="rated")
    return figure


def calibration(reliability: list[ReliabilityBin], *, ece: float) -> Figure:
    """The reliability curve: how often the most probable rating is right, by its probability."""
    filled = [each for each in reliability if each.count]
    confidence = np.array([each.confidence for each in filled])
    frequency = np.array([each.frequency for each in filled])
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    CalibrationDisplay(frequency, confidence, confidence).plot(ax=axes, color="black")
    axes.set(xlabel="probability given", ylabel="share that was right", title=f"expected calibration error {ece:.3f}")
    return figure


def labels(titles: Iterable[str]) -> list[str]:
    """Titles as lines of a one-column table. A title may hold any text: tabs and line ends become spaces."""
    return [_line(title) for title in titles]


def _line(title: str) -> str:
    # A lone surrogate has no bytes in UTF-8.
    words = "".join(c if c.isprintable() else " " for c in title).split()
    return " ".join(words) or "(no title)"


def most_rated(ratings: np.ndarray) -> np.ndarray:
    """The positions, ascending, of the items to show: all, or the MOST_ITEMS most rated."""
    return np.sort(np.argsort(-ratings, kind="stable")[:MOST_ITEMS])
