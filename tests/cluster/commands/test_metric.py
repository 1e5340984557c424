"""`--metric`: a whole search by each metric, from trials to report."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reeltune.cluster.runs.folder import Ledger
from reeltune.trainables.scoring.metric_table import Objective
from tests import inside
from tests.boards import events_of

WORLD = "synthetic:users=40,items=25,ratings=700,noise=0.4"
SEEDS = ("", ".seed2", ".seed3")


def errors(frame, name, metric):
    """Each row's error by a predictor, mean over the seeds of which there are columns."""
    columns = [f"{name}{seed}" for seed in SEEDS if f"{name}{seed}" in frame]
    if metric == "mae":
        return np.mean([(frame[column] - frame["rating"]).abs() for column in columns], axis=0)
    return np.mean([frame[f"{metric}:{column}"] for column in columns], axis=0)


@pytest.mark.parametrize(
    "metric", ["rps", pytest.param("mae", marks=pytest.mark.slow), pytest.param("log_loss", marks=pytest.mark.slow)]
)
def test_a_search_minimises_judges_and_names_the_metric_that_is_asked_for(metric, lean_ray):
    words = ("tune", "bias", "svdpp_classifier", "--data", WORLD, "--trials", "1", "--baseline", "bias")
    done = inside.reeltune(*words, "--metric", metric, "--name", "one", "--json")
    assert done.returncode == 0, done.stderr
    result, by = json.loads(done.stdout), Objective(metric=metric)
    assert result["metric"] == metric
    noise = "ratings without probabilities (by bias) get Gaussian noise"
    assert (noise in done.stderr) == by.measure.probabilities
    assert f"--metric {metric}: the ensemble's weights minimise the squared error all the same" in done.stderr
    run = Path("runs/one")
    for entry in Ledger(run / "trials.jsonl").entries:
        assert entry.value == entry.metrics[metric]
    found = result["architectures"]
    assert result["winner"] == min(found, key=lambda name: found[name]["validation"][metric])
    frame = pd.read_parquet(run / "predictions.parquet")
    baseline = errors(frame, "baseline", metric)
    assert result["baseline"]["test"][metric] == pytest.approx(baseline.mean(), rel=1e-5)
    for name, each in found.items():
        assert each["test"][metric] == pytest.approx(errors(frame, name, metric).mean(), rel=1e-5)
        assert each["gain"] == pytest.approx((baseline - errors(frame, name, metric)).mean(), abs=1e-6)
    assert found["bias"]["verdict"] == "is the baseline"
    page = (run / "report.md").read_text()
    assert f"| test {by.measure.name} |" in page
    assert f": {by.label} {found[result['winner']]['test'][metric]:.4f}" in page
    tags = events_of(run, "svdpp_classifier-000").Tags()["scalars"]
    assert f"{metric}/validation" in tags
    changed = inside.reeltune(*words, "--name", "one", "--resume")
    assert f"--resume: metric was '{metric}' in run one and is 'mse' now" in changed.stderr
