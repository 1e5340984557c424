"""How many test rows lie in a bundle's intervals: as `predict` gives them, and with each row's weight."""

from dataclasses import replace

import numpy as np
import pytest

from reeltune.cluster.judging import intervals
from reeltune.cluster.judging.intervals import interval_scores
from reeltune.cluster.judging.outcome import Searched
from reeltune.cluster.runs.folder import Ledger, RunFolder
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.bundle import describe, load, save
from reeltune.trainables.data.prepared import DataOptions, prepare
from reeltune.trainables.fitting.fit import Fit
from reeltune.trainables.fitting.loop import run
from reeltune.trainables.scoring.spread import Spread
from tests.worlds import small_config

SPREAD = Spread(rows=300, noise=0.25, user=0.5, item=0.5, q80=1.0, q95=2.0)


@pytest.fixture(scope="module")
def prepared():
    return prepare(DataOptions(data="synthetic:users=60,items=40,ratings=1500,noise=0.3", split_seed=1))


@pytest.fixture
def searched(prepared, tmp_path):
    """A search whose bundle of pmf has intervals, that of bias has none, and svdpp has no bundle."""
    folder = RunFolder(tmp_path / "one")
    for name, spread in {"pmf": SPREAD, "bias": None}.items():
        fit = Fit(ARCHITECTURES[name], small_config(name), prepared.shape, prepared.split.fitting, seed=1)
        list(run(fit))
        about = {"decoder": "argmax", "temperature": 1.0, "seed": 1, "data": "made up", "metrics": {}}
        described = describe(name, fit.config, prepared.shape.scale, spread=spread, **about)
        ids = prepared.ratings.users, prepared.ratings.items
        save(folder.model(name), described, fit.model.served().state_dict(), *ids, fitted=prepared.split.fitting)
    names, ledger = ["pmf", "bias", "svdpp"], Ledger(folder.ledger)
    return folder, Searched(
        architectures=names, ledger=ledger, choices={}, orders={}, fitted={}, decoder="argmax", seed=1
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_shares_and_widths_are_those_of_what_predict_gives(searched, prepared, weighted, monkeypatch):
    monkeypatch.setattr(intervals, "CHUNK", 100)
    folder, found = searched
    rows = prepared.split.test._rows
    weights = np.arange(1.0, 1 + len(rows)) if weighted else None
    scores = interval_scores(found, replace(rows, weights=weights), folder)
    assert list(scores) == ["pmf"]
    _, ends = load(folder.model("pmf")).interval_indices(rows.users, rows.items)
    for low, high, within, width in ((0, 1, "within80", "width80"), (2, 3, "within95", "width95")):
        lies = (ends[:, low] <= rows.ratings) & (rows.ratings <= ends[:, high])
        assert getattr(scores["pmf"], within) == pytest.approx(np.average(lies, weights=weights))
        wide = ends[:, high] - ends[:, low]
        assert getattr(scores["pmf"], width) == pytest.approx(np.average(wide, weights=weights))
