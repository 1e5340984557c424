"""What a trial costs in Ray Tune beyond its fit: 40 trials one after another in a reused actor.

    python benchmarks/trial_overhead.py

The cost is the time from one trial's end to the next one's, less the seconds that the trial says it worked.
"""

import argparse
import itertools
import tempfile
import time
from pathlib import Path

import numpy as np

from cluster.dealer import Dealer
from cluster.machine import description
from cluster.prepared import DataOptions, prepare
from cluster.ray_session import session
from cluster.run_folder import Entry, Ledger, RunFolder
from cluster.search import search, studies
from cluster.slots import Slots
from cluster.trial import TrialData
from search_spaces import read_spaces
from trainables.architectures import ARCHITECTURES

SPACE = "[pmf]\nonly = true\nbatch_size = 512\n[pmf.learning_rate]\nlow = 1e-3\nhigh = 1e-2\nlog = true\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=40)
    arguments = parser.parse_args()
    prepared = prepare(DataOptions(data="ml-100k"))
    ended: list[tuple[float, Entry]] = []
    with tempfile.TemporaryDirectory() as path, session(None, data_bytes=prepared.bytes):
        folder = RunFolder(Path(path))
        (folder.path / "space.toml").write_text(SPACE)
        spaces = read_spaces(folder.path / "space.toml", {"pmf": ARCHITECTURES["pmf"]})
        ledger = Ledger(folder.ledger)
        made, _ = studies(folder, ledger, spaces, prepared.shape, seed=1)
        dealer = Dealer(
            made,
            ledger,
            trials=arguments.trials,
            seed=1,
            unfinished={},
            ended=lambda entry: ended.append((time.monotonic(), entry)),
        )
        parts = prepared.split
        data = TrialData(
            train=parts.train,
            validation=parts.validation,
            split="random",
            shape=prepared.shape,
            decoder="argmax",
            store=folder.store,
        )
        search(dealer, data, folder, Slots(count=1, cpus=1, gpus=0), halve=False)
    costs = [later - earlier - entry.seconds for (earlier, _), (later, entry) in itertools.pairwise(ended)]
    print(f"machine: {description()}")
    print(f"{len(costs)} trials after the first: fit {np.median([entry.seconds for _, entry in ended]):.2f} s (median)")
    print(f"beyond the fit: median {np.median(costs):.3f} s, 90th percentile {np.quantile(costs, 0.9):.3f} s")


if __name__ == "__main__":
    main()
