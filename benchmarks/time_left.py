"""How wrong the time left is that `reeltune tune` shows, over a run. Takes as long as the run: about 4 minutes.

    python benchmarks/time_left.py                                # the main job on MovieLens-100k
    python benchmarks/time_left.py --smoke-test --trials 4        # any options of `tune`

Each estimate is logged as a trial or a refit ends. The error is the estimate's over what was left in truth, until the
command ended, by shares of the whole. `tune --dry-run` is asked for its own estimate first.
"""

import json
import re
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import numpy as np

from reeltune.cluster.session.machine import description

SHARES = (0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 1.0)
LINE = re.compile(r"^(?P<at>\S+ \S+) INFO .*: time left: (?P<left>[0-9.]+) s$")


def main() -> None:
    words = sys.argv[1:]
    if words in (["-h"], ["--help"]):
        print(__doc__)
        return
    planned = estimated(words)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        start = time.time()
        name = f"time-left-{start:.0f}"
        command = [*reeltune("--log-file", str(log)), "tune", *words, "--name", name, "--json"]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        end = time.time()
        said = [(at, left) for at, left in map(of_line, log.read_text().splitlines()) if left is not None]
    print(f"machine: {description()}")
    print(f"`reeltune tune {' '.join(words)}` took {end - start:.0f} s; --dry-run said {planned:.0f} s")
    print("| share of the run | estimates | error, median | largest |")
    print("| ---: | ---: | ---: | ---: |")
    for low, high in pairwise(SHARES):
        within = [left / (end - at) - 1 for at, left in said if low <= (at - start) / (end - start) < high]
        if within:
            largest = max(within, key=abs)
            print(f"| {low:.0%} to {high:.0%} | {len(within)} | {np.median(within):+.0%} | {largest:+.0%} |")


def reeltune(*words: str) -> list[str]:
    return [sys.executable, "-m", "reeltune", *words]


def estimated(words: list[str]) -> float:
    """The seconds that `--dry-run` says."""
    done = subprocess.run(
        [*reeltune("tune"), *words, "--dry-run", "--json"], stdout=subprocess.PIPE, text=True, check=True
    )
    return float(json.loads(done.stdout)["estimate_seconds"])


def of_line(line: str) -> tuple[float, float | None]:
    """When a line of the log was written, in seconds since 1970, and the seconds left that it says, if it does."""
    match = LINE.match(line)
    if match is None:
        return 0.0, None
    return datetime.strptime(match["at"], "%Y-%m-%d %H:%M:%S,%f").timestamp(), float(match["left"])


if __name__ == "__main__":
    main()
