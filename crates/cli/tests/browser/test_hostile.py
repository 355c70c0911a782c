"""The dashboard of a program whose statements have hostile texts, watched with `tallybook watch --web`."""


def open_statement(dashboard, part):
    """Opens the page of the statement that contains the text, and returns what it shows."""
    dashboard.page.fill("#filter", part)
    dashboard.page.locator(".statements tbody a.sql", has_text=part).first.click()
    text = dashboard.page.locator("#statement .full-text code")
    text.wait_for()
    return text.inner_text()


def test_a_script_in_a_name_is_text(open_dashboard):
    dashboard = open_dashboard()
    assert "<script>document.body.remove()</script>" in open_statement(dashboard, "<script>")
    assert dashboard.page.locator("main script").count() == 0


def test_marks_that_reorder_or_hide_text_are_shown(open_dashboard):
    text = open_statement(open_dashboard(), "turned")
    assert "\\u202e" in text and "\u202e" not in text
    assert "\\u001b" in text and "\u001b" not in text


def test_a_statement_of_a_megabyte_is_cut_and_figures_go_on(open_dashboard):
    dashboard = open_dashboard()
    assert len(open_statement(dashboard, "very_long")) <= 100_000
    dashboard.wait_for_ticks(2)
