"""The intervals of a run's models, in its page and its short report."""

from reeltune.cluster.report.html import html
from reeltune.cluster.report.markdown import markdown
from reeltune.cluster.runs.finished import read_run
from tests.reported import NAMES, details, result, write_run

INTERVALS = {"classifier": {"within80": 0.7912, "width80": 2.1, "within95": 0.9534, "width95": 3.0456}}


def test_page_and_short_report_say_how_many_test_ratings_lie_within_and_how_wide_they_are(tmp_path):
    verdict = {**result(), **details(["baseline", *NAMES]), "intervals": INTERVALS}
    run = read_run(write_run(tmp_path / "one", verdict=verdict))
    row = "".join(f"<td>{cell}</td>" for cell in ("79.1%", "2.100", "95.3%", "3.046"))
    assert f'<tr><th scope="row">classifier</th>{row}</tr>' in html(run)
    assert (
        "- intervals of classifier (predict --intervals): 79.1% of the test ratings lie in those of 80%, mean width "
        "2.100, and 95.3% in those of 95%, 3.046\n"
    ) in markdown(run)


def test_a_run_without_them_says_nothing_of_them(tmp_path):
    run = read_run(write_run(tmp_path / "one"))
    assert 'id="intervals"' not in html(run)
    assert "intervals of" not in markdown(run)
