"""What each verb loads. Ray, torch and what draws take seconds: a verb that needs none of them loads none."""

import json
import os
import subprocess
import sys

import pytest

from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.bundle import describe, save
from reeltune.trainables.data import load_data
from reeltune.trainables.fitting.fit import Fit
from reeltune.trainables.fitting.loop import run
from tests.reported import details, result, write_run
from tests.worlds import shape_of, small_config

HEAVY = (
    "ray",
    "torch",
    "torch._dynamo",  # torch's compiler, which `torch.optim` loads
    "optuna",
    "optuna.visualization",
    "pandas",
    "scipy",
    "scipy.stats",
    "sklearn",
    "matplotlib",
    "plotly",
    "jinja2",
    "tensorboard",
)
WORLD = "synthetic:users=40,items=30,ratings=600"
# In this order each verb may load what those before it may, and this besides.
VERBS = {
    "--help": ([], set()),
    "data": ([WORLD], {"pandas"}),
    "predict": (["model", "pairs.csv", "-o", "rated.csv"], {"torch"}),
    "recommend": (["model", "--seen", "none", "-o", "best.csv"], set()),
    "serve": (["nowhere", "--port", "0"], set()),
    "train": (["svdpp_classifier", "--data", WORLD, "--set", "epochs=1", "--name", "fit"], {"scipy", "tensorboard"}),
    "architectures": ([], {"optuna"}),
    "tune": (["pmf", "svdpp", "--data", WORLD, "--dry-run"], set()),
    "lr-find": (["pmf", "--data", WORLD, "-o", "rates.png"], {"matplotlib"}),
    "compare": (["one", "one"], {"scipy.stats"}),
    "report": (["one"], {"optuna.visualization", "plotly", "jinja2", "sklearn"}),
}
SCRIPT = """
import contextlib, io, json, sys
heavy, verbs = json.loads(sys.argv[1])
from reeltune.cluster.cli.app import main
for verb, words in verbs.items():
    sys.argv = ["reeltune", verb, *words]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        main()
    print(json.dumps([verb, [name for name in heavy if name in sys.modules]]))
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """What had been loaded after each verb, in one process that does them in order."""
    folder, data = tmp_path_factory.mktemp("verbs"), load_data(WORLD)
    fit = Fit(ARCHITECTURES["bias"], small_config("bias"), shape_of(data), data.rows, seed=1)
    list(run(fit))
    scale = shape_of(data).scale
    about = describe("bias", fit.config, scale, decoder="argmax", temperature=1.0, seed=1, data=WORLD, metrics={})
    save(folder / "model", about, fit.model.served().state_dict(), data.users, data.items, fitted=data.rows)
    write_run(folder / "one", verdict={**result(), **details(["baseline", "pmf", "classifier"])})
    (folder / "pairs.csv").write_text("user,item\nu1,i1\nu2,i2\n")
    verbs = json.dumps([HEAVY, {verb: words for verb, (words, _) in VERBS.items()}])
    environment = {**os.environ, "REELTUNE_CACHE": str(folder / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, verbs], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    assert (folder / "rated.csv").exists(), done.stderr
    assert (folder / "best.csv").exists(), done.stderr
    assert (folder / "runs" / "fit" / "models").exists(), done.stderr
    assert (folder / "rates.png").exists(), done.stderr
    assert (folder / "one" / "report.html").exists(), done.stderr
    return dict(map(json.loads, done.stdout.splitlines()))


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_loads_what_it_needs_and_no_more(loaded, verb):
    before = list(VERBS)[: list(VERBS).index(verb) + 1]
    assert set(loaded[verb]) <= {name for each in before for name in VERBS[each][1]}


# The processes of a search, by what they import. In this order each may load what those before it may, and more.
PROCESSES = {
    "a mailbox": ["data_parallel.mailbox"],
    "fits": ["search.trial", "search.lane_trial", "data_parallel.lane_refit"],
    "a search": ["commands.tune"],
}
IN_TURN = """
import importlib, json, sys
for who, names in json.loads(sys.argv[1]).items():
    for name in names:
        importlib.import_module(f"reeltune.cluster.{name}")
    print(json.dumps([who, list(sys.modules)]))
"""


@pytest.fixture(scope="module")
def loaded_by():
    """What had been loaded after the imports of each process, in one process that does them in order."""
    command = [sys.executable, "-c", IN_TURN, json.dumps(PROCESSES)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {who: set(names) for who, names in map(json.loads, done.stdout.splitlines())}


def modules_after(imported):
    code = f"import sys, {imported}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_a_program_that_imports_reeltune_loads_none_of_it():
    assert not {*HEAVY, "numpy", "pyarrow", "typer", "pydantic", "rich"} & modules_after("reeltune")


def test_reading_ratings_in_a_program_loads_neither_torch_nor_ray():
    assert not {"torch", "ray", "optuna"} & modules_after("reeltune.cluster.api.ratings")


def test_the_process_of_a_mailbox_loads_no_torch(loaded_by):
    assert not {"torch", "pandas", "scipy"} & loaded_by["a mailbox"]


def test_a_process_that_fits_loads_nothing_that_chooses_what_to_fit(loaded_by):
    assert "torch" in loaded_by["fits"]
    assert not {"optuna", "scipy", "sklearn", "matplotlib"} & loaded_by["fits"]


def test_the_driver_of_a_search_loads_nothing_that_judges_or_draws_before_it_needs_it(loaded_by):
    assert not {"scipy", "sklearn", "matplotlib", "plotly", "optuna.visualization", "jinja2"} & loaded_by["a search"]
