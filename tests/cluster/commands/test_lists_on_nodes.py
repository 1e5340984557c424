"""Lists for many users that the nodes of a real Ray cluster make."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from reeltune.cluster.commands import lists_on_nodes
from reeltune.cluster.commands.output_file import TableFile
from reeltune.cluster.commands.recommend import RecommendOptions, recommend
from reeltune.trainables import best_items, bundle
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data import Ids, Reading, Rows
from reeltune.trainables.data.shape import Shape
from tests import nodes
from tests.inside import reeltune
from tests.worlds import STARS

MODEL, SEEN, HERE, THERE = (Path(name) for name in ("model", "seen.csv", "here.csv", "there.csv"))


def made(name, users, items):
    """A bundle with weights drawn at random, and below it a table of pairs that users have seen."""
    torch.manual_seed(0)
    shape = Shape(users=users + 1, items=items + 1, scale=STARS)
    config = ARCHITECTURES[name].Config(factors=8)
    weights = ARCHITECTURES[name].Model.serving(config, shape, {}).state_dict()
    weights = {key: torch.randn_like(value) if value.dim() == 2 else value for key, value in weights.items()}
    settings = {"decoder": "argmax", "temperature": 1.0, "seed": 1, "data": "made up", "metrics": {}}
    of_users, of_items = (Ids(np.array([f"{kind}{at}" for at in range(n)])) for kind, n in (("u", users), ("i", items)))
    rated = Rows(number=np.arange(1), users=np.ones(1, np.int32), items=np.ones(1, np.int32), ratings=np.ones(1))
    bundle.save(MODEL, bundle.describe(name, config, STARS, **settings), weights, of_users, of_items, fitted=rated)
    places = np.random.default_rng(0).integers(0, [users, items], (users, 2))
    seen = pd.DataFrame({"user": of_users.text[places[:, 0]], "item": of_items.text[places[:, 1]]})
    seen.to_csv(SEEN, index=False)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_nodes_write_what_one_process_does():
    made("pmf", 4_500, 4_000)  # more pairs than one part takes
    words = ["recommend", str(MODEL), "--seen", str(SEEN), "--top", "3"]
    here = reeltune(*words, "-o", str(HERE))
    with nodes.cluster(2) as cluster:
        there = subprocess.run(
            [sys.executable, "-m", "reeltune", *words, "-o", str(THERE), "--address", cluster.address],
            env=nodes.environment(), capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
    assert there.returncode == 0, there.stderr
    assert there.stdout == here.stdout.replace(str(HERE), str(THERE))
    first, *others = there.stderr.splitlines()
    assert first == f"joining {cluster.address}"
    assert all(" users, " in line for line in others), "how far it is, on a slow machine"
    assert THERE.read_bytes() == HERE.read_bytes()
    assert len(pd.read_csv(THERE)) == 3 * 4_500


@pytest.mark.slow
@pytest.mark.parametrize("name", ["svdpp", "svdpp_classifier"])
def test_many_small_parts_go_with_what_their_users_have_seen(name, monkeypatch, resources):
    made(name, 50, 40)
    for module, pairs in ((best_items, 3 * 40), (lists_on_nodes, 7 * 40)):
        monkeypatch.setattr(module, "PAIRS", pairs)
    monkeypatch.setattr(best_items, "PRODUCTS", 3 * 40)
    options = RecommendOptions(users=None, seen=str(SEEN), top=5, at=None, reading=Reading())
    said = []
    for output, address in ((HERE, None), (THERE, "local")):
        with TableFile(output) as file:
            done = recommend(MODEL, options, address=address, write=file.write, say=said.append)
        assert (done.users, done.rows) == (50, 250)
    assert THERE.read_bytes() == HERE.read_bytes()
    assert said == ["starting Ray"]


def test_one_part_of_the_users_is_rated_here():
    made("pmf", 5, 4)
    done = reeltune("recommend", str(MODEL), "--seen", "none", "-o", str(THERE), "--address", "local")
    assert done.returncode == 0
    assert done.stderr.startswith("5 users of 4 items are one part: rated here, not on the cluster\n")
    assert len(pd.read_csv(THERE)) == 20


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("nowhere", "--address 'nowhere': has no port: nowhere:6379 on one of the nodes\n"),
        ("ray://nowhere:10001", "--address ray://nowhere:10001: recommend joins a cluster from one of its nodes"),
    ],
)
def test_an_address_that_cannot_be_joined_is_refused_before_the_model_is_loaded(address, message):
    MODEL.mkdir()
    done = reeltune("recommend", str(MODEL), "--seen", "none", "--address", address)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {message}")
    assert done.stderr.count("\n") == 1
