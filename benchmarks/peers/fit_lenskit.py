"""LensKit: its bias model and its biased matrix factorisation by alternating least squares, at their defaults."""

import numpy as np
from exchange import SEED, Steps, Tables, main
from lenskit.als import BiasedMFScorer
from lenskit.basic import BiasScorer
from lenskit.batch import predict as predict_all
from lenskit.data import from_interactions_df
from lenskit.pipeline import Component, predict_pipeline
from lenskit.training import TrainingOptions


def steps(tables: Tables, scorer: Component) -> Steps:
    columns = {"user": "user_id", "item": "item_id"}
    # LensKit refuses a pair that is rated twice (films listed under two numbers): the later rating stays.
    once = tables.fit.sort_values("timestamp", kind="stable").drop_duplicates(["user", "item"], keep="last")
    data = from_interactions_df(once[["user", "item", "rating"]].rename(columns=columns))
    wanted = tables.pairs.rename(columns=columns)
    pipeline = predict_pipeline(scorer)

    def predict() -> np.ndarray:
        found = predict_all(pipeline, wanted.drop_duplicates(), n_jobs=1).to_df()
        return wanted.merge(found, on=["user_id", "item_id"], how="left")["score"].to_numpy()

    return lambda: pipeline.train(data, TrainingOptions(rng=SEED)), predict


main(
    {
        "bias": lambda tables: steps(tables, BiasScorer()),
        "biased_mf": lambda tables: steps(tables, BiasedMFScorer()),
    }
)
