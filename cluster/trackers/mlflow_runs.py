"""MLflow's runs: the run itself, below it one for each architecture, and below that one for each fit."""

import os
import re
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import mlflow
import requests
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from reeltune.cluster.runs.answer import Metrics
from reeltune.cluster.runs.folder import RunFolder
from reeltune.cluster.runs.record import Asked, AskedToTune
from reeltune.cluster.trackers import results
from reeltune.cluster.trackers.asked import masked, safe
from reeltune.cluster.trackers.kept import RUN, Kept
from reeltune.cluster.trackers.mlflow_model import write_model
from reeltune.cluster.tracking.tracker import EpochPoint, FitEnd, RunState, TrackedFit, TrackerFailed
from reeltune.trainables.errors import InputError, one_line

EXPERIMENT = "reeltune"
# MLflow's own variables, unless the user has set them: requests that fail within seconds, and nothing on standard
# output, which has the result of --json.
QUICK = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
STATUS = {"done": "FINISHED", "stopped": "KILLED", "failed": "FAILED", "interrupted": "KILLED"}
PARENT, NOTE, USER = "mlflow.parentRunId", "mlflow.note.content", "mlflow.user"
LONGEST_PARAMETER, LONGEST_NOTE = 500, 5000  # characters that servers of any age take
AT_ONCE = 200  # epochs in one request: four numbers each, and a request may have a thousand
MODEL = "model"  # the folder of a run's artifacts


class MlflowRuns:
    """Writes to a server, a database or a folder. `ids` of an earlier session are gone on with."""

    def __init__(self, where: str | None, folder: RunFolder, asked: Asked) -> None:
        for name, value in QUICK.items():
            os.environ.setdefault(name, value)
        self.uri = where or mlflow.get_tracking_uri()
        self.folder, self.asked, self.kept = folder, asked, Kept(folder, "mlflow")
        self.client = MlflowClient(self.uri)
        self.experiment = ""
        self._running: dict[str, str] = {}  # the ids of fits that have begun
        self._live: set[str] = set()  # the ids of runs that MLflow has as running, by this session's doing

    @property
    def place(self) -> str:
        """Where to look at the run."""
        run = self.kept.ids[RUN]
        if self.uri.startswith("http"):
            return f"{masked(self.uri).rstrip('/')}/#/experiments/{self.experiment}/runs/{run}"
        return f"run {run} in {masked(self.uri)} (mlflow ui --backend-store-uri {masked(self.uri)})"

    def open(self) -> list[str]:
        """Make the run, or go on with it. Returns lines for the user. Raises InputError if it cannot be written."""
        try:
            with self._asking():
                return self._open()
        except TrackerFailed as error:
            raise InputError(
                f"--tracker mlflow: {masked(self.uri)} cannot be written: {error}; start the server (mlflow server), "
                "name another one (--tracker mlflow=URI, or MLFLOW_TRACKING_URI), or leave --tracker out"
            ) from None

    def _open(self) -> list[str]:
        self.experiment = self._experiment()
        lines = []
        if self.kept.begin(masked(self.uri)) and not self._is_there(self.kept.ids[RUN]):
            lines = [f"MLflow: the run of before is not in {masked(self.uri)} any more, and another one begins"]
            self.kept.forget()
        begins = RUN not in self.kept.ids
        user = {USER: os.environ["USER"]} if "USER" in os.environ else {}
        run = self._run(RUN, self.folder.name, tags={NOTE: self.folder.place, **user})
        if begins:
            self._log(run, parameters=results.parameters(self.asked))
        if isinstance(self.asked, AskedToTune):  # a tag: --resume may raise it, and a parameter stays what it is
            self.client.set_tag(run, "trials", str(self.asked.trials))
        return [*lines, f"MLflow: {self.place}"]

    def _experiment(self) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
        found = self.client.get_experiment_by_name(name)
        return str(found.experiment_id if found is not None else self.client.create_experiment(name))

    def _is_there(self, run: str) -> bool:
        try:
            found = self.client.get_run(run)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return False
            raise
        return str(found.info.lifecycle_stage) == "active" and str(found.info.experiment_id) == self.experiment

    # What a tracker is told

    def began(self, fit: TrackedFit) -> None:
        with self._asking():
            run = self.kept.ids[RUN]
            if fit.stage != "train":
                parent = self._architecture(fit.architecture)
                run = self._run(fit.name, fit.name, parent=parent, tags={"stage": fit.stage})
            self._log(run, parameters={name: results.text(value) for name, value in fit.config.items()})
            self._running[fit.name] = run

    def update(self, name: str, points: Sequence[EpochPoint]) -> None:
        run = self._running.get(name)
        if run is None:
            raise TrackerFailed("MLflow has not taken its beginning")
        with self._asking():
            for start in range(0, len(points), AT_ONCE):
                found = [each for point in points[start : start + AT_ONCE] for each in _metrics(point)]
                self.client.log_batch(run, metrics=found)

    def ended(self, name: str, end: FitEnd) -> None:
        with self._asking():
            run = self._running.get(name)
            if run is None:
                return
            values = {} if end.value is None else {"value": end.value}
            self._log(run, metrics=values, tags={"state": end.state})
            if run != self.kept.ids[RUN]:
                self._end(run, STATUS[end.state])
            self._running.pop(name)

    def chosen(self, folder: RunFolder) -> None:
        with self._asking():
            answer, run = results.answer_of(folder), self.kept.ids[RUN]
            for row in results.rows(answer):
                if row[0] == results.BASELINE:
                    self._log(run, metrics={f"baseline_{name}": each for name, each in results.numbers(row).items()})
                else:
                    about = {"verdict": row[-1] or "", "chosen": results.text(answer.architectures[row[0]].config)}
                    self._log(self._architecture(row[0]), metrics=results.numbers(row), tags=about)
                if row[0] == answer.winner:
                    self._log(run, metrics=results.numbers(row), tags={"verdict": row[-1] or ""})
            self._log(run, tags={"winner": answer.winner or "", "answer": results.said(answer)})
            self.client.log_text(run, results.as_csv(answer), "verdict.csv")
            for path in results.files(folder):
                self.client.log_artifact(run, str(path))
                if path.suffix == ".md":
                    self.client.set_tag(run, NOTE, path.read_text(encoding="utf-8")[:LONGEST_NOTE])
            if answer.winner is not None:
                self._log_model(run, folder.model(answer.winner))

    def trained(self, folder: RunFolder, architecture: str, errors: Mapping[str, Metrics | None]) -> None:
        with self._asking():
            run = self.kept.ids[RUN]
            self._log(run, metrics=results.errors_of(errors))
            self._log_model(run, folder.model(architecture))

    def close(self) -> None:
        with self._asking():
            for name, run in list(self._running.items()):
                if run != self.kept.ids[RUN]:
                    self._end(run, STATUS["interrupted"])
                self._running.pop(name)

    def finished(self, state: RunState) -> None:
        self.close()
        with self._asking():
            of_run = [self.kept.ids[name] for name in self.kept.ids if name == RUN or name.startswith("architecture ")]
            for run in reversed(of_run):
                self._end(run, STATUS[state])

    def answers(self) -> bool:
        try:
            with self._asking():
                self.client.get_run(self.kept.ids[RUN])
        except TrackerFailed:
            return False
        return True

    # Requests

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Raise TrackerFailed with the reason if MLflow cannot do what it is asked within."""
        try:
            yield
        except (MlflowException, requests.RequestException, OSError) as error:
            raise TrackerFailed(safe(_reason(error), self.uri)) from None

    def _architecture(self, name: str) -> str:
        return self._run(f"architecture {name}", name, parent=self.kept.ids[RUN], tags={"stage": "architecture"})

    def _run(self, name: str, title: str, *, parent: str | None = None, tags: Mapping[str, str]) -> str:
        """The id of the run of this name, which runs now: a new one, or that of before."""
        if name in self.kept.ids:
            run = self.kept.ids[name]
            if run not in self._live:
                self.client.update_run(run, status="RUNNING")
            self._live.add(run)
            return run
        above = {} if parent is None else {PARENT: parent}
        made = self.client.create_run(self.experiment, run_name=title, tags={**tags, **above})
        self._live.add(str(made.info.run_id))
        return self.kept.add(name, str(made.info.run_id))

    def _log(
        self,
        run: str,
        *,
        metrics: Mapping[str, float] | None = None,
        parameters: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        now = _now()
        self.client.log_batch(
            run,
            metrics=[Metric(name, value, now, 0) for name, value in (metrics or {}).items()],
            params=[Param(name, value[:LONGEST_PARAMETER]) for name, value in (parameters or {}).items()],
            tags=[RunTag(name, value) for name, value in (tags or {}).items()],
        )

    def _log_model(self, run: str, bundle: Path) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / MODEL
            write_model(bundle, path)
            self.client.log_artifacts(run, str(path), MODEL)

    def _end(self, run: str, status: str) -> None:
        self.client.set_terminated(run, status)
        self._live.discard(run)


def _metrics(point: EpochPoint) -> Iterator[Metric]:
    now = _now()
    values = {
        "train_loss": point.train_loss,
        "learning_rate": point.learning_rate,
        "validation_mse": point.mse,
        "validation_argmax_mse": point.argmax_mse,
    }
    for name, value in values.items():
        if value is not None:
            yield Metric(name, value, now, point.epoch)


def _now() -> int:
    """Milliseconds since 1970."""
    return int(1000 * time.time())


def _reason(error: Exception) -> str:
    """An error in a few words: the innermost one, if a request failed on its way."""
    found = re.search(r"\[Errno -?\d+\] ([^'\")]+)|Error\('([^']+)'|(Read timed out)", str(error))
    return next(filter(None, found.groups())) if found else one_line(str(error))
