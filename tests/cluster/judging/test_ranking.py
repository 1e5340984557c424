"""Top lists of a search's refits, from fits that no Ray is needed for."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from reeltune.cluster.commands.recommend import RecommendOptions, recommended
from reeltune.cluster.judging import ranking
from reeltune.cluster.judging.bundles import write_bundles
from reeltune.cluster.judging.outcome import Searched
from reeltune.cluster.judging.result import judged_result
from reeltune.cluster.runs.answer import MOST_RATED, Answer, Ranking
from reeltune.cluster.runs.folder import Ledger, RunFolder
from reeltune.cluster.search.choice import SEEDS, Choice
from reeltune.trainables.bundle import load
from reeltune.trainables.data import Reading
from reeltune.trainables.data.prepared import DataOptions, prepare
from tests.cluster.judging.test_ensemble import refit
from tests.worlds import small_config

NAMES = ("pmf", "classifier")


@pytest.fixture(scope="module")
def prepared():
    return prepare(DataOptions(data="synthetic:users=60,items=40,ratings=1500,noise=0.3", split_seed=1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return RunFolder(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def searched(prepared, folder):
    configs = {name: small_config(name).model_dump() for name in NAMES}
    refits = {(n, p): refit(n, config, p, prepared) for n, config in configs.items() for p in range(SEEDS)}
    refits |= {("baseline", place): refits["pmf", place] for place in range(SEEDS)}
    configs["ensemble"] = {"weights": {"pmf": 0.6, "classifier": 0.4}}
    metrics = {"argmax_mse": 1.0, "mean_mse": 0.9}
    return Searched(
        architectures=list(configs),
        ledger=Ledger(folder.ledger),
        choices={n: Choice(config=each, value=1.0, metrics=metrics, temperature=2.0) for n, each in configs.items()},
        orders={place: order for place, (order, _) in refits.items()},
        fitted={came.key: came for _, came in refits.values()},
        decoder="argmax",
        seed=1,
    )


def judged(searched, prepared, **options):
    return ranking.rankings(searched, prepared.split.test._rows, prepared, **options)


@pytest.fixture(scope="module")
def found(searched, prepared):
    return judged(searched, prepared)


@pytest.fixture(scope="module")
def answer(found):
    return ranking.described(found, against="baseline")


def test_each_predictor_has_lists_and_so_have_the_most_rated_items(answer):
    assert list(answer.by_name) == [*NAMES, "baseline", "ensemble", MOST_RATED]
    assert (answer.top, answer.items, answer.liked) == (10, 40, pytest.approx(4))
    assert 0 < answer.liking_users <= answer.users == answer.of_users <= 60


def test_a_gain_is_over_the_baselines_lists_of_the_same_users(answer):
    assert answer.by_name["pmf"].ndcg.gain == answer.by_name["baseline"].recall.gain == 0
    for found in answer.by_name.values():
        for own, other in ((found.ndcg, answer.by_name["baseline"].ndcg), (found.recall, answer.by_name["pmf"].recall)):
            assert own.gain == pytest.approx(own.value - other.value)
            assert own.ci95[0] < own.value < own.ci95[1]
            assert own.gain_ci95[0] <= own.gain <= own.gain_ci95[1]


def test_without_a_baseline_that_has_lists_there_is_no_gain(found):
    answer = ranking.described(found, against="mean")
    assert {each.ndcg.gain for each in answer.by_name.values()} == {None}


def test_the_ensembles_lists_are_those_that_its_bundle_recommends(searched, prepared, folder, found):
    write_bundles(
        searched.complete(), judged_result(searched, None, prepared, folder), searched, prepared, folder, look=1
    )
    seen = replace(prepared.asked.load(), rows=prepared.split.fitting)
    options = RecommendOptions(users=None, seen=seen, top=10, at=None, reading=Reading())
    best = recommended(load(folder.model("ensemble")), options).frame
    fitted, test = (named(rows, prepared) for rows in (prepared.split.fitting, prepared.split.test._rows))
    new = ~test.set_index(["user", "item"]).index.isin(fitted.set_index(["user", "item"]).index)
    truth = test[new].groupby(["user", "item"], as_index=False).mean()
    for user, ndcg in zip(found.people, found.by_name["ensemble"].ndcg, strict=True):
        own = truth[truth["user"] == user]
        gains = best[best["user"] == user].merge(own, on="item", how="left")["gain"].fillna(0).to_numpy()
        ideal = np.sort(own["gain"].to_numpy())[::-1][:10]
        assert ndcg == pytest.approx(discounted(gains) / discounted(ideal), abs=1e-9)


def named(rows, prepared):
    names = {"user": ranking.people(rows, prepared), "item": prepared.ratings.items.text[rows.items - 1]}
    return pd.DataFrame({**names, "gain": rows.ratings})


def discounted(gains):
    return (gains / np.log2(np.arange(2, len(gains) + 2))).sum()


def test_memory_is_bounded_and_the_lists_are_the_same(searched, prepared, found, monkeypatch):
    monkeypatch.setattr(ranking, "PAIRS", 90)
    rated, alone = [], ranking.crossed_output

    def crossed_output(model, users, items, *rest, **options):
        rated.append(len(users) * len(items))
        return alone(model, users, items, *rest, **options)

    monkeypatch.setattr(ranking, "crossed_output", crossed_output)
    few = judged(searched, prepared)
    assert max(rated) == 80
    for name, each in few.by_name.items():
        assert each.ndcg == pytest.approx(found.by_name[name].ndcg)
        assert each.recall == pytest.approx(found.by_name[name].recall, nan_ok=True)


@pytest.mark.parametrize("cpus", [1, 5])
def test_the_lists_are_the_same_to_the_last_digit_on_any_number_of_processors(
    searched, prepared, found, monkeypatch, cpus
):
    monkeypatch.setattr(ranking, "at_once", lambda: cpus)
    for name, each in judged(searched, prepared).by_name.items():
        np.testing.assert_array_equal(each.ndcg, found.by_name[name].ndcg)
        np.testing.assert_array_equal(each.recall, found.by_name[name].recall)


def test_of_many_users_some_are_drawn_and_that_is_told(searched, prepared, monkeypatch):
    monkeypatch.setattr(ranking, "MOST_USERS", 30)
    answer = ranking.described(judged(searched, prepared), against="baseline")
    assert (answer.users, answer.of_users > 40) == (30, True)


def test_too_many_items_to_rate_for_twenty_users_are_left_and_that_is_said(searched, prepared, monkeypatch):
    monkeypatch.setattr(ranking, "MOST_PAIRS", 19 * 40)
    said = []
    assert judged(searched, prepared, say=said.append) is None
    assert said == ["no top lists are judged: 40 items are too many to rate them all for 20 users"]


def test_what_is_written_is_read_again(found, folder, answer):
    ranking.write_rankings(folder, found)
    again = ranking.described(ranking.read_rankings(folder, answer), against="baseline")
    assert Ranking.model_validate_json(answer.model_dump_json()) == answer == again


def test_an_answer_of_an_older_version_has_none():
    assert Answer.model_validate({"schema": 2, "baseline": {}, "architectures": {}}).ranking is None
