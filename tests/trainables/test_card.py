import html
import re

import pytest

from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.card import card, plain
from reeltune.trainables.description import FittedOn, Judged, describe
from tests.worlds import config_of, shape_of

NASTY = "films <b>`x`</b>\n# A | heading [a](http://b) &amp; *c*.csv"


@pytest.fixture
def described(small_world):
    about = describe(
        "pmf",
        config_of("pmf"),
        shape_of(small_world).scale,
        decoder="argmax",
        temperature=1.0,
        seed=7,
        data="films.csv",
        metrics={"validation": {"argmax_mse": 0.8123, "log_loss": None}, "test": None},
    )
    return lambda **changes: about.model_copy(update=changes)


DATA = FittedOn(
    hash="0123abcd", ratings=1000, users=40, items=30, fitted=720, validation=80, test=200, split="random", split_seed=5
)
JUDGED = Judged(
    metric="argmax-MSE",
    error=0.7618,
    baseline="baseline (pmf, reference)",
    baseline_error=0.8124,
    gain=0.0506,
    ci95=(0.0435, 0.0582),
    verdict="beats",
    look=1,
)


def test_a_card_says_what_the_model_is_and_on_what_data(described):
    text = card(described(fitted_on=DATA))
    assert ARCHITECTURES["pmf"].__doc__.splitlines()[0] in text
    assert "Ratings of films.csv: 1,000 ratings by 40 users of 30 items." in text
    assert "Rows were split at random (seed 5): 80 rows to validate on, 200 to test on." in text
    assert "The weights were fitted on 720 rows." in text
    assert "`0123abcd`" in text
    assert "factors = " in text


def test_a_card_of_train_says_whose_figures_it_has(described):
    text = card(described(fitted_on=DATA))
    assert "| `argmax_mse` | 0.8123 |" in text
    assert "log_loss" not in text
    assert "No baseline was fitted beside it." in text
    refitted = card(described(fitted_on=DATA.model_copy(update={"refitted": True})))
    assert "validation figures are of the fit before" in refitted
    assert "No figures: no rows were held out." in card(described(metrics={}))


def test_a_card_of_a_search_has_the_verdict_with_the_interval_and_its_meaning(described):
    text = card(described(fitted_on=DATA, judged=JUDGED))
    assert "argmax-MSE 0.7618 on the test rows, 0.8124 of the baseline (pmf, reference), gain +0.0506" in text
    assert "(95% interval +0.0435 to +0.0582): beats." in text
    assert "it is none of a single rating" in text
    assert "look 3 at these rows" in card(described(judged=JUDGED.model_copy(update={"look": 3})))


def test_a_card_says_the_limits(described):
    text = card(described(fitted_on=DATA, timed=True))
    assert "rated as the mean of the known ones" in text
    assert "Ratings are cut off at 1 and 5" in text
    assert "WITH TIME" in text
    assert f"-o best.csv --at {described().date}" in text
    assert "ratings of later days are harder" in text
    assert "later days" not in card(described(fitted_on=DATA.model_copy(update={"split": "time"})))


def test_names_that_are_markup_are_shown_as_they_are(described):
    data = DATA.model_copy(update={"test_rows": NASTY, "split": NASTY})
    text = card(described(data=NASTY, fitted_on=data))
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    assert "<b>" not in prose
    assert not re.search(r"(?<!\\)[|*\[]", prose.replace("**", "").split("## How good")[0])
    assert [line for line in text.splitlines() if line.startswith("# ")] == [f"# pmf, a model of {plain(NASTY)}"]


def test_an_escaped_name_reads_as_the_name():
    unescaped = html.unescape(re.sub(r"\\(.)", r"\1", plain(NASTY)))
    assert unescaped == " ".join(NASTY.split())


def test_a_docstring_cannot_leave_its_block(described):
    text = card(described(about="a formula\n```\n<script>"))
    assert "````text\na formula\n```\n<script>\n````" in text


def test_a_model_of_own_architectures_is_loaded_with_their_files(described):
    one = card(described(sources={"two_tower": "12ab"}))
    assert 'rt.load("FOLDER", architecture="FOLDER/two_tower.py")' in one
    assert "pairs.csv -o rated.csv --architecture FOLDER/two_tower.py" in one
    assert "architecture=['FOLDER/a.py', 'FOLDER/b.py']" in card(described(sources={"a": "1", "b": "2"}))


def test_a_card_says_which_columns_pairs_have(described):
    assert "`pairs.csv` has a user and an item column." in card(described())
    assert "`pairs.csv` has user, item and time columns." in card(described(timed=True))


@pytest.mark.parametrize("name", ["1. ratings.csv", "- x", "+ a", "> b", "= c"])
@pytest.mark.parametrize("on", [None, DATA])
def test_a_name_of_data_begins_no_line(described, name, on):
    assert not [line for line in card(described(data=name, fitted_on=on)).splitlines() if line.startswith(plain(name))]
