"""What a loaded model answers to each kind of request. Nothing here changes the model: threads may share it."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count

import numpy as np
import pandas as pd

from reeltune.cluster.serving.schemas import (
    MOST_ROWS,
    FoldInAnswer,
    FoldInRequest,
    FoldInTableAnswer,
    FoldInTableRequest,
    ItemPrediction,
    Pair,
    PredictAnswer,
    Prediction,
    PredictRequest,
    RecommendAnswer,
    Recommended,
    RecommendedList,
    RecommendRequest,
    Similar,
    SimilarAnswer,
    SimilarRequest,
)
from reeltune.trainables.best_items import Best, best_items
from reeltune.trainables.bundle import Predictor
from reeltune.trainables.data.ids import Ids
from reeltune.trainables.errors import InputError
from reeltune.trainables.neighbours import directions, item_vectors, nearest


class Places:
    """The indices of ids. A dictionary: for a few ids it is a hundred times as fast as `Ids.encode`."""

    def __init__(self, ids: Ids) -> None:
        self.ids = ids
        self._known = {text: place for place, text in enumerate(ids.text.tolist(), start=1)}

    def of(self, ids: Sequence[str]) -> np.ndarray:
        """As `Ids.encode`: shape (n,), 0 for unknown ones."""
        found = [self._known.get(each, 0) for each in ids]
        lost = [place for place, index in enumerate(found) if index == 0]
        if lost:
            for place, index in zip(lost, self.ids.encode([ids[place] for place in lost]), strict=True):
                found[place] = int(index)
        return np.array(found, dtype=np.int32)


@dataclass(frozen=True)
class Answers:
    """A model and its name in answers."""

    predictor: Predictor
    name: str

    @cached_property
    def users(self) -> Places:
        return Places(self.predictor.users)

    @cached_property
    def items(self) -> Places:
        return Places(self.predictor.items)

    @cached_property
    def directions(self) -> pd.DataFrame:
        """Of items. Raises InputError where the model has no vectors of them."""
        return directions(item_vectors(self.predictor))

    def prepare(self) -> None:
        """Make now what the first requests would else wait for. Raises InputError where the model rates no pair."""
        nobody = np.zeros(1, dtype=np.int32)
        times = nobody.astype(np.int64) if self.predictor.timed else None
        [rated] = self._rated(nobody, nobody, times)
        if not math.isfinite(rated.prediction):
            raise InputError(f"the bundle {self.name}: its ratings are no numbers: fit again")
        _ = self.users, self.items, self.predictor.users.encode([""]), self.predictor.items.encode([""])
        if self.predictor.model.item_vectors() is not None:
            _ = self.directions

    def predict(self, asked: Sequence[PredictRequest]) -> list[PredictAnswer | InputError]:
        """The answer to each of several requests, from one call of the model; an error of one is no other's."""
        wrong = [self._wrong_times(each) for each in asked]
        pairs = [pair for each, error in zip(asked, wrong, strict=True) if error is None for pair in each.pairs]
        users, items = self.users.of([pair.user for pair in pairs]), self.items.of([pair.item for pair in pairs])
        times = np.array([pair.time for pair in pairs], dtype=np.int64) if self.predictor.timed else None
        rated = iter(self._rated(users, items, times))
        return [
            error or PredictAnswer(predictions=[next(rated) for _ in each.pairs], model=self.name)
            for each, error in zip(asked, wrong, strict=True)
        ]

    def _rated(self, users: np.ndarray, items: np.ndarray, times: np.ndarray | None) -> Iterable[Prediction]:
        if not len(users):
            return
        ratings = self.predictor.predict_indices(users, items, times).astype(float)
        new_users, new_items = self.predictor.unknown_rows(users, items)
        columns = (ratings.round(self.predictor.scale.decimals), new_users, new_items)
        for rating, new_user, new_item in zip(*(column.tolist() for column in columns), strict=True):
            yield Prediction(prediction=rating, known_user=not new_user, known_item=not new_item)

    def _wrong_times(self, asked: PredictRequest) -> InputError | None:
        timed = self.predictor.timed
        for place, pair in enumerate(asked.pairs):
            if (pair.time is not None) != timed:
                return InputError(f"pairs.{place}.time: {_about_time(timed=timed)}")
        return None

    def recommend(self, asked: RecommendRequest) -> RecommendAnswer:
        """Raises InputError where the lists are too long, or a time is missing or needless."""
        self._check_at(asked.at)
        if len(asked.users) * asked.n > MOST_ROWS:
            raise InputError(
                f"{len(asked.users):,} users with {asked.n:,} items each: an answer has {MOST_ROWS:,} rows at most; "
                "ask for fewer users at once, or for fewer items"
            )
        users = self.users.of(asked.users)
        seen, ignored = self._seen(asked, users)
        lists: list[list[Recommended]] = [[] for _ in asked.users]
        for best in best_items(self.predictor, users, seen=seen, top=asked.n, seconds=asked.at):
            for place, row in zip(best.users.tolist(), _rows(best, self.predictor), strict=True):
                lists[place].append(row)
        known = (self.predictor.user_ratings[users] > 0).tolist()
        named = zip(asked.users, known, lists, strict=True)
        return RecommendAnswer(
            recommendations=[RecommendedList(user=user, known_user=has, items=rows) for user, has, rows in named],
            seen_ignored=ignored,
            model=self.name,
        )

    def _seen(self, asked: RecommendRequest, users: np.ndarray) -> tuple[np.ndarray, int]:
        """Flat positions, ascending, of the seen pairs in the table of these users by all items; how many are not."""
        width = self.predictor.items.rows - 1
        places: dict[str | int, list[int]] = {}
        for place, (user, index) in enumerate(zip(asked.users, users.tolist(), strict=True)):
            places.setdefault(index or user.strip(), []).append(place)
        of_users = self.users.of([pair.user for pair in asked.seen]).tolist()
        of_items = self.items.of([pair.item for pair in asked.seen]).tolist()
        found, ignored = list[int](), 0
        for pair, user, item in zip(asked.seen, of_users, of_items, strict=True):
            wanted = places.get(user or pair.user.strip(), []) if item else []
            found += [place * width + item - 1 for place in wanted]
            ignored += not wanted
        return np.unique(np.array(found, dtype=np.int64)), ignored

    def similar(self, asked: SimilarRequest) -> SimilarAnswer:
        """Raises InputError where the model has no vectors of items."""
        [index] = self.items.of([asked.item]).tolist()
        unit = self.directions
        if self.predictor.item_ratings[index] == 0:
            return SimilarAnswer(item=asked.item, known_item=False, similar=[], model=self.name)
        near = nearest(unit, self.predictor.items.text[index - 1], asked.n)
        found = zip(near.index.tolist(), near.astype(float).round(6).tolist(), strict=True)
        rows = [Similar(rank=rank, item=item, similarity=value) for rank, (item, value) in enumerate(found, start=1)]
        return SimilarAnswer(item=asked.item, known_item=True, similar=rows, model=self.name)

    def fold_in(self, asked: FoldInRequest) -> FoldInAnswer:
        """Raises InputError where the ratings say nothing or are off the scale, or the model takes no new users."""
        self._check_at(asked.at)
        rated = [each.item for each in asked.ratings]
        places = self.items.of(rated)
        if not places.any():
            raise InputError("ratings: the model knows none of these items, so they say nothing of the new user")
        frame = pd.DataFrame({"item": rated, "rating": [each.rating for each in asked.ratings]})
        frame = frame.assign(user=self._new_user(), place=places)[places > 0].drop_duplicates("place", keep="last")
        grown = self.predictor.folded(frame.drop(columns="place"), source="ratings")
        user = np.array([grown.users.rows - 1])
        wanted = self.items.of(asked.items)
        times = None if asked.at is None else np.full(len(wanted), asked.at)
        seen = np.sort(frame["place"].to_numpy().astype(np.int64) - 1)
        [best] = best_items(grown, user, seen=seen, top=asked.n, seconds=asked.at)
        given = Answers(grown, self.name)._rated(np.repeat(user, len(wanted)), wanted, times)
        return FoldInAnswer(
            predictions=[
                ItemPrediction(item=item, prediction=each.prediction, known_item=each.known_item)
                for item, each in zip(asked.items, given, strict=True)
            ],
            recommendations=list(_rows(best, grown)),
            used_ratings=len(frame),
            unknown_items=[item for item, place in zip(rated, places, strict=True) if not place],
            model=self.name,
        )

    def fold_in_table(self, asked: FoldInTableRequest) -> FoldInTableAnswer:
        """Raises InputError as `Predictor.folded`, `predict` and `recommend`."""
        frame = pd.DataFrame([(each.user.strip(), each.item.strip(), each.rating) for each in asked.ratings])
        frame.columns = pd.Index(["user", "item", "rating"])
        try:
            grown = self.predictor.folded(frame, source="ratings", known_ids=asked.known_ids)
        except InputError as error:
            raise InputError(str(error).replace("--known-ids", "known_ids")) from None
        assert grown.newcomers is not None
        with_new = Answers(grown, self.name)
        new_users, new_items = (grown.newcomers.text(kind).tolist() for kind in ("user", "item"))
        [rated] = with_new.predict([PredictRequest.model_construct(pairs=asked.pairs)])
        if isinstance(rated, InputError):
            raise rated
        users = asked.users or new_users
        seen = [Pair.model_construct(user=each.user, item=each.item) for each in asked.ratings]
        wanted = RecommendRequest.model_construct(users=users, n=asked.n, seen=seen, at=asked.at)
        return FoldInTableAnswer(
            predictions=rated.predictions,
            recommendations=with_new.recommend(wanted).recommendations if users else [],
            new_users=new_users,
            new_items=new_items,
            model=self.name,
        )

    def _new_user(self) -> str:
        """An id that no known user has."""
        names = (f"new user {number}" for number in count(1))
        return next(name for name in names if not self.users.of([name]).any())

    def _check_at(self, at: int | None) -> None:
        if (at is not None) != self.predictor.timed:
            raise InputError(f"at: {_about_time(timed=self.predictor.timed)}")


def _about_time(*, timed: bool) -> str:
    if timed:
        return "this model was fitted with time: say when the item is rated, such as 2026-11-26"
    return "this model takes no time; leave it out"


def _rows(best: Best, predictor: Predictor) -> Iterable[Recommended]:
    names = predictor.items.text[best.items].tolist()
    ratings = best.ratings.astype(float).round(predictor.scale.decimals).tolist()
    for rank, item, rating in zip(best.ranks.tolist(), names, ratings, strict=True):
        yield Recommended(rank=rank, item=item, rating=rating)
