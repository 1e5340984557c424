"""What products in float16 do to fits of over a million ratings: error and core seconds, beside those in float32.

    python benchmarks/float16.py DATA... --architectures svdpp svdpp_classifier --seeds 1 2 3

`svdpp` and its kin multiply the matrix of who rated what in every step, above a million training ratings in float16.
Each of the DATA is read as `reeltune train` reads it, split, and fitted by the defaults both ways, with the same
seeds: the sign of a difference is as likely the one as the other if rounding does nothing but move numbers by a little.
Errors are of validation rows; the test rows are not looked at. Every fit has one thread.
"""

import argparse
import statistics
import time
from unittest.mock import PropertyMock, patch

import torch

from reeltune.cluster.session.machine import description
from reeltune.trainables.architectures.parts import implicit
from reeltune.trainables.architectures.parts.sparse import Bags
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data.prepared import DataOptions, FitData, prepare
from reeltune.trainables.fitting.allocator import keep_memory
from reeltune.trainables.fitting.fit import Fit, on_device
from reeltune.trainables.fitting.loop import calibrate, evaluate, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--architectures", nargs="+", default=["svdpp"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, help="in place of the default")
    parser.add_argument("--above", type=int, default=implicit.WHOLE, help="training ratings, in place of a million")
    asked = parser.parse_args()
    implicit.WHOLE = asked.above
    torch.set_num_threads(1)
    keep_memory()  # as every worker does
    print(f"machine: {description()}, one thread")
    print("| data | architecture | seed | argmax-MSE, float32 | float16 | difference | core s, float32 | float16 |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for data in asked.data:
        seen = prepare(DataOptions(data=data)).seen
        if len(seen.train) <= asked.above:
            parser.error(
                f"{data}: {len(seen.train):,} training ratings are multiplied in float32: give a lower --above"
            )
        for name in asked.architectures:
            differences = [compared(data, name, seen, seed, asked.epochs) for seed in asked.seeds]
            print(f"mean difference {statistics.fmean(differences):+.5f}", flush=True)


def compared(data: str, name: str, seen: FitData, seed: int, epochs: int | None) -> float:
    with patch.object(Bags, "has_float16", PropertyMock(return_value=False)):
        exact, exact_seconds = fitted(name, seen, seed, epochs)
    rounded, seconds = fitted(name, seen, seed, epochs)
    errors = f"{exact:.5f} | {rounded:.5f} | {rounded - exact:+.5f}"
    print(f"| {data} | `{name}` | {seed} | {errors} | {exact_seconds:.0f} | {seconds:.0f} |", flush=True)
    return rounded - exact


def fitted(name: str, seen: FitData, seed: int, epochs: int | None) -> tuple[float, float]:
    """The error on validation rows and the core seconds of a fit by the defaults."""
    config = ARCHITECTURES[name].reference(seen.shape)
    if epochs is not None:
        config = config.model_copy(update={"epochs": epochs})
    start = time.process_time()
    fit = Fit(ARCHITECTURES[name], config, seen.shape, seen.train, seed=seed)
    for _ in run(fit):
        pass
    seconds = time.process_time() - start
    rows = on_device(seen.validation, fit.device)
    return evaluate(fit, rows, decoder="argmax", temperature=calibrate(fit, rows)).of("argmax"), seconds


if __name__ == "__main__":
    main()
