"""Top lists on MovieLens-100k: NDCG@10 and recall@10 of each architecture at its defaults, and beside LensKit's.

    python benchmarks/ranking.py
    python benchmarks/ranking.py --lenskit .venv-lenskit/bin/python    # `pip install lenskit==2025.8.1` there

Each architecture is fitted once on training rows, and its lists are judged on validation rows: no test row is read.
With `--lenskit`, LensKit judges the same lists, and the last column is the largest difference of any user's figure.
"""

import argparse
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from reeltune.cluster.session.machine import description
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data.prepared import DataOptions, Prepared, prepare
from reeltune.trainables.fitting.fit import Fit
from reeltune.trainables.fitting.loop import run
from reeltune.trainables.scoring.decoders import order
from reeltune.trainables.scoring.metrics import predict
from reeltune.trainables.scoring.ranking import TOP, Lists, Ranked, lists, ranked

HERE = Path(__file__).parent / "peers"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split-seed", type=int, default=1)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--only", nargs="+", default=list(ARCHITECTURES), help="architectures")
    parser.add_argument("--lenskit", type=Path, help="the Python of an environment that has LensKit")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    prepared = prepare(DataOptions(data="ml-100k", split_seed=arguments.split_seed))
    rows = prepared.split.validation
    asked = lists(rows, rows.users, prepared.split.train, prepared.shape.scale, items=prepared.shape.items)
    print(f"machine: {description()}; validation rows of split seed {arguments.split_seed}, {len(asked)} users")
    columns = (f"NDCG@{TOP}", f"recall@{TOP}", "seconds of a core", "LensKit's differ by")
    print(f"| lists of | {' | '.join(columns)} |\n| --- |{' ---: |' * len(columns)}")
    counts = np.bincount(prepared.split.train.items, minlength=asked.items)[1:].astype(float)
    show("the most rated items", np.tile(counts, (len(asked), 1)), asked, arguments.lenskit, 0.0)
    for name in arguments.only:
        scores, seconds = scored(name, prepared, asked, arguments.seed)
        show(f"`{name}`", scores, asked, arguments.lenskit, seconds)


def scored(name: str, prepared: Prepared, asked: Lists, seed: int) -> tuple[np.ndarray, float]:
    """The scores of all items for each user, and the processor's seconds to make them."""
    architecture, shape = ARCHITECTURES[name], prepared.shape
    fit = Fit(architecture, architecture.reference(shape), shape, prepared.split.train, seed=seed)
    for _ in run(fit):
        pass
    began = time.process_time()
    items = torch.arange(1, asked.items)
    users = torch.tensor(asked.users).long().repeat_interleave(len(items))
    output = predict(fit.model, users, items.repeat(len(asked)), chunk=1 << 12)
    scores = order(output, fit.model.grid, shape.scale, decoder="argmax", temperature=1.0)
    return scores.reshape(len(asked), -1).numpy(), time.process_time() - began


def show(label: str, scores: np.ndarray, asked: Lists, lenskit: Path | None, seconds: float) -> None:
    # LensKit has no ties: here the item of the lower number comes first, for both.
    unlike = np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1)
    began = time.process_time()
    found = ranked(asked, scores.copy())
    seconds += time.process_time() - began
    off = "" if lenskit is None else f"{difference(lenskit, asked, -unlike.astype(float)):.1g}"
    figures = f"{found.ndcg.mean():.4f} | {np.nanmean(found.recall):.4f}"
    print(f"| {label} | {figures} | {seconds:.2f} | {off} |", flush=True)


def difference(lenskit: Path, asked: Lists, scores: np.ndarray) -> float:
    """The largest difference between LensKit's figures and ours, of any user."""
    own = ranked(asked, scores)  # puts what was seen last
    best = np.argsort(-scores, axis=1)[:, :TOP]
    users = np.arange(len(asked))
    with tempfile.TemporaryDirectory() as folder:
        frame = {
            "user": users.repeat(TOP),
            "item": best.ravel() + 1,
            "rank": np.tile(np.arange(1, TOP + 1), len(users)),
        }
        pd.DataFrame(frame).to_parquet(Path(folder) / "lists.parquet")
        truth = {"user": asked.person, "item": asked.item, "rating": asked.gain, "liked": asked.liked}
        pd.DataFrame(truth).to_parquet(Path(folder) / "truth.parquet")
        subprocess.run([lenskit, HERE / "rank_lenskit.py", folder], check=True)
        theirs = pd.read_parquet(Path(folder) / "lenskit.parquet").sort_values("user")
    return largest(own, Ranked(ndcg=theirs["ndcg"].to_numpy(), recall=theirs["recall"].to_numpy()))


def largest(own: Ranked, theirs: Ranked) -> float:
    assert np.array_equal(np.isnan(own.recall), np.isnan(theirs.recall)), "the same users have no recall"
    return max(float(np.nanmax(np.abs(own.ndcg - theirs.ndcg))), float(np.nanmax(np.abs(own.recall - theirs.recall))))


if __name__ == "__main__":
    main()
