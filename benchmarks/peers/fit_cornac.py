"""Cornac: matrix factorisation as in its README's first example, which is on MovieLens-100k."""

import numpy as np
from cornac.data import Dataset
from cornac.models import MF
from exchange import SEED, Steps, Tables, main


def mf(tables: Tables) -> Steps:
    rows = Dataset.from_uir(tables.fit[["user", "item", "rating"]].itertuples(index=False), seed=SEED)
    model = MF(k=10, max_iter=25, learning_rate=0.01, lambda_reg=0.02, use_bias=True, seed=SEED)
    # An index beyond the last is what Cornac takes for an unknown user or item.
    users = tables.pairs["user"].map(rows.uid_map).fillna(rows.num_users).astype(int)
    items = tables.pairs["item"].map(rows.iid_map).fillna(rows.num_items).astype(int)

    def predict() -> np.ndarray:
        return np.array([model.rate(user, item) for user, item in zip(users, items, strict=True)])

    return lambda: model.fit(rows), predict


main({"mf": mf})
