"""The dashboard of a program whose statements have hostile texts, watched with `tallybook watch --web`."""

from dashboard import eventually


def test_hostile_names_are_text(open_dashboard):
    dashboard = open_dashboard()
    dashboard.page.fill("#filter", "<script>")
    link = dashboard.page.locator(".statements tbody a.sql", has_text="<script>")
    link.wait_for(timeout=60_000)
    assert dashboard.page.locator("main script").count() == 0
    link.click()
    text = dashboard.page.locator("#statement .full-text code")
    text.wait_for()
    shown = text.inner_text()
    assert "<script>document.title = 'taken'</script>" in shown
    assert "\\u202e" in shown and "\u202e" not in shown
    assert "\\u001b" in shown and "\u001b" not in shown
    assert "taken" not in dashboard.page.title()


def test_a_statement_of_a_megabyte_is_cut_and_the_page_stays_responsive(open_dashboard):
    dashboard = open_dashboard()
    dashboard.page.fill("#filter", "as very_long")
    link = dashboard.page.locator(".statements tbody a.sql", has_text="as very_long").first
    link.wait_for(timeout=60_000)
    assert len(link.inner_text()) <= 301
    link.click()
    text = dashboard.page.locator("#statement .full-text code")
    text.wait_for()
    assert len(text.inner_text()) <= 100_000
    dashboard.wait_for_ticks(2)


def test_the_page_says_that_the_program_is_gone(open_dashboard):
    dashboard = open_dashboard()
    eventually(lambda: dashboard.text("#status-text") == "program gone", "the program's end")
    assert dashboard.page.locator("#notice").is_visible()
    dashboard.screenshot("program-gone")
