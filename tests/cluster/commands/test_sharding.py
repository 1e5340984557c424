"""What fits with sharded users refuse before anything starts, and what is said of them."""

import pytest

from reeltune.cluster.api.command import tune_command
from reeltune.cluster.api.options import data_options, tune_options
from reeltune.cluster.commands import tune
from reeltune.cluster.commands.ask import ask
from reeltune.cluster.commands.dry_run import dry_run
from reeltune.cluster.commands.sharding import about_search, about_sharded
from reeltune.cluster.search.choice import Choice
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.errors import InputError

WORLD = "synthetic:users=40,items=30,ratings=600"
PMF = ARCHITECTURES["pmf"]


def asked(*names, **options):
    return tune_options(data_options(WORLD), list(names), shard="users", **options)


def test_several_workers_are_said_to_be_slow_with_small_batches_and_to_drop_other_vectors():
    config = PMF.Config(batch_size=64, dropout=0.1)
    small, masks = about_sharded("users", config, workers=2)
    assert "with batches of 64 rows workers mostly wait" in small
    assert "dropout draws other masks" in masks
    assert about_sharded("users", config.model_copy(update={"batch_size": 4096, "dropout": 0.0}), workers=2) == []
    assert about_sharded("users", config, workers=1) == about_sharded(None, config, workers=2) == []


def test_a_search_says_the_same_once_for_all_that_it_may_fit():
    fits = [(PMF, PMF.Config(batch_size=size, dropout=share)) for size in (64, 4096) for share in (0.0, 0.3)]
    small, masks = about_search("users", fits, workers=2, left_out=())
    assert "with batches below 2,048 rows (pmf) workers mostly wait" in small
    assert "dropout draws other masks" in masks
    assert about_search("users", fits, workers=1, left_out=()) == about_search(None, fits, workers=2, left_out=()) == []


def test_what_all_fits_of_a_search_are_given(tmp_path):
    plan = ask(asked("pmf"))
    assert tune._seen_by_trials(plan).shard == plan.asked.shard == "users"
    config = PMF.Config().model_dump()
    choices = {"pmf": Choice(config=config, value=1.0, metrics={}, temperature=1.0)}
    assert {order.shard for order in tune._refits(plan, choices).values()} == {"users"}
    assert "--shard users" in tune_command(plan.options)


def test_without_names_what_can_be_sharded_is_searched_and_a_line_says_what_is_left_out():
    plan = ask(asked())
    assert "bias" not in plan.spaces
    assert {"pmf", "svdpp", "classifier"} <= set(plan.spaces)
    [line] = [line for line in plan.notes if "the search is without" in line]
    assert "without bias" in line
    assert line.endswith("all users on each worker")
    assert "bias" in ask(tune_options(data_options(WORLD))).spaces


SPACE = """
[svdpp]
only = true
[svdpp.id_dropout]
low = 0.0
high = 0.2
"""


def with_id_dropout(tmp_path):
    (tmp_path / "space.toml").write_text(SPACE)
    return asked("svdpp", space=tmp_path / "space.toml")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (lambda _: asked("pmf", "bias"), "--shard users: bias needs all users on each worker; pmf, "),
        (lambda _: asked("pmf", baseline="bias"), "--baseline bias: --shard users: bias needs all users on each"),
        (with_id_dropout, "--shard users: svdpp with id_dropout = 0.2 needs all users on each worker"),
        (
            lambda _: asked("pmf", workers=65),
            "--workers 65: --shard users deals the users of 432 ratings to 64 buckets",
        ),
        (lambda _: asked("pmf", workers_per_trial=65), "--workers-per-trial 65: --shard users deals the users of 432"),
    ],
)
def test_what_cannot_be_sharded_is_refused_before_anything_starts(options, said, tmp_path):
    with pytest.raises(InputError) as refused:
        ask(options(tmp_path))
    assert str(refused.value).startswith(said)
    with pytest.raises(InputError) as again:
        dry_run(options(tmp_path))
    assert str(again.value) == str(refused.value)
