"""The dashboard of `tallybook watch --web` after its program ended."""

from dashboard import Dashboard, eventually


def test_the_page_says_that_the_program_is_gone(browser, address):
    dashboard = Dashboard(browser.new_context(), address)
    dashboard.page.goto(address)
    eventually(lambda: dashboard.text("#status-text") == "program gone", "the program's end")
    assert dashboard.page.locator("#notice").is_visible()
    dashboard.screenshot("program-gone")
    assert not dashboard.offences()
