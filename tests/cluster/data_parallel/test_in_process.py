"""What comes of a fit in this process where it cannot go on, or goes on after a cut-off."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from reeltune.cluster.data_parallel.in_process import fit_here
from reeltune.cluster.data_parallel.orders import FitOrder, GroupData, Lost
from reeltune.cluster.runs.storage import Store
from reeltune.trainables.architectures.registry import resolve
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.errors import InputError
from tests import two_towers


@pytest.fixture(scope="module")
def data(small):
    _, parts, shape = small
    return GroupData(train=parts.train, validation=parts.validation, shape=shape, decoder="argmax")


def order(name="pmf", *, shard=None, **changes):
    config = ARCHITECTURES[name].Config(**{"batch_size": 32, **changes}).model_dump()
    return FitOrder(key=name, architecture=name, config=config, seed=1, shard=shard)


def fit_one(one, data, **options):
    """What comes of a single fit."""
    return fit_here([one], data, **options)[one.key]


def test_a_fit_without_memory_is_lost_and_says_so_in_one_line(data, tmp_path):
    vast = replace(data, shape=replace(data.shape, users=10**13))
    lost = fit_one(order(), vast, store=Store(str(tmp_path / "fits")))
    assert isinstance(lost, Lost)
    assert "allocate" in lost.reason
    assert "\n" not in lost.reason


def test_a_fit_whose_loss_is_no_number_is_lost(data, tmp_path):
    wild = order("classifier", learning_rate=10.0, weight_decay=100.0, epochs=30)
    lost = fit_one(wild, data, store=Store(str(tmp_path / "fits")))
    assert isinstance(lost, Lost)
    assert "loss is" in lost.reason


def test_a_batch_of_one_row_is_refused(data, tmp_path):
    few = replace(data, train=data.train.take(slice(0, 1)))
    with pytest.raises(InputError, match="need batches of 2 rows at least, and one has 1"):
        fit_one(order(), few, store=Store(str(tmp_path / "fits")))


class Cut(BaseException):
    """An interrupt."""


@pytest.mark.parametrize(("name", "shard"), [("svdpp", None), ("pmf", "users")])
def test_a_fit_cut_off_goes_on_from_its_last_checkpoint_and_ends_as_one_that_was_not(data, tmp_path, name, shard):
    store, one, lines = Store(str(tmp_path / "fits")), order(name, shard=shard, epochs=12, dropout=0.2), []

    def cut(line):
        if list(tmp_path.glob(f"fits/{one.name}.state?")):
            raise Cut

    with pytest.raises(Cut):
        fit_one(one, data, store=store, save_every=0.02, progress=cut)
    resumed = fit_one(one, data, store=store, progress=lines.append)
    assert 0 < len(lines) < 12
    whole = fit_one(one, data, store=Store(str(tmp_path / "others")))
    assert all(torch.equal(resumed.weights[name], whole.weights[name]) for name in whole.weights)
    assert resumed.metrics == whole.metrics


def test_a_fit_that_is_done_is_not_done_again_until_the_caller_empties_the_store(data, tmp_path):
    store, lines = Store(str(tmp_path / "fits")), []
    first = fit_one(order(epochs=2), data, store=store)
    again = fit_one(order(epochs=2), data, store=store, progress=lines.append)
    assert all(torch.equal(again.weights[name], first.weights[name]) for name in first.weights)
    assert lines == []
    store.clear()
    fit_one(order(epochs=2), data, store=store, progress=lines.append)
    assert len(lines) == 2


def test_the_threads_of_this_process_are_as_many_as_before(data, tmp_path):
    torch.set_num_threads(2)
    fit_one(order(epochs=1), data, store=Store(str(tmp_path / "fits")))
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)


class Ends:
    """A tracker that keeps how fits ended."""

    def __init__(self):
        self.states = []

    def began(self, fit):
        pass

    def update(self, name, points):
        pass

    def ended(self, name, end):
        self.states.append(end.state)


@pytest.mark.parametrize(
    ("fault", "said"),
    [("[][1]", "IndexError: list index"), ("users.view(-7)", "RuntimeError: invalid shape dim")],
)
def test_an_error_of_ones_own_loses_the_fit_and_names_file_and_line(data, tmp_path, fault, said):
    text = Path(two_towers.__file__).read_text()
    match = "        match = (self.user_tower"
    (tmp_path / "two_tower.py").write_text(text.replace(match, f"        {fault}\n{match}"))
    line = text[: text.index(match)].count("\n") + 1
    _, registry = resolve([str(tmp_path / "two_tower.py")])
    one, ends = FitOrder(key="own", architecture="two_tower", config={}, seed=1), Ends()
    own = replace(data, registry=registry)
    lost = fit_one(one, own, store=Store(str(tmp_path / "fits")), trackers=[ends])
    assert isinstance(lost, Lost)
    assert f"two_tower.py:{line}: {said}" in lost.reason
    assert ends.states == ["failed"]


def test_weights_that_two_parts_of_a_model_share_come_under_both_names(data, tmp_path):
    text, start = Path(two_towers.__file__).read_text(), "nn.init.zeros_(self.user_tower[-1].weight)"
    assert start in text
    tied = text.replace(start, "self.item_tower[-1].weight = self.user_tower[-1].weight")
    (tmp_path / "tied.py").write_text(tied)
    _, registry = resolve([str(tmp_path / "tied.py")])
    one = FitOrder(key="own", architecture="tied", config={"epochs": 1}, seed=1)
    fitted = fit_one(one, replace(data, registry=registry), store=Store(str(tmp_path / "fits")))
    of_users, of_items = (fitted.weights[f"{kind}_tower.3.weight"] for kind in ("user", "item"))
    assert torch.equal(of_users, of_items)
