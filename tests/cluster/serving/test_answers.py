"""What a model answers: the same as the command line and Python say of it."""

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from reeltune.cluster.api.model import Model
from reeltune.cluster.serving.answers import Answers, Places
from reeltune.cluster.serving.schemas import (
    FoldInRequest,
    FoldInTableRequest,
    PredictRequest,
    RecommendRequest,
    SimilarRequest,
)
from reeltune.trainables.bundle import load
from reeltune.trainables.data import Ids
from reeltune.trainables.errors import InputError
from tests.served import bundle_at

PAIRS = [("u1", "i1"), ("u2", "i5"), ("nobody", "i5"), ("u3", "nothing"), ("nobody", "nothing")]


@pytest.fixture(scope="module")
def model(bundles):
    return Model.at(bundles[0])


def asked(pairs):
    return PredictRequest(pairs=[{"user": user, "item": item} for user, item in pairs])


def test_pairs_are_rated_as_in_python_and_unknown_ids_are_marked(answers, model):
    [found] = answers.predict([asked(PAIRS)])
    wanted = model.predict([user for user, _ in PAIRS], [item for _, item in PAIRS])
    assert [each.prediction for each in found.predictions] == pytest.approx(wanted.tolist(), abs=1e-5)
    assert [each.known_user for each in found.predictions] == [True, True, False, True, False]
    assert [each.known_item for each in found.predictions] == [True, True, True, False, False]
    assert found.model == "first"


def test_requests_of_one_batch_get_their_own_answers(answers):
    alone = [answers.predict([asked([pair])])[0] for pair in PAIRS]
    together = answers.predict([asked([pair]) for pair in PAIRS])
    for one, other in zip(alone, together, strict=True):
        assert one.predictions[0].prediction == pytest.approx(other.predictions[0].prediction, abs=1e-5)
        assert one.predictions[0].known_user == other.predictions[0].known_user


def test_a_wrong_request_of_a_batch_is_no_error_of_the_others(answers):
    wrong = PredictRequest(pairs=[{"user": "u1", "item": "i1", "time": "2026-11-26"}])
    first, error, last = answers.predict([asked(PAIRS[:1]), wrong, asked(PAIRS[1:2])])
    assert "this model takes no time" in str(error)
    assert [len(first.predictions), len(last.predictions)] == [1, 1]


def test_lists_are_those_of_python_without_what_is_seen(answers, model):
    seen = [("u1", "i1"), ("u1", "i2"), ("u2", "i3"), ("u9", "i3"), ("u1", "nothing")]
    named = [{"user": user, "item": item} for user, item in seen]
    found = answers.recommend(RecommendRequest(users=["u1", "u2", "nobody"], n=30, seen=named))
    frame = model.recommend(["u1", "u2", "nobody"], n=30, seen=pd.DataFrame(seen[:4], columns=["user", "item"]))
    rows = [
        (each.user, row.rank, row.item, pytest.approx(row.rating))
        for each in found.recommendations
        for row in each.items
    ]
    assert list(frame.itertuples(index=False, name=None)) == rows
    assert [len(each.items) for each in found.recommendations] == [28, 29, 30]
    assert [each.known_user for each in found.recommendations] == [True, True, False]
    assert found.seen_ignored == 2


def test_a_user_who_is_asked_for_twice_gets_the_same_list_twice(answers):
    found = answers.recommend(RecommendRequest(users=["u1", "u1"], n=30, seen=[{"user": "u1", "item": "i1"}]))
    first, second = found.recommendations
    assert first == second
    assert "i1" not in [row.item for row in first.items]


def test_similar_items_are_those_of_python(answers, model):
    found = answers.similar(SimilarRequest(item="i3", n=4))
    frame = model.similar_items("i3", n=4)
    assert [row.item for row in found.similar] == frame["item"].tolist()
    assert [row.similarity for row in found.similar] == pytest.approx(frame["similarity"].tolist(), abs=1e-6)
    assert answers.similar(SimilarRequest(item="nothing")).known_item is False


def test_somebody_new_is_rated_and_advised_as_in_python(answers, model):
    ratings = {"i1": 5, "i2": 1, "i7": 4}
    rated = [{"item": item, "rating": rating} for item, rating in [*ratings.items(), ("nothing", 3)]]
    found = answers.fold_in(FoldInRequest(ratings=rated, items=["i4", "nothing"], n=30))
    grown = model.fold_in(user=ratings)
    assert found.predictions[0].prediction == pytest.approx(grown.predict("new user", "i4"), abs=1e-5)
    assert [each.known_item for each in found.predictions] == [True, False]
    assert [row.item for row in found.recommendations] == grown.recommend(n=30)["item"].tolist()
    assert (found.used_ratings, found.unknown_items) == (3, ["nothing"])


TABLE = [("new", "i1", 5), ("new", "i2", 1), ("other", "i3", 4), ("u1", "fresh", 5), ("u2", "fresh", 4)]


def table(rows, **more):
    named = [{"user": user, "item": item, "rating": rating} for user, item, rating in rows]
    return FoldInTableRequest(ratings=named, **more)


def test_several_new_users_and_items_are_folded_in_as_in_python(answers, model):
    pairs = [("new", "fresh"), ("other", "i1"), ("u3", "fresh"), ("nobody", "i1")]
    found = answers.fold_in_table(table(TABLE, pairs=[{"user": user, "item": item} for user, item in pairs], n=30))
    frame = pd.DataFrame(TABLE, columns=["user", "item", "rating"])
    grown = model.fold_in(frame)
    wanted = grown.predict([user for user, _ in pairs], [item for _, item in pairs])
    assert [each.prediction for each in found.predictions] == pytest.approx(wanted.tolist(), abs=1e-5)
    assert [each.known_user for each in found.predictions] == [True, True, True, False]
    assert (found.new_users, found.new_items) == (["new", "other"], ["fresh"])
    lists = grown.recommend(["new", "other"], n=30, seen=frame[["user", "item"]])
    rows = [(each.user, row.item) for each in found.recommendations for row in each.items]
    assert rows == list(lists[["user", "item"]].itertuples(index=False, name=None))


def test_what_of_a_table_is_known_is_refused_unless_it_is_to_be_left_out(answers):
    known = [("u1", "i1", 5), *TABLE]
    with pytest.raises(InputError, match="1 of 6 pairs: known_ids drop leaves them out"):
        answers.fold_in_table(table(known))
    assert answers.fold_in_table(table(known, known_ids="drop")) == answers.fold_in_table(table(TABLE))
    with pytest.raises(InputError, match="1,000 items each: an answer has 10,000 rows at most"):
        answers.fold_in_table(table(TABLE, users=["u1"] * 11, n=1000))


def test_of_an_item_that_is_rated_twice_the_last_rating_counts(answers):
    twice = answers.fold_in(
        FoldInRequest(ratings=[{"item": "i1", "rating": 1}, {"item": " i1", "rating": 5}], items=["i1"])
    )
    once = answers.fold_in(FoldInRequest(ratings=[{"item": "i1", "rating": 5}], items=["i1"]))
    assert twice == once


def test_ratings_that_say_nothing_or_are_off_the_scale_are_refused(answers):
    with pytest.raises(InputError, match="the model knows none of these items"):
        answers.fold_in(FoldInRequest(ratings=[{"item": "nothing", "rating": 5}]))
    with pytest.raises(InputError, match="has rated item 'i1' with 9; the model's ratings are"):
        answers.fold_in(FoldInRequest(ratings=[{"item": "i1", "rating": 9}]))


def test_lists_have_a_bound_together(answers):
    with pytest.raises(InputError, match="11 users with 1,000 items each: an answer has 10,000 rows at most"):
        answers.recommend(RecommendRequest(users=["u1"] * 11, n=1000))


def test_what_a_model_cannot_do_it_says(tmp_path):
    means = Answers(load(bundle_at(tmp_path / "bias", "bias")), "means")
    means.prepare()
    with pytest.raises(InputError, match="bias: has no item vectors"):
        means.similar(SimilarRequest(item="i1"))
    assert means.predict([asked(PAIRS)])[0].predictions


def test_ids_are_found_as_the_model_finds_them():
    ids = Ids(np.array(["27", "a b", "007", " lead"]))
    wanted = ["27", "27.0", " 27 ", "a b", "7", "007", "lead", "nothing", ""]
    assert Places(ids).of(wanted).tolist() == ids.encode(wanted).tolist()


@pytest.mark.parametrize(
    ("value", "text"), [("u1", "u1"), (7, "7"), (7.0, "7"), (-3, "-3"), (10**30, str(10**30)), ("x" * 1000, "x" * 1000)]
)
def test_an_id_is_text_or_a_whole_number(value, text):
    assert SimilarRequest(item=value).item == text


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (None, "expected an id: text or a whole number"),
        (True, "expected an id: text or a whole number"),
        (7.5, "expected an id: text or a whole number"),
        (1e300, "expected an id: text or a whole number"),
        (["u1"], "expected an id: text or a whole number"),
        ("", "this text is empty"),
        ("   ", "this text is empty"),
        ("x" * 1_000_000, "an id has 1,000 characters at most, and this one 1,000,000"),
        ("\ud800", "half of a surrogate pair"),
    ],
)
def test_what_is_no_id_is_refused(value, sentence):
    with pytest.raises(ValidationError, match=sentence):
        SimilarRequest(item=value)


@pytest.mark.parametrize("rating", [float("nan"), float("inf"), "5", True, None])
def test_what_is_no_number_is_no_rating(rating):
    with pytest.raises(ValidationError):
        FoldInRequest(ratings=[{"item": "i1", "rating": rating}])


@pytest.fixture(scope="module")
def timed(tmp_path_factory):
    """Of a model that looks at when a pair was rated."""
    return Answers(load(bundle_at(tmp_path_factory.mktemp("timed") / "model", time="day")), "timed")


def test_a_model_with_time_wants_one_and_rates_by_it(timed):
    timed.prepare()
    pair = {"user": "u1", "item": "i1"}
    days = [PredictRequest(pairs=[{**pair, "time": f"2001-01-0{day}T18:30+01:00"}]) for day in (1, 2)]
    error, *found = timed.predict([PredictRequest(pairs=[pair]), *days])
    assert "pairs.0.time: this model was fitted with time: say when" in str(error)
    seconds = np.array([978370200, 978456600])
    wanted = timed.predictor.predict(["u1", "u1"], ["i1", "i1"], seconds)
    assert [each.predictions[0].prediction for each in found] == pytest.approx(wanted.tolist(), abs=1e-5)


def test_its_lists_want_a_date_too(timed):
    with pytest.raises(InputError, match="at: this model was fitted with time"):
        timed.recommend(RecommendRequest(users=["u1"]))
    with pytest.raises(InputError, match="at: this model was fitted with time"):
        timed.fold_in(FoldInRequest(ratings=[{"item": "i1", "rating": 5}]))
    [found] = timed.recommend(RecommendRequest(users=["u1"], n=3, at="2001-01-01")).recommendations
    assert len(found.items) == 3
    folded = timed.fold_in(FoldInRequest(ratings=[{"item": "i1", "rating": 5}], items=["i2"], at="2001-01-01"))
    assert len(folded.predictions) == 1


@pytest.mark.parametrize("value", ["soon", 978370200, "2001-13-01", True, "99999999999-01-01"])
def test_what_is_no_date_is_no_time(value):
    with pytest.raises(ValidationError, match="expected a date, such as 2026-11-26"):
        RecommendRequest.model_validate({"users": ["u1"], "at": value})
