"""fastai: the reference notebook's dot-product model and its settings."""

import numpy as np
import torch
from exchange import SEED, Steps, Tables, main
from fastai.collab import CollabDataLoaders, collab_learner
from fastai.tabular.core import TabDataLoader
from fastai.torch_core import set_seed


def as_it_comes(tables: Tables) -> Steps:
    return steps(tables, dl_type=None)  # TabWeightedDL, which draws the rows of an epoch with replacement


def tab_data_loader(tables: Tables) -> Steps:
    return steps(tables, dl_type=TabDataLoader)


def steps(tables: Tables, *, dl_type: type[TabDataLoader] | None) -> Steps:
    torch.set_num_threads(1)
    set_seed(SEED)
    ratings = tables.fit[["user", "item", "rating"]].astype({"rating": "float32"})
    # fastai wants a validation part of its own: it gets one row, the least there is.
    loaders = CollabDataLoaders.from_df(ratings, bs=64, valid_pct=1.5 / len(ratings), seed=SEED, dl_type=dl_type)
    learner = collab_learner(loaders, n_factors=50, y_range=(0, 5.5))

    def fit() -> None:
        with learner.no_bar(), learner.no_logging():
            learner.fit_one_cycle(5, 5e-3, wd=0.1)

    def predict() -> np.ndarray:
        with learner.no_bar(), learner.no_logging():
            return learner.get_preds(dl=loaders.test_dl(tables.pairs))[0].numpy().ravel()

    return fit, predict


main({"as_it_comes": as_it_comes, "tab_data_loader": tab_data_loader})
