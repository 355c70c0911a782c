"""The page of the dashboard in Debian's chromium.

The Rust test `crates/cli/tests/it/browser.rs` starts the program, and pytest with its address in TALLYBOOK_DASHBOARD.
Whatever a page may never do fails every test: errors of the console, violations of the Content-Security-Policy,
requests to other origins.
"""

import os

import pytest
from playwright.sync_api import sync_playwright

from dashboard import Dashboard, target


@pytest.fixture(scope="session")
def browser():
    """One chromium for all tests."""
    path = os.environ.get("TALLYBOOK_CHROMIUM", "/usr/bin/chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def address():
    """Where the dashboard is, with a slash at the end."""
    return os.environ["TALLYBOOK_DASHBOARD"].rstrip("/") + "/"


@pytest.fixture
def open_dashboard(browser, address, request):
    """Opens the dashboard in a window of its own, and checks at the end what it must never do."""
    opened = []

    def open_one(width=1600, height=1000, theme="light", **options):
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme, **options)
        dashboard = Dashboard(context, address)
        opened.append(dashboard)
        dashboard.open()
        return dashboard

    yield open_one
    failed = getattr(request.node, "failed", False)
    for dashboard in opened:
        if failed:
            dashboard.screenshot(f"failed-{request.node.name}")
        offences = dashboard.offences()
        dashboard.context.close()
        assert not offences or failed, offences


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Remembers that a test failed, for a picture of the page as it was then."""
    outcome = yield
    if outcome.get_result().when == "call":
        item.failed = outcome.get_result().failed


@pytest.fixture(scope="session")
def axe():
    """The source of axe-core, which `scripts/install-needs` puts beside the tests' environment."""
    return (target() / "browser" / "axe.min.js").read_text(encoding="utf-8")
