"""What `reeltune predict` costs on a large file: by default 10 million pairs. About 5 minutes on 2 cores.

    python benchmarks/large_predict.py
    python benchmarks/large_predict.py --rows 2000000 --architectures svdpp

The models have made-up weights for 20,000 users and 5,000 items, and pairs are drawn at random from these and a
hundredth that the model does not know. Seconds are of the whole command, with its start; the peak is of its process, a
part of which (0.4 to 0.5 GiB) the libraries take: the line of 1,000 pairs shows it. For Linux.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from large_recommend import made

from reeltune.cluster.session.machine import description

USERS, ITEMS = 20_000, 5_000
FEW = 1_000
AT_ONCE = 1_000_000  # rows that are made at a time


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architectures", nargs="+", default=["pmf", "svdpp_ordinal"])
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000_000])
    asked = parser.parse_args()
    print(f"machine: {description()}")
    print("| architecture | file | rows | seconds | µs a row | peak MiB |\n| --- | --- | ---: | ---: | ---: | ---: |")
    for name in asked.architectures:
        with tempfile.TemporaryDirectory() as place:
            made(name, Path(place), USERS, ITEMS)
            for ending in ("csv", "parquet"):
                for rows in (FEW, *asked.rows):
                    pairs = write_pairs(Path(place) / f"pairs.{ending}", rows)
                    seconds, peak = predicted(Path(place) / "model", pairs)
                    cells = f"{rows:,} | {seconds:.1f} | {seconds / rows * 1e6:.2f} | {peak:.0f}"
                    print(f"| `{name}` | {ending} | {cells} |", flush=True)


def write_pairs(file: Path, rows: int) -> Path:
    """Write so many random pairs."""
    random = np.random.default_rng(0)
    schema = pa.schema([("user", pa.string()), ("item", pa.string())])
    writer = pa.csv.CSVWriter if file.suffix == ".csv" else pa.parquet.ParquetWriter
    with writer(file, schema) as out:
        for start in range(0, rows, AT_ONCE):
            count = min(AT_ONCE, rows - start)
            drawn = {"user": ("u", USERS), "item": ("i", ITEMS)}
            columns = [
                pa.array([f"{letter}{at}" for at in random.integers(0, int(of * 1.01), count).tolist()])
                for letter, of in drawn.values()
            ]
            out.write_table(pa.table(columns, schema=schema))
    return file


def predicted(model: Path, pairs: Path) -> tuple[float, float]:
    """Seconds and peak MiB of the command, in a process of its own."""
    output = pairs.with_name(f"rated{pairs.suffix}")
    command = [sys.executable, "-c", MEASURED, "predict", str(model), str(pairs), "-o", str(output)]
    start = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return time.perf_counter() - start, int(done.stdout.splitlines()[-1]) / 1024


# Not the peak that `resource` gives: a process begins with that of the one which started it.
MEASURED = """
import re, pathlib
from reeltune.cluster.cli.app import main
try:
    main()
finally:
    print(re.search(r"VmHWM:\\s+(\\d+) kB", pathlib.Path("/proc/self/status").read_text())[1])
"""

if __name__ == "__main__":
    main()
