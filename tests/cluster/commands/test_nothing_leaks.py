"""The main job on two data sets that differ in the test rows alone: those of one give all answers away."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ray import cloudpickle

from reeltune.cluster.cli.report import report
from reeltune.cluster.commands.ask import TuneOptions
from reeltune.cluster.commands.progress import Watch
from reeltune.cluster.commands.tune import tune
from reeltune.cluster.data_parallel import fit_all as train_group
from reeltune.cluster.data_parallel.lane_refit import LaneRefit
from reeltune.cluster.runs.folder import Ledger, RunFolder
from reeltune.cluster.search import experiment as search
from reeltune.cluster.search.choice import SEEDS
from reeltune.cluster.search.trial import Trial
from reeltune.trainables.data.prepared import DataOptions
from tests.inside import ray_stays

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

# Of a bundle's description: what follows from the test rows, or from the day.
TOLD = ("metrics", "judged", "fitted_on", "date")
SPACE = """
[classifier]
only = true
epochs = 3
user_width = 8
item_width = 8
hidden = 16
batch_size = 64
[classifier.learning_rate]
low = 1e-3
high = 1e-1

[svdpp]
only = true
epochs = 3
factors = 8
batch_size = 128
[svdpp.time]
choices = ["day", "residual"]
[svdpp.learning_rate]
low = 1e-2
high = 3e-2
"""
DAY, SEED, BLOCK = 86_400, 5, 1 << 24


def world(*, rows=900, seed=3):
    """Rated pairs with a time each, and users' and items' tables."""
    draw = np.random.default_rng(seed)
    chosen = draw.permutation(40 * 35)[:rows]
    users, items = chosen // 35, chosen % 35
    liked = users % 2 == items % 2
    frame = pd.DataFrame(
        {
            "user": [f"u{user}" for user in users],
            "item": [f"i{item}" for item in items],
            "rating": np.clip(draw.normal(np.where(liked, 4, 2), 0.7).round(), 1, 5),
            "timestamp": 1_000_000_000 + draw.integers(0, 100, rows) * DAY // 4,
            "answer": 0.0,
        }
    )
    ages = pd.DataFrame({"user": [f"u{user}" for user in range(40)], "age": draw.integers(20, 24, 40)})
    genres = pd.DataFrame({"item": [f"i{item}" for item in range(35)], "genre": draw.choice(["a", "b", "c"], 35)})
    return frame, ages, genres


def given_away(frame, marker):
    """Other ratings, one of them far off the scale, that the time of day and a column tell."""
    other = np.random.default_rng(8).integers(1, 6, len(frame)).astype(float)
    other[0] = marker
    days = (np.arange(len(frame)) % 30) * DAY
    return frame.assign(rating=other, answer=other, timestamp=1_000_000_000 + days + (other * 1000).astype(int))


def spans():
    """Where the memory is that this process can write, shared memory included; less what it has never touched."""
    for about in re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", Path("/proc/self/smaps").read_text(), flags=re.MULTILINE)[1:]:
        place, rights, *_ = about.split()
        touched = re.search(r"^(Rss|Swap): +[1-9]", about, re.MULTILINE)
        if "/dev/shm" in about or ("w" in rights and touched):
            start, end = place.split("-")
            yield int(start, 16), int(end, 16)


def held(patterns):
    """Which of the patterns that memory has."""
    found = set()
    with open("/proc/self/mem", "rb", buffering=0) as memory:
        for start, end in list(spans()):
            for place in range(start, end, BLOCK):
                memory.seek(place)
                part = memory.read(min(end - place, BLOCK + 64))  # with what a pattern across the edge needs
                found |= {name for name, pattern in patterns.items() if re.search(pattern, part, re.DOTALL)}
    return sorted(found)


def written(content):
    """A pattern for these bytes that is not itself made of them, so that who looks for it does not find itself."""
    return "".join(f"\\x{byte:02x}" for byte in content).encode()


def last(trial):
    """Whether an order, or an entry of the ledger, is one of the last of its architecture: a look takes seconds."""
    return trial.stage == "confirm" and trial.fold == SEEDS


def watch_processes(patch, patterns, seen):
    """Have the last trials, and the process of the refits, write down which of the patterns their memory holds."""
    seen.mkdir()
    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # no worker can import a module of tests

    def look(who):
        (seen / f"{who}.json").write_text(json.dumps(held(patterns)))

    class Watched(Trial):
        def _end(self, update):
            ended = super()._end(update)
            if last(self.order):  # one process has had all trials by then
                look(self.order.trial)
            return ended

    class WatchedRefit(LaneRefit):
        def next(self):
            word = super().next()
            if word.done and self.order.key == f"svdpp, seed {SEED + SEEDS - 1}":  # and all refits
                look("refits")
            return word

    patch.setattr(search, "Trial", Watched)
    patch.setattr(train_group, "LaneRefit", WatchedRefit)


def tuned(folder, ratings, test=None, *, lane):
    """Run the main job in this folder, one trial at a time; the run's folder. Test rows may be in a file.

    Its refits are done in a lane, or else in this process: they are the same bit for bit, and a lane takes 10 s of a
    CPU to start.
    """
    _, ages, genres = world()
    for name, table in {"ratings": ratings, "test": test, "ages": ages, "genres": genres}.items():
        if table is not None:
            table.to_csv(folder / f"{name}.csv", index=False)
    (folder / "space.toml").write_text(SPACE)
    options = TuneOptions(
        architectures=["classifier", "svdpp"],
        data=DataOptions(
            data="ratings.csv",
            test=None if test is None else "test.csv",
            split_seed=SEED,
            users="ages.csv",
            items="genres.csv",
        ),
        trials=3,
        seconds=None,
        workers=1,
        concurrent=1,
        decoder="argmax",
        ensemble=True,
        space=Path("space.toml"),
        seed=SEED,
        address=None,
        name="run",
        resume=False,
    )
    with pytest.MonkeyPatch.context() as patch, ray_stays(lean=not lane):
        patch.chdir(folder)
        patch.setenv("REELTUNE_CACHE", str(folder / "cache"))
        with Watch() as watch:
            tune(options, watch)
    return RunFolder(folder / "runs" / "run")


def decided(run):
    """All that a run decided before its look at the test rows.

    Which confirmation comes first is no decision: the slowest architecture's do, and seconds differ by the run.
    """
    entries = sorted(map(json.loads, run.ledger.read_text().splitlines()), key=lambda entry: entry["trial"])
    found = json.loads(run.verdict.read_text())
    bundles = {path.parent.name: json.loads(path.read_text()) for path in run.path.glob("models/*/config.json")}
    return {
        "trials": [entry | {"seconds": None} for entry in entries],
        "winner": found["winner"],
        "chosen": {name: (part["config"], part["validation"]) for name, part in found["architectures"].items()},
        "temperatures": {name: bundle["temperature"] for name, bundle in bundles.items()},
        "bundles": {name: bundle | dict.fromkeys(TOLD) for name, bundle in bundles.items()},
        "weights": {path.parent.name: path.read_bytes() for path in run.path.glob("models/*/model.safetensors")},
        "ids": {"/".join(path.parts[-2:]): path.read_bytes() for path in run.path.glob("models/*/*.parquet")},
        "held out": {path.name: path.read_bytes() for path in run.path.glob("held_out/*.npy")},
    }


def errors(run):
    found = json.loads(run.verdict.read_text())["architectures"]
    return {name: part["test"]["argmax_mse"] for name, part in found.items()}


def order_of(rows):
    """The order in which so many rows are split."""
    return np.random.default_rng(SEED).permutation(rows)


@pytest.fixture(scope="module", params=["split off", "of a file"])
def runs(request, resources, tmp_path_factory):
    """An honest run and one whose test rows give all away, and what the processes of the latter held."""
    honest, telling = (tmp_path_factory.mktemp(name) for name in ("honest", "telling"))
    ratings, _, _ = world()
    order = order_of(len(ratings))
    test, rest = np.sort(order[: len(order) // 5]), np.sort(order[len(order) // 5 :])
    kept = order_of(len(rest)) if request.param == "of a file" else order[len(test) :]
    marker = float(np.random.default_rng().uniform(6, 9))  # unlike any other number in any process
    told = given_away(ratings.iloc[test], marker)
    patterns = {
        "test": written(np.float64(marker).tobytes()),
        "test as text": written(repr(marker).encode()),
        "training": written(kept[len(kept) // 10 :][:4].tobytes()),
    }
    seen = telling / "seen"
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "of a file":
            first = tuned(honest, ratings.iloc[rest], ratings.iloc[test], lane=False)
            watch_processes(patch, patterns, seen)
            second = tuned(telling, ratings.iloc[rest], told, lane=True)
        else:
            first = tuned(honest, ratings, lane=False)
            watch_processes(patch, patterns, seen)
            second = tuned(telling, pd.concat([ratings.iloc[rest], told]).sort_index(), lane=True)
    return first, second, {path.stem: json.loads(path.read_text()) for path in seen.glob("*.json")}


def test_no_trial_fit_temperature_or_choice_changes_by_test_rows_that_give_the_answers_away(runs):
    honest, telling, _ = runs
    for what, decision in decided(honest).items():
        assert decided(telling)[what] == decision, what


def test_the_test_rows_did_change_and_were_scored(runs):
    honest, telling, _ = runs
    assert all(errors(telling)[name] > error + 0.1 for name, error in errors(honest).items())


def test_the_sealed_rows_are_in_no_process_of_a_trial_or_of_a_refit(runs):
    _, telling, seen = runs
    entries = [entry for entry in Ledger(telling.ledger).entries if last(entry)]
    late = {entry.trial for entry in entries}
    assert {entry.architecture for entry in entries} == {"classifier", "svdpp"}
    assert seen == {process: ["training"] for process in {*late, "refits"}}


def test_each_run_looks_at_its_test_rows_once_and_a_remade_report_not_at_all(runs):
    for run in runs[:2]:
        report(str(run.path), as_json=True)
        looks = (run.path.parent.parent / "cache" / "looks.jsonl").read_text().splitlines()
        assert [json.loads(look)["rows"] for look in looks] == [
            json.loads(run.verdict.read_text())["test_rows"]["hash"],
        ]
        assert not list(Path().rglob("looks.jsonl")), "where the report was remade"
