"""What the bundles of a search's refits say of their models."""

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


def test_bundles_say_how_their_models_stood_and_on_what_data(tmp_path):
    prepared = prepare(DataOptions(data="synthetic:users=60,items=40,ratings=1500,noise=0.3", split_seed=1))
    folder, config = RunFolder(tmp_path / "run"), ARCHITECTURES["bias"].Config().model_dump()
    folder.path.mkdir()
    refits = [refit("bias", config, place, prepared) for place in range(SEEDS)]
    metrics = {"argmax_mse": 1.0, "mean_mse": 1.0}
    configs = {"bias": config, "ensemble": {"weights": {"bias": 1.0}}}
    searched = Searched(
        architectures=list(configs),
        ledger=Ledger(folder.ledger),
        choices={n: Choice(config=each, value=1.0, metrics=metrics, temperature=1.0) for n, each in configs.items()},
        orders={("bias", place): order for place, (order, _) in enumerate(refits)},
        fitted={came.key: came for _, came in refits},
        decoder="argmax",
        seed=1,
    )
    test = {"argmax_mse": 0.9, "mean_mse": 0.9}
    stood = {"test": test, "gain": 0.1, "ci95": (0.05, 0.15), "verdict": "beats"}
    result = Result(
        baseline=BaselineResult(name="pmf", architecture="pmf", test=metrics),
        architectures={"bias": ArchitectureResult(**stood), "ensemble": ArchitectureResult(test=test)},
    )
    write_bundles(searched.complete(), result, searched, prepared, folder, look=2)
    bias, ensemble = (read_description(folder.model(name)) for name in configs)
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
