"""The main job on MovieLens-100k on given splits: the table of the README. Takes about 4 minutes a split.

    python benchmarks/searched.py                   # for the record: split seeds 10, 11, 12
    python benchmarks/searched.py --split-seeds 1   # to develop: look at its validation columns alone

Runs `reeltune tune` for each split and averages what it says. The runs stay in runs/searched-SEED.
"""

import argparse
import json
import subprocess
import sys
from typing import Any

import numpy as np

from reeltune.cluster.session.machine import description


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split-seeds", type=int, nargs="+", default=[10, 11, 12])
    parser.add_argument("--trials", type=int, default=20)
    arguments = parser.parse_args()
    results = [tuned(seed, arguments.trials) for seed in arguments.split_seeds]
    print(f"machine: {description()}")
    print(f"`reeltune tune --trials {arguments.trials}`, split seeds {arguments.split_seeds}, mean; ", end="")
    print(f"{np.mean([result['seconds'] for result in results]):.0f} s each")
    print("| architecture | validation argmax-MSE | test argmax-MSE | gain over baseline | over tuned pmf | verdicts |")
    print("| --- | ---: | ---: | ---: | ---: | --- |")
    baseline = np.mean([result["baseline"]["test"]["argmax_mse"] for result in results])
    print(f"| baseline: pmf at the reference settings | | {baseline:.4f} | | | |")
    for name in results[0]["architectures"]:
        print(row(name, [result["architectures"][name] for result in results]))


def tuned(split_seed: int, trials: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "reeltune", "tune", "--split-seed", str(split_seed), "--trials", str(trials)]
    name = f"searched-{split_seed}"
    done = subprocess.run([*command, "--name", name, "--json"], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def row(name: str, found: list[dict[str, Any]]) -> str:
    def mean(*path: str) -> float:
        values = []
        for one in found:
            value: Any = one
            for key in path:
                value = value[key]
            values.append(value)
        return float(np.mean(values))

    figures = [mean("validation", "argmax_mse"), mean("test", "argmax_mse")]
    gains = [mean("gain"), mean("gain_over_tuned_pmf")]
    verdicts = ", ".join(one["verdict"] for one in found)
    shown = " | ".join([*(f"{value:.4f}" for value in figures), *(f"{value:+.4f}" for value in gains)])
    return f"| {name} | {shown} | {verdicts} |"


if __name__ == "__main__":
    main()
