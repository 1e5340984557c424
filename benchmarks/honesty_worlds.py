"""The small data sets of `verdict_honesty.py`: what is judged in each of them, and the truth."""

import itertools
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reeltune.cluster.judging.baseline import REFERENCE
from reeltune.cluster.judging.refits import refits
from reeltune.cluster.runs.disk import Disk
from reeltune.cluster.runs.folder import Ledger, RunFolder
from reeltune.cluster.search.choice import SEEDS, Choice, choose
from reeltune.cluster.search.messages import Limits
from reeltune.cluster.search.recorder import Recorder
from reeltune.cluster.search.searcher import TrialSearcher
from reeltune.cluster.search.trial import Trial
from reeltune.cluster.search.trial_fit import TrialData
from reeltune.search_spaces import Study, read_spaces
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data import Rows, split
from reeltune.trainables.data.prepared import DataOptions, Prepared
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.data.synthetic import World, generate
from reeltune.trainables.fitting.fit import Fit
from reeltune.trainables.scoring.decoders import decode
from reeltune.trainables.scoring.metrics import predict

FRESH = 1_000_000
TRIALS = 4
SEARCHED = ("bias", "pmf", "embedding_nn", "classifier")
KINDS = {
    "twin": "the same but for a learning rate 0.2% higher",
    "seeds": "the same but for their seeds",
    "near": "the same but for an epoch more and another learning rate",
    "far": "two architectures",
}
# Large batches, as the shipped spaces' steps of an epoch are made for more rows: a world is to take seconds.
SPACE = "\n".join(
    f"[{name}]\nbatch_size = 256\n[{name}.epochs]\nlow = 4\nhigh = 10\n"
    f"[{name}.learning_rate]\nlow = 2e-3\nhigh = 4e-2\nlog = true"
    for name in SEARCHED[1:]
)


@dataclass(frozen=True, kw_only=True)
class Made:
    """A world's rows as a run has them, and fresh ones by the same users of the same items."""

    number: int
    prepared: Prepared
    test: Rows
    fresh: Rows


def made(number: int, seed: int, folder: Path) -> Made:
    draw = np.random.default_rng((seed, number))
    size = int(draw.integers(2000, 4001))
    world = World(
        users=int(draw.integers(60, 151)),
        items=int(draw.integers(60, 151)),
        ratings=size + FRESH,  # all alike: the first are the data
        noise=float(draw.uniform(0.3, 1.0)),
        seed=int(draw.integers(2**31)),
    )
    ratings = generate(world)
    parts = split(ratings.rows.take(np.arange(size)), seed=number)
    shape = Shape(
        users=ratings.users.rows,
        items=ratings.items.rows,
        scale=Scale.of(parts.fitting.ratings),
        ratings=len(parts.train),
    )
    test, _ = parts.test.open(folder / "looks.jsonl", reason="honesty")
    prepared = Prepared(asked=DataOptions(data="synthetic"), ratings=ratings.about(), split=parts, shape=shape)
    return Made(number=number, prepared=prepared, test=test, fresh=ratings.rows.take(np.arange(size, size + FRESH)))


def table(architecture: str, config: dict[str, Any], seed: int, made: Made) -> np.ndarray:
    """Fit on training and validation rows, and rate every pair of the world: shape (users, items)."""
    found, shape = ARCHITECTURES[architecture], made.prepared.shape
    fit = Fit(found, found.Config.model_validate(config), shape, made.prepared.split.fitting, seed=seed)
    while fit.step < fit.steps:
        fit.advance()
    users, items = torch.meshgrid(torch.arange(shape.users), torch.arange(shape.items), indexing="ij")
    output = predict(fit.model, users.flatten(), items.flatten())
    return (
        decode(output, fit.model.grid, shape.scale, decoder="argmax", temperature=1.0)
        .numpy()
        .reshape(shape.users, shape.items)
    )


def scored(tables: list[np.ndarray], made: Made) -> dict[str, Any]:
    """The squared errors of test rows, and the true mean of such, both averaged over seeds."""

    def errors(rows: Rows) -> np.ndarray:
        return np.mean([(each[rows.users, rows.items].astype(float) - rows.ratings) ** 2 for each in tables], axis=0)

    return {"errors": errors(made.test).round(6).tolist(), "truth": float(errors(made.fresh).mean())}


def pair(made: Made, seed: int) -> dict[str, Any]:
    """Two final models: nearly the same, the same but for their seeds, near each other, or far from it."""
    draw = np.random.default_rng((seed, made.number, 1))
    kind = list(KINDS)[made.number % len(KINDS)]
    name = str(draw.choice(SEARCHED[1:]))
    config = ARCHITECTURES[name].reference(made.prepared.shape).model_dump()
    rate = float(np.exp(draw.uniform(np.log(4e-3), np.log(3e-2))))
    config |= {"batch_size": 256, "epochs": int(draw.integers(4, 9)), "learning_rate": rate}
    other, second, seeds = name, dict(config), 0
    if kind == "twin":
        second["learning_rate"] *= 1.002
    elif kind == "seeds":
        seeds = SEEDS
    elif kind == "near":
        second |= {"learning_rate": rate * float(draw.choice([0.8, 1.25])), "epochs": config["epochs"] + 1}
    else:
        other = str(draw.choice([each for each in SEARCHED if each != name]))
        second = ARCHITECTURES[other].reference(made.prepared.shape).model_dump()
    return {
        "kind": kind,
        "baseline": scored([table(name, config, place, made) for place in range(SEEDS)], made),
        "other": scored([table(other, second, seeds + place, made) for place in range(SEEDS)], made),
    }


def procedure(made: Made, seed: int, folder: Path) -> dict[str, Any]:
    """What `tune` does: search, choose, refit. A dictionary by architecture, the baseline among them."""
    orders = refits(searched(made, seed, folder), made.prepared, seed=seed, baseline=REFERENCE)
    tables = {order.key: table(order.architecture, order.config, order.seed, made) for order in orders.values()}
    names = dict.fromkeys(name for name, _ in orders)
    return {name: scored([tables[orders[name, place].key] for place in range(SEEDS)], made) for name in names}


def searched(made: Made, seed: int, folder: Path) -> dict[str, Choice]:
    """The search, its trials one after another in this process."""
    shape, parts = made.prepared.shape, made.prepared.split
    (folder / "space.toml").write_text(SPACE)
    spaces = read_spaces(folder / "space.toml", {name: ARCHITECTURES[name] for name in SEARCHED})
    found = {name: ARCHITECTURES[name] for name in SEARCHED}
    studies = {n: Study(n, each, spaces[n].on(shape, each), shape, seed=seed) for n, each in found.items()}
    ledger = Ledger(RunFolder(folder).ledger)
    disk = Disk()
    recorder = Recorder(ledger, studies, disk)
    searcher = TrialSearcher(studies, ledger, recorder, disk, trials=TRIALS, seed=seed, unfinished={})
    data = TrialData(
        train=parts.train,
        validation=parts.validation,
        split="random",
        shape=shape,
        decoder="argmax",
        store=RunFolder(folder).store,
    )
    for key in map(str, itertools.count()):
        config = searcher.suggest(key)
        if not isinstance(config, dict):
            break
        trial = object.__new__(Trial)  # as Ray's constructor would ask for a session
        trial.setup(config, data, Limits())
        while not (result := trial.step())["done"]:
            searcher.on_trial_result(key, result)
        searcher.on_trial_complete(key, result)
    chosen = {name: choose(ledger, name) for name in SEARCHED}
    return {name: choice for name, choice in chosen.items() if choice is not None}


def judged(task: tuple[int, int]) -> dict[str, Any]:
    """One world, as a line of the output."""
    torch.set_num_threads(1)
    number, seed = task
    with tempfile.TemporaryDirectory() as folder:
        world = made(number, seed, Path(folder))
        return {
            "world": number,
            "seed": seed,
            "users": world.test.users.tolist(),
            "pair": pair(world, seed),
            "procedure": procedure(world, seed, Path(folder)),
        }
