"""Makes the pictures of the dashboard in docs/images, of `tallybook serve --demo` after two minutes:

    scripts/install-needs && cargo build --release
    target/browser/bin/python crates/cli/tests/browser/pictures.py target/release/tallybook
"""

import json
import os
import pathlib
import subprocess
import sys

from playwright.sync_api import sync_playwright

from dashboard import Dashboard, eventually

IMAGES = pathlib.Path(__file__).resolve().parents[4] / "docs" / "images"
PICTURES = [
    ("dashboard-light", {"viewport": {"width": 1600, "height": 1000}, "color_scheme": "light"}),
    ("dashboard-dark", {"viewport": {"width": 1600, "height": 1000}, "color_scheme": "dark"}),
    ("dashboard-phone", {"viewport": {"width": 390, "height": 844}, "color_scheme": "light", "device_scale_factor": 2}),
]
# Samples that the charts show, one a second: with these they are full.
HISTORY = 112
LARGEST = 300_000


def main(program):
    """Starts the demo, and keeps a picture of each kind."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    command = [program, "serve", "--demo", "--json", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as served, sync_playwright() as playwright:
        try:
            address = json.loads(served.stdout.readline())["address"].rstrip("/") + "/"
            path = os.environ.get("TALLYBOOK_CHROMIUM", "/usr/bin/chromium")
            browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
            opened = [(name, Dashboard(browser.new_context(locale="en-GB", **options), address)) for name, options in PICTURES]
            for _, dashboard in opened:
                dashboard.open()
            for name, dashboard in opened:
                take(dashboard, name)
            browser.close()
        finally:
            served.terminate()


def take(dashboard, name):
    """Waits until there is something to see, and keeps the picture."""
    dashboard.wait_for_rows(10)
    dashboard.page.wait_for_selector(".finding")
    drawn = dashboard.page.locator("#throughput .canvas")
    eventually(lambda: int(drawn.get_attribute("aria-valuemax")) >= HISTORY, "enough history", seconds=240)
    file = IMAGES / f"{name}.png"
    dashboard.page.screenshot(path=file)
    assert not dashboard.offences(), dashboard.offences()
    assert file.stat().st_size < LARGEST, f"{file} has {file.stat().st_size} bytes"
    print(file, file.stat().st_size)


if __name__ == "__main__":
    main(sys.argv[1])
