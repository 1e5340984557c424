import pytest

from reeltune.cluster.report.write import write_reports
from tests.chromium import chromium, needed, opened
from tests.reported import NAMES, details, found, result, write_run

EVIL = "<script>alert(1)</script>"
ATTRIBUTE = '"><img src=x onerror=alert(2)>'
CLOSING = "</script><!--<script>alert(3)"
pytestmark = needed


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The page of one run, for all to open."""
    return write_reports(write_run(tmp_path_factory.mktemp("report") / "one"))


@pytest.mark.parametrize("width", [390, 768, 1400])
def test_the_page_opens_without_error_or_network_and_no_wider_than_the_window(browser, report, width):
    page = opened(browser, report, width=width)
    page.page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert page.overflow() <= 0
    assert page.wrong == []
    assert page.page.inner_text("h1").startswith("classifier wins and beats the baseline")


def test_optunas_plots_have_a_page_of_their_own_and_are_drawn_when_they_are_seen(browser, report):
    page = opened(browser, report, width=1400)
    assert page.of_each("details[open] h3", "textContent") == ["classifier"]
    page.page.click("details[open] a[href='plots.html#classifier']")
    page.page.wait_for_load_state()
    assert page.of_each("h2", "textContent") == ["pmf", "classifier"]
    assert len(page.of_each("[data-figure]", "dataset.drawn")) == 8
    for figure in page.page.query_selector_all("[data-figure^=classifier]"):
        figure.scroll_into_view_if_needed()
        figure.wait_for_selector(".main-svg")
    assert page.wrong == []


def test_what_somebody_else_wrote_is_shown_as_text(browser, tmp_path):
    verdict = {**result(), **details(["baseline", *NAMES])}
    verdict["architectures"]["classifier"] = found(config={"loss": EVIL, ATTRIBUTE: CLOSING})
    verdict["data"] = f"{EVIL}.csv: 90 ratings"
    verdict["slices"]["classifier"]["cold"][0]["label"] = ATTRIBUTE
    verdict["slices"]["baseline"]["cold"][0]["label"] = ATTRIBUTE
    folder = write_run(
        tmp_path / "a <b> & 'c'",
        verdict=verdict,
        titles=(EVIL, ATTRIBUTE, CLOSING),
        asked={"data": f"{EVIL}.csv", "users": ATTRIBUTE},
        error=CLOSING,
    )
    page = opened(browser, write_reports(folder), width=1400)
    page.page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert page.wrong == []
    shown = page.of_each("tbody th", "textContent")
    assert {EVIL, ATTRIBUTE, CLOSING} <= set(shown)
    text = page.page.text_content("body")
    for each in (f"{EVIL}.csv: 90 ratings", f"1 failed: {CLOSING}", f"--data '{EVIL}.csv'", "a <b> & 'c'"):
        assert each in text
    assert len(page.of_each("script", "id")) == 1
    assert page.of_each("main img", "src") == []


def test_an_injected_script_would_not_run(browser, tmp_path):
    path = write_reports(write_run(tmp_path / "one"))
    path.write_text(path.read_text().replace("<main>", f"<main>{EVIL}<img src=x onerror=alert(2)>"))
    page = opened(browser, path, width=1400)
    page.page.wait_for_timeout(200)
    assert not [each for each in page.wrong if each.startswith("dialog")]
    assert "Content Security Policy" in " ".join(page.wrong)


def test_every_figure_and_table_says_what_it_is(browser, report):
    page = opened(browser, report, width=1400)
    assert page.page.evaluate("document.querySelectorAll('table:not(:has(caption))').length") == 0
    assert page.page.evaluate("document.querySelectorAll('figure:not(:has(figcaption))').length") == 0
    assert page.page.evaluate("document.querySelectorAll('svg:not([aria-hidden]):not([aria-label])').length") == 0
    assert page.of_each("h1", "tagName") == ["H1"]


def test_headings_and_words_are_there_for_a_run_without_an_end(browser, tmp_path):
    folder = write_run(tmp_path / "one")
    folder.verdict.unlink()
    folder.predictions.unlink()
    page = opened(browser, write_reports(folder), width=390)
    assert " ".join(page.page.inner_text("h1").split()) == (
        "No verdict yet; best so far is classifier: argmax-MSE 0.8700 on validation rows (classifier-003); "
        "8 trials done, 2 stopped early, 0 failed, of 10 asked for."
    )
    assert page.of_each("h2", "textContent")[:2] == ["Go on", "Best so far"]
    assert page.of_each("details[open] h3", "textContent") == ["classifier"]
    assert "models/" not in page.page.text_content("body")
    assert "Parallel coordinates and slices of classifier" in page.page.text_content("body")
    assert page.wrong == []


def test_the_winner_can_be_used_right_away_and_no_command_breaks_within_an_option(browser, tmp_path):
    folder = write_run(tmp_path / "one")
    folder.model("classifier").mkdir(parents=True)
    page = opened(browser, write_reports(folder), width=390)
    assert page.of_each("main h2", "textContent")[0] == "Use it"
    lines = page.of_each(".command pre", "textContent")
    assert lines[1] == f"reeltune predict {tmp_path}/one/models/classifier pairs.csv -o rated.csv"
    broken = (
        "all => all.filter(each => each.textContent.startsWith('--set') && each.getClientRects().length > 1).length"
    )
    assert page.page.eval_on_selector_all(".command span", broken) == 0
    assert len([part for part in page.of_each(".command span", "textContent") if part.startswith("--set ")]) == 2


def test_with_the_ensemble_as_winner_its_largest_members_search_is_open(browser, tmp_path):
    members = {**result()["architectures"], "ensemble": found(config={"weights": {"pmf": 0.7, "classifier": 0.3}})}
    verdict = {**result(architectures=members, winner="ensemble"), **details(list(members))}
    page = opened(browser, write_reports(write_run(tmp_path / "one", verdict=verdict)), width=1400)
    assert page.page.inner_text("h1").startswith("The ensemble wins")
    assert page.of_each("details[open] h3", "textContent") == ["ensemble", "pmf"]


def test_on_a_phone_the_verdict_stays_beside_the_name_while_the_figures_scroll(browser, report):
    page = opened(browser, report, width=390)
    assert page.of_each(".results thead th", "textContent")[:3] == ["fit", "verdict", "test MSE"]
    assert page.page.is_visible(".scroll[data-more]:has(.results) + .cue")
    left = "document.querySelector('.results tbody tr:last-child td').getBoundingClientRect().left"
    before = page.page.evaluate(left)
    page.page.evaluate("document.querySelector('.scroll:has(.results)').scrollLeft = 9999")
    page.page.wait_for_selector(".scroll:not([data-more]):has(.results)")
    assert page.page.evaluate(left) == pytest.approx(before, abs=1)
    assert 16 <= before < 390 / 2
    assert not page.page.is_visible(".scroll:has(.results) + .cue")


@pytest.mark.parametrize("width", [390, 1400])
def test_no_ticks_label_touches_the_next(browser, report, width):
    page = opened(browser, report, width=width)
    close = """all => all.flatMap(each => {
        const places = [...each.children].map(tick => tick.getBoundingClientRect()).sort((a, b) => a.left - b.left);
        return places.slice(1).map((place, at) => place.left - places[at].right);
    })"""
    gaps = page.page.eval_on_selector_all(".ticks", close)
    assert gaps
    assert min(gaps) >= 4


def test_every_entry_of_the_contents_leads_to_a_section(browser, report):
    page = opened(browser, report, width=390)
    aims = [href.split("#")[1] for href in page.of_each(".contents a", "href")]
    assert aims[:2] == ["gain", "results"]
    assert aims == page.of_each("main h2", "id")


def test_a_dark_page_is_as_legible_as_a_light_one(browser, report):
    page = opened(browser, report, width=1400)
    shade = "getComputedStyle(document.querySelector('{}')).{}"
    looks = {}
    for scheme in ("light", "dark"):
        page.page.emulate_media(color_scheme=scheme)
        looks[scheme] = [
            page.page.evaluate(shade.format(place, what))
            for place, what in (("body", "color"), ("body", "backgroundColor"), ("td", "backgroundColor"))
        ]
    assert looks["light"][:2] == ["rgb(22, 22, 22)", "rgb(255, 255, 255)"]
    assert looks["dark"][:2] == ["rgb(236, 236, 234)", "rgb(21, 22, 23)"]
    assert looks["dark"][2] == looks["dark"][1], "the column that stays covers what scrolls below it"


def test_a_command_is_copied_whole(browser, report):
    page = opened(browser, report, width=390)
    page.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.page.locator(".command button").first.click()
    page.page.wait_for_selector("button:text('copied')")
    assert page.page.evaluate("navigator.clipboard.readText()") == page.of_each(".command pre", "textContent")[0]
