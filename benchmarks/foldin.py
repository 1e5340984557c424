"""What folding in new users, or new items, costs against fitting again with their ratings.

    python benchmarks/foldin.py                                      # MovieLens-100k, draws 1 and 2: for the record
    python benchmarks/foldin.py --data FOLDER/train.parquet          # any ratings
    python benchmarks/foldin.py --draws 0                            # to develop

A tenth of the users (or items) are new: none of their rows are fitted. Their first k ratings, in random order or the
earliest, are given: to `fold_in`, or to a fit of everything else and them. The mean squared error of their rows after
the first 20, the same rows for every k, is that of the model's argmax or value. "unknown" is that of an id without a
rating. Only ids with more than 24 ratings are drawn.
"""

import argparse
import time
from dataclasses import dataclass

import numpy as np
import torch

from reeltune.cluster.session.machine import description
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data import Ratings, Rows, load_data
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.fitting.fit import Fit, on_device
from reeltune.trainables.folding.folded import Newcomers, folded
from reeltune.trainables.folding.posterior import Side
from reeltune.trainables.folding.prior import learnt
from reeltune.trainables.model import RatingModel
from reeltune.trainables.scoring.decoders import decode
from reeltune.trainables.scoring.metrics import predict

KS, MOST, REST, SHARE = (1, 3, 5, 10, 20), 20, 5, 0.1


@dataclass(frozen=True, kw_only=True)
class World:
    """The rows of all other ids, and of the new ones: those given, each with its place, and the rest."""

    data: Ratings
    side: Side
    others: Rows
    given: Rows
    place: np.ndarray
    rest: Rows
    new: np.ndarray

    @classmethod
    def of(cls, data: Ratings, side: Side, draw: int, *, earliest: bool) -> "World":
        rows = data.rows
        ids = rows.users if side == "users" else rows.items
        rng, counts = np.random.default_rng(1000 + draw), np.bincount(ids)
        able = np.flatnonzero(counts >= MOST + REST)
        new = np.sort(rng.choice(able, max(1, round(len(able) * SHARE)), replace=False))
        order = rng.permutation(len(rows))
        if earliest and rows.timestamps is not None:
            order = order[np.argsort(rows.timestamps[order], kind="stable")]
        order = order[np.argsort(ids[order], kind="stable")]
        place = np.empty(len(rows), dtype=int)
        place[order] = np.arange(len(rows)) - (np.cumsum(counts) - counts)[ids[order]]
        out = np.isin(ids, new)
        given = np.flatnonzero(out & (place < MOST))
        return cls(
            data=data,
            side=side,
            others=rows.take(np.flatnonzero(~out)),
            given=rows.take(given),
            place=place[given],
            rest=rows.take(np.flatnonzero(out & (place >= MOST))),
            new=new,
        )

    def first(self, k: int) -> Rows:
        return self.given.take(np.flatnonzero(self.place < k))

    def fitted(self, name: str, rows: Rows, seed: int) -> Fit:
        data = self.data
        shape = Shape(
            users=data.users.rows,
            items=data.items.rows,
            scale=Scale.of(data.rows.ratings),
            ratings=len(rows),
            user_features=data.user_features,
            item_features=data.item_features,
        )
        fit = Fit(ARCHITECTURES[name], ARCHITECTURES[name].reference(shape), shape, rows, seed=seed)
        while fit.step < fit.steps:
            fit.advance()
        return fit

    def error(self, model: RatingModel) -> float:
        output = predict(model, torch.from_numpy(self.rest.users).long(), torch.from_numpy(self.rest.items).long())
        scale = Scale.of(self.data.rows.ratings)
        rated = decode(output, model.grid, scale, decoder="argmax", temperature=1.0).double().numpy()
        return float(np.mean((rated - self.rest.ratings) ** 2))


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Errors: folded in and fitted again for each k, of unknown ids; seconds for the priors, and for a new id."""

    folded: list[float]
    again: list[float]
    unknown: float
    learning: float
    each: float


def measured(world: World, name: str, *, seed: int, refit: bool) -> Figures:
    fit = world.fitted(name, world.others, seed)
    start = time.process_time()
    priors = learnt(fit.model, on_device(world.others, torch.device("cpu")), seed=seed)
    learning = time.process_time() - start
    errors, again, took = [], [], 0.0
    for k in KS:
        model, seconds = _folded(world, fit.model, priors, world.first(k))
        errors.append(world.error(model))
        took = max(took, seconds / len(world.new))
        if refit:
            fitted = world.fitted(name, world.others.joined(world.first(k)), seed)
            again.append(world.error(fitted.model))
    unknown = world.error(fit.model)
    return Figures(folded=errors, again=again, unknown=unknown, learning=learning, each=took)


def _folded(
    world: World, model: RatingModel, priors: dict[str, torch.Tensor], given: Rows
) -> tuple[RatingModel, float]:
    """The model with rows of the new ids, which it knows, of side tables perhaps, but of no rating; and the seconds."""
    pair = torch.from_numpy(given.users).long(), torch.from_numpy(given.items).long()
    owners, partners = pair if world.side == "users" else pair[::-1]
    ratings, new = torch.tensor(given.ratings, dtype=torch.float32), torch.from_numpy(world.new).long()
    start = time.process_time()
    newcomers = Newcomers(side=world.side, count=0, owners=owners, partners=partners, ratings=ratings, expected=new)
    return folded(model.served(), priors, newcomers), time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="ml-100k", help="a name or a file of ratings")
    parser.add_argument("--architectures", nargs="+", default=list(ARCHITECTURES))
    parser.add_argument("--sides", nargs="+", choices=["users", "items"], default=["users", "items"])
    parser.add_argument("--draws", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--earliest", action="store_true", help="give the earliest ratings, not random ones")
    parser.add_argument("--no-refit", action="store_true", help="do not fit again, which takes most of the time")
    parser.add_argument("--seed", type=int, default=42)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    order = "the earliest ratings" if asked.earliest else "ratings in random order"
    print(f"machine: {description()}; {asked.data}, {order}, draws {asked.draws}; folded in / fitted again", flush=True)
    print(f"| fit | new | unknown | {' | '.join(f'k={k}' for k in KS)} | ms an id | prior |")
    print(f"| --- | --- | ---: |{' ---: |' * (len(KS) + 2)}")
    data = load_data(asked.data)
    for name in asked.architectures:
        for side in asked.sides:
            worlds = [World.of(data, side, draw, earliest=asked.earliest) for draw in asked.draws]
            print(
                _row(name, side, [measured(each, name, seed=asked.seed, refit=not asked.no_refit) for each in worlds]),
                flush=True,
            )


def _row(name: str, side: Side, found: list[Figures]) -> str:
    once = np.mean([each.folded for each in found], 0)
    again = np.mean([each.again for each in found], 0) if found[0].again else None
    cells = [f"{error:.3f}" if again is None else f"{error:.3f} / {again[at]:.3f}" for at, error in enumerate(once)]
    unknown, each, learning = (
        np.mean([getattr(one, what) for one in found]) for what in ("unknown", "each", "learning")
    )
    return f"| `{name}` | {side} | {unknown:.3f} | {' | '.join(cells)} | {1000 * each:.2f} | {learning:.1f} s |"


if __name__ == "__main__":
    main()
