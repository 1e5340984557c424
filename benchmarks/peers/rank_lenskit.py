"""LensKit's NDCG@10 and recall@10 of lists, by user: `rank_lenskit.py FOLDER`, as benchmarks/ranking.py calls it.

`lists.parquet` has the columns user, item and rank, `truth.parquet` user, item, rating and liked. The figures are
written to `lenskit.parquet`.
"""

import sys
from pathlib import Path

import pandas as pd
from lenskit.data import ItemList
from lenskit.metrics import NDCG, Recall
from lenskit.metrics.ranking import LogRankWeight

folder = Path(sys.argv[1])
best = dict(list(pd.read_parquet(folder / "lists.parquet").groupby("user")))
ndcg, recall = NDCG(n=10, gain="rating", weight=LogRankWeight(offset=1)), Recall(n=10)
found = []
for user, truth in pd.read_parquet(folder / "truth.parquet").groupby("user"):
    own = ItemList(best[user].sort_values("rank")["item"].to_numpy(), ordered=True)
    rated = ItemList(truth["item"].to_numpy(), rating=truth["rating"].to_numpy())
    liked = ItemList(truth["item"][truth["liked"]].to_numpy())
    shares = recall.measure_list(own, liked) if len(liked) else None
    found.append({"user": user, "ndcg": ndcg.measure_list(own, rated), "recall": shares})
pd.DataFrame(found).to_parquet(folder / "lenskit.parquet", index=False)
