"""`Model`: a fitted model that rates pairs and recommends items, by the ids of its own data."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from reeltune.cluster.api import html
from reeltune.cluster.api.checks import DECODERS, one_of, whole_number
from reeltune.cluster.api.options import export_asked, known_ids_of, reading
from reeltune.cluster.api.pairs import is_one, listed, pairs_of, table_of_one, times_of
from reeltune.cluster.api.ratings import Data, Ratings, columns_of, in_python, said_in_python
from reeltune.cluster.commands.fold_in import folded_in
from reeltune.cluster.commands.predict import PREDICTION, about_unknown, rated, unknown_in
from reeltune.cluster.commands.recommend import RecommendOptions, about_recommended, recommended
from reeltune.cluster.runs.find import model_folder
from reeltune.trainables.architectures.kept_source import NO_SOURCE, OwnSource
from reeltune.trainables.bundle import Predictor, load_own
from reeltune.trainables.config import Configuration
from reeltune.trainables.data import Ratings as ReadRatings
from reeltune.trainables.data.prepared import DataOptions
from reeltune.trainables.data.reading.frames import Source
from reeltune.trainables.errors import InputError
from reeltune.trainables.exported import Exported, export
from reeltune.trainables.folding.newcomers import shown
from reeltune.trainables.neighbours import directions, item_vectors, nearest
from reeltune.trainables.scoring.decoders import Decoder
from reeltune.trainables.scoring.spread import COLUMNS

Metrics = dict[str, float | None]


class Model(Predictor):
    """A fitted model: what `train` returns, `run.best`, or a bundle that `load` has read.

    `place` is its bundle's folder, `description` the content of its `config.json`.
    """

    place: str
    fitted_on: DataOptions | None = None  # the data that `recommend` leaves out
    streamed = False  # whether these may have more rows than memory holds

    @classmethod
    def at(
        cls,
        place: str | Path,
        *,
        own: OwnSource = NO_SOURCE,
        fitted_on: DataOptions | None = None,
        streamed: bool = False,
    ) -> Self:
        """Read the bundle at a path or URI. Raises InputError if there is none, it is broken or lacks a source."""
        found = load_own(model_folder(str(place)), own)
        model = cls(
            found.description,
            found.model,
            users=found.users,
            items=found.items,
            user_ratings=found.user_ratings,
            item_ratings=found.item_ratings,
            priors=found.priors,
        )
        model.place, model.fitted_on, model.streamed = str(place), fitted_on, streamed
        return model

    @property
    def architecture(self) -> str:
        return self.description.architecture

    @property
    def config(self) -> Configuration:
        """The hyperparameters that it was fitted with."""
        return self.description.config

    @property
    def validation(self) -> Metrics | None:
        """Metrics on validation rows, of the fit before if it was fitted again on these too; None if there are none."""
        return self.description.metrics.get("validation")

    @property
    def test(self) -> Metrics | None:
        """Metrics on the test rows; None if it was not scored on them."""
        return self.description.metrics.get("test")

    def predict(
        self,
        users: Any,
        items: Any = None,
        times: np.ndarray | None = None,
        *,
        decoder: Decoder | None = None,
        user: str | None = None,
        item: str | None = None,
        time: str | None = None,
        missing_ids: str | None = None,
        unknown_ids: str | None = None,
        intervals: bool = False,
    ) -> Any:
        """Rate n pairs: `predict(pairs)`, a table with user and item columns, or `predict(users, items)`, n ids each.

        Returns n ratings in the order of the pairs, NaN where an id is None or `missing_ids="drop"` leaves one out. One
        user goes with every item, and one item with every user; of two single ids the rating is a number. Columns of a
        table have the names of those that the model was fitted on, or usual ones, or `user`, `item` and `time` name
        them. An id that the training data lacks is rated as 'unknown', and counted; a table none of whose users, or
        items, is known is an error unless `unknown_ids="allow"`. A model fitted with time needs the pairs' times. With
        `intervals` the result is a table: columns prediction, and low_80, high_80, low_95, high_95, between which 80%
        and 95% of such ratings lie. Raises InputError where a table cannot be read, two columns of ids or the `times`,
        in seconds since 1970, differ in length, or the bundle has no intervals.
        """
        if decoder is not None:
            one_of("decoder", decoder, DECODERS)
        if items is not None:
            return self._of_ids(users, items, times, decoder, intervals)
        known = columns_of(self.fitted_on, users)
        how = reading(
            user=user or known.get("user"),
            item=item or known.get("item"),
            timestamp=time or known.get("timestamp"),
            missing_ids=missing_ids,
            unknown_ids=unknown_ids,
        )
        with said_in_python():
            read, columns = rated(self, users, reading=how, decoder=decoder, intervals=intervals)
        _say([*about_unknown(*unknown_in(read, self)), *read.notes])
        found = pd.DataFrame(columns, index=read.frame.index).reindex(range(read.rows))
        if not intervals:
            return found[PREDICTION].to_numpy()
        return found.set_index(users.index) if isinstance(users, pd.DataFrame) else found

    def _of_ids(
        self, users: Any, items: Any, times: Any, decoder: Decoder | None, intervals: bool
    ) -> np.ndarray | float | pd.DataFrame:
        """Ratings of ids; a number where both are single ones; with `intervals` a table."""
        pairs = pairs_of(users, items)
        whole = pairs.notna().all(axis=1).to_numpy()
        of_users, of_items = self.users.encode(pairs["user"][whole]), self.items.encode(pairs["item"][whole])
        seconds = None if times is None else times_of(times, len(pairs))[whole]
        found = np.full((len(pairs), 1 + len(COLUMNS) * intervals), np.nan, dtype=np.float32)
        if intervals:
            found[whole] = np.column_stack(self.interval_indices(of_users, of_items, seconds, decoder=decoder))
        else:
            found[whole, 0] = self.predict_indices(of_users, of_items, seconds, decoder=decoder)
        unknown = self.unknown_rows(of_users, of_items)
        _say(about_unknown(*(int(each.sum()) for each in (*unknown, unknown[0] & unknown[1]))))
        if not whole.all():
            _say([f"pairs without a user or an item, whose rating is NaN: {int((~whole).sum()):,}"])
        if intervals:
            return pd.DataFrame(found, columns=[PREDICTION, *COLUMNS])
        return float(found[0, 0]) if is_one(users) and is_one(items) else found[:, 0]

    def fold_in(
        self,
        ratings: Source | None = None,
        *,
        user: Mapping[str | int, float] | str | None = None,
        item: Mapping[str | int, float] | str | None = None,
        rating: str | None = None,
        known_ids: str | None = None,
        missing_ids: str | None = None,
    ) -> Self:
        """This model with new users and items, without a fit: a model that predicts and recommends for them too.

        `fold_in(user={"Heat (1995)": 5})` adds one user, "new user", of these ratings, and `item={"u1": 4}` one item,
        "new item" (then "new user 2", and so on). `ratings` is a table of many: a pair with a new user, a new item or
        both is taken. One whose user and item are both known is an error unless `known_ids` is "drop", which leaves it
        out, or "again", which finds its user's row anew from the ratings given here. With a table `user`, `item` and
        `rating` name its columns.

        `new_users` and `new_items` of the result are who was added; all other pairs are rated as before, but for
        rounding. Raises InputError where an architecture cannot do that, the bundle is of an earlier version, or the
        ratings are none on the model's scale.
        """
        given = {"user": user, "item": item}
        one = {kind: each for kind, each in given.items() if isinstance(each, Mapping)}
        if len(one) + (ratings is not None) != 1:
            raise InputError("fold_in: expected a table of ratings, or user={item: rating}, or item={user: rating}")
        source, said = (ratings, ()) if ratings is not None else table_of_one(one, self.users, self.items)
        columns = columns_of(self.fitted_on, source)
        how = reading(
            user=user if isinstance(user, str) else columns.get("user"),
            item=item if isinstance(item, str) else columns.get("item"),
            rating=rating or columns.get("rating"),
            missing_ids=missing_ids,
        )
        with said_in_python():
            grown, notes = folded_in(self, source, reading=how, known_ids=known_ids_of(known_ids))
        _say(said if one else notes)
        return grown

    @property
    def new_users(self) -> list[str]:
        """The users that the last `fold_in` has added, or found again."""
        return [] if self.newcomers is None else list(self.newcomers.text("user"))

    @property
    def new_items(self) -> list[str]:
        """The items that the last `fold_in` has added."""
        return [] if self.newcomers is None else list(self.newcomers.text("item"))

    def item_vectors(self) -> pd.DataFrame:
        """A row for each item that the model has ratings of, by its id: near each other for items that are alike.

        What the numbers mean is the architecture's: often the last is a bias. An item that `fold_in` has added has a
        row too; with an architecture of your own only if the vectors are the first columns of its `id_rows`. Raises
        InputError where the architecture has no vectors.
        """
        return item_vectors(self)

    def similar_items(self, item: str | int, n: int = 10) -> pd.DataFrame:
        """The n items nearest to this one: columns rank, item and similarity, the cosine of vectors less their mean.

        Raises InputError where the architecture has no item vectors, or none of this item, or the model knows no rating
        of the item.
        """
        name, vectors = self.items.plain(pd.Index([str(item)]))[0], self.item_vectors()
        if name not in vectors.index and self.item_ratings[self.items.encode([name])[0]] > 0:
            raise InputError(f"item {shown(name)}: was folded in, and {self.architecture} has no vectors of such items")
        near = nearest(directions(vectors), name, whole_number("n", n, 1))
        ranks = range(1, len(near) + 1)
        return pd.DataFrame({"rank": ranks, "item": near.index, "similarity": near.to_numpy()})

    def recommend(
        self,
        users: Source | Sequence[str | int] | pd.Series | pd.Index | np.ndarray | None = None,
        n: int = 10,
        *,
        seen: Data | None = None,
        at: str | None = None,
        user: str | None = None,
        item: str | None = None,
        missing_ids: str | None = None,
        unknown_ids: str | None = None,
    ) -> pd.DataFrame:
        """The n items that are rated best for each user, among those not `seen`: columns user, rank, item and rating.

        `users` are ids, as a list or a column, or a table of them; None are `new_users`, or without any all of the
        model. `seen` is a table of pairs or "none"; without it, the ratings that the model comes from, if it is a
        run's. What `fold_in` was given, each time, is left out too. `at` is the date of the ratings, for a model fitted
        with time. Raises InputError where these do not fit the model.
        """
        users = listed(users)
        known = {} if users is None or isinstance(users, Sequence) else columns_of(self.fitted_on, users)
        how = reading(user=user or known.get("user"), item=item, missing_ids=missing_ids, unknown_ids=unknown_ids)
        left_out = self._fitted if seen is None and self.fitted_on is not None else seen
        loaded = left_out.options.load() if isinstance(left_out, Ratings) else left_out
        options = RecommendOptions(users=users, seen=loaded, top=whole_number("n", n, 1), at=at, reading=how)
        with said_in_python():
            done = recommended(self, options)
        _say(about_recommended(done, len(done.frame)))
        return done.frame

    @cached_property
    def _fitted(self) -> ReadRatings | str:
        """The ratings that the model comes from. Raises InputError where other ones are in their place by now.

        They are kept: to read large data and compute its hash takes longer than most lists. Of a streamed fit it is
        their path alone, which is then read in parts and not compared with the hash.
        """
        assert self.fitted_on is not None
        if self.streamed:
            return self.fitted_on.data
        found, about = self.fitted_on.load(), self.description.fitted_on
        if self.fitted_on.loaded is None and about is not None and found.fingerprint() != about.hash:
            raise InputError(
                f"{self.fitted_on.data}: these are not the ratings that the model was fitted on, whose pairs are left "
                "out: give those as seen=, or seen='none' to leave out nothing"
            )
        return found

    def export(self, output: str | Path, *, to: str, decoder: Decoder | None = None) -> Exported:
        """Write this model as a program that needs no reeltune: `to` "torch" (a .pt2 file) or "onnx" (an .onnx file).

        It maps int64 indices `user` and `item` of n pairs (and `time`, seconds since 1970, if the model is fitted with
        time) to n ratings, float32, by the model's decoder or `decoder`. A file with `.ids.json` added to its name has
        the index of each id; any other id has index 0. Raises InputError where a file is there already, or the model
        cannot be traced.
        """
        target, chosen = export_asked(to, decoder)
        return export(self, Path(output), to=target, decoder=chosen)

    def __repr__(self) -> str:
        errors = _shown(self.validation, "validation") + _shown(self.test, "test")
        return f"{self.architecture} in {self.place}{errors and f':{errors}'}"

    def _repr_html_(self) -> str:
        metrics = {"validation": self.validation, "test": self.test}
        shown = {part: found for part, found in metrics.items() if found is not None}
        frame = pd.DataFrame(shown).dropna(how="all").rename_axis("metric").reset_index()
        settings = [f"{name} = {value}" for name, value in self.config.items()]
        title = f"{self.architecture} in {self.place}"
        return html.heading(title) + html.table(frame) + html.folded("hyperparameters", html.lines(settings))


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        print(in_python(line), file=sys.stderr)


def _shown(metrics: Metrics | None, part: str) -> str:
    error = None if metrics is None else metrics.get("argmax_mse")
    error = metrics.get("mean_mse") if metrics is not None and error is None else error
    return "" if error is None else f" {part} MSE {error:.4f}"
