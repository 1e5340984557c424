"""What our dropout does to errors and seconds, beside torch's: MovieLens-100k, several training seeds of each.

    python benchmarks/dropout.py

Fits are trained on training rows and judged on validation rows: no test row is read. The two take turns, seed by seed.
About 2 minutes on a quiet core.
"""

import argparse
import time
from unittest.mock import patch

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from reeltune.cluster.session.machine import description
from reeltune.trainables.architectures import autorec, svdpp_classifier
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data.prepared import DataOptions, Prepared, prepare
from reeltune.trainables.data.tensors import on_device
from reeltune.trainables.fitting.fit import Fit
from reeltune.trainables.fitting.loop import evaluate, run

# The architectures whose defaults drop something that is drawn in this way, and torch's in place of ours.
TORCHS = {"autorec": (autorec, "dropout", F.dropout), "svdpp_classifier": (svdpp_classifier, "Dropout", nn.Dropout)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split-seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seeds", type=int, default=10, help="training seeds of each split")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"machine: {description()}; MSE of validation rows' mean prediction, split seeds {arguments.split_seeds}")
    print("| architecture | torch's | ours | difference, and its standard error | seconds, ours / torch's |")
    print("| --- | ---: | ---: | ---: | ---: |")
    data = [prepare(DataOptions(data="ml-100k", split_seed=seed)) for seed in arguments.split_seeds]
    for name, torchs in TORCHS.items():
        ours, theirs = np.empty((2, len(data), arguments.seeds, 2))
        for place in np.ndindex(ours.shape[:2]):
            ours[place] = fitted(name, data[place[0]], seed=place[1])
            with patch.object(*torchs):
                theirs[place] = fitted(name, data[place[0]], seed=place[1])
        show(name, ours, theirs)


def fitted(name: str, prepared: Prepared, *, seed: int) -> tuple[float, float]:
    """The error on validation rows, and the processor's seconds of the fit."""
    architecture, parts = ARCHITECTURES[name], prepared.split
    began = time.process_time()
    fit = Fit(architecture, architecture.reference(prepared.shape), prepared.shape, parts.train, seed=seed)
    for _ in run(fit):
        pass
    seconds = time.process_time() - began
    return evaluate(fit, on_device(parts.validation, fit.device), decoder="mean").of("mean"), seconds


def show(name: str, ours: np.ndarray, theirs: np.ndarray) -> None:
    """`ours` and `theirs` are errors and seconds, shape (splits, seeds, 2)."""
    (own, seconds), (other, longer) = ours.mean((0, 1)), theirs.mean((0, 1))
    # Seeds share neither masks nor, after the first step, anything else: two samples of each split.
    spread = (ours[..., 0].var(1, ddof=1) + theirs[..., 0].var(1, ddof=1)) / ours.shape[1]
    error = np.sqrt(spread.sum()) / len(spread)
    shown = f"{other:.4f} | {own:.4f} | {own - other:+.4f} ± {error:.4f} | {seconds / longer:.2f}"
    print(f"| `{name}` | {shown} |", flush=True)


if __name__ == "__main__":
    main()
