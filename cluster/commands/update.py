"""`reeltune update`: a bundle's own configuration on newer ratings, and whether what comes of it is the better bundle.

The latest of the new ratings are held out from the fit that is judged. What is written is then fitted on all of them.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from reeltune.cluster.judging.scores import Scored, scored
from reeltune.cluster.runs.find import model_folder
from reeltune.cluster.runs.stored import Stored
from reeltune.trainables.architectures import ENSEMBLE
from reeltune.trainables.architectures.kept_source import NO_SOURCE, OwnSource
from reeltune.trainables.architectures.registry import Registry, resolve
from reeltune.trainables.bundle import describe, hash_of, load_own, read_description, save, served_weights
from reeltune.trainables.config import FitConfig
from reeltune.trainables.data import Ids, Rows, SealedRows, Split
from reeltune.trainables.data.newer import Newer, NewerData, held_out, read_newer, refuse_off_scale, rows_where
from reeltune.trainables.data.prepared import DataOptions, Prepared, check_looks, looks, shape_of
from reeltune.trainables.description import Description, UpdatedFrom, fitted_on, name_of
from reeltune.trainables.errors import InputError
from reeltune.trainables.fitting.fit import Fit
from reeltune.trainables.fitting.loop import run
from reeltune.trainables.fitting.threads import one_thread
from reeltune.trainables.fitting.timestamps import check_times
from reeltune.trainables.fitting.weighted import check_weights
from reeltune.trainables.folding.prior import learnt
from reeltune.trainables.model import RatingModel
from reeltune.trainables.predictor import Predictor
from reeltune.trainables.scoring.comparison import compare
from reeltune.trainables.scoring.metric_table import Objective
from reeltune.trainables.scoring.metrics import predict
from reeltune.trainables.scoring.spread import Spread, known_of
from reeltune.trainables.scoring.verdict import Verdict, Word, judge
from reeltune.trainables.writable import obstacle

UPDATED = "updated"
SENTENCE = {
    "beats": "the updated bundle beats the old one",
    "worse": "the updated bundle is worse than the old one: keep that",
    "undecided": "the updated bundle against the old one: undecided",
}


@dataclass(frozen=True, kw_only=True)
class UpdateOptions:
    model: str  # a bundle's path or URI
    data: NewerData
    output: Path
    test_share: float  # of the new ratings, to judge on
    own: OwnSource = NO_SOURCE


class Updated(Stored):
    """What `update --json` prints. A gain above 0 means that the updated bundle's error is the smaller one."""

    architecture: str
    model: str
    output: str
    ratings: int
    new: int
    users: int  # new ones
    items: int  # new ones
    held_out: int
    held_out_by: Literal["time", "random"]
    look: int  # which look at these held-out ratings this was
    metric: str  # `argmax-MSE`
    old: float  # the error of the bundle as it was
    updated: float
    gain: float
    ci95: tuple[float, float] | None
    p: float
    verdict: Word
    swap: bool  # the verdict is not "worse"
    missing: str | None  # why the verdict is "undecided"
    notes: list[str]  # what was guessed in reading, and what the fit says


def update(options: UpdateOptions, tell: Callable[[str], None]) -> Updated:
    """Fit, judge and write the new bundle; `tell` gets each step. Raises InputError, and FitFailed if a fit fails."""
    _refuse_output(options.output)
    check_looks()
    folder = model_folder(options.model)
    described = read_description(folder)
    _refuse_ensemble(options.model, described)
    old, registry = load_own(folder, options.own), resolve(options.own.files)[1]
    seen = described.fitted_on
    named = replace(options.data, reading=options.data.reading.beside(old.column_names))
    newer = read_newer(named, fitted=None if seen is None else seen.ratings)
    refuse_off_scale(newer.ratings, old.scale)
    _refuse_other_weights(described, newer)
    come_from = UpdatedFrom(
        name=name_of(options.model) if "://" in options.model else folder.resolve().name,
        hash=hash_of(folder),
        date=described.date,
        added=int(newer.new.sum()),
    )
    return _Job(options=options, old=old, come_from=come_from, registry=registry, newer=newer).done(tell)


def about_update(done: Updated) -> list[str]:
    """The verdict, what it is of and what was written, in lines for a person."""
    which = "the latest new ones" if done.held_out_by == "time" else "drawn at random from the new ones"
    missing = "" if done.missing is None else f" ({done.missing})"
    look = "" if done.look == 1 else f"; this was look number {done.look} at them, and the interval assumes the first"
    return [
        f"{SENTENCE[done.verdict]}{missing}: {done.metric} {done.updated:.4f} against {done.old:.4f}",
        f"judged by {done.metric} on {done.held_out:,} ratings, {which} of pairs with no other; {done.architecture} "
        f"was first fitted without them{look}",
        f"of {done.ratings:,} ratings {done.new:,} are new; new users: {done.users:,}, new items: {done.items:,}",
        *done.notes,
        f"{done.output} is fitted on all {done.ratings:,}, those {done.held_out:,} too; {done.model} stays as it is",
    ]


def _refuse_output(output: Path) -> None:
    if os.path.lexists(output):
        raise InputError(f"--output {output}: is there already, and no bundle is overwritten; give another path")
    if (why := obstacle(output)) is not None:
        raise InputError(f"--output {output}: {why}; give another path")


def _refuse_ensemble(model: str, described: Description) -> None:
    if described.architecture == ENSEMBLE:
        members = ", ".join(described.config["members"])
        raise InputError(
            f"{model}: an ensemble is not updated, since its weights need fits that hold rows out; update the bundle "
            f"of one of its members ({members}), or search again: reeltune tune --from RUN"
        )


def _refuse_other_weights(described: Description, newer: Newer) -> None:
    """Raise InputError where the bundle's rows had weights and these have none, or the other way round."""
    had = None if described.fitted_on is None else described.fitted_on.weight_column
    has = newer.ratings.columns.get("weight")
    if had is not None and has is None:
        raise InputError(f"the model's ratings had weights, column {had!r}: name that of all these by --weight-column")
    if had is None and has is not None:
        raise InputError(f"--weight-column {has}, and the model's ratings had no weights; leave it out, or use train")


@dataclass(frozen=True, kw_only=True)
class _Job:
    options: UpdateOptions
    old: Predictor
    come_from: UpdatedFrom
    registry: Registry
    newer: Newer

    def done(self, tell: Callable[[str], None]) -> Updated:
        """The fit that is judged, the verdict, and the fit that is written."""
        test = held_out(self.newer, share=self.options.test_share, seed=self.described.seed)
        judged = self._prepared(~test)
        architecture = self.registry[self.described.architecture]
        check_times([self.config], judged)
        check_weights([(architecture, self.config)], judged)
        first = self._fit(judged, "without the ratings to judge on", tell)
        sealed = SealedRows(rows_where(self.newer.ratings.rows, test))
        rows, look = sealed.open(looks(), reason=f"update {self.options.model}")
        verdict, scores = self._judged(first.model, judged, rows)
        last = self._fit(self._prepared(np.ones_like(test)), "on all ratings", tell)
        self._save(last, judged, rows, scores[UPDATED])
        return self._answer(verdict, scores, rows, look, last)

    @property
    def described(self) -> Description:
        return self.old.description

    @cached_property
    def config(self) -> FitConfig:
        config = self.registry[self.described.architecture].Config
        return config.model_validate(self.described.config)

    @property
    def objective(self) -> Objective:
        """What the bundle was searched by; the squared error where it does not say."""
        return Objective(decoder=self.described.decoder, metric=self.described.own_metric() or "mse")

    @property
    def by(self) -> Literal["time", "random"]:
        """How ratings are held out."""
        return "random" if self.newer.ratings.rows.timestamps is None else "time"

    def _about_metric(self) -> list[str]:
        unsaid = self.described.own_metric() is None
        return [f"the bundle does not say what it was searched by: it is judged by {self.objective.label}"] * unsaid

    def _prepared(self, chosen: np.ndarray) -> Prepared:
        """The chosen ratings, a mask of shape (rows,), as rows to fit on; on the scale of the bundle."""
        ratings = self.newer.ratings
        rows, none = (rows_where(ratings.rows, mask) for mask in (chosen, np.zeros_like(chosen)))
        return Prepared(
            asked=DataOptions(data=ratings.name, split=self.by, split_seed=self.described.seed),
            ratings=ratings.about(),
            split=Split(train=rows, validation=none, test=SealedRows(none)),
            shape=shape_of(ratings, rows, scale=self.old.scale, kind=self.by),
        )

    def _fit(self, prepared: Prepared, which: str, tell: Callable[[str], None]) -> Fit:
        """Fit the bundle's configuration, by its own seed, on one thread of this process."""
        architecture = self.registry[self.described.architecture]
        with one_thread():
            fit = Fit(architecture, self.config, prepared.shape, prepared.split.train, seed=self.described.seed)
            for report in run(fit):
                if report.whole:
                    tell(f"fit {which}: epoch {report.epoch} of {fit.epochs}, training loss {report.train_loss:.4f}")
        return fit

    def _judged(self, model: RatingModel, prepared: Prepared, rows: Rows) -> tuple[Verdict, dict[str, Scored]]:
        """The verdict on held-out rows of the updated bundle over the old one, and the scores of both."""
        known = self.newer.ratings
        places = _places(known.users, self.old.users)[rows.users], _places(known.items, self.old.items)[rows.items]
        scores = {
            "old": self._scored(self.old.model, *places, rows, prepared),
            UPDATED: self._scored(model, rows.users, rows.items, rows, prepared),
        }
        found = compare(scores["old"].errors, scores[UPDATED].errors, rows.users, rows.weights)
        return judge({UPDATED: found})[UPDATED], scores

    def _scored(
        self, model: RatingModel, users: np.ndarray, items: np.ndarray, rows: Rows, prepared: Prepared
    ) -> Scored:
        """The scores of a model that has the rows' users and items at these places."""
        times = None if rows.timestamps is None else torch.tensor(rows.timestamps).long()
        output = predict(model, torch.tensor(users).long(), torch.tensor(items).long(), times)
        temperature = self.described.temperature
        return scored(output, model.grid, rows, prepared.shape, objective=self.objective, temperature=temperature)

    def _save(self, fit: Fit, judged: Prepared, rows: Rows, scores: Scored) -> None:
        """Write the bundle: a refit on all ratings, with figures of the fit before on these rows, which that lacked."""
        described, ratings = self.described, self.newer.ratings
        before = replace(judged, split=replace(judged.split, validation=rows))
        known = known_of(judged.split.train, rows, judged.shape)
        description = describe(
            described.architecture,
            self.config,
            self.old.scale,
            decoder=described.decoder,
            temperature=described.temperature,
            seed=described.seed,
            data=ratings.name,
            metric=described.own_metric(),
            metrics={"validation": scores.metrics.by_name()},
            sources=self.registry.sources,
            fitted_on=fitted_on(before, len(ratings.rows)),
            spread=Spread.of(rows.ratings, scores.averaged, known),
        ).model_copy(update={"updated_from": self.come_from})
        _refuse_output(self.options.output)  # one that came meanwhile
        save(
            self.options.output,
            description,
            served_weights(fit.model),
            ratings.users,
            ratings.items,
            fitted=ratings.rows,
            sources=self.registry.sources,
            priors=learnt(fit.model, fit.rows, seed=fit.seed),
        )

    def _answer(self, verdict: Verdict, scores: dict[str, Scored], rows: Rows, look: int, fit: Fit) -> Updated:
        ratings, found = self.newer.ratings, verdict.comparison
        return Updated(
            architecture=self.described.architecture,
            model=self.options.model,
            output=str(self.options.output),
            ratings=len(ratings.rows),
            new=self.come_from.added,
            users=_new_ids(ratings.rows.users, _places(ratings.users, self.old.users)),
            items=_new_ids(ratings.rows.items, _places(ratings.items, self.old.items)),
            held_out=len(rows),
            held_out_by=self.by,
            look=look,
            metric=self.objective.label,
            old=self.objective.of(scores["old"].metrics.by_name()),
            updated=self.objective.of(scores[UPDATED].metrics.by_name()),
            gain=found.gain,
            ci95=found.ci95,
            p=verdict.p_holm,
            verdict=verdict.word,
            swap=verdict.word != "worse",
            missing=verdict.missing,
            notes=[*self._about_metric(), *ratings.notes, *fit.model.notes],
        )


def _places(ids: Ids, among: Ids) -> np.ndarray:
    """By index of one's ids the index of the other's, shape (1 + ids,); 0 where it has none."""
    return np.concatenate([[0], among.encode(ids.text)])


def _new_ids(rated: np.ndarray, places: np.ndarray) -> int:
    """How many ids of rated rows the bundle does not have."""
    return int((places[np.unique(rated)] == 0).sum())
