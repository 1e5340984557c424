"""MLflow's runs: the run itself, below it one for each architecture, and below that one for each fit."""

import os
from collections.abc import Mapping, Sequence

import mlflow

from reeltune.cluster.runs.answer import Answer, Metrics
from reeltune.cluster.runs.folder import RunFolder
from reeltune.cluster.runs.record import Asked, AskedToTune
from reeltune.cluster.trackers import results
from reeltune.cluster.trackers.asked import AskedTracker, masked
from reeltune.cluster.trackers.kept import RUN, Kept, kept_name
from reeltune.cluster.trackers.mlflow_requests import Requests
from reeltune.cluster.tracking.tracker import EpochPoint, FitEnd, RunState, TrackedFit, TrackerFailed
from reeltune.trainables.errors import InputError

STATUS = {"done": "FINISHED", "stopped": "KILLED", "failed": "FAILED", "interrupted": "KILLED"}
PARENT, NOTE, USER = "mlflow.parentRunId", "mlflow.note.content", "mlflow.user"  # tags that MLflow's pages read
LONGEST_NOTE = 5000  # characters that servers of any age take
ARCHITECTURE = "architecture"


class MlflowRuns:
    """Writes what a tracker is told. A resumed run goes on in the runs whose ids its folder has."""

    def __init__(self, requests: Requests, folder: RunFolder, asked: Asked) -> None:
        self.requests, self.folder, self.asked = requests, folder, asked
        self.kept = Kept(folder, "mlflow")
        self._running: dict[str, str] = {}  # the ids of fits that have begun
        self._live: set[str] = set()  # the ids of runs that MLflow has as running, by this session's doing

    @classmethod
    def opened(cls, tracker: AskedTracker, folder: RunFolder, asked: Asked) -> tuple["MlflowRuns", list[str]]:
        """Make the run, or go on with it; also lines for the user. Raises InputError if it cannot be written."""
        uri = tracker.where or mlflow.get_tracking_uri()
        try:
            runs = cls(Requests(uri), folder, asked)
            return runs, runs.begin()
        except TrackerFailed as error:
            start = "start the server (mlflow server), " if uri.startswith("http") else ""
            raise InputError(
                f"--tracker mlflow: {masked(uri)} cannot be written: {error}; {start}name another place (--tracker "
                "mlflow=URI, or MLFLOW_TRACKING_URI: of a server http://HOST:PORT, of a file sqlite:///mlflow.db), or "
                "leave --tracker out"
            ) from None

    def begin(self) -> list[str]:
        """Make the run, or go on with it. Returns lines for the user."""
        lines = []
        if self.kept.begin(self.requests.place) and not self.requests.has(self.kept.ids[RUN]):
            lines = [f"MLflow: the run of before is not in {self.requests.place} any more, and another one begins"]
            self.kept.forget()
        begins = RUN not in self.kept.ids
        user = {USER: os.environ["USER"]} if "USER" in os.environ else {}
        run = self._run(RUN, self.folder.title, {NOTE: self.folder.place, **user})
        if begins:
            self.requests.log(run, parameters=results.parameters(self.asked))
        if isinstance(self.asked, AskedToTune):  # a tag: --resume may raise it, and a parameter stays what it is
            self.requests.log(run, tags={"trials": str(self.asked.trials)})
        return [*lines, f"MLflow: {self.requests.page(run)}"]

    # What a tracker is told

    def began(self, fit: TrackedFit) -> None:
        run = self.kept.ids[RUN]
        if fit.stage != "train":
            tags = {"stage": fit.stage, PARENT: self._architecture(fit.architecture)}
            run = self._run(kept_name(fit), fit.name, tags)
        self.requests.log(run, parameters={name: results.text(value) for name, value in fit.config.items()})
        self._running[fit.name] = run

    def update(self, name: str, points: Sequence[EpochPoint]) -> None:
        if name not in self._running:
            raise TrackerFailed("MLflow has not taken its beginning")
        self.requests.log_points(self._running[name], points)

    def ended(self, name: str, end: FitEnd) -> None:
        if name not in self._running:
            return
        run = self._running[name]
        self.requests.log(run, metrics={} if end.value is None else {"value": end.value}, tags={"state": end.state})
        self._end(run, STATUS[end.state])
        self._running.pop(name)

    def chosen(self, folder: RunFolder) -> None:
        answer, run = results.answer_of(folder), self.kept.ids[RUN]
        for row in results.rows(answer):
            self._log_row(row, answer)
        self.requests.log(run, tags={"winner": answer.winner or "", "answer": results.said(answer)})
        self.requests.log_text(run, results.as_csv(answer), "verdict.csv")
        for path in results.files(folder):
            self.requests.log_file(run, path)
            if path.suffix == ".md":
                self.requests.log(run, tags={NOTE: path.read_text(encoding="utf-8")[:LONGEST_NOTE]})
        if answer.winner is not None and answer.folds is None:
            self.requests.log_model(run, folder.model(answer.winner))

    def _log_row(self, row: results.Row, answer: Answer) -> None:
        """A row of the verdict's table, in its architecture's run; those of baseline and winner in the run itself."""
        name, numbers, run = row[0], results.numbers(row), self.kept.ids[RUN]
        if name == results.BASELINE:
            self.requests.log(run, metrics={f"baseline_{column}": number for column, number in numbers.items()})
            return
        tags = {"verdict": row[-1] or ""}
        if name == answer.winner:
            self.requests.log(run, metrics=numbers, tags=tags)
        config = answer.architectures[name].config  # none over folds, each of which has its own
        chosen = {} if config is None else {"chosen": results.text(config)}
        self.requests.log(self._architecture(name), metrics=numbers, tags={**tags, **chosen})

    def trained(self, folder: RunFolder, architecture: str, errors: Mapping[str, Metrics | None]) -> None:
        self.requests.log(self.kept.ids[RUN], metrics=results.errors_of(errors))
        self.requests.log_model(self.kept.ids[RUN], folder.model(architecture))

    def close(self) -> None:
        for name, run in list(self._running.items()):
            self._end(run, STATUS["interrupted"])
            self._running.pop(name)

    def finished(self, state: RunState) -> None:
        self.close()
        above = [id_ for name, id_ in self.kept.ids.items() if name.startswith(f"{ARCHITECTURE} ")]
        for run in above:
            self._end(run, STATUS[state])
        self.requests.end(self.kept.ids[RUN], STATUS[state])

    def answers(self) -> bool:
        try:
            return self.requests.has(self.kept.ids[RUN])
        except TrackerFailed:
            return False

    # Runs by name

    def _architecture(self, name: str) -> str:
        return self._run(f"{ARCHITECTURE} {name}", name, {"stage": ARCHITECTURE, PARENT: self.kept.ids[RUN]})

    def _run(self, name: str, title: str, tags: Mapping[str, str]) -> str:
        """The id of the run of this name, which is running: a new one, or that of before."""
        run = self.kept.ids.get(name)
        if run is None:
            run = self.kept.add(name, self.requests.create(title, tags))
        elif run not in self._live:
            self.requests.go_on(run)
        self._live.add(run)
        return run

    def _end(self, run: str, status: str) -> None:
        """End a run, but not the one of all: the fit of `train` is that one."""
        if run != self.kept.ids[RUN]:
            self.requests.end(run, status)
            self._live.discard(run)
