"""What the bundles of a search's refits say of their models, and which folders of bundles stay."""

import pytest

from reeltune.cluster.judging.bundles import write_bundles
from reeltune.cluster.judging.outcome import Searched
from reeltune.cluster.runs.answer import ArchitectureResult, BaselineResult, Result
from reeltune.cluster.runs.folder import Ledger, RunFolder
from reeltune.cluster.search.choice import SEEDS, Choice
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.bundle import read_description
from reeltune.trainables.data.prepared import DataOptions, prepare
from reeltune.trainables.description import Judged
from tests.cluster.judging.test_ensemble import refit


@pytest.fixture(scope="module")
def prepared():
    return prepare(DataOptions(data="synthetic:users=60,items=40,ratings=1500,noise=0.3", split_seed=1))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "run").mkdir()
    return RunFolder(tmp_path / "run")


def outcome(prepared, folder, *, lost=()):
    """A search of `bias`, and of these others whose refits are all lost."""
    config = ARCHITECTURES["bias"].Config().model_dump()
    refits = [refit("bias", config, place, prepared) for place in range(SEEDS)]
    metrics = {"argmax_mse": 1.0, "mean_mse": 1.0}
    configs = {"bias": config, "ensemble": {"weights": {"bias": 1.0}}}
    return Searched(
        architectures=[*configs, *lost],
        ledger=Ledger(folder.ledger),
        choices={n: Choice(config=each, value=1.0, metrics=metrics, temperature=1.0) for n, each in configs.items()},
        orders={("bias", place): order for place, (order, _) in enumerate(refits)},
        fitted={came.key: came for _, came in refits},
        decoder="argmax",
        seed=1,
    )


def test_bundles_say_how_their_models_stood_and_on_what_data(prepared, folder):
    searched = outcome(prepared, folder)
    test = {"argmax_mse": 0.9, "mean_mse": 0.9}
    stood = {"test": test, "gain": 0.1, "ci95": (0.05, 0.15), "verdict": "beats"}
    result = Result(
        baseline=BaselineResult(name="pmf", architecture="pmf", test={"argmax_mse": 1.0}),
        architectures={"bias": ArchitectureResult(**stood), "ensemble": ArchitectureResult(test=test)},
    )
    write_bundles(searched.complete(), result, searched, prepared, folder, look=2)
    bias, ensemble = (read_description(folder.model(name)) for name in searched.choices)
    assert bias.judged == Judged(
        metric="argmax-MSE",
        error=0.9,
        baseline="baseline (pmf, reference)",
        baseline_error=1.0,
        gain=0.1,
        ci95=(0.05, 0.15),
        verdict="beats",
        look=2,
    )
    assert ensemble.judged is None, "it has no verdict"
    assert bias.fitted_on == ensemble.fitted_on
    assert bias.fitted_on.hash == prepared.ratings.fingerprint()
    assert (bias.fitted_on.fitted, bias.fitted_on.validation, bias.fitted_on.test) == (1200, 120, 300)
    assert bias.fitted_on.refitted
    assert "Weights of its members: bias 1.000." in (folder.model("ensemble") / "README.md").read_text()


def test_of_the_folders_beside_the_bundles_only_those_of_lost_refits_are_removed(prepared, folder):
    searched = outcome(prepared, folder, lost=["pmf", "svdpp"])
    folder.model("pmf").mkdir(parents=True)  # before a resume that lost its refits
    folder.model("pmf-next").mkdir()  # of `update --output`
    folder.model("svdpp.onnx").write_bytes(b"exported")
    judged = {name: ArchitectureResult(test={"argmax_mse": 0.9}) for name in searched.choices}
    result = Result(baseline=BaselineResult(name="pmf"), architectures=judged)
    write_bundles(searched.complete(), result, searched, prepared, folder, look=1)
    there = {path.name for path in (folder.path / "models").iterdir()}
    assert there == {"bias", "ensemble", "pmf-next", "svdpp.onnx"}
