"""A fit whose rows are dealt to files is the fit that has them in memory, on any number of workers."""

import tracemalloc
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing

from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data import Reading, Shares, load_data, split, spool, spooled_split
from reeltune.trainables.data.prepared import DataOptions, prepare
from reeltune.trainables.data.reading import parts as reading_parts
from reeltune.trainables.data.split import DEFAULT_SHARES
from reeltune.trainables.data.spooled_split import SpooledSplit
from reeltune.trainables.data.spooling import spool_ratings
from reeltune.trainables.data.streamed import prepare_streamed
from reeltune.trainables.errors import StorageFailed
from reeltune.trainables.fitting import loop
from reeltune.trainables.fitting.buckets import Buckets
from reeltune.trainables.fitting.dealt import Dealt, deal
from reeltune.trainables.fitting.sharded import ShardedFit
from reeltune.trainables.folding import brought as bringing
from reeltune.trainables.folding import prior
from reeltune.trainables.folding.brought import Brought, brought
from reeltune.trainables.scoring.decoders import decode
from reeltune.trainables.scoring.metrics import predict
from tests.models import dropping
from tests.worlds import shape_of, small_config

EQUAL = 5e-6
NAMES = ["pmf", "svdpp_classifier"]  # a table with a scalar head, and the trunk with classes
MOST = 50  # rows to calibrate on, in place of very many


@dataclass(frozen=True)
class Folder:
    """Reads files below a path."""

    path: str

    def read(self, name):
        file = Path(self.path) / name
        return file.read_bytes() if file.exists() else None


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A Parquet file of 3,000 ratings."""
    file = tmp_path_factory.mktemp("data") / "ratings.parquet"
    data = load_data("synthetic:users=150,items=40,ratings=3000")
    users, items = data.users.text[data.rows.users - 1], data.items.text[data.rows.items - 1]
    pd.DataFrame({"user": users, "item": items, "rating": data.rows.ratings}).to_parquet(file)
    return str(file)


@pytest.fixture(scope="module")
def whole(source):
    """The ratings in memory, and their split."""
    data = load_data(source)
    return data, split(data.rows, seed=5), shape_of(data)


@pytest.fixture(scope="module")
def dealt(source, tmp_path_factory):
    """The same in files: training and validation rows."""
    spool, files = tmp_path_factory.mktemp("spool"), tmp_path_factory.mktemp("dealt")
    found = spool_ratings(source, spool, reading=Reading(), duplicates="last")
    parts = SpooledSplit.of(found.spool, seed=5, shares=DEFAULT_SHARES)
    buckets = Buckets.of_counts(parts.counted(found.users.rows, found.items.rows)[0].users)
    assert len(deal(parts, buckets, files)) == 2 * 64
    rows = {"train": parts.sizes.train, "validation": parts.sizes.validation}
    reader = Folder(str(files)).read
    return {part: Dealt(part=part, rows=size, buckets=buckets, read=reader) for part, size in rows.items()}


def ended(name, rows, held_out, shape):
    """What the end of a fit gives on this worker."""
    architecture = ARCHITECTURES[name]
    fit = ShardedFit(architecture, small_config(name, epochs=2, **dropping(name, 0)), shape, rows, seed=3)
    reports = list(loop.run(fit, validation=held_out, metric="rps"))
    noise = loop.calibrate(fit, fit.held_out(held_out), metric="rps")
    given = brought(fit) if isinstance(rows, Dealt) else None
    model, fitted = fit.whole()
    priors = (given or Brought(rows=fitted)).priors(model, seed=3) if fit.rank == 0 else {}
    found = crossed(model, shape) if fit.rank == 0 else None
    return {
        "reports": reports,
        "noise": noise,
        "weights": model.state_dict(),
        "ratings": found,
        "priors": priors,
        "held": len(fit.rows),
    }


def crossed(model, shape):
    """The ratings of all pairs: of classes, their mean."""
    pairs = torch.cartesian_prod(torch.arange(shape.users), torch.arange(shape.items))
    output = predict(model, pairs[:, 0], pairs[:, 1])
    return decode(output, model.grid, shape.scale, decoder="mean", temperature=1.0)


def work(rank, world, meeting, folder, given, shape):
    torch.set_num_threads(1)
    loop.ENOUGH = MOST  # of this process
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=world)
    for name in NAMES:
        torch.save(ended(name, given["train"], given["validation"], shape), f"{folder}/{name}-{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture
def in_memory(whole, name, monkeypatch):
    monkeypatch.setattr(loop, "ENOUGH", MOST)
    _, parts, shape = whole
    return ended(name, parts.train, parts.validation, shape)


@pytest.mark.parametrize("name", NAMES)
def test_on_one_worker_it_is_the_same_bit_for_bit(name, in_memory, whole, dealt):
    found = ended(name, dealt["train"], dealt["validation"], whole[2])
    for kind in ("weights", "priors"):
        assert found[kind].keys() == in_memory[kind].keys()
        assert all(torch.equal(found[kind][key], in_memory[kind][key]) for key in found[kind]), kind
    assert (found["reports"], found["noise"]) == (in_memory["reports"], in_memory["noise"])


@pytest.mark.slow
@pytest.mark.parametrize("world", [2, 4])
def test_on_several_workers_it_is_the_same_but_for_rounding(whole, dealt, world, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "ENOUGH", MOST)
    meeting = f"{tmp_path}/meeting"
    multiprocessing.spawn(work, args=(world, meeting, str(tmp_path), dealt, whole[2]), nprocs=world)
    for name in NAMES:
        alone = ended(name, whole[1].train, whole[1].validation, whole[2])
        every = [torch.load(tmp_path / f"{name}-{rank}.pt", weights_only=False) for rank in range(world)]
        assert (every[0]["ratings"] - alone["ratings"]).abs().max() < EQUAL
        for key, tensor in every[0]["priors"].items():
            assert torch.allclose(tensor, alone["priors"][key], rtol=1e-3, atol=1e-5), key
        assert all(each["noise"] == pytest.approx(alone["noise"], rel=1e-3) for each in every)
        assert sum(each["held"] for each in every) == alone["held"]
        assert every[0]["reports"][-1].validation.rps == pytest.approx(alone["reports"][-1].validation.rps, rel=1e-4)


def test_a_bucket_has_its_users_rows_in_the_order_of_the_split(whole, dealt):
    _, parts, _ = whole
    for part, rows in {"train": parts.train, "validation": parts.validation}.items():
        of_rows = dealt[part].buckets.of_users[rows.users]
        own = np.flatnonzero(of_rows % 4 == 1)
        found = dealt[part].of(range(1, 64, 4))
        assert found.number.tolist() == own.tolist()
        for name in ("users", "items", "ratings"):
            assert np.array_equal(getattr(found, name), getattr(rows, name)[own])


def test_a_part_may_have_no_rows(source, tmp_path):
    spool, files = tmp_path / "spool", tmp_path / "dealt"
    spool.mkdir()
    files.mkdir()
    found = spool_ratings(source, spool, reading=Reading(), duplicates="last")
    parts = SpooledSplit.of(found.spool, seed=5, shares=Shares(validation=0, test=0))
    counts, _ = parts.counted(found.users.rows, found.items.rows)
    deal(parts, Buckets.of_counts(counts.users), files)
    sizes = {file.name: file.stat().st_size for file in files.iterdir()}
    assert sum(sizes.values()) == 16 * found.spool.rows
    assert all(size == 0 for name, size in sizes.items() if name.startswith("validation"))


def test_of_many_rows_a_prior_is_learnt_from_some_of_each_id(whole, dealt, monkeypatch):
    monkeypatch.setattr(bringing, "MOST", 10)
    monkeypatch.setattr(prior, "EACH", 3)
    fit = ShardedFit(ARCHITECTURES["pmf"], small_config("pmf", epochs=1), whole[2], dealt["train"], seed=3)
    list(loop.run(fit))
    given = brought(fit)
    assert len(given.rows) < len(fit.rows)
    assert int(given.counts[1].sum()) == len(fit.rows)
    assert given.priors(fit.whole()[0], seed=3).keys() == {
        f"{side}.{what}" for side in ("users", "items") for what in ("mean", "root", "noise")
    }


def test_a_file_that_is_not_there_is_said(dealt):
    with pytest.raises(StorageFailed, match="train-64, rows to fit on, is not there"):
        dealt["train"].of([64])


def test_what_does_not_fit_on_the_disk_is_an_error(source, tmp_path):
    (tmp_path / "spool").mkdir()
    found = spool_ratings(source, tmp_path / "spool", reading=Reading(), duplicates="last")
    parts = SpooledSplit.of(found.spool, seed=5, shares=DEFAULT_SHARES)
    buckets = Buckets.of_counts(parts.counted(found.users.rows, found.items.rows)[0].users)
    (tmp_path / "dealt").mkdir()
    (tmp_path / "dealt" / "validation-7").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device"):
        deal(parts, buckets, tmp_path / "dealt")


def most_bytes(act):
    """The most bytes that numpy, pandas and Python have had at once while `act` ran, above what they had before."""
    tracemalloc.start()
    try:
        kept = act()
        return kept, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.usefixtures("whole", "dealt")  # what is loaded at the first use is loaded
def test_no_process_takes_the_memory_of_all_rows(tmp_path, monkeypatch):
    rows, draw = 200_000, np.random.default_rng(0)
    columns = {"user": draw.integers(0, 2_000, rows), "item": draw.integers(0, 500, rows)}
    source = str(tmp_path / "ratings.parquet")
    pd.DataFrame({**columns, "rating": draw.integers(1, 6, rows)}).to_parquet(source, row_group_size=4096, index=False)
    for name in ("spool", "dealt"):
        (tmp_path / name).mkdir()
    for module, size in ((spool, "CHUNK"), (spooled_split, "CHUNK"), (reading_parts, "ROWS")):
        monkeypatch.setattr(module, size, 4096)
    asked = DataOptions(data=source, duplicates="keep")
    _, at_once = most_bytes(lambda: prepare(asked))
    data, in_parts = most_bytes(lambda: prepare_streamed(asked, tmp_path / "spool"))
    buckets = Buckets.of_counts(data.counts.users)
    _, dealing = most_bytes(lambda: deal(data.split, buckets, tmp_path / "dealt"))
    reader = Folder(str(tmp_path / "dealt")).read
    dealt = Dealt(part="train", rows=data.sizes.train, buckets=buckets, read=reader)
    own, of_one_in_four = most_bytes(lambda: dealt.of(range(1, 64, 4)))
    assert 0.2 < len(own) / len(dealt) < 0.3
    assert max(in_parts, dealing, of_one_in_four) < at_once / 4, (at_once, in_parts, dealing, of_one_in_four)
