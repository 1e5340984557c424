"""Going on from an earlier fit's weights against a fit anew, which `update` makes. About 2 minutes on one core.

    python benchmarks/going_on.py

MovieLens-100k's ratings in the order of their times: 72,000 old ones, 8,000 new ones, and 10,000 that errors are of.
The last tenth, the test part of the time split, is not looked at. Going on takes all rows, the new rows with as many
old ones drawn at random, or the new rows alone, for 1 to 3 epochs at four shares of the reference's learning rate.
What is shown is the best of these twelve by the very rows that the error is of: better than one that is chosen before.
`svdpp` starts from its whole state, which a bundle does not hold.
"""

import time
from collections.abc import Iterator

import numpy as np
import torch

from reeltune.cluster.session.machine import description
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data import Ratings, load_data
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.fitting.fit import Fit
from reeltune.trainables.fitting.loop import run
from reeltune.trainables.scoring.metrics import predict

OLD, NEW, HELD_OUT = 72_000, 8_000, 10_000
EPOCHS, SHARES = (1, 2, 3), (1.0, 0.3, 0.1, 0.03)
SEEDS = (1, 2)


def main() -> None:
    torch.set_num_threads(1)
    world = World(load_data("ml-100k", users="none", items="none"))
    print(f"machine: {description()}; one thread")
    print("| architecture | seed | fit | MSE | core s | epochs | share of the rate |")
    print("| --- | ---: | --- | ---: | ---: | ---: | ---: |")
    for name in ("pmf", "svdpp"):
        for seed in SEEDS:
            for cells in world.compared(name, seed):
                print(f"| `{name}` | {seed} | {' | '.join(cells)} |", flush=True)


class World:
    """The rows in the order of their times, and fits on some of them."""

    def __init__(self, data: Ratings) -> None:
        assert data.rows.timestamps is not None
        self.rows = data.rows
        self.shape = Shape(users=data.users.rows, items=data.items.rows, scale=Scale.of(data.rows.ratings))
        order = np.argsort(data.rows.timestamps, kind="stable")
        self.old, self.new, self.held_out = np.split(order[: OLD + NEW + HELD_OUT], [OLD, OLD + NEW])

    def compared(self, name: str, seed: int) -> Iterator[list[str]]:
        """The cells of a line for the old fit, the one anew, and the best way to go on by each choice of rows."""
        every = np.concatenate([self.old, self.new])
        before, _ = self.fitted(name, self.old, seed)
        anew, seconds = self.fitted(name, every, seed)
        yield ["the old one", f"{self.error(before):.4f}", "", "", ""]
        yield ["anew", f"{self.error(anew):.4f}", f"{seconds:.2f}", str(anew.epochs), "1"]
        some = np.random.default_rng(seed).choice(self.old, NEW, replace=False)
        for label, places in {
            "going on: all rows": every,
            "going on: new rows with as many old": np.concatenate([self.new, some]),
            "going on: new rows": self.new,
        }.items():
            error, epochs, share, seconds = min(self.ways(name, places, seed, before))
            yield [label, f"{error:.4f}", f"{seconds:.2f}", str(epochs), f"{share:g}"]

    def ways(self, name: str, places: np.ndarray, seed: int, before: Fit) -> Iterator[tuple[float, int, float, float]]:
        """Error, epochs, share of the learning rate and core seconds of each way to go on with these rows."""
        for epochs in EPOCHS:
            for share in SHARES:
                fit, seconds = self.fitted(name, places, seed, before=before, epochs=epochs, share=share)
                yield self.error(fit), epochs, share, seconds

    def fitted(
        self,
        name: str,
        places: np.ndarray,
        seed: int,
        *,
        before: Fit | None = None,
        epochs: int | None = None,
        share: float = 1.0,
    ) -> tuple[Fit, float]:
        """A fit on the rows at these places, from the weights of one `before`, and its core seconds."""
        config = ARCHITECTURES[name].reference(self.shape)
        changes = {"learning_rate": config.learning_rate * share, "epochs": epochs or config.epochs}
        start = time.thread_time()
        config = config.model_copy(update=changes)
        fit = Fit(ARCHITECTURES[name], config, self.shape, self.rows.take(np.sort(places)), seed=seed)
        if before is not None:
            with torch.no_grad():
                for mine, theirs in zip(fit.model.parameters(), before.model.parameters(), strict=True):
                    mine.copy_(theirs)
        for _ in run(fit):
            pass
        return fit, time.thread_time() - start

    def error(self, fit: Fit) -> float:
        """The mean squared error on the rows held out."""
        rows, scale = self.rows.take(self.held_out), self.shape.scale
        rated = predict(fit.model, torch.tensor(rows.users).long(), torch.tensor(rows.items).long())
        return float((rated.clamp(scale.low, scale.high).double() - torch.tensor(rows.ratings)).square().mean())


if __name__ == "__main__":
    main()
