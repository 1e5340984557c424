"""Surprise: three of its algorithms, at their defaults."""

import numpy as np
from exchange import SEED, Steps, Tables, main
from surprise import SVD, Dataset, KNNBaseline, Reader, SVDpp
from surprise.prediction_algorithms.algo_base import AlgoBase


def steps(tables: Tables, algorithm: AlgoBase) -> Steps:
    data = Dataset.load_from_df(tables.fit[["user", "item", "rating"]], Reader(rating_scale=(1, 5)))
    rows = data.build_full_trainset()

    def predict() -> np.ndarray:
        pairs = tables.pairs.itertuples(index=False)
        return np.array([algorithm.predict(pair.user, pair.item).est for pair in pairs])

    return lambda: algorithm.fit(rows), predict


main(
    {
        "svd": lambda tables: steps(tables, SVD(random_state=SEED)),
        "svdpp": lambda tables: steps(tables, SVDpp(random_state=SEED)),
        "knn_baseline": lambda tables: steps(tables, KNNBaseline(verbose=False)),
    }
)
