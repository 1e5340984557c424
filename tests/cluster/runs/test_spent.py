"""Core seconds of several searches together."""

from reeltune.cluster.runs.answer import Answer
from reeltune.cluster.runs.spent import FitSeconds, Phase, Spent, together
from tests.reported import result

ONE = Spent(
    fits={"pmf": FitSeconds(trials=10, confirmations=4, refits=2), "baseline": FitSeconds(refits=3)},
    search=Phase(wall=9, available=18),
    refits=Phase(wall=4, available=8),
)
OTHER = Spent(
    fits={"pmf": FitSeconds(trials=1), "bias": FitSeconds(trials=2)},
    search=Phase(wall=1, available=2),
    refits=Phase(wall=1, available=2),
)


def test_several_searches_add_up_by_architecture_and_by_phase():
    both = together([ONE, OTHER])
    assert both == Spent(
        fits={
            "pmf": FitSeconds(trials=11, confirmations=4, refits=2),
            "baseline": FitSeconds(refits=3),
            "bias": FitSeconds(trials=2),
        },
        search=Phase(wall=10, available=20),
        refits=Phase(wall=5, available=10),
    )
    assert both.all_fits.total == 22
    assert both.available == 30


def test_sums_have_no_more_digits_than_what_they_are_of():
    tenth, fifth = (Phase(wall=seconds, available=seconds) for seconds in (0.1, 0.2))
    assert tenth.plus(fifth) == Phase(wall=0.3, available=0.3)
    assert FitSeconds(refits=0.1).plus(FitSeconds(refits=0.2)).refits == 0.3


def test_what_is_not_known_of_one_search_is_not_known_of_all():
    assert together([ONE, None]) is None
    assert together([]) is None
    assert together([ONE, OTHER.model_copy(update={"resumed": True})]).available is None
    assert together([ONE, OTHER.model_copy(update={"search": Phase(wall=1)})]).available is None


def test_a_verdict_of_before_says_nothing_of_it():
    assert Answer.model_validate({**result(), "schema": 3}).spent is None
