"""Weights & Biases' runs: one for each fit and one for the run itself, in one group. They may be offline ones."""

import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import wandb

from reeltune.cluster.runs.answer import Metrics
from reeltune.cluster.runs.folder import RunFolder
from reeltune.cluster.runs.record import Asked
from reeltune.cluster.trackers import results
from reeltune.cluster.trackers.kept import RUN, Kept, kept_name
from reeltune.cluster.tracking.tracker import EpochPoint, FitEnd, RunState, TrackedFit, TrackerFailed
from reeltune.trainables.errors import InputError, one_line

PROJECT = "reeltune"
PATIENCE = 20.0  # seconds in which a server has to take a new run
# No copy of the console, the code or the machine's load: W&B has the fits, and no more of what runs beside them.
SETTINGS = {
    "silent": True,
    "console": "off",
    "disable_git": True,
    "disable_code": True,
    "x_disable_stats": True,
    "x_disable_meta": True,
    "init_timeout": PATIENCE,
    "login_timeout": PATIENCE,
    "finish_timeout": PATIENCE,  # then its files stay in wandb/, and `wandb sync` sends them
    "finish_timeout_raises": True,
}


class WandbRuns:
    """Writes to the project; a run's group is its name, and the job type of a fit its architecture."""

    def __init__(self, project: str | None, folder: RunFolder, asked: Asked) -> None:
        self.project = project or os.environ.get("WANDB_PROJECT") or PROJECT
        self.folder, self.asked, self.kept = folder, asked, Kept(folder, "wandb")
        self._runs: dict[str, wandb.Run] = {}  # those that are open, by RUN or a fit's name
        self._epochs: dict[str, int] = {}  # written so far: W&B takes steps in order alone

    @property
    def offline(self) -> bool:
        return os.environ.get("WANDB_MODE", "online") != "online"

    def open(self) -> list[str]:
        """Make the run, or go on with it. Returns lines for the user. Raises InputError if it cannot be written."""
        self.kept.begin(self.project)
        self._check_key()
        try:
            run = self._run(RUN, self.folder.title, kept=RUN, job="run", config=results.parameters(self.asked))
        except TrackerFailed as error:
            raise InputError(
                f"--tracker wandb: {self.project} cannot be written: {error}; set WANDB_MODE=offline and send it later "
                "(wandb sync), or leave --tracker out"
            ) from None
        if self.offline:
            folder = os.path.dirname(run.dir)
            return [f"Weights & Biases: offline, in {os.path.dirname(folder)}; wandb sync --sync-all sends it"]
        return [f"Weights & Biases: {run.url}"]

    def _check_key(self) -> None:
        """Refuse at once what W&B would ask a terminal for."""
        if not (self.offline or wandb.login(prompt=False, verify=False)):
            raise InputError(
                "--tracker wandb: no API key is known: set WANDB_API_KEY, or run wandb login; or set "
                "WANDB_MODE=offline and send the runs later (wandb sync)"
            )

    # What a tracker is told

    def began(self, fit: TrackedFit) -> None:
        if fit.stage == "train":
            self._runs[fit.name] = self._runs[RUN]
            self._runs[fit.name].config.update(fit.config, allow_val_change=True)
        elif fit.name not in self._runs:  # else it begins again, after a crash
            job, config = fit.architecture, {**fit.config, "stage": fit.stage}
            self._run(fit.name, fit.name, kept=kept_name(fit), job=job, config=config)

    def update(self, name: str, points: Sequence[EpochPoint]) -> None:
        run = self._runs.get(name)
        if run is None:
            raise TrackerFailed("W&B has not taken its beginning")
        with self._asking():
            for point in points:
                if point.epoch > self._epochs.get(name, 0):
                    run.log(_numbers(point), step=point.epoch)
                    self._epochs[name] = point.epoch

    def ended(self, name: str, end: FitEnd) -> None:
        run = self._runs.get(name)
        if run is None:
            return
        with self._asking():
            run.summary.update({"state": end.state, **({} if end.value is None else {"value": end.value})})
            self._end(name, failed=end.state == "failed")

    def chosen(self, folder: RunFolder) -> None:
        with self._asking():
            answer, run = results.answer_of(folder), self._runs[RUN]
            table = [list(row) for row in results.rows(answer)]
            run.log({"verdict": wandb.Table(columns=list(results.COLUMNS), data=table)})
            for row in results.rows(answer):
                run.summary.update({row[0]: {**results.numbers(row), "verdict": row[-1]}})
            run.summary.update({"winner": answer.winner, "answer": results.said(answer)})
            report = wandb.Artifact(self._artifact("report"), "report")
            for path in results.files(folder):
                report.add_file(str(path))
            run.log_artifact(report)
            if answer.winner is not None and answer.folds is None:
                self._log_model(folder, answer.winner)

    def trained(self, folder: RunFolder, architecture: str, errors: Mapping[str, Metrics | None]) -> None:
        with self._asking():
            self._runs[RUN].summary.update(results.errors_of(errors))
            self._log_model(folder, architecture)

    def close(self) -> None:
        with self._asking():
            for name in [name for name in self._runs if name != RUN]:
                self._end(name, failed=True)

    def finished(self, state: RunState) -> None:
        self.close()
        with self._asking():
            self._end(RUN, failed=state != "done")

    def answers(self) -> bool:
        """W&B keeps what a server does not take, and sends it itself: what it refuses, it refuses for good."""
        return True

    # Requests

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Raise TrackerFailed with the reason if W&B cannot do what it is asked within."""
        try:
            yield
        except (wandb.errors.Error, OSError, ValueError, TypeError) as error:
            raise TrackerFailed(one_line(str(error)) or type(error).__name__) from None

    def _run(self, name: str, title: str, *, kept: str, job: str, config: Mapping[str, Any]) -> wandb.Run:
        with self._asking():
            run = wandb.init(
                project=self.project,
                group=self.folder.title,
                job_type=job,
                name=title,
                id=self.kept.ids.get(kept) or secrets.token_hex(4),
                resume=None if self.offline else "allow",
                reinit="create_new",
                config=dict(config),
                settings=wandb.Settings(**SETTINGS),
            )
            self.kept.add(kept, str(run.id))
            self._runs[name] = run
            self._epochs[name] = 0
            return run

    def _end(self, name: str, *, failed: bool) -> None:
        run = self._runs.pop(name)
        if name == RUN or run is not self._runs.get(RUN):  # the fit of `train` is the run itself
            run.finish(exit_code=int(failed))

    def _artifact(self, what: str) -> str:
        """The name of an artifact: W&B takes fewer characters there than in names of runs."""
        return re.sub(r"[^A-Za-z0-9_.-]", "-", f"{self.folder.title}-{what}")

    def _log_model(self, folder: RunFolder, name: str) -> None:
        model = wandb.Artifact(self._artifact("model"), "model", metadata={"architecture": name})
        model.add_dir(str(folder.model(name)))
        self._runs[RUN].log_artifact(model)


def _numbers(point: EpochPoint) -> dict[str, float]:
    values = {
        "train_loss": point.train_loss,
        "learning_rate": point.learning_rate,
        "validation_mse": point.mse,
        "validation_argmax_mse": point.argmax_mse,
    }
    return {name: value for name, value in values.items() if value is not None}
