"""A fit with sharded users is one fit, whatever the number of workers: real processes, talking over the loopback."""

import uuid
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing

from reeltune.trainables.architectures.registry import Registry
from reeltune.trainables.architectures.source import Source
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data import load_data, split
from reeltune.trainables.errors import FitFailed
from reeltune.trainables.fitting import loop
from reeltune.trainables.fitting.blocks import copy_shared, of_users
from reeltune.trainables.fitting.fit import Fit, on_device
from reeltune.trainables.fitting.sharded import ShardedFit, why_not_sharded
from reeltune.trainables.scoring.decoders import decode
from reeltune.trainables.scoring.metrics import predict
from tests import two_towers
from tests.models import dropping
from tests.worlds import features_of, rows_of, shape_of, small_config

EQUAL = 5e-6  # what predictions of ratings from 1 to 5 may differ by: rounding
SHARDED = [name for name, each in ARCHITECTURES.items() if why_not_sharded(each, each.Config()) is None]
STOPPED = 37  # the step at which two workers stop, within the second epoch
NOBODY = 3  # users all of whose rows are held out
WORLDS = pytest.mark.parametrize("world", [2, pytest.param(4, marks=pytest.mark.slow)])
SIDES = "svdpp with side tables and a pull"
WEIGHED = ["pmf with weights", "svdpp_classifier with weights"]
CASES = [*SHARDED, SIDES, *WEIGHED]
QUICK = [
    "embedding_nn",
    "autorec",
    SIDES,
    "svdpp_classifier with weights",
]  # on several workers: tables with layers and batch norm, sums, the trunk
ALONE = pytest.mark.parametrize("name", CASES)
EVERY = pytest.mark.parametrize(
    "name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in CASES if name not in QUICK)]
)


@cache
def parts():
    """Rows to fit on, and rows to measure on, some of them of users without a row to fit on."""
    data = load_data("synthetic:users=150,items=40,ratings=3000")
    rows = split(data.rows, seed=0)
    cold = rows.train.users <= NOBODY
    held_out = rows.validation.joined(rows.train.take(np.flatnonzero(cold)))
    return rows.train.take(np.flatnonzero(~cold)), held_out, shape_of(data)


def architecture_of(name):
    return ARCHITECTURES[name.split()[0]]


def new_fit(name, kind=ShardedFit, **changes):
    fitted, _, shape = parts()
    plain = name.split()[0]
    config = small_config(
        plain, **{**dropping(plain, 0), "epochs": 3, **changes, **({"bias_pull": 0.5} if name == SIDES else {})}
    )
    if name == SIDES:
        draw = np.random.default_rng(0)
        sides = (features_of(draw.random((rows, 5)) > 0.6) for rows in (shape.users, shape.items))
        shape = replace(shape, **dict(zip(("user_features", "item_features"), sides, strict=True)))
    return kind(architecture_of(name), config, shape, weighed(fitted, name), seed=3)


def weighed(rows, name):
    """The rows, each with a weight of 1, 2 or 3 in a case of weights."""
    often = np.random.default_rng(len(rows)).integers(1, 4, len(rows)).astype(np.float64)
    return replace(rows, weights=often) if name in WEIGHED else rows


def advanced(fit, steps):
    while fit.step < steps:
        fit.advance()
    return fit


def crossed(model, shape):
    """The ratings of all pairs: of classes, their mean."""
    pairs = torch.cartesian_prod(torch.arange(shape.users), torch.arange(shape.items))
    output = predict(model, pairs[:, 0], pairs[:, 1])
    return decode(output, model.grid, shape.scale, decoder="mean", temperature=1.0)


def ended(fit, name):
    """What the end of a fit of this case gives on this worker."""
    _, held_out, shape = parts()
    held_out = weighed(held_out, name)
    reports = list(loop.run(fit, validation=held_out, metric="rps"))
    noise = loop.calibrate(fit, on_device(held_out, fit.device), metric="rps")
    model, rows = fit.whole()
    ratings = crossed(model, shape) if fit.rank == 0 else None
    return {"reports": reports, "noise": noise, "ratings": ratings, "rows": len(rows), "held": len(fit.rows)}


def work(rank, world, meeting, folder, names):
    """A fit of each of these on several workers. Two keep the state of another that they stop; four go on from it."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=world)
    for name in names:
        torch.save(ended(new_fit(name), name), f"{folder}/{name}-{world}-{rank}.pt")
        if world == 2:
            torch.save(advanced(new_fit(name), STOPPED).state(), f"{folder}/{name}-state-{rank}.pt")
        else:
            fit = new_fit(name)
            fit.load_state(stopped(folder, name))
            torch.save(ended(fit, name), f"{folder}/{name}-resumed-{rank}.pt")
    dist.destroy_process_group()


def stopped(folder, name):
    """What two workers kept, put together as a reader of it does."""
    states = [torch.load(f"{folder}/{name}-state-{rank}.pt", weights_only=True) for rank in range(2)]
    return {**states[0], "buckets": states[0]["buckets"] | states[1]["buckets"]}


def started(world, folder, names):
    """The folder in which so many workers have left what they found of these."""
    meeting = f"{folder}/meeting-{uuid.uuid4().hex}"
    multiprocessing.spawn(work, args=(world, meeting, str(folder), names), nprocs=world)
    return folder


@pytest.fixture(scope="module")
def two_quick(tmp_path_factory):
    return started(2, tmp_path_factory.mktemp("workers"), QUICK)


@pytest.fixture(scope="module")
def two_of_all(two_quick):
    """In the same folder."""
    return started(2, two_quick, [name for name in CASES if name not in QUICK])


@pytest.fixture(scope="module")
def four(two_of_all):
    """In the same folder."""
    return started(4, two_of_all, CASES)


@pytest.fixture
def two(name, request):
    return request.getfixturevalue("two_quick" if name in QUICK else "two_of_all")


@pytest.fixture
def folder(world, request):
    return request.getfixturevalue({2: "two", 4: "four"}[world])


@pytest.fixture(scope="module")
def alone():
    return {name: ended(new_fit(name), name) for name in CASES}


def found(folder, name, what, worker=0):
    return torch.load(folder / f"{name}-{what}-{worker}.pt", weights_only=False)


@EVERY
@WORLDS
def test_predictions_do_not_depend_on_the_number_of_workers(folder, alone, name, world):
    ratings = found(folder, name, world)["ratings"]
    assert ratings.std() > 0.05, "it has learnt something"
    assert (ratings - alone[name]["ratings"]).abs().max() < EQUAL


@EVERY
@WORLDS
def test_every_worker_holds_the_rows_of_its_own_users_alone(folder, alone, name, world):
    held = [found(folder, name, world, worker)["held"] for worker in range(world)]
    assert sum(held) == alone[name]["held"] == found(folder, name, world)["rows"]
    assert max(held) < 1.2 * sum(held) / world


@EVERY
@WORLDS
def test_all_workers_report_what_one_would(folder, alone, name, world):
    every = [found(folder, name, world, worker) for worker in range(world)]
    assert all(each["reports"] == every[0]["reports"] and each["noise"] == every[0]["noise"] for each in every)
    assert every[0]["noise"] == pytest.approx(alone[name]["noise"], rel=1e-3)  # the least of a flat curve
    for one, other in zip(every[0]["reports"], alone[name]["reports"], strict=True):
        assert (one.step, one.whole, one.save) == (other.step, other.whole, other.save)
        assert one.train_loss == pytest.approx(other.train_loss, rel=1e-5)
        assert one.validation.of("mean") == pytest.approx(other.validation.of("mean"), rel=1e-4)  # by the noise
        assert one.validation.rps == pytest.approx(other.validation.rps, rel=1e-4)


@EVERY
@pytest.mark.slow
def test_a_fit_stopped_at_two_workers_goes_on_with_four(four, alone, name):
    resumed = found(four, name, "resumed")
    assert (resumed["ratings"] - alone[name]["ratings"]).abs().max() < EQUAL
    assert resumed["reports"][0].train_loss == pytest.approx(alone[name]["reports"][1].train_loss, rel=1e-5)


@EVERY
def test_a_fit_stopped_at_two_workers_goes_on_with_one(two, alone, name):
    fit = new_fit(name)
    fit.load_state(stopped(two, name))
    assert fit.step == STOPPED
    assert (ended(fit, name)["ratings"] - alone[name]["ratings"]).abs().max() < EQUAL


@ALONE
def test_it_is_the_fit_that_has_all_users_in_one_model_and_the_same_batches(alone, name):
    _, _, shape = parts()
    sharded = new_fit(name)
    fit = new_fit(name, Fit)
    copy_shared(sharded.model, fit.model)
    for key, rows in of_users(sharded.model).items():
        of_users(fit.model)[key][np.append(0, sharded.own)] = rows

    def batch(epoch, number):
        sharded.step = fit.step
        rows = sharded._batch(epoch, number)
        return replace(rows, users=torch.from_numpy(sharded.own)[rows.users - 1])

    fit._batch = batch
    fit._loss = lambda output, rows, number: fit._mean_loss(output, rows)
    advanced(fit, fit.steps)
    assert (crossed(fit.model, shape) - alone[name]["ratings"]).abs().max() < EQUAL


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("bias", {}, "needs all users on each worker"),
        ("autorec", {}, None),
        ("svdpp", {"id_dropout": 0.1}, "with id_dropout = 0.1 needs all users on each worker"),
        ("svdpp_ordinal", {"time": "day"}, "with time = 'day' needs all users on each worker"),
        ("svdpp", {}, None),
    ],
)
def test_what_cannot_be_sharded_says_why(name, settings, said):
    why = why_not_sharded(ARCHITECTURES[name], ARCHITECTURES[name].Config(**settings))
    assert (why and why.split(" (")[0]) == said


BLOCKS = 'return {"user_tower.0.weight": (slice(0, len(self.user_tower[0].weight)),)}'
WRONG_BLOCKS = {
    "return {}": "the size of `user_tower.0.weight` depends on the number of users: `user_blocks` must name their rows",
    'return {"user_tower.0.weight": (slice(0, 1),)}': "names 1 rows of `user_tower.0.weight` where there are 2 users",
    "return super().user_blocks()": "the size of `user_tower.0.weight` depends on the number of users",
}


def own(**changes):
    """The two towers as somebody's own file, with some lines changed."""
    text = Path(two_towers.__file__).read_text()
    for line, other in changes.items():
        assert line in text
        text = text.replace(line, other)
    return Registry(sources={"two_towers": Source(name="two_towers", file="two_towers.py", text=text)})["two_towers"]


@pytest.mark.parametrize("other", WRONG_BLOCKS)
def test_an_own_model_that_names_other_rows_than_its_users_is_refused_before_the_first_step(other):
    fitted, _, shape = parts()
    architecture = own(**{BLOCKS: other})
    assert why_not_sharded(architecture, architecture.Config()) is None
    with pytest.raises(FitFailed, match=r"^two_towers\.py: breaks the contract: ") as refused:
        ShardedFit(architecture, architecture.Config(), shape, fitted, seed=0)
    assert WRONG_BLOCKS[other] in str(refused.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"def user_blocks": "def no_user_blocks"}, "does not say which rows are its users', in `user_blocks`"),
        ({"def user_blocks": "def finish(self, *_): ...\n    def user_blocks"}, "has a `finish`, which needs all rows"),
        ({}, None),
    ],
)
def test_an_own_architecture_that_cannot_be_sharded_says_why(change, said):
    architecture = own(**change)
    why = why_not_sharded(architecture, architecture.Config())
    assert (why and why.startswith(said)) == (said and True)


def test_an_own_model_may_look_at_the_rows_of_all_users_unless_they_are_in_files():
    fitted, _, shape = parts()
    line = "self.mean.fill_(rows.mean_rating())"
    of_all = "self.mean.fill_(self.everyone.rows().ratings.max())"
    taken = "    def shard(self, everyone):\n        self.everyone = everyone"
    architecture = own(**{line: f"{of_all}\n\n{taken}"})
    fit = ShardedFit(architecture, architecture.Config(), shape, fitted, seed=0)
    assert fit.model.mean == fitted.ratings.max()
    fit.given = None
    with pytest.raises(FitFailed, match="looks at the rows of all users"):
        fit.model.see(fit.rows)


@EVERY
def test_a_stopped_fit_goes_on_bit_for_bit_on_as_many_workers(name):
    config = {"dropout": 0.3}
    through, stopped = (advanced(new_fit(name, **config), steps) for steps in (60, STOPPED))
    resumed = new_fit(name, **config)
    resumed.load_state(stopped.state())
    advanced(resumed, 60)
    for key, rows in of_users(resumed.model).items():
        rows[0] = of_users(through.model)[key][0]  # nobody's
    for key, tensor in through.model.state_dict().items():
        assert torch.equal(tensor, resumed.model.state_dict()[key]), key


def test_a_worker_may_have_no_row_of_a_batch_and_no_user(small_shape):
    """Two users: 62 buckets are empty."""
    rows = rows_of([1, 1, 2, 2], [1, 2, 1, 2], [1.0, 2.0, 3.0, 4.0])
    fit = ShardedFit(ARCHITECTURES["pmf"], small_config("pmf", batch_size=2), small_shape, rows, seed=0)
    seen = [len(fit._batch(*divmod(step, fit.steps_per_epoch))) for step in range(fit.steps)]
    assert sum(seen) == 4 * fit.epochs
    assert all(torch.isfinite(advanced(fit, step + 1).loss_sum) for step in range(fit.steps))


@EVERY
def test_a_fit_that_goes_on_from_its_last_step_rates_everybody_the_same(name):
    first = new_fit(name)
    advanced(first, first.steps)
    resumed = new_fit(name)
    resumed.load_state(first.state())
    ratings = [crossed(fit.whole()[0], fit.shape) for fit in (first, resumed)]  # of unknown users too
    assert torch.equal(*ratings)
