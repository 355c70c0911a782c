"""The dashboard of a service with a replica, before and after the replica was killed."""

from dashboard import eventually


def state(dashboard):
    """The state of the replica in words, and the level of its verdict."""
    row = dashboard.page.locator("#servers tbody", has_text="replica").first
    return row.locator(".state").inner_text().split()[0], dashboard.page.locator("[data-verdict=replicas]").get_attribute("data-level")


def test_a_replica_that_follows_is_up_and_has_its_chart_of_lag(open_dashboard):
    dashboard = open_dashboard()
    eventually(lambda: state(dashboard) == ("up", "ok"), "the replica up")
    assert dashboard.page.locator("#lag .canvas").count() == 1
    dashboard.screenshot("replica-up")


def test_a_killed_replica_is_down_and_the_verdict_says_so(open_dashboard):
    dashboard = open_dashboard()
    eventually(lambda: state(dashboard)[0] == "down" and state(dashboard)[1] in ("warn", "bad"), "the replica down")
    assert dashboard.page.locator("#servers .reason:visible").inner_text() != ""
    dashboard.screenshot("replica-down")
