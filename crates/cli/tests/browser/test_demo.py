"""The dashboard of `tallybook serve --demo`, which has live load, an N+1 loop and a query without its index."""

import gzip
import os
import re
import signal

import pytest

from dashboard import eventually

THEMES = ["light", "dark"]
WIDTHS = [360, 400, 1000, 1280, 1600]


def open_statement(dashboard, filtered=""):
    """Opens the page of the first statement that contains the text."""
    dashboard.wait_for_rows(5)
    if filtered:
        dashboard.page.fill("#filter", filtered)
    dashboard.page.locator(".statements tbody a.sql").first.click()
    dashboard.page.wait_for_selector("#statement .full-text")


def test_figures_move_while_the_program_works(open_dashboard):
    dashboard = open_dashboard()
    dashboard.wait_for_rows(5)
    before = dashboard.text("#throughput .now")
    eventually(lambda: dashboard.text("#throughput .now") != before, "another throughput")
    assert dashboard.text("#status-text") == "live"


def test_history_is_there_when_the_page_opens(open_dashboard):
    open_dashboard().wait_for_ticks(3)
    dashboard = open_dashboard()
    drawn = dashboard.page.locator("#throughput .canvas").get_attribute("aria-valuemax")
    assert int(drawn) >= 3


def test_nothing_moves_while_figures_are_renewed_and_somebody_points_at_a_row(open_dashboard):
    dashboard = open_dashboard()
    dashboard.wait_for_rows(10)
    dashboard.page.wait_for_selector(".finding")
    # Otherwise rows change their places, each ten seconds at most.
    dashboard.page.hover(".statements tbody tr:nth-child(3)")
    rows = "[...document.querySelectorAll('.statements tbody tr')].map((row) => row.dataset.fingerprint).join()"
    before = dashboard.page.evaluate(rows)
    dashboard.page.evaluate("watched.shift = 0; watched.moved = []")
    dashboard.wait_for_ticks(12)
    assert dashboard.page.evaluate(rows) == before
    assert dashboard.page.evaluate("watched.shift") < 0.02, dashboard.page.evaluate("watched.moved")
    # The observer would have seen it.
    dashboard.page.evaluate("document.querySelector('main').style.paddingTop = '400px'")
    eventually(lambda: dashboard.page.evaluate("watched.shift") > 0.02, "a shift that is made on purpose")


def test_a_statement_opens_and_shows_its_plan(open_dashboard):
    dashboard = open_dashboard()
    open_statement(dashboard, "from trades")
    dashboard.page.get_by_role("button", name="Explain now").click()
    dashboard.page.wait_for_selector("#plan-body .plan-node")
    assert "trades" in dashboard.text("#plan-body .plan")
    assert "from trades" in dashboard.text("#statement .full-text code").lower()
    dashboard.screenshot("statement")


def test_an_n_plus_one_loop_is_found_with_both_call_sites(open_dashboard):
    dashboard = open_dashboard()
    tag = dashboard.page.locator(".tag", has_text="N+1")
    finding = dashboard.page.locator("#findings .finding").filter(has=tag).first
    finding.wait_for()
    assert finding.locator("p code", has_text=".rs:").count() == 2
    assert finding.get_by_role("button", name="Copy").count() == 1


def test_a_verdict_leads_to_its_panel(open_dashboard):
    dashboard = open_dashboard(height=600)
    verdict = dashboard.page.locator("[data-verdict=pool]")
    panel = verdict.get_attribute("href").removeprefix("#")
    verdict.click()
    assert dashboard.focused("it.id") == panel
    is_seen = f"document.getElementById('{panel}').getBoundingClientRect().top < innerHeight"
    eventually(lambda: dashboard.page.evaluate(is_seen), "the panel in the window")


def test_there_are_ten_verdicts_and_each_says_its_level_in_words(open_dashboard):
    dashboard = open_dashboard()
    lines = dashboard.page.locator(".verdict-line").all_inner_texts()
    assert len(lines) == 10
    assert all(line.split(":")[0] in ("fine", "warning", "bad", "not known") for line in lines), lines


def test_the_theme_follows_the_system_until_it_is_chosen(open_dashboard):
    dashboard = open_dashboard(theme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = dashboard.page.evaluate(ground)
    dashboard.page.emulate_media(color_scheme="light")
    assert dashboard.page.evaluate(ground) != dark
    dashboard.page.click("#theme")
    dashboard.page.click("#theme")
    assert dashboard.page.evaluate(ground) == dark
    dashboard.open()
    assert dashboard.page.evaluate(ground) == dark


@pytest.mark.parametrize("theme", THEMES)
def test_no_width_needs_a_horizontal_scroll(open_dashboard, theme):
    dashboard = open_dashboard(theme=theme)
    dashboard.wait_for_rows(10)
    for width in WIDTHS:
        dashboard.resize(width)
        assert dashboard.overflow() == 0, width
        dashboard.screenshot(f"overview-{width}-{theme}", full_page=True)
    open_statement(dashboard)
    for width in WIDTHS:
        dashboard.resize(width)
        assert dashboard.overflow() == 0, width


def test_the_keyboard_alone_opens_a_statement_and_comes_back(open_dashboard):
    dashboard = open_dashboard()
    dashboard.wait_for_rows(5)
    keyboard = dashboard.page.keyboard
    keyboard.press("Tab")
    assert dashboard.focused("it.className") == "skip"
    keyboard.press("Enter")
    for _ in range(50):
        if dashboard.focused("it.matches('.statements a.sql')"):
            break
        keyboard.press("Tab")
    keyboard.press("ArrowDown")
    statement = dashboard.focused("it.closest('tr').dataset.fingerprint")
    keyboard.press("Enter")
    eventually(lambda: dashboard.focused("it.id") == "statement-title", "the focus on the title")
    assert dashboard.page.url.endswith(statement)
    keyboard.press("Shift+Tab")
    assert dashboard.focused("it.className") == "back"
    keyboard.press("Enter")
    eventually(lambda: dashboard.focused("it.closest('tr')?.dataset.fingerprint") == statement, "the focus on its row")


def test_columns_are_sorted_from_the_keyboard(open_dashboard):
    dashboard = open_dashboard()
    dashboard.wait_for_rows(5)
    button = dashboard.page.get_by_role("button", name="Calls", exact=True)
    button.focus()
    dashboard.page.keyboard.press("Enter")
    head = dashboard.page.locator("th.column-rate")
    assert head.get_attribute("aria-sort") == "descending"
    dashboard.page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"


def test_the_filter_keeps_the_statements_that_contain_its_text(open_dashboard):
    dashboard = open_dashboard()
    dashboard.wait_for_rows(5)
    dashboard.page.fill("#filter", "from positions")
    titles = [link.get_attribute("title") for link in dashboard.page.locator(".statements tbody a.sql").all()]
    assert titles and all("from positions" in title.lower() for title in titles), titles


def seconds_of(text):
    """The length of `14:20:05 to 14:21:00`, in seconds."""
    hours, minutes, seconds = zip(*(map(int, time.split(":")) for time in text.split(" to ")))
    return (hours[1] - hours[0]) % 24 * 3600 + (minutes[1] - minutes[0]) * 60 + seconds[1] - seconds[0]


def test_a_drag_over_one_chart_zooms_all(open_dashboard):
    dashboard = open_dashboard()
    dashboard.wait_for_ticks(2)
    box = dashboard.page.locator("#latency .u-over").bounding_box()
    mouse = dashboard.page.mouse
    mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 20)
    mouse.down()
    mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 20, steps=5)
    mouse.up()
    mouse.move(0, 0)
    zoomed = dashboard.text("#time-span")
    assert any(abs(seconds_of(zoomed) - 0.4 * span) <= 2 for span in (60, 120, 300)), zoomed
    dashboard.wait_for_ticks(2)
    assert dashboard.text("#time-span") == zoomed
    dashboard.page.click("#zoom-out")
    assert dashboard.text("#time-span") == "drag over a chart to zoom"


def test_one_cursor_shows_its_values_in_every_legend(open_dashboard):
    dashboard = open_dashboard()
    dashboard.wait_for_ticks(2)
    dashboard.page.hover("#latency .u-over", position={"x": 100, "y": 30})
    eventually(lambda: dashboard.page.locator("#pool[data-pointed]").count() == 1, "the cursor in another chart")
    assert dashboard.text("#time-span").startswith("at ")


def test_arrow_keys_move_the_cursor_of_a_chart(open_dashboard):
    dashboard = open_dashboard()
    dashboard.wait_for_ticks(4)
    dashboard.page.click("#pause")
    chart = dashboard.page.locator("#latency .canvas")
    chart.focus()
    newest = int(chart.get_attribute("aria-valuenow"))
    dashboard.page.keyboard.press("ArrowLeft")
    eventually(lambda: int(chart.get_attribute("aria-valuenow")) == newest - 1, "the value before")
    assert dashboard.text("#time-span").startswith("at ")
    assert "p99" in chart.get_attribute("aria-valuetext")


def test_nothing_is_animated_for_those_who_asked_for_less_motion(open_dashboard):
    dashboard = open_dashboard(reduced_motion="reduce")
    dashboard.wait_for_ticks(2)
    assert dashboard.page.evaluate("document.getAnimations().length") == 0


def test_the_page_with_all_its_parts_has_less_than_150_kb_compressed(open_dashboard):
    dashboard = open_dashboard()
    names = dashboard.page.evaluate("performance.getEntriesByType('resource').map((one) => one.name)")
    parts = [name for name in names if "/assets/" in name] + [dashboard.address]
    assert len(parts) > 10
    size = sum(len(gzip.compress(dashboard.context.request.get(part).body())) for part in parts)
    assert size < 150_000, size


def test_it_pauses_while_the_page_is_hidden(open_dashboard):
    dashboard = open_dashboard()
    hide = "Object.defineProperty(document, 'hidden', { configurable: true, get: () => %s });" \
           "document.dispatchEvent(new Event('visibilitychange'))"
    dashboard.page.evaluate(hide % "true")
    assert dashboard.text("#status-text") == "paused"
    assert dashboard.page.evaluate("watched.sources.every((source) => source.readyState === EventSource.CLOSED)")
    dashboard.page.evaluate(hide % "false")
    eventually(lambda: dashboard.text("#status-text") == "live", "figures again")


def test_the_pause_button_stops_and_resumes_the_figures(open_dashboard):
    dashboard = open_dashboard()
    dashboard.page.click("#pause")
    assert dashboard.text("#status-text") == "paused"
    assert dashboard.page.evaluate("watched.sources.every((source) => source.readyState === EventSource.CLOSED)")
    dashboard.page.click("#pause")
    eventually(lambda: dashboard.text("#status-text") == "live", "figures again")


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_serious(open_dashboard, axe, theme):
    dashboard = open_dashboard(theme=theme)
    dashboard.wait_for_rows(10)
    dashboard.page.wait_for_selector(".finding")
    assert serious(dashboard, axe) == []
    open_statement(dashboard, "from trades")
    dashboard.page.get_by_role("button", name="Explain now").click()
    dashboard.page.wait_for_selector("#plan-body .plan-node")
    assert serious(dashboard, axe) == []


def serious(dashboard, axe):
    """What axe-core calls serious or critical."""
    dashboard.page.evaluate(axe)
    violations = dashboard.page.evaluate("axe.run().then((found) => found.violations)")
    return [
        (one["id"], one["impact"], one["help"], [node["html"][:200] for node in one["nodes"][:5]])
        for one in violations
        if one["impact"] in ("serious", "critical")
    ]


def test_the_doctor_answers_when_it_is_asked(open_dashboard):
    dashboard = open_dashboard()
    dashboard.page.get_by_role("button", name="Run the doctor").click()
    eventually(lambda: "passed" in dashboard.text("#doctor-body"), "its findings")


def test_the_revisions_of_the_book_are_listed(open_dashboard):
    dashboard = open_dashboard()
    eventually(lambda: dashboard.page.locator("#revisions .revisions li").count() > 0, "the revisions")


def test_a_lost_connection_is_said_and_comes_back(open_dashboard):
    dashboard = open_dashboard()
    process = int(re.search(r"process (\d+)", dashboard.text("#process")).group(1))
    os.kill(process, signal.SIGSTOP)
    try:
        eventually(lambda: dashboard.text("#status-text") == "lost, retrying", "the loss")
        assert "The figures are from" in dashboard.text("#notice")
    finally:
        os.kill(process, signal.SIGCONT)
    eventually(lambda: dashboard.text("#status-text") == "live", "figures again")
    assert not dashboard.page.locator("#notice").is_visible()
