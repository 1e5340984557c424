"""What it costs to read ratings: 2 million made-up rows of 4 columns, 100 by each user. About a minute.

    python benchmarks/large_read.py                       # the table of docs/how-it-works.md
    python benchmarks/large_read.py --ratings 10000000    # gigabytes of disk below --folder

Ids are text in the CSV file and in one of the Parquet files, whole numbers in the other. Each file is read by a process
of its own, from the file to indexed ratings. Core seconds are user and system time, without the loading of libraries,
which take 0.3 GiB of the peak.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from reeltune.cluster.session.machine import description
from reeltune.trainables.data import load_data

PER_USER, PER_ITEM = 100, 400


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ratings", type=int, default=2_000_000)
    parser.add_argument("--folder", type=Path, help="where the files are made, and left")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(measured(asked.one)))
        return
    print(f"machine: {description()}; {asked.ratings:,} ratings")
    print("| file | MiB | core s | peak GiB | content |\n| --- | ---: | ---: | ---: | --- |")
    with tempfile.TemporaryDirectory() as place:
        for file in made(asked.folder or Path(place), asked.ratings):
            command = [sys.executable, __file__, "--one", str(file)]
            found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
            cells = [f"{file.stat().st_size / 2**20:.0f}", f"{found['core']:.1f}", f"{found['peak']:.2f}"]
            print(f"| {file.name} | {' | '.join(cells)} | {found['hash'][:12]} |", flush=True)


def made(folder: Path, ratings: int) -> list[Path]:
    """Files of the same ratings."""
    draw = np.random.default_rng(0)
    users, items = ratings // PER_USER, ratings // PER_ITEM
    numbers = pd.DataFrame(
        {
            "user": draw.integers(0, users, ratings),
            "item": (draw.random(ratings) ** 2 * items).astype(int),
            "rating": draw.integers(1, 11, ratings) / 2,
            "timestamp": draw.integers(1_000_000_000, 1_600_000_000, ratings),
        }
    )
    text = numbers.assign(user="u" + numbers["user"].astype(str), item="i" + numbers["item"].astype(str))
    files = [folder / name for name in ("text.csv", "text.parquet", "numbers.parquet")]
    text.to_csv(files[0], index=False)
    text.to_parquet(files[1], index=False)
    numbers.to_parquet(files[2], index=False)
    return files


def measured(file: str) -> dict[str, float | str]:
    start = time.process_time()
    ratings = load_data(file)
    core = time.process_time() - start
    return {"core": core, "peak": peak(), "hash": ratings.fingerprint()}


def peak() -> float:
    """The process's peak memory in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 2**30


if __name__ == "__main__":
    main()
