"""`Run`: what a search found, read from its folder."""

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import optuna
import pandas as pd

from reeltune.cluster.api import html
from reeltune.cluster.api.call import address_of, call
from reeltune.cluster.api.checks import whole_number
from reeltune.cluster.api.load import named
from reeltune.cluster.api.model import Model
from reeltune.cluster.api.plots import Chart, plot
from reeltune.cluster.api.tables import ranking_frame, trials_frame, trials_of_folds, verdict_frame
from reeltune.cluster.commands.replay import Replayed, replay, replay_options
from reeltune.cluster.commands.verdict import Rejudged, rejudge
from reeltune.cluster.report.search_plots import studies
from reeltune.cluster.report.words import answer, cut_short, headline
from reeltune.cluster.report.write import publish_reports
from reeltune.cluster.runs.answer import Answer
from reeltune.cluster.runs.finished import Run as ReadRun
from reeltune.cluster.runs.finished import read_run
from reeltune.cluster.runs.folder import RunFolder, read_entries
from reeltune.cluster.runs.kept_tables import DATA, place_of_table
from reeltune.trainables.architectures.kept_source import OwnSource
from reeltune.trainables.architectures.registry import is_own
from reeltune.trainables.bundle import needed_of
from reeltune.trainables.data.prepared import DataOptions
from reeltune.trainables.errors import InputError


class Run:
    """A search: what `tune` returns, or `open` has read. `place` is its folder or URI."""

    def __init__(self, folder: RunFolder, *, data: DataOptions | None = None, files: Sequence[str] = ()) -> None:
        """`files` are those of own architectures, which its models need."""
        self.folder, self.place = folder, folder.place
        self._read = read_run(folder)
        self._data, self._files = data, tuple(file for file in files if is_own(file))

    @property
    def answer(self) -> Answer:
        """The content of `verdict.json`. Raises InputError while the search is not finished."""
        if self._read.answer is None:
            raise InputError(f"{self.place}: the search is not finished; go on with tune(..., resume=True)")
        return self._read.answer

    @property
    def verdict(self) -> pd.DataFrame:
        """A row for the baseline and for each architecture: architecture, test_error, gain, low, high, p, verdict."""
        return verdict_frame(self.answer, self._read.decoder)

    @property
    def ranking(self) -> pd.DataFrame:
        """A row for each predictor's top lists: NDCG and recall. Raises InputError if the run has judged none."""
        if self.answer.ranking is None:
            raise InputError(f"{self.place}: no top lists were judged: the run is older, or has too many items")
        return ranking_frame(self.answer.ranking)

    @property
    def trials(self) -> pd.DataFrame:
        """A row for each trial that ended, with its hyperparameters; also of a search that is not finished.

        With folds there is a column `fold`, from 1.
        """
        folds = self._read.asked.folds
        if folds is None:
            return trials_frame(self._read.ledger)
        return trials_of_folds([read_entries(self.folder.fold(1 + place).ledger) for place in range(folds)])

    @property
    def folds(self) -> list["Run"]:
        """The run of each fold; none of a run that has no folds. Raises InputError while it is not finished."""
        each = [self.folder.fold(1 + place) for place in range(len(self.answer.folds or ()))]
        return [Run(folder, files=self._files) for folder in each]

    @property
    def winner(self) -> str | None:
        """The architecture that wins by validation error."""
        return self._read.winner

    @property
    def best(self) -> Model:
        """The winner, fitted on training and validation rows. Raises InputError if there is none, as of folds."""
        self._refuse_folds("best")
        if self.answer.winner is None:
            raise InputError(f"{self.place}: the run has no winner: no fit of it came to its end")
        return self.model(self.answer.winner)

    def model(self, architecture: str) -> Model:
        """The chosen fit of an architecture, or the ensemble. Raises InputError if the run has none of this name."""
        self._refuse_folds(f"model({architecture!r})")
        path = self.folder.model(architecture)
        if not path.is_dir():
            there = ", ".join(sorted(each.name for each in path.parent.glob("*"))) or "none"
            raise InputError(f"{self.place}: no model of {architecture!r}; there are {there}")
        fitted_on = self._data or _where_the_run_is(self._read.asked.options(), self.folder)
        return Model.at(path, own=OwnSource(files=needed_of(path, self._files)), fitted_on=fitted_on)

    def _refuse_folds(self, asked: str) -> None:
        if self._read.asked.folds is not None:
            raise InputError(
                f"{self.place}: {asked}: each of {self._read.asked.folds} folds has its own, run.folds[0].{asked}; "
                "a model for use comes from tune without folds"
            )

    def study(self, architecture: str) -> optuna.Study:
        """Optuna's study of an architecture. Raises InputError if the run has none of this name."""
        self._refuse_folds(f"study({architecture!r})")
        found = studies(self._read)
        if architecture not in found:
            raise InputError(f"{self.place}: no study of {architecture!r}; there are {', '.join(found) or 'none'}")
        return found[architecture]

    def plot(self, kind: str = "gain") -> Chart:
        """A figure: "gain", the architectures' gains with their intervals, or "history", how the search went.

        Raises InputError at "history" of a run of folds, each of which has a search of its own.
        """
        if kind == "history" and self._read.asked.folds is not None:
            raise InputError(
                f"{self.place}: plot('history'): each of {self._read.asked.folds} folds has a search of its own: "
                "run.folds[0].plot('history')"
            )
        return plot(kind, self.verdict, self.trials)

    def report(self) -> "Report":
        """Write `report.html`, `plots.html` and `report.md` again, and show the page in a notebook."""
        return Report(*publish_reports(self.folder))

    def judge(self, baseline: str | float | None = None) -> "Judged":
        """Judge the predictions again, also against another baseline. Counts as a look at the test rows."""
        return Judged(rejudge(self.folder, None if baseline is None else str(baseline)))

    def replay(
        self,
        architecture: str | os.PathLike[str] | None = None,
        *,
        workers: int | None = None,
        address: str | None = None,
    ) -> Replayed:
        """Train the winner, or `architecture`, again and compare its score. Counts as a look at the test rows.

        `architecture` is a name, or the file of an own one.
        """
        asked = replay_options(
            list(named(architecture)),
            workers=None if workers is None else whole_number("--workers", workers, 1),
            address=address_of(address),
        )
        options = replace(asked, keep_ray=True, files=tuple(dict.fromkeys([*asked.files, *self._files])))
        try:
            return call(lambda watch: replay(self.folder, options, watch), kept="the run is as it was")
        except InputError as error:
            raise InputError(_opened_with(self.place, str(error))) from None

    def __repr__(self) -> str:
        return "\n".join([f"run {self.place}", *_said(self._read)])

    def _repr_html_(self) -> str:
        if self._read.answer is None:
            return html.lines(repr(self).splitlines())
        first = answer(self._read.answer, self._read.decoder)
        others = html.folded("in words", html.lines(headline(self._read.answer, self._read.decoder)))
        last = html.lines([*_about_time(self._read.answer), f"run {self.place}"])
        return html.heading(first) + html.table(self.verdict) + others + last


def _where_the_run_is(data: DataOptions, folder: RunFolder) -> DataOptions:
    """The data of a run, with the tables that it keeps found from any folder: `run.json` may name them from another."""
    given = {"ratings": data.data, "users": data.users, "items": data.items}
    kept = {
        table: place_of_table(folder, table)
        for table, place in given.items()
        if (file := f"{DATA}/{table}.parquet") and str(place).endswith(f"/{file}") and (folder.path / file).is_file()
    }
    return replace(
        data,
        data=kept.get("ratings", data.data),
        users=kept.get("users", data.users),
        items=kept.get("items", data.items),
    )


def _opened_with(place: str, line: str) -> str:
    """A replay's line with `rt.open(run, architecture=FILE)` for `--architecture FILE`."""
    return re.sub(r"its file: --architecture (\S+)", rf"its file: rt.open({place!r}, architecture='\1')", line)


def _about_time(found: Answer) -> list[str]:
    short = cut_short(found)
    return [] if short is None else [f"{short}; the same call with its name and resume=True does the rest"]


def _said(run: ReadRun) -> list[str]:
    if run.answer is None:
        counts = ", ".join(f"{count} {state}" for state, count in run.counts().items())
        return [f"not finished: trials {counts}"]
    return [*headline(run.answer, run.decoder), *_about_time(run.answer)]


class Judged:
    """A run's predictions, judged again. `look` is which look at the test rows this was, counting from 1."""

    def __init__(self, judged: Rejudged) -> None:
        self.look, self.verdict = judged.look, verdict_frame(judged.result, judged.decoder)
        self._said = headline(judged.result, judged.decoder)

    def __repr__(self) -> str:
        note = "; the intervals assume the first" if self.look > 1 else ""
        return "\n".join([*self._said, f"this was look number {self.look} at these test rows{note}"])

    def _repr_html_(self) -> str:
        return html.table(self.verdict) + html.lines(repr(self).splitlines()[-1:])


class Report:
    """A run's page; `place` is its path or URI."""

    def __init__(self, path: Path, place: str) -> None:
        self.path, self.place = path, place

    def __repr__(self) -> str:
        return self.place

    def _repr_html_(self) -> str:
        return html.framed(self.path.read_text(encoding="utf-8"), height=800)
