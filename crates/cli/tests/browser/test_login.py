"""The dashboard of a service that asks for tokens."""

import os

from dashboard import Dashboard, eventually


def test_a_token_opens_the_dashboard_and_another_does_not(browser, address):
    dashboard = Dashboard(browser.new_context(viewport={"width": 700, "height": 560}), address)
    page = dashboard.page
    page.goto(address)
    page.fill("#token", "tbk_1_" + "0" * 64)
    page.click("text=Log in")
    page.wait_for_selector("[role=alert]")
    assert dashboard.text("[role=alert]") != ""
    dashboard.screenshot("login")
    page.fill("#token", os.environ["TALLYBOOK_TOKEN"])
    page.click("text=Log in")
    page.wait_for_selector("#overview")
    eventually(lambda: dashboard.ticks() > 0, "the first tick")
    # The browser reports the answer 401 to a page that it was asked to open.
    assert [offence for offence in dashboard.offences() if "401" not in offence] == []


def test_who_logged_in_can_log_out(browser, address):
    dashboard = Dashboard(browser.new_context(viewport={"width": 700, "height": 560}), address)
    page = dashboard.page
    page.goto(address)
    page.fill("#token", os.environ["TALLYBOOK_TOKEN"])
    page.click("text=Log in")
    page.click("text=Log out")
    page.wait_for_selector("#token")
    page.goto(address)
    page.wait_for_selector("#token")
