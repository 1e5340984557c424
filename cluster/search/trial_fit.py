"""The fit of a trial, whichever process asks for it."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from reeltune.cluster.runs import out_of_fold as held_out
from reeltune.cluster.runs.fit_states import Snapshots
from reeltune.cluster.runs.storage import Store
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data import Rows, SplitKind, fold
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.data.tensors import Tensors
from reeltune.trainables.errors import FitFailed
from reeltune.trainables.fitting.fit import Fit, on_device
from reeltune.trainables.fitting.loop import Report, calibrate, evaluate, run
from reeltune.trainables.scoring.decoders import Decoder, decode
from reeltune.trainables.scoring.metrics import predict

RUNG = 2 / 3  # the share of its own schedule at which a trial can be stopped
SAVE_EVERY = 10.0  # seconds between two states, from which a fit goes on when its process has died
LONGEST_STEP = 1.0  # seconds between two words to the driver
KEPT: tuple[Decoder, ...] = ("mean", "argmax")  # by which the ratings of held-out rows are kept


@dataclass(frozen=True, kw_only=True)
class TrialData:
    """What a trial may see: training and validation rows. There are no test rows in it."""

    train: Rows
    validation: Rows
    split: SplitKind
    shape: Shape
    decoder: Decoder
    store: Store  # the run's, for states of running fits and, for the ensemble's weights, ratings of held-out rows

    @property
    def states(self) -> Snapshots:
        return Snapshots(self.store.below("states"))


class TrialFit:
    """The fit of a trial, asked for its next word: by Tune where one worker does it, by a lane on each of several.

    One that was cut off goes on from its last state. Its first word then repeats all points so far, for a driver
    that does not know them.
    """

    save_every = SAVE_EVERY

    def take(self, order: dict[str, Any], data: TrialData, device: torch.device | str) -> None:
        """Have this fit in place of an earlier one."""
        self.order, self.data, self.device, self.states = order, data, device, data.states
        self.fit: Fit | None = None
        self.reports: Iterator[Report] = iter(())
        self.points: list[dict[str, float]] = []
        self.told = 0  # how many of the points the driver knows
        self.earlier = 0.0  # seconds of work that the state had behind it from which this try began
        self.seconds = self.saved = 0.0  # of this try: worked, and worked at its last state
        self.kept = False  # a state is in storage

    @property
    def worked(self) -> float:
        return self.earlier + self.seconds

    def word(self) -> dict[str, Any]:
        """Go on to the rung, the end, or for a second, and keep a state when it is time for one."""
        start = time.monotonic() - self.seconds
        try:
            result = self._step()
            if not result["done"] and time.monotonic() - start - self.saved >= self.save_every:
                self._save(self.earlier + time.monotonic() - start)
                self.saved = time.monotonic() - start
            return result
        finally:
            self.seconds = time.monotonic() - start

    def _step(self) -> dict[str, Any]:
        if self.fit is None:
            self.fit = self._begin()
        reports = list(_until_a_stop(self.reports))
        self.points += [_point(report, self.data.decoder) for report in reports if report.validation is not None]
        points, self.told = self.points[self.told :], len(self.points)
        result = {
            "progress": reports[-1].progress,
            "epochs": reports[-1].epoch,
            "points": points,
            "done": self.fit.step == self.fit.steps,
            **({"value": points[-1]["value"]} if points else {}),
        }
        return {**result, **self._end()} if result["done"] else result

    def _begin(self) -> Fit:
        """The fit, from its last state where there is one."""
        train, self.validation = fold(self.data.train, self.data.validation, self.order["fold"], kind=self.data.split)
        fit = self._start(train)
        kept = self.states.load(self.order["trial"], self.order)
        if kept is not None:
            fit.load_state(kept["fit"])
            self.points, self.earlier, self.kept = kept["points"], kept["seconds"], True
        self.reports = run(
            fit,
            validation=self.validation,
            decoder=self.data.decoder,
            marks=(RUNG,),
            save_every=LONGEST_STEP,  # so that a word comes from the middle of a long epoch too
        )
        return fit

    def _save(self, seconds: float) -> None:
        assert self.fit is not None
        if self.fit.rank != 0:
            return
        state = {"fit": self.fit.state(), "points": self.points, "seconds": seconds}
        self.states.save(self.order["trial"], self.order, state)
        self.kept = True

    def _start(self, train: Rows) -> Fit:
        architecture = ARCHITECTURES[self.order["architecture"]]
        return Fit(
            architecture,
            architecture.Config.model_validate(self.order["config"]),
            self.data.shape,
            train,
            seed=self.order["seed"],
            device=self.device,
        )

    def _end(self) -> dict[str, Any]:
        """The final metrics, decoded from calibrated probabilities."""
        assert self.fit is not None
        rows = on_device(self.validation, self.fit.device)
        temperature = calibrate(self.fit, rows)
        metrics = evaluate(self.fit, rows, decoder=self.data.decoder, temperature=temperature)
        value = metrics.of(self.data.decoder)
        if not math.isfinite(value):
            raise FitFailed(f"the validation error is {value}")
        if self.order["stage"] == "confirm" and self.fit.rank == 0:
            self._keep(rows, temperature)
        return {"state": "done", "value": value, "metrics": metrics, "temperature": temperature}

    def _keep(self, rows: Tensors, temperature: float) -> None:
        """Write the ratings of the held-out rows, float32 of shape (decoders of KEPT, rows)."""
        assert self.fit is not None
        output = predict(self.fit.model, rows.users, rows.items, rows.times)
        ratings = [
            decode(output, self.fit.model.grid, self.data.shape.scale, decoder=by, temperature=temperature)
            for by in KEPT
        ]
        held_out.write(self.data.store, self.order["trial"], torch.stack(ratings).float().cpu().numpy())


def _until_a_stop(reports: Iterator[Report]) -> Iterator[Report]:
    """Reports up to the rung, the end, or a second: on every worker alike."""
    for report in reports:
        yield report
        if report.save or report.marked or report.progress == 1:
            return


def _point(report: Report, decoder: Decoder) -> dict[str, float]:
    assert report.validation is not None
    return {
        "value": report.validation.of(decoder),
        "epoch": report.epoch,
        "whole": report.whole,
        "progress": report.progress,
        "learning_rate": report.learning_rate,
        "train_loss": report.train_loss,
        "mse": report.validation.of("mean"),
        "argmax_mse": report.validation.of("argmax"),
    }
