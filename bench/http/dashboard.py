"""Measures what the dashboard costs the program that it watches: no viewer and ten viewers, in turns.

    apt-get install wrk
    cargo build --release -p tallybook-cli
    python3 bench/http/dashboard.py

The service answers from an SQLite book; wrk, the viewers and the service share the machine. At the end it tells how many statements
the service has counted, and its memory.
"""

import argparse
import re
import statistics
import subprocess
import tempfile
import urllib.request

from run import ROOT, Peer, free_port, wrk

VIEWERS = 10


class Viewer:
    """Reads the events of a page until it is stopped, as a browser would."""

    def __init__(self, port):
        self.received = tempfile.TemporaryFile()
        self.process = subprocess.Popen(["curl", "-sN", f"http://127.0.0.1:{port}/live/events"], stdout=self.received)

    def stop(self):
        """Returns the number of ticks."""
        self.process.terminate()
        self.process.wait()
        self.received.seek(0)
        return self.received.read().count(b"event: tick")


def statements(port):
    """The statements that the service has counted."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        text = answer.read().decode()
    counts = re.findall(r"^db_client_operation_duration_seconds_count\{[^}]*\} (\d+)", text, re.MULTILINE)
    return sum(map(int, counts))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=15)
    arguments.add_argument("--seconds", type=int, default=2)
    arguments.add_argument("--program", default=ROOT / "target/release/tallybook")
    options = arguments.parse_args()

    with tempfile.TemporaryDirectory() as directory:
        url = f"sqlite:///{directory}/book.db"
        for command in (["migrate", "upgrade"], ["seed", "--portfolios", "100", "--trades", "20000"]):
            command = [options.program, *command, "--database", url]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        port = free_port()
        service = Peer("Tallybook", [options.program, "serve", "--database", url, "--listen", f"127.0.0.1:{port}"], port,
                       RUST_LOG="error")
        try:
            path, rates, ticks = "/v1/trades?portfolio_id=7&limit=20", {0: [], VIEWERS: []}, []
            wrk(port, path, 16, options.seconds)
            began = service.memory()
            for number in range(options.rounds):
                # The first of a pair has no advantage over all rounds.
                for count in (0, VIEWERS) if number % 2 else (VIEWERS, 0):
                    viewers = [Viewer(port) for _ in range(count)]
                    rates[count].append(wrk(port, path, 16, options.seconds)[0])
                    ticks.extend(viewer.stop() for viewer in viewers)
            ratios = [watched / alone for alone, watched in zip(rates[0], rates[VIEWERS])]
            lower, median, upper = statistics.quantiles(ratios, n=4)
            print(f"{options.rounds} rounds of {options.seconds} s: {statistics.median(rates[0]):,.0f} requests/s without a viewer, "
                  f"{statistics.median(rates[VIEWERS]):,.0f} with {VIEWERS}")
            print(f"ratio {median:.3f} ({lower:.3f} to {upper:.3f}); each viewer received {statistics.mean(ticks):.1f} events a turn")
            print(f"memory: {began:.0f} MB at first, {service.memory():.0f} MB after {statements(port):,} statements")
        finally:
            service.process.terminate()
            service.process.wait()


if __name__ == "__main__":
    main()
