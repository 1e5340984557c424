"""A search on a sample of users, from its trials to the verdict, in which one finalist of an architecture is left."""

import json
from collections import Counter

import numpy as np
import pytest

import reeltune as rt
from reeltune.cluster.runs.folder import Ledger
from reeltune.cluster.search.choice import SEEDS, confirmed, finalists
from tests import inside

DATA = "synthetic:ratings=5000"
# Beside its reference `pmf` has configurations that learn nothing, and `bias` a single one: of two nobody is dropped.
SPACE = """
[pmf]
only = true
epochs = 1
[pmf.learning_rate]
choices = [1e-6, 2e-6, 3e-6, 4e-6]

[bias]
only = true
item_damping = 4.0
"""


@pytest.fixture(scope="module")
def run(resources, tmp_path_factory):
    """The finished search, and what it said."""
    folder = tmp_path_factory.mktemp("sampled")
    (folder / "space.toml").write_text(SPACE)
    with pytest.MonkeyPatch.context() as patch, inside.ray_stays(lean=True):
        patch.chdir(folder)
        patch.setenv("REELTUNE_CACHE", str(folder / "cache"))
        words = ["pmf", "bias", "--data", DATA, "--space", "space.toml", "--trials", "4", "--no-asha"]
        done = inside.reeltune("tune", *words, "--sample", "2000", "--name", "one")
        assert done.returncode == 0, done.stderr
        return rt.open(folder / "runs" / "one"), done


def test_the_one_left_is_confirmed_once_and_two_that_change_places_three_times_each(run):
    entries = Ledger(run[0].folder.ledger)
    counts = {name: Counter(map(confirmed, entries.of("confirm", name))) for name in ("pmf", "bias")}
    assert counts["pmf"] == {entry.trial: 1 for entry in finalists(entries, "pmf")}
    assert list(counts["bias"].values()) == [SEEDS] * 2
    assert run[0].folder.read_record().asked.sample == 2000


def test_the_reference_is_chosen_and_judged_by_its_refits(run):
    verdict = json.loads(run[0].folder.verdict.read_text())
    pmf = verdict["architectures"]["pmf"]
    assert pmf["config"]["epochs"] > 1
    assert len(pmf["dropped"]) == 2
    assert pmf["validation"]["argmax_mse"] == Ledger(run[0].folder.ledger).of("confirm", "pmf")[0].value
    assert len(verdict["seeds"]["pmf"]["metrics"]) == SEEDS
    assert pmf["verdict"] is not None


def test_the_ensemble_has_both_and_all_bundles_have_intervals(run):
    verdict = json.loads(run[0].folder.verdict.read_text())
    assert list(verdict["architectures"]["ensemble"]["config"]["weights"]) == ["pmf", "bias"]
    assert list(verdict["intervals"]) == ["pmf", "bias", "ensemble"]
    rows = {name: run[0].model(name).description.spread.rows for name in verdict["intervals"]}
    held_out = 400  # a tenth of the 4,000 rows that are not for the test
    assert rows == {"pmf": held_out, "bias": SEEDS * held_out, "ensemble": held_out}
    assert all(np.isfinite(found["width80"]) for found in verdict["intervals"].values())


def test_it_says_that_architectures_are_compared_on_the_first_fold_and_names_nothing_as_lost(run):
    errors = run[1].stderr
    assert "the one left was not confirmed further: pmf; architectures are compared on fold 1\n" in errors
    assert "lacks fold" not in errors
    assert "(once if over 1% behind the best of them, or if no other is left; else twice, and a third time if" in errors
    assert "2 configurations were dropped after 1 confirmation" in run[1].stdout
