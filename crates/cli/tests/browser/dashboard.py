"""A page of the dashboard, watched while it runs."""

import os
import pathlib
import time

# Before any script of the page: what it violates, which boxes move by themselves, and the events it receives.
WATCHER = """
    window.watched = { violations: [], shift: 0, moved: [], ticks: 0, sources: [] };
    document.addEventListener("securitypolicyviolation", (event) =>
        watched.violations.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sample}`));
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) {
            if (entry.hadRecentInput) continue;
            watched.shift += entry.value;
            const moved = entry.sources.map(({ node, previousRect: a, currentRect: b }) =>
                `${node?.id || node?.className || node?.nodeName}: ${a.x},${a.y} ${a.width}x${a.height} to ${b.x},${b.y} ${b.width}x${b.height}`);
            watched.moved.push(`${entry.value}: ${moved.join("; ")}`);
        }
    }).observe({ type: "layout-shift", buffered: true });
    const Original = window.EventSource;
    window.EventSource = class extends Original {
        constructor(address) {
            super(address);
            watched.sources.push(this);
            this.addEventListener("tick", () => { watched.ticks += 1; });
        }
    };
"""


def target():
    """The target directory, where tools and pictures are kept."""
    here = pathlib.Path(__file__).resolve()
    return pathlib.Path(os.environ.get("TALLYBOOK_TARGET", here.parents[4] / "target"))


def eventually(condition, what, seconds=120):
    """Waits until the condition returns something true, and returns it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"never happened: {what}")


class Dashboard:
    """A window with the dashboard."""

    def __init__(self, context, address):
        self.context = context
        self.address = address
        self.errors = []
        # The whole suite runs at once, so that a busy machine may be slow.
        context.set_default_timeout(120_000)
        self.page = context.new_page()
        self.page.add_init_script(WATCHER)
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.errors.append(f"exception: {error}"))
        self.page.on("request", self._asked)

    def _heard(self, message):
        if message.type in ("error", "warning"):
            self.errors.append(f"console: {message.text} {message.location}")

    def _asked(self, request):
        if not request.url.startswith(("data:", self.address)):
            self.errors.append(f"request to another origin: {request.url}")

    def open(self):
        """Loads the page and waits for its first figures."""
        self.page.goto(self.address)
        eventually(lambda: self.ticks() > 0, "the first tick")

    def ticks(self):
        """How many times the figures were renewed."""
        return self.page.evaluate("watched.ticks")

    def wait_for_ticks(self, number):
        """Waits until the figures were renewed so many times more."""
        wanted = self.ticks() + number
        eventually(lambda: self.ticks() >= wanted, f"{number} more ticks")

    def wait_for_rows(self, number):
        """Waits until the table of statements has so many rows."""
        eventually(lambda: self.page.locator(".statements tbody tr").count() >= number, f"{number} statements")

    def text(self, selector):
        """The text of the first such element."""
        return self.page.locator(selector).first.inner_text()

    def focused(self, expression):
        """An expression about `document.activeElement`, which is `it`."""
        return self.page.evaluate(f"(() => {{ const it = document.activeElement; return {expression}; }})()")

    def resize(self, width, height=1000):
        """Gives the window another size, and waits for the layout."""
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def overflow(self):
        """By how many pixels the page is wider than its window."""
        return self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")

    def screenshot(self, name, **options):
        """Keeps a picture under target/screenshots."""
        directory = target() / "screenshots"
        directory.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=directory / f"{name}.png", **options)

    def offences(self):
        """What the page did that it must never do."""
        return self.errors + self.page.evaluate("watched.violations")
