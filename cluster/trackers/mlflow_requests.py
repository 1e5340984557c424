"""What MLflow is asked for: each request fails within seconds, and with a reason that has no secrets."""

import os
import re
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import requests
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from reeltune.cluster.trackers.asked import masked, safe
from reeltune.cluster.trackers.mlflow_model import write_model
from reeltune.cluster.tracking.tracker import EpochPoint, TrackerFailed
from reeltune.trainables.errors import one_line

EXPERIMENT = "reeltune"
# MLflow's own variables, unless the user has set them: requests that fail within seconds, and nothing on standard
# output, which has the result of --json.
QUICK = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
LONGEST = 500  # characters of a parameter that servers of any age take
AT_ONCE = 200  # epochs in one request: four numbers each, and a request may have a thousand
MODEL = "model"  # the folder of a run's artifacts
PLAIN = (MlflowException, requests.RequestException, OSError)  # errors whose text says what is wrong


class Requests:
    """To a server or a database. Each method raises TrackerFailed if it cannot do its work."""

    def __init__(self, uri: str) -> None:
        for name, value in QUICK.items():
            os.environ.setdefault(name, value)
        self.uri, self.place = uri, masked(uri)
        with self._asking():
            self.client = MlflowClient(self.uri)
            name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
            found = self.client.get_experiment_by_name(name)
            self.experiment = str(found.experiment_id if found is not None else self.client.create_experiment(name))

    def page(self, run: str) -> str:
        """Where to look at a run."""
        if self.uri.startswith("http"):
            return f"{self.place.rstrip('/')}/#/experiments/{self.experiment}/runs/{run}"
        return f"run {run} in {self.place} (mlflow ui --backend-store-uri {self.place})"

    def has(self, run: str) -> bool:
        """Whether a run is in the experiment, and not deleted."""
        with self._asking():
            try:
                about = self.client.get_run(run).info
            except MlflowException as error:
                if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                    return False
                raise
            return str(about.lifecycle_stage) == "active" and str(about.experiment_id) == self.experiment

    def create(self, title: str, tags: Mapping[str, str]) -> str:
        """The id of a new run, which is running."""
        with self._asking():
            return str(self.client.create_run(self.experiment, run_name=title, tags=dict(tags)).info.run_id)

    def go_on(self, run: str) -> None:
        """A run that had ended is running again."""
        with self._asking():
            self.client.update_run(run, status="RUNNING")

    def end(self, run: str, status: str) -> None:
        with self._asking():
            self.client.set_terminated(run, status)

    def log(
        self,
        run: str,
        *,
        metrics: Mapping[str, float] | None = None,
        parameters: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        now = _now()
        with self._asking():
            self.client.log_batch(
                run,
                metrics=[Metric(name, value, now, 0) for name, value in (metrics or {}).items()],
                params=[Param(name, value[:LONGEST]) for name, value in (parameters or {}).items()],
                tags=[RunTag(name, value) for name, value in (tags or {}).items()],
            )

    def log_points(self, run: str, points: Sequence[EpochPoint]) -> None:
        with self._asking():
            for start in range(0, len(points), AT_ONCE):
                found = [each for point in points[start : start + AT_ONCE] for each in _metrics(point)]
                self.client.log_batch(run, metrics=found)

    def log_text(self, run: str, text: str, name: str) -> None:
        with self._asking():
            self.client.log_text(run, text, name)

    def log_file(self, run: str, path: Path) -> None:
        with self._asking():
            self.client.log_artifact(run, str(path))

    def log_model(self, run: str, bundle: Path) -> None:
        with self._asking(), tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / MODEL
            write_model(bundle, path)
            self.client.log_artifacts(run, str(path), MODEL)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001  Databases and artifact stores have libraries, each with its own errors.
            raise TrackerFailed(safe(_reason(error), self.uri)) from None


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
    """An error in a few words: the innermost one, if a request failed on its way; with its kind, if it is not PLAIN."""
    found = re.search(r"\[Errno -?\d+\] ([^'\")]+)|Error\('([^']+)'|(Read timed out)", str(error))
    if found:
        return next(filter(None, found.groups()))
    said = one_line(str(error))
    return said if isinstance(error, PLAIN) else f"{type(error).__name__}: {said}"
