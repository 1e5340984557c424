"""Lists for many users that the nodes of a real Ray cluster make."""

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
def test_two_nodes_write_what_one_process_does(assert_two_nodes_write_the_same):
    made("pmf", 4_500, 4_000)  # more pairs than one part takes
    words = ["recommend", str(MODEL), "--seen", str(SEEN), "--top", "3"]
    assert_two_nodes_write_the_same(*words, unit="users")
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


def test_an_address_that_cannot_be_joined_is_refused_before_the_model_is_loaded(assert_address_is_refused):
    MODEL.mkdir()
    assert_address_is_refused("recommend", str(MODEL), "--seen", "none")
