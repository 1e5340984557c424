from reeltune.cluster.report.html import html
from reeltune.cluster.report.markdown import markdown
from reeltune.cluster.report.top_lists import about, headings, line, table
from reeltune.cluster.runs.answer import Ranking, Result
from reeltune.cluster.runs.finished import read_run
from tests.reported import NAMES, details, result, write_run

SCORE = {"value": 0.05, "ci95": [0.04, 0.06], "gain": 0.01, "gain_ci95": [-0.001, 0.02]}
OWN = {"value": 0.04, "ci95": [0.03, 0.05], "gain": 0.0, "gain_ci95": [0.0, 0.0]}


def ranking(**changes):
    found = {"baseline": {"ndcg": OWN, "recall": OWN}, "classifier": {"ndcg": SCORE, "recall": None}}
    found["most rated items"] = {"ndcg": {"value": 0.1}, "recall": {"value": 0.2}}
    users = {"users": 900, "of_users": 900, "liking_users": 800}
    return {"top": 10, **users, "items": 1600, "liked": 4.0, "by_name": found, **changes}


def test_the_line_has_the_winner_the_baseline_and_the_most_rated_items():
    said = line(Result.model_validate(result(ranking=ranking())))
    assert said == (
        "top 10 of all unrated items, NDCG and recall: classifier 0.0500 and none; the baseline 0.0400 and 0.0400; "
        "the most rated items 0.1000 and 0.2000"
    )


def test_users_who_were_drawn_are_told():
    drawn = ranking(users=300)
    assert "of 300 users drawn from 900: " in line(Result.model_validate(result(ranking=drawn)))
    assert "300 users, drawn from 900, with" in about(Ranking.model_validate(drawn))


def test_without_lists_there_is_no_line():
    assert line(Result.model_validate(result())) == ""
    assert line(Result.model_validate(result(winner=None, ranking=ranking()))) == ""


def test_the_table_has_each_value_with_its_interval_and_its_gain():
    found = Ranking.model_validate(ranking())
    assert [len(row) for row in table(found)] == [len(headings(found))] * 3
    row = ["classifier", "0.0500", "0.0400 to 0.0600", "+0.0100", "-0.0010 to +0.0200", "", "", "", ""]
    assert table(found)[1] == row


def test_the_page_and_the_markdown_have_them(tmp_path):
    verdict = {**result(ranking=ranking()), **details(["baseline", *NAMES])}
    run = read_run(write_run(tmp_path / "one", verdict=verdict))
    page = html(run)
    assert '<h2 id="lists">Top lists</h2>' in page
    assert "0.0400 to 0.0600" in page
    assert "- top 10 of all unrated items" in markdown(run)
