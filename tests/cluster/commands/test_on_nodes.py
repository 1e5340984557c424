"""Large files that the nodes of a real Ray cluster rate."""

from pathlib import Path

import pandas as pd
import pytest

from reeltune.cluster.commands.predict import predict_file
from reeltune.trainables import bundle
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data import Reading, load_data
from reeltune.trainables.errors import InputError
from reeltune.trainables.fitting.fit import Fit
from reeltune.trainables.fitting.loop import run
from tests.inside import reeltune
from tests.worlds import shape_of, small_config

MODEL, PAIRS, HERE, THERE = (Path(name) for name in ("model", "pairs.csv", "here.csv", "there.csv"))


@pytest.fixture
def pairs():
    """A bundle, and below it in the current folder a table of pairs whose text is a large file."""
    data = load_data("synthetic:users=40,items=30,ratings=600")
    fit = Fit(ARCHITECTURES["pmf"], small_config("pmf"), shape_of(data), data.rows, seed=1)
    list(run(fit))
    settings = {"decoder": "argmax", "temperature": 1.0, "seed": 1, "data": data.name, "metrics": {}}
    description = bundle.describe("pmf", fit.config, shape_of(data).scale, **settings)
    bundle.save(MODEL, description, fit.model.served().state_dict(), data.users, data.items, fitted=data.rows)
    users, items = data.users.text[data.rows.users - 1], data.items.text[data.rows.items - 1]
    table = pd.concat([pd.DataFrame({"user": users, "item": items})] * 5, ignore_index=True)
    return table.assign(note="x" * 7_000, row=range(len(table)))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_nodes_write_what_one_process_does(pairs, assert_two_nodes_write_the_same):
    pairs.loc[[0, 2_999], "user"], pairs.loc[2_000, "item"] = "new", None
    pairs.to_csv(PAIRS, index=False)
    words = ["predict", str(MODEL), str(PAIRS), "--missing-ids", "drop"]
    assert_two_nodes_write_the_same(*words, unit="rows")
    assert len(pd.read_csv(THERE)) == 2_999


@pytest.mark.slow
def test_an_error_of_a_node_is_the_one_line_of_here_and_leaves_no_output(pairs, resources):
    pairs.loc[2_500, "user"] = None
    pairs.to_csv(PAIRS, index=False)
    with pytest.raises(InputError, match=r"^pairs.csv:2502: the id in column 'user' is missing"):
        predict_file(MODEL, str(PAIRS), THERE, reading=Reading(), address="local")
    assert sorted(path.name for path in Path().iterdir()) == ["model", "pairs.csv"]


def test_an_address_that_cannot_be_joined_is_refused_before_anything_is_read(assert_address_is_refused):
    assert_address_is_refused("predict", "model", "pairs.csv", "-o", "there.csv")


def test_a_small_file_is_rated_here(pairs):
    pairs.head(9).drop(columns="note").to_csv(PAIRS, index=False)
    done = reeltune("predict", str(MODEL), str(PAIRS), "-o", str(THERE), "--address", "local")
    assert done.returncode == 0
    assert done.stderr.startswith("pairs.csv is one table (a small file, or the model needs times): rated here")
    assert len(pd.read_csv(THERE)) == 9
