"""What the shortcuts of a step on over a million ratings do: error and core seconds, with and without one of them.

    python benchmarks/large_steps.py float16 DATA... --architectures svdpp svdpp_classifier --seeds 1 2 3
    python benchmarks/large_steps.py matches DATA... --architectures pmf --set dropout=0.2 batch_size=16384

`svdpp` and its kin multiply the matrix of who rated what in every step, above a million training ratings in `float16`.
`matches`: above a million, pairs of a large batch are matched without writing out their vectors, by `svdpp`,
`svdpp_ordinal` and `pmf`, which then draws dropout for each user of a batch and not for each row.
Each of the DATA is read as `reeltune train` reads it, split, and fitted by the defaults both ways, with the same
seeds: the sign of a difference is as likely the one as the other if rounding does nothing but move numbers by a little.
Errors are of validation rows; the test rows are not looked at. Every fit has one thread.
"""

import argparse
import json
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import PropertyMock, patch

import torch

from reeltune.cluster.session.machine import description
from reeltune.trainables.architectures import pmf
from reeltune.trainables.architectures.parts import implicit
from reeltune.trainables.architectures.parts.sparse import Bags
from reeltune.trainables.architectures.parts.trunk import Trunk
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data.prepared import DataOptions, FitData, prepare
from reeltune.trainables.fitting.allocator import keep_memory
from reeltune.trainables.fitting.fit import Fit, on_device
from reeltune.trainables.fitting.loop import calibrate, evaluate, run

Changes = dict[str, float | str]  # of a configuration


@contextmanager
def without_matches() -> Iterator[None]:
    with (
        patch.object(Trunk, "has_matches", lambda trunk, users: False),
        patch.object(pmf.Model, "_has_matches", lambda model, users: False),
    ):
        yield


WITHOUT = {
    "float16": lambda: patch.object(Bags, "has_float16", PropertyMock(return_value=False)),
    "matches": without_matches,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shortcut", choices=WITHOUT)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--architectures", nargs="+", default=["svdpp"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="in place of a default")
    parser.add_argument("--above", type=int, default=implicit.WHOLE, help="training ratings, in place of a million")
    asked = parser.parse_args()
    implicit.WHOLE = asked.above
    changes = {name: json.loads(value) for name, value in (change.split("=") for change in asked.set)}
    torch.set_num_threads(1)
    keep_memory()  # as every worker does
    print(f"machine: {description()}, one thread")
    print("| data | architecture | seed | argmax-MSE without | with | difference | core s without | with |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for data in asked.data:
        seen = prepare(DataOptions(data=data)).seen
        if len(seen.train) <= asked.above:
            parser.error(f"{data}: {len(seen.train):,} training ratings take no shortcut: give a lower --above")
        for name in asked.architectures:
            differences = [compared(asked.shortcut, data, name, seen, seed, changes) for seed in asked.seeds]
            print(f"mean difference {statistics.fmean(differences):+.5f}", flush=True)
            if not any(differences):
                print("none at all: these fits take no such shortcut")


def compared(shortcut: str, data: str, name: str, seen: FitData, seed: int, changes: Changes) -> float:
    with WITHOUT[shortcut]():
        exact, exact_seconds = fitted(name, seen, seed, changes)
    found, seconds = fitted(name, seen, seed, changes)
    errors = f"{exact:.5f} | {found:.5f} | {found - exact:+.5f}"
    print(f"| {data} | `{name}` | {seed} | {errors} | {exact_seconds:.0f} | {seconds:.0f} |", flush=True)
    return found - exact


def fitted(name: str, seen: FitData, seed: int, changes: Changes) -> tuple[float, float]:
    """The error on validation rows and the core seconds of a fit by the defaults with these changes."""
    architecture = ARCHITECTURES[name]
    config = architecture.Config.model_validate(vars(architecture.reference(seen.shape)) | changes)
    start = time.process_time()
    fit = Fit(architecture, config, seen.shape, seen.train, seed=seed)
    for _ in run(fit):
        pass
    seconds = time.process_time() - start
    rows = on_device(seen.validation, fit.device)
    return evaluate(fit, rows, decoder="argmax", temperature=calibrate(fit, rows)).of("argmax"), seconds


if __name__ == "__main__":
    main()
