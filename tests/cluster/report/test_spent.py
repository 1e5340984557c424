"""Where the time went, in words."""

import pytest

from reeltune.cluster.report.html import html
from reeltune.cluster.report.markdown import markdown
from reeltune.cluster.report.spent import line, notes, table
from reeltune.cluster.runs.finished import read_run
from reeltune.cluster.runs.spent import FitSeconds, Phase, Spent
from tests.reported import NAMES, details, result, write_run

SPENT = Spent(
    fits={
        "pmf": FitSeconds(trials=300, confirmations=150.4, refits=50),
        "bias": FitSeconds(trials=19, confirmations=7.6),
        "baseline": FitSeconds(refits=8),
    },
    search=Phase(wall=250, available=500),
    refits=Phase(wall=60, available=120),
)
RESUMED = SPENT.model_copy(update={"resumed": True})
GROWING = SPENT.model_copy(update={"search": Phase(wall=250)})


@pytest.mark.parametrize(
    ("spent", "end"),
    [
        (SPENT, "535 of 620 available"),
        (RESUMED, "535 in all (the search was resumed, and how long its earlier processes ran is not known)"),
        (GROWING, "535 in all"),
    ],
)
def test_one_line_has_the_phases_and_what_was_there_to_be_used(spent, end):
    assert line(spent) == f"core seconds: search 319, confirmations 158, refits 58; {end}"


def test_the_table_has_a_row_for_each_architecture_and_their_sums():
    assert table(SPENT) == [
        ["pmf", "300", "150", "50", "500"],
        ["bias", "19", "7.6", "0", "27"],
        ["baseline", "0", "0", "8.0", "8.0"],
        ["all", "319", "158", "58", "535"],
    ]


def test_the_share_of_a_phase_that_fits_used_is_said_where_it_is_known():
    assert notes(SPENT)[:2] == [
        "Trials and confirmations took 250 s by the clock, in which 500 core seconds were available, of which fits "
        "used 95%.",
        "Refits took 60 s by the clock, in which 120 core seconds were available, of which fits used 48%.",
    ]
    assert notes(GROWING)[0] == "Trials and confirmations took 250 s by the clock."
    assert "used" not in notes(RESUMED)[0]
    assert "how long its earlier processes ran is not known" in notes(RESUMED)[-1]


def test_both_reports_have_it_and_those_of_an_older_run_do_not(tmp_path):
    verdict = {**result(), **details(["baseline", *NAMES])}
    new = read_run(write_run(tmp_path / "new", verdict={**verdict, "spent": SPENT.as_json()}))
    old = read_run(write_run(tmp_path / "old", verdict=verdict))
    assert f"- {line(SPENT)}\n" in markdown(new)
    assert "core seconds" not in markdown(old)
    assert '<th scope="row">baseline</th><td>0</td><td>0</td><td>8.0</td><td>8.0</td>' in html(new)
    assert "Where the time went" not in html(old)
